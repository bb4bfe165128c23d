//! `kill -9` of everything that can be killed: the convoy still lands, nobody works twice, nothing is lost or redone.

use super::harness::{Town, git, kill, kill_now, lives, wait_until, walk};
use gastown_supervisor::process::ProcessId;
use serde_json::Value;
use std::ffi::OsStr;
use std::path::Path;
use std::process::Stdio;

/// A bead's command that works only once the test says so.
fn gated(town: &Town, name: &str) -> String {
    format!("until [ -e '{}' ]; do sleep 0.05; done; echo {name} > {name}.txt", town.path("go").display())
}

fn started(town: &Town, bead: &str, attempt: u32) -> Value {
    wait_until(town, &format!("attempt {attempt} at {bead} runs"), || {
        let bead = town.bead(bead);
        town.record(&bead, attempt, "started.json").filter(|_| town.record(&bead, attempt, "agent.json").is_some())
    })
}

fn pid(record: &Value) -> i32 {
    let pid = record.pointer("/process/pid").or_else(|| record.get("pid")).and_then(Value::as_i64);
    i32::try_from(pid.unwrap_or_else(|| panic!("no pid in {record}"))).unwrap()
}

fn agent(town: &Town, bead: &str, attempt: u32) -> i32 {
    pid(&town.record(&town.bead(bead), attempt, "agent.json").unwrap())
}

/// What must hold whatever was killed.
fn all_is_well(town: &Town, beads: &[&str]) {
    let mut landed = town.log_of("shop");
    landed.sort();
    let mut want: Vec<String> = beads.iter().map(|b| format!("Do {b}")).collect();
    want.push("first".into());
    want.sort();
    let subjects: Vec<String> = landed.iter().map(|s| s.split(" (").next().unwrap_or(s).to_owned()).collect();
    assert_eq!(subjects, want, "landed once each");
    assert_eq!(town.items("mergerequests").len(), beads.len(), "handed in once each");
}

#[test]
fn the_controller() {
    let town = Town::new();
    town.convoy("c", &[("one", &[], &gated(&town, "one")), ("two", &["one"], "echo two > two.txt")]);
    town.up();
    started(&town, "one", 1);
    let before = agent(&town, "one", 1);
    kill(town.controller());
    // Agents and their verbs go on without it; what is healthy is adopted, not restarted.
    town.file("go", "");
    town.up();
    town.lands("c");
    assert_eq!(agent(&town, "one", 1), before);
    let second = town.record(&town.bead("one"), 2, "started.json");
    assert!(second.is_none(), "a healthy agent was restarted: {}", town.told(&town.bead("one"), 1));
    all_is_well(&town, &["one", "two"]);
}

/// Removes the store, as somebody who clears a folder of states does.
fn remove_store(town: &Town) {
    let is_of_store =
        |path: &Path| path.file_name().and_then(OsStr::to_str).is_some_and(|name| name.starts_with("store.sqlite"));
    let files: Vec<_> = walk(&town.path("state")).into_iter().filter(|path| is_of_store(path)).collect();
    assert!(!files.is_empty());
    for file in files {
        fs_err::remove_file(file).unwrap();
    }
}

/// And the store with it, while an agent works: it is made anew from the ledger, and nobody notices.
#[test]
fn the_controller_and_its_store() {
    let town = Town::new();
    let beads = [
        ("zero", &[][..], "echo zero > zero.txt"),
        ("one", &["zero"], &gated(&town, "one")),
        ("two", &["one"], "echo two > two.txt"),
    ];
    town.convoy("c", &beads);
    town.up();
    started(&town, "one", 1);
    let (before, uid) = (agent(&town, "one", 1), town.bead("one")["metadata"]["uid"].clone());
    kill(town.controller());
    remove_store(&town);
    let up = town.run(&["up"]);
    assert!(up.ok() && up.complaint().contains("note: the store was "), "{}", up.complaint());
    assert_eq!(town.bead("one")["metadata"]["uid"], uid);
    // Under a controller, too, that goes on with what it has open.
    remove_store(&town);
    town.file("go", "");
    town.lands("c");
    assert_eq!(agent(&town, "one", 1), before);
    assert_eq!(town.record(&town.bead("one"), 2, "started.json"), None, "{}", town.told(&town.bead("one"), 1));
    kill(town.controller());
    // What has landed is not done again.
    town.up();
    town.lands("c");
    all_is_well(&town, &["zero", "one", "two"]);
}

#[test]
fn the_controller_while_an_agent_asks() {
    let town = Town::new();
    // Whichever verb is under way when the controller dies: none fails, whether it had asked, was asking or was yet to.
    let (asks, go) = (town.path("asks"), town.path("go"));
    let asking = format!(
        "until [ -e '{}' ]; do gt hook --json > hook.txt; touch '{}'; done; echo one > one.txt",
        go.display(),
        asks.display()
    );
    town.convoy("c", &[("one", &[], &asking)]);
    town.up();
    wait_until(&town, "the agent asks", || asks.exists().then_some(()));
    for _ in 0..5 {
        kill_now(town.controller());
        town.up();
    }
    town.file("go", "");
    town.lands("c");
    let second = town.record(&town.bead("one"), 2, "started.json");
    assert!(second.is_none(), "the agent was failed by its verbs: {}", town.told(&town.bead("one"), 1));
    all_is_well(&town, &["one"]);
}

/// A shell, a service and an agent each have their own idea of where temporary files go.
#[test]
fn nothing_and_the_town_is_found_from_whichever_temporary_folder() {
    let town = Town::new();
    let elsewhere = |args: &[&str]| town.gt(args).env("TMPDIR", town.path("home")).run().unwrap();
    // The agent loses its way to everything, but for what its session is told.
    let lost = "env HOME=/ XDG_DATA_HOME=/d XDG_STATE_HOME=/s TMPDIR=/t gt hook --json > hook.txt";
    town.convoy("c", &[("one", &[], lost)]);
    town.up();
    assert!(elsewhere(&["status"]).text().starts_with("nothing needs you\n"));
    assert!(elsewhere(&["wait", "convoy/c", "--for=condition=Landed", "--timeout", "80s"]).ok());
    let controller = town.controller();
    assert!(elsewhere(&["down"]).ok());
    wait_until(&town, "it is down", || (!lives(controller)).then_some(()));
    assert!(elsewhere(&["up"]).ok());
    assert!(town.run(&["status"]).text().starts_with("nothing needs you\n"));
    // And whoever empties temporary folders takes its way of being asked, not of being stopped.
    let controller = town.controller();
    fs_err::remove_file(walk(&town.path("tmp")).into_iter().find(|path| path.ends_with("api.sock")).unwrap()).unwrap();
    assert!(elsewhere(&["down"]).ok());
    wait_until(&town, "it is down", || (!lives(controller)).then_some(()));
}

/// As a service or a container runs it.
#[test]
fn nothing_and_a_controller_in_the_foreground_is_stopped_as_any_other() {
    let town = Town::new();
    let dir = town.path("town");
    let mut controller = town
        .gt(&["--town", dir.to_str().unwrap(), "up", "--foreground"])
        .command()
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let api =
        wait_until(&town, "it serves", || walk(&town.path("tmp")).into_iter().find(|it| it.ends_with("api.sock")));
    wait_until(&town, "it answers", || town.run(&["status"]).ok().then_some(()));
    fs_err::remove_file(api).unwrap();
    assert!(town.run(&["down"]).ok());
    assert!(controller.wait().unwrap().success());
}

/// Keys that an agent needs come by the controller's environment, which a town that is started anew may have from elsewhere.
#[test]
fn nobody_and_a_session_sees_what_the_controller_of_its_time_saw() {
    let town = Town::new();
    town.convoy("c", &[("one", &[], &gated(&town, "one"))]);
    assert!(town.gt(&["up"]).env("TOKEN", "old").env("GONE", "yes").run().unwrap().ok());
    started(&town, "one", 1);
    town.ok(&["down"]);
    assert!(town.gt(&["up"]).env("TOKEN", "new").run().unwrap().ok());
    town.convoy("d", &[("two", &[], "echo \"$TOKEN ${GONE-not}\" > token.txt")]);
    town.lands("d");
    assert_eq!(git(&town.path("repos/shop.git"), &["show", "main:token.txt"]), "new not");
    town.file("go", "");
    town.lands("c");
}

#[test]
fn an_agent() {
    let town = Town::new();
    town.convoy("c", &[("one", &[], &gated(&town, "one"))]);
    town.up();
    started(&town, "one", 1);
    kill(agent(&town, "one", 1));
    started(&town, "one", 2);
    town.file("go", "");
    town.lands("c");
    all_is_well(&town, &["one"]);
}

#[test]
fn the_supervisor_of_an_agent() {
    let town = Town::new();
    town.convoy("c", &[("one", &[], &gated(&town, "one"))]);
    town.up();
    let supervisor = pid(&started(&town, "one", 1));
    kill(supervisor);
    town.file("go", "");
    town.lands("c");
    all_is_well(&town, &["one"]);
}

#[test]
fn the_tmux_server() {
    let town = Town::new();
    town.convoy("c", &[("one", &[], &gated(&town, "one")), ("two", &[], &gated(&town, "two"))]);
    town.up();
    let first = started(&town, "one", 1);
    started(&town, "two", 1);
    let server = first.pointer("/tmux/server/pid").and_then(Value::as_i64).expect("the record names its tmux server");
    kill(i32::try_from(server).unwrap());
    town.file("go", "");
    town.lands("c");
    all_is_well(&town, &["one", "two"]);
    assert_eq!(town.bead("one")["status"]["failures"], 0, "the death of tmux is not charged");
}

/// As a git that is killed in the middle of a commit leaves it, with whoever ran it; and a program of its agent's that has let
/// go of everything and would work on.
#[test]
fn a_git_and_all_that_would_have_seen_to_it() {
    let town = Town::new();
    let kills = "[ $GT_ATTEMPT -gt 1 ] || { \
                 lock=$(git rev-parse --git-path index.lock); touch $lock $(git rev-parse --git-path HEAD.lock); \
                 setsid sh -c 'echo $$ > stray; exec 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; while :; do echo x > x.txt; done' >/dev/null 2>&1 & \
                 while ! [ -s stray ]; do sleep 0.01; done; supervisor=$(ps -o ppid= -p $PPID); kill -9 $supervisor $PPID; sleep 600; }; \
                 cat stray > stray.txt; rm stray; rm -f x.txt; echo one > one.txt";
    town.convoy("c", &[("one", &[], kills), ("two", &["one"], "echo two > two.txt; ls > all.txt")]);
    town.up();
    town.lands("c");
    let show = |file: &str| git(&town.path("repos/shop.git"), &["show", &format!("main:{file}")]);
    let stray: i32 = show("stray.txt").trim().parse().unwrap();
    assert_eq!(ProcessId::of(stray), None);
    assert!(!show("all.txt").contains("x.txt"), "nobody wrote into the next one's work");
    all_is_well(&town, &["one", "two"]);
}
