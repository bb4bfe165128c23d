//! Desired state in git, and in a folder: a commit, a push or a saved file is live at once, on real git and a real controller.

use std::path::{Path, PathBuf};

use gastown::world::exec::{Exec, Output};
use serde_json::{Value, json};

use super::harness::{Town, WAIT_MAX, git, wait_until, walk};

/// A formula as a manifest.
pub fn formula(name: &str, run: &str) -> String {
    format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Formula\nmetadata: {{ name: {name} }}\nspec: {{ steps: [{{ name: work, run: '{run}' }}] }}\n"
    )
}

/// Git as somebody else runs it, with the town's environment for the hooks that it starts.
fn by_hand(town: &Town, dir: &Path, args: &[&str]) -> Output {
    let identity = ["GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"];
    let exec = Exec::new("git").args(args).cwd(dir).limit(WAIT_MAX);
    let exec = identity.into_iter().fold(exec, |exec, name| exec.env(name, "kim@example.invalid"));
    let exec = exec.env("XDG_DATA_HOME", town.path("data")).env("XDG_STATE_HOME", town.path("state"));
    exec.env("TMPDIR", town.path("tmp")).env("HOME", town.path("home")).run().unwrap()
}

pub fn commit(town: &Town, dir: &Path, what: &str) {
    for args in [&["add", "-A"][..], &["commit", "-qm", what]] {
        let out = by_hand(town, dir, args);
        assert!(out.ok(), "{args:?}: {}", out.complaint());
    }
}

/// Waits until something is so of a source.
pub fn source_is(town: &Town, name: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    wait_until(town, what, || {
        let found = town.run(&["get", "source", name, "-o", "json"]);
        serde_json::from_str(&found.text()).ok().filter(&is_so)
    })
}

/// Waits until a source is as it is for this reason.
pub fn settles(town: &Town, name: &str, reason: &str) -> Value {
    source_is(town, name, reason, |source| {
        let conditions = source["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|it| it["type"] == "Ready" && it["reason"] == reason)
    })
}

/// Waits until a source has applied so many objects.
fn has(town: &Town, name: &str, objects: usize) {
    source_is(town, name, &format!("{objects} objects"), |source| {
        source["status"]["objects"] == objects && source["status"]["history"][0]["result"] == "Applied"
    });
}

/// Has the source look, and waits until it is live.
pub fn is_live(town: &Town, source: &str) -> String {
    town.ok(&["source", "sync", source, "--timeout", "60s"])
}

pub fn formulas(town: &Town) -> Vec<String> {
    let names = town.items("formulas").into_iter().map(|it| it["metadata"]["name"].as_str().unwrap().to_owned());
    names.filter(|name| name != "work").collect()
}

/// A clone of the town's repository, as somebody has who pushes to it.
fn clone(town: &Town) -> PathBuf {
    git(&town.path(""), &["clone", "-q", "town", "clone"]);
    town.path("clone")
}

/// Typed one after the other, as README has it: what was just committed is waited for.
#[test]
fn what_was_committed_a_moment_ago_is_waited_for() {
    let town = Town::live();
    town.repo("shop", &[("README", "shop\n"), ("check.sh", "true\n")]);
    town.up();
    town.file(
        "town/rig.yaml",
        "apiVersion: gastown.io/v1alpha1\nkind: Rig\nmetadata: { name: shop }\nspec:\n  repo: { url: ../repos/shop.git }\n  \
         merge: { strategy: Push, verify: [{ name: check, run: sh check.sh }] }\n",
    );
    for name in ["one", "two", "three"] {
        let convoy = format!(
            "apiVersion: gastown.io/v1alpha1\nkind: Convoy\nmetadata: {{ name: {name} }}\nspec: {{ rig: shop, beads: [{{ name: a, \
             title: Do {name}, command: echo {name} > {name}.txt }}] }}\n"
        );
        town.file(&format!("town/{name}.yaml"), &convoy);
        commit(&town, &town.path("town"), name);
        let out = town.run(&["wait", &format!("convoy/{name}"), "--timeout", "80s"]);
        assert!(out.ok(), "{}", out.complaint());
    }
    let lost = town.run(&["wait", "convoy/four"]);
    assert!(lost.code == 3 && lost.complaint().contains("no Convoy is named `four`"), "{}", lost.complaint());
}

#[test]
fn a_commit_lands_work_and_a_wrong_push_changes_nothing() {
    let town = Town::live();
    town.repo("shop", &[("README", "shop\n"), ("check.sh", "true\n")]);
    town.up();
    let home = town.path("town");
    let rig = format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Rig\nmetadata: {{ name: shop }}\nspec:\n  repo: {{ url: {} }}\n  merge: {{ strategy: Push, verify: [{{ name: check, run: sh check.sh }}] }}\n",
        "../repos/shop.git"
    );
    town.file("town/rigs/shop.yaml", &rig.replace("../repos", "../../repos"));
    town.file("town/convoy.yaml", "apiVersion: gastown.io/v1alpha1\nkind: Convoy\nmetadata: { name: one }\nspec: { rig: shop, beads: [{ name: a, title: Do a, command: echo a > a.txt }] }\n");
    commit(&town, &home, "work");
    has(&town, "town", 4);
    town.lands("one");

    // Judged in quarantine: nothing of it comes in.
    let clone = clone(&town);
    fs_err::write(clone.join("bad.yaml"), formula("bad", "true").replace("steps", "stepz")).unwrap();
    commit(&town, &clone, "bad");
    let pushed = by_hand(&town, &clone, &["push", "-q"]);
    let said = pushed.complaint();
    assert!(!pushed.ok() && said.contains("bad.yaml:4:9") && said.contains("did you mean `steps`?"), "{said}");
    assert!(!home.join("bad.yaml").exists());
    // Nor does a file that broke take away what it declared.
    fs_err::write(clone.join("bad.yaml"), "").unwrap();
    fs_err::write(clone.join("convoy.yaml"), "kind: {").unwrap();
    commit(&town, &clone, "broken");
    let pushed = by_hand(&town, &clone, &["push", "-q"]);
    assert!(!pushed.ok() && pushed.complaint().contains("1 objects were declared there"), "{}", pushed.complaint());
    git(&clone, &["checkout", "-q", "HEAD~1", "convoy.yaml"]);
    fs_err::write(clone.join("bad.yaml"), formula("good", "true")).unwrap();
    commit(&town, &clone, "good");
    let pushed = by_hand(&town, &clone, &["push", "-q"]);
    let said = pushed.complaint();
    assert!(pushed.ok() && said.contains("1 created, 0 changed, 0 pruned") && said.contains("+formula/good"), "{said}");
    is_live(&town, "town");
    assert_eq!(formulas(&town), ["good"]);
    assert!(home.join("bad.yaml").exists(), "the files follow");

    // With no controller running a push is judged all the same, and is live with the next one.
    town.ok(&["down"]);
    fs_err::write(clone.join("bad.yaml"), formula("bad", "true").replace("kind", "kin")).unwrap();
    commit(&town, &clone, "bad again");
    assert!(!by_hand(&town, &clone, &["push", "-q"]).ok());
    fs_err::write(clone.join("bad.yaml"), formula("later", "true")).unwrap();
    commit(&town, &clone, "later");
    let said = by_hand(&town, &clone, &["push", "-q"]).complaint();
    assert!(said.contains("the town is down: live at the next `gt up`"), "{said}");
    town.up();
    is_live(&town, "town");
    assert_eq!(formulas(&town), ["later"], "and what is declared no more is pruned");
    // What had landed is not done again.
    town.lands("one");
    assert_eq!(town.items("mergerequests").len(), 1);

    // Its manifest is moved aside: another revision is live, for which none of what it declares is written.
    let declared = || [town.items("convoys"), town.items("formulas")].concat();
    let before = declared();
    let said = town.ok(&["source", "tidy", "--commit"]);
    assert!(said.contains("convoy.yaml -> landed/convoy.yaml  (convoy/one)"), "{said}");
    is_live(&town, "town");
    assert!(home.join("landed/convoy.yaml").exists() && !home.join("convoy.yaml").exists());
    assert_eq!(declared(), before);
    assert_eq!(town.items("mergerequests").len(), 1);
    let history: Value = serde_json::from_str(&town.ok(&["history", "-o", "json"])).unwrap();
    let (tidied, first) =
        (&history[0], history.as_array().unwrap().iter().find(|past| past["subject"] == "work").unwrap());
    assert_eq!(
        (&tidied["result"], &tidied["created"], &tidied["configured"]),
        (&json!("Applied"), &json!(0), &json!(0))
    );
    assert_eq!((&first["caused"]["beads"], &first["caused"]["landed"]), (&json!(1), &json!(1)));
}

#[test]
fn what_somebody_changes_is_put_back_and_a_rollback_is_a_commit() {
    let town = Town::live();
    let home = town.path("town");
    town.file("town/f.yaml", &(formula("a", "true") + "---\n" + &formula("b", "true")));
    commit(&town, &home, "two");
    town.up();
    is_live(&town, "town");
    town.ok(&["delete", "formula/a"]);
    wait_until(&town, "the formula is made anew", || (formulas(&town) == ["a", "b"]).then_some(()));

    town.file("town/f.yaml", &formula("a", "false"));
    commit(&town, &home, "one");
    is_live(&town, "town");
    assert_eq!(formulas(&town), ["a"]);
    let said = town.ok(&["rollback", "HEAD~1"]);
    assert!(said.contains("1 created, 1 changed, 0 pruned"), "{said}");
    is_live(&town, "town");
    assert_eq!(formulas(&town), ["a", "b"]);
    assert!(fs_err::read_to_string(home.join("f.yaml")).unwrap().contains("name: b"));
    assert_eq!(by_hand(&town, &home, &["status", "--porcelain"]).text(), "");
    let history = town.ok(&["history", "--json"]);
    let history: Value = serde_json::from_str(&history).unwrap();
    let results: Vec<&str> = history.as_array().unwrap().iter().filter_map(|past| past["result"].as_str()).collect();
    assert!(results.iter().all(|result| *result == "Applied") && results.len() == 3, "{history}");

    // A commit that nobody judged before: refused as a whole, said, and put right by the next one.
    fs_err::write(home.join("g.yaml"), formula("c", "true") + "  more: 1\n").unwrap();
    commit(&town, &home, "wrong");
    let source = settles(&town, "town", "InvalidRevision");
    assert_eq!(source["status"]["history"][0]["result"], "Refused");
    assert_eq!(formulas(&town), ["a", "b"]);
    assert!(town.ok(&["status"]).contains("source/town"), "{}", town.ok(&["status"]));
    // All at once would go.
    for file in ["f.yaml", "g.yaml"] {
        fs_err::remove_file(home.join(file)).unwrap();
    }
    commit(&town, &home, "none");
    settles(&town, "town", "PruneHeld");
    assert_eq!(formulas(&town), ["a", "b"]);
    town.ok(&["source", "approve", "town"]);
    is_live(&town, "town");
    assert_eq!(formulas(&town).len(), 0);
}

#[test]
fn a_bare_repository_is_a_source_too() {
    let town = Town::empty();
    town.ok(&["init", "--bare", "--name", "town"]);
    town.up();
    settles(&town, "town", "RevisionNotFound");
    git(&town.path(""), &["clone", "-q", "town/town.git", "clone"]);
    let clone = town.path("clone");
    fs_err::write(clone.join("f.yaml"), formula("a", "true")).unwrap();
    commit(&town, &clone, "a");
    let pushed = by_hand(&town, &clone, &["push", "-q", "origin", "HEAD"]);
    assert!(pushed.ok() && pushed.complaint().contains("+formula/a"), "{}", pushed.complaint());
    settles(&town, "town", "Ok");
    assert_eq!(formulas(&town), ["a"]);
}

#[test]
fn what_is_saved_in_a_watched_folder_is_live() {
    let town = Town::live();
    let folder = town.path("declared");
    fs_err::create_dir_all(&folder).unwrap();
    town.ok(&["up", "--watch", folder.to_str().unwrap()]);
    let waits = |objects: usize| has(&town, "watch", objects);
    fs_err::write(folder.join("a.yaml"), formula("a", "true")).unwrap();
    waits(1);
    // As editors save: a swap file, a file beside it, a rename.
    fs_err::write(folder.join(".b.yaml.swp"), "b0VIM").unwrap();
    fs_err::write(folder.join("4913"), "").unwrap();
    fs_err::write(folder.join("b.yaml~"), "kind: {").unwrap();
    fs_err::write(folder.join("b.tmp"), formula("b", "true")).unwrap();
    fs_err::rename(folder.join("b.tmp"), folder.join("b.yaml")).unwrap();
    waits(2);
    // Half of a file is nothing that anybody has saved.
    let mut half = fs_err::File::create(folder.join("c.yaml")).unwrap();
    let text = formula("c", "true");
    std::io::Write::write_all(&mut half, &text.as_bytes()[..text.len() / 2]).unwrap();
    fs_err::write(folder.join("d.yaml"), formula("d", "true")).unwrap();
    std::io::Write::write_all(&mut half, &text.as_bytes()[text.len() / 2..]).unwrap();
    drop(half);
    waits(4);
    // A burst of saves is no burst of revisions.
    for nth in 0..50 {
        fs_err::write(folder.join("e.yaml"), formula("e", &format!("echo {nth}"))).unwrap();
    }
    waits(5);
    let text = || town.json(&["formula", "e"])["spec"]["steps"][0]["run"].as_str().unwrap().to_owned();
    is_live(&town, "watch");
    assert_eq!(text(), "echo 49");
    fs_err::remove_file(folder.join("a.yaml")).unwrap();
    waits(4);
    assert_eq!(formulas(&town), ["b", "c", "d", "e"]);
    let source = town.json(&["source", "watch"]);
    let history = source["status"]["history"].as_array().unwrap().clone();
    assert!(history.iter().all(|past| past["result"] != "Refused"), "{history:#?}");
}

/// As its README has it: what is committed in the fork lands.
#[test]
fn the_example_town_can_be_forked() {
    let town = Town::empty();
    let (example, home) = (Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/gitops"), town.path("town"));
    for file in walk(&example) {
        let below = file.strip_prefix(&example).unwrap();
        town.file(&format!("town/{}", below.display()), &fs_err::read_to_string(&file).unwrap());
    }
    let bare = town.repo("hello", &[("hello.txt", ""), ("test.sh", "grep -q Hello hello.txt\n")]);
    fs_err::rename(bare, town.path("hello.git")).unwrap();
    for args in [&["init", "-q"][..], &["add", "."], &["commit", "-qm", "A town"]] {
        assert!(by_hand(&town, &home, args).ok(), "{args:?}");
    }
    let valid = town.run(&["validate", "."]);
    assert!(valid.ok(), "{}{}", valid.text(), valid.complaint());
    town.ok(&["init", "--receive", "--commit"]);
    // As its CI comments on a pull request, with no town up.
    let diff = town.run(&["diff", "-f", ".", "-o", "markdown"]);
    assert!(diff.code == 1 && diff.text().contains("convoy/hello"), "{}{}", diff.text(), diff.complaint());
    town.up();
    has(&town, "town", 5);
    town.lands("hello");
    let said = git(&town.path("hello.git"), &["show", "main:hello.txt"]);
    assert_eq!(said, "Hello, world\nHello, town");
    // A push is judged here too.
    let clone = clone(&town);
    fs_err::write(clone.join("convoys/hello.yaml"), "kind: Convoy\n").unwrap();
    commit(&town, &clone, "wrong");
    assert!(!by_hand(&town, &clone, &["push", "-q"]).ok());
}

/// Another repository of somebody's, over a protocol that is not this machine's own files.
#[test]
fn a_repository_elsewhere_is_cloned_and_fetched_when_it_is_asked_for() {
    let town = Town::live();
    let bare = town.repo("declared", &[("f.yaml", &formula("a", "true"))]);
    let server = Served::of(&town.path("repos"));
    let url = format!("git://127.0.0.1:{}/declared.git", server.port);
    town.up();
    town.apply(&format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Source\nmetadata: {{ name: far }}\nspec: {{ git: {{ url: '{url}', branch: main }}, prune: true }}\n"
    ));
    settles(&town, "far", "Ok");
    assert_eq!(formulas(&town), ["a"]);
    let work = town.path("work/declared");
    fs_err::write(work.join("f.yaml"), formula("b", "true")).unwrap();
    commit(&town, &work, "b");
    git(&work, &["push", "-q", bare.to_str().unwrap(), "HEAD:main"]);
    is_live(&town, "far");
    assert_eq!(formulas(&town), ["b"]);
    // Another branch, and another repository: at once, and nothing of what was fetched of the one for the other.
    let source = |url: &str, branch: &str| {
        town.apply(&format!(
            "apiVersion: gastown.io/v1alpha1\nkind: Source\nmetadata: {{ name: far }}\nspec: {{ git: {{ url: '{url}', branch: {branch} }}, prune: true }}\n"
        ));
    };
    fs_err::write(work.join("f.yaml"), formula("c", "true")).unwrap();
    commit(&town, &work, "c");
    git(&work, &["push", "-q", bare.to_str().unwrap(), "HEAD:next"]);
    source(&url, "next");
    wait_until(&town, "the branch is live", || (formulas(&town) == ["c"]).then_some(()));
    town.repo("another", &[("f.yaml", &formula("d", "true"))]);
    source(&url.replace("declared", "another"), "main");
    wait_until(&town, "the other repository is live", || (formulas(&town) == ["d"]).then_some(()));
    let source = settles(&town, "far", "Ok");
    let results = source["status"]["history"].as_array().unwrap().iter().map(|past| past["result"].as_str().unwrap());
    assert_eq!(results.collect::<Vec<_>>(), ["Applied"; 4], "{source}");
}

/// A server of git's own protocol.
pub struct Served {
    pub port: u16,
    daemon: std::process::Child,
}

impl Served {
    pub fn of(dir: &Path) -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        // Itself, and not by way of another git that would outlive it.
        let program = format!("{}/git-daemon", git(dir, &["--exec-path"]));
        let args = ["--export-all", "--listen=127.0.0.1", "--reuseaddr"];
        let exec = Exec::new(program).args(args).arg(format!("--port={port}"));
        let mut command = exec.arg(format!("--base-path={}", dir.display())).arg(dir).command();
        let daemon = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        let until = std::time::Instant::now() + WAIT_MAX;
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(std::time::Instant::now() < until, "git daemon does not answer");
            std::thread::yield_now();
        }
        Self { port, daemon }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.daemon.kill().ok();
        self.daemon.wait().ok();
    }
}

/// Nobody asks and nobody tells: a minute is the shortest interval.
#[test]
fn a_repository_elsewhere_is_asked_for_news_with_each_interval() {
    let town = Town::live();
    let bare = town.repo("declared", &[("f.yaml", &formula("a", "true"))]);
    let server = Served::of(&town.path("repos"));
    town.up();
    town.apply(&format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Source\nmetadata: {{ name: far }}\nspec: {{ git: {{ url: 'git://127.0.0.1:{}/declared.git', interval: 1m }}, prune: true }}\n",
        server.port
    ));
    settles(&town, "far", "Ok");
    let work = town.path("work/declared");
    fs_err::write(work.join("f.yaml"), formula("b", "true")).unwrap();
    commit(&town, &work, "b");
    git(&work, &["push", "-q", bare.to_str().unwrap(), "HEAD:main"]);
    wait_until(&town, "the push is live", || (formulas(&town) == ["b"]).then_some(()));
}

/// Where a source names keys, what nobody of them has signed changes nothing: neither by a push nor by a commit.
#[test]
fn a_push_that_is_not_signed_is_refused_and_a_rollback_signs() {
    let town = Town::live();
    let (home, key) = (town.path("town"), town.path("home/key"));
    let made = Exec::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(&key).limit(WAIT_MAX).run();
    assert!(made.unwrap().ok());
    let public = fs_err::read_to_string(key.with_extension("pub")).unwrap();
    town.file("town/signers", &format!("kim@example.invalid {public}"));
    let declared = fs_err::read_to_string(home.join("town.yaml")).unwrap();
    let declared = declared.replace("  git:\n", "  git:\n    verify: { allowedSigners: signers }\n");
    town.file("town/town.yaml", &declared);
    let settings = fs_err::read_to_string(town.path("home/.gitconfig")).unwrap();
    let signs = format!("{settings}[gpg]\nformat = ssh\n[user]\nsigningKey = {}\n", key.display());
    town.file("home/.gitconfig", &signs);
    let commits = |dir: &Path, args: &[&str]| {
        assert!(by_hand(&town, dir, &["add", "-A"]).ok());
        let out = by_hand(&town, dir, &[&["commit", "-qm", "change"], args].concat());
        assert!(out.ok(), "{}", out.complaint());
    };
    town.file("town/f.yaml", &formula("a", "true"));
    commits(&home, &["-S"]);
    town.up();
    is_live(&town, "town");
    assert_eq!(formulas(&town), ["a"]);

    let clone = clone(&town);
    fs_err::write(clone.join("g.yaml"), formula("b", "true")).unwrap();
    commits(&clone, &[]);
    let pushed = by_hand(&town, &clone, &["push", "-q"]);
    let said = pushed.complaint();
    assert!(!pushed.ok() && said.contains("it is not signed") && said.contains("git commit --amend"), "{said}");
    assert!(by_hand(&town, &clone, &["commit", "-q", "--amend", "--no-edit", "-S"]).ok());
    assert!(by_hand(&town, &clone, &["push", "-q"]).ok());
    is_live(&town, "town");
    assert_eq!(formulas(&town), ["a", "b"]);

    fs_err::remove_file(home.join("g.yaml")).unwrap();
    commits(&home, &[]);
    let source = settles(&town, "town", "NotSigned");
    assert_eq!(source["status"]["history"][0]["result"], "Refused");
    assert_eq!(formulas(&town), ["a", "b"]);
    assert!(town.ok(&["status"]).contains("it is not signed"), "{}", town.ok(&["status"]));
    let would = town.run(&["diff", "--source", "town"]);
    assert!(would.code == 4 && would.complaint().contains("it is not signed"), "{}", would.complaint());
    // What goes back to a good one is signed as any other commit is, or is not made.
    let head = || git(&home, &["rev-parse", "HEAD"]);
    let before = head();
    town.file("home/.gitconfig", &settings);
    let refused = town.run(&["rollback", "HEAD~1"]);
    assert!(!refused.ok() && refused.complaint().contains("git commit -S"), "{}", refused.complaint());
    assert_eq!(head(), before);
    town.file("home/.gitconfig", &signs);
    town.ok(&["rollback", "HEAD~1"]);
    is_live(&town, "town");
    assert_eq!(formulas(&town), ["a", "b"]);
    assert!(home.join("g.yaml").exists());
}

/// Two machines with one source: the one that it does not name looks, and changes nothing.
#[test]
fn a_source_that_names_another_machine_is_only_looked_at() {
    let town = Town::live();
    let (home, here) = (town.path("town"), fs_err::read_to_string("/proc/sys/kernel/hostname").unwrap());
    let declared = fs_err::read_to_string(home.join("town.yaml")).unwrap();
    let runs_on = |runner: &str| {
        town.file("town/town.yaml", &declared.replace("  git:\n", &format!("  runner: {runner}\n  git:\n")));
    };
    runs_on("another.example.org");
    commit(&town, &home, "where it runs");
    town.up();
    // Whatever was there before the source said so, it says so now.
    settles(&town, "town", "AppliedElsewhere");
    let clone = clone(&town);
    fs_err::write(clone.join("f.yaml"), formula("a", "true")).unwrap();
    commit(&town, &clone, "a");
    let pushed = by_hand(&town, &clone, &["push", "-q"]);
    let said = pushed.complaint();
    assert!(pushed.ok() && said.contains("applied on `another.example.org` alone"), "{said}");
    let synced = town.run(&["source", "sync", "town", "--timeout", "60s"]);
    assert!(!synced.ok() && synced.complaint().contains("is not applied by this town"), "{}", synced.complaint());
    assert_eq!(formulas(&town).len(), 0);
    let would = town.run(&["diff", "--source", "town"]);
    assert!(would.code == 1 && would.text().contains("formula/a"), "{}{}", would.text(), would.complaint());
    // A revision that names this machine is for this one.
    runs_on(here.trim());
    commit(&town, &home, "here");
    has(&town, "town", 3);
    assert_eq!(formulas(&town), ["a"]);
}
