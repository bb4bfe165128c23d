//! A job as a process: takes the lock, says that it began, runs the body here, and leaves the result.
//!
//! Invariant: a job's folder sees at most one body, ever. Who finds the lock held, or that the job began before, exits
//! with [`REFUSED`](super::REFUSED) and touches nothing. Killed, it leaves no result and a free lock: it is lost, and a
//! new round is a new job. Its children do not inherit the lock.

use rustix::process::setsid;

use super::records::{self, JobResult, JobSpec, Started};
use super::{JobBody, REFUSED, complain, family, lock, log, now, process::ProcessId};

/// Runs the job to its end.
pub fn run<J>(spec: &JobSpec<J>, body: JobBody<J>) -> i32 {
    // A session of its own: no terminal's end reaches it. Refused only to who leads a session already.
    let _ = setsid();
    match supervise(spec, body) {
        Ok(code) => code,
        Err(error) => complain(&error.to_string(), REFUSED),
    }
}

fn supervise<J>(spec: &JobSpec<J>, body: JobBody<J>) -> Result<i32, records::RecordError> {
    let Some(held) = lock::take(&spec.lock, lock::PATIENCE)? else { return Ok(REFUSED) };
    let started = spec.dir.join(records::STARTED);
    let began = records::read::<Started>(&started)?.is_some();
    let (false, Some(process)) = (began, ProcessId::own()) else { return Ok(REFUSED) };
    records::write(&started, &Started { process, tmux: None, cgroup: None }, false)?;
    // What it leaves is known, and its body decides about it.
    family::adopt()?;
    let mut log = log::Log::open(&spec.dir.join(records::LOG))?;
    let code = body(spec, &mut log);
    records::write(&spec.dir.join(records::RESULT), &JobResult { code, at: now() }, true)?;
    drop(held);
    Ok(code)
}
