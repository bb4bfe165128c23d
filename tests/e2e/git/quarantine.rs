//! Worktrees that hold what git cannot rescue are quarantined, whole: nothing that an agent made is deleted with one.

use std::time::Duration;

use gastown::world::git::Limits;
use rustix::fs::{FlockOperation, flock};

use super::town::{Town, must, sh};

#[test]
fn what_git_cannot_rescue_is_quarantined_whole() {
    let town = Town::cloned();
    let worktree = town.polecat("nux", "a");
    // A repository within the worktree, without a commit: `git add` gives up on it.
    town.work("nux", "git init -q inner && echo precious > inner/file && echo too > loose");
    town.polecat("nux", "b");
    let kept = worktree.with_file_name("uid-nux.kept-1");
    assert_eq!(fs_err::read_to_string(kept.join("inner/file")).unwrap(), "precious\n");
    assert!(kept.join("loose").exists());
    assert_eq!(town.work("nux", "ls && git branch --show-current"), "lines\npolecat/nux/b");
}

#[test]
fn what_takes_too_long_to_rescue_is_quarantined_whole() {
    let mut town = Town::new();
    fs_err::write(town.path("gitconfig"), "[filter \"x\"]\n clean = sleep 600\n").unwrap();
    let limits = Limits { rescue: Duration::from_secs(1), ..Limits::default() };
    town.git = town.git.clone().with_env("GIT_CONFIG_GLOBAL", town.path("gitconfig")).with_limits(limits);
    town.up("echo '*.bin filter=x' > .gitattributes && git add . && git commit -qm attributes");
    assert_eq!(town.run(&town.clone_job()).0, 0);
    let worktree = town.polecat("nux", "a");
    town.work("nux", "echo much > much.bin");
    town.polecat("nux", "b");
    let kept = worktree.with_file_name("uid-nux.kept-1");
    assert_eq!(fs_err::read_to_string(kept.join("much.bin")).unwrap(), "much\n");
    assert_eq!(town.work("nux", "ls && git branch --show-current"), "lines\npolecat/nux/b");
    town.work("nux", "echo more > more.bin");
    town.git.remove_sandbox(&Town::sandbox("nux")).unwrap();
    assert!(worktree.with_file_name("uid-nux.kept-2").join("more.bin").exists());
}

#[test]
fn a_repository_within_a_worktree_outlives_it() {
    let town = Town::cloned();
    let lib = town.path("lib");
    must(sh(&town.path("."), "git init -q lib && cd lib && git commit -q --allow-empty -m lib", &[]));
    let add = format!("git -c protocol.file.allow=always submodule add -q {} lib && git commit -qm lib", lib.display());
    let own = "git init -q && git add . && git commit -qm own && echo loose > loose";
    for (n, script, inner) in [
        (1, format!("mkdir inner && cd inner && echo file > file && {own}"), "inner"),
        (2, format!("mkdir src && echo file > src/file && git add . && git commit -qm src && cd src && {own}"), "src"),
        (3, format!("{add} && cd lib && git checkout -q --detach && echo file > file && {own}"), "lib"),
    ] {
        let worktree = town.polecat("nux", &format!("bead-{n}"));
        town.work("nux", &script);
        let git_dir = town.work("nux", &format!("cd {inner} && git rev-parse --absolute-git-dir"));
        let commit = town.work("nux", &format!("cd {inner} && git rev-parse HEAD"));
        town.git.remove_sandbox(&Town::sandbox("nux")).unwrap();
        let kept = worktree.with_file_name(format!("uid-nux.kept-{n}"));
        assert_eq!(fs_err::read_to_string(kept.join(inner).join("loose")).unwrap(), "loose\n", "{inner}");
        let git_dir = git_dir.replace(&worktree.display().to_string(), &kept.display().to_string());
        must(sh(&kept, &format!("git --git-dir={git_dir} --work-tree={inner} cat-file commit {commit}"), &[]));
        assert!(!worktree.exists() && town.git.sandbox(&Town::sandbox("nux")).unwrap().is_none());
    }
    // What is ignored is nobody's work, repositories or not.
    let worktree = town.polecat("nux", "last");
    town.work("nux", &format!("mkdir -p target/cache && cd target/cache && echo file > file && {own}"));
    town.git.remove_sandbox(&Town::sandbox("nux")).unwrap();
    assert!(!worktree.exists() && !worktree.with_file_name("uid-nux.kept-4").exists());
}

#[test]
fn a_submodule_that_was_emptied_keeps_its_commits() {
    let town = Town::cloned();
    must(sh(&town.path("."), "git init -q lib && cd lib && git commit -q --allow-empty -m lib", &[]));
    let lib = town.path("lib");
    town.polecat("nux", "a");
    town.work("nux", &format!("git -c protocol.file.allow=always submodule add -q {} lib", lib.display()));
    town.work("nux", "cd lib && git checkout -q --detach && git commit -q --allow-empty -m own");
    let commit = town.work("nux", "git -C lib rev-parse HEAD");
    let git_dir = town.work("nux", "git -C lib rev-parse --absolute-git-dir");
    town.work("nux", "git submodule deinit -q -f lib");
    town.git.remove_sandbox(&Town::sandbox("nux")).unwrap();
    must(sh(&town.path("."), &format!("git --git-dir={git_dir} --work-tree=. cat-file commit {commit}"), &[]));
    // The entry that still holds them is in nobody's way.
    town.polecat("nux", "a");
    assert_eq!(town.work("nux", "git branch --show-current"), "polecat/nux/a");
}

#[test]
fn a_worktree_whose_agent_made_a_repository_of_it_is_quarantined() {
    let town = Town::cloned();
    let (id, worktree) = (Town::sandbox("nux"), town.polecat("nux", "a"));
    let prepared = || town.git.sandbox(&id).unwrap().map(|sandbox| sandbox.prepared);
    let own = "rm -rf .git && git init -q && echo own > own && git add . && git commit -qm own";
    town.work("nux", own);
    assert_eq!(prepared().as_deref(), Some(""), "it has to be made again");
    let lock = town.git.layout().sandbox_lock(&id.uid);
    fs_err::create_dir_all(lock.parent().unwrap()).unwrap();
    let file = std::fs::File::create(&lock).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    assert_eq!(prepared().as_deref(), Some("for-a"), "a session in it is left alone");
    drop(file);

    town.polecat("nux", "a");
    assert_eq!((prepared().as_deref(), town.work("nux", "ls").as_str()), (Some("for-a"), "lines"));
    town.work("nux", own);
    town.git.remove_sandbox(&id).unwrap();
    assert_eq!((prepared(), worktree.exists()), (None, false));
    for n in 1..=2 {
        let kept = worktree.with_file_name(format!("uid-nux.kept-{n}"));
        assert_eq!(must(sh(&kept, "git show HEAD:own", &[])), "own");
    }
}
