//! The commands that were once given to a real `bd` (1.0.2, built from its Go module), in their order, with its answers: the
//! same come back here.
//!
//! `bd_answers.json` is a list of commands as a shell has them, `{NAME}` for the id of a bead that an earlier one has made.
//! Of an answer counts the exit code, and what is JSON: each key of it with its value, without ids, times, and what an error
//! says in words; there may be more keys here. `bd_differences.txt` names what is meant to differ,
//! and why: a command and a place, `*` for each place of it, or `*` and a key for each command. One that no longer differs is
//! a failure too.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use crate::formula::write;
use crate::town::TestTown;

static TIME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)").unwrap());
/// An id that was made by chance, and none that a command has kept.
static ID: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\bshop-(mol-|wisp-|event-)?[0-9a-z]{3,8}\b").unwrap());

/// The id of a comment.
static UUID: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").unwrap());
/// Where the towns are.
static DIR: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"DIR/|/\S*/town/").unwrap());

/// The formula that the real `bd` poured: it refuses gates, and epics that tasks need.
const SHIP: &str = r#"formula = "ship"
description = "Ships {{version}}."
version = 3
type = "workflow"

[vars.version]
description = "What is shipped"
required = true

[vars.channel]
default = "stable"

[[steps]]
id = "build"
title = "Build {{version}}"
description = "Build it for {{channel}}."
priority = 1
labels = ["area:build"]

[[steps]]
id = "check"
title = "Check it"
type = "bug"
needs = ["build"]

[[steps]]
id = "announce"
title = "Announce {{version}}"
needs = ["check"]
"#;

/// The ids that commands have kept, longest first, each with its name.
#[derive(Default)]
struct Ids(Vec<(String, String)>);

impl Ids {
    fn keep(&mut self, name: &str, id: &str) {
        self.0.push((id.to_owned(), format!("<{name}>")));
        self.0.sort_by_key(|(id, _)| std::cmp::Reverse(id.len()));
    }

    /// A command with the ids in place of their names.
    fn put_in(&self, command: &str) -> String {
        let put = |text: String, (id, name): &(String, String)| {
            text.replace(&format!("{{{}}}", &name[1..name.len() - 1]), id)
        };
        self.0.iter().fold(command.to_owned(), put)
    }

    /// A text without what differs from run to run.
    fn taken_out(&self, text: &str) -> String {
        let text = self.0.iter().fold(text.to_owned(), |text, (id, name)| text.replace(id, name));
        let rules = [(&TIME, "<time>"), (&UUID, "<uuid>"), (&DIR, "<dir>/"), (&ID, "<id>")];
        rules.iter().fold(text, |text, (rule, with)| rule.replace_all(&text, *with).into_owned())
    }

    fn plain(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => json!(self.taken_out(text)),
            Value::Array(items) => items.iter().map(|item| self.plain(item)).collect(),
            Value::Object(map) => {
                map.iter().map(|(key, item)| (self.taken_out(key), self.plain(item))).collect::<Map<_, _>>().into()
            }
            other => other.clone(),
        }
    }
}

/// What an item of a list is known by.
fn key(item: &Value) -> String {
    let at = |name: &str| item[name].as_str().or(item["issue"]["id"].as_str()).or(item["epic"]["id"].as_str());
    let words = [
        at("id"),
        item["depends_on_id"].as_str(),
        item["label"].as_str(),
        item["group"].as_str(),
        item["name"].as_str(),
    ];
    words.into_iter().flatten().next().unwrap_or_default().replace(' ', "_")
}

/// Whether each item of a list has something that it alone is known by.
fn is_keyed(items: &[Value]) -> bool {
    let keys: BTreeSet<String> = items.iter().map(key).collect();
    keys.len() == items.len() && !keys.contains("")
}

/// The places where two answers differ: `-` for what is not here, `+` for what is there only here, `~` for another value.
fn differ(at: &str, real: &Value, here: &Value, found: &mut BTreeMap<String, String>) {
    match (real, here) {
        (Value::Object(real), Value::Object(here)) => {
            for (key, real) in real {
                let at = format!("{at}.{key}");
                match here.get(key) {
                    Some(here) => differ(&at, real, here, found),
                    None => drop(found.insert(format!("-{at}"), real.to_string())),
                }
            }
            // A key more is nothing to whoever reads the others; an answer where there is none is.
            if let Some(more) = here.get("json").filter(|_| at.is_empty() && !real.contains_key("json")) {
                found.insert("+.json".to_owned(), more.to_string());
            }
        }
        (Value::Array(real), Value::Array(here)) if is_keyed(real) && is_keyed(here) => {
            let names = |items: &[Value]| items.iter().map(key).collect::<Vec<_>>();
            let (there, ours) = (names(real), names(here));
            // Those of the same priority come as their times say, and they are made within a second here.
            let urgency = |items: &[Value], others: &[String]| {
                let common = items.iter().filter(|it| others.contains(&key(it)));
                common.map(|it| it["priority"].clone()).collect::<Vec<_>>()
            };
            if at == ".json" && urgency(real, &ours) != urgency(here, &there) {
                found.insert(format!("~{at}[order]"), format!("here {ours:?}, there {there:?}"));
            }
            for (name, item) in there.iter().zip(real) {
                match here.iter().find(|it| key(it) == *name) {
                    Some(other) => differ(&format!("{at}[]"), item, other, found),
                    None => drop(found.insert(format!("-{at}[{name}]"), item.to_string())),
                }
            }
            let more = ours.iter().zip(here).filter(|(name, _)| !there.contains(name));
            found.extend(more.map(|(name, item)| (format!("+{at}[{name}]"), item.to_string())));
        }
        (Value::Array(real), Value::Array(here)) if real.len() == here.len() => {
            real.iter().zip(here).for_each(|(real, here)| differ(&format!("{at}[]"), real, here, found));
        }
        // An error is one in both; its words are ours.
        _ if at == ".json.error" && real.is_string() && here.is_string() => {}
        _ if real == here => {}
        _ => drop(found.insert(format!("~{at}"), format!("here {here}, there {real}"))),
    }
}

/// What counts of an answer.
fn answer(code: i64, out: &str, ids: &Ids) -> Value {
    let mut answer = json!({ "code": code });
    if let Ok(said) = serde_json::from_str::<Value>(out) {
        answer["json"] = ids.plain(&said);
    }
    answer
}

#[test]
fn commands_are_answered_as_a_real_bd_answers_them() {
    let steps: Vec<Value> = serde_json::from_str(include_str!("bd_answers.json")).unwrap();
    let listed = include_str!("bd_differences.txt").lines().filter(|line| !line.starts_with('#'));
    let listed: BTreeMap<&str, &str> = listed.map(|line| line.split_once(" | ").unwrap()).collect();
    let town = TestTown::new();
    town.rig("shop");
    write(&town, "ship", SHIP);
    let (mut real_ids, mut ids) = (Ids::default(), Ids::default());
    let (mut wrong, mut used, mut same) = (Vec::new(), BTreeSet::new(), 0);
    for step in &steps {
        let label = step["label"].as_str().unwrap();
        let command = ids.put_in(step["command"].as_str().unwrap());
        let (code, out) = town.shell(&format!("bd {command}"));
        let said: Value = serde_json::from_str(&out).unwrap_or_default();
        if step["as"].is_string() {
            let id = |of: &Value| of["id"].as_str().or(of["new_epic_id"].as_str()).map(str::to_owned);
            real_ids.keep(label, &id(&step["json"]).unwrap());
            ids.keep(label, &id(&said).unwrap_or_else(|| panic!("{label}: {command}: {out}")));
        }
        let real = answer(step["code"].as_i64().unwrap(), &step["json"].to_string(), &real_ids);
        let real = if step["json"].is_null() { json!({ "code": step["code"] }) } else { real };
        let mut found = BTreeMap::new();
        differ("", &real, &answer(code.into(), &out, &ids), &mut found);
        for (at, what) in &found {
            let key = at.rsplit('.').next().unwrap_or_default();
            let known = [format!("{label} {at}"), format!("* {key}"), format!("{label} *")];
            match known.iter().find_map(|place| listed.get_key_value(place.as_str())) {
                Some((place, _)) => drop(used.insert(*place)),
                None => wrong.push(format!("{label} {at} | {what}")),
            }
        }
        same += usize::from(found.is_empty());
    }
    let unused = listed.iter().filter(|(place, _)| !used.contains(*place));
    wrong.extend(unused.map(|(place, why)| format!("{place} | is the same, although: {why}")));
    assert!(wrong.is_empty(), "{same} are the same; {} are not as expected:\n{}", wrong.len(), wrong.join("\n"));
}
