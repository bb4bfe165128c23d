//! The commands that the documents show from which the project started, as they show them, by document and section.
//!
//! What is not here is not built yet: Boot and its dogs, mail, patrols.

use crate::town::{TestTown, bead};
use serde_json::json;

struct Shown {
    /// The document and its section.
    at: &'static str,
    /// The command; `~` stands for a blank within a word.
    command: &'static str,
    /// What its output holds.
    says: &'static str,
}

const fn shown(at: &'static str, command: &'static str, says: &'static str) -> Shown {
    Shown { at, command, says }
}

const MUTED: &str = "bd create --type=event --event-type=patrol.muted --actor=human:overseer --target=agent:deacon \
                     --payload={\"reason\":\"fixing~convoy~deadlock\",\"until\":\"gt-abc1\"}";
const DEGRADED: &str = "bd create --type=event --event-type=mode.degraded --actor=system:daemon --target=rig:greenplace \
                        --payload={\"reason\":\"tmux~unavailable\"}";

/// In the order in which they are run: later ones see what earlier ones did.
const ALL: [Shown; 33] = [
    shown("001 Creating Events", MUTED, "patrol.muted  by human:overseer  to agent:deacon"),
    shown("001 Creating Events", DEGRADED, "mode.degraded  by system:daemon  to rig:greenplace"),
    shown(
        "001 Event Types",
        "bd create --type=event --event-type=patrol.unmuted --target=agent:deacon",
        "patrol.unmuted",
    ),
    shown(
        "001 Event Types",
        "bd create --type=event --event-type=agent.started --target=agent:deacon",
        "agent.started",
    ),
    shown(
        "001 Event Types",
        "bd create --type=event --event-type=agent.stopped --target=agent:deacon",
        "agent.stopped",
    ),
    shown(
        "001 Event Types",
        "bd create --type=event --event-type=mode.normal --target=rig:greenplace --payload={}",
        "mode.normal",
    ),
    shown("001 Querying Events", "bd list --type=event --target=agent:deacon --limit=10", "fixing convoy deadlock"),
    shown("001 Querying Events", "bd list --type=event --event-type=patrol.muted", "gt-abc1"),
    shown("001 Querying Events", "bd list --type=event --event-type=patrol.unmuted", "patrol.unmuted"),
    shown("001 Querying Events", "bd activity --type=event", "mode.degraded"),
    shown(
        "001 State Change Flow",
        "bd create --type=role --id=role-deacon --labels=patrol:active Deacon",
        "role-deacon",
    ),
    shown(
        "001 State Change Flow",
        "bd create --type=role --id=role-greenplace --labels=mode:normal Greenplace",
        "role-greenplace",
    ),
    shown(
        "001 State Change Flow",
        "bd update role-deacon --add-label=patrol:muted --remove-label=patrol:active",
        "role-deacon",
    ),
    shown("001 Querying Current State", "bd show role-deacon", "patrol:muted"),
    shown("001 Querying Current State", "bd list --type=role --label=patrol:muted", "role-deacon"),
    shown(
        "001 State Change Flow",
        "bd update role-deacon --add-label=patrol:active --remove-label=patrol:muted",
        "role-deacon",
    ),
    shown(
        "002 Recording Degraded Mode",
        "bd update role-greenplace --add-label=mode:degraded --remove-label=mode:normal",
        "role-greenplace",
    ),
    shown("001 Querying Current State", "bd list --type=role --label=mode:degraded", "role-greenplace"),
    shown("002 Commands Summary", "bd list --type=event --target=rig:greenplace", "tmux unavailable"),
    shown("004 Beads", "bd create --title=Fix~auth~bug --type=bug --priority=2 --id=gt-abc", "gt-abc"),
    shown("004 Beads", "bd show gt-abc", "Fix auth bug"),
    shown("004 Beads", "bd ready", "gt-abc"),
    shown("004 Work protocol", "bd update gt-abc --notes Findings:~what~was~discovered", "gt-abc"),
    shown("004 Work protocol", "bd update gt-abc --design structured~findings", "gt-abc"),
    shown("004 Beads", "bd close gt-abc", "gt-abc"),
    shown("004 Beads", "bd list --status=closed", "gt-abc"),
    shown("004 Beads", "bd dep add gt-def gt-abc", "gt-def depends on gt-abc"),
    shown("000 Beads", "bd list --status=open", "gt-def"),
    shown("000 Beads", "bd list --status=in_progress", "shop-1"),
    shown("000 Beads", "bd blocked", "nothing is blocked"),
    shown("000 Beads", "bd export", "\"id\":\"gt-def\""),
    shown("000 Beads", "bd doctor", "nothing wrong between them"),
    shown("004 Dolt", "bd sync", ""),
];

#[test]
fn each_command_works_as_it_is_shown() {
    let town = TestTown::new();
    town.seed_hooked();
    town.seed([bead("gt-def", &json!({"suspend": true}))]);
    let mut wrong = Vec::new();
    for Shown { at, command, says } in ALL {
        let answer = town.person(command);
        if !answer.starts_with("exit 0\n") || !answer.contains(says) {
            wrong.push(format!("{at}: {command}\n{answer}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} fail:\n{}", wrong.len(), ALL.len(), wrong.join("\n"));
}
