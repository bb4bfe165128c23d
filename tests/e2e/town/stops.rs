//! A person stops, freezes and resumes agents that are real processes, with the controller up and down; and changes their
//! mind about work that is under way.

use super::harness::{Town, git, kill, lives, wait_until};
use gastown_supervisor::proc;
use serde_json::Value;

/// A bead's command that forks a child which says every 20 ms that it goes on, and works only once the test says so.
fn ticking(town: &Town, name: &str) -> String {
    let (ticks, go) = (town.path(&format!("ticks-{name}")), town.path("go"));
    format!(
        "echo half > {name}.txt; (setsid sh -c 'while sleep 0.02; do echo . >> {ticks}; [ -e {go} ] && exit; done' &) ; \
         until [ -e '{go}' ]; do sleep 0.05; done; echo {name} > {name}.txt",
        ticks = ticks.display(),
        go = go.display()
    )
}

/// How often the child of a bead's agent has gone on so far.
fn ticks(town: &Town, name: &str) -> u64 {
    fs_err::metadata(town.path(&format!("ticks-{name}"))).map_or(0, |file| file.len())
}

fn goes_on(town: &Town, name: &str) {
    let before = ticks(town, name);
    wait_until(town, &format!("the agent of {name} goes on"), || (ticks(town, name) > before).then_some(()));
}

/// Whether a process is stopped.
fn is_stopped(pid: i32) -> bool {
    proc::stat(pid).is_some_and(|stat| stat.state == 'T')
}

fn agent(town: &Town, bead: &str, attempt: u32) -> i32 {
    let record = wait_until(town, &format!("attempt {attempt} at {bead} runs"), || {
        town.record(&town.bead(bead), attempt, "agent.json")
    });
    i32::try_from(record["pid"].as_i64().unwrap()).unwrap()
}

/// The end of an attempt, once it is recorded.
fn end(town: &Town, bead: &str, attempt: u32) -> Value {
    wait_until(town, &format!("attempt {attempt} at {bead} is over"), || {
        town.record(&town.bead(bead), attempt, "exit.json")
    })
}

fn reason(town: &Town, bead: &str) -> String {
    let conditions = town.bead(bead)["status"]["conditions"].clone();
    let ready = conditions.as_array().into_iter().flatten().find(|it| it["type"] == "Ready").cloned();
    ready.unwrap_or_default()["reason"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn stop_ends_every_agent_and_resume_goes_on_with_what_they_left() {
    let town = Town::new();
    town.convoy("c", &[("one", &[], &ticking(&town, "one")), ("two", &[], &ticking(&town, "two"))]);
    town.up();
    let agents = ["one", "two"].map(|bead| agent(&town, bead, 1));
    for bead in ["one", "two"] {
        goes_on(&town, bead);
    }
    let said = town.run(&["stop", "--all", "--now", "--reason", "deploy day"]);
    assert!(said.ok(), "{}", said.complaint());
    assert!(said.complaint().contains("2 sessions were ended"), "{}", said.complaint());
    assert!(!agents.iter().any(|pid| lives(*pid)), "stop waits for the ends");
    // Ended by us is not charged, and nothing is started again.
    assert_eq!(end(&town, "one", 1)["own"], false);
    wait_until(&town, "the bead says why it waits", || (reason(&town, "one") == "Stopped").then_some(()));
    assert!(town.ok(&["status"]).starts_with("held (1)"), "{}", town.ok(&["status"]));
    // A controller that comes back does not start them either; nor does an apply.
    kill(town.controller());
    town.up();
    town.ok(&["apply", "-f", "town.yaml"]);
    wait_until(&town, "the bead still waits", || (reason(&town, "one") == "Stopped").then_some(()));
    assert!(town.record(&town.bead("one"), 2, "started.json").is_none());
    town.file("go", "");
    town.ok(&["resume"]);
    town.lands("c");
    assert!(town.bead("one")["status"]["failures"] == 0 && town.record(&town.bead("one"), 2, "exit.json").is_some());
}

#[test]
fn stop_works_with_the_controller_dead() {
    let town = Town::new();
    town.convoy("c", &[("one", &[], &ticking(&town, "one"))]);
    town.up();
    let pid = agent(&town, "one", 1);
    goes_on(&town, "one");
    kill(town.controller());
    town.ok(&["stop", "rig/shop", "--now"]);
    assert!(!lives(pid));
    assert_eq!(end(&town, "one", 1)["own"], false);
    town.file("go", "");
    town.ok(&["resume", "rig/shop"]);
    town.up();
    town.lands("c");
}

#[test]
fn down_ends_agents_too_if_it_is_told_so() {
    let town = Town::new();
    town.convoy("c", &[("one", &[], &ticking(&town, "one"))]);
    town.up();
    let pid = agent(&town, "one", 1);
    town.ok(&["down"]);
    assert!(lives(pid), "agents go on without a controller");
    let said = town.run(&["down", "--stop-agents"]);
    assert!(said.ok() && said.complaint().contains("1 session was ended"), "{}", said.complaint());
    assert!(!lives(pid));
    town.file("go", "");
    town.up();
    town.lands("c");
}

#[test]
fn a_frozen_agent_and_its_children_stand_still_until_they_are_thawed() {
    let town = Town::new();
    town.convoy("c", &[("one", &[], &ticking(&town, "one"))]);
    town.up();
    let pid = agent(&town, "one", 1);
    goes_on(&town, "one");
    town.ok(&["freeze", "--reason", "look at it"]);
    assert!(is_stopped(pid), "at once");
    let frozen = ticks(&town, "one");
    // A controller that comes back leaves it so, and says so.
    kill(town.controller());
    town.up();
    wait_until(&town, "its polecat is frozen", || {
        let polecats = town.items("polecats");
        let conditions = polecats[0]["status"]["conditions"].as_array().cloned().unwrap_or_default();
        conditions.iter().any(|it| it["reason"] == "Frozen").then_some(())
    });
    assert!(is_stopped(pid));
    assert_eq!(ticks(&town, "one"), frozen, "its child stands still too");
    town.ok(&["thaw"]);
    goes_on(&town, "one");
    // With no controller, too.
    town.ok(&["down"]);
    town.ok(&["freeze"]);
    assert!(is_stopped(pid));
    town.ok(&["thaw"]);
    goes_on(&town, "one");
    town.file("go", "");
    town.up();
    town.lands("c");
    assert_eq!(agent(&town, "one", 1), pid, "it is the same agent");
    assert!(town.record(&town.bead("one"), 2, "started.json").is_none());
}

#[test]
fn an_override_ends_by_itself() {
    let town = Town::new();
    town.ok(&["stop", "--all", "--now", "--until", "2s"]);
    town.convoy("c", &[("one", &[], "echo one > one.txt")]);
    town.up();
    town.lands("c");
    assert!(!town.ok(&["status"]).contains("held"));
    assert!(town.ok(&["describe", "town/town"]).contains("lifted by gt"));
}

#[test]
fn a_bead_that_is_taken_out_and_cancelled_is_rescued_and_does_not_land() {
    let town = Town::new();
    let convoy = |beads: &str| {
        format!(
            "apiVersion: gastown.io/v1alpha1\nkind: Convoy\nmetadata: {{name: c}}\nspec:\n  rig: shop\n  onRemove: Cancel\n  beads:\n{beads}"
        )
    };
    let keep = "  - {name: keep, title: Do keep, command: echo k > keep.txt}\n";
    let drop =
        format!("  - {{name: drop, title: Do drop, command: \"{}\"}}\n", ticking(&town, "drop").replace('"', "\\\""));
    town.apply(&convoy(&format!("{keep}{drop}")));
    town.up();
    let pid = agent(&town, "drop", 1);
    goes_on(&town, "drop");
    let out = town.gt(&["apply", "-f", "-"]).stdin(convoy(keep)).run().unwrap();
    assert!(out.complaint().contains("`drop` is taken out while shop-"), "{}", out.complaint());
    town.lands("c");
    wait_until(&town, "its agent is ended", || (!lives(pid)).then_some(()));
    assert_eq!(town.bead("drop")["spec"]["closed"]["reason"], "Withdrawn");
    let clone = fs_err::read_dir(town.path("data/gt")).unwrap().flatten().next().unwrap().path().join("clones");
    let clone = fs_err::read_dir(clone).unwrap().flatten().find(|it| it.path().is_dir()).unwrap().path();
    wait_until(&town, "what it had made is rescued", || {
        let refs = git(&clone, &["for-each-ref", "--format=%(refname)", "refs/gt/rescue"]);
        let holds = |name: &str| git(&clone, &["show", &format!("{name}:drop.txt")]).contains("half");
        refs.lines().any(holds).then_some(())
    });
    assert!(!town.log_of("shop").iter().any(|subject| subject.contains("Do drop")), "it has not landed");
}

#[test]
fn what_a_person_closes_at_work_is_withdrawn_with_its_steps_and_lands_no_convoy() {
    let town = Town::new();
    town.convoy("c", &[("one", &[], &ticking(&town, "one")), ("two", &[], "echo two > two.txt")]);
    town.up();
    let pid = agent(&town, "one", 1);
    goes_on(&town, "one");
    let name = town.bead("one")["metadata"]["name"].as_str().unwrap().to_owned();
    town.ok(&["bd", "close", &name]);
    wait_until(&town, "its agent is ended", || (!lives(pid)).then_some(()));
    wait_until(&town, "its steps are closed", || {
        let steps = town.items("steps").into_iter().filter(|it| it["spec"]["parent"] == name.as_str());
        let steps: Vec<_> = steps.collect();
        (!steps.is_empty() && steps.iter().all(|it| !it["spec"]["closed"].is_null())).then_some(())
    });
    let waited = town.run(&["wait", "convoy/c", "--for=condition=Landed", "--timeout", "80s"]);
    assert_eq!(waited.code, 7, "it needs a person: {}", waited.complaint());
    assert!(!town.ok(&["status"]).split("landed (").nth(1).unwrap_or_default().contains(&name));
    // Deleted, it is done again.
    town.file("go", "");
    town.ok(&["delete", &format!("bead/{name}")]);
    town.lands("c");
}
