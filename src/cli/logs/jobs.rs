//! The jobs on record as lines, for somebody who named none of them.

use crate::world::records::{JobEnd, JobRecord};

/// Jobs that are listed; the newest.
const LISTED_MAX: usize = 10;

/// The newest jobs, of all that are on record with the newest first.
pub fn list(all: &[JobRecord]) -> String {
    if all.is_empty() {
        return "there is no record of any job yet".to_owned();
    }
    let lines: Vec<String> = all.iter().take(LISTED_MAX).map(|job| format!("\n  {}", line(job))).collect();
    let more = if all.len() > LISTED_MAX {
        format!("\n  … and {} older ones", all.len() - LISTED_MAX)
    } else {
        String::new()
    };
    format!("the records of old jobs are removed; there are{}{more}", lines.concat())
}

/// `<key>  verify shop  running`.
fn line(job: &JobRecord) -> String {
    let how = match job.end {
        JobEnd::Running => "running".to_owned(),
        JobEnd::Ended(code) => format!("ended with {code}"),
        JobEnd::Lost => "lost".to_owned(),
    };
    format!("{}  {:<16}  {how}", job.key, format!("{} {}", job.verb, job.rig))
}
