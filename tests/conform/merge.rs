//! Merges: the simulation merges texts by lines, and has to find a conflict exactly where git finds one.

use gastown_controllers::world::{Act, Ask, AskReplay, Candidate, Replay};
use gastown_crds::names;

use super::real::RealWorld;
use super::sim::Simulated;
use super::story::{Story, committer};
use super::worlds::rig;

/// How many merges are drawn. A real one costs some 20 ms.
const MERGES: usize = 40;

/// A number under `below` that belongs to the text.
fn draw(what: &str, below: usize) -> usize {
    usize::from_str_radix(&names::digest(&["merge", what])[..8], 16).unwrap() % below
}

/// The usual lines with one to three changes: a line replaced, put in or taken away.
fn edited(name: &str) -> String {
    let mut lines: Vec<String> = "1 2 3 4 5 6 7 8".split(' ').map(str::to_owned).collect();
    for change in 0..=draw(&format!("{name} how many"), 3) {
        let of = |what: &str, below| draw(&format!("{name} {change} {what}"), below);
        let at = of("at", lines.len());
        // Few words, so that both sides sometimes say the same.
        let word = ["new", "other"][of("word", 2)].to_owned();
        match of("kind", 3) {
            0 => lines[at] = word,
            1 => lines.insert(at, word),
            _ => drop(lines.remove(at)),
        }
    }
    lines.join(" ")
}

/// What becomes of all merges in one world.
fn merges(mut t: Story) -> Vec<String> {
    t.world.add_remote("shop", Some(&[("lines", "1 2 3 4 5 6 7 8")]));
    let base = t.world.tip("shop", "main").unwrap();
    for n in 0..MERGES {
        for side in ["ours", "theirs"] {
            let name = format!("{side}-{n}");
            // A second file makes sure that there is something to land.
            t.world.outside("shop", &name, &[("lines", &edited(&name)), (side, "x")]);
        }
    }
    let clone = t.clone_job("shop", 1);
    t.runs(&clone, "exited OK");
    let mut results = Vec::new();
    for n in 0..MERGES {
        let candidate = Candidate {
            merge_request: "mr".into(),
            bead: "bead".into(),
            head: t.world.tip("shop", &format!("theirs-{n}")).unwrap(),
            base: base.clone(),
            date: "2026-01-02T03:04:05Z".parse().unwrap(),
            title: "title".into(),
        };
        let onto = t.world.tip("shop", &format!("ours-{n}")).unwrap();
        let key = format!("merge-{n}");
        let candidates = vec![candidate];
        t.does(
            &Act::EnsureReplay(Replay { owner: rig(), key: key.clone(), onto, candidates, committer: committer() }),
            "ok",
        );
        // Without what the commit is called: a commit that is equal to an earlier one has its name.
        let result = t.look(&Ask::Replay(AskReplay(key)));
        results.push(result.find('{').map_or(result.clone(), |at| result[at..].to_owned()));
    }
    results
}

#[test]
fn merges_that_were_drawn_end_as_git_ends_them() {
    let (simulated, real) = (merges(Story::of(Simulated::new())), merges(Story::of(RealWorld::new())));
    let mut wrong = Vec::new();
    for (n, (simulated, real)) in simulated.iter().zip(&real).enumerate() {
        if simulated != real {
            let [ours, theirs] = ["ours", "theirs"].map(|side| edited(&format!("{side}-{n}")));
            wrong.push(format!("{ours} | {theirs}\n  git: {real}\n  simulated: {simulated}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {MERGES} differ:\n{}", wrong.len(), wrong.join("\n"));
    let conflicts = real.iter().filter(|result| result.starts_with("conflict")).count();
    assert!((10..MERGES - 10).contains(&conflicts), "only {conflicts} conflict: the draw says too little");
}
