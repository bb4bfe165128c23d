//! Accounts: what one is refused, another does.

use gastown::clock::{Clock as _, SystemClock};
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::clis::CLAUDE;
use super::model::{Line, Model};
use super::{one_bead, wait_until, worker};

#[test]
fn what_one_account_is_refused_the_next_one_lands() {
    if !CLAUDE.is_here() {
        return;
    }
    let limited = Model::plays(vec![Line::Refuse(429, "rate_limit_error: try again in 3 hours")]);
    let model = Model::plays(worker("echo $GT_ACCOUNT > one.txt"));
    let mut town = CLAUDE.town(&model);
    // Its own tries take minutes.
    town.set("CLAUDE_CODE_MAX_RETRIES", "1");
    one_bead(&town, "claude");
    let account = |name: &str, port: u16| {
        let url = format!("http://127.0.0.1:{port}");
        format!("{{name: {name}, runtimes: [claude], env: [{{name: ANTHROPIC_BASE_URL, value: '{url}'}}]}}")
    };
    let accounts = [account("first", limited.port), account("second", model.port)].join(", ");
    town.apply(&format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Town\nmetadata: {{name: town}}\nspec: {{capacity: {{polecats: 3}}, trust: Full, accounts: [{accounts}]}}\n"
    ));
    let began = SystemClock.now();
    town.up();
    town.lands("day");
    assert!(!limited.played().is_empty(), "the first was asked");
    assert_eq!(model.played(), [0, 1, 2, 3]);
    let status = town.json(&["town", "town"])["status"]["accounts"].clone();
    let available = |nth: usize| {
        let condition = |it: &&Value| it["type"] == "Available";
        status[nth]["conditions"].as_array().and_then(|all| all.iter().find(condition)).cloned().unwrap_or_default()
    };
    assert_eq!((&status[0]["name"], &available(0)["reason"]), (&"first".into(), &"Limited".into()), "{status}");
    assert_eq!(available(1)["status"], "True", "{status}");
    let until: Timestamp = status[0]["until"].as_str().unwrap().parse().unwrap();
    let ahead = until.duration_since(began);
    assert!(ahead > SignedDuration::from_mins(170) && ahead < SignedDuration::from_mins(190), "until {until}");
    let bead = town.bead("one");
    assert_eq!(bead["status"]["failures"].as_u64().unwrap_or(0), 0, "it is not charged");
    let described = wait_until(&town, "people are told", || {
        Some(town.ok(&["describe", "town/town"])).filter(|text| text.contains("left alone until"))
    });
    assert!(described.contains("first"), "{described}");
}
