//! `gt up` and `gt down`: where the controller runs, and what is told while it stops.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;

use gastown::connect::StoreLock;
use gastown_supervisor::process::ProcessId;
use rustix::process::Signal;

use crate::harness::Folder;

/// A town that is up; it is down again when this is dropped.
struct Up(Folder, ProcessId);

impl Up {
    fn town() -> Self {
        let folder = Folder::town();
        let up = folder.gt(&["up"]);
        assert_eq!(up.code, 0, "{}", up.all());
        let pid = StoreLock::holder(&folder.opened().layout.store_lock()).parse().unwrap();
        Self(folder, ProcessId::of(pid).unwrap())
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        self.1.signal(Signal::CONT);
        drop(self.0.gt(&["down"]));
    }
}

#[test]
fn the_controller_has_no_terminal_that_could_end_it() {
    let up = Up::town();
    let pid = up.1.pid;
    // Group, session and terminal: after the name in parentheses, and the state and the parent.
    let stat = fs_err::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<i32> =
        stat.rsplit_once(") ").unwrap().1.split(' ').skip(2).take(3).map(|it| it.parse().unwrap()).collect();
    assert_eq!(fields, [pid, pid, 0]);
    insta::assert_snapshot!(up.0.gt(&["down"]).all(), @"
    ! town `home` is down; agents that are at work go on
    exit 0
    ");
}

#[test]
fn a_stop_that_takes_long_says_what_it_waits_for() {
    let up = Up::town();
    up.1.signal(Signal::STOP);
    let mut down = up.0.command(&["down"]).stderr(Stdio::piped()).spawn().unwrap();
    let mut said = BufReader::new(down.stderr.take().unwrap()).lines();
    let first = said.next().unwrap().unwrap().replace(&up.1.pid.to_string(), "[pid]");
    insta::assert_snapshot!(first, @"waiting for what the controller (process [pid]) has begun to end, such as a worktree that git makes; at most 13 minutes, and it stops even if nobody waits");
    up.1.signal(Signal::CONT);
    let rest: Vec<String> = said.map(Result::unwrap).collect();
    assert_eq!(rest, ["town `home` is down; agents that are at work go on"]);
    assert!(down.wait().unwrap().success());
}
