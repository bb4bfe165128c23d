//! The guard keeps a polecat to its own branch, and leaves everything else alone.

use super::town::{Town, must, sh};

#[test]
fn a_polecat_commits_rebases_and_fetches_on_its_own_branch() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.work("nux", "echo a > a && git add a && git commit -qm a");
    town.up("echo new > new && git add new && git commit -qm new");
    town.fetch();
    town.work("nux", "git fetch -q && git rebase -q origin/main && git push -q && git diff --quiet origin/main -- new");
    assert_eq!(town.work("nux", "git rev-parse origin/main HEAD~1"), [town.main().0, town.main().0].join("\n"));
    assert_eq!(town.work("nux", "git rev-parse --abbrev-ref origin/HEAD"), "origin/main");
}

#[test]
fn nobody_is_asked_for_a_key_that_an_agent_does_not_have() {
    let town = Town::cloned();
    let config =
        "[commit]\n gpgSign = true\n[tag]\n gpgSign = true\n forceSignAnnotated = true\n[gpg]\n program = false\n";
    fs_err::write(town.path("gitconfig"), config).unwrap();
    town.polecat("nux", "a");
    let signing = format!("export GIT_CONFIG_GLOBAL={}", town.path("gitconfig").display());
    let commit = "git commit -q --allow-empty -m x";
    town.work("nux", &format!("{signing}; {commit} && git rebase -q --force-rebase HEAD~1 && git push -q"));
    // No polecat tags in the town's clone; a test of its project may in a repository of its own.
    let own = "git init -q target/own && cd target/own";
    town.work("nux", &format!("{signing}; {own} && {commit} && git tag -m x t"));
    assert_ne!(sh(&town.worktree("nux"), &format!("{signing}; {commit}"), &[]).code, 0, "people sign as they did");
}

#[test]
fn refs_of_others_are_refused() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.polecat("toast", "b");
    let before = town.inside("git for-each-ref");
    for (script, why) in [
        ("echo x >> lines && git stash", "commit to your branch instead"),
        ("git branch -f main HEAD", "main is not your branch"),
        (
            "git branch -f polecat/toast/b HEAD~0 2>&1 || git update-ref refs/heads/polecat/toast/b $(git commit-tree -m x HEAD^{tree})",
            "polecat/toast/b is not your branch",
        ),
        ("git update-ref refs/gt/target/main $(git commit-tree -m x HEAD^{tree})", "belongs to the town"),
        ("git update-ref -d refs/gt/target/main", "belongs to the town"),
        ("git tag v1", "belongs to the town"),
        ("git push -q origin HEAD:main", "origin takes polecat/nux/a only"),
        (
            "git commit -q --allow-empty -m x && git push -q origin HEAD:refs/gt/target/main --force",
            "origin takes polecat/nux/a only",
        ),
        ("git push -q origin +HEAD~0:refs/heads/polecat/toast/c", "origin takes polecat/nux/a only"),
    ] {
        let said = town.by("nux", script);
        assert_ne!(said.code, 0, "{script}");
        assert!(said.err.contains(why), "{script}: {}", said.err);
    }
    assert_eq!(town.work("nux", "git diff --name-only"), "lines", "the refused stash took nothing away");
    town.work("nux", "git reset -q --hard origin/main");
    assert_eq!(town.inside("git for-each-ref"), before);
}

#[test]
fn husky_in_the_shared_config_runs_and_does_not_open_the_guard() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.work(
        "nux",
        "mkdir .husky && printf '#!/bin/sh\\necho ran > ran' > .husky/pre-commit && chmod +x .husky/pre-commit",
    );
    town.work("nux", "git config core.hooksPath .husky && git commit -q --allow-empty -m x");
    assert_eq!(town.work("nux", "cat ran"), "ran");
    assert_ne!(town.by("nux", "git branch -f main HEAD").code, 0);
    let pushed = town.by("nux", "git push -q origin HEAD:main");
    assert!(pushed.err.contains("origin takes polecat/nux/a only"), "{}", pushed.err);
}

#[test]
fn a_hook_of_the_repository_sees_its_input_and_decides() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    let hook = town.clone().join("hooks/commit-msg");
    fs_err::create_dir_all(hook.parent().unwrap()).unwrap();
    fs_err::write(&hook, "#!/bin/sh\ngrep -q ticket \"$1\"\n").unwrap();
    must(sh(&town.clone(), "chmod +x hooks/commit-msg", &[]));
    assert_ne!(town.by("nux", "git commit -q --allow-empty -m none").code, 0);
    town.work("nux", "git commit -q --allow-empty -m 'ticket 1'");
}

#[test]
fn other_repositories_are_none_of_its_business() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.work("nux", "git init -q -b main target/own && cd target/own && git commit -q --allow-empty -m x && git branch b && git tag t && echo x > x && git add x && git stash -q");
}

#[test]
fn a_submodule_is_a_repository_of_its_own() {
    let town = Town::cloned();
    must(sh(&town.path("."), "git init -q lib && cd lib && git commit -q --allow-empty -m lib", &[]));
    town.polecat("nux", "a");
    let add = format!("git -c protocol.file.allow=always submodule add -q {} lib", town.path("lib").display());
    town.work("nux", &format!("{add} && cd lib && git checkout -q -b fix && git commit -q --allow-empty -m own"));
    assert_ne!(town.by("nux", "git branch -f main HEAD").code, 0);
}
