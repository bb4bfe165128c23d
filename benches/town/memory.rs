//! What a session takes of memory beside its agent: the supervisor and the recorder, against two of the smallest programs.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gastown::world::exec::Exec;
use gastown::world::layout::Layout;
use gastown::world::session::program;
use gastown_supervisor::log;

use crate::restart::{end_tmux, sandbox, sessions, spec};
use crate::smaps::{private_kib, running};
use crate::table::{Row, Table};

/// The goal, for both together.
const GOAL_KIB: u32 = 1536;

/// A bound on the wait for both; far above what it takes.
const WAIT_MAX: Duration = Duration::from_mins(1);

pub fn measure(table: &mut Table) {
    let (dir, short) = (crate::folder(), tempfile::tempdir().unwrap());
    let layout = Layout::of(dir.path().join("data"), dir.path().join("state"), short.path().join("run"));
    let each = of_a_session(&layout);
    let (all, floor) = (each.iter().sum::<u32>(), of_two_cats());
    let list: Vec<String> = each.iter().map(u32::to_string).collect();
    table.row(Row {
        figure: "private memory per session, supervisor + recorder".into(),
        measured: format!("{} KiB", list.join(" + ")),
        floor: format!("{floor} KiB"),
        ratio: format!("{:.1} ×", f64::from(all) / f64::from(floor)),
        goal: format!("≤ {GOAL_KIB} KiB"),
        met: all <= GOAL_KIB,
    });
}

/// One session alone: there is no other to share pages with. The larger process first.
fn of_a_session(layout: &Layout) -> Vec<u32> {
    let (sandbox, mut spec) = (sandbox("0"), spec("0", 1));
    spec.command = ["sh", "-c", "echo on; exec sleep 600"].map(str::to_owned).to_vec();
    let sessions = sessions(layout, &Arc::default());
    program::install(layout, Path::new(env!("CARGO_BIN_EXE_gt"))).unwrap();
    fs_err::create_dir_all(layout.worktree("0")).unwrap();
    sessions.ensure(&sandbox, &spec, &[]).unwrap();
    let began = Instant::now();
    // Both are at rest once what the agent said has come through.
    while log::tail(&sessions.attempt_log_path("0", 1)).is_empty() {
        assert!(began.elapsed() < WAIT_MAX, "nothing is recorded within {WAIT_MAX:?}");
        std::thread::sleep(Duration::from_millis(5));
    }
    let mut each: Vec<u32> = running(&layout.supervisor()).into_iter().map(private_kib).collect();
    each.sort_unstable_by(|a, b| b.cmp(a));
    sessions.end(&sandbox).unwrap();
    end_tmux(layout);
    each
}

/// The least that two processes take here.
fn of_two_cats() -> u32 {
    let mut cats = [cat(), cat()];
    let floor = cats.iter().map(|cat| private_kib(cat.id().cast_signed())).sum();
    for cat in &mut cats {
        cat.kill().unwrap();
        cat.wait().unwrap();
    }
    floor
}

fn cat() -> Child {
    let mut cat = Exec::new("cat").command().stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    // Once it has answered it is at rest, too.
    cat.stdin.as_mut().unwrap().write_all(b"x").unwrap();
    cat.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
    cat
}
