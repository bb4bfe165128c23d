//! The towns that are simulated: the smallest one in which something goes wrong, and the quickstart's.

use std::collections::BTreeMap;

use gastown::world::sim::commits::Tree;
use gastown_crds::bead::ReworkKind;
use serde_json::{Value, json};

use super::agent::Work;

pub const CONVOY: &str = "release";

/// A town, and what happens in it.
pub struct Town {
    pub objects: Vec<Value>,
    /// By the rig's name; its remote is named so too.
    pub rigs: BTreeMap<&'static str, Tree>,
    /// By the rig and the bead's name in the convoy; by the object's name where there is no rig.
    pub works: Vec<(&'static str, &'static str, Work)>,
    pub finds: fn(&Tree) -> Option<String>,
    pub setup_fails: u32,
    /// How many rounds of each verification are red, whatever the tree.
    pub verify_fails: u32,
    /// Whether people merge the branches that are left for them.
    pub people_merge: bool,
    /// No push is taken.
    pub push_refused: bool,
    /// The memory that each agent needs, in bytes.
    pub memory: u64,
}

pub fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({ "apiVersion": "gastown.io/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec })
}

fn common() -> Vec<Value> {
    vec![
        object("Town", "town", &json!({ "capacity": { "polecats": 3 } })),
        object("Runtime", "script", &json!({ "command": ["gt:script"], "onRework": "Restart" })),
        object("Formula", "work", &json!({ "steps": [{ "name": "work", "run": "{{command}}" }] })),
    ]
}

fn rig(name: &str, setup: &[&str]) -> Value {
    let verify = json!([{ "name": "test", "run": "test" }]);
    let merge = json!({ "strategy": "Push", "verify": verify });
    object("Rig", name, &json!({ "repo": { "url": name }, "merge": merge, "workspace": { "setup": setup } }))
}

fn tree(files: &[(&str, &str)]) -> Tree {
    files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect()
}

fn replace(tree: &mut Tree, folder: &str, from: &str, to: &str) {
    for (_, text) in tree.iter_mut().filter(|(path, _)| path.starts_with(folder)) {
        *text = text.replace(from, to);
    }
}

fn work(change: fn(&mut Tree, Option<ReworkKind>)) -> Work {
    Work { change, dies_after: None, deaths: 0 }
}

/// Whatever a test uses has to be there.
fn unknown_function(tree: &Tree) -> Option<String> {
    let sources = || tree.iter().filter(|(path, _)| path.starts_with("src/")).flat_map(|(_, text)| text.lines());
    let tests = tree.iter().filter(|(path, _)| path.starts_with("tests/")).flat_map(|(_, text)| text.lines());
    let mut used = tests.filter_map(|line| line.strip_prefix("use "));
    let gone = used.find(|name| !sources().any(|line| line.contains(&format!("fn {name}("))))?;
    Some(format!("cannot find function `{gone}`"))
}

fn must_use(tree: &mut Tree, _: Option<ReworkKind>) {
    for (_, text) in tree.iter_mut().filter(|(path, _)| path.starts_with("src/")) {
        *text = text
            .lines()
            .map(|l| if l.starts_with("pub") { format!("#[must_use] {l}\n") } else { format!("{l}\n") })
            .collect();
    }
}

fn width(tree: &mut Tree, _: Option<ReworkKind>) {
    replace(tree, "src/", "cols", "width");
}

fn notes(tree: &mut Tree) {
    tree.insert("notes".into(), "say width\n".into());
}

fn docs(tree: &mut Tree, _: Option<ReworkKind>) {
    let name = if tree.contains_key("docs/wrap") { "docs/index" } else { "docs/wrap" };
    tree.insert(name.into(), "wraps\n".into());
}

fn width_and_notes(tree: &mut Tree, rework: Option<ReworkKind>) {
    notes(tree);
    width(tree, rework);
}

/// One rig, two beads that change the same line, the agent of one dies half way, and a setup that fails once.
pub fn minimal() -> Town {
    let mut objects = common();
    objects.push(rig("reflow", &["make ready"]));
    let beads = json!([{ "name": "must-use", "title": "Mark it", "command": "a" }, { "name": "width", "title": "Say width", "command": "b" }]);
    objects.push(object("Convoy", CONVOY, &json!({ "rig": "reflow", "beads": beads })));
    Town {
        objects,
        rigs: BTreeMap::from([("reflow", tree(&[("src/wrap.rs", "pub fn wrap(cols)\n")]))]),
        works: vec![
            ("reflow", "must-use", work(must_use)),
            ("reflow", "width", Work { change: width_and_notes, dies_after: Some(notes), deaths: 1 }),
        ],
        finds: unknown_function,
        setup_fails: 1,
        verify_fails: 0,
        people_merge: false,
        push_refused: false,
        memory: 0,
    }
}

/// One rig and one bead, and nothing goes wrong.
pub fn smooth() -> Town {
    let mut town = minimal();
    town.objects.pop();
    let beads = json!([{ "name": "must-use", "title": "Mark it", "command": "a" }]);
    town.objects.push(object("Convoy", CONVOY, &json!({ "rig": "reflow", "beads": beads })));
    town.objects[3] = rig("reflow", &[]);
    town.works.truncate(1);
    town
}

/// The same, beside two gates: the command of one says "not yet" once, the other waits for an event that is filed.
pub fn gated() -> Town {
    let mut town = smooth();
    town.objects.push(awaits_event("arrived", None));
    town.objects.push(event("train-1", "arrived", "train:1"));
    let gate = json!({ "title": "Is it time?", "type": "Gate", "gate": { "type": "Run", "run": "c" } });
    town.objects.push(object("Bead", "gate", &gate));
    town
}

/// The gate `arrival`, which waits for an event.
pub fn awaits_event(event_type: &str, target: Option<&str>) -> Value {
    let mut gate = json!({ "type": "Event", "awaitId": event_type });
    if let Some(target) = target {
        gate["target"] = json!(target);
    }
    object("Bead", "arrival", &json!({ "title": "Is it there?", "type": "Gate", "gate": gate }))
}

/// Something that happened.
pub fn event(name: &str, event_type: &str, target: &str) -> Value {
    object("BeadEvent", name, &json!({ "eventType": event_type, "target": target, "actor": "human:kim" }))
}

/// A molecule that a convoy tracks: a loop that takes two iterations, a step that is made once for each of two things that another has
/// found, one that is left out, and one that waits for all of it.
pub fn flowing() -> Town {
    let mut town = smooth();
    let spec = |spec: Value| {
        let mut whole = json!({ "title": "t", "rig": "reflow", "suspend": true, "command": "c", "parent": "m" });
        whole.as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
        whole
    };
    let try_ =
        |nth: &str, parent: &str| spec(json!({ "parent": parent, "flow": { "step": format!("go.iter{nth}.try") } }));
    let body = json!([{ "name": "{@1}.{#1}-try", "spec": try_("{#1}", "{@1}") }]).to_string();
    let repeat = json!({ "until": "steps.complete >= 2", "max": 5, "token": "{#1}", "body": body });
    let each = json!([
        { "name": "{@each}.{index}", "spec": spec(json!({ "type": "Molecule", "parent": "{@each}" })) },
        { "name": "{@each}.{index}.read", "spec": spec(json!({ "title": "{item}", "parent": "{@each}.{index}" })) },
    ]);
    let each = json!({ "field": "files", "sequential": true, "body": each.to_string() });
    let found = json!({ "output": { "files": ["a", "b"] } }).to_string();
    let links = json!([{ "to": "m.scan", "type": "waits-for" }]);
    town.objects[4] = object("Convoy", CONVOY, &json!({ "rig": "reflow", "tracks": [{ "bead": "m" }] }));
    for (name, more) in [
        ("m", json!({ "type": "Molecule", "parent": null })),
        ("m.go", json!({ "type": "Epic", "flow": { "step": "go", "repeat": repeat } })),
        ("m.go.1-try", try_("1", "m.go")),
        ("m.never", json!({ "needs": ["m.go"], "flow": { "step": "never", "condition": "go.status == 'skipped'" } })),
        ("m.scan", json!({ "needs": ["m.go"], "metadata": found, "flow": { "step": "scan", "forEach": each } })),
        ("m.sum", json!({ "needs": ["m.scan"], "links": links, "flow": { "step": "sum" } })),
    ] {
        town.objects.push(object("Bead", name, &spec(more)));
    }
    let (change, nothing) = (town.works[0].2, work(|_, _| {}));
    let beads = ["m.go.1-try", "m.go.2-try", "m.scan", "m.scan.0.read", "m.scan.1.read", "m.sum"];
    town.works = beads.iter().map(|bead| ("", *bead, if *bead == "m.go.2-try" { change } else { nothing })).collect();
    town
}

/// A molecule of so many steps, each of which needs the one before.
pub fn chain(steps: usize) -> Town {
    let mut town = smooth();
    let names: Vec<&'static str> = (1..=steps).map(|nth| &*format!("m.s{nth}").leak()).collect();
    town.objects[4] = object("Convoy", CONVOY, &json!({ "rig": "reflow", "tracks": [{ "bead": "m" }] }));
    town.objects.push(object(
        "Bead",
        "m",
        &json!({ "title": "m", "type": "Molecule", "rig": "reflow", "suspend": true }),
    ));
    for (nth, name) in names.iter().enumerate() {
        let needs: Vec<&str> = nth.checked_sub(1).map(|before| names[before]).into_iter().collect();
        let spec =
            json!({ "title": name, "rig": "reflow", "suspend": true, "command": "c", "parent": "m", "needs": needs });
        town.objects.push(object("Bead", name, &spec));
    }
    town.works = names.iter().map(|name| ("", *name, work(|_, _| {}))).collect();
    town
}

/// The same without the gate, but the bead's two steps are two commits.
pub fn two_steps() -> Town {
    let mut town = smooth();
    let steps = json!([{ "name": "work", "run": "{{command}}" }, { "name": "note", "run": "note" }]);
    town.objects[2] = object("Formula", "work", &json!({ "steps": steps }));
    town.works[0].2.change = |tree, rework| {
        if tree.contains_key("notes") {
            tree.insert("more".into(), "say more\n".into());
        } else {
            notes(tree);
            must_use(tree, rework);
        }
    };
    town
}

/// The same twice, left as branches, which people merge.
pub fn merged_by_people() -> Town {
    let mut town = two_steps();
    let merge = json!({ "strategy": "Branch", "allowUnverified": true });
    town.objects[3] = object("Rig", "reflow", &json!({ "repo": { "url": "reflow" }, "merge": merge }));
    let beads = json!([{ "name": "must-use", "title": "Mark it", "command": "a" }, { "name": "docs", "title": "Say it", "command": "b" }]);
    town.objects[4] = object("Convoy", CONVOY, &json!({ "rig": "reflow", "beads": beads }));
    town.works.push(("reflow", "docs", work(docs)));
    town.people_merge = true;
    town
}

/// One place for two beads; the agent of the first, which is the more urgent, dies again and again.
pub fn one_place() -> Town {
    let mut town = minimal();
    town.objects[0] = object("Town", "town", &json!({ "capacity": { "polecats": 1 } }));
    town.objects[3] = rig("reflow", &[]);
    let beads = json!([
        { "name": "width", "title": "Say width", "priority": 0, "command": "a" },
        { "name": "must-use", "title": "Mark it", "command": "b" },
    ]);
    town.objects[4] = object("Convoy", CONVOY, &json!({ "rig": "reflow", "beads": beads }));
    town.works[1].2.deaths = 4;
    town.works[0].2.change = |tree, _| drop(tree.insert("docs".into(), "wrap\n".into()));
    town
}

/// One place for two rigs; the setup of the first fails for long.
pub fn one_place_for_two_rigs() -> Town {
    let mut town = minimal();
    town.objects[0] = object("Town", "town", &json!({ "capacity": { "polecats": 1 } }));
    town.objects.push(rig("humane", &[]));
    town.rigs.insert("humane", tree(&[("src/size.rs", "pub fn size(n)\n")]));
    let bead = |rig: &str, name: &str, priority: u32| json!({ "name": name, "title": name, "rig": rig, "priority": priority, "command": name });
    let beads = [bead("reflow", "must-use", 0), bead("reflow", "width", 0), bead("humane", "licence", 1)];
    town.objects[4] = object("Convoy", CONVOY, &json!({ "rig": "reflow", "beads": beads }));
    town.works.push(("humane", "licence", work(|tree, _| licence(tree, "src/"))));
    town.setup_fails = 6;
    town
}

/// How many branches [`many_branches`] makes.
pub const BRANCHES: usize = 6;

/// One rig that leaves branches for people, without checks, and beads that have nothing to do with one another.
pub fn many_branches() -> Town {
    let mut town = minimal();
    let names = ["one", "two", "three", "four", "five", "six"];
    town.objects[0] = object("Town", "town", &json!({ "capacity": { "polecats": BRANCHES } }));
    let merge = json!({ "strategy": "Branch", "allowUnverified": true });
    town.objects[3] = object("Rig", "reflow", &json!({ "repo": { "url": "reflow" }, "merge": merge }));
    let beads: Vec<_> = names.iter().map(|name| json!({ "name": name, "title": name, "command": name })).collect();
    town.objects[4] = object("Convoy", CONVOY, &json!({ "rig": "reflow", "beads": beads }));
    town.works = names.iter().map(|name| ("reflow", *name, work(must_use))).collect();
    town
}

/// One rig that verifies nothing, and beads that have nothing to do with one another.
pub fn unverified() -> Town {
    let mut town = many_branches();
    let merge = json!({ "strategy": "Push", "allowUnverified": true });
    town.objects[3] = object("Rig", "reflow", &json!({ "repo": { "url": "reflow" }, "merge": merge }));
    let changes: [fn(&mut Tree, Option<ReworkKind>); BRANCHES] = [
        |tree, _| drop(tree.insert("one".into(), "1\n".into())),
        |tree, _| drop(tree.insert("two".into(), "2\n".into())),
        |tree, _| drop(tree.insert("three".into(), "3\n".into())),
        |tree, _| drop(tree.insert("four".into(), "4\n".into())),
        |tree, _| drop(tree.insert("five".into(), "5\n".into())),
        |tree, _| drop(tree.insert("six".into(), "6\n".into())),
    ];
    for ((_, _, work), change) in town.works.iter_mut().zip(changes) {
        work.change = change;
    }
    town
}

/// One rig, and so many agents at work at once, all of which make the same change.
pub fn crowd(agents: usize) -> Town {
    let mut town = unverified();
    town.objects[0] = object("Town", "town", &json!({ "capacity": { "polecats": agents } }));
    let names: Vec<&'static str> = (0..agents).map(|nth| &*format!("n{nth}").leak()).collect();
    let beads: Vec<_> = names.iter().map(|name| json!({ "name": name, "title": name, "command": name })).collect();
    town.objects[4] = object("Convoy", CONVOY, &json!({ "rig": "reflow", "beads": beads }));
    town.works = names.iter().map(|name| ("reflow", *name, work(must_use))).collect();
    town
}

/// The quickstart: two rigs, eight beads, three steps each; red at first, a conflict, a death, and nothing to change.
pub fn quickstart() -> Town {
    let mut objects = common();
    let steps = json!([
        { "name": "change", "title": "{{title}}", "run": "{{command}}" },
        { "name": "check", "needs": ["change"], "run": "{{check}}" },
        { "name": "whitespace", "needs": ["change"], "run": "git diff --check" },
    ]);
    let vars = json!([{ "name": "check", "default": "test" }]);
    objects.push(object("Formula", "codemod", &json!({ "vars": vars, "steps": steps })));
    objects.push(rig("humane", &[]));
    objects.push(rig("reflow", &[]));
    let bead = |rig: &str, name: &str, priority: u32, needs: &[&str]| json!({ "name": name, "title": name, "rig": rig, "priority": priority, "needs": needs, "command": name });
    let beads = [
        bead("reflow", "must-use", 1, &[]),
        bead("reflow", "width", 1, &[]),
        bead("humane", "size-name", 1, &[]),
        bead("humane", "headers", 2, &[]),
        bead("reflow", "trim", 3, &[]),
        bead("reflow", "index", 2, &["must-use", "width"]),
        bead("humane", "release-humane", 2, &["size-name", "headers"]),
        bead("reflow", "release-reflow", 2, &["trim", "index", "release-humane"]),
    ];
    objects.push(object("Convoy", CONVOY, &json!({ "rig": "reflow", "formula": "codemod", "beads": beads })));
    let humane = tree(&[
        ("src/size.rs", "//! Sizes.\n\npub fn fmt_size(n)\n"),
        ("src/duration.rs", "//! Durations.\n\npub fn format_duration(n)\n"),
        ("tests/sizes.rs", "//! Sizes.\n\nuse fmt_size\n"),
        ("VERSION", "0.1.0\n"),
    ]);
    let reflow = tree(&[
        ("src/wrap.rs", "//! Wraps.\n\npub fn wrap(text, cols)\npub fn fill(text, cols)\n"),
        ("src/indent.rs", "//! Indents.\n\npub fn indent(text, width)\n"),
        ("tests/wrapping.rs", "use wrap\n"),
        ("README.md", "reflow\n"),
        ("VERSION", "0.1.0\n"),
    ]);
    let headers = Work {
        change: |tree, _| {
            licence(tree, "src/");
            licence(tree, "tests/");
        },
        dies_after: Some(|tree| licence(tree, "src/")),
        deaths: 1,
    };
    Town {
        objects,
        rigs: BTreeMap::from([("humane", humane), ("reflow", reflow)]),
        works: vec![
            ("reflow", "must-use", work(must_use)),
            ("reflow", "width", work(width)),
            ("humane", "size-name", work(size_name)),
            ("humane", "headers", headers),
            ("reflow", "trim", work(|_, _| {})),
            ("reflow", "index", work(index)),
            ("humane", "release-humane", work(release)),
            ("reflow", "release-reflow", work(release)),
        ],
        finds: unknown_function,
        setup_fails: 0,
        verify_fails: 0,
        people_merge: false,
        push_refused: false,
        memory: 0,
    }
}

/// Forgets the tests, until it is told.
fn size_name(tree: &mut Tree, rework: Option<ReworkKind>) {
    replace(tree, "src/", "fmt_size", "format_size");
    if rework == Some(ReworkKind::Red) {
        replace(tree, "tests/", "fmt_size", "format_size");
    }
}

fn licence(tree: &mut Tree, folder: &str) {
    const LINE: &str = "// SPDX-License-Identifier: MIT\n";
    for (_, text) in tree.iter_mut().filter(|(path, text)| path.starts_with(folder) && !text.starts_with(LINE)) {
        text.insert_str(0, LINE);
    }
}

fn index(tree: &mut Tree, _: Option<ReworkKind>) {
    let sources = tree.iter().filter(|(path, _)| path.starts_with("src/")).flat_map(|(_, text)| text.lines());
    let functions = sources.filter(|line| line.contains("pub fn"));
    let table: String = functions.flat_map(|line| ["- ", line, "\n"]).collect();
    tree.insert("README.md".into(), format!("reflow\n{table}"));
}

fn release(tree: &mut Tree, _: Option<ReworkKind>) {
    tree.insert("VERSION".into(), "0.2.0\n".into());
    tree.insert("CHANGELOG.md".into(), "0.2.0\n".into());
}
