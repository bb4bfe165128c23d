//! The push: forward only, with a lease, and every refusal told apart.

use gastown::world::git::Limits;
use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Candidate, Job, Replayed, exit, replay_key};
use gastown_crds::common::Person;
use std::time::Duration;

use super::town::Town;

struct Try<'a> {
    branch: &'a str,
    from: Option<&'a Oid>,
    to: &'a Oid,
    force: bool,
    update: bool,
}

fn push(town: &Town, Try { branch, from, to, force, update }: Try) -> (i32, String) {
    town.run(&Job::Push {
        owner: town.rig.clone(),
        url: town.url(),
        branch: branch.into(),
        from: from.cloned(),
        to: to.clone(),
        force,
        update_checked_out: update,
        round: 1,
    })
}

/// A town with one commit ready to land, and where `main` was.
fn ready() -> (Town, Oid, Oid) {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.work("nux", "echo a > a && git add a && git commit -qm a");
    let (from, to) = (town.main(), town.hand_in("nux", "a").head);
    (town, from, to)
}

fn onto_main<'a>(from: &'a Oid, to: &'a Oid) -> Try<'a> {
    Try { branch: "main", from: Some(from), to, force: false, update: false }
}

#[test]
fn a_branch_moves_forward_and_twice_is_already_so() {
    let (town, from, to) = ready();
    town.up("git checkout -q --detach");
    for _ in 0..2 {
        let (code, log) = push(&town, onto_main(&from, &to));
        assert_eq!(code, exit::OK, "{log}");
        assert_eq!(town.main(), to);
    }
    let (code, log) = push(&town, onto_main(&to, &from));
    assert_eq!(code, exit::FAILED, "backward: {log}");
    assert_eq!(town.main(), to);
}

#[test]
fn a_checked_out_target_is_refused_or_updated() {
    let (town, from, to) = ready();
    let (code, log) = push(&town, onto_main(&from, &to));
    assert_eq!(code, exit::CHECKED_OUT, "{log}");
    assert!(log.contains("merge.whenCheckedOut: Update"), "{log}");
    town.up("echo mine >> lines");
    let update = || Try { update: true, ..onto_main(&from, &to) };
    let (code, log) = push(&town, update());
    assert_eq!(code, exit::CHECKED_OUT, "{log}");
    assert_eq!(town.main(), from);
    town.up("git checkout -q lines");
    let (code, log) = push(&town, update());
    assert_eq!(code, exit::OK, "{log}");
    assert_eq!(town.up("git status --porcelain && cat a && git rev-parse main"), format!("a\n{to}"));
}

/// What was pushed is here: the remote is only asked whether it is there.
#[test]
fn what_was_pushed_is_found_without_being_fetched() {
    let (town, from, to) = ready();
    town.up("git checkout -q --detach");
    town.fetch();
    assert_eq!(push(&town, onto_main(&from, &to)).0, exit::OK);
    let trace = town.path("trace");
    let traced = town.git.clone().with_env("GIT_TRACE2", &trace);
    let fetch = |round| Job::Fetch {
        owner: town.rig.clone(),
        url: town.url(),
        secret: None,
        lease: None,
        cause: "test".into(),
        round,
    };
    let commands = |round| {
        assert_eq!(traced.run_job(&fetch(round), &mut Vec::new()), exit::OK);
        let text = fs_err::read_to_string(&trace).unwrap();
        fs_err::remove_file(&trace).unwrap();
        let named = text.lines().filter_map(|line| line.split_once("cmd_name")?.1.split_whitespace().next());
        named.map(str::to_owned).filter(|name| name != "upload-pack").collect::<Vec<_>>()
    };
    assert_eq!(commands(1), ["ls-remote", "update-ref"]);
    assert_eq!(town.inside("git rev-parse refs/gt/target/main"), to.0);
    // What somebody else has done besides is fetched.
    town.up("git checkout -q main && git commit -q --allow-empty -m theirs && git tag t && git checkout -q --detach");
    assert_eq!(commands(2).first().map(String::as_str), Some("ls-remote"));
    assert_eq!(town.inside("git rev-parse refs/gt/target/main t"), [town.main().0, town.main().0].join("\n"));
}

/// Two that begin at one commit would both move it, and only one of them would bring the files along.
#[test]
fn one_push_at_a_time_goes_to_a_branch_however_the_remote_is_spelled() {
    let (town, from, to) = ready();
    town.up("git checkout -q main");
    let hook = "#!/bin/sh\ntouch ../entered\nwhile [ -d .. ] && ! [ -e ../gate ]; do sleep 0.01; done\n";
    fs_err::write(town.upstream().join(".git/hooks/pre-receive"), hook).unwrap();
    town.up("chmod +x .git/hooks/pre-receive && printf 'entered\\ngate\\n' > .git/info/exclude");
    let limits = Limits { push_wait: Duration::from_millis(50), ..Limits::default() };
    let impatient = town.git.clone().with_limits(limits);
    let job = |url: String, round| Job::Push {
        owner: town.rig.clone(),
        url,
        branch: "main".into(),
        from: Some(from.clone()),
        to: to.clone(),
        force: false,
        update_checked_out: true,
        round,
    };
    std::thread::scope(|scope| {
        let first = scope.spawn(|| town.run(&job(town.url(), 1)));
        while !town.upstream().join("entered").exists() && !first.is_finished() {
            std::thread::yield_now();
        }
        let mut log = Vec::new();
        let code = impatient.run_job(&job(format!("file://{}/.git", town.url()), 2), &mut log);
        let log = String::from_utf8_lossy(&log).into_owned();
        fs_err::write(town.upstream().join("gate"), "").unwrap();
        assert_eq!(code, exit::CONTENDED, "{log}");
        assert!(log.contains("another push runs there"), "{log}");
        let (code, log) = first.join().unwrap();
        assert_eq!(code, exit::OK, "{log}");
    });
    assert_eq!(town.up("git status --porcelain && git rev-parse main"), to.to_string());
}

/// Git itself overwrites ignored files when it updates a working copy.
#[test]
fn what_git_does_not_hold_in_a_working_copy_is_not_overwritten() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.work(
        "nux",
        "echo theirs > .env && mkdir -p target/deep && echo theirs > target/deep/a && git add -f . && git commit -qm a",
    );
    let (from, to) = (town.main(), town.hand_in("nux", "a").head);
    let update = || Try { update: true, ..onto_main(&from, &to) };
    let refused = |what: &str| {
        let (code, log) = push(&town, update());
        assert_eq!((code, town.main()), (exit::CHECKED_OUT, from.clone()), "{log}");
        assert!(log.contains(&format!("`{what}`")) && log.contains("move it away"), "{log}");
    };
    town.up("echo .env >> .git/info/exclude && echo mine > .env");
    refused(".env");
    assert_eq!(town.up("cat .env"), "mine");
    town.up("mv .env .env.mine && mkdir -p target/deep/a && echo mine > target/deep/a/b");
    refused("target/deep/a/b");
    // A file where a folder is to be.
    town.up("rm -r target && echo mine > target && echo target >> .git/info/exclude");
    refused("target");
    assert_eq!(town.up("cat target"), "mine");
    // What is beside it stays.
    town.up("rm target && mkdir target && echo mine > target/other && rm .env.mine");
    let (code, log) = push(&town, update());
    assert_eq!((code, town.main()), (exit::OK, to.clone()), "{log}");
    assert_eq!(town.up("cat .env target/deep/a target/other"), "theirs\ntheirs\nmine");
}

/// Where the branch is checked out beside the repository that is pushed to.
#[test]
fn a_working_copy_elsewhere_is_spared_too() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.work("nux", "echo theirs > .env && git add -f . && git commit -qm a");
    let (from, to) = (town.main(), town.hand_in("nux", "a").head);
    town.up("git checkout -q -b elsewhere && git worktree add -q ../beside main && echo .env >> .git/info/exclude");
    town.up("echo mine > ../beside/.env && echo mine > .env");
    let update = || Try { update: true, ..onto_main(&from, &to) };
    let (code, log) = push(&town, update());
    assert_eq!(code, exit::CHECKED_OUT, "{log}");
    assert!(log.contains("beside"), "{log}");
    assert_eq!(town.up("cat ../beside/.env"), "mine");
    town.up("rm ../beside/.env");
    let (code, log) = push(&town, update());
    assert_eq!(code, exit::OK, "{log}");
    assert_eq!(town.up("cat ../beside/.env .env"), "theirs\nmine");
}

#[test]
fn somebody_elses_push_is_never_overwritten() {
    let (town, from, to) = ready();
    town.up("git checkout -q -b theirs && git commit -q --allow-empty -m theirs && git branch -f main && git checkout -q --detach");
    let theirs = town.main();
    let (code, log) = push(&town, onto_main(&from, &to));
    assert_eq!(code, exit::CONTENDED, "{log}");
    let (code, log) = push(&town, Try { from: None, ..onto_main(&from, &to) });
    assert_eq!(code, exit::CONTENDED, "it exists: {log}");
    assert_eq!(town.main(), theirs);
}

#[test]
fn a_protected_branch_says_so() {
    let (town, from, to) = ready();
    town.up("git checkout -q --detach && printf '#!/bin/sh\\necho GH006: Protected branch >&2; exit 1' > .git/hooks/pre-receive && chmod +x .git/hooks/pre-receive");
    let (code, log) = push(&town, onto_main(&from, &to));
    assert_eq!(code, exit::PROTECTED, "{log}");
    assert!(log.contains("merge.strategy: Branch"), "{log}");
}

/// A candidate as the merge queue makes it.
fn landing(town: &Town, candidate: Candidate) -> Oid {
    let committer = Person { name: "Gas Town".into(), email: "refinery@town.invalid".into() };
    let onto = town.git.facts(&town.rig, Some("main")).unwrap().target.unwrap();
    let key = replay_key(&town.rig, &onto, std::slice::from_ref(&candidate), &committer);
    town.git.replay(&town.rig, &key, &onto, &[candidate], &committer).unwrap();
    match town.git.replayed(&key).unwrap().unwrap().remove(0) {
        Replayed::Clean { commit, .. } => commit,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_branch_of_the_towns_own_is_overwritten_until_somebody_else_commits_to_it() {
    let town = Town::cloned();
    town.polecat("nux", "a");
    town.work("nux", "echo a > a && git add a && git commit -qm a");
    let own = |to| Try { branch: "gastown/a", from: None, to, force: true, update: false };
    let there = || Oid(town.up("git rev-parse gastown/a"));
    let first = landing(&town, town.hand_in("nux", "a"));
    for _ in 0..2 {
        let (code, log) = push(&town, own(&first));
        assert_eq!((code, there()), (exit::OK, first.clone()), "{log}");
    }
    town.work("nux", "echo b > b && git add b && git commit -qm b");
    let second = landing(&town, town.hand_in("nux", "a"));
    let (code, log) = push(&town, own(&second));
    assert_eq!((code, there()), (exit::OK, second.clone()), "{log}");
    // Whoever commits for the town from now on: what it made before stays its own.
    let again = format!("commit-tree {second}^{{tree}} -p {second}~1 -m again");
    let renamed = Oid(town.inside(&format!("git -c user.name=Gas -c user.email=other@town.invalid {again}")));
    town.fetch();
    let (code, log) = push(&town, own(&renamed));
    assert_eq!((code, there()), (exit::OK, renamed.clone()), "{log}");
    town.up(
        "git checkout -q gastown/a && echo mine > mine && git add mine && git commit -qm mine && git checkout -q main",
    );
    town.fetch();
    let theirs = there();
    let (code, log) = push(&town, own(&first));
    assert_eq!((code, there()), (exit::PROTECTED, theirs), "{log}");
    assert!(log.contains("--delete gastown/a"), "{log}");
}

#[test]
fn a_remote_that_asks_is_auth() {
    let (town, from, to) = ready();
    let git = town
        .git
        .clone()
        .with_env("GIT_SSH_COMMAND", "sh -c 'echo Permission denied \\(publickey\\). >&2; exit 255' ssh");
    let job = Job::Push {
        owner: town.rig.clone(),
        url: "git@example.org:a.git".into(),
        branch: "main".into(),
        from: Some(from),
        to,
        force: false,
        update_checked_out: false,
        round: 1,
    };
    let mut log = Vec::new();
    assert_eq!(git.run_job(&job, &mut log), exit::AUTH, "{}", String::from_utf8_lossy(&log));
}
