//! The private memory of processes, as the kernel counts it: what each of them takes that no other has a part in.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot be made has failed; tests use it, too")]

use std::path::Path;

/// The processes that run this program.
pub fn running(program: &Path) -> Vec<i32> {
    let program = fs_err::canonicalize(program).unwrap();
    let pids =
        fs_err::read_dir("/proc").unwrap().flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // Processes end while we look.
    pids.filter(|pid| fs_err::read_link(format!("/proc/{pid}/exe")).is_ok_and(|exe| exe == program)).collect()
}

/// What is in this process's memory and in no other's, in KiB: written to, or of a file that only it has mapped.
pub fn private_kib(pid: i32) -> u32 {
    let all = fs_err::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap();
    let private = |line: &&str| line.starts_with("Private_Clean:") || line.starts_with("Private_Dirty:");
    all.lines().filter(private).filter_map(|line| line.split_whitespace().nth(1)?.parse::<u32>().ok()).sum()
}
