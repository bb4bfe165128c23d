//! The jobs that this machine has records of: what each does, and how it is.

use std::time::SystemTime;

use gastown_controllers::world::Job;

use crate::town::Town;
use crate::world::run::lock;
use crate::world::run::records::{self, JobResult, JobSpec, Spec, Started};

/// Jobs that are listed where none was found; the newest.
const LISTED_MAX: usize = 10;

/// A job on record.
#[derive(Debug)]
pub struct Recorded {
    /// Its key.
    pub key: String,
    /// What it does, and for whom: `verify  shop`.
    pub what: String,
    /// Whether it runs now.
    pub is_running: bool,
    /// How it ended, if it has.
    ended: Option<i32>,
    /// The rig whose work it verifies.
    verifies: Option<String>,
    /// When its folder changed last.
    touched: SystemTime,
}

impl Recorded {
    /// `verify  shop  running`.
    pub fn line(&self) -> String {
        let how = match (self.is_running, self.ended) {
            (true, _) => "running".to_owned(),
            (false, Some(code)) => format!("ended with {code}"),
            (false, None) => "lost".to_owned(),
        };
        format!("{}  {:<16}  {how}", self.key, self.what)
    }
}

/// All of them, the newest first. What cannot be read is left out: a list is a help, never a reason to fail.
pub fn all(town: &Town) -> Vec<Recorded> {
    let folder = town.layout.job("any");
    let entries = folder.parent().and_then(|jobs| fs_err::read_dir(jobs).ok()).into_iter().flatten().flatten();
    let mut found: Vec<Recorded> =
        entries.filter_map(|entry| recorded(town, entry.file_name().into_string().ok()?)).collect();
    found.sort_by_key(|job| (std::cmp::Reverse(job.touched), job.key.clone()));
    found
}

/// The job that verifies what waits in a rig's queue: the one that runs, else the last that ran. A rig verifies one thing
/// at a time.
pub fn verifying(town: &Town, rig_uid: &str) -> Option<Recorded> {
    let mut of_rig: Vec<Recorded> =
        all(town).into_iter().filter(|job| job.verifies.as_deref() == Some(rig_uid)).collect();
    of_rig.sort_by_key(|job| !job.is_running);
    of_rig.into_iter().next()
}

/// The newest of them, for somebody who named none of them.
pub fn list(town: &Town) -> String {
    let all = all(town);
    if all.is_empty() {
        return "there is no record of any job yet".to_owned();
    }
    let lines: Vec<String> = all.iter().take(LISTED_MAX).map(|job| format!("\n  {}", job.line())).collect();
    let more = if all.len() > LISTED_MAX {
        format!("\n  … and {} older ones", all.len() - LISTED_MAX)
    } else {
        String::new()
    };
    format!("the records of old jobs are removed; there are{}{more}", lines.concat())
}

fn recorded(town: &Town, key: String) -> Option<Recorded> {
    let dir = town.layout.job(&key);
    let Some(Spec::Job(JobSpec { job, .. })) = records::read::<Spec>(&dir.join(records::SPEC)).ok()? else {
        return None;
    };
    let has_started = records::read::<Started>(&dir.join(records::STARTED)).ok()?.is_some();
    let ended = records::read::<JobResult>(&dir.join(records::RESULT)).ok()?.map(|result| result.code);
    let is_running = ended.is_none() && has_started && lock::held(&town.layout.job_lock(&key)).unwrap_or(false);
    let touched = fs_err::metadata(&dir).and_then(|it| it.modified()).ok()?;
    let (verb, rig, verifies) = match &job {
        Job::Clone { rig, .. } => ("clone", rig, None),
        Job::Fetch { rig, .. } => ("fetch", rig, None),
        Job::Setup { rig, .. } => ("setup", rig, None),
        Job::Verify { rig, .. } => ("verify", rig, Some(rig.uid.clone())),
        Job::Push { rig, .. } => ("push", rig, None),
    };
    Some(Recorded { what: format!("{verb} {}", rig.name), key, is_running, ended, verifies, touched })
}
