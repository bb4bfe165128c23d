//! The quickstart, as `make demo` runs it: eight beads over two rigs, none of it smoothly, all of it landed.

use std::path::Path;
use std::time::Duration;

use gastown::world::exec::Exec;
use gastown_crds::{KINDS, Kind};
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
        for happened in ["came back red", "conflicts in src/wrap.rs", "nothing to change", "ended without handing in"] {
            assert!(talk.contains(happened), "{run}: `{happened}` did not happen:\n{talk}");
        }
        assert_eq!(running_with(&dir.path().to_string_lossy()), Vec::<String>::new(), "{run}: something still runs");
        assert_eq!(kinds_that_did_not_work(dir.path()), Vec::<&str>::new(), "{run}: add them to an example's town");
    }
}

/// A kind whose example is a town of its own, `examples/gitops`: a source makes live what is committed, and here all is applied.
const ELSEWHERE: &str = "Source";

/// The kinds of which no object has come to what its controller is for: a condition that its row names is True. So each
/// kind has an example, and a test from end to end.
fn kinds_that_did_not_work(dir: &Path) -> Vec<&'static str> {
    let works = |kind: &&'static Kind| {
        let out = Exec::new(env!("CARGO_BIN_EXE_gt"))
            .args(["get", kind.plural, "--output", "json"])
            .cwd(dir.join("town"))
            .env("XDG_DATA_HOME", dir.join("data"))
            .env("XDG_STATE_HOME", dir.join("state"))
            .limit(Duration::from_mins(1))
            .run()
            .unwrap();
        let list: Value = serde_json::from_str(&out.text()).unwrap_or_default();
        let conditions =
            list["items"].as_array().into_iter().flatten().filter_map(|it| it["status"]["conditions"].as_array());
        let is_true = |it: &Value| kind.conditions.iter().any(|type_| it["type"] == *type_) && it["status"] == "True";
        conditions.flatten().any(is_true)
    };
    KINDS.iter().filter(|kind| kind.name != ELSEWHERE && !works(kind)).map(|kind| kind.name).collect()
}

/// The command lines of processes that name a text.
fn running_with(text: &str) -> Vec<String> {
    let line = |entry: std::io::Result<fs_err::DirEntry>| {
        let line = fs_err::read(entry.ok()?.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    };
    fs_err::read_dir("/proc").unwrap().filter_map(line).filter(|line| line.contains(text)).collect()
}
