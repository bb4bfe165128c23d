//! What a schema does to an object, case by case, in the words of an apiserver.

use serde_json::{Value, json};

use super::*;

fn schema(json: &Value) -> Schema {
    Schema::compile(&serde_json::from_value(json.clone()).unwrap()).unwrap()
}

fn of_spec(spec: &Value) -> Schema {
    schema(&json!({ "type": "object", "properties": { "spec": spec } }))
}

#[track_caller]
fn refuses(spec: &Value, value: &Value, expected: &[&str]) {
    let found = of_spec(spec).validate(&json!({ "spec": value }));
    let lines: Vec<_> = found.iter().map(ToString::to_string).collect();
    assert_eq!(lines, expected, "{spec} on {value}");
}

#[test]
fn a_value_is_checked_against_its_type() {
    let cases = [
        (json!({ "type": "integer" }), json!(3), None),
        (json!({ "type": "integer" }), json!("3"), Some("integer: \"string\"")),
        (json!({ "type": "integer" }), json!(3.5), Some("integer: \"number\"")),
        (json!({ "type": "number" }), json!(3), None),
        (json!({ "type": "string" }), json!(true), Some("string: \"boolean\"")),
        (json!({ "type": "array", "items": { "type": "string" } }), json!({}), Some("array: \"object\"")),
        (json!({ "type": "object" }), json!([]), Some("object: \"array\"")),
        (json!({ "type": "string" }), Value::Null, Some("string: \"null\"")),
        (json!({ "type": "string", "nullable": true }), Value::Null, None),
        (json!({ "x-kubernetes-int-or-string": true }), json!("50%"), None),
        (json!({ "x-kubernetes-int-or-string": true }), json!(5), None),
        (json!({ "x-kubernetes-int-or-string": true }), json!([]), Some("integer,string: \"array\"")),
    ];
    for (spec, value, refused) in cases {
        let got = of_spec(&spec).validate(&json!({ "spec": value }));
        let expected = refused.map(|tail| {
            let name = tail.split(": ").nth(1).unwrap();
            format!("spec: Invalid value: {name}: spec in body must be of type {tail}")
        });
        assert_eq!(got.iter().map(ToString::to_string).next(), expected, "{spec} on {value}");
    }
}

#[test]
fn bounds_are_answered_in_an_apiservers_words() {
    refuses(
        &json!({ "type": "string", "minLength": 2 }),
        &json!("é"),
        &["spec: Invalid value: \"é\": spec in body should be at least 2 chars long"],
    );
    refuses(&json!({ "type": "string", "maxLength": 2 }), &json!("éé"), &[]);
    refuses(
        &json!({ "type": "string", "maxLength": 2 }),
        &json!("abc"),
        &["spec: Too long: may not be more than 2 bytes"],
    );
    refuses(
        &json!({ "type": "string", "pattern": "^a+$" }),
        &json!("b"),
        &["spec: Invalid value: \"b\": spec in body should match '^a+$'"],
    );
    refuses(
        &json!({ "type": "string", "enum": ["Push", "Branch"] }),
        &json!("push"),
        &["spec: Unsupported value: \"push\": supported values: \"Push\", \"Branch\""],
    );
    refuses(
        &json!({ "type": "integer", "minimum": 0 }),
        &json!(-1),
        &["spec: Invalid value: -1: spec in body should be greater than or equal to 0"],
    );
    refuses(
        &json!({ "type": "integer", "maximum": 5, "exclusiveMaximum": true }),
        &json!(5),
        &["spec: Invalid value: 5: spec in body should be less than 5"],
    );
    refuses(
        &json!({ "type": "integer", "multipleOf": 5 }),
        &json!(7),
        &["spec: Invalid value: 7: spec in body should be a multiple of 5"],
    );
    refuses(
        &json!({ "type": "integer", "format": "int32" }),
        &json!(5_000_000_000_i64),
        &["spec: Invalid value: 5000000000: spec in body must be of type int32: 5000000000"],
    );
    refuses(
        &json!({ "type": "string", "format": "date-time" }),
        &json!("yesterday"),
        &["spec: Invalid value: \"yesterday\": spec in body must be of type date-time: \"yesterday\""],
    );
    refuses(&json!({ "type": "string", "format": "date-time" }), &json!("2026-01-02T03:04:05Z"), &[]);
    refuses(
        &json!({ "type": "array", "maxItems": 1, "items": { "type": "string" } }),
        &json!(["a", "b"]),
        &["spec: Too many: 2: must have at most 1 items"],
    );
    refuses(
        &json!({ "type": "array", "minItems": 1, "items": { "type": "string" } }),
        &json!([]),
        &["spec: Invalid value: 0: spec in body should have at least 1 items"],
    );
    let map = json!({ "type": "object", "maxProperties": 1, "additionalProperties": { "type": "string" } });
    refuses(&map, &json!({ "a": "1", "b": "2" }), &["spec: Too many: 2: must have at most 1 items"]);
    refuses(
        &map,
        &json!({ "a": 1 }),
        &["spec[a]: Invalid value: \"integer\": spec[a] in body must be of type string: \"integer\""],
    );
}

#[test]
fn lists_that_are_maps_or_sets_name_a_thing_once() {
    let map = json!({
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
        "items": { "type": "object", "required": ["name"], "properties": { "name": { "type": "string" } } },
    });
    refuses(
        &map,
        &json!([{ "name": "a" }, { "name": "b" }, { "name": "a" }]),
        &["spec[2]: Duplicate value: {\"name\":\"a\"}"],
    );
    refuses(&map, &json!([{}]), &["spec[0].name: Required value"]);
    let set = json!({ "type": "array", "x-kubernetes-list-type": "set", "items": { "type": "string" } });
    refuses(&set, &json!(["a", "a"]), &["spec[1]: Duplicate value: \"a\""]);
}

#[test]
fn choices_count_the_branches_that_fit() {
    let one = json!({ "type": "object", "properties": { "a": { "type": "string" }, "b": { "type": "string" } },
        "oneOf": [{ "required": ["a"] }, { "required": ["b"] }] });
    refuses(&one, &json!({ "a": "" }), &[]);
    refuses(
        &one,
        &json!({}),
        &["spec: Invalid value: {}: \"spec\" must validate one and only one schema (oneOf). Found none valid"],
    );
    assert_eq!(of_spec(&one).validate(&json!({ "spec": { "a": "", "b": "" } })).len(), 1);
    let any = json!({ "type": "integer", "anyOf": [{ "minimum": 5 }, { "maximum": 1 }] });
    refuses(&any, &json!(0), &[]);
    refuses(&any, &json!(3), &["spec: Invalid value: 3: \"spec\" must validate at least one schema (anyOf)"]);
    let not = json!({ "type": "string", "not": { "enum": ["x"] } });
    refuses(&not, &json!("x"), &["spec: Invalid value: \"x\": \"spec\" must not validate the schema (not)"]);
    let all = json!({ "type": "integer", "allOf": [{ "minimum": 5 }, { "minimum": 7 }] });
    assert_eq!(of_spec(&all).validate(&json!({ "spec": 1 })).len(), 2);
}

#[test]
fn unknown_fields_are_dropped_and_named() {
    let schema = schema(&json!({ "type": "object", "properties": {
        "spec": { "type": "object", "properties": {
            "list": { "type": "array", "items": { "type": "object", "properties": { "name": { "type": "string" } } } },
            "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true,
                "properties": { "known": { "type": "object", "properties": {} } } },
            "map": { "type": "object", "additionalProperties": { "type": "object", "properties": {} } },
        } },
    } }));
    let mut object = json!({
        "apiVersion": "v1", "kind": "K", "metadata": { "name": "n", "labels": { "a": "b" } }, "extra": 1,
        "spec": { "nope": 1, "list": [{ "name": "a", "nmae": "b" }], "free": { "x": { "y": 1 }, "known": { "z": 1 } },
            "map": { "k": { "gone": 1 } } },
    });
    let dropped: Vec<_> = schema.prune(&mut object).iter().map(ToString::to_string).collect();
    assert_eq!(dropped, ["extra", "spec.free.known.z", "spec.list[0].nmae", "spec.map[k].gone", "spec.nope"]);
    assert_eq!(
        object,
        json!({
            "apiVersion": "v1", "kind": "K", "metadata": { "name": "n", "labels": { "a": "b" } },
            "spec": { "list": [{ "name": "a" }], "free": { "x": { "y": 1 }, "known": {} }, "map": { "k": {} } },
        })
    );
}

#[test]
fn defaults_fill_what_is_absent_and_null_means_absent() {
    let schema = of_spec(&json!({ "type": "object", "default": {}, "properties": {
        "n": { "type": "integer", "default": 3 },
        "opt": { "type": "string", "nullable": true, "default": "d" },
        "plain": { "type": "string" },
        "list": { "type": "array", "items": { "type": "object", "properties": { "on": { "type": "boolean", "default": true } } } },
    } }));
    for (before, after) in [
        (json!({}), json!({ "spec": { "n": 3, "opt": "d" } })),
        (json!({ "spec": { "n": null, "opt": null, "plain": null } }), json!({ "spec": { "n": 3, "opt": null } })),
        (
            json!({ "spec": { "n": 1, "opt": "", "list": [{}] } }),
            json!({ "spec": { "n": 1, "opt": "", "list": [{ "on": true }] } }),
        ),
    ] {
        let mut object = before.clone();
        schema.default(&mut object);
        assert_eq!(object, after, "{before}");
    }
}

#[test]
fn rules_run_where_they_stand_and_transition_rules_only_on_update() {
    let schema = of_spec(&json!({ "type": "object", "properties": {
        "repo": { "type": "string", "maxLength": 9,
            "x-kubernetes-validations": [{ "rule": "self == oldSelf", "message": "repo is immutable" }] },
        "beads": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"],
            "items": { "type": "object", "properties": { "name": { "type": "string" }, "n": { "type": "integer" } },
                "x-kubernetes-validations": [
                    { "rule": "self.n < 9", "messageExpression": "'n is ' + string(self.n)", "fieldPath": ".n" },
                    { "rule": "self.n >= oldSelf.n", "message": "n never falls", "reason": "FieldValueForbidden" },
                ] } },
        "plain": { "type": "array", "items": { "type": "integer",
            "x-kubernetes-validations": [{ "rule": "self == oldSelf" }] } },
    } }));
    let cel = |new: Value, old: Option<Value>| -> Vec<String> {
        let old = old.map(|it| json!({ "spec": it }));
        schema.cel(&json!({ "spec": new }), old.as_ref()).iter().map(ToString::to_string).collect()
    };
    assert_eq!(cel(json!({ "repo": "a" }), None), [""; 0]);
    assert_eq!(cel(json!({ "repo": "a" }), Some(json!({ "repo": "a" }))), [""; 0]);
    assert_eq!(
        cel(json!({ "repo": "b" }), Some(json!({ "repo": "a" }))),
        ["spec.repo: Invalid value: \"b\": repo is immutable"]
    );
    assert_eq!(
        cel(json!({ "beads": [{ "name": "a", "n": 9 }] }), None),
        ["spec.beads[0].n: Invalid value: \"object\": n is 9"]
    );
    // Items of a map-list are paired by key, whatever their order; those of a plain list have no past.
    let (ab, ba) = (
        json!({ "beads": [{ "name": "a", "n": 1 }, { "name": "b", "n": 2 }], "plain": [1] }),
        json!({ "beads": [{ "name": "b", "n": 2 }, { "name": "a", "n": 1 }], "plain": [2] }),
    );
    assert_eq!(cel(ba, Some(ab.clone())), [""; 0]);
    assert_eq!(
        cel(json!({ "beads": [{ "name": "b", "n": 1 }] }), Some(ab)),
        ["spec.beads[0]: Forbidden: n never falls"]
    );
}

#[test]
fn rules_of_the_object_see_of_metadata_only_the_name() {
    let schema = schema(&json!({ "type": "object",
        "x-kubernetes-validations": [
            { "rule": "self.metadata.name == 'town'", "message": "must be named town" },
            { "rule": "!has(self.metadata.labels)", "message": "labels are not seen" },
        ],
        "properties": { "metadata": { "type": "object" } } }));
    let named = |name: &str| schema.cel(&json!({ "metadata": { "name": name, "labels": { "a": "b" } } }), None);
    assert_eq!(named("town"), []);
    assert_eq!(named("x")[0].to_string(), "<nil>: Invalid value: \"object\": must be named town");
}

#[test]
fn what_cannot_be_run_is_refused_when_compiled() {
    for (bad, why) in [
        (json!({ "type": "strnig" }), "unknown type `strnig`"),
        (json!({ "type": "string", "pattern": "(" }), "the pattern does not compile"),
        (
            json!({ "type": "string", "x-kubernetes-validations": [{ "rule": "self ==" }] }),
            "failed to compile CEL rule",
        ),
        (json!({ "$ref": "#/x" }), "$ref is not allowed"),
    ] {
        let props = json!({ "type": "object", "properties": { "spec": bad } });
        let error = Schema::compile(&serde_json::from_value(props).unwrap()).unwrap_err().to_string();
        assert!(error.starts_with("schema at spec: ") && error.contains(why), "{error}");
    }
}
