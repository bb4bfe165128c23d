//! On a machine that others use too, and with input that means harm: what is trusted, what is shown, what is held open.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;
use std::process::Stdio;

use gastown::connect::StoreLock;
use gastown::world::exec::Exec;
use gastown_crds::formula_text::cook;
use gastown_crds::{Bead, Rig};
use gastown_supervisor::process::ProcessId;
use serde_json::json;

use crate::harness::{Folder, RIG, bead, condition, git, object};

/// What no output may hold.
const SECRET: &str = "s3cret";

#[test]
fn a_socket_in_a_folder_that_others_can_change_is_not_talked_to() {
    let folder = Folder::with_rig();
    let runtime = folder.opened().layout.runtime().to_owned();
    let shared = runtime.parent().unwrap().to_owned();
    fs_err::create_dir_all(&runtime).unwrap();
    fs_err::set_permissions(&runtime, PermissionsExt::from_mode(0o700)).unwrap();
    fs_err::set_permissions(&shared, PermissionsExt::from_mode(0o777)).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(folder.opened().layout.api_socket()).unwrap();
    listener.set_nonblocking(true).unwrap();
    // The store is there, and no controller: what is asked is answered from it.
    assert_eq!(folder.gt(&["get", "rigs", "-o", "name"]).out, "rig/shop\n");
    let uid = shared.metadata().unwrap().uid();
    let said = folder.gt(&["up"]).all().replace(&format!("gt-{uid}"), "gt-[uid]");
    let lines: Vec<&str> = said.lines().filter(|line| line.contains("caused by") || line.contains("hint")).collect();
    assert!(
        lines.iter().any(|line| line.contains("others can replace what is in [dir]/gt-[uid] (mode 777): chmod go-w")),
        "{said}"
    );
    assert!(said.contains("TMPDIR="), "{said}");
    assert_eq!(listener.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock, "somebody has connected");
}

#[test]
fn a_copy_of_the_towns_folder_commands_nothing() {
    let folder = Folder::with_rig();
    let copy = folder.path("copy");
    fs_err::create_dir(&copy).unwrap();
    fs_err::copy(folder.path("home/town.yaml"), copy.join("town.yaml")).unwrap();
    for args in [&["status"][..], &["down"], &["up"], &["get", "rigs"], &["delete", "rig/shop"], &["init"]] {
        assert_eq!(folder.gt_at(&copy, args, "").all(), "\
! error: [dir]/copy is a copy of the town in [dir]/home, so it commands nothing
! hint: go there, or say --town [dir]/home; to make this folder a town of its own, remove the annotation `gastown.io/town-uid` from its town.yaml and run `gt init`
exit 6", "{args:?}");
    }
    assert_eq!(folder.gt(&["get", "rigs", "-o", "name"]).out, "rig/shop\n");
}

#[test]
fn what_the_town_keeps_is_closed_to_others() {
    let folder = Folder::with_rig();
    let [data, state] = ["data/gt", "state/gt"].map(|it| folder.path(it));
    // An earlier release has left them open.
    for dir in [&data, &state].into_iter().flat_map(|dir| fs_err::read_dir(dir).unwrap()) {
        fs_err::set_permissions(dir.unwrap().path(), PermissionsExt::from_mode(0o755)).unwrap();
    }
    let up = Up::of(folder);
    let waited = up.0.gt(&["wait", "rig/shop", "--for=condition=Ready=False", "--timeout", "1m"]);
    assert_eq!(waited.code, 0, "{}", waited.all());
    let mut open = Vec::new();
    for dir in [data, state] {
        found_open(&dir, &mut open);
    }
    assert_eq!(open, [""; 0]);
}

/// What others could look into, were it not in closed folders. What git makes has the modes that git gives it.
fn found_open(dir: &Path, found: &mut Vec<String>) {
    for entry in fs_err::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        let there = fs_err::symlink_metadata(&path).unwrap();
        if !there.is_symlink() && there.mode() & 0o077 != 0 && !path.ends_with("supervisor/gt") {
            found.push(format!("{} {:o}", path.display(), there.mode() & 0o777));
        }
        let is_gits = ["sandboxes", "worktrees", "verify", "ledger.git"].iter().any(|name| path.ends_with(name));
        if there.is_dir() && !is_gits {
            found_open(&path, found);
        }
    }
}

/// A town that is up; it is down again when this is dropped.
struct Up(Folder, ProcessId);

impl Up {
    fn of(folder: Folder) -> Self {
        let up = folder.gt(&["up"]);
        assert_eq!(up.code, 0, "{}", up.all());
        let process = holder(&folder);
        Self(folder, process)
    }
}

fn holder(folder: &Folder) -> ProcessId {
    let pid = StoreLock::holder(&folder.opened().layout.store_lock()).parse().unwrap();
    ProcessId::of(pid).unwrap()
}

impl Drop for Up {
    fn drop(&mut self) {
        if self.1.lives() {
            self.1.signal(rustix::process::Signal::TERM);
        }
    }
}

#[test]
fn the_controller_holds_nothing_open_that_it_was_started_with() {
    let folder = Folder::town();
    let held = folder.path("held");
    let script = format!("exec 7>'{}' && exec '{}' up", held.display(), env!("CARGO_BIN_EXE_gt"));
    assert_eq!(folder.shell("sh", &["-c", &script]).code, 0);
    let process = holder(&folder);
    let up = Up(folder, process);
    let open = fs_err::read_dir(format!("/proc/{}/fd", up.1.pid)).unwrap().flatten();
    let files: Vec<_> = open.filter_map(|fd| fs_err::read_link(fd.path()).ok()).collect();
    assert!(!files.is_empty() && !files.contains(&held), "{files:?}");
}

#[test]
fn a_log_that_nobody_reads_any_more_does_not_end_the_controller() {
    let folder = Folder::with_rig();
    let mut up = folder.command(&["up", "--foreground"]).stderr(Stdio::piped()).spawn().unwrap();
    // `gt up --foreground 2>&1 | head -1`
    let mut log = BufReader::new(up.stderr.take().unwrap());
    while !{
        let mut line = String::new();
        assert_ne!(log.read_line(&mut line).unwrap(), 0, "it has ended");
        line.contains("town")
    } {}
    drop(log);
    // The rig's repository is nowhere: that is tried, and logged.
    let waited = folder.gt(&["wait", "rig/shop", "--for=condition=Ready=False", "--timeout", "1m"]);
    assert_eq!(waited.code, 0, "{}", waited.all());
    assert_eq!(folder.gt(&["status"]).code, 0);
    assert!(up.try_wait().unwrap().is_none(), "the controller has ended");
    assert_eq!(folder.gt(&["down"]).code, 0);
    assert!(up.wait().unwrap().success());
}

#[test]
fn down_finds_a_controller_whose_socket_or_lock_is_lost() {
    let lost: [fn(&Folder); 4] = [
        |folder| fs_err::remove_file(folder.opened().layout.api_socket()).unwrap(),
        |folder| fs_err::remove_file(folder.opened().layout.store_lock()).unwrap(),
        |folder| {
            fs_err::remove_dir_all(folder.opened().layout.runtime()).unwrap();
            // The controller may be folding its ledger there.
            let data = folder.path("data");
            assert!((0..1000).any(|_| fs_err::remove_dir_all(&data).is_ok()));
        },
        // Another shell has other folders.
        |folder| fs_err::rename(folder.path("data"), folder.path("else")).unwrap(),
    ];
    for (nth, lose) in lost.into_iter().enumerate() {
        let up = Up::of(Folder::town());
        lose(&up.0);
        let down = up.0.gt(&["down"]);
        assert_eq!(down.all(), "! town `home` is down; agents that are at work go on\nexit 0", "{nth}");
        assert!(!up.1.lives(), "{nth}");
    }
}

#[test]
fn a_second_controller_does_not_start_because_the_lock_was_lost() {
    let up = Up::of(Folder::town());
    fs_err::remove_file(up.0.opened().layout.store_lock()).unwrap();
    fs_err::remove_file(up.0.opened().layout.api_socket()).unwrap();
    let second = up.0.gt(&["up"]).all().replace(&up.1.pid.to_string(), "[pid]");
    assert!(second.contains("process [pid] has the town's store open, although its lock is free"), "{second}");
}

#[test]
fn what_turns_the_direction_of_writing_is_shown_and_not_obeyed() {
    let folder = Folder::with_rig();
    let title = "Pay \u{202e}yob\u{2066} \u{1b}[2J now\u{200f}";
    let status = json!({"state": "Ready", "conditions": [condition("Ready", "False", "Blocked", title)]});
    folder.seed::<Bead>(&bead(
        "shop-a",
        &json!({"title": title, "description": format!("{title}\n{title}\n")}),
        &status,
    ));
    for args in [
        &["get", "beads", "-o", "wide"][..],
        &["get", "beads", "-o", "yaml"],
        &["get", "beads", "-o", "json"],
        &["describe", "bead/shop-a"],
        &["status"],
        &["status", "--json"],
        &["bd", "list"],
        &["bd", "list", "--json"],
        &["bd", "show", "shop-a"],
        &["bd", "show", "shop-a", "--json"],
        &["bd", "ready"],
    ] {
        let done = folder.gt(args);
        assert!(done.code == 0, "{args:?}: {}", done.all());
        let obeyed = |c: &char| *c != '\n' && gastown::text::is_obeyed(*c);
        assert_eq!(done.all().chars().find(obeyed), None, "{args:?}: {:?}", done.all());
    }
    let raw = folder.raw(&["get", "bead/shop-a", "-o", "json"]);
    let read: serde_json::Value = serde_json::from_str(&raw).unwrap();
    assert_eq!(read["spec"]["title"], title, "data stays as it is");
}

#[test]
fn a_password_in_an_address_is_never_shown() {
    let folder = Folder::town();
    let url = format!("https://kim:{SECRET}@example.invalid/shop.git");
    // Of an earlier release, or by another client of the API.
    let status = json!({"queued": 0, "conditions": [condition("Ready", "False", "CloneFailed", &format!("cloning `{url}` failed once"))]});
    let spec = json!({"repo": {"url": url}, "merge": {"strategy": "Push", "allowUnverified": true}});
    folder.seed::<Rig>(&object("Rig", "shop", &spec, &status));
    for args in [
        &["get", "rigs"][..],
        &["get", "rigs", "-o", "wide"],
        &["get", "rig/shop", "-o", "yaml"],
        &["get", "rigs", "-o", "json"],
        &["describe", "rig/shop"],
        &["status"],
        &["status", "--json"],
    ] {
        let done = folder.gt(args);
        assert!(done.code == 0 && !done.all().contains(SECRET), "{args:?}: {}", done.all());
    }
    // A clone's origin may hold one; the manifest must not.
    let shop = folder.path("shop");
    fs_err::create_dir(&shop).unwrap();
    git(&shop, &["init", "--quiet"]);
    fs_err::write(shop.join("Makefile"), "test:\n").unwrap();
    git(&shop, &["add", "."]);
    git(&shop, &["commit", "--quiet", "-m", "first"]);
    git(&shop, &["remote", "add", "origin", &url]);
    for place in [shop.to_str().unwrap(), &url] {
        let added = folder.gt(&["rig", "add", place, "--name", "other", "--verify", "true"]);
        assert!(!added.all().contains(SECRET), "{place}: {}", added.all());
    }
    assert!(folder.read("rigs/other.yaml").contains("url: https://example.invalid/shop.git"));
    let refused = RIG.replace("./repos/shop.git", &url).replace("name: shop", "name: new");
    let refused = folder.gt_with(&["apply", "-f", "-"], &refused);
    assert!(refused.code == 4 && !refused.all().contains(SECRET), "{}", refused.all());
}

#[test]
fn no_value_of_a_var_is_read_as_shell() {
    let folder = Folder::empty();
    let home = folder.path("home");
    let formula = json!({"vars": [{"name": "file"}], "steps": [{"name": "s", "run": "\
        printf '%s\\n' {{title}} \"{{title}}\" '{{title}}' \"$(printf '%s' '{{title}}')\"\ncat <<END\nit's {{title}}\nEND\n\
        for file in {{file}}; do echo \"$file\"; done\n"}]});
    let formula = serde_json::from_value(formula).unwrap();
    let title = "it's $(touch a) `touch b`; touch c \"\n'; touch d; '\nEND\ntouch e";
    let vars = [("title", title), ("file", "one two;touch f")].map(|(name, value)| (name.to_owned(), value.to_owned()));
    let steps = cook(&formula, &BTreeMap::from(vars)).unwrap();
    let output = Exec::new("sh").args(["-e", "-c", steps[0].run.as_deref().unwrap()]).cwd(&home).run().unwrap();
    assert_eq!(
        output.text(),
        format!("{title}\n{title}\n{title}\n{title}\nit's {title}\none\ntwo;touch\nf"),
        "{}",
        output.complaint()
    );
    assert_eq!(fs_err::read_dir(home).unwrap().count(), 0, "something of a value was run");
}
