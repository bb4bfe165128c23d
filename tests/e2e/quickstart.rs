//! The quickstart, as `make demo` runs it: eight beads over two rigs, none of it smoothly, all of it landed.

use std::path::Path;
use std::time::Duration;

use gastown::world::exec::Exec;
use gastown_crds::{KINDS, Kind, Role};
use serde_json::Value;

#[test]
fn the_quickstart_lands_and_can_be_run_again() {
    let dir = tempfile::Builder::new().prefix("gt-demo-").tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/demo.sh");
    for run in ["first", "second"] {
        let out = Exec::new("sh")
            .arg(&script)
            .arg(env!("CARGO_BIN_EXE_gt"))
            .env("GT_DEMO_DIR", dir.path())
            .env("TMPDIR", dir.path())
            .env_remove("TMUX")
            .limit(Duration::from_mins(4))
            .run()
            .unwrap();
        let (said, talk) = (out.text(), out.complaint());
        assert!(out.ok(), "{run}: {}\n{said}\n{talk}", out.code);
        assert!(said.contains("8/8"), "{run}: {said}");
        assert_eq!(not_smooth(dir.path()), NOT_SMOOTH, "{run}:\n{said}\n{talk}");
        assert_eq!(running_with(&dir.path().to_string_lossy()), Vec::<String>::new(), "{run}: something still runs");
        assert_eq!(kinds_that_did_not_work(dir.path()), Vec::<&str>::new(), "{run}: add them to an example's town");
    }
}

/// How the beads ended that the convoy's first lines tell of: reason, failures, and why their branches came back.
const NOT_SMOOTH: [&str; 4] = [
    "Call it format_size, as format_duration is: Merged, 1 failed, Red",
    "Put the licence on every source file: Merged, 1 failed",
    "Take blanks off line ends: NoChanges, 0 failed",
    "the second of two that change the same line: Merged, 1 failed, Conflict",
];

/// Both change the same line, and the one that is handed in first lands first.
const SAME_LINE: [&str; 2] = ["Mark results that must be used", "Say width, not cols"];

/// What is on record of the beads with which something happened. What `gt wait` prints of it depends on when it begins: the
/// first agent may be dead by then.
fn not_smooth(dir: &Path) -> Vec<String> {
    let requests = items(dir, "mergerequests");
    let mut of_beads: Vec<String> = items(dir, "beads")
        .iter()
        .filter(|bead| bead["status"]["failures"] != 0 || bead["spec"]["closed"]["reason"] == "NoChanges")
        .map(|bead| {
            let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let failed = format!("{} failed", bead["status"]["failures"]);
            let came_back = requests
                .iter()
                .filter(|request| request["spec"]["bead"] == bead["metadata"]["name"])
                .map(|request| text(&request["status"]["conditions"][0]["reason"]))
                .filter(|reason| reason != "Merged");
            let how: Vec<String> =
                [text(&bead["spec"]["closed"]["reason"]), failed].into_iter().chain(came_back).collect();
            let title = text(&bead["spec"]["title"]);
            let which =
                if SAME_LINE.contains(&&*title) { "the second of two that change the same line" } else { &title };
            format!("{which}: {}", how.join(", "))
        })
        .collect();
    of_beads.sort();
    of_beads
}

/// A kind whose example is a town of its own, `examples/gitops`: a source makes live what is committed, and here all is applied.
const ELSEWHERE: &str = "Source";

/// Records are written by hand, as `tests/agent/seeds.rs` does. The kinds of which no object has come to what its controller is for: a condition that its row names is True. So each
/// kind has an example, and a test from end to end.
fn kinds_that_did_not_work(dir: &Path) -> Vec<&'static str> {
    let works = |kind: &&'static Kind| {
        let items = items(dir, kind.plural);
        let conditions = items.iter().filter_map(|it| it["status"]["conditions"].as_array());
        let is_true = |it: &Value| kind.conditions.iter().any(|type_| it["type"] == *type_) && it["status"] == "True";
        conditions.flatten().any(is_true)
    };
    let has_controller = |kind: &&&'static Kind| kind.role == Role::Reconciled;
    KINDS
        .iter()
        .filter(|kind| kind.name != ELSEWHERE)
        .filter(has_controller)
        .filter(|kind| !works(kind))
        .map(|kind| kind.name)
        .collect()
}

/// All objects of a kind in the town of the demo.
fn items(dir: &Path, plural: &str) -> Vec<Value> {
    let out = Exec::new(env!("CARGO_BIN_EXE_gt"))
        .args(["get", plural, "--output", "json"])
        .cwd(dir.join("town"))
        .env("XDG_DATA_HOME", dir.join("data"))
        .env("XDG_STATE_HOME", dir.join("state"))
        .limit(Duration::from_mins(1))
        .run()
        .unwrap();
    let list: Value = serde_json::from_str(&out.text()).unwrap_or_default();
    list["items"].as_array().cloned().unwrap_or_default()
}

/// The command lines of processes that name a text.
fn running_with(text: &str) -> Vec<String> {
    let line = |entry: std::io::Result<fs_err::DirEntry>| {
        let line = fs_err::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    };
    fs_err::read_dir("/proc").unwrap().filter_map(line).filter(|line| line.contains(text)).collect()
}
