//! Wisps through the real binary: beads that are not kept, and are shown only where they are asked for.

use crate::town::{TestTown, bead};
use serde_json::json;

#[test]
fn wisps_are_shown_where_they_are_asked_for_and_are_in_no_export() {
    let town = TestTown::new();
    town.rig("shop");
    town.seed([bead("shop-1", &json!({})), bead("shop-w", &json!({"ephemeral": true, "suspend": true}))]);
    let ids = |line: &str| {
        let all = town.data(line);
        all.as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for verb in ["bd list", "bd ready", "bd search title", "bd query type=task"] {
        assert_eq!(ids(verb), ["shop-1"], "{verb}");
    }
    for verb in ["bd list --include-ephemeral", "bd ready --include-ephemeral"] {
        assert_eq!(ids(verb), ["shop-1", "shop-w"], "{verb}");
    }
    assert_eq!(ids("bd query ephemeral=true"), ["shop-w"]);
    assert_eq!(ids("bd show shop-w"), ["shop-w"]);
    assert_eq!(town.person("bd export --id shop-w,shop-1").matches("\"id\"").count(), 1);
    town.person("bd promote shop-w");
    assert_eq!(ids("bd list"), ["shop-1", "shop-w"]);
    town.person("bd update shop-1 --ephemeral");
    assert_eq!(ids("bd list"), ["shop-w"]);
    let made = &town.data("bd create Look --ephemeral --wisp-type heartbeat --rig shop");
    assert_eq!((&made["ephemeral"], &made["wisp_type"]), (&json!(true), &json!("heartbeat")));
}
