//! The replay: what applies, what conflicts, what is empty, and that the same inputs give the same commits.

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Candidate, Replayed, replay_key};
use gastown_crds::common::Person;

use super::town::Town;

fn committer() -> Person {
    Person { name: "Gas Town".into(), email: "refinery@town.invalid".into() }
}

fn replay(town: &Town, candidates: &[Candidate]) -> Vec<Replayed> {
    let onto = town.git.facts(&town.rig, None).unwrap().target.unwrap();
    let key = replay_key(&town.rig, &onto, candidates, &committer());
    assert_eq!(town.git.replayed(&key).unwrap(), None);
    town.git.replay(&town.rig, &key, &onto, candidates, &committer()).unwrap();
    town.git.replayed(&key).unwrap().unwrap()
}

fn commit(replayed: &Replayed) -> Oid {
    match replayed {
        Replayed::Clean { commit, .. } => commit.clone(),
        other => panic!("not clean: {other:?}"),
    }
}

#[test]
fn candidates_land_in_order_and_a_conflict_is_left_out() {
    let town = Town::cloned();
    for (name, script) in [
        (
            "one",
            "sed -i s/1/one/ lines && git commit -qam one && echo more > one && git add . && git commit -qm 'one more'",
        ),
        ("uno", "sed -i s/1/uno/ lines && git commit -qam uno"),
        ("five", "sed -i s/5/five/ lines && git commit -qam five"),
        ("same", "sed -i s/5/five/ lines && git commit -qam 'five too'"),
    ] {
        town.polecat(name, name);
        town.work(name, script);
    }
    let candidates = ["one", "uno", "five", "same"].map(|name| town.hand_in(name, name));
    // The target has moved since.
    town.up("echo new > new && git add new && git commit -qm new");
    town.fetch();
    let results = replay(&town, &candidates);
    assert_eq!(results[1], Replayed::Conflict { files: vec!["lines".into()] });
    assert_eq!(results[3], Replayed::Empty);
    let tip = commit(&results[2]);
    let log = town.inside(&format!("git log --format='%s|%an|%cn <%ce>|%ct' {tip}~3..{tip} && git show {tip}:lines && git ls-tree --name-only {tip}"));
    let by = "Ada|Gas Town <refinery@town.invalid>|1767323045";
    assert_eq!(log, format!("five|{by}\none more|{by}\none|{by}\none\n2\n3\n4\nfive\n.gitignore\nlines\nnew\none"));
    assert_eq!(
        town.inside(&format!("git log -1 --format=%B {tip}")),
        "five\n\nGastown-Bead: five\nGastown-MR: five-mr"
    );
    assert_eq!(town.inside(&format!("git rev-parse {tip}~3")), town.main().0);
}

#[test]
fn one_that_the_clone_does_not_hold_is_missing_and_the_others_go_on() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.work("nux", "sed -i s/1/one/ lines && git commit -qam one");
    let there = town.hand_in("nux", "a");
    let lost = Oid("12".repeat(20));
    let no_head = Candidate { head: lost.clone(), merge_request: "b-mr".into(), ..there.clone() };
    let no_base = Candidate { base: lost, merge_request: "c-mr".into(), ..there.clone() };
    let results = replay(&town, &[no_head, no_base, there]);
    assert_eq!(results[..2], [Replayed::Missing, Replayed::Missing]);
    commit(&results[2]);
}

#[test]
fn what_was_replayed_is_forgotten_with_the_clone_that_holds_its_commits() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.work("nux", "sed -i s/1/one/ lines && git commit -qam one");
    let candidate = town.hand_in("nux", "a");
    replay(&town, std::slice::from_ref(&candidate));
    let onto = town.git.facts(&town.rig, None).unwrap().target.unwrap();
    let key = replay_key(&town.rig, &onto, &[candidate], &committer());
    fs_err::remove_dir_all(town.clone()).unwrap();
    assert_eq!(town.git.replayed(&key).unwrap(), None);
    assert_eq!(town.run(&town.clone_job()).0, 0);
    assert_eq!(town.git.replayed(&key).unwrap(), None, "the new clone does not hold them");
}

#[test]
fn a_second_commit_on_the_same_lines_does_not_conflict_falsely() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.work("nux", "sed -i s/1/one/ lines && git commit -qam 1 && sed -i s/one/uno/ lines && git commit -qam 2");
    let candidate = town.hand_in("nux", "a");
    town.up("sed -i s/5/five/ lines && git commit -qam five");
    town.fetch();
    let tip = commit(&replay(&town, &[candidate])[0]);
    assert_eq!(town.inside(&format!("git show {tip}:lines")), "uno\n2\n3\n4\nfive");
}

#[test]
fn the_same_inputs_give_the_same_commits() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.work("nux", "sed -i s/1/one/ lines && git commit -qam one");
    let candidate = town.hand_in("nux", "a");
    town.up("sed -i s/5/five/ lines && git commit -qam five");
    town.fetch();
    let onto = town.main();
    town.git.replay(&town.rig, "first", &onto, std::slice::from_ref(&candidate), &committer()).unwrap();
    // Another machine: other settings, which say everything that could matter.
    let config = town.path("gitconfig");
    let text = "[commit]\n gpgSign = true\n[core]\n autocrlf = true\n[merge]\n renormalize = true\n conflictStyle = diff3\n[i18n]\n commitEncoding = latin1\n[diff]\n renames = false\n";
    fs_err::write(&config, text).unwrap();
    let other = town.git.clone().with_env("GIT_CONFIG_GLOBAL", &config);
    other.replay(&town.rig, "second", &onto, &[candidate], &committer()).unwrap();
    let first = town.git.replayed("first").unwrap().unwrap();
    assert_eq!(first, town.git.replayed("second").unwrap().unwrap());
    assert!(matches!(first[0], Replayed::Clean { .. }));
}

#[test]
fn a_branch_with_merge_commits_lands_as_one() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.work("nux", "sed -i s/1/one/ lines && git commit -qam one");
    let candidate = town.hand_in("nux", "a");
    town.up("sed -i s/5/five/ lines && git commit -qam five");
    town.fetch();
    town.work(
        "nux",
        "git fetch -q && git merge -q --no-edit origin/main && echo a > a && git add a && git commit -qm a",
    );
    let candidate = Candidate { head: town.hand_in("nux", "a").head, ..candidate };
    let tip = commit(&replay(&town, &[candidate])[0]);
    let log = town
        .inside(&format!("git log --format=%s {}..{tip} && git show {tip}:lines && git rev-parse {tip}^", town.main()));
    assert_eq!(log, format!("Do a\none\n2\n3\n4\nfive\n{}", town.main()));
}

#[test]
fn a_branch_with_merge_commits_keeps_its_messages_and_its_authors() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    let candidate = town.hand_in("nux", "a");
    town.work(
        "nux",
        "sed -i s/1/one/ lines &&
         trailers=$(printf 'Co-authored-by: Bo <bo@example.org>\\nReviewed-by: Cy <cy@example.org>') &&
         git commit -qam one -m 'Because it is.' -m \"$trailers\" &&
         git commit -q --allow-empty -m nothing --author 'Di <di@example.org>'",
    );
    town.up("sed -i s/5/five/ lines && git commit -qam five");
    town.fetch();
    town.work(
        "nux",
        "git fetch -q && git merge -q --no-edit origin/main && echo a > a && git add a &&
         git commit -qm a -m 'co-authored-by: Bo <bo@example.org>'",
    );
    let candidate = Candidate { head: town.hand_in("nux", "a").head, ..candidate };
    let tip = commit(&replay(&town, &[candidate])[0]);
    insta::assert_snapshot!(town.inside(&format!("git log -1 --format='%an%n%B' {tip}")), @"
    Ada
    Do a

    * one

    Because it is.

    Reviewed-by: Cy <cy@example.org>

    * nothing

    * a

    Co-authored-by: Bo <bo@example.org>
    Co-authored-by: Di <di@example.org>
    Gastown-Bead: a
    Gastown-MR: a-mr
    ");
    let authors = format!("git log -1 --format='%(trailers:key=Co-authored-by,valueonly)' {tip}");
    assert_eq!(town.inside(&authors).lines().count(), 2);
}

#[test]
fn what_is_there_already_is_empty() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.work("nux", "sed -i s/1/one/ lines && git commit -qam one && git commit -q --allow-empty -m nothing");
    let candidate = town.hand_in("nux", "a");
    town.up("sed -i s/1/one/ lines && git commit -qam 'one by hand'");
    town.fetch();
    assert_eq!(replay(&town, &[candidate]), [Replayed::Empty]);
}

#[test]
fn merge_attributes_of_the_repository_count() {
    let town = Town::new();
    town.up("mkdir log && echo 'CHANGES merge=union' > log/.gitattributes && echo begin > log/CHANGES && git add . && git commit -qm log");
    assert_eq!(town.run(&town.clone_job()).0, 0);
    for name in ["nux", "toast"] {
        town.polecat(name, name);
        town.work(name, &format!("echo {name} >> log/CHANGES && git commit -qam {name}"));
    }
    let candidates = ["nux", "toast"].map(|name| town.hand_in(name, name));
    let tip = commit(&replay(&town, &candidates)[1]);
    assert_eq!(town.inside(&format!("git show {tip}:log/CHANGES")), "begin\nnux\ntoast");
}
