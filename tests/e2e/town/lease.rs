//! The lease of a remote source: of two towns that declare it, one applies it, and says so to the other.

use std::path::Path;

use serde_json::Value;

use super::harness::{Town, git, wait_until, walk};
use super::source::{Served, commit, formula, formulas, settles};

/// The town on another machine: its own folders, and the same remote.
fn town_of(server: &Served) -> Town {
    let town = Town::live();
    town.up();
    town.apply(&format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Source\nmetadata: {{ name: far }}\nspec: {{ git: {{ url: 'git://127.0.0.1:{}/declared.git', branch: main, interval: 100h }}, prune: true }}\n",
        server.port
    ));
    town
}

/// Somebody pushes a file that declares one formula more.
fn push(town: &Town, bare: &Path, name: &str) {
    let work = town.path("work/declared");
    fs_err::write(work.join(format!("{name}.yaml")), formula(name, "true")).unwrap();
    commit(town, &work, name);
    git(&work, &["push", "-q", bare.to_str().unwrap(), "HEAD:main"]);
}

/// Who holds the lease, by the commit that it is at; none if nobody does.
fn holder(bare: &Path) -> Option<String> {
    let said = git(bare, &["for-each-ref", "--format=%(contents)", "refs/gt/runner/town/far"]);
    Some(said.lines().find_map(|line| line.strip_prefix("Gastown-Lease-Holder: "))?.to_owned())
}

fn uid(town: &Town) -> Option<String> {
    town.json(&["source", "far"])["metadata"]["uid"].as_str().map(str::to_owned)
}

#[test]
fn one_of_two_towns_applies_a_remote_and_hands_it_over() {
    let host = Town::empty();
    let bare = host.repo("declared", &[("a.yaml", &formula("a", "true"))]);
    git(&bare, &["config", "daemon.receivepack", "true"]);
    let server = Served::of(&host.path("repos"));
    let one = town_of(&server);
    settles(&one, "far", "Ok");
    assert_eq!(formulas(&one), ["a"]);
    assert_eq!(holder(&bare), uid(&one));

    let two = town_of(&server);
    let source = settles(&two, "far", "AppliedElsewhere");
    let said = source["status"]["conditions"].to_string();
    assert!(said.contains("which holds the lease in its remote"), "{said}");
    assert!(source["status"]["lease"]["machine"].is_string() && formulas(&two).is_empty());
    // What it would do can be seen.
    let diff = two.run(&["diff", "--source", "far"]);
    assert!(diff.text().contains("formula/a"), "{}{}", diff.text(), diff.complaint());
    let refused = two.run(&["source", "sync", "far"]);
    assert_eq!((refused.code, refused.complaint().contains("is not applied by this town")), (4, true));

    // It is handed over by a word, and the first one learns that with its next fetch.
    let taken = two.run(&["source", "take", "far"]);
    assert!(
        taken.ok() && taken.complaint().contains("sees that with its next fetch, within 4d4h"),
        "{}",
        taken.complaint()
    );
    wait_until(&two, "the other applies it", || (formulas(&two) == ["a"]).then_some(()));
    assert_eq!(holder(&bare), uid(&two));
    push(&host, &bare, "b");
    assert_eq!(one.run(&["source", "sync", "far"]).code, 4);
    settles(&one, "far", "AppliedElsewhere");
    two.ok(&["source", "sync", "far"]);
    assert_eq!((formulas(&one), formulas(&two)), (vec!["a".to_owned()], vec!["a".to_owned(), "b".to_owned()]));

    // A source that goes gives it up, with its clone; the next one to look takes it.
    let clone = uid(&two).unwrap();
    let is_cloned = || walk(&two.path("data")).iter().any(|file| file.to_string_lossy().contains(&clone));
    assert!(is_cloned());
    two.ok(&["delete", "source/far"]);
    wait_until(&two, "it is gone", || (two.run(&["get", "source", "far"]).code == 3).then_some(()));
    assert_eq!((holder(&bare), is_cloned()), (None, false));
    one.ok(&["source", "sync", "far"]);
    assert_eq!(holder(&bare), uid(&one));
    assert_eq!(formulas(&one), ["a", "b"]);
    let left: Value = one.json(&["source", "far"]);
    assert!(left["status"]["lease"]["seen"].is_null(), "{left}");
    // One that is suspended looks at nothing, and nobody waits for that.
    let spec = format!("git: {{ url: 'git://127.0.0.1:{}/declared.git', branch: main, interval: 100h }}", server.port);
    one.apply(&format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Source\nmetadata: {{ name: far }}\nspec: {{ {spec}, prune: true, suspend: true }}\n"
    ));
    for verb in ["sync", "take"] {
        let refused = one.run(&["source", verb, "far"]);
        assert_eq!((refused.code, refused.complaint().contains("suspended")), (4, true), "{}", refused.complaint());
    }
}
