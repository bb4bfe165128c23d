//! The agents' verbs through the real binary, offline, in a town of their own: `gt hook`, `gt done`, and the script agent.

use std::path::Path;

use crate::town::{TestTown, bead, nux, step};
use gastown_crds::{Bead, MergeRequest};
use insta::assert_snapshot;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::{from_value, json};

fn hooked() -> TestTown {
    let town = TestTown::new();
    town.seed_hooked();
    town
}

#[test]
fn the_hook_is_shown_to_people_programs_and_shells() {
    let town = hooked();
    assert_snapshot!("hook_text", town.agent("gt hook"));
    assert_snapshot!("hook_json", town.agent("gt hook --json"));
    assert_snapshot!(town.agent("gt hook -o command shop-1.change"), @"
    exit 0
    echo new >> new
    ");
    assert_snapshot!(town.agent("gt hook -o title docs"), @"
    exit 0
    Do docs
    ");
    assert_snapshot!(town.agent("gt hook -o base"), @"
    exit 0
    <commit>
    ");
    assert_snapshot!(town.agent("gt hook -o title other"), @"
    exit 1
    2> error: bead `shop-1` has no step `other`
    2> hint: its steps are shop-1.change, shop-1.docs, shop-1.verify
    ");
}

#[test]
fn a_change_of_mind_about_its_bead_is_told_with_every_verb_that_reads_it() {
    let town = hooked();
    let changed = |reason: &str| {
        let condition = json!({ "type": "BeadChanged", "status": "True", "reason": reason,
            "message": "its convoy has a new text:\ntitle: Log out twice", "lastTransitionTime": "2026-01-01T00:00:00Z" });
        let patch = Patch::Merge(json!({ "status": { "conditions": [condition] } }));
        town.api(None, async |client| {
            let beads: Api<Bead> = Api::default_namespaced(client);
            beads.patch_status("shop-1", &PatchParams::default(), &patch).await.unwrap();
        });
    };
    changed("TextChanged");
    assert_snapshot!(town.agent("gt hook -o steps"), @"
    exit 0
    shop-1.change
    2> note: the text of `shop-1` has changed since you began: `gt prime` shows what it says now; heed it where you can
    ");
    assert!(town.agent("gt prime").contains("title: Log out twice"));
    changed("Removed");
    assert_snapshot!(town.agent("bd close shop-1.change"), @"
    exit 0
    closed shop-1.change: Do change
    2> note: `shop-1` was taken out of its convoy: finish it all the same, it lands
    ");
    // A person is not at work on it.
    assert!(!town.person("bd show shop-1").contains("note:"));
}

#[test]
fn a_step_for_another_runtime_is_not_the_sessions_to_do() {
    let town = hooked();
    town.patch_spec("shop-1.docs", &json!({ "runtime": "reviewer" }));
    town.patch_spec("shop-1.verify", &json!({ "runtime": "reviewer" }));
    let writer = |line: &str| town.agent_with(line, &[("GT_RUNTIME", "writer")]);
    assert_snapshot!(writer("gt hook -o next"), @"exit 0");
    assert_snapshot!(writer("bd close shop-1.docs"), @"
    exit 1
    2> error: `shop-1.docs` is for `reviewer`, in a session of its own
    2> hint: `gt hook` shows what is yours to do
    ");
    assert!(writer("gt done").contains("holds no commit"));
    town.commit("new");
    assert_snapshot!(writer("bd close shop-1.change"), @"
    exit 0
    closed shop-1.change: Do change
    ");
    assert_snapshot!(writer("gt hook -o steps"), @"exit 0");
    assert_snapshot!(writer("gt hook"), @"
    exit 0
    shop-1: Log out
      polecat  shop/nux
      branch   polecat/nux/shop-1
      base     <commit>
      attempt  1
    steps:
      ✓ shop-1.change  Do change
      → shop-1.docs  Do docs (for reviewer)
      → shop-1.verify  Do verify (for reviewer)
    next: nothing for you: `reviewer` does `docs`. Commit, then `gt done`
    ");
    assert!(writer("gt prime").contains("`shop-1.docs` (ready; not for you: `reviewer` does it)"));
    assert_snapshot!(writer("bd close shop-1 --reason=no-changes:~none"), @"
    exit 1
    2> error: `polecat/nux/shop-1` holds 1 commit: that is a change
    2> hint: hand it in: `gt done`
    ");
    assert_snapshot!(writer("gt done"), @"
    exit 0
    your part is done: `reviewer` goes on with `shop-1.docs`; end the session
    ");
    assert_eq!(town.merge_requests().len(), 0);
    // Steps that name none are the bead's, which the reviewer is told.
    let reviewer = |line: &str| {
        town.agent_with(line, &[("GT_RUNTIME", "reviewer"), ("GT_BEAD_RUNTIME", "writer"), ("GT_ATTEMPT", "2")])
    };
    assert_snapshot!(reviewer("gt hook -o steps"), @"
    exit 0
    shop-1.docs
    shop-1.verify
    ");
    assert!(reviewer("bd close shop-1.docs shop-1.verify").contains("exit 0"));
    assert!(reviewer("gt done").contains("handed in 1 commit"));
}

#[test]
fn a_step_is_ready_the_moment_what_it_needs_is_closed() {
    let town = hooked();
    let steps = || town.agent("gt hook -o steps");
    assert_snapshot!(steps(), @"
    exit 0
    shop-1.change
    ");
    assert_snapshot!(town.agent("bd close shop-1.verify"), @"
    exit 1
    2> error: `shop-1.verify` needs shop-1.change, which is open
    2> hint: close that first; or close this all the same with `--force`
    ");
    assert_snapshot!(town.agent("bd close shop-1.change"), @"
    exit 0
    closed shop-1.change: Do change
    ");
    assert_snapshot!(steps(), @"
    exit 0
    shop-1.docs
    shop-1.verify
    ");
    assert_snapshot!(town.agent("bd close shop-1.docs shop-1.verify shop-1.change"), @"
    exit 0
    closed shop-1.docs: Do docs
    closed shop-1.verify: Do verify
    already closed shop-1.change: Do change
    ");
    assert_snapshot!(steps(), @"exit 0");
}

#[test]
fn no_steps_and_no_answer_are_not_the_same() {
    let town = TestTown::new();
    assert_snapshot!(town.agent("gt hook"), @"
    exit 0
    nothing on the hook
    ");
    assert_snapshot!(town.agent("gt hook --json"), @r#"
    exit 0
    {"bead":null}
    "#);
    assert_snapshot!(town.agent("gt hook -o steps"), @"
    exit 1
    2> error: nothing on the hook
    2> hint: `gt hook` says more; the bead was taken off it, handed in, or closed
    ");
    town.seed([bead("shop-1", &json!({"assignee": nux()})), step(0, "change", 0, &json!({}))]);
    assert_snapshot!(town.agent("gt hook -o steps"), @"
    exit 1
    2> error: bead `shop-1` has 1 of 3 steps: they are still being poured
    2> hint: try again in a moment; `gt status` shows whether the controller runs
    ");
    assert_snapshot!(town.person("gt hook"), @"
    exit 1
    2> error: `gt hook` is for an agent's session, and this is none: GT_BEAD is not set
    2> hint: name a polecat to look at its hook: `gt hook --polecat RIG/NAME`
    ");
    assert_snapshot!(town.person("gt hook --polecat shop/nux -o title change"), @"
    exit 0
    Do change
    ");
    assert_snapshot!(town.person("gt hook --polecat shop/slit"), @"
    exit 0
    nothing on the hook
    ");
}

#[test]
fn work_that_came_back_has_steps_of_its_own() {
    let town = hooked();
    town.api(None, async |client| {
        let requests: Api<MergeRequest> = Api::default_namespaced(client);
        let spec = json!({"bead": "shop-1", "rig": "shop", "polecat": "shop-nux", "attempt": 1, "head": town.base, "base": town.base});
        let request = MergeRequest::new("shop-1-red", from_value(spec).unwrap());
        requests.create(&PostParams::default(), &request).await.unwrap();
        let status = Patch::Merge(json!({"status": {"state": "Rejected"}}));
        requests.patch_status("shop-1-red", &PatchParams::default(), &status).await.unwrap();
    });
    town.seed(["a", "b", "c"].map(|name| step(1, name, 0, &json!({}))));
    assert_snapshot!(town.agent("gt hook -o steps"), @"
    exit 0
    shop-1.1.a
    shop-1.1.b
    shop-1.1.c
    ");
    assert_snapshot!(town.agent("gt hook -o title b"), @"
    exit 0
    Do b
    ");
}

#[test]
fn done_refuses_what_is_not_finished() {
    let town = hooked();
    assert_snapshot!(town.agent("gt done"), @"
    exit 1
    2> error: `polecat/nux/shop-1` holds no commit: there is nothing to hand in
    2> hint: commit your work; if nothing has to change: `bd close shop-1 --reason=\"no-changes: <why>\"`, then `gt done`
    ");
    town.commit("new");
    assert_snapshot!(town.agent("gt done"), @"
    exit 1
    2> error: 3 steps are still open: shop-1.change, shop-1.docs, shop-1.verify
    2> hint: do each, or see that it is done already, then `bd close <step>`
    ");
    fs_err::write(town.path("worktree").join("left over"), "").unwrap();
    assert_snapshot!(town.agent("gt done"), @"
    exit 1
    2> error: 1 file is not committed:
    2>   ?? left over
    2> hint: commit them, or remove what does not belong in the repository
    ");
    town.git("worktree", &["checkout", "--quiet", "--detach"]);
    assert_snapshot!(town.agent("gt done"), @"
    exit 1
    2> error: HEAD is detached, not on `polecat/nux/shop-1`
    2> hint: keep your commits with `git switch polecat/nux/shop-1 && git merge --ff-only <commit>`
    ");
    assert_eq!(town.merge_requests(), []);
    assert_snapshot!(town.person("gt done"), @"
    exit 1
    2> error: `gt done` is for an agent's session, and this is none: GT_BEAD is not set
    2> hint: people land work through a polecat: `gt status` shows who has what
    ");
}

#[test]
fn done_refuses_a_repository_that_only_this_worktree_has() {
    let town = hooked();
    town.agent("bd close shop-1.change shop-1.docs shop-1.verify");
    fs_err::create_dir(town.path("worktree/lib")).unwrap();
    town.git("worktree/lib", &["init", "--quiet"]);
    town.git("worktree/lib", &["commit", "--quiet", "--allow-empty", "--message", "inner"]);
    town.git("worktree", &["add", "--all"]);
    town.git("worktree", &["commit", "--quiet", "--message", "a link"]);
    assert_snapshot!(town.agent("gt done"), @"
    exit 1
    2> error: `lib` is a repository of its own: only a link to it is committed, and that leads nowhere
    2> hint: to bring its files, move `lib/.git` out of this worktree, then `git rm -q --cached lib && git add lib && git commit`; if it is to be a submodule, `git rm -q --cached lib`, then `git submodule add URL lib` and commit
    ");
    assert_eq!(town.merge_requests(), []);
    // A submodule says where others find it.
    let url = town.path("lib.git").display().to_string();
    town.git("worktree", &["config", "--file", ".gitmodules", "submodule.lib.path", "lib"]);
    town.git("worktree", &["config", "--file", ".gitmodules", "submodule.lib.url", &url]);
    town.git("worktree", &["add", "--all"]);
    town.git("worktree", &["commit", "--quiet", "--message", "a submodule"]);
    assert_snapshot!(town.agent("gt done"), @"
    exit 0
    handed in 2 commits as shop-1-<hash>; you are finished: end the session
    ");
}

#[test]
fn done_hands_in_once() {
    let town = hooked();
    town.commit("new");
    town.agent("bd close shop-1.change shop-1.docs shop-1.verify");
    assert_snapshot!(town.agent("gt done"), @"
    exit 0
    handed in 1 commit as shop-1-<hash>; you are finished: end the session
    ");
    assert_snapshot!(town.agent("gt done"), @"
    exit 0
    already handed in as shop-1-<hash>; you are finished: end the session
    ");
    let requests = town.merge_requests();
    assert_eq!(requests.len(), 1);
    let spec = &requests[0].spec;
    assert_eq!((spec.bead.as_str(), spec.rig.as_str(), spec.polecat.as_str()), ("shop-1", "shop", "shop-nux"));
    assert_eq!((&spec.base, &spec.head, spec.attempt), (&town.base, &town.git("worktree", &["rev-parse", "HEAD"]), 1));

    // The bead's controller clears the hook.
    town.patch_spec("shop-1", &json!({ "assignee": null }));
    assert_snapshot!(town.agent("gt done"), @"
    exit 0
    already handed in as shop-1-<hash>; you are finished: end the session
    ");
    town.commit("more");
    assert_snapshot!(town.agent("gt done"), @"
    exit 1
    2> error: this session has handed in already, as shop-1-<hash>: what was committed since is not in that
    2> hint: end the session: your commits stay on the branch; if the work comes back, a session goes on from what was handed in
    ");
}

#[test]
fn nothing_to_change_is_closed_only_when_nothing_has_changed() {
    let town = hooked();
    assert_snapshot!(town.agent("bd close shop-1"), @"
    exit 1
    2> error: `shop-1` is closed by its landing, not by hand
    2> hint: `gt done` hands in its branch; if nothing has to change: `bd close shop-1 --reason=\"no-changes: <why>\"`
    ");
    town.commit("new");
    assert_snapshot!(town.agent("bd close shop-1 --reason=no-changes:~mended~already"), @"
    exit 1
    2> error: `polecat/nux/shop-1` holds 1 commit: that is a change
    2> hint: hand it in: `gt done`
    ");
    town.git("worktree", &["reset", "--quiet", "--hard", &town.base]);
    assert_snapshot!(town.agent("bd close shop-1 --reason=no-changes:~mended~already"), @"
    exit 0
    closed shop-1: Log out
    ");
    assert_snapshot!(town.agent("gt done"), @"
    exit 0
    nothing to merge: shop-1 had no changes
    ");
    assert_snapshot!(town.agent("gt prime"), @"
    exit 0
    # You are nux, a polecat of rig shop

    Nothing is on your hook: `shop-1` was handed in, closed, or taken off it.
    There is nothing to do. End the session.
    ");
    assert_eq!(town.merge_requests(), []);
}

#[test]
fn an_agent_touches_only_its_own() {
    let town = hooked();
    town.seed([bead("shop-2", &json!({})), bead("shop-2.change", &json!({"type": "Step", "parent": "shop-2"}))]);
    assert_snapshot!(town.agent("bd close shop-2 shop-2.change shop-9"), @r#"
    exit 1
    2> error: `shop-2` is not yours to close
    2> hint: an agent closes the steps of the bead on its hook; `gt hook` shows them
    2> error: `shop-2.change` is not yours to close
    2> hint: an agent closes the steps of the bead on its hook; `gt hook` shows them
    2> error: no issue found matching "shop-9"
    2> hint: `bd list` shows the ids
    "#);
    town.patch_spec("shop-1", &json!({"assignee": {"polecat": "shop-slit", "uid": "8"}}));
    assert_snapshot!(town.agent("bd close shop-1.change"), @"
    exit 1
    2> error: `shop-1` is not on the hook of `shop-nux`
    2> hint: end the session: the work was handed in, closed, or given to another
    ");
}

#[test]
fn an_agent_may_not_write_what_would_run() {
    let town = hooked();
    let refused = town.api(Some("shop/polecats/nux"), async |client| {
        let beads: Api<Bead> = Api::default_namespaced(client);
        let patch = Patch::Merge(json!({"spec": {"command": "rm -rf ~"}}));
        beads.patch("shop-1.docs", &PatchParams::default(), &patch).await.unwrap_err()
    });
    let kube::Error::Api(status) = refused else { panic!("{refused}") };
    assert!(status.is_forbidden(), "{status:?}");
    assert!(status.message.contains("may not write `spec.command`"), "{}", status.message);
}

#[test]
fn the_script_agent_works_a_bead_to_its_merge_request() {
    let town = hooked();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/script.sh");
    let ran = town.in_session(Path::new("/bin/sh")).arg(script).run().unwrap();
    assert_snapshot!(town.tell(&ran), @"
    exit 0
    closed shop-1.change: Do change
    closed shop-1.docs: Do docs
    closed shop-1.verify: Do verify
    handed in 1 commit as shop-1-<hash>; you are finished: end the session
    2> script: Do change
    2> script: Do docs
    2> script: Do verify
    ");
    let request = &town.merge_requests()[0];
    assert_eq!(request.spec.head, town.git("repo", &["rev-parse", "polecat/nux/shop-1"]));
    assert_eq!(town.git("worktree", &["log", "--format=%s", "-1"]), "Do change (shop-1)");
}

#[test]
fn the_script_agent_closes_a_bead_that_needs_no_change() {
    let town = TestTown::new();
    let bead = bead("shop-1", &json!({"assignee": nux()}));
    town.seed([bead].into_iter().chain(["a", "b", "c"].map(|name| step(0, name, 0, &json!({"command": "true"})))));
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("manifests/script.sh");
    let ran = town.in_session(Path::new("/bin/sh")).arg(script).run().unwrap();
    assert_snapshot!(town.tell(&ran), @"
    exit 0
    closed shop-1.a: Do a
    closed shop-1.b: Do b
    closed shop-1.c: Do c
    closed shop-1: Title of shop-1
    nothing to merge: shop-1 had no changes
    2> script: Do a
    2> script: Do b
    2> script: Do c
    ");
    assert_eq!(town.merge_requests(), []);
}
