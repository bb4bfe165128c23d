//! What is free on this machine: memory as the kernel counts it, within what this process may have, and disk.

use std::io;
use std::path::Path;

use gastown_controllers::world::Free;
use rustix::fs::{StatVfs, statvfs};

/// Where the kernel says how much memory there is.
const MEMINFO: &str = "/proc/meminfo";
/// The cgroup that this process sees as its root: a container's own, with its limit.
const CGROUP: &str = "/sys/fs/cgroup";

/// What is free just now, on the disk that holds this folder.
pub fn free(data: &Path) -> io::Result<Free> {
    let meminfo = fs_err::read_to_string(MEMINFO)?;
    let memory = field(&meminfo, "MemAvailable").ok_or_else(|| missing("MemAvailable"))?;
    let left = limit().map(|limit| limit.saturating_sub(used()));
    let disk = disk(data)?;
    Ok(Free { memory: left.map_or(memory, |left| left.min(memory)), disk: disk.f_bavail * disk.f_frsize })
}

/// All that this machine has, on the disk that holds this folder.
pub fn size(data: &Path) -> io::Result<Free> {
    let meminfo = fs_err::read_to_string(MEMINFO)?;
    let memory = field(&meminfo, "MemTotal").ok_or_else(|| missing("MemTotal"))?;
    let disk = disk(data)?;
    Ok(Free { memory: limit().map_or(memory, |limit| limit.min(memory)), disk: disk.f_blocks * disk.f_frsize })
}

fn missing(name: &str) -> io::Error {
    io::Error::other(format!("{MEMINFO} has no line `{name}`"))
}

/// The file system of a folder, or of the first above it that is there: it may not be made yet.
fn disk(folder: &Path) -> io::Result<StatVfs> {
    let there = folder.ancestors().find(|folder| folder.exists()).unwrap_or(folder);
    statvfs(there)
        .map_err(|error| io::Error::new(error.kind(), format!("could not look at {}: {error}", there.display())))
}

/// A line of /proc/meminfo, in bytes.
fn field(meminfo: &str, name: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    let kib: u64 = line.split_whitespace().next()?.parse().ok()?;
    Some(kib * 1024)
}

/// The limit of the cgroup's memory; none without one, or without cgroup v2.
fn limit() -> Option<u64> {
    number(&format!("{CGROUP}/memory.max"))
}

/// What the cgroup uses and could not give back at once.
fn used() -> u64 {
    let stat = fs_err::read_to_string(format!("{CGROUP}/memory.stat")).unwrap_or_default();
    let cache = stat.lines().find_map(|line| line.strip_prefix("inactive_file ")?.trim().parse().ok()).unwrap_or(0);
    number(&format!("{CGROUP}/memory.current")).unwrap_or(0).saturating_sub(cache)
}

fn number(path: &str) -> Option<u64> {
    fs_err::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_meminfo_is_read_in_bytes() {
        let meminfo = "MemTotal:       24576 kB\nMemFree:  1 kB\nMemAvailable:    2048 kB\n";
        assert_eq!(field(meminfo, "MemAvailable"), Some(2 << 20));
        assert_eq!((field(meminfo, "Mem"), field(meminfo, "SwapFree")), (None, None));
    }

    #[test]
    fn something_is_free_and_no_more_than_there_is() {
        let dir = tempfile::tempdir().unwrap();
        let (free, all) = (free(dir.path()).unwrap(), size(&dir.path().join("not/yet")).unwrap());
        assert!(free.memory > 0 && free.memory <= all.memory, "{free:?} of {all:?}");
        assert!(free.disk <= all.disk, "{free:?} of {all:?}");
    }
}
