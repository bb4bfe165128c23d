//! The drill: agents work in three repositories while everything that can be killed is killed; then all of it is audited.
//!
//! Each agent writes tokens into its work and then into a journal beside the town: what is in the journal was there to be
//! lost. The short form takes some kills; `make drill MINUTES=10` goes on for as long as it is given. `SEED` draws the same
//! victims again, as far as the machine's own timing lets it.

pub mod audit;
pub mod victims;

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::harness::{Town, WAIT_MAX, wait_until};
use victims::{Draw, KINDS};

/// The kills of the short form.
const KILLS: usize = 40;

/// The repositories; the harness has made the first.
const RIGS: [&str; 3] = ["shop", "lib", "app"];

/// The beads of each rig in a convoy.
const BEADS: usize = 3;

/// The exit code of a `gt wait` that took too long.
const TIMED_OUT: i32 = 5;

/// How long the town gets to finish once nobody kills any more, as often as [`WAIT_MAX`].
const FINISH_MAX: u32 = 4;

#[test]
fn everything_that_can_be_killed() {
    let minutes = number("MINUTES").unwrap_or(0);
    let seed = number("SEED").unwrap_or(if minutes == 0 { 7 } else { u64::from(std::process::id()) });
    let town = town();
    let mut draw = Draw::new(seed, &KINDS);
    let until = Instant::now() + Duration::from_mins(minutes);
    let mut convoys = 0;
    say(&format!("drill: seed {seed}"));
    while convoys == 0 || Instant::now() < until {
        convoy(&town, convoys);
        if convoys == 0 {
            town.up();
        }
        let goes_on = |kills: usize| if minutes == 0 { kills < KILLS } else { Instant::now() < until };
        while goes_on(draw.kills()) && !has_landed(&town, convoys) {
            draw.kill_one(&town);
        }
        // Whatever was killed last: from here on nothing is.
        drop(town.run(&["up"]));
        finish(&town, convoys);
        convoys += 1;
        say(&format!("drill: convoy {convoys} has landed; killed {}", draw.told()));
    }
    audit::all(&town, &RIGS, convoys * RIGS.len() * BEADS);
}

/// What a variable says of how the drill is to be.
pub fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[expect(clippy::print_stderr, reason = "a long drill shows that it goes on")]
pub fn say(what: &str) {
    eprintln!("{what}");
}

fn town() -> Town {
    let town = Town::new();
    for rig in &RIGS[1..] {
        town.repo(rig, &[("README", "here\n"), ("check.sh", "sleep 0.05; ! grep -rq BROKEN . --include=*.txt\n")]);
        town.rig(rig, "");
    }
    for folder in ["journal", "alone"] {
        fs_err::create_dir_all(town.path(folder)).unwrap();
    }
    // A killed agent counts as a failed attempt, and here dozens are killed.
    town.apply(
        "apiVersion: gastown.io/v1alpha1\nkind: Town\nmetadata: {name: town}\nspec: {capacity: {polecats: 4, jobs: 4}, \
         backoffLimit: 100, retry: {initialDelay: 100ms, maxDelay: 1s}}\n",
    );
    town
}

/// What each agent does: it says if it is not alone, and writes tokens, some of which it commits.
fn command(town: &Town) -> String {
    let (journal, alone, twice) = (town.path("journal"), town.path("alone"), town.path("twice"));
    format!(
        "exec 9>> {alone}/$GT_BEAD; flock -n 9 || {{ echo $GT_BEAD $GT_ATTEMPT >> {twice}; exit 1; }}\n\
         mkdir -p notes\n\
         for n in 1 2 3 4; do\n\
         token=$GT_BEAD-$GT_ATTEMPT-$n-$$; echo $token >> notes/$GT_BEAD.txt; echo $token >> {journal}/$GT_BEAD\n\
         sleep 0.05\n\
         [ $((n % 2)) = 0 ] || {{ git add notes; git commit -qm \"note $n\"; }}\n\
         done",
        alone = alone.display(),
        twice = twice.display(),
        journal = journal.display(),
    )
}

fn convoy(town: &Town, n: usize) {
    let bead = |rig: &str, b: usize| json!({"name": format!("{rig}-{b}"), "title": format!("Note {n} {rig} {b}"), "rig": rig, "command": command(town)});
    let beads: Vec<Value> = RIGS.iter().flat_map(|rig| (0..BEADS).map(move |b| bead(rig, b))).collect();
    let convoy = json!({"apiVersion": "gastown.io/v1alpha1", "kind": "Convoy", "metadata": {"name": format!("c{n}")},
        "spec": {"rig": RIGS[0], "beads": beads}});
    // The controller may be dead just now, or die while it is asked.
    wait_until(town, "the convoy is declared", || {
        town.gt(&["apply", "-f", "-"]).stdin(convoy.to_string()).run().unwrap().ok().then_some(())
    });
}

fn has_landed(town: &Town, convoy: usize) -> bool {
    let name = format!("c{convoy}");
    // The controller may die while it answers.
    let found: Value =
        serde_json::from_str(&town.run(&["get", "convoy", &name, "-o", "json"]).text()).unwrap_or_default();
    let conditions = found["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().any(|condition| condition["type"] == "Landed" && condition["status"] == "True")
}

fn finish(town: &Town, convoy: usize) {
    finishes(town, &format!("c{convoy}"));
}

/// A convoy lands, whoever was killed on the way.
pub fn finishes(town: &Town, convoy: &str) {
    let name = format!("convoy/{convoy}");
    let timeout = format!("{}s", WAIT_MAX.as_secs() - 5);
    for _ in 0..FINISH_MAX {
        let out = town.run(&["wait", &name, "--for=condition=Landed", "--timeout", &timeout]);
        if out.ok() {
            return;
        }
        assert_eq!(
            out.code,
            TIMED_OUT,
            "needs a hand: {}\n{}\n{}",
            out.complaint(),
            town.run(&["status"]).text(),
            town.log()
        );
    }
    panic!("not finished:\n{}\n{}", town.run(&["status"]).text(), town.log());
}
