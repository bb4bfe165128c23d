//! Formula: whether steps can be made of it.

use crate::common::*;
use gastown_controllers::kinds::formula::CONTROLLER;
use gastown_crds::Formula;
use serde_json::json;

#[test]
fn a_var_that_nobody_gives_is_named() {
    let mut scene = Scene::default();
    let key = CONTROLLER.key("work");
    insta::assert_snapshot!(said(&scene.plan(&key)), @"work: Ready=True Ok");
    scene.add::<Formula>(object("work", json!({"steps": [{"name": "work", "run": "{{nothing}}"}]})));
    insta::assert_snapshot!(said(&scene.plan(&key)), @"work: Ready=False InvalidFormula (step `work` uses `{{nothing}}`, which is no var of the formula)");
}
