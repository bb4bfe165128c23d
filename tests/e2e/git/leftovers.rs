//! What killed gits and setups leave behind stops nobody: their locks, and their processes.

use std::path::Path;
use std::time::{Duration, SystemTime};

use gastown_controllers::world::{Job, exit};

use super::town::Town;

/// Makes a lock file as a git left it that was killed a minute ago.
fn lock(path: &Path) {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::fs::File::create(path).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_mins(1)).unwrap();
}

#[test]
fn locks_of_a_killed_git_are_gone_before_anybody_begins_in_a_sandbox() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.up("git init -q ../sub && git -C ../sub commit -q --allow-empty -m s");
    town.work("nux", "git tag kept.locked");
    town.work("nux", "git -c protocol.file.allow=always submodule --quiet add ../sub sub && git commit -qm sub");
    let paths = "git rev-parse --path-format=absolute --git-path index.lock --git-path HEAD.lock --git-path config.lock \
                 --git-path refs/heads/polecat/nux/a.lock --git-path packed-refs.lock --git-path modules/sub/index.lock";
    let locks = town.work("nux", paths);
    assert_eq!(locks.lines().count(), 6);
    locks.lines().for_each(|path| lock(Path::new(path)));
    assert_ne!(town.by("nux", "git commit -q --allow-empty -m x").code, 0);
    let id = Town::sandbox("nux");
    town.git.remove_locks(&id).unwrap();
    town.work(
        "nux",
        "git commit -q --allow-empty -m x && git config a.b c && git pack-refs --all && git tag -d kept.locked",
    );
    town.work("nux", "cd sub && git commit -q --allow-empty -m x");

    // And a new preparation needs none of it.
    locks.lines().for_each(|path| lock(Path::new(path)));
    town.polecat("nux", "b");
    town.work("nux", "git commit -q --allow-empty -m x");
}

#[test]
fn locks_that_a_killed_git_left_in_the_clone_stop_no_rig() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    let clone = town.clone();
    let branch = "refs/heads/polecat/nux/a.lock";
    town.inside("git config --unset remote.origin.url");
    for name in ["refs/gt/target/main.lock", "packed-refs.lock", "config.lock", "HEAD.lock", branch] {
        lock(&clone.join(name));
    }
    town.up("git branch gone && echo new > new && git add new && git commit -qm new");
    town.fetch();
    assert_eq!(town.inside("git rev-parse refs/gt/target/main"), town.main().0);
    assert_eq!(town.inside("git config remote.origin.url"), town.url());
    // A deletion takes another lock.
    lock(&clone.join("packed-refs.lock"));
    town.up("git branch -q -D gone");
    town.fetch();
    town.work("nux", "echo a > a && git add a && git commit -qm a");
    let handed_in = town.hand_in("nux", "a");
    assert_eq!(town.inside("git rev-parse polecat/nux/a"), handed_in.head.0);
}

#[test]
fn what_a_setup_has_started_serves_its_bead_and_no_other() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    let pid = town.path("pid");
    let serve = format!(
        "setsid sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 600' >/dev/null 2>&1 & \
                         while ! [ -s {0} ]; do sleep 0.01; done",
        pid.display()
    );
    let id = Town::sandbox("nux");
    let made = town.git.sandbox(&id).unwrap().unwrap().made;
    let setup = |round| Job::Setup {
        owner: town.rig.clone(),
        sandbox: id.clone(),
        prepared: "for-a".into(),
        made,
        commands: vec![serve.clone()],
        copy: Vec::new(),
        copy_from: None,
        timeout_s: 60,
        round,
    };
    let served = || {
        let text = fs_err::read_to_string(&pid).unwrap();
        fs_err::remove_file(&pid).unwrap();
        gastown_supervisor::process::ProcessId::of(text.trim().parse().unwrap()).unwrap()
    };
    assert_eq!(town.run(&setup(1)).0, exit::OK);
    let first = served();
    assert!(first.lives());
    // A round that was not seen to end is followed by another, which starts from nothing.
    assert_eq!(town.run(&setup(2)).0, exit::OK);
    let second = served();
    assert!(!first.lives() && second.lives());
    town.polecat("nux", "b");
    assert!(!second.lives());
}

#[test]
fn what_a_setup_has_changed_is_not_the_agents() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    let id = Town::sandbox("nux");
    let commands =
        ["echo 6 >> lines", "mkdir made && echo x > made/x", "echo x > 'a *file'", "mkdir target && echo x > target/x"];
    let setup = Job::Setup {
        owner: town.rig.clone(),
        sandbox: id.clone(),
        prepared: "for-a".into(),
        made: town.git.sandbox(&id).unwrap().unwrap().made,
        commands: commands.map(String::from).into(),
        copy: Vec::new(),
        copy_from: None,
        timeout_s: 60,
        round: 1,
    };
    assert_eq!(town.run(&setup).0, exit::OK);
    assert_eq!(town.work("nux", "git status --porcelain"), "");
    town.work("nux", "echo mine > mine && git add --all && git commit -qm mine");
    assert_eq!(town.work("nux", "git diff-tree -r --name-only --no-commit-id HEAD"), "mine");
    town.work("nux", "echo 7 >> lines && echo y > 'a new file'");
    assert_eq!(town.work("nux", "git status --porcelain"), " M lines\n?? \"a new file\"");
}
