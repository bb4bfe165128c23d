//! References by name: each field that the registry says names an object has to lead to one.

use serde_json::Value;

use super::set::Set;
use crate::kinds::{Kind, Reference};
use crate::manifest::{Manifest, Step};

/// Checks every reference of one object.
pub(super) fn check(set: &mut Set<'_>, manifest: &Manifest) {
    let references = Kind::named(&manifest.kind).map_or(&[][..], |kind| kind.references);
    if references.is_empty() {
        return;
    }
    let value = manifest.value();
    let Some(spec) = value.get("spec") else { return };
    for Reference { field, kind } in references {
        for (path, name) in named(spec, field) {
            set.refer(manifest, [Step::Field("spec")].into_iter().chain(path), kind, name);
        }
    }
}

/// The names that stand in a field, each with its place: one, or one for each item of the lists on the way.
pub(crate) fn named<'a>(spec: &'a Value, field: &'a str) -> Vec<(Vec<Step<'a>>, &'a str)> {
    let mut found = vec![(Vec::new(), spec)];
    for step in field.split('.') {
        let (name, is_list) = step.strip_suffix("[]").map_or((step, false), |name| (name, true));
        let into_field = |(mut path, value): (Vec<Step<'a>>, &'a Value)| {
            path.push(Step::Field(name));
            value.get(name).map(|value| (path, value))
        };
        found = found.into_iter().filter_map(into_field).collect();
        if is_list {
            found = found.iter().flat_map(|(path, list)| items(path, list)).collect();
        }
    }
    found.into_iter().filter_map(|(path, value)| value.as_str().map(|name| (path, name))).collect()
}

/// The items of a list, each with its place.
fn items<'a>(path: &[Step<'a>], list: &'a Value) -> impl Iterator<Item = (Vec<Step<'a>>, &'a Value)> {
    let items = list.as_array().into_iter().flatten().enumerate();
    items.map(move |(at, item)| ([path, &[Step::Item(at)]].concat(), item))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_name_is_found_however_deep_its_field_is() {
        let spec = json!({"rig": "a", "on": {"rigs": ["b", "c"]}, "steps": [{"by": {"rig": "d"}}, {}, {"by": 1}]});
        let names = |field: &'static str| named(&spec, field).into_iter().map(|(_, name)| name).collect::<Vec<_>>();
        assert_eq!(names("rig"), ["a"]);
        assert_eq!(names("on.rigs[]"), ["b", "c"]);
        assert_eq!(names("steps[].by.rig"), ["d"]);
        assert_eq!(names("steps[]").len() + names("nothing.rig").len() + names("rig[].x").len(), 0);
        let places: Vec<_> = named(&spec, "on.rigs[]").into_iter().map(|(path, _)| path).collect();
        assert_eq!(places[1], [Step::Field("on"), Step::Field("rigs"), Step::Item(1)]);
    }
}
