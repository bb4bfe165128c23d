//! The soak: real agents work, and are killed at any moment, hundreds of times. `make soak KILLS=200 SEED=7`; not part of CI.

use std::time::Duration;

use serde_json::{Value, json};

use super::clis::{self, CLAUDE, CODEX};
use super::model::{Line, Model};
use super::run;
use crate::town::drill::victims::Draw;
use crate::town::drill::{audit, finishes, number, say};
use crate::town::harness::{Town, wait_until};

/// The beads of a convoy, half of them for each program.
const BEADS: usize = 8;

/// The pieces of work of a bead.
const PIECES: usize = 8;

/// The longest time between two kills: an agent's start, a piece of work and its end lie within it.
const BETWEEN_MAX: Duration = Duration::from_secs(4);

/// What each agent does. A piece is done once, however often it is played; whoever is not alone at a bead says so.
fn worker(town: &Town) -> Vec<Line> {
    let (journal, alone, twice) = (town.path("journal"), town.path("alone"), town.path("twice"));
    let piece = |n: usize| {
        run(format!(
            "exec 9>> {alone}/$GT_BEAD; flock -n 9 || {{ echo $GT_BEAD $GT_ATTEMPT >> {twice}; exit 1; }}\n\
             mkdir -p notes; touch notes/$GT_BEAD.txt\n\
             grep -q -- -{n}- notes/$GT_BEAD.txt || {{ token=$GT_BEAD-$GT_ATTEMPT-{n}-$$; echo $token >> notes/$GT_BEAD.txt; \
             echo $token >> {journal}/$GT_BEAD; }}\n\
             sleep 0.2; git add notes; git commit --quiet --message \"Note {n}\" || true",
            alone = alone.display(),
            twice = twice.display(),
            journal = journal.display(),
        ))
    };
    let pieces = (1..=PIECES).map(piece);
    let end = [run("gt hook -o steps | xargs -r -n 1 bd close"), run("gt done")];
    std::iter::once(run("gt prime")).chain(pieces).chain(end).collect()
}

fn convoy(town: &Town, nth: usize) {
    let bead = |n: usize| {
        let runtime = if n.is_multiple_of(2) { CLAUDE.name } else { CODEX.name };
        json!({"name": format!("b{n}"), "title": format!("Do {nth}-{n}"), "runtime": runtime})
    };
    let beads: Vec<Value> = (0..BEADS).map(bead).collect();
    let spec = json!({"rig": "shop", "beads": beads});
    let convoy = json!({"apiVersion": "gastown.io/v1alpha1", "kind": "Convoy", "metadata": {"name": format!("c{nth}")}, "spec": spec});
    town.apply(&convoy.to_string());
}

fn has_landed(town: &Town, nth: usize) -> bool {
    let convoy = town.json(&["convoy", &format!("c{nth}")]);
    let conditions = convoy["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().any(|it| it["type"] == "Landed" && it["status"] == "True")
}

/// Where the conversation of an attempt could be gone on with, the next attempt went on with it.
fn goes_on_in_the_same_conversations(town: &Town) -> usize {
    let mut restarts = 0;
    for bead in town.items("beads") {
        let mut last: Option<Value> = None;
        for attempt in 1.. {
            if town.record(&bead, attempt, "spec.json").is_none() {
                break;
            }
            let Some(conversation) = town.record(&bead, attempt, "run/.conversation.json") else {
                // Its program did not find the conversation, of which nothing but its beginning had been written down.
                let end = town.record(&bead, attempt, "exit.json").unwrap_or_default();
                if end["own"] == true && end["code"] != 137 {
                    last = None;
                }
                continue;
            };
            let written = |it: &Value| it["transcript"].as_str().is_some_and(|path| fs_err::metadata(path).is_ok());
            if let Some(last) = last.filter(written) {
                assert_eq!(conversation["id"], last["id"], "attempt {attempt}: {}", town.told(&bead, attempt));
                restarts += 1;
            }
            last = Some(conversation);
        }
    }
    restarts
}

#[test]
#[ignore = "takes minutes: make soak"]
fn agents_that_are_killed_at_any_moment_lose_nothing() {
    if [CLAUDE, CODEX].iter().filter(|cli| !cli.is_here()).count() > 0 {
        return;
    }
    let kills = usize::try_from(number("KILLS").unwrap_or(200)).unwrap();
    let mut draw = Draw::new(number("SEED").unwrap_or(7), &["agent"]);
    let town = Town::new();
    for folder in ["journal", "alone"] {
        fs_err::create_dir_all(town.path(folder)).unwrap();
    }
    let model = Model::plays_up_to(usize::MAX, worker(&town));
    let town = clis::at_work(&[CLAUDE, CODEX], town, &model);
    // A killed agent counts as a failed attempt.
    town.apply(
        "apiVersion: gastown.io/v1alpha1\nkind: Town\nmetadata: {name: town}\nspec: {capacity: {polecats: 4, minFreeMemory: 64Mi}, \
         backoffLimit: 100, retry: {initialDelay: 100ms, maxDelay: 1s}, trust: Full}\n",
    );
    town.up();
    let mut convoys = 0;
    while draw.kills() < kills {
        convoy(&town, convoys);
        while draw.kills() < kills && !has_landed(&town, convoys) {
            std::thread::sleep(draw.moment(BETWEEN_MAX));
            draw.kill_one(&town);
        }
        finishes(&town, &format!("c{convoys}"));
        convoys += 1;
        say(&format!("soak: convoy {convoys} has landed; killed {}", draw.told()));
    }
    let restarts = goes_on_in_the_same_conversations(&town);
    say(&format!("soak: {restarts} restarts went on in the same conversation"));
    // Others hit an agent that had said nothing yet.
    assert!(restarts > kills / 4, "too few kills hit a conversation: {restarts} of {kills}");
    // An agent that has handed in is ended some seconds later, and not by `gt down`.
    wait_until(&town, "all sessions are over", || {
        town.items("polecats").iter().all(|it| it["status"]["state"] == "Idle").then_some(())
    });
    audit::all(&town, &["shop"], convoys * BEADS);
}
