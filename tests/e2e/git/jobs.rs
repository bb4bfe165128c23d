//! Clone, fetch, setup and verification, as their jobs run them.

use std::time::Duration;

use gastown::world::git::Limits;
use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Check, Job, exit};
use gastown_crds::source::SecretRef;

use jiff::Timestamp;

use super::town::Town;

fn setup(town: &Town, commands: &[&str], copy: &[&str], timeout_s: u64) -> Job {
    Job::Setup {
        owner: town.rig.clone(),
        sandbox: Town::sandbox("nux"),
        prepared: "for-a".into(),
        // The time is no matter where there is no worktree.
        made: town.git.sandbox(&Town::sandbox("nux")).unwrap().map_or(Timestamp::UNIX_EPOCH, |sandbox| sandbox.made),
        commands: commands.iter().map(|&c| c.into()).collect(),
        copy: copy.iter().map(|&c| c.into()).collect(),
        copy_from: Some(town.path("private").display().to_string()),
        timeout_s,
        round: 1,
    }
}

fn verify(town: &Town, commit: &Oid, checks: &[(&str, u64)]) -> (i32, String) {
    let tree = Oid(town.up(&format!("git rev-parse {commit}^{{tree}}")));
    let check = |(n, (run, timeout_s)): (usize, &(&str, u64))| Check {
        name: format!("c{n}"),
        run: (*run).into(),
        timeout_s: *timeout_s,
    };
    let checks = checks.iter().enumerate().map(check).collect();
    town.run(&Job::Verify { owner: town.rig.clone(), commit: commit.clone(), tree, checks, round: 1 })
}

#[test]
fn a_clone_has_targets_and_no_branches() {
    let town = Town::new();
    assert!(!town.git.facts(&town.rig, None).unwrap().cloned);
    // What a killed try left behind.
    fs_err::create_dir_all(town.clone().with_extension("git.new").join("refs")).unwrap();
    town.up("git branch feature/x");
    assert_eq!(town.run(&town.clone_job()).0, exit::OK);
    assert_eq!(town.run(&town.clone_job()).0, exit::OK);
    let facts = town.git.facts(&town.rig, None).unwrap();
    assert_eq!(facts.branch.as_deref(), Some("main"));
    assert_eq!(facts.target, Some(town.main()));
    assert_eq!(facts.target_tree.unwrap().0, town.up("git rev-parse main^{tree}"));
    assert_eq!(town.git.facts(&town.rig, Some("feature/x")).unwrap().target, Some(town.main()));
    let absent = town.git.facts(&town.rig, Some("absent")).unwrap();
    assert!(absent.cloned && absent.target.is_none());
    assert_eq!(town.inside("git for-each-ref refs/heads && git config gc.auto"), "0");
}

#[test]
fn a_fetch_follows_moves_deletions_and_a_new_head_branch() {
    let town = Town::cloned();
    town.up("git branch gone");
    town.fetch();
    town.up("git branch -D -q gone && git commit -q --allow-empty -m next && git checkout -q -b trunk");
    town.fetch();
    let at = |branch| town.git.facts(&town.rig, branch).unwrap();
    assert_eq!((at(None).branch.as_deref(), at(Some("main")).target), (Some("trunk"), Some(town.main())));
    assert_eq!(at(Some("gone")).target, None);
    assert_eq!(town.inside("git rev-parse refs/gt/target/main"), town.main().0);
    town.up("git checkout -q --detach");
    town.fetch();
    assert_eq!(at(None).branch, None);
}

#[test]
fn what_landed_is_found_by_its_trailer() {
    let town = Town::cloned();
    let commit = |mr: &str| {
        town.up(&format!(
            "git commit -q --allow-empty -m 'Title\n\nGastown-Bead: b\nGastown-MR: {mr}' && git rev-parse HEAD"
        ))
    };
    let (first, _, last) = (commit("one"), commit("two"), commit("two"));
    town.up("git commit -q --allow-empty -m 'by hand'");
    assert!(town.git.facts(&town.rig, None).unwrap().landed.is_empty());
    town.fetch();
    let landed = town.git.facts(&town.rig, None).unwrap().landed;
    assert_eq!(landed.into_iter().collect::<Vec<_>>(), [("one".to_owned(), Oid(first)), ("two".to_owned(), Oid(last))]);
}

#[test]
fn an_empty_remote_a_missing_one_and_one_that_asks() {
    let town = Town::new();
    let clone = |url: &str| {
        town.run(&Job::Clone { owner: town.rig.clone(), url: url.into(), secret: None, lease: None, round: 1 })
    };
    super::town::must(super::town::sh(&town.path("."), "git init -q empty", &[]));
    let (code, log) = clone(&town.path("empty").display().to_string());
    assert_eq!(code, exit::NO_BRANCH, "{log}");
    let (code, log) = clone("/nowhere/at/all");
    assert_eq!(code, exit::FAILED, "{log}");
    assert!(log.contains("git ls-remote /nowhere/at/all"), "{log}");
    assert!(!town.git.facts(&town.rig, None).unwrap().cloned);

    let ssh = "sh -c 'echo \"git@example.org: Permission denied (publickey).\" >&2; exit 255' ssh";
    let git = town.git.clone().with_env("GIT_SSH_COMMAND", ssh);
    let mut log = Vec::new();
    let code = git.run_job(
        &Job::Clone {
            owner: town.rig.clone(),
            url: "git@example.org:a.git".into(),
            secret: None,
            lease: None,
            round: 1,
        },
        &mut log,
    );
    assert_eq!(code, exit::AUTH, "{}", String::from_utf8_lossy(&log));
}

#[test]
fn a_remote_that_wants_a_password_is_told_from_a_broken_one_without_a_prompt() {
    use std::io::{Read, Write};
    let town = Town::new();
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://me:s3cret@{}/a.git", server.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let mut request = [0; 4096];
            drop(stream.read(&mut request));
            let answer = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            drop(stream.write_all(answer.as_bytes()));
        }
    });
    let git = town.git.clone().with_env("no_proxy", "127.0.0.1");
    let mut log = Vec::new();
    let code = git.run_job(&Job::Clone { owner: town.rig.clone(), url, secret: None, lease: None, round: 1 }, &mut log);
    let log = String::from_utf8(log).unwrap();
    assert_eq!(code, exit::AUTH, "{log}");
    assert!(!log.contains("s3cret"), "{log}");
}

#[test]
fn a_transfer_that_takes_too_long_names_its_limit_and_a_way_on() {
    let mut town = Town::cloned();
    fs_err::write(town.path("hang"), "#!/bin/sh\nexec sleep 600\n").unwrap();
    super::town::must(super::town::sh(&town.path("."), "chmod +x hang", &[]));
    let hook = format!("[uploadpack]\n packObjectsHook = {}\n", town.path("hang").display());
    fs_err::write(town.path("gitconfig"), hook).unwrap();
    let limits = Limits { transfer: Duration::from_secs(1), ..Limits::default() };
    town.git = town.git.clone().with_env("GIT_CONFIG_GLOBAL", town.path("gitconfig")).with_limits(limits);
    town.up("git commit -q --allow-empty -m next");
    let (code, log) = town.run(&Job::Fetch {
        owner: town.rig.clone(),
        url: town.url(),
        secret: None,
        lease: None,
        cause: "test".into(),
        round: 1,
    });
    assert!(code == exit::ERROR && log.contains("did not end within 1s"), "{log}");
    assert!(log.contains(&format!("git -C {} fetch", town.clone().display())), "{log}");
    fs_err::remove_dir_all(town.clone()).unwrap();
    let (code, log) = town.run(&town.clone_job());
    assert!(code == exit::ERROR && log.contains("did not end within 1s") && log.contains("spec.repo.url"), "{log}");
}

#[test]
fn a_remote_that_falls_silent_is_given_up_long_before_the_limit() {
    let town = Town::new();
    let (ssh, said) = (town.path("ssh"), town.path("said"));
    fs_err::write(&ssh, format!("#!/bin/sh\n(echo \"$@\"; env) > {}\nexit 255\n", said.display())).unwrap();
    super::town::must(super::town::sh(&town.path("."), "chmod +x ssh", &[]));
    let job = Job::Clone {
        owner: town.rig.clone(),
        url: "git@example.org:a.git".into(),
        secret: None,
        lease: None,
        round: 1,
    };
    let git = town.git.clone().with_env("GIT_SSH_COMMAND", &ssh);
    assert_eq!(git.run_job(&job, &mut Vec::new()), exit::FAILED);
    let told = fs_err::read_to_string(&said).unwrap();
    for what in ["ServerAliveInterval=30", "ServerAliveCountMax=4", "LOW_SPEED_LIMIT=1\n", "LOW_SPEED_TIME=120\n"] {
        assert!(told.contains(what), "{what}: {told}");
    }
    // What the user says goes before.
    git.with_env("GIT_HTTP_LOW_SPEED_TIME", "7").run_job(&job, &mut Vec::new());
    assert!(fs_err::read_to_string(&said).unwrap().contains("LOW_SPEED_TIME=7\n"));
}

/// The key of a source is for its remote alone, and no other is tried there.
#[test]
fn a_key_that_is_nobody_elses_to_read_is_given_to_ssh_by_its_name() {
    let town = Town::new();
    let (bin, said, key) = (town.path("bin/ssh"), town.path("said"), town.path("a key"));
    fs_err::create_dir(town.path("bin")).unwrap();
    fs_err::write(&bin, format!("#!/bin/sh\necho \"$@\" > {}\nexit 255\n", said.display())).unwrap();
    fs_err::write(&key, "a private key\n").unwrap();
    super::town::must(super::town::sh(&town.path("."), "chmod +x bin/ssh; chmod 644 'a key'", &[]));
    let secret = SecretRef { file: Some(key.display().to_string()), command: None, username: None };
    let url = "git@example.org:a.git".to_owned();
    let job = Job::Clone { owner: town.rig.clone(), url, secret: Some(secret), lease: None, round: 1 };
    let git = town.git.clone().with_env("GIT_SSH_COMMAND", &bin);
    let runs = || {
        let mut log = Vec::new();
        (git.run_job(&job, &mut log), String::from_utf8(log).unwrap())
    };
    let (code, log) = runs();
    assert!(code == exit::AUTH && log.contains("chmod 600 "), "{log}");
    assert!(!said.exists(), "nobody was asked");
    super::town::must(super::town::sh(&town.path("."), "chmod 600 'a key'", &[]));
    runs();
    let told = fs_err::read_to_string(&said).unwrap();
    let options = format!("-i {} -o IdentitiesOnly=yes -o IdentityAgent=none -o BatchMode=yes", key.display());
    assert!(told.starts_with(&options), "{told}");
    // Whatever stands for ssh here, and does not take a key.
    let path = format!("{}:{}", town.path("bin").display(), std::env::var("PATH").unwrap());
    let git = town.git.clone().with_env("GIT_SSH_COMMAND", "plink -batch").with_env("PATH", path);
    fs_err::remove_file(&said).unwrap();
    git.run_job(&job, &mut Vec::new());
    assert!(fs_err::read_to_string(&said).unwrap().starts_with(&options));
}

#[test]
fn a_fetch_removes_what_killed_gits_left_long_ago() {
    let town = Town::cloned();
    let objects = town.clone().join("objects");
    let age = |name: &str, hours: u32| {
        let touch = format!("mkdir -p pack ab && touch -d '-{hours} hours' {name}");
        super::town::must(super::town::sh(&objects, &touch, &[]));
        objects.join(name)
    };
    let (old, young) = (["pack/tmp_pack_a", "ab/tmp_obj_b", "tmp_obj_c"], ["pack/tmp_pack_d", "ab/tmp_obj_e"]);
    let (old, young) = (old.map(|name| age(name, 3)), young.map(|name| age(name, 0)));
    let kept = age("pack/pack-f.keep", 3);
    town.fetch();
    assert!(old.iter().all(|path| !path.exists()));
    assert!(young.iter().all(|path| path.exists()) && kept.exists());
}

#[test]
fn setup_copies_and_runs_as_the_polecat() {
    let town = Town::cloned();
    let worktree = town.polecat("nux", "a");
    fs_err::create_dir_all(town.path("private/deep")).unwrap();
    fs_err::write(town.path("private/.env local"), "SECRET").unwrap();
    fs_err::write(town.path("private/deep/key"), "KEY").unwrap();
    let job = setup(
        &town,
        &["cat '.env local' deep/key > target.txt; mkdir -p target; mv target.txt target/", "echo $GT_BRANCH"],
        &[".env local", "deep/key"],
        60,
    );
    let (code, log) = town.run(&job);
    assert_eq!(code, exit::OK, "{log}");
    assert!(log.contains("\npolecat/nux/a\n"), "{log}");
    assert_eq!(fs_err::read_to_string(worktree.join("target/target.txt")).unwrap(), "SECRETKEY");
    assert!(!town.git.is_dirty(&worktree).unwrap());
    assert_eq!(town.run(&job).0, exit::OK, "twice is fine");
    assert_eq!(town.inside("grep -c . info/exclude"), "2");
    assert_eq!(town.inside("cat $(cd ../../sandboxes/*.git; pwd)/info/exclude | grep -c '^/'"), "2");
    assert_eq!(town.run(&setup(&town, &["git push -q origin HEAD:main"], &[], 60)).0, exit::FAILED);
    let (code, log) = town.run(&setup(&town, &["echo begun", "sleep 600"], &[], 3));
    assert_eq!(code, exit::ERROR, "{log}");
    assert!(log.contains("\nbegun\n"), "{log}");
}

#[test]
fn setup_refuses_paths_that_leave_their_folder() {
    let town = Town::cloned();
    let worktree = town.polecat("nux", "a");
    fs_err::create_dir_all(town.path("private/out")).unwrap();
    fs_err::write(town.path("secret"), "SECRET").unwrap();
    fs_err::write(town.path("private/out/f"), "F").unwrap();
    fs_err::write(town.path("private/lines"), "F").unwrap();
    std::os::unix::fs::symlink(town.path("secret"), town.path("private/link")).unwrap();
    std::os::unix::fs::symlink(town.path("private"), worktree.join("out")).unwrap();
    for (file, why) in [
        ("../secret", "without `..`"),
        ("link", "leads out of"),
        ("out/f", "leads out of the worktree"),
        ("out", "is not a file"),
        (".git", "plain relative path"),
        ("lines", "is tracked"),
        ("missing", "missing"),
    ] {
        let (code, log) = town.run(&setup(&town, &[], &[file], 60));
        assert!(code == exit::FAILED && log.contains(why), "{file}: {code} {log}");
    }
}

#[test]
fn checks_run_on_the_tree_and_say_green_red_or_neither() {
    let town = Town::cloned();
    let commit = town.main();
    let (code, log) = verify(
        &town,
        &commit,
        &[
            ("cat lines", 60),
            ("git rev-parse HEAD; mkdir -p target; echo cache > target/c; echo junk > junk; git init -q inner", 60),
        ],
    );
    assert_eq!(code, exit::OK, "{log}");
    assert!(log.contains("check c0: $ cat lines\n1\n2\n3\n4\n5\n") && log.contains(&commit.0), "{log}");
    let (code, log) = verify(&town, &commit, &[("test -f target/c && test ! -e junk && test ! -e inner", 60)]);
    assert_eq!(code, exit::OK, "caches stay, junk goes: {log}");
    assert_eq!(
        verify(&town, &commit, &[("true", 60), ("echo broken; exit 3", 60), ("echo never", 60)]).0,
        exit::FAILED
    );
    assert_eq!(verify(&town, &commit, &[("rm -rf .git && git init -q", 60)]).0, exit::OK);
    let (code, log) = verify(&town, &commit, &[("git rev-parse HEAD", 60)]);
    assert!(code == exit::OK && log.contains(&commit.0), "the worktree is made again: {log}");
    assert_eq!(verify(&town, &commit, &[("no-such-program-here", 60)]).0, exit::UNABLE);
    assert_eq!(verify(&town, &commit, &[("sleep 600", 1)]).0, exit::UNABLE);
    let refs = town.inside("git for-each-ref");
    let own = "git branch -f main HEAD && git tag t && git config a.b c && git update-index --skip-worktree lines && echo x > lines";
    assert_eq!(verify(&town, &commit, &[(own, 60)]).0, exit::OK);
    assert_eq!(town.inside("git for-each-ref"), refs, "a check moves refs of its own repository only");
    let (code, log) = verify(&town, &commit, &[("git push -q origin HEAD:refs/heads/main", 60)]);
    assert!(code == exit::FAILED && log.contains("origin takes nothing"), "{log}");
    let (code, log) =
        verify(&town, &commit, &[("! git config a.b && ! git rev-parse -q --verify t && grep -c . lines", 60)]);
    assert_eq!(code, exit::OK, "nothing of it is there for the next: {log}");
    let (rig, tree) = (town.rig.clone(), town.main());
    assert_eq!(
        town.run(&Job::Verify { owner: rig, commit, tree, checks: vec![], round: 1 }).0,
        exit::ERROR,
        "not its tree"
    );
}

#[test]
fn a_full_disk_is_nobodys_red() {
    let mut town = Town::cloned();
    let commit = town.main();
    let disk_full = "echo 'ld: final link failed: No space left on device' >&2";
    let check = |town: &Town, run: &str| verify(town, &commit, &[(run, 60)]);
    let (code, log) = check(&town, &format!("{disk_full}; exit 1"));
    assert!(code == exit::UNABLE && log.contains("failed with 1, but it says `No space left on device`"), "{log}");
    assert_eq!(check(&town, disk_full).0, exit::OK);
    let much = "head -c 8192 /dev/zero | tr '\\0' x";
    assert_eq!(check(&town, &format!("{disk_full}; {much}; exit 1")).0, exit::FAILED, "not its last words");
    let limits = Limits { free_bytes_min: u64::MAX, ..Limits::default() };
    town.git = town.git.clone().with_limits(limits);
    for run in ["exit 1", "no-such-program-here"] {
        let (code, log) = check(&town, run);
        assert!(code == exit::ERROR && log.contains("is almost full"), "{log}");
    }
    assert_eq!(check(&town, "true").0, exit::OK);
}

#[test]
fn what_a_check_or_an_agent_locks_stops_nobody_after_it() {
    if !super::town::is_bound_by_modes("git::jobs::what_a_check_or_an_agent_locks_stops_nobody_after_it") {
        return;
    }
    let town = Town::cloned();
    let lock = "mkdir -p ro/x && touch ro/x/f && chmod 555 ro/x ro";
    for round in 1..=3 {
        let (code, log) = verify(&town, &town.main(), &[(&format!("test ! -e ro && {lock}"), 60)]);
        assert_eq!(code, exit::OK, "round {round}: {log}");
    }
    let worktree = town.polecat("nux", "a");
    town.work("nux", &format!("mkdir target && cd target && {lock}"));
    town.git.remove_sandbox(&Town::sandbox("nux")).unwrap();
    assert_eq!(fs_err::read_dir(worktree.parent().unwrap()).unwrap().count(), 0, "nothing is left of it");
    town.polecat("nux", "b");
    // What a crash left half removed.
    let discarded = worktree.with_extension("trash");
    super::town::must(super::town::sh(
        &town.path("."),
        &format!("mkdir {0} && cd {0} && {lock}", discarded.display()),
        &[],
    ));
    town.polecat("nux", "c");
    assert!(!discarded.exists());
}

/// A clone is never collected: of the commits of a lease, the present one is kept. And how a move ends says what stands in its
/// way.
#[test]
fn a_lease_leaves_one_commit_in_the_clone() {
    const LEASE: &str = "refs/gt/runner/town/live";
    let town = Town::cloned();
    let lease = || town.git.lease(&town.rig, LEASE).unwrap();
    let moves = |url: String, machine: Option<&str>, cause: &str| {
        let (owner, from) = (town.rig.clone(), lease().map(|lease| lease.id));
        let (machine, cause) = (machine.map(str::to_owned), cause.to_owned());
        let reference = LEASE.to_owned();
        town.run(&Job::Lease { owner, url, secret: None, reference, from, machine, cause, round: 1 })
    };
    let commits = || {
        let all = town.inside("git cat-file --batch-all-objects --batch-check --unordered | grep ' commit ' || true");
        let is_lease = |line: &&str| {
            let id = line.split(' ').next().unwrap();
            town.inside(&format!("git log -1 --format=%B {id}")).contains("Gastown-Lease-Holder: rig-1")
        };
        all.lines().filter(is_lease).count()
    };
    for (nth, machine) in ["a", "b", "c"].iter().enumerate() {
        let (code, log) = moves(town.url(), Some(machine), machine);
        assert_eq!(code, exit::OK, "{log}");
        assert_eq!((lease().unwrap().machine.as_str(), commits()), (*machine, 1), "{nth}");
        assert_eq!(lease().unwrap().id.0, town.up(&format!("git rev-parse {LEASE}")));
    }
    // The remote can be read, and lets nobody write.
    town.up("printf '#!/bin/sh\\nexit 1\\n' > .git/hooks/pre-receive && chmod +x .git/hooks/pre-receive");
    let (code, log) = moves(town.url(), Some("d"), "d");
    assert_eq!(code, exit::PROTECTED, "{log}");
    town.up("rm .git/hooks/pre-receive");
    // It cannot be reached, so nobody knows.
    let (code, log) = moves(town.path("nowhere").display().to_string(), Some("d"), "d");
    assert_eq!(code, exit::FAILED, "{log}");
    assert_eq!((lease().unwrap().machine.as_str(), commits()), ("c", 1));
    // Somebody has moved it.
    let first = town.up(&format!("git update-ref {LEASE} main && git rev-parse main"));
    let (code, log) = moves(town.url(), Some("d"), "e");
    assert_eq!(code, exit::CONTENDED, "{log}");
    let there = lease().unwrap();
    assert_eq!((there.id.0, there.holder.as_str(), commits()), (first, "", 0), "what is no lease is nobody's");
    town.up(&format!("git update-ref -d {LEASE}"));
    let (code, log) = moves(town.url(), Some("d"), "f");
    assert_eq!((code, lease()), (exit::CONTENDED, None), "{log}");
    let (code, log) = moves(town.url(), Some("d"), "g");
    assert_eq!((code, commits()), (exit::OK, 1), "{log}");
    let (code, log) = moves(town.url(), None, "h");
    assert_eq!((code, lease(), commits()), (exit::OK, None, 0), "{log}");
}
