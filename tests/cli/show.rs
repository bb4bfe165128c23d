//! `gt get`, `describe`, `status`, `wait`, `logs`, `doctor` and `version` of a town that is down.

use std::os::unix::fs::PermissionsExt as _;

use gastown_controllers::seen::Oid;
use gastown_controllers::world::{Job, Owner};
use gastown_crds::{Bead, KINDS, MergeRequest};
use gastown_supervisor::process::ProcessId;
use gastown_supervisor::records::{self, JobResult, JobSpec, Spec, Started};
use serde_json::json;

use crate::harness::{CONVOY, Folder, bead, condition, object};

fn town() -> Folder {
    let folder = Folder::with_rig();
    assert_eq!(folder.gt_with(&["apply", "-f", "-"], CONVOY).code, 0);
    folder
}

#[test]
fn tables_line_up() {
    let folder = town();
    insta::assert_snapshot!(folder.gt(&["get", "all"]).all(), @"
    NAME             READY   COMMAND     AGE
    runtime/script   -       gt:script   [age]

    NAME           READY   STEPS   AGE
    formula/work   -       -       [age]

    NAME       READY   REASON   BRANCH   QUEUE   STRATEGY   AGE
    rig/shop   -       -        -        -       Push       [age]

    NAME          LANDED   BEADS   REASON   AGE
    convoy/auth   -        -       -        [age]
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["get", "beads"]).all(), @"
    ! no beads found
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["get", "rigs", "-l", "team=checkout", "-o", "name"]).all(), @"
    rig/shop
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["get", "rigs", "-l", "team=other"]).all(), @"
    ! no rigs found
    exit 0
    ");
    let all: Vec<&str> = KINDS.iter().map(|kind| kind.plural).collect();
    let unknown = format!("! error: no kind is named `sawmills`\n! hint: there are {}\nexit 2", all.join(", "));
    assert_eq!(folder.gt(&["get", "sawmills"]).all(), unknown);
}

#[test]
fn steps_are_shown_when_they_are_asked_for() {
    let folder = town();
    let bead = |name: &str, type_: &str| {
        format!(
            "apiVersion: gastown.io/v1alpha1\nkind: Bead\nmetadata: {{name: {name}}}\nspec: {{title: T, rig: shop, type: {type_}}}\n---\n"
        )
    };
    let beads = bead("shop-aaaaaaaa", "Task") + &bead("shop-aaaaaaaa.work", "Step, parent: shop-aaaaaaaa");
    assert_eq!(folder.gt_with(&["apply", "-f", "-"], &beads).code, 0);
    assert_eq!(folder.gt(&["get", "beads", "-o", "name"]).out, "bead/shop-aaaaaaaa\n");
    assert_eq!(folder.gt(&["get", "steps", "-o", "name"]).out, "bead/shop-aaaaaaaa.work\n");
    assert_eq!(folder.gt(&["get", "bd", "shop-aaaaaaaa.work", "-o", "name"]).out, "bead/shop-aaaaaaaa.work\n");
    assert_eq!(folder.gt(&["get", "bd", "--field-selector", "spec.rig=shop", "-o", "name"]).out.lines().count(), 2);
}

#[test]
fn json_is_json() {
    let folder = town();
    let one: serde_json::Value = serde_json::from_str(&folder.gt(&["get", "convoy/auth", "-o", "json"]).out).unwrap();
    assert_eq!((one["kind"].as_str(), one["spec"]["beads"][0]["name"].as_str()), (Some("Convoy"), Some("tokens")));
    let many: serde_json::Value = serde_json::from_str(&folder.gt(&["get", "rigs", "-o", "json"]).out).unwrap();
    assert_eq!((many["kind"].as_str(), many["items"].as_array().map(Vec::len)), (Some("List"), Some(1)));
    let status: serde_json::Value = serde_json::from_str(&folder.gt(&["status", "--json"]).out).unwrap();
    assert_eq!((status["up"].as_bool(), status["convoys"][0]["beads"].as_str()), (Some(false), Some("0/2")));
}

#[test]
fn describe_ends_with_the_next_step() {
    let folder = town();
    insta::assert_snapshot!(folder.gt(&["describe", "convoy/auth"]).all(), @"
    Name:    auth
    Kind:    Convoy
    Age:     [age]

    Spec:
      onRemove: Finish
      rig: shop
      suspend: false

    Beads:
      BEAD     RIG    NEEDS    TITLE
      tokens   shop   -        Rotate session tokens
      logout   shop   tokens   Log out everywhere

    Next: `gt up`: the town is down, so nothing moves
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["describe", "rig", "shop"]).all(), @"
    Name:    shop
    Kind:    Rig
    Age:     [age]
    Labels:  team=checkout

    Spec:
      merge:
        allowUnverified: false
        strategy: Push
        verify:
        - name: test
          run: make test
        whenCheckedOut: Refuse
      repo:
        branch: main
        url: [dir]/home/repos/shop.git
      suspend: false

    Next: `gt up`: the town is down, so nothing moves
    exit 0
    ");
}

#[test]
fn a_bead_is_found_by_what_its_convoy_calls_it() {
    let folder = town();
    let mut tokens = bead("shop-kkrp77zh", &json!({}), &json!({ "state": "Ready" }));
    tokens["metadata"]["labels"] = json!({ "gastown.io/convoy": "auth", "gastown.io/bead": "tokens" });
    folder.seed::<Bead>(&tokens);
    insta::assert_snapshot!(folder.gt(&["get", "bead/tokens", "-o", "name"]).out, @"bead/shop-kkrp77zh");
    insta::assert_snapshot!(folder.gt(&["logs", "bead/tokens"]).all(), @"
    ! error: nobody has worked on bead shop-kkrp77zh yet
    ! hint: `gt describe bead/shop-kkrp77zh` says what it waits for
    exit 3
    ");
    insta::assert_snapshot!(folder.gt(&["wait", "bead/tokens", "--for=condition=Closed", "--timeout=1ms"]).all(), @"
    ! the town is down: waiting for `gt up`
    ! still waiting: no controller has looked at it yet
    ! error: bead/shop-kkrp77zh is not Closed after 1ms
    ! hint: `gt up` starts it
    exit 5
    ");
    let convoy = folder.gt(&["describe", "convoy/auth"]).out;
    insta::assert_snapshot!(convoy.split("Beads:").nth(1).unwrap(), @"
      NAME     BEAD            STATE   REASON   POLECAT   ATTEMPTS   TITLE
      tokens   shop-kkrp77zh   Ready   -        -         0          Title of shop-kkrp77zh

    Next: `gt up`: the town is down, so nothing moves
    ");
    tokens["metadata"]["name"] = json!("shop-other");
    folder.seed::<Bead>(&tokens);
    insta::assert_snapshot!(folder.gt(&["describe", "bead/tokens"]).all(), @"
    ! error: 2 beads are called `tokens`
    ! hint: name one: shop-kkrp77zh (of auth), shop-other (of auth)
    exit 3
    ");
}

#[test]
fn status_says_first_what_needs_you() {
    insta::assert_snapshot!(town().gt(&["status"]).all(), @"
    nothing needs you   (the town is down: gt up)

    convoys (1)
      CONVOY   BEADS   STATE
      auth     0/2     not looked at yet

    rigs (1)
      RIG    READY               BRANCH   QUEUE
      shop   not looked at yet   -        0
    exit 0
    ");
    insta::assert_snapshot!(Folder::town().gt(&["status"]).all(), @"
    nothing needs you   (the town is down: gt up)

    no rig yet: `gt rig add PATH-OR-URL`
    exit 0
    ");
}

#[test]
fn wait_ends_at_its_limit_and_says_what_it_waited_for() {
    let folder = town();
    let wait = ["wait", "convoy/auth", "--for=condition=Landed", "--timeout", "200ms"];
    insta::assert_snapshot!(folder.gt(&wait).all(), @"
    ! the town is down: waiting for `gt up`
    ! still waiting: no controller has looked at it yet
    ! error: convoy/auth is not Landed after 200ms
    ! hint: `gt up` starts it
    exit 5
    ");
    insta::assert_snapshot!(folder.gt(&["wait", "convoy/auht", "--for=condition=Landed"]).all(), @"
    ! error: no Convoy is named `auht`
    ! hint: did you mean `auth`?
    exit 3
    ");
}

#[test]
fn logs_that_are_not_there_yet() {
    let folder = town();
    insta::assert_snapshot!(folder.gt(&["logs"]).all(), @"
    ! the controller: [dir]/state/gt/[uid]/gt.log
    ! nothing was printed yet
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["logs", "bead/nope"]).all(), @"
    ! error: no Bead is named `nope`
    ! hint: there are no beads yet
    exit 3
    ");
    insta::assert_snapshot!(folder.gt(&["attach", "nux"]).all(), @"
    ! error: no Polecat and no Bead is named `nux`
    ! hint: `gt status` lists who works on what
    exit 3
    ");
}

#[test]
fn the_log_of_a_verification_that_runs_is_found() {
    let folder = town();
    let oid = "0123456789012345678901234567890123456789";
    let spec = json!({"bead": "shop-a", "rig": "shop", "polecat": "shop-nux", "head": oid, "base": oid, "attempt": 1});
    let merged = condition("Merged", "False", "Verifying", "");
    let status = json!({"state": "Queued", "conditions": [merged]});
    folder.seed::<MergeRequest>(&object("MergeRequest", "shop-a-1", &spec, &status));
    insta::assert_snapshot!(folder.gt(&["logs", "mr/shop-a-1"]).all(), @"
    ! error: mr/shop-a-1 has no log
    ! hint: nothing has been verified for it yet; `gt describe mr/shop-a-1`
    exit 3
    ");
    insta::assert_snapshot!(folder.gt(&["logs", "job/nope"]).all(), @"
    ! error: there is no job `nope` here
    ! hint: there is no record of any job yet
    exit 3
    ");

    let rig: serde_json::Value = serde_json::from_str(&folder.raw(&["get", "rig/shop", "-o", "json"])).unwrap();
    let rig = Owner::rig("shop", rig["metadata"]["uid"].as_str().unwrap());
    let layout = folder.opened().layout;
    let job = |key: &str, job: Job, log: &str, ended: bool| {
        let dir = layout.job(key);
        fs_err::create_dir_all(&dir).unwrap();
        let lock = layout.job_lock(key);
        fs_err::create_dir_all(lock.parent().unwrap()).unwrap();
        let spec = JobSpec { dir: dir.clone(), lock: lock.clone(), layout: ["/d", "/s", "/r"].map(Into::into), job };
        records::write(&dir.join(records::SPEC), &Spec::Job(spec), false).unwrap();
        let process = ProcessId::own().unwrap();
        records::write(&dir.join(records::STARTED), &Started { process, tmux: None, cgroup: None }, false).unwrap();
        fs_err::write(dir.join(records::LOG), log).unwrap();
        if ended {
            let result = JobResult { code: 1, at: jiff::Timestamp::UNIX_EPOCH };
            records::write(&dir.join(records::RESULT), &result, false).unwrap();
        }
        let lock = fs_err::File::create(lock).unwrap();
        if !ended {
            rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive).unwrap();
        }
        lock
    };
    let verify = |round| Job::Verify {
        owner: rig.clone(),
        commit: Oid(oid.into()),
        tree: Oid(oid.into()),
        checks: Vec::new(),
        round,
    };
    let fetch =
        Job::Fetch { owner: rig.clone(), url: "/x".into(), secret: None, lease: None, cause: "c".into(), round: 1 };
    let _running = job("running", verify(2), "checking\nstill checking\n", false);
    let _fetch = job("fetched", fetch, "fetched\n", true);
    let _over = job("over", verify(1), "it failed\n", true);
    insta::assert_snapshot!(folder.gt(&["logs", "mr/shop-a-1"]).all(), @"
    checking
    still checking
    ! mr/shop-a-1 is being verified by job running: [dir]/state/gt/[uid]/jobs/running/log
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["logs", "job", "over"]).all(), @"
    it failed
    ! job over: [dir]/state/gt/[uid]/jobs/over/log
    exit 0
    ");
    let unknown = folder.gt(&["logs", "job/nope"]);
    for line in ["running  verify shop       running", "over  verify shop       ended with 1", "fetched  fetch shop"] {
        assert!(unknown.code == 3 && unknown.err.contains(line), "{}", unknown.all());
    }
    // -f goes on until it has ended.
    fs_err::write(layout.job("running").join(records::RESULT), "{}").unwrap();
    insta::assert_snapshot!(folder.gt(&["logs", "-f", "--tail", "1", "job/running"]).out, @"still checking");
    // Killed, it leaves no result: none will come.
    let lost = job("lost", verify(3), "half\n", false);
    let mut process = ProcessId::own().unwrap();
    process.start += 1;
    records::write(&layout.job("lost").join(records::STARTED), &Started { process, tmux: None, cgroup: None }, false)
        .unwrap();
    drop(lost);
    insta::assert_snapshot!(folder.gt(&["logs", "-f", "job/lost"]).all(), @"
    half
    ! job lost: [dir]/state/gt/[uid]/jobs/lost/log
    ! it is lost: its processes are gone, and left no record of how they ended
    exit 0
    ");
}

#[test]
fn the_controllers_log_is_a_log_like_others() {
    let folder = town();
    let log = folder.opened().layout.log();
    fs_err::write(&log, "one\ntwo\nthree\n").unwrap();
    assert_eq!(folder.gt(&["logs", "controller"]).out, "one\ntwo\nthree\n");
    assert_eq!(folder.gt(&["logs"]).out, "one\ntwo\nthree\n");
    for (tail, shown) in [("0", ""), ("1", "three\n"), ("2", "two\nthree\n"), ("9", "one\ntwo\nthree\n")] {
        assert_eq!(folder.gt(&["logs", "controller", "--tail", tail]).out, shown, "{tail}");
    }
    fs_err::write(&log, "one\ntwo").unwrap();
    assert_eq!(folder.gt(&["logs", "--tail", "1"]).out, "two");
    // One that is full becomes the older half, in the middle of a line.
    fs_err::write(log.with_extension("log.1"), "zero\nnu").unwrap();
    fs_err::write(&log, "ll\none\ntwo\n").unwrap();
    assert_eq!(folder.gt(&["logs"]).out, "zero\nnull\none\ntwo\n");
    for (tail, shown) in [("2", "one\ntwo\n"), ("3", "null\none\ntwo\n"), ("4", "zero\nnull\none\ntwo\n")] {
        assert_eq!(folder.gt(&["logs", "--tail", tail]).out, shown, "{tail}");
    }
    fs_err::write(&log, "").unwrap();
    assert_eq!(folder.gt(&["logs", "--tail", "1"]).out, "nu");
}

#[test]
fn what_an_agent_printed_moves_no_terminal() {
    let folder = town();
    let log = folder.opened().layout.log();
    // A sequence that lies across what is read at a time, and one that never ends.
    let before = "x".repeat(64 * 1024 - 4);
    let raw = format!("{before}\x1b]52;c;ZXZpbA==\x07\x1b[?1000hmouse\r\nbell\x07\x1b]0;title");
    fs_err::write(&log, raw).unwrap();
    assert_eq!(folder.gt(&["logs"]).out, format!("{before}mouse\nbell"));
    assert_eq!(folder.gt(&["logs", "--tail", "1"]).out, "bell");
}

#[test]
fn doctor_knows_what_a_runtime_needs() {
    let folder = town();
    let healthy = folder.gt(&["doctor"]);
    assert_eq!(healthy.code, 0, "{}", healthy.all());
    let runtime = "apiVersion: gastown.io/v1alpha1\nkind: Runtime\nmetadata: {name: robot}\nspec: {command: [gt-no-such-agent]}\n";
    assert_eq!(folder.gt_with(&["apply", "-f", "-"], runtime).code, 0);
    let ill = folder.gt(&["doctor"]);
    assert_eq!(ill.code, 0, "nothing uses it: {}", ill.all());
    assert!(ill.out.contains("runtime robot        unused     `gt-no-such-agent` is not on PATH"), "{}", ill.out);
    let rig = "apiVersion: gastown.io/v1alpha1\nkind: Rig\nmetadata: {name: barn}\nspec: {repo: {url: 'https://town.invalid/x.git'}, merge: {strategy: Branch, allowUnverified: true}, runtime: RUNTIME}\n";
    let used = folder.gt_with(&["apply", "-f", "-"], &rig.replace("RUNTIME", "robot"));
    assert_eq!(used.code, 0, "{}", used.all());
    let ill = folder.gt(&["doctor"]);
    assert_eq!(ill.code, 1);
    assert!(ill.out.contains("runtime robot        missing    `gt-no-such-agent` is not on PATH"), "{}", ill.out);
    assert!(ill.out.contains("\nlimits of sessions "), "{}", ill.out);
    // Whether sessions can be limited here is this machine's.
    let of_the_town = ill.err.lines().filter(|line| !line.starts_with("where sessions cannot be limited"));
    insta::assert_snapshot!(of_the_town.collect::<Vec<_>>().join("\n"), @"
    install `gt-no-such-agent`, or use another Runtime
    error: something is missing here
    ");
}

#[test]
fn doctor_looks_at_the_programs_of_runtimes_in_use() {
    let folder = town();
    let agent = folder.path("bin/codex");
    fs_err::create_dir_all(agent.parent().unwrap()).unwrap();
    fs_err::write(&agent, "#!/bin/sh\n[ \"$*\" = --version ] && echo codex-cli 0.170.9\n").unwrap();
    fs_err::set_permissions(&agent, std::fs::Permissions::from_mode(0o755)).unwrap();
    fs_err::write(folder.path("keys.env"), "STUB_KEY=very-secret\n").unwrap();
    fs_err::set_permissions(folder.path("keys.env"), std::fs::Permissions::from_mode(0o644)).unwrap();
    let path = |name| folder.path(name).display().to_string();
    let runtime = format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Runtime\nmetadata: {{name: robot}}\n\
         spec: {{command: ['{}'], env: [{{name: CODEX_HOME, value: /nowhere}}], unsetEnv: [OPENAI_API_KEY, CODEX_API_KEY], envFrom: [{{file: {{path: '{}'}}}}, {{command: {{argv: [pass]}}}}]}}\n---\n\
         apiVersion: gastown.io/v1alpha1\nkind: Rig\nmetadata: {{name: barn}}\n\
         spec: {{repo: {{url: 'https://town.invalid/x.git'}}, merge: {{strategy: Branch, allowUnverified: true}}, runtime: robot}}\n",
        agent.display(),
        path("keys.env"),
    );
    let used = folder.gt_with(&["apply", "-f", "-"], &runtime);
    assert_eq!(used.code, 0, "{}", used.all());
    let found = || {
        let ill = folder.gt(&["doctor", "--json"]);
        let all: Vec<serde_json::Value> = serde_json::from_str(&ill.out).unwrap();
        let robot = all.iter().filter(|it| it["what"].as_str().unwrap().ends_with("robot"));
        let said = robot.map(|it| format!("{} {}: {}", it["what"], it["verdict"], it["found"])).collect::<Vec<_>>();
        let said = said.join("\n");
        (ill.code, said.replace('"', ""))
    };
    let (code, said) = found();
    insta::assert_snapshot!(said, @"
    runtime robot unknown: [dir]/bin/codex, codex-cli 0.170.9: older than 0.171.0, which is under test
    login of robot unknown: no sign of a login of `codex`, but for what `envFrom` may give
    first start of robot ok: it has none
    envFrom of robot missing: `envFrom`: [dir]/keys.env is open to others (mode 644): chmod 600 [dir]/keys.env
    ");
    assert_eq!(code, 1);
    fs_err::set_permissions(folder.path("keys.env"), std::fs::Permissions::from_mode(0o600)).unwrap();
    let (code, said) = found();
    assert!(
        said.ends_with("envFrom of robot ok: its files can be read, by you alone; its commands were not run"),
        "{said}"
    );
    assert_eq!(code, 0, "what is unknown is not bad");
}

#[test]
fn the_version_is_the_packages() {
    let folder = Folder::empty();
    assert_eq!(folder.gt(&["version"]).out, format!("gt {} (gastown.io/v1alpha1)\n", env!("CARGO_PKG_VERSION")));
}
