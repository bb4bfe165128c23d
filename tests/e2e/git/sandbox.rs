//! Worktrees: made, switched with everything rescued, repaired after crashes, removed.

use std::os::unix::fs::PermissionsExt;

use gastown::world::git::{GitError, commits_ahead, dirty, head};
use gastown_controllers::seen::Oid;
use gastown_controllers::world::SandboxId;
use rustix::fs::{FlockOperation, flock};

use super::town::{Town, must, sh};

fn repository(town: &Town) -> std::path::PathBuf {
    town.git.layout().sandboxes().join("uid-nux.git")
}

fn rescued(town: &Town, name: &str) -> Vec<String> {
    let refs = town.inside(&format!("git for-each-ref --format='%(refname)' refs/gt/rescue/shop-{name}"));
    refs.lines().map(str::to_owned).collect()
}

#[test]
fn a_worktree_is_made_once_and_told_of() {
    let town = Town::cloned();
    let id = Town::sandbox("nux");
    assert_eq!(town.git.sandbox(&id).unwrap(), None);
    let worktree = town.polecat("nux", "a");
    let spec = town.spec("nux", "a");
    let seen = town.git.sandbox(&id).unwrap().unwrap();
    assert_eq!(
        (seen.prepared, seen.branch, seen.base),
        (spec.prepared.clone(), spec.branch.clone(), spec.base.clone())
    );
    assert_eq!(town.work("nux", "git branch --show-current"), spec.branch);
    town.work("nux", "echo mine > mine");
    town.git.ensure_sandbox(&id, &spec).unwrap();
    assert!(worktree.join("mine").exists(), "an ensured worktree is left alone");
    fs_err::remove_dir_all(&worktree).unwrap();
    assert_eq!(town.git.sandbox(&id).unwrap().unwrap().prepared, "", "the record alone is no worktree");
    town.git.ensure_sandbox(&id, &spec).unwrap();
    assert!(town.git.sandbox(&id).unwrap().is_some());
}

#[test]
fn dirty_head_and_ahead() {
    let town = Town::cloned();
    let worktree = town.polecat("nux", "a");
    let base = town.spec("nux", "a").base;
    assert!(!dirty(&worktree).unwrap());
    assert_eq!((head(&worktree).unwrap(), commits_ahead(&worktree, &base).unwrap()), (base.clone(), 0));
    town.work("nux", "mkdir target && echo x > target/x");
    assert!(!dirty(&worktree).unwrap(), "ignored files are no change");
    town.work("nux", "echo x > new");
    assert!(dirty(&worktree).unwrap());
    town.work("nux", "git add new && git commit -qm new");
    assert!(!dirty(&worktree).unwrap());
    assert_eq!(commits_ahead(&worktree, &base).unwrap(), 1);
}

#[test]
fn switching_rescues_what_was_uncommitted_and_keeps_what_is_ignored() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.work("nux", "echo c > committed && git add . && git commit -qm c");
    town.work("nux", "echo changed > lines && echo u > untracked && echo s > staged && git add staged && mkdir target && echo t > target/cache");
    let tip = head(&town.worktree("nux")).unwrap();
    let worktree = town.polecat("nux", "b");
    assert_eq!(
        town.work("nux", "git status --porcelain && git branch --show-current && ls"),
        "polecat/nux/b\nlines\ntarget"
    );
    assert!(worktree.join("target/cache").exists());
    let refs = rescued(&town, "nux");
    assert_eq!(refs.len(), 1, "{refs:?}");
    let files =
        town.inside(&format!("git ls-tree --name-only {r} && git show {r}:lines && git rev-parse {r}~1", r = refs[0]));
    assert_eq!(files, format!(".gitignore\ncommitted\nlines\nstaged\nuntracked\nchanged\n{tip}"));
    assert_eq!(town.inside("git rev-parse polecat/nux/a"), tip.0, "the old branch stays");
}

#[test]
fn a_restart_on_the_same_branch_keeps_the_old_tip() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.work("nux", "echo c > committed && git add . && git commit -qm c");
    let tip = head(&town.worktree("nux")).unwrap();
    let mut spec = town.spec("nux", "a");
    spec.prepared = "again".into();
    town.git.ensure_sandbox(&Town::sandbox("nux"), &spec).unwrap();
    assert_eq!(town.inside("git rev-parse polecat/nux/a"), spec.base.0);
    assert_eq!(rescued(&town, "nux"), [format!("refs/gt/rescue/shop-nux/{}", &tip.0[..12])]);
    // What an archive reaches needs no second ref.
    town.work("nux", "echo d > d && git add . && git commit -qm d");
    let request = town.hand_in("nux", "a");
    town.git.archive(&town.rig, "mr-1", &request.head).unwrap();
    spec.prepared = "third".into();
    town.git.ensure_sandbox(&Town::sandbox("nux"), &spec).unwrap();
    assert_eq!(rescued(&town, "nux").len(), 1);
}

#[test]
fn work_whose_commits_the_clone_lost_begins_at_the_target() {
    let town = Town::cloned();
    let mut spec = town.spec("nux", "a");
    (spec.base, spec.start) = (Oid("12".repeat(20)), Oid("34".repeat(20)));
    town.git.ensure_sandbox(&Town::sandbox("nux"), &spec).unwrap();
    let sandbox = town.git.sandbox(&Town::sandbox("nux")).unwrap().unwrap();
    assert_eq!((&sandbox.base, head(&town.worktree("nux")).unwrap()), (&spec.target, spec.target.clone()));
}

#[test]
fn a_detached_commit_and_a_rebase_under_way_are_kept_and_left_behind() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.work("nux", "sed -i s/1/one/ lines && git commit -qam one && git checkout -q --detach HEAD~1 && sed -i s/1/uno/ lines && git commit -qam uno");
    let detached = head(&town.worktree("nux")).unwrap();
    assert_ne!(town.by("nux", "git rebase polecat/nux/a").code, 0, "it conflicts");
    town.polecat("nux", "b");
    assert!(!town.work("nux", "git status").contains("rebase"));
    let reached = town.inside(&format!("git for-each-ref --contains {detached} refs/gt/rescue"));
    assert!(!reached.is_empty());
}

#[test]
fn what_is_left_of_a_sandbox_is_there_until_it_is_removed() {
    let town = Town::cloned();
    let id = Town::sandbox("nux");
    let record = town.git.layout().sandbox_record(&id.uid);
    for broken in [town.worktree("nux"), record] {
        town.polecat("nux", "a");
        must(sh(&town.path("."), &format!("rm -r {}", broken.display()), &[]));
        assert_eq!(town.git.sandbox(&id).unwrap().unwrap().prepared, "");
        town.git.remove_sandbox(&id).unwrap();
        assert_eq!(town.git.sandbox(&id).unwrap(), None);
        assert!(!town.worktree("nux").exists() && !repository(&town).exists());
    }
}

#[test]
fn crashes_are_repaired() {
    let town = Town::cloned();
    let (id, spec) = (Town::sandbox("nux"), town.spec("nux", "a"));
    let entry = repository(&town).join("worktrees/uid-nux");
    let record = town.git.layout().sandbox_record(&id.uid);
    let again = |what: &str| {
        town.git.ensure_sandbox(&id, &spec).unwrap_or_else(|e| panic!("{what}: {}", e.message()));
        assert_eq!(
            town.work("nux", "git status --porcelain && git branch --show-current && cat lines | wc -l"),
            format!("{}\n5", spec.branch),
            "{what}"
        );
    };
    again("fresh");

    fs_err::remove_file(&record).unwrap();
    fs_err::write(entry.join("index.lock"), "").unwrap();
    fs_err::write(entry.join("HEAD.lock"), "").unwrap();
    for lock in [format!("refs/heads/{}.lock", spec.branch), "config.lock".into(), "packed-refs.lock".into()] {
        let lock = repository(&town).join(lock);
        fs_err::create_dir_all(lock.parent().unwrap()).unwrap();
        fs_err::write(lock, "").unwrap();
    }
    again("locks left behind, no record");

    fs_err::remove_file(&record).unwrap();
    fs_err::write(entry.join("locked"), "initializing").unwrap();
    fs_err::remove_file(town.worktree("nux").join("lines")).unwrap();
    again("killed while it was checked out");
    assert!(rescued(&town, "nux").is_empty(), "nobody had worked there");

    fs_err::remove_file(&record).unwrap();
    fs_err::write(entry.join("locked"), "initializing").unwrap();
    for left in ["HEAD", "commondir", "index"] {
        fs_err::remove_file(entry.join(left)).unwrap();
    }
    fs_err::remove_dir_all(town.worktree("nux")).unwrap();
    fs_err::remove_dir_all(repository(&town).join("refs")).unwrap();
    again("killed while its repository was made");
    assert!(!repository(&town).with_file_name("uid-nux.2.git").exists(), "and it is the one that is used");

    fs_err::remove_dir_all(town.worktree("nux")).unwrap();
    again("stale entry");

    fs_err::remove_file(town.worktree("nux").join(".git")).unwrap();
    again("no .git file");

    fs_err::remove_dir_all(&entry).unwrap();
    again("no entry");

    // An older namesake's worktree has a branch of that name checked out.
    let older = SandboxId { name: id.name.clone(), uid: "uid-older".into() };
    town.git.remove_sandbox(&id).unwrap();
    town.git.ensure_sandbox(&older, &spec).unwrap();
    again("branch checked out elsewhere");
    let branch = must(sh(&town.git.layout().worktree("uid-older"), "git rev-parse --abbrev-ref HEAD", &[]));
    assert_eq!(branch, spec.branch, "the older one is left alone");
}

#[test]
fn a_worktree_of_an_earlier_release_is_left_alone_then_rescued_and_made_one_of_its_own() {
    let town = Town::cloned();
    let (id, spec) = (Town::sandbox("nux"), town.spec("nux", "a"));
    // As it was made: linked to the clone, on a branch of the clone.
    let worktree = town.worktree("nux");
    let add = format!(
        "git branch {} HEAD~0 2>/dev/null || git branch {} refs/gt/target/main; git worktree add -q {} {}",
        spec.branch,
        spec.branch,
        worktree.display(),
        spec.branch
    );
    town.inside(&add);
    let record = format!(
        r#"{{"polecat":"{}","uid":"{}","rigUid":"{}","prepared":"{}","branch":"{}","base":"{}"}}"#,
        id.name, id.uid, town.rig.uid, spec.prepared, spec.branch, spec.base.0
    );
    fs_err::write(town.git.layout().sandbox_record(&id.uid), record).unwrap();
    town.git.ensure_sandbox(&id, &spec).unwrap();
    town.work(
        "nux",
        "mkdir target && echo t > target/cache && echo c > c && git add . && git commit -qm c && echo u > u",
    );
    let request = town.hand_in("nux", "a");
    assert_eq!(town.inside("git rev-parse polecat/nux/a"), request.head.0);
    town.polecat("nux", "b");
    assert_eq!(
        town.work("nux", "ls && git branch --show-current && cat target/cache"),
        "lines
target
polecat/nux/b
t"
    );
    assert!(town.work("nux", "git rev-parse --git-common-dir").contains("sandboxes"));
    assert_eq!(town.inside("git worktree list | wc -l"), "1");
    assert_eq!(
        town.inside(&format!("git ls-tree --name-only {}", rescued(&town, "nux")[0])),
        ".gitignore\nc\nlines\nu"
    );
}

#[test]
fn sixteen_worktrees_at_once() {
    let town = Town::cloned();
    std::thread::scope(|scope| {
        for half in 0..2 {
            let town = &town;
            scope.spawn(move || (0..8).for_each(|n| drop(town.polecat(&format!("p{half}{n}"), "bead"))));
        }
    });
    for (half, n) in (0..2).flat_map(|half| (0..8).map(move |n| (half, n))) {
        assert_eq!(
            town.work(&format!("p{half}{n}"), "git status --porcelain --branch"),
            format!("## polecat/p{half}{n}/bead")
        );
    }
}

#[test]
fn a_held_session_lock_and_another_owner_stop_it() {
    let town = Town::cloned();
    let worktree = town.polecat("nux", "a");
    let id = Town::sandbox("nux");
    let lock = town.git.layout().sandbox_lock(&id.uid);
    fs_err::create_dir_all(lock.parent().unwrap()).unwrap();
    let file = std::fs::File::create(&lock).unwrap();
    flock(&file, FlockOperation::LockExclusive).unwrap();
    let refused = town.git.ensure_sandbox(&id, &town.spec("nux", "b"));
    assert!(matches!(refused, Err(GitError::InUse { .. })), "{refused:?}");
    assert!(matches!(town.git.remove_sandbox(&id), Err(GitError::InUse { .. })));
    drop(file);
    let mut other = town.spec("nux", "a");
    other.owner.uid = "rig-2".into();
    assert!(matches!(town.git.ensure_sandbox(&id, &other), Err(GitError::Foreign { .. })));
    assert!(worktree.join("lines").exists());
}

#[test]
fn removing_rescues_first_and_twice_is_fine() {
    let town = Town::cloned();
    let worktree = town.polecat("nux", "a");
    town.work("nux", "echo u > untracked && git checkout -q --detach && git commit -q --allow-empty -m loose");
    let loose = head(&worktree).unwrap();
    town.git.remove_sandbox(&Town::sandbox("nux")).unwrap();
    town.git.remove_sandbox(&Town::sandbox("nux")).unwrap();
    assert!(!worktree.exists() && !repository(&town).exists());
    assert_eq!(town.git.sandbox(&Town::sandbox("nux")).unwrap(), None);
    let holds = town.inside(&format!(
        "for r in $(git for-each-ref --format='%(refname)' --contains {loose}); do git ls-tree --name-only $r; done"
    ));
    assert!(holds.contains("untracked"), "{holds}");
}

#[test]
fn filters_run_both_ways() {
    let mut town = Town::new();
    // As LFS does: the repository holds a pointer, the worktree the content.
    let script = town.path("filter");
    fs_err::write(&script, "#!/bin/sh\nsed s/$1/$2/\n").unwrap();
    fs_err::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    let global = town.path("gitconfig");
    let run = script.display();
    fs_err::write(
        &global,
        format!("[filter \"x\"]\n clean = {run} CONTENT POINTER\n smudge = {run} POINTER CONTENT\n required\n"),
    )
    .unwrap();
    town.git = town.git.clone().with_env("GIT_CONFIG_GLOBAL", &global);
    town.up("echo '*.bin filter=x' > .gitattributes && echo POINTER > big.bin && git add . && git commit -qm big");
    assert_eq!(town.run(&town.clone_job()).0, 0);
    let worktree = town.polecat("nux", "a");
    assert_eq!(fs_err::read_to_string(worktree.join("big.bin")).unwrap(), "CONTENT\n");
    fs_err::write(worktree.join("new.bin"), "CONTENT\n").unwrap();
    town.polecat("nux", "b");
    assert_eq!(town.inside(&format!("git show {}:new.bin", rescued(&town, "nux")[0])), "POINTER");
}
