//! Simulated towns whose API is away for a while, to a watch or to a write: nothing is done twice, and nothing goes round and
//! round.

use std::collections::BTreeMap;
use std::time::Duration;

use http::StatusCode;

use crate::harness::{Run, Sim, in_virtual_time, run};
use crate::towns::{Town, minimal, smooth};

/// Longer than any back-off.
const LONG: Duration = Duration::from_hours(2);

fn started(effects: &[String]) -> usize {
    effects.iter().filter(|effect| effect.starts_with("start ")).count()
}

/// A town in which an agent is at work while its controllers hear nothing more of a kind: it hands in, and its session ends.
/// Answers the run, and what was tried while it was so.
fn deaf_to(plural: &str, town: &Town) -> (Run, Vec<String>) {
    in_virtual_time(async {
        let sim = Sim::start(town, None, BTreeMap::new()).await;
        let mut engine = sim.engine();
        engine.run(sim.at_work()).await;
        let before = sim.effects.log().len();
        sim.effects.deafen(&[plural]);
        sim.server.end_watches();
        engine.run(tokio::time::sleep(LONG)).await;
        let meanwhile = sim.effects.log()[before..].to_vec();
        sim.effects.deafen(&[]);
        engine.run(async { tokio::time::timeout(Duration::from_mins(10), sim.landed()).await.unwrap() }).await;
        (sim.look_back(Duration::ZERO).await, meanwhile)
    })
}

#[test]
fn a_kind_that_is_not_heard_of_holds_all_effects_and_nothing_is_worked_twice() {
    for plural in ["mergerequests", "beads", "polecats", "rigs", "convoys", "towns"] {
        let (run, meanwhile) = deaf_to(plural, &smooth());
        assert_eq!(meanwhile, [""; 0], "without {plural}");
        assert_eq!((run.outcome.landed, run.wrong), (true, vec![]), "without {plural}");
        assert_eq!(run.attempts.values().copied().collect::<Vec<_>>(), [1], "without {plural}");
    }
}

#[test]
fn what_cannot_be_listed_is_tried_again_every_few_seconds() {
    in_virtual_time(async {
        let sim = Sim::start(&smooth(), None, BTreeMap::new()).await;
        let mut engine = sim.rest().await.unwrap();
        sim.effects.deafen(&["beads"]);
        sim.server.end_watches();
        engine.run(tokio::time::sleep(Duration::from_mins(10))).await;
        let before = sim.effects.unheard();
        engine.run(tokio::time::sleep(Duration::from_mins(1))).await;
        let tries = sim.effects.unheard() - before;
        assert!((20..=40).contains(&tries), "{tries} in a minute");
    });
}

/// A watch that hangs shows nothing, and does not end.
#[test]
fn a_watch_that_does_not_show_an_own_write_is_made_anew() {
    in_virtual_time(async {
        let sim = Sim::start(&smooth(), None, BTreeMap::new()).await;
        let mut engine = sim.engine();
        sim.effects.hang(&["beads"]);
        engine.run(async { tokio::time::timeout(Duration::from_mins(5), sim.landed()).await.unwrap() }).await;
        let run = sim.look_back(Duration::ZERO).await;
        assert_eq!(run.wrong, Vec::<String>::new());
        assert_eq!(started(&run.effects), 1, "{:#?}", run.effects);
    });
}

#[test]
fn one_conflict_after_another_is_met_ever_more_rarely() {
    for what in ["PATCH beads", "PUT beads", "PUT convoys", "PATCH polecats"] {
        in_virtual_time(async {
            let sim = Sim::start(&minimal(), None, BTreeMap::new()).await;
            let mut engine = sim.engine();
            sim.effects.refuse(Some((what, StatusCode::CONFLICT)));
            engine.run(tokio::time::sleep(Duration::from_mins(5))).await;
            let before = sim.effects.log().len();
            engine.run(tokio::time::sleep(Duration::from_mins(1))).await;
            let tries = sim.effects.log().len() - before;
            // Each of a handful of keys once in five seconds.
            assert!(tries <= 60, "{what}: {tries} in a minute");
            sim.effects.refuse(None);
            engine.run(async { tokio::time::timeout(Duration::from_mins(10), sim.landed()).await.unwrap() }).await;
            assert_eq!(sim.look_back(Duration::ZERO).await.wrong, Vec::<String>::new(), "{what}");
        });
    }
}

#[test]
fn a_status_that_could_not_be_written_is_tried_again_as_soon_as_anything_else() {
    let usual = run(&smooth(), None, BTreeMap::new()).unwrap().took;
    for what in ["PUT beads", "PUT convoys", "PUT mergerequests", "PUT rigs", "PUT polecats"] {
        in_virtual_time(async {
            let sim = Sim::start(&smooth(), None, BTreeMap::new()).await;
            let started = tokio::time::Instant::now();
            let mut engine = sim.engine();
            let mut done = 0;
            // Every other second, for as long as it takes.
            loop {
                let refused = (done % 2 == 0).then_some((what, StatusCode::INTERNAL_SERVER_ERROR));
                sim.effects.refuse(refused);
                tokio::select! {
                    biased;
                    () = sim.landed() => break,
                    () = engine.run(tokio::time::sleep(Duration::from_secs(1))) => done += 1,
                }
            }
            let took = started.elapsed();
            assert!(took < usual + Duration::from_secs(45), "{what}: {took:?} instead of {usual:?}");
            assert_eq!(sim.look_back(Duration::ZERO).await.wrong, Vec::<String>::new(), "{what}");
        });
    }
}

#[test]
fn a_status_that_is_never_taken_is_tried_ever_more_rarely_and_holds_up_no_other() {
    in_virtual_time(async {
        let sim = Sim::start(&smooth(), None, BTreeMap::new()).await;
        let mut engine = sim.engine();
        sim.effects.refuse(Some(("PUT runtimes", StatusCode::INTERNAL_SERVER_ERROR)));
        engine.run(async { tokio::time::timeout(Duration::from_mins(5), sim.landed()).await.unwrap() }).await;
        let tries = |effects: &[String]| effects.iter().filter(|effect| effect.starts_with("PUT runtimes")).count();
        engine.run(tokio::time::sleep(Duration::from_hours(1))).await;
        let before = tries(&sim.effects.log());
        assert!(before >= 6, "{before}");
        engine.run(tokio::time::sleep(Duration::from_hours(1))).await;
        // Once in the longest delay of five minutes, and a fifth sooner.
        let more = tries(&sim.effects.log()) - before;
        assert!((10..=20).contains(&more), "{more} in an hour");
    });
}

/// A repository that is not there, for a day: each look begins with the rounds that failed, and there are hundreds.
#[test]
fn a_clone_that_fails_for_a_day_is_tried_once_in_each_longest_delay() {
    in_virtual_time(async {
        let mut town = minimal();
        let rig = town.objects.iter_mut().find(|object| object["kind"] == "Rig").unwrap();
        rig["spec"]["repo"]["url"] = "https://example.org/nowhere.git".into();
        let sim = Sim::start(&town, None, BTreeMap::new()).await;
        let mut engine = sim.engine();
        let clones = || sim.effects.log().iter().filter(|effect| effect.starts_with("clone ")).count();
        engine.run(tokio::time::sleep(Duration::from_hours(23))).await;
        let before = clones();
        engine.run(tokio::time::sleep(Duration::from_hours(1))).await;
        assert_eq!(clones() - before, 12, "each five minutes");
    });
}
