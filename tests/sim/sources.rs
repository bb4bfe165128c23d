//! A source whose repository changes: what is declared is made, then a push changes some of it and takes away the rest. A fault
//! at each effect of that ends like none.

use std::collections::BTreeMap;
use std::time::Duration;

use gastown_crds::common::LABEL_SOURCE;
use gastown_crds::source::SourceStatus;
use serde_json::{Value, json};

use crate::crash::say;
use crate::effects::{MODES, Mode};
use crate::harness::{STEPS_MAX, Sim, all_hold, in_virtual_time};
use crate::story::about;
use crate::towns::{Town, minimal, object};

/// Where the source is read.
const ORIGIN: &str = "declared";
/// The address of one that is elsewhere.
const REMOTE: &str = "https://example.org/declared.git";
/// The kinds of what it declares.
const PLURALS: [&str; 4] = ["runtimes", "formulas", "rigs", "convoys"];
/// Longer than any back-off, one minute at a time.
const MINUTES_MAX: usize = 30;

type Faults = BTreeMap<usize, Mode>;

/// What a run has come to, and the effects on the way.
#[derive(Debug, Clone, PartialEq)]
struct Outcome {
    /// By plural and name, what was made of each declaration and is there in the end.
    objects: BTreeMap<String, Value>,
    inventory: Vec<String>,
    results: Vec<String>,
}

fn formula(name: &str, run: &str) -> Value {
    object("Formula", name, &json!({ "steps": [{ "name": "work", "run": run }] }))
}

/// A town with nothing but a source, and what that declares at first and then.
fn town() -> (Town, [Vec<(&'static str, String)>; 2]) {
    let town = minimal();
    let [mut rig, mut convoy] = ["Rig", "Convoy"]
        .map(|kind| town.objects.iter().find(|object| object["kind"] == kind).expect("it has one of each").clone());
    // Nobody works on it, nor asks the remote for news: what becomes of the work is the other towns' affair.
    convoy["spec"]["suspend"] = json!(true);
    rig["spec"]["suspend"] = json!(true);
    let second_rig = |rig: &mut Value| rig["spec"]["workspace"] = json!({ "setup": ["make other"] });
    let files = |objects: &[&Value]| objects.iter().map(|it| format!("{it}\n")).collect::<Vec<_>>().join("---\n");
    let runtime = object("Runtime", "other", &json!({ "command": ["gt:script"] }));
    let (keep, change, go) = (formula("keep", "a"), formula("change", "a"), formula("go", "a"));
    let first = vec![("a.yaml", files(&[&rig, &keep, &change, &go])), ("b.yaml", files(&[&convoy]))];
    second_rig(&mut rig);
    let second = vec![("a.yaml", files(&[&rig, &keep, &formula("change", "b")])), ("c.yaml", files(&[&runtime]))];
    let source = json!({ "git": { "url": ORIGIN }, "prune": true, "maxPrunePercent": 50 });
    let objects = vec![town.objects[0].clone(), town.objects[1].clone(), object("Source", "live", &source)];
    (Town { objects, works: Vec::new(), ..town }, [first, second])
}

async fn status(sim: &Sim) -> SourceStatus {
    let source = sim.list("sources").await.remove(0);
    serde_json::from_value(source["status"].clone()).unwrap_or_default()
}

/// All that carries the source's label, by plural and name.
async fn declared(sim: &Sim) -> BTreeMap<String, Value> {
    let mut found = BTreeMap::new();
    for plural in PLURALS {
        for object in sim.list(plural).await {
            if object["metadata"]["labels"][LABEL_SOURCE] == "live" {
                found.insert(
                    format!("{plural}/{}", object["metadata"]["name"].as_str().unwrap()),
                    object["spec"].clone(),
                );
            }
        }
    }
    found
}

/// Whatever dies, what carries the label stands in the inventory: so nothing that a source has made is ever nobody's.
async fn nobodys(sim: &Sim) -> Vec<String> {
    let status = status(sim).await;
    let named = |name: &String| {
        status.inventory.iter().any(|entry| {
            let (plural, name) = name.split_once('/').unwrap();
            plural == format!("{}s", entry.kind.to_lowercase()) && entry.names.iter().any(|it| it == name)
        })
    };
    declared(sim).await.into_keys().filter(|name| !named(name)).collect()
}

/// How many revisions were applied.
fn applied(status: &SourceStatus) -> usize {
    status.history.iter().filter(|past| past.result.as_str() == "Applied").count()
}

/// A minute goes by, or the town dies in it.
async fn a_minute(sim: &Sim) {
    let mut engine = sim.engine();
    tokio::select! {
        biased;
        () = sim.effects.crashed() => {}
        () = engine.run(tokio::time::sleep(Duration::from_mins(1))) => {}
    }
}

/// Runs until so many revisions are live and nothing of an older one is left.
async fn settle(sim: &Sim, revisions: usize, wrong: &mut Vec<String>) -> Result<(), String> {
    for _ in 0..MINUTES_MAX {
        let mut engine = sim.engine();
        let rested = tokio::select! {
            biased;
            () = sim.effects.crashed() => None,
            result = engine.run_to_rest(STEPS_MAX) => Some(result?),
        };
        wrong.extend(nobodys(sim).await);
        let status = status(sim).await;
        let are_live = applied(&status) == revisions;
        let is_clean = usize::try_from(status.objects) == Ok(declared(sim).await.len());
        if rested.is_some() && are_live && is_clean {
            return Ok(());
        }
        drop(engine);
        if rested.is_some() {
            a_minute(sim).await;
        }
    }
    Err(format!("it does not settle: {:#?}", sim.list("sources").await))
}

/// A source of a repository elsewhere: it is cloned, its lease is taken, what it declares is made and pruned, and it goes. How
/// many effects that took.
fn run_remote(faults: Faults) -> Result<Vec<String>, String> {
    in_virtual_time(async {
        let (town, _) = town();
        let source = json!({ "git": { "url": REMOTE }, "prune": true, "maxPrunePercent": 50 });
        let objects = vec![town.objects[0].clone(), town.objects[1].clone(), object("Source", "live", &source)];
        let sim = Sim::start(&Town { objects, ..town }, None, faults).await;
        let mut wrong = Vec::new();
        for (nth, names) in [&["keep", "go"][..], &["keep"]].iter().enumerate() {
            let files: Vec<_> = names.iter().map(|name| (*name, formula(name, "a").to_string())).collect();
            let paths: Vec<_> = files.iter().map(|(name, _)| format!("{name}.yaml")).collect();
            let files: Vec<_> =
                paths.iter().zip(&files).map(|(path, (_, text))| (path.as_str(), text.clone())).collect();
            sim.world.commit_to_origin(REMOTE, &files);
            // It asks the remote for news for ever, so it never rests.
            let mut minutes = 0..MINUTES_MAX;
            while applied(&status(&sim).await) <= nth || declared(&sim).await.len() != names.len() {
                minutes.next().ok_or_else(|| format!("it does not settle: {:#?}", sim.effects.log()))?;
                a_minute(&sim).await;
                wrong.extend(nobodys(&sim).await);
            }
        }
        if sim.world.holders().len() != 1 || sim.world.cloned().len() != 1 {
            wrong.push(format!("{:?}, {:?}", sim.world.holders(), sim.world.cloned()));
        }
        sim.delete_all("sources").await;
        let mut minutes = 0..MINUTES_MAX;
        while !sim.list("sources").await.is_empty() {
            minutes.next().ok_or("it does not go")?;
            a_minute(&sim).await;
        }
        if !sim.world.holders().is_empty() || !sim.world.cloned().is_empty() {
            wrong.push(format!("{:?} and {:?} stay", sim.world.holders(), sim.world.cloned()));
        }
        let left = sim.list("formulas").await.iter().filter(|it| it["metadata"]["name"] == "keep").count();
        if left != 1 {
            wrong.push(format!("{left} formulas stay"));
        }
        wrong.extend(sim.world.violations());
        if wrong.is_empty() { Ok(sim.effects.log()) } else { Err(wrong.join("\n")) }
    })
}

#[test]
fn a_remote_that_is_leased_and_left_survives_a_fault_at_every_effect() {
    let effects = run_remote(Faults::new()).expect("an undisturbed source comes and goes");
    for what in ["clone for live", "lease for live", "fetch for live", "remove the clone of live"] {
        assert!(effects.iter().any(|effect| effect.contains(what)), "{what}: {effects:#?}");
    }
    let all: Vec<Faults> = (1..=effects.len()).flat_map(|at| MODES.map(|mode| Faults::from([(at, mode)]))).collect();
    let check = |faults: &Faults| run_remote(faults.clone()).err().into_iter().collect();
    let name = |faults: &Faults| {
        format!("{faults:?}: {}", faults.keys().map(|at| effects[at - 1].clone()).collect::<String>())
    };
    all_hold(&all, check, name);
    say(&format!("crash points: {} effects of a remote source, {} runs, all end well", effects.len(), all.len()));
}

fn run(faults: Faults) -> Result<(Outcome, Vec<String>), String> {
    in_virtual_time(async {
        let (town, revisions) = town();
        let sim = Sim::start(&town, None, faults).await;
        let mut wrong = Vec::new();
        for (nth, files) in revisions.iter().enumerate() {
            sim.world.commit_to_origin(ORIGIN, files);
            settle(&sim, nth + 1, &mut wrong).await?;
        }
        wrong.extend(sim.world.violations());
        if !wrong.is_empty() {
            return Err(wrong.join("\n"));
        }
        let status = status(&sim).await;
        let inventory =
            status.inventory.iter().flat_map(|entry| entry.names.iter().map(|name| format!("{} {name}", entry.kind)));
        let results = status.history.iter().map(|past| past.result.to_string()).collect();
        let outcome = Outcome { objects: declared(&sim).await, inventory: inventory.collect(), results };
        Ok((outcome, sim.effects.log()))
    })
}

#[test]
fn a_push_that_changes_and_prunes_survives_a_fault_at_every_effect() {
    let (undisturbed, effects) = run(Faults::new()).expect("an undisturbed source settles");
    let names: Vec<&str> = undisturbed.objects.keys().map(String::as_str).collect();
    assert_eq!(names, ["formulas/change", "formulas/keep", "rigs/reflow", "runtimes/other"]);
    assert_eq!(undisturbed.results, ["Applied", "Applied"]);
    let all: Vec<Faults> = (1..=effects.len()).flat_map(|at| MODES.map(|mode| Faults::from([(at, mode)]))).collect();
    let check = |faults: &Faults| match run(faults.clone()) {
        Ok((outcome, _)) if outcome == undisturbed => Vec::new(),
        Ok((outcome, effects)) => vec![format!("it ends otherwise: {outcome:#?}\n{}", effects.join("\n"))],
        Err(error) => vec![error],
    };
    let name = |faults: &Faults| {
        format!("{faults:?}: {}", faults.keys().map(|at| effects[at - 1].clone()).collect::<String>())
    };
    all_hold(&all, check, name);
    say(&format!("crash points: {} effects of a push, {} runs, all converge", effects.len(), all.len()));
}

#[test]
fn revisions_and_what_is_put_back_are_told() {
    in_virtual_time(async {
        let (town, [first, second]) = town();
        let sim = Sim::start(&town, None, Faults::new()).await;
        let mut wrong = Vec::new();
        sim.world.commit_to_origin(ORIGIN, &first);
        settle(&sim, 1, &mut wrong).await.unwrap();
        let mut engine = sim.engine();
        sim.patch("formulas/keep", &json!({ "spec": { "steps": [{ "name": "work", "run": "mine" }] } })).await;
        engine.run(tokio::time::sleep(Duration::from_mins(1))).await;
        sim.world.commit_to_origin(ORIGIN, &[("a.yaml", "kind: Rig\n".to_owned())]);
        engine.run(tokio::time::sleep(Duration::from_mins(10))).await;
        sim.world.commit_to_origin(ORIGIN, &second);
        drop(engine);
        settle(&sim, 2, &mut wrong).await.unwrap();
        insta::assert_snapshot!(about(&sim.events().await, "live"), @"
        00:00 Normal Applying Source: main@sha1:bae54adbf8f653d37cf5df4052405e10d0b0d7f2: being applied
        00:00 Normal Applied Source: main@sha1:bae54adbf8f653d37cf5df4052405e10d0b0d7f2: 5 created, 0 configured, 0 pruned
        00:00 Warning ChangedByOthers Source: put back what others have changed: formula/keep
        01:00 Warning InvalidRevision Source: main@sha1:c4e5b618c0d8372fccaaa32e27cc16936335c093: there are 2 mistakes in it, and nothing of it is applied: error[required]: `apiVersion` and `metadata.name` are missing
        11:00 Normal Applying Source: main@sha1:3a1e43a037cae5439ebdf1c3615f450069e0991e: being applied
        11:00 Normal Applied Source: main@sha1:3a1e43a037cae5439ebdf1c3615f450069e0991e: 1 created, 2 configured, 2 pruned
        ");
    });
}

/// What the store did for a push of one change among so many objects, and for one that changes none.
fn cost(objects: usize) -> [(u64, u64); 2] {
    in_virtual_time(async {
        let (town, _) = town();
        let sim = Sim::start(&town, None, Faults::new()).await;
        let mut wrong = Vec::new();
        let files = |changed: &str, note: &str| {
            let all = (0..objects).map(|nth| formula(&format!("f-{nth:03}"), if nth == 7 { changed } else { "a" }));
            vec![
                ("a.yaml", all.map(|it| format!("{it}\n")).collect::<Vec<_>>().join("---\n")),
                ("README", note.to_owned()),
            ]
        };
        sim.world.commit_to_origin(ORIGIN, &files("a", ""));
        settle(&sim, 1, &mut wrong).await.unwrap();
        let mut costs = [(0, 0); 2];
        for (nth, (changed, note)) in [("b", ""), ("b", "other")].into_iter().enumerate() {
            let before = sim.server.counters();
            sim.world.commit_to_origin(ORIGIN, &files(changed, note));
            settle(&sim, nth + 2, &mut wrong).await.unwrap();
            let after = sim.server.counters();
            costs[nth] = (after.statements - before.statements, after.commits - before.commits);
        }
        assert_eq!(wrong, Vec::<String>::new());
        costs
    })
}

#[test]
fn one_object_that_changes_costs_the_same_among_many() {
    let [one, none] = cost(20);
    assert_eq!(cost(200), [one, none]);
    // It is begun; the object, its own status; it is live; and it is told that it is begun and live.
    assert_eq!(one.1, 4 + 2);
    // Another revision that declares something else in no object: the same, without the object.
    assert_eq!(none.1, 2 + 2);
}
