//! The next step for an object, chosen from its conditions: what a person would want to type.

use std::collections::BTreeSet;

use gastown_crds::common::{Condition, ConditionStatus, condition, reasons, types};
use kube::api::DynamicObject;

use crate::insight::Blocker;
use crate::insight::text::quoted;

/// Reasons of waiting for something else: what that is, is the next step.
const HANGS_ON_OTHERS: [&str; 10] = [
    reasons::NEEDS_OPEN,
    reasons::READY,
    reasons::CLAIMED,
    reasons::LANDING,
    reasons::SUSPENDED,
    reasons::QUEUED,
    reasons::VERIFYING,
    reasons::PUSHING,
    reasons::IN_PROGRESS,
    reasons::NEEDS_YOU,
];

/// Most blockers that are named; `gt status` lists what needs somebody.
const BLOCKERS_MAX: usize = 3;

/// What the next step depends on.
pub struct Facts<'a> {
    /// The object's kind.
    pub kind: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its conditions.
    pub conditions: &'a [Condition],
    /// The object.
    pub object: &'a DynamicObject,
    /// Whether a controller runs.
    pub up: bool,
    /// What blocks it.
    pub blockers: &'a BTreeSet<Blocker>,
}

/// The next step.
pub fn step(facts: &Facts<'_>) -> String {
    let Facts { kind, name, conditions, object, up, blockers: _ } = facts;
    if object.metadata.deletion_timestamp.is_some() {
        let what = match *kind {
            "Convoy" => "it goes once nobody works on its beads any more, and none of its branches is landing",
            _ => "it goes once its work is rescued and cleaned up",
        };
        return if *up { format!("nothing: {what}") } else { format!("`gt up`: {what}") };
    }
    let waits = match main_condition(kind, conditions) {
        Some(main) => kept(facts, main).or_else(|| by_reason(facts, main)),
        None if *up => Some("nothing yet: its controller is about to look at it".to_owned()),
        None => None,
    };
    match waits {
        Some(step) => step,
        None if !up && !is_over(conditions) => "`gt up`: the town is down, so nothing moves".to_owned(),
        None => by_kind(kind, name, conditions),
    }
}

/// What it hangs on, where that does not go on by itself or is in trouble.
fn kept(facts: &Facts<'_>, main: &Condition) -> Option<String> {
    if !HANGS_ON_OTHERS.contains(&main.reason.as_str()) {
        return None;
    }
    let word = if facts.kind == "MergeRequest" { "mr".to_owned() } else { facts.kind.to_lowercase() };
    let own = format!("{word}/{}", facts.name);
    let mut others: Vec<&Blocker> = facts.blockers.iter().filter(|blocker| blocker.object != own).collect();
    others.sort_by_key(|blocker| !blocker.needs_person);
    let first = others.first().filter(|first| first.needs_person || facts.up)?;
    let look: Vec<String> =
        others.iter().take(BLOCKERS_MAX).map(|blocker| format!("`{}` ({})", blocker.next(), blocker.why)).collect();
    let look = look.join("; ");
    Some(if first.needs_person {
        format!("it needs you first: {look}")
    } else {
        format!("see {look}; it is tried again by itself")
    })
}

/// The condition that says whether all is well.
fn main_condition<'a>(kind: &str, conditions: &'a [Condition]) -> Option<&'a Condition> {
    if let Some(set_aside) = condition(conditions, types::SET_ASIDE).filter(|c| c.status == ConditionStatus::True) {
        return Some(set_aside);
    }
    if let Some(base_red) = condition(conditions, types::BASE_RED).filter(|c| c.status == ConditionStatus::True) {
        return Some(base_red);
    }
    let type_ = match kind {
        "Convoy" => types::LANDED,
        "MergeRequest" => types::MERGED,
        _ => types::READY,
    };
    condition(conditions, type_)
}

fn is_over(conditions: &[Condition]) -> bool {
    [types::LANDED, types::MERGED, types::CLOSED]
        .iter()
        .any(|type_| condition(conditions, type_).is_some_and(|c| c.status == ConditionStatus::True))
}

/// What a reason asks of a person; none where it asks nothing.
fn by_reason(facts: &Facts<'_>, main: &Condition) -> Option<String> {
    let Facts { kind, name, object, .. } = facts;
    let spec = |path: &str| object.data.pointer(path).and_then(serde_json::Value::as_str).unwrap_or("…").to_owned();
    let rework = |field: &str| object.data.pointer(&format!("/status/rework/{field}")).and_then(|it| it.as_str());
    Some(match main.reason.as_str() {
        reasons::TOO_MANY_ATTEMPTS if *kind == "Bead" && rework("mergeRequest").is_some() => {
            let request = rework("mergeRequest").unwrap_or("…");
            format!(
                "read why it came back, `gt logs mr/{request}`; then change the bead's text in its convoy and `gt apply` \
                 it: that tries again"
            )
        }
        reasons::TOO_MANY_ATTEMPTS => format!(
            "read the last output, `gt logs bead/{name}`; mend it, then change the bead's text in its convoy and \
             `gt apply` it: that tries again"
        ),
        reasons::NEEDS_YOU => {
            format!(
                "beads are set aside: `gt get beads -l gastown.io/convoy={name} --field-selector status.state=SetAside`"
            )
        }
        reasons::REF_NOT_FOUND => {
            "declare what is missing, and `gt apply -f` it; this goes on by itself then".to_owned()
        }
        reasons::TARGET_CHECKED_OUT if spec("/spec/merge/whenCheckedOut") == "Update" => {
            format!("commit or stash the changes in {}; it goes on by itself then", spec("/spec/repo/url"))
        }
        reasons::TARGET_CHECKED_OUT => format!(
            "the branch is checked out in {}. Choose: `merge.whenCheckedOut: Update` lets its files follow, or check \
             out another branch there",
            spec("/spec/repo/url")
        ),
        reasons::TARGET_PROTECTED => {
            "the remote takes no push to this branch: `merge.strategy: Branch`, then merge the branches there"
                .to_owned()
        }
        reasons::TARGET_SHARED => "two rigs land on one branch: `gt delete` one of them".to_owned(),
        reasons::AUTH_REQUIRED => format!(
            "git needs a key or password, and never asks here: try `git ls-remote {}` until it works without asking",
            quoted(&spec("/spec/repo/url"))
        ),
        reasons::BRANCH_NOT_FOUND => "push a first commit to that branch, or name another in `repo.branch`".to_owned(),
        reasons::CLONE_FAILED | reasons::FETCH_FAILED => {
            format!("see that `git ls-remote {}` works; it is tried again by itself", quoted(&spec("/spec/repo/url")))
        }
        reasons::BASE_RED if *kind == "Rig" => {
            "mend the branch itself, its own tests fail; nobody's work is blamed meanwhile".to_owned()
        }
        reasons::BASE_RED => "the target's own tests fail: `gt describe rig/".to_owned() + &spec("/spec/rig") + "`",
        reasons::PUSH_REFUSED => {
            "do what its message says about the branch; the push is tried again by itself".to_owned()
        }
        reasons::VERIFY_ERROR if *kind == "Rig" => {
            "correct `merge.verify` of the rig and `gt apply -f` it, or mend the branch; nobody's work is blamed"
                .to_owned()
        }
        reasons::VERIFY_ERROR => {
            "the check could not run at all: see its log above; is everything it uses installed?".to_owned()
        }
        reasons::COMMAND_NOT_FOUND => {
            "install the program that is named above; `gt doctor` lists what is missing".to_owned()
        }
        reasons::INVALID_FORMULA => {
            "correct the formula, or the vars that its bead gives it, and `gt apply -f` it".to_owned()
        }
        reasons::SUSPENDED => "take `suspend: true` out where it stands, and `gt apply -f` it".to_owned(),
        reasons::SETUP_FAILED => "mend `workspace.setup` of its rig; it is tried again by itself".to_owned(),
        reasons::STRAYS => format!("processes of an ended session are being ended; `gt logs polecat/{name}`"),
        reasons::UNKNOWN => "nothing is done on a guess: see the message above, and `gt doctor`".to_owned(),
        reasons::BRANCH_READY => {
            let oid = object.data.pointer("/status/landed").and_then(serde_json::Value::as_str).unwrap_or_default();
            format!("merge `gastown/{}` ({}) into the target", spec("/spec/bead"), oid.get(..9).unwrap_or(oid))
        }
        reasons::RED => format!(
            "nothing: the work came back to its bead, `gt describe bead/{}`; `gt logs mr/{name}`",
            spec("/spec/bead")
        ),
        reasons::CONFLICT => {
            format!("nothing: the work came back to its bead, `gt describe bead/{}`", spec("/spec/bead"))
        }
        reasons::WORKING => format!("`gt attach {name}` to watch it, `gt logs -f polecat/{name}` to read along"),
        reasons::CLAIMED => format!("`gt logs -f bead/{name}` to read along"),
        reasons::IN_PROGRESS if facts.up => {
            format!("`gt wait convoy/{name} --for=condition=Landed --timeout 1h` tells what happens")
        }
        _ => return None,
    })
}

fn by_kind(kind: &str, name: &str, conditions: &[Condition]) -> String {
    match kind {
        "Convoy" if is_over(conditions) => {
            "nothing: it has landed. More beads may be added to it at any time".to_owned()
        }
        "Bead" if is_over(conditions) => "nothing: it is closed".to_owned(),
        "MergeRequest" if is_over(conditions) => "nothing: it has landed".to_owned(),
        "Rig" => "declare work for it: a Convoy with `rig: ".to_owned() + name + "`, then `gt apply -f` it",
        "Town" => "`gt status` says what is going on".to_owned(),
        "Polecat" => "nothing: it takes the next ready bead".to_owned(),
        "Formula" | "Runtime" => "nothing: it is used where it is named".to_owned(),
        _ => "nothing: it goes on by itself".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn next(kind: &str, type_: &str, status: &str, reason: &str, up: bool) -> String {
        let conditions: Vec<Condition> = if type_.is_empty() {
            Vec::new()
        } else {
            serde_json::from_value(json!([{
                "type": type_, "status": status, "reason": reason, "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z"
            }]))
            .unwrap()
        };
        let object: DynamicObject = serde_json::from_value(
            json!({"metadata": {"name": "x"}, "spec": {"repo": {"url": "/src/shop"}, "bead": "shop-a"}}),
        )
        .unwrap();
        step(&Facts { kind, name: "x", conditions: &conditions, object: &object, up, blockers: &BTreeSet::new() })
    }

    #[test]
    fn what_needs_a_person_says_what_to_do() {
        assert!(next("Bead", "SetAside", "True", reasons::TOO_MANY_ATTEMPTS, true).contains("gt logs bead/x"));
        assert!(next("Rig", "Ready", "False", reasons::TARGET_CHECKED_OUT, true).contains("whenCheckedOut: Update"));
        assert!(next("Rig", "Ready", "False", reasons::AUTH_REQUIRED, true).contains("git ls-remote /src/shop"));
        assert!(next("Convoy", "Landed", "False", reasons::REF_NOT_FOUND, true).contains("gt apply"));
    }

    #[test]
    fn a_bead_that_came_back_names_what_says_why() {
        let next = |why: &str| {
            let rework = json!({"kind": why, "mergeRequest": "shop-a-1"});
            let object = json!({"metadata": {"name": "shop-a"}, "spec": {}, "status": {"rework": rework}});
            let conditions: Vec<Condition> = serde_json::from_value(json!([{
                "type": "SetAside", "status": "True", "reason": reasons::TOO_MANY_ATTEMPTS, "message": "",
                "lastTransitionTime": "2026-01-01T00:00:00Z"
            }]))
            .unwrap();
            let object: DynamicObject = serde_json::from_value(object).unwrap();
            let (name, blockers) = ("shop-a", &BTreeSet::new());
            step(&Facts { kind: "Bead", name, conditions: &conditions, object: &object, up: true, blockers })
        };
        assert!(next("Red").contains("`gt logs mr/shop-a-1`"), "{}", next("Red"));
        assert!(next("Conflict").contains("`gt logs mr/shop-a-1`"), "{}", next("Conflict"));
    }

    #[test]
    fn a_town_that_is_down_is_told_where_something_could_move() {
        assert!(next("Convoy", "", "", "", false).contains("gt up"));
        assert!(next("Convoy", "Landed", "False", reasons::IN_PROGRESS, false).contains("gt up"));
        assert!(next("Convoy", "Landed", "True", reasons::LANDED, false).contains("it has landed"));
        assert!(next("Convoy", "", "", "", true).contains("its controller"));
    }
}
