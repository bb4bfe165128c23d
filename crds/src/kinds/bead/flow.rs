//! What of a formula's step is decided while it is worked on: whether it is done at all, how often, and what follows from its output.
//!
//! Written where a formula is poured; the words of conditions are those of Beads' formulas. Loops and lists keep the beads that they
//! make as a text, in which tokens stand for what is known only then.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::BeadSpec;

/// Items of a step's output for each of which beads are made, at most.
pub const ITEMS_MAX: usize = 256;
/// Beads that a loop makes for one iteration, or a list for one item, at most.
pub const MADE_MAX: usize = 256;

/// Beads that a list makes for all of its items, at most.
pub const MADE_OF_ALL_MAX: usize = 4096;
/// Longest title of a bead, in characters, as its schema has it.
const TITLE_CHARS_MAX: usize = 500;

/// What of a step is decided while it is worked on.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, Default)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Flow {
    /// Its id in the formula, by which conditions name it.
    #[schemars(length(min = 1, max = 256))]
    pub step: String,
    /// It is done only where this holds, once nothing else keeps it; else it is closed as skipped, and its parts with it. Such as
    /// `build.status == 'complete'` or `scan.output.count > 3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub condition: Option<String>,
    /// It consists of iterations, the next of which is made once all parts of the last are closed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repeat: Option<Repeat>,
    /// How often it is tried. Default: the town's `backoffLimit`, then a person is needed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// What is made for each item of its output once it is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub for_each: Option<ForEach>,
}

/// Iterations until something is so.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Repeat {
    /// There is no other iteration once this holds.
    #[schemars(length(min = 1, max = 1024))]
    pub until: String,
    /// Iterations at most, the first one included. After the last, what needs the loop goes on whether `until` holds or not.
    #[schemars(range(min = 1, max = 1000))]
    pub max: u32,
    /// The iteration that it is at. Default: 1.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    #[schemars(range(min = 1, max = 1000))]
    pub iteration: u32,
    /// What stands for the number of an iteration in `body`.
    #[schemars(length(min = 3, max = 16))]
    pub token: String,
    /// The beads of one iteration: a JSON list of names and specs, each after what it needs. The token with `@` in the place of
    /// `#` stands for the name of the loop.
    #[schemars(length(min = 2, max = 131_072))]
    pub body: String,
}

/// How often a step is tried.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Retry {
    /// Attempts at most, the first one included.
    #[schemars(range(min = 1, max = 1000))]
    pub max_attempts: u32,
    /// What happens after the last one has failed. Default: HardFail.
    #[serde(default)]
    pub on_exhausted: OnExhausted,
}

/// What happens once a step was tried as often as it may be.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, JsonSchema)]
pub enum OnExhausted {
    /// It is set aside for a person, and what needs it waits.
    #[default]
    HardFail,
    /// It is closed as failed, and what needs it goes on.
    SoftFail,
}

/// What is made for each item of a list in a step's output. The output of a step is the object `output` in its `metadata`.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ForEach {
    /// The field of the output that holds the list. One of more than 256 items is refused whole.
    #[schemars(length(min = 1, max = 256))]
    pub field: String,
    /// One item after the other. Default: all beside each other.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub sequential: bool,
    /// How many items beads were made for. Default: none so far.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(max = 256))]
    pub made: Option<u32>,
    /// The beads of one item: a JSON list of names and specs, the first of which the others are parts of. `{item}`,
    /// `{item.field}` and `{index}`, from 0, stand for the item; `{@each}` for the name of this bead.
    #[schemars(length(min = 2, max = 131_072))]
    pub body: String,
}

/// A bead that a loop or a list makes.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(deny_unknown_fields)]
pub struct Made {
    /// Its name.
    pub name: String,
    /// The bead.
    pub spec: BeadSpec,
}

impl Flow {
    /// The texts in which beads are kept that it makes.
    pub fn bodies(&self) -> impl Iterator<Item = &str> {
        let repeat = self.repeat.iter().map(|repeat| repeat.body.as_str());
        repeat.chain(self.for_each.iter().map(|each| each.body.as_str()))
    }
}

fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands it a reference")]
fn is_first(iteration: &u32) -> bool {
    *iteration == first()
}

impl Repeat {
    /// The beads of an iteration of the loop that is called `base`, each after what it needs.
    pub fn made(&self, base: &str, iteration: u32) -> Result<Vec<Made>, String> {
        let (number, name) = (iteration.to_string(), self.token_of_name());
        made(&self.body, base, &|text| text.replace(&name, base).replace(&self.token, &number))
    }

    /// What stands for the name of the loop in `body`.
    pub fn token_of_name(&self) -> String {
        self.token.replace('#', "@")
    }
}

impl ForEach {
    /// What stands for the name of the step in `body`.
    pub const TOKEN_OF_NAME: &str = "{@each}";

    /// The beads of an item, each after what it needs; the first of them stands for all. `base` is the name of the step.
    pub fn made(&self, base: &str, index: usize, item: &Value) -> Result<Vec<Made>, String> {
        made(&self.body, base, &|text| with_item(&text.replace(Self::TOKEN_OF_NAME, base), index, item))
    }

    /// The items in what is kept of a step for tools; none where there is no such list.
    pub fn items(&self, metadata: Option<&str>) -> Option<Vec<Value>> {
        match output(metadata, &self.field) {
            Some(Value::Array(items)) => Some(items),
            _ => None,
        }
    }
}

/// A field of a step's output, which is the object `output` of its metadata; `a.b` is the field `b` of `a`.
pub fn output(metadata: Option<&str>, field: &str) -> Option<Value> {
    let metadata: Value = serde_json::from_str(metadata?).ok()?;
    field.split('.').try_fold(metadata.get("output")?, |value, name| value.get(name)).cloned()
}

/// A value as a text: as it is, if it is one, else as JSON.
pub fn text_of(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn made(body: &str, base: &str, fill: &dyn Fn(&str) -> String) -> Result<Vec<Made>, String> {
    let mut beads: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
    filled(&mut beads, fill);
    let mut beads: Vec<Made> = serde_json::from_value(beads).map_err(|error| error.to_string())?;
    // Whoever wrote the text has a say in what is below this bead, and in no other.
    let is_below = |name: &str| name.strip_prefix(base).is_some_and(|rest| rest.starts_with('.'));
    for bead in &mut beads {
        let parent = bead.spec.parent.as_deref();
        if !is_below(&bead.name) || !parent.is_some_and(|parent| parent == base || is_below(parent)) {
            return Err(format!("`{}` would be no part of {base}", bead.name));
        }
        // A title is only read: one that grew too long is cut.
        bead.spec.title = bead.spec.title.chars().take(TITLE_CHARS_MAX).collect();
    }
    Ok(beads)
}

/// Fills in every text, also of the beads that are made by loops among these.
fn filled(value: &mut Value, fill: &dyn Fn(&str) -> String) {
    match value {
        Value::String(text) => *text = fill(text),
        Value::Array(list) => list.iter_mut().for_each(|value| filled(value, fill)),
        Value::Object(fields) => {
            for (key, value) in fields {
                let inner = value.as_str().filter(|_| key == "body").map(serde_json::from_str::<Value>);
                if let Some(Ok(mut inner)) = inner {
                    filled(&mut inner, fill);
                    *value = Value::String(inner.to_string());
                } else {
                    filled(value, fill);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A text with `{item}`, `{item.field}` and `{index}` filled in. What was filled in is not read again.
fn with_item(text: &str, index: usize, item: &Value) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(open) = rest.find('{') {
        let (before, behind) = rest.split_at(open);
        filled.push_str(before);
        let named = behind.find('}').and_then(|end| behind.get(1..end));
        let value = match named {
            Some("index") => Some(index.to_string()),
            Some("item") => Some(text_of(item)),
            Some(name) => name.strip_prefix("item.").map(|field| {
                let value = field.split('.').try_fold(item, |value, name| value.get(name));
                value.map(text_of).unwrap_or_default()
            }),
            None => None,
        };
        let taken = if let (Some(value), Some(name)) = (value, named) {
            filled.push_str(&value);
            name.len() + 2
        } else {
            filled.push('{');
            1
        };
        rest = behind.get(taken..).unwrap_or_default();
    }
    filled.push_str(rest);
    filled
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn repeat(body: &Value) -> Repeat {
        let (until, token) = ("steps.complete > 1".to_owned(), "{#1}".to_owned());
        Repeat { until, max: 3, iteration: 1, token, body: body.to_string() }
    }

    #[test]
    fn an_iteration_has_its_number_in_all_that_it_makes() {
        let inner = repeat(&json!([{"name": "{@2}.{#2}-s", "spec": {"title": "S {#1} {#2}", "parent": "{@2}"}}]));
        let spec = json!({"title": "Round {#1}", "needs": ["{@1}.{#1}-b"], "parent": "{@1}",
            "flow": {"step": "go.iter{#1}.a", "repeat": {"until": "a.status == 'complete'", "max": 2, "token": "{#2}", "body": inner.body}}});
        let made = repeat(&json!([{"name": "{@1}.{#1}-a", "spec": spec}])).made("m.go", 2).unwrap();
        let spec = &made[0].spec;
        assert_eq!((&*made[0].name, &*spec.title, &*spec.needs[0]), ("m.go.2-a", "Round 2", "m.go.2-b"));
        let flow = spec.flow.as_ref().unwrap();
        assert_eq!((flow.step.as_str(), spec.parent.as_deref()), ("go.iter2.a", Some("m.go")));
        let inner = flow.repeat.as_ref().unwrap().made("m.go.2-a", 1).unwrap();
        assert_eq!((&*inner[0].name, &*inner[0].spec.title), ("m.go.2-a.1-s", "S 2 1"));
    }

    #[test]
    fn an_item_is_filled_in_once_and_cannot_break_out_of_its_text() {
        let spec = json!({"title": "{index}: {item.name} {item} {other}", "description": "{item.gone}{", "parent": "{@each}",
            "flow": {"step": "a", "repeat": {"until": "u", "max": 1, "token": "{#1}", "body": json!([{"name": "{@1}.x", "spec": {"title": "{item.name}", "parent": "{@1}"}}]).to_string()}}});
        let body = json!([{"name": "{@each}.{index}", "spec": spec}]).to_string();
        let each = ForEach { field: "files".into(), sequential: false, made: None, body };
        let item = json!({"name": "a \"{index}\" \\ b"});
        let made = each.made("m.scan", 3, &item).unwrap();
        assert_eq!(made[0].name, "m.scan.3");
        assert_eq!(made[0].spec.title, format!("3: a \"{{index}}\" \\ b {item} {{other}}"));
        assert_eq!(made[0].spec.description.as_deref(), Some("{"));
        let inner = made[0].spec.flow.as_ref().unwrap().repeat.as_ref().unwrap().made("l", 1).unwrap();
        assert_eq!(inner[0].spec.title, "a \"{index}\" \\ b");
        let long = each.made("m.scan", 3, &json!("x".repeat(2000))).unwrap();
        assert_eq!(long[0].spec.title.chars().count(), 500);
    }

    #[test]
    fn nothing_is_made_but_parts_of_the_bead() {
        let made = |name: &str, parent: &str| {
            repeat(&json!([{"name": name, "spec": {"title": "t", "parent": parent}}])).made("m.go", 2)
        };
        assert!(made("{@1}.{#1}-a", "{@1}").is_ok() && made("{@1}.{#1}-a", "m.go.2-b").is_ok());
        for (name, parent) in [("m.other", "{@1}"), ("m.gone", "{@1}"), ("{@1}.a", "m.other"), ("{@1}.a", "m.gone")] {
            assert!(made(name, parent).unwrap_err().contains("no part of m.go"), "{name} {parent}");
        }
    }

    #[test]
    fn the_output_of_a_step_is_in_its_metadata() {
        let metadata = json!({"output": {"files": ["a", {"b": 1}], "n": {"m": 3}}}).to_string();
        let each = |field: &str| ForEach { field: field.into(), sequential: false, made: None, body: "[]".into() };
        assert_eq!(each("files").items(Some(&metadata)).unwrap(), [json!("a"), json!({"b": 1})]);
        assert_eq!(output(Some(&metadata), "n.m"), Some(json!(3)));
        assert_eq!((each("n").items(Some(&metadata)), each("files").items(None)), (None, None));
    }
}
