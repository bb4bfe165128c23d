//! The friendly verbs, in a town that is down: `gt polecat`, `gt peek`, `gt attach`, `gt unsling`, `gt sling BEAD`, `gt convoy`.

use gastown::clock::{Clock as _, SystemClock};
use gastown_crds::{Bead, Convoy, MergeRequest, Polecat};
use gastown_supervisor::process::ProcessId;
use gastown_supervisor::records::{self, Exit, Pane, Started};
use serde_json::{Value, json};

use super::harness::{CONVOY, Folder, RIG, bead, condition, object};

const OID: &str = "0123456789012345678901234567890123456789";

/// A town with a polecat that works on a bead, and one that waits.
fn town() -> Folder {
    let folder = Folder::with_rig();
    let seed = |name: &str, status: &Value| {
        let spec = json!({"rig": "shop", "name": name});
        folder.seed::<Polecat>(&object("Polecat", &format!("shop-{name}"), &spec, status));
    };
    let works = condition("Ready", "True", "Working", "its session runs");
    let branch = "polecat/nux/shop-a";
    seed("nux", &json!({"state": "Working", "bead": "shop-a", "attempt": 1, "branch": branch, "conditions": [works]}));
    let failed = condition("Ready", "False", "SetupFailed", "`workspace.setup` failed\nmore");
    seed("toast", &json!({"state": "Stalled", "bead": "shop-b", "conditions": [failed]}));
    let has = json!({"assignee": {"polecat": "shop-nux", "uid": "1"}});
    folder.seed::<Bead>(&bead("shop-a", &has, &json!({"state": "Working", "lastPolecat": "shop-nux"})));
    folder
}

fn uid(folder: &Folder, object: &str) -> String {
    let value: Value = serde_json::from_str(&folder.raw(&["get", object, "-o", "json"])).unwrap();
    value["metadata"]["uid"].as_str().unwrap().to_owned()
}

fn merge_request(name: &str, bead: &str, state: &str, reason: &str) -> Value {
    let spec = json!({"bead": bead, "rig": "shop", "polecat": "shop-nux", "head": OID, "base": OID, "attempt": 1});
    let merged = condition("Merged", "False", reason, "");
    object("MergeRequest", name, &spec, &json!({"state": state, "conditions": [merged]}))
}

/// What a refusal says: it ended with this code and changed nothing.
#[track_caller]
pub fn refused(folder: &Folder, args: &[&str], code: i32, says: &[&str]) {
    let done = folder.gt(args);
    assert_eq!(done.code, code, "{}", done.all());
    for words in says {
        assert!(done.err.contains(words), "{words}\n{}", done.all());
    }
}

/// What went well, and said this.
#[track_caller]
pub fn said(folder: &Folder, args: &[&str], says: &[&str]) -> String {
    let done = folder.gt(args);
    assert_eq!(done.code, 0, "{}", done.all());
    for words in says {
        assert!(done.all().contains(words), "{words}\n{}", done.all());
    }
    done.out
}

pub fn of(folder: &Folder, object: &str) -> Value {
    serde_json::from_str(&folder.raw(&["get", object, "-o", "json"])).unwrap()
}

#[test]
fn polecats_are_listed_with_what_they_wait_for() {
    let folder = town();
    let out = said(&folder, &["polecat", "list"], &["NAME", "WAITS FOR"]);
    let row = |nth: usize| out.lines().nth(nth).unwrap().split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    assert_eq!(row(1)[..4], ["shop-nux", "shop", "Working", "shop-a"]);
    assert_eq!(row(1).last().map(String::as_str), Some("-"));
    assert_eq!(row(2)[..4], ["shop-toast", "shop", "Stalled", "shop-b"]);
    assert!(out.contains("SetupFailed: `workspace.setup` failed"), "{out}");
    let json: Value = serde_json::from_str(&folder.raw(&["polecat", "list", "shop", "-o", "json"])).unwrap();
    assert_eq!(json[0]["polecat"], "shop-nux");
    assert_eq!(json[1]["waitsFor"], "SetupFailed: `workspace.setup` failed");
    said(&folder, &["polecat", "list", "till"], &["no polecats found"]);
}

#[test]
fn a_record_is_shown_of_a_polecat_that_is_gone_too() {
    let folder = town();
    folder.seed::<MergeRequest>(&merge_request("shop-a-1", "shop-a", "Rejected", "Red"));
    folder.seed::<MergeRequest>(&merge_request("shop-0-1", "shop-0", "Merged", "Merged"));
    let record = "its record: 2 beads, 1 landed, 1 came back, 0 rejected";
    for word in ["shop-nux", "shop/nux", "polecat/shop-nux", "nux"] {
        let says =
            ["shop-nux, of rig shop: Working for ", "on its hook: bead/shop-a, attempt 1: Title of shop-a", record];
        said(&folder, &["polecat", "status", word], &says);
    }
    let json: Value = serde_json::from_str(&folder.raw(&["polecat", "status", "shop-nux", "-o", "json"])).unwrap();
    assert_eq!((&json["isThere"], &json["state"]), (&json!(true), &json!("Working")));
    assert_eq!((&json["record"]["landed"], &json["record"]["reworks"]), (&json!(1), &json!(1)));

    // Nothing is asked where there is nothing to lose.
    said(&folder, &["polecat", "nuke", "shop-nux"], &["polecat/shop-nux is being deleted", "the town is down"]);
    said(&folder, &["polecat", "status", "shop-nux"], &[record]);
    refused(&folder, &["polecat", "status", "shop-slit"], 3, &["no Polecat is named `shop-slit`"]);
}

#[test]
fn a_worktree_that_cannot_be_understood_is_not_given_up_without_force() {
    let folder = town();
    let worktree = folder.opened().layout.worktree(&uid(&folder, "polecat/shop-nux"));
    fs_err::create_dir_all(&worktree).unwrap();
    fs_err::write(worktree.join("work"), "").unwrap();
    let says = ["polecat shop-nux has work that nobody else has", "it is no whole worktree", "--force"];
    refused(&folder, &["polecat", "nuke", "shop-nux"], 4, &says);
    let says = ["polecat/shop-nux would be ended; bead/shop-a would go to another", "kept: it could not be seen"];
    said(&folder, &["polecat", "nuke", "shop-nux", "--force", "--dry-run"], &says);
    assert_eq!(of(&folder, "polecat/shop-nux")["metadata"]["deletionTimestamp"], Value::Null);
    refused(&folder, &["polecat", "nuke", "shop-nox"], 3, &["did you mean `shop-nux`?"]);
}

/// An attempt at a bead that has printed this and ended.
fn ended(folder: &Folder, bead: &str, output: &str, on_terminal: bool) {
    let dir = folder.opened().layout.attempt(&uid(folder, bead), 1);
    fs_err::create_dir_all(&dir).unwrap();
    let process = ProcessId::own().unwrap();
    let pane = Pane { server: process.clone(), session: "$1".into(), pane: "%1".into() };
    let started = Started { process, tmux: on_terminal.then_some(pane), cgroup: None };
    records::write(&dir.join(records::STARTED), &started, false).unwrap();
    let exit = Exit { code: 3, own: true, at: SystemClock.now(), killed: None };
    records::write(&dir.join(records::EXIT), &exit, false).unwrap();
    fs_err::write(dir.join(records::OUTPUT), output).unwrap();
}

#[test]
fn the_last_screen_of_an_agent_is_seen_after_its_end() {
    let folder = town();
    ended(
        &folder,
        "bead/shop-a",
        "one\r\ntwo\r\n\x1b[2Jbusy\x1b[1;1H\x1b[31mdone\x1b[0m\x1b[K\r\n\x1b[Jend\u{202e}",
        true,
    );
    let screen = "done\nend\u{fffd}";
    let peek = folder.gt(&["peek", "shop-nux"]);
    assert!(peek.out.trim_end().ends_with(screen), "{}", peek.all());
    assert_eq!(peek.err.lines().count(), 1, "{}", peek.err);
    let head = regex::Regex::new(r"\d+s ago").unwrap().replace(peek.err.trim_end(), "[age] ago").into_owned();
    assert_eq!(head, "shop-nux, bead/shop-a, attempt 1, ended with 3, [age] ago: Title of shop-a");
    for word in ["shop/nux", "polecat/shop-nux", "bead/shop-a", "shop-a"] {
        assert_eq!(folder.gt(&["peek", word]).out, peek.out, "{word}");
    }
    assert_eq!(folder.gt(&["peek", "shop-a", "-n", "1"]).out.trim_end(), "end\u{fffd}");
    let logs = folder.gt(&["logs", "bead/shop-a", "--screen"]);
    assert!(logs.out.trim_end().ends_with(screen), "{}", logs.all());
    // As text it is all of it.
    assert!(folder.gt(&["logs", "bead/shop-a"]).out.contains("busy"));
}

#[test]
fn who_has_no_session_is_told_what_there_is_to_see() {
    let folder = town();
    refused(&folder, &["peek", "shop-nux"], 3, &["shop-nux has not begun with bead shop-a yet"]);
    refused(&folder, &["peek", "nux"], 3, &["shop-nux has not begun with bead shop-a yet"]);
    refused(&folder, &["peek", "nix"], 3, &["no Polecat and no Bead is named `nix`"]);
    refused(&folder, &["peek", "rig/shop"], 2, &["a Rig has no session"]);
    refused(&folder, &["attach", "bead/shop-a"], 3, &["polecat shop-nux has no session now", "gt peek shop-nux"]);
    refused(&folder, &["attach", "shop-zz"], 3, &["no Polecat and no Bead is named `shop-zz`"]);
}

#[test]
fn a_bead_is_taken_off_its_hook_and_slung_again() {
    let folder = town();
    let yaml = said(&folder, &["unsling", "shop-a", "--dry-run", "-o", "yaml"], &["gastown.io/override:", "Stopped"]);
    assert!(yaml.starts_with("apiVersion: gastown.io/v1alpha1\nkind: Bead\n"), "{yaml}");
    assert_eq!(of(&folder, "bead/shop-a")["metadata"]["annotations"], Value::Null);
    let says = ["bead/shop-a unslung", "shop-nux keeps what was made for bead/shop-a"];
    said(&folder, &["unsling", "shop-a"], &says);
    assert_eq!(of(&folder, "bead/shop-a")["spec"]["assignee"]["polecat"], "shop-nux", "its work stays with it");
    let rig = RIG.replace("name: shop", "name: till");
    assert_eq!(folder.gt_with(&["apply", "-f", "-"], &rig).code, 0);
    refused(&folder, &["sling", "shop-a", "till"], 4, &["bead shop-a is of rig shop"]);
    said(&folder, &["sling", "shop-a", "shop"], &["bead/shop-a slung again (was stopped by kim: unslung)"]);
    assert_eq!(said(&folder, &["sling", "shop-a"], &[]), "bead/shop-a goes on already: Working\n");
}

#[test]
fn what_was_set_aside_is_tried_again_and_what_is_over_is_not() {
    let folder = town();
    folder.seed::<Bead>(&bead("shop-c", &json!({}), &json!({"state": "SetAside"})));
    let closed = json!({"closed": {"reason": "Merged", "at": "2026-01-01T00:00:00Z", "by": "gt"}});
    folder.seed::<Bead>(&bead("shop-d", &closed, &json!({"state": "Closed"})));
    folder.seed::<Bead>(&bead("shop-e", &json!({}), &json!({"state": "Landing"})));
    let question =
        json!({"name": "q1", "text": "Which?", "attempt": 1, "by": "shop/polecats/nux", "at": "2026-01-01T00:00:00Z"});
    folder.seed::<Bead>(&bead("shop-f", &json!({"questions": [question]}), &json!({"state": "Waiting"})));
    refused(&folder, &["sling", "shop-c", "shop-d"], 4, &["bead shop-d is closed (Merged), for ever"]);
    refused(&folder, &["sling", "shop-f"], 4, &["waits for an answer: Which?", "gt answer shop-f"]);
    refused(&folder, &["sling", "shop-c", "shop-z"], 3, &["no Bead is named `shop-z`"]);
    refused(&folder, &["unsling", "shop-d"], 4, &["bead shop-d is closed (Merged)"]);
    refused(&folder, &["unsling", "shop-c", "shop-e"], 4, &["its branch is handed in"]);
    refused(&folder, &["sling", "shop-c", "--runtime", "script"], 2, &["is said by its convoy"]);
    let retry = || of(&folder, "bead/shop-c")["spec"]["retry"].clone();
    assert_eq!(retry(), Value::Null, "none of several is slung where one is refused");
    assert_eq!(said(&folder, &["sling", "shop-c", "--dry-run"], &[]), "bead/shop-c slung again (dry run)\n");
    said(&folder, &["sling", "shop-c", "--dry-run=server", "-o", "yaml"], &["retry: 1"]);
    assert_eq!(retry(), Value::Null);
    said(&folder, &["sling", "bead/shop-c"], &["bead/shop-c slung again", "next: gt wait bead/shop-c"]);
    assert_eq!(retry(), 1);
}

/// A town whose rig is worked by an agent that reads words.
pub fn with_reader() -> Folder {
    let folder = Folder::town();
    let runtime = "apiVersion: gastown.io/v1alpha1\nkind: Runtime\nmetadata: { name: reader }\nspec: { command: [reader] }\n---\n";
    let done = folder.gt_with(&["apply", "-f", "-"], &format!("{runtime}{RIG}  runtime: reader\n"));
    assert_eq!(done.code, 0, "{}", done.all());
    folder
}

/// What the beads of a convoy are called.
fn beads_of(folder: &Folder, convoy: &str) -> Vec<String> {
    let spec = of(folder, convoy)["spec"]["beads"].as_array().unwrap().clone();
    spec.iter().map(|it| it["name"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_convoy_is_made_of_words_and_grows() {
    let folder = with_reader();
    let args = ["convoy", "create", "release", "Rotate tokens", "Log out\n\nEverywhere.", "--rig", "shop"];
    let yaml = said(
        &folder,
        &[&args[..], &["--dry-run", "-o", "yaml"]].concat(),
        &["- name: rotate-tokens", "- name: log-out"],
    );
    assert!(yaml.starts_with("apiVersion: gastown.io/v1alpha1\nkind: Convoy\nmetadata:\n  name: release\n"), "{yaml}");
    said(&folder, &args, &["convoy/release created", "next: gt wait convoy/release"]);
    refused(&folder, &args, 4, &["there is a convoy `release` already", "gt convoy add release"]);
    said(&folder, &["convoy", "add", "release", "Log out", "--dry-run"], &["log-out-2 added (dry run)"]);
    assert_eq!(beads_of(&folder, "convoy/release"), ["rotate-tokens", "log-out"]);
    let landed = json!({"conditions": [condition("Landed", "True", "Landed", "")]});
    folder.seed::<Convoy>(&object("Convoy", "release", &json!({}), &landed));
    let says = ["log-out-2, say-so added", "convoy/release had landed: it is open again"];
    said(&folder, &["convoy", "add", "release", "Log out", "Say so"], &says);
    assert_eq!(beads_of(&folder, "convoy/release"), ["rotate-tokens", "log-out", "log-out-2", "say-so"]);
    refused(&folder, &["convoy", "add", "releese", "x"], 3, &["did you mean `release`?"]);
    refused(&folder, &["convoy", "add", "release", "x", "--rig", "nowhere"], 4, &["nowhere"]);
    said(&folder, &["convoy", "list"], &["NAME", "release"]);
    said(&folder, &["convoy", "status", "convoy/release"], &["Name:    release"]);
    refused(&folder, &["convoy", "close", "release"], 4, &["4 beads are open", "--force"]);
    refused(&folder, &["convoy", "land", "release"], 4, &["4 beads are open", "--force"]);
    said(&folder, &["convoy", "close", "release", "--force"], &["convoy/release closed"]);
}

#[test]
fn a_convoy_that_a_file_declares_is_changed_in_its_file() {
    let folder = with_reader();
    folder.write("convoys/auth.yaml", CONVOY);
    assert_eq!(folder.gt(&["apply", "-f", "convoys"]).code, 0);
    let says = ["is declared in convoys/auth.yaml", "add it to convoys/auth.yaml"];
    refused(&folder, &["convoy", "add", "auth", "Say so"], 4, &says);
    refused(&folder, &["convoy", "close", "auth", "--force"], 4, &["remove it from convoys/auth.yaml"]);
    assert_eq!(beads_of(&folder, "convoy/auth"), ["tokens", "logout"]);
}

#[test]
fn a_rig_whose_runtime_reads_no_words_is_given_none() {
    let folder = Folder::with_rig();
    refused(&folder, &["convoy", "create", "day", "Fix it"], 4, &["reads no words"]);
}

/// The API is asked only for names that an object can have.
#[test]
fn a_name_that_nothing_can_have_is_not_found() {
    let folder = Folder::with_rig();
    for args in [
        &["peek", ""][..],
        &["unsling", "A b"],
        &["convoy", "add", "a/b/c", "x"],
        &["polecat", "status", " "],
        &["answer", "%", "x"],
    ] {
        let done = folder.gt(args);
        assert_eq!(done.code, 3, "{args:?}: {}", done.all());
        assert!(done.err.contains(" is named `") || done.err.contains("no "), "{args:?}: {}", done.err);
        assert!(!done.err.contains("caused by"), "{args:?}: {}", done.err);
    }
    let done = folder.gt(&["convoy", "create", "A B", "Fix it"]);
    assert!(done.code == 4 && !done.err.contains("caused by"), "{}", done.all());
}
