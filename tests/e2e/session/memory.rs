//! What a session takes of memory beside its agent. The supervisor that `gt` carries is a release in every build, so
//! this is the figure of `make bench`, held.

use super::town::{Town, shell, wait_until};
use smaps::{private_kib, running};

#[path = "../../../benches/town/smaps.rs"]
mod smaps;

/// The most that supervisor and recorder may take together. They take a third of it; huge pages for an allocator, or the
/// relocations of a program like `gt`, would take more than all of it.
const PRIVATE_KIB_MAX: u32 = 1536;

#[test]
fn a_session_takes_little_memory_beside_its_agent() {
    for town in [Town::new(), Town::without_tmux()] {
        town.start(&town.sandbox("one"), &shell(1, "echo on; exec sleep 600"));
        let log = town.sessions.attempt_log_path("bead", 1);
        wait_until("it is recorded", || gastown_supervisor::log::tail(&log) == "on");
        let each: Vec<_> = running(&town.layout.supervisor()).into_iter().map(private_kib).collect();
        assert_eq!(each.len(), 2, "supervisor and recorder");
        assert!(each.iter().sum::<u32>() <= PRIVATE_KIB_MAX, "{each:?} KiB");
    }
}
