//! The cgroup of a session (cgroups(7), version 2): who is in it, and what the kernel has killed there for memory.
//!
//! It is made by systemd, as the scope that the session is started in, and goes with its last process. Where a session has
//! none of its own, the kernel's count for the whole machine is all that is known.

use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

/// Where the second version of cgroups is: alone, or beside the first.
const MOUNTS: [&str; 2] = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// What has happened to the memory of a cgroup.
const EVENTS: &str = "memory.events";

/// The processes of a cgroup.
const PROCS: &str = "cgroup.procs";

/// How deep below a session's cgroup its agent's own are looked for.
const DEPTH_MAX: usize = 8;

/// Most cgroups that are looked at for one session.
const GROUPS_MAX: usize = 1000;

/// The cgroup that this process is in, if it has this name.
pub fn own(name: &str) -> Option<PathBuf> {
    let groups = fs_err::read_to_string("/proc/self/cgroup").ok()?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
    let path = Path::new(path);
    if path.file_name()? != name {
        return None;
    }
    MOUNTS.iter().map(|mount| Path::new(mount).join(path)).find(|path| path.join(PROCS).exists())
}

/// The processes in a cgroup and in those below it; none once it is gone.
pub fn pids(group: &Path) -> io::Result<Vec<i32>> {
    let mut pids = Vec::new();
    let mut groups = vec![(group.to_owned(), 0)];
    let mut looked_at = 0;
    while let Some((group, depth)) = groups.pop() {
        looked_at += 1;
        match fs_err::read_to_string(group.join(PROCS)) {
            // 0 stands for a process that this one cannot see, in another pid namespace.
            Ok(text) => pids.extend(text.lines().filter_map(|pid| pid.parse::<i32>().ok()).filter(|pid| *pid > 0)),
            // One that is gone is empty; one for threads only lists no processes.
            Err(e) if is_gone(&e) => continue,
            Err(e) => return Err(e),
        }
        if depth < DEPTH_MAX && looked_at + groups.len() < GROUPS_MAX {
            let below = fs_err::read_dir(&group).into_iter().flatten().flatten();
            let folders = below.filter(|entry| entry.file_type().is_ok_and(|it| it.is_dir()));
            groups.extend(folders.map(|entry| (entry.path(), depth + 1)));
        }
    }
    pids.sort_unstable();
    pids.dedup();
    Ok(pids)
}

fn is_gone(error: &io::Error) -> bool {
    let code = error.raw_os_error().map(rustix::io::Errno::from_raw_os_error);
    error.kind() == io::ErrorKind::NotFound
        || matches!(code, Some(rustix::io::Errno::NODEV | rustix::io::Errno::OPNOTSUPP))
}

/// What was killed for memory while a session ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Killed {
    /// How many processes: of the session's, or, where it has no cgroup of its own, of the whole machine's.
    pub processes: u64,
    /// The limit that was reached, in bytes, as it was asked for; none if it was not the session's own memory that was used up,
    /// but the machine's, or that of whatever the town runs in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<u64>,
}

/// Counts what is killed for memory from now on.
pub struct Kills {
    group: Option<PathBuf>,
    /// The limit of the session. The kernel's file says another number: it counts in pages.
    limit: Option<u64>,
    before: u64,
}

impl Kills {
    /// Begins to count, in the session's own cgroup if it has one that counts.
    pub fn begin(group: Option<&Path>, limit: Option<u64>) -> Self {
        let group = group.filter(|group| group.join(EVENTS).exists()).map(Path::to_owned);
        let before = Self::count(group.as_deref()).map_or(0, |(kills, _)| kills);
        Self { group, limit, before }
    }

    /// Whether only the session's own processes are counted.
    pub fn are_its_own(&self) -> bool {
        self.group.is_some()
    }

    /// What was killed since; none if nothing was.
    pub fn since(&self) -> Option<Killed> {
        let (kills, is_own) = Self::count(self.group.as_deref())?;
        let processes = kills.saturating_sub(self.before);
        (processes > 0).then_some(Killed { processes, limit: self.limit.filter(|_| is_own) })
    }

    /// How many were killed so far, and whether at a limit of their own.
    fn count(group: Option<&Path>) -> Option<(u64, bool)> {
        match group {
            Some(group) => {
                let events = fs_err::read_to_string(group.join(EVENTS)).ok()?;
                Some((number(&events, "oom_kill")?, number(&events, "oom")? > 0))
            }
            None => Some((number(&fs_err::read_to_string("/proc/vmstat").ok()?, "oom_kill")?, false)),
        }
    }
}

/// A line of a file of counts: a name and a number.
fn number(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that looks like a cgroup.
    fn group(dir: &Path, pids: &str) {
        fs_err::create_dir_all(dir).unwrap();
        fs_err::write(dir.join(PROCS), pids).unwrap();
    }

    #[test]
    fn whoever_is_in_it_or_below_it_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("gt.scope");
        assert_eq!(pids(&path).unwrap(), Vec::<i32>::new());
        group(&path, "7\n0\n");
        group(&path.join("its own/deeper"), "9\n");
        group(&path.join("its own"), "8\n7\n");
        assert_eq!(pids(&path).unwrap(), [7, 8, 9]);
    }

    #[test]
    fn what_is_killed_for_its_own_limit_is_told_from_what_the_machine_killed() {
        let dir = tempfile::tempdir().unwrap();
        let says = |text: &str| fs_err::write(dir.path().join(EVENTS), text).unwrap();
        says("low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n");
        let kills = Kills::begin(Some(dir.path()), Some(2_000_000_000));
        assert!(kills.are_its_own());
        assert_eq!(kills.since(), None);
        says("low 0\nhigh 0\nmax 0\noom 0\noom_kill 1\noom_group_kill 0\n");
        assert_eq!(kills.since(), Some(Killed { processes: 1, limit: None }));
        says("low 0\nhigh 0\nmax 31\noom 2\noom_kill 2\noom_group_kill 0\n");
        assert_eq!(kills.since(), Some(Killed { processes: 2, limit: Some(2_000_000_000) }));
    }

    #[test]
    fn no_process_is_in_a_cgroup_of_another_name() {
        assert_eq!(own("no-such.scope"), None);
    }
}
