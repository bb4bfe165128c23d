//! What killed gits and setups leave behind stops nobody: their locks, and their processes.

use std::path::Path;
use std::time::Duration;

use gastown_controllers::world::{Job, exit};

use super::town::Town;

/// Makes a lock file as a git left it that was killed a minute ago.
fn lock(path: &Path) {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    let file = std::fs::File::create(path).unwrap();
    let now = file.metadata().unwrap().modified().unwrap();
    file.set_modified(now - Duration::from_mins(1)).unwrap();
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

/// A setup of nux, run.
fn set_up(town: &Town, prepared: &str, commands: &[&str]) {
    let id = Town::sandbox("nux");
    let setup = Job::Setup {
        owner: town.rig.clone(),
        sandbox: id.clone(),
        prepared: prepared.into(),
        made: town.git.sandbox(&id).unwrap().unwrap().made,
        commands: commands.iter().map(|command| (*command).to_owned()).collect(),
        copy: Vec::new(),
        copy_from: None,
        timeout_s: 60,
        round: 1,
    };
    let (code, log) = town.run(&setup);
    assert_eq!(code, exit::OK, "{log}");
}

#[test]
fn what_a_setup_has_changed_is_not_the_agents() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    let makes = "mkdir made && echo x > made/x && echo x > 'a *file' && echo 1 > lock";
    set_up(&town, "for-a", &["echo 6 >> lines", makes, "mkdir target && echo x > target/x"]);
    assert_eq!(town.work("nux", "git status --porcelain"), "");
    town.work("nux", "echo mine > mine && git add --all && git commit -qm mine");
    assert_eq!(town.work("nux", "git diff-tree -r --name-only --no-commit-id HEAD"), "mine");
    // What it writes is: beside what the setup has made, and over it.
    town.work("nux", "echo 7 >> lines && echo y > 'a new file' && echo y > made/y && echo 2 > lock && touch 'a *file'");
    assert_eq!(town.work("nux", "git status --porcelain"), " M lines\n?? \"a new file\"\n?? made/");
    let changed = gastown::world::git::made_and_changed(&town.worktree("nux"));
    assert_eq!(changed, [b"lock".to_vec()]);
    // The next bead finds nothing of it; what the agent has changed is rescued, and what it has not is no work.
    town.polecat("nux", "b");
    assert_eq!(town.work("nux", "ls"), "lines\ntarget");
    let rescued = town.inside("git for-each-ref --format='%(refname)' refs/gt/rescue");
    let names = town.inside(&format!("git ls-tree -r --name-only {rescued}"));
    assert_eq!(names, ".gitignore\na new file\nlines\nlock\nmade/y\nmine");
}

#[test]
fn a_repository_that_a_setup_has_cloned_is_no_reason_for_quarantine() {
    let town = Town::cloned();
    let clone = format!("git clone -q {} vendor", town.upstream().display());
    for bead in ["a", "b", "c"] {
        town.polecat("nux", bead);
        set_up(&town, &format!("for-{bead}"), &[&clone]);
        assert_eq!(town.work("nux", "git status --porcelain"), "");
    }
    let kept = || {
        fs_err::read_dir(town.worktree("nux").parent().unwrap())
            .unwrap()
            .flatten()
            .filter(|it| it.file_name().to_string_lossy().contains("kept"))
            .count()
    };
    assert_eq!(kept(), 0);
    // One that somebody has worked in is kept.
    town.work("nux", "cd vendor && git commit -q --allow-empty -m work");
    town.polecat("nux", "d");
    assert_eq!(kept(), 1);
}

#[test]
fn a_submodule_is_where_the_next_bead_names_it_and_what_was_left_in_it_is_kept() {
    let town = Town::cloned();
    town.up("git init -q ../lib && git -C ../lib commit -q --allow-empty -m lib");
    let allow = "-c protocol.file.allow=always";
    town.up(&format!("git {allow} submodule --quiet add ../lib lib && git commit -qm lib"));
    town.fetch();
    town.polecat("nux", "a");
    let update = format!("git {allow} submodule --quiet update --init");
    town.work(
        "nux",
        &format!("{update}; cd lib; echo own > own; git add own; git commit -qm own; echo edit >> own; echo new > new"),
    );
    let own = town.work("nux", "git -C lib rev-parse HEAD");
    town.polecat("nux", "b");
    assert_eq!(town.work("nux", "git status --porcelain; ls lib"), "");
    let kept =
        town.work("nux", "cd lib; git for-each-ref --format='%(objectname)' refs/gt/rescue; git stash list | wc -l");
    assert_eq!(kept.split_whitespace().collect::<Vec<_>>(), [own.as_str(), "1"]);
}

#[test]
fn a_folder_that_ignores_itself_and_what_is_no_file_are_in_nobodys_way() {
    let town = Town::cloned();
    let worktree = town.polecat("nux", "a");
    town.work("nux", "mkdir cache && echo '*' > cache/.gitignore && echo x > cache/x");
    town.polecat("nux", "b");
    assert_eq!(town.work("nux", "git status --porcelain; cat cache/x"), "x", "it is warm for the next bead");
    set_up(&town, "for-b", &["echo 6 >> lines && echo 1 > lock"]);
    town.work("nux", "rm lines lock && mkfifo lines lock");
    town.polecat("nux", "c");
    assert_eq!(town.work("nux", "git status --porcelain"), "");
    town.work("nux", "rm .git && mkfifo .git || true");
    town.polecat("nux", "d");
    assert_eq!(town.work("nux", "git status --porcelain"), "");
    assert!(worktree.with_file_name("uid-nux.kept-1").exists());
}

#[test]
fn a_filter_that_a_setup_has_set_keeps_what_is_rescued_as_it_is_committed() {
    let town = Town::cloned();
    town.up(
        "echo '*.secret filter=crypt' > .gitattributes && echo SECRET > a.secret && git add . && git commit -qm secret",
    );
    town.fetch();
    town.polecat("nux", "a");
    let filter = "git config filter.crypt.clean 'tr a-z A-Z' && git config filter.crypt.smudge 'tr A-Z a-z' && rm a.secret && git checkout -q a.secret";
    set_up(&town, "for-a", &[filter]);
    assert_eq!(town.work("nux", "cat a.secret"), "secret");
    town.polecat("nux", "b");
    assert_eq!(town.inside("git for-each-ref refs/gt/rescue"), "", "nobody has changed it");
}
