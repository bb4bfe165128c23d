//! The next step for an object, chosen from its conditions: what a person would want to type.

use gastown_crds::Kind;
use gastown_crds::common::{Condition, ConditionStatus, condition, is_true, types};
use gastown_crds::reason::{Acts, Reason};

use super::{Blocker, Snapshot, Subject, conditions, overrides};

/// Most blockers that are named; `gt status` lists what needs somebody.
const BLOCKERS_MAX: usize = 3;

/// What a condition of an object that is being deleted says if its end fails again and again.
const FAILED: [Reason; 6] = [
    Reason::BackOff,
    Reason::GitFailed,
    Reason::GitUnreadable,
    Reason::NotCloned,
    Reason::ForeignSandbox,
    Reason::SandboxInUse,
];

/// The next step for an object.
pub fn step(subject: &dyn Subject, snapshot: &Snapshot) -> String {
    if subject.meta().deletion_timestamp.is_some() {
        let what = subject.deletion();
        return match held_up(subject, snapshot) {
            _ if !snapshot.up => format!("`gt up`: {what}"),
            Some(step) => format!("{step}; {what}"),
            None => format!("nothing: {what}"),
        };
    }
    if let Some(step) = overrides::next(&subject.reference(), subject.meta()).filter(|_| !is_over(subject)) {
        return step;
    }
    let step = match main_condition(subject) {
        Some(main) => Reason::parse(&main.reason).and_then(|reason| {
            blocked(subject, reason, snapshot)
                .or_else(|| subject.next_for(reason, snapshot))
                .or_else(|| reason.hint().map(|hint| named(hint, subject)))
                .or_else(|| {
                    (reason.acts() == Acts::Person).then(|| "it needs you: do what its message asks".to_owned())
                })
        }),
        None if snapshot.up => Some("nothing yet: its controller is about to look at it".to_owned()),
        None => None,
    };
    match step {
        Some(step) => step,
        None if !snapshot.up && !is_over(subject) => "`gt up`: the town is down, so nothing moves".to_owned(),
        None => subject.next_when_well(),
    }
}

/// A hint with the object's own name in it, to be typed as it is.
fn named(hint: &str, subject: &dyn Subject) -> String {
    let name = subject.meta().name.as_deref().unwrap_or("NAME");
    hint.replace("KIND/NAME", &subject.reference()).replace("NAME", name)
}

/// Whether an object has reached its end: landed, merged or closed.
pub fn is_over(subject: &dyn Subject) -> bool {
    end(subject.conditions()).is_some()
}

/// The condition that says that an object has reached its end.
fn end(conditions: &[Condition]) -> Option<&'static str> {
    [types::LANDED, types::MERGED, types::CLOSED].into_iter().find(|type_| is_true(conditions, type_))
}

/// The condition that says whether all is well.
fn main_condition(subject: &dyn Subject) -> Option<&Condition> {
    let conditions = subject.conditions();
    let bad = [types::LEFT_TARGET, types::SET_ASIDE, types::BASE_RED, types::MEMORY_PRESSURE, types::DISK_PRESSURE];
    let trouble = bad.into_iter().find(|type_| is_true(conditions, type_));
    let ready = condition(conditions, types::READY).is_none_or(|it| it.status == ConditionStatus::True);
    let not_held =
        condition(conditions, types::LIMITS_ENFORCED).filter(|it| ready && it.status == ConditionStatus::False);
    let said = trouble.or_else(|| end(conditions)).or(not_held.map(|_| types::LIMITS_ENFORCED));
    let whole = || Kind::named(subject.kind()).and_then(|kind| kind.conditions.first().copied());
    condition(conditions, said.or_else(whole).unwrap_or(types::READY))
}

/// The step of looking at its blockers, where it waits for something else.
fn blocked(subject: &dyn Subject, reason: Reason, snapshot: &Snapshot) -> Option<String> {
    if !reason.waits() {
        return None;
    }
    look_at_blockers(subject, snapshot)
}

/// The step of looking at what keeps an object from being deleted, where that does not go on by itself.
fn held_up(subject: &dyn Subject, snapshot: &Snapshot) -> Option<String> {
    let failed = |it: &&Condition| {
        it.status == ConditionStatus::Unknown || Reason::parse(&it.reason).is_some_and(|it| FAILED.contains(&it))
    };
    look_at_blockers(subject, snapshot).or_else(|| {
        let why = main_condition(subject).filter(failed)?;
        Some(format!("it is held up and tried again by itself: {}", conditions::words(why)))
    })
}

fn look_at_blockers(subject: &dyn Subject, snapshot: &Snapshot) -> Option<String> {
    let own = subject.reference();
    let mut others: Vec<Blocker> = subject.blockers(snapshot).into_iter().filter(|it| it.object != own).collect();
    others.sort_by_key(|blocker| !blocker.needs_person);
    let needs_person = others.first()?.needs_person;
    if !needs_person && !snapshot.up {
        return None;
    }
    let look: Vec<String> =
        others.iter().take(BLOCKERS_MAX).map(|blocker| format!("`{}` ({})", blocker.next(), blocker.why)).collect();
    let look = look.join("; ");
    Some(if needs_person {
        format!("it needs you first: {look}")
    } else {
        format!("see {look}; it is tried again by itself")
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bead, condition, object, rig, town};
    use super::super::{subject, testing};
    use super::*;
    use gastown_crds::{Bead, Convoy};
    use kube::api::DynamicObject;
    use serde_json::{Value, json};

    /// The next step of an object with one condition.
    fn next(kind: &str, type_: &str, status: &str, reason: &str, up: bool) -> String {
        let conditions = if type_.is_empty() { json!([]) } else { json!([condition(type_, status, reason, "")]) };
        let object: DynamicObject = object(kind, "x", &json!({}), &json!({"conditions": conditions}));
        step(&*subject(kind, &object), &Snapshot::new("home", up))
    }

    #[test]
    fn what_needs_a_person_says_what_to_do() {
        assert!(next("Bead", "SetAside", "True", Reason::TooManyAttempts.as_str(), true).contains("gt logs bead/x"));
        assert!(
            next("Rig", "Ready", "False", Reason::TargetCheckedOut.as_str(), true).contains("whenCheckedOut: Update")
        );
        assert!(next("Rig", "Ready", "False", Reason::AuthRequired.as_str(), true).contains("git ls-remote /src/shop"));
        assert!(next("Convoy", "Landed", "False", Reason::RefNotFound.as_str(), true).contains("gt apply"));
    }

    #[test]
    fn each_kind_answers_for_its_own_reasons() {
        let mut steps = Vec::new();
        for (kind, type_, status, reason) in [
            ("Bead", "Ready", "False", Reason::Claimed.as_str()),
            ("Bead", "Closed", "True", Reason::Merged.as_str()),
            ("Bead", "SetAside", "True", Reason::BranchDeleted.as_str()),
            ("Bead", "LeftTarget", "True", Reason::LeftTarget.as_str()),
            ("Convoy", "LeftTarget", "True", Reason::LeftTarget.as_str()),
            ("Convoy", "Landed", "False", Reason::NeedsYou.as_str()),
            ("Convoy", "Landed", "False", Reason::InProgress.as_str()),
            ("Convoy", "Landed", "True", Reason::Landed.as_str()),
            ("Formula", "Ready", "False", Reason::InvalidFormula.as_str()),
            ("MergeRequest", "Merged", "False", Reason::BaseRed.as_str()),
            ("MergeRequest", "Merged", "False", Reason::BranchReady.as_str()),
            ("MergeRequest", "Merged", "False", Reason::BranchDeleted.as_str()),
            ("MergeRequest", "Merged", "False", Reason::Conflict.as_str()),
            ("MergeRequest", "LeftTarget", "True", Reason::LeftTarget.as_str()),
            ("MergeRequest", "Merged", "False", Reason::PartlyMerged.as_str()),
            ("MergeRequest", "Merged", "False", Reason::LooksMerged.as_str()),
            ("MergeRequest", "Merged", "False", Reason::Pushing.as_str()),
            ("MergeRequest", "Merged", "False", Reason::Red.as_str()),
            ("MergeRequest", "Merged", "False", Reason::VerifyError.as_str()),
            ("MergeRequest", "Merged", "True", Reason::Merged.as_str()),
            ("Polecat", "Ready", "False", Reason::SetupFailed.as_str()),
            ("Polecat", "Ready", "False", Reason::Strays.as_str()),
            ("Polecat", "Ready", "True", Reason::Idle.as_str()),
            ("Polecat", "Ready", "True", Reason::Working.as_str()),
            ("Rig", "BaseRed", "True", Reason::BaseRed.as_str()),
            ("Rig", "BaseRed", "True", Reason::VerifyError.as_str()),
            ("Rig", "Ready", "False", Reason::FetchFailed.as_str()),
            ("Rig", "Ready", "False", Reason::Suspended.as_str()),
            ("Rig", "Ready", "True", Reason::Ok.as_str()),
            ("Runtime", "Ready", "False", Reason::CommandNotFound.as_str()),
            ("Runtime", "LimitsEnforced", "False", Reason::CannotLimit.as_str()),
            ("Runtime", "Ready", "True", Reason::Ok.as_str()),
            ("Town", "Ready", "True", Reason::Ok.as_str()),
            ("Sawmill", "Ready", "False", Reason::Red.as_str()),
            ("Sawmill", "Ready", "Unknown", Reason::Unknown.as_str()),
        ] {
            steps.push(format!("{kind} {reason}: {}", next(kind, type_, status, reason, true)));
        }
        insta::assert_snapshot!(steps.join("\n"), @"
        Bead Claimed: `gt logs -f bead/x` to read along
        Bead Merged: nothing: it is closed
        Bead BranchDeleted: if the work is not wanted, `bd close x`; `gt sling x` has it done anew
        Bead LeftTarget: push it to the target again and `gt mr refresh`; if it was meant to go, delete its merge request: `gt describe bead/x` lists it
        Convoy LeftTarget: `gt status` says which; push them to the target again, or `gt delete mr/NAME` of each that was meant to go
        Convoy NeedsYou: beads failed too often and need a person: `gt get beads -l gastown.io/convoy=x --field-selector status.state=SetAside`
        Convoy InProgress: `gt wait convoy/x --for=condition=Landed --timeout 1h` prints what happens
        Convoy Landed: nothing: it has landed. More beads may be added to it at any time
        Formula InvalidFormula: correct the formula, or the vars that its bead gives it, and `gt apply -f` it
        MergeRequest BaseRed: the target's own tests fail: `gt describe rig/shop`
        MergeRequest BranchReady: merge `gastown/shop-a` () into the target
        MergeRequest BranchDeleted: if the work is not wanted, `bd close shop-a`; `gt sling shop-a` has it done anew
        MergeRequest Conflict: nothing: the work came back to its bead, `gt describe bead/shop-a`
        MergeRequest LeftTarget: push it to the target again and `gt mr refresh x`; if it was meant to go, `gt delete mr/x`
        MergeRequest PartlyMerged: merge the rest of `gastown/shop-a` into the target, or `bd close shop-a`; then `gt mr refresh x`
        MergeRequest LooksMerged: if the commit that is named above is this work, `bd close shop-a --reason=no-changes`; else merge `gastown/shop-a`
        MergeRequest Pushing: nothing: it goes on by itself
        MergeRequest Red: nothing: the work came back to its bead, `gt describe bead/shop-a`; `gt logs mr/x`
        MergeRequest VerifyError: the check could not run at all: see its log above; is everything it uses installed?
        MergeRequest Merged: nothing: it has landed
        Polecat SetupFailed: fix `workspace.setup` of its rig; it is tried again by itself
        Polecat Strays: processes of an ended session are being ended; `gt logs polecat/x`
        Polecat Idle: nothing: it takes the next ready bead
        Polecat Working: `gt attach x` to watch it, `gt logs -f polecat/x` to read along
        Rig BaseRed: fix the branch itself, its own tests fail; nobody's work is rejected meanwhile
        Rig VerifyError: correct `merge.verify` of the rig and `gt apply -f` it, or fix the branch; nobody's work is rejected
        Rig FetchFailed: see that `git ls-remote /src/shop` works; it is tried again by itself
        Rig Suspended: take `suspend: true` out where it stands, and `gt apply -f` it
        Rig Ok: declare work for it: a Convoy with `rig: x`, then `gt apply -f` it
        Runtime CommandNotFound: install the program that is named above; `gt doctor` lists what is missing
        Runtime CannotLimit: let systemd run the sessions, as the message says, or take `resources.limits` out of the Runtime
        Runtime Ok: nothing: it is used where it is named
        Town Ok: `gt status` says what is going on
        Sawmill Red: nothing: it goes on by itself
        Sawmill Unknown: waiting until it can be observed: see the message above, and `gt doctor`
        ");
    }

    #[test]
    fn a_bead_that_came_back_names_what_says_why() {
        let next = |why: &str| {
            let rework = json!({"kind": why, "mergeRequest": "shop-a-1", "head": "h", "log": ""});
            let set_aside = condition("SetAside", "True", Reason::TooManyAttempts.as_str(), "");
            let status = json!({"rework": rework, "conditions": [set_aside]});
            let bead: Bead = object("Bead", "shop-a", &json!({}), &status);
            step(&bead, &town())
        };
        assert!(next("Red").contains("`gt logs mr/shop-a-1`"), "{}", next("Red"));
        assert!(next("Conflict").contains("`gt logs mr/shop-a-1`"), "{}", next("Conflict"));
    }

    #[test]
    fn a_bead_that_waits_with_its_polecat_answers_as_that_does() {
        let waits = json!({"assignee": {"polecat": "shop-nux", "uid": "1", "waiting": "Bead"}});
        let next = |reason: &str| step(&bead("shop-a", &waits, "Waiting", reason, ""), &town());
        assert!(
            next(Reason::SetupFailed.as_str()).contains("`workspace.setup`"),
            "{}",
            next(Reason::SetupFailed.as_str())
        );
        assert!(
            next(Reason::Strays.as_str()).contains("`gt logs polecat/shop-nux`"),
            "{}",
            next(Reason::Strays.as_str())
        );
    }

    #[test]
    fn what_blocks_it_comes_first() {
        let mut town = town();
        town.add([rig("Ready", "False", "FetchFailed", "no route")]);
        let ready = bead("shop-b", &json!({}), "Ready", "Ready", "");
        assert_eq!(
            step(&ready, &town),
            "see `gt describe rig/shop` (FetchFailed: no route); it is tried again by itself"
        );
        town.add([bead("shop-a", &json!({}), "SetAside", "TooManyAttempts", "")]);
        let waits = bead("shop-b", &json!({"needs": ["shop-a"]}), "Waiting", "NeedsOpen", "waits for shop-a");
        let expected = "it needs you first: `gt describe bead/shop-a` (failed 6 times; needs a person: Say width)";
        assert_eq!(step(&waits, &town), expected);
        // A town that is down tries nothing by itself.
        town.up = false;
        assert_eq!(step(&ready, &town), "`gt up`: the town is down, so nothing moves");
        assert_eq!(step(&waits, &town), expected);
    }

    #[test]
    fn what_is_deleted_goes_by_itself_while_the_town_is_up() {
        let mut convoy = testing::convoy(1);
        convoy.metadata.deletion_timestamp = Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
        assert!(step(&convoy, &town()).starts_with("nothing: it goes once nobody works on its beads"));
        assert!(step(&convoy, &Snapshot::new("home", false)).starts_with("`gt up`: it goes once"));
    }

    #[test]
    fn what_is_deleted_says_what_holds_it_up() {
        let mut town = town();
        let mut convoy = testing::convoy(1);
        convoy.metadata.deletion_timestamp = Some(serde_json::from_value(json!("2026-01-01T00:00:00Z")).unwrap());
        town.add([testing::bead_of_convoy("shop-a", &json!({}), "Landing", "Landing", "")]);
        town.add([testing::request("BranchReady", "BranchReady", "merge it")]);
        let next = step(&convoy, &town);
        assert!(next.starts_with("it needs you first: `gt describe mr/shop-a-1` (BranchReady: merge it)"), "{next}");
        let mut polecat = testing::polecat("False", "GitFailed", "cannot be removed");
        polecat.metadata.deletion_timestamp = convoy.metadata.deletion_timestamp.clone();
        let next = step(&polecat, &town);
        assert!(next.starts_with("it is held up and tried again by itself: GitFailed: cannot be removed"), "{next}");
    }

    /// Of each kind, in each of its conditions.
    #[test]
    fn nothing_that_needs_a_person_is_said_to_go_on_by_itself() {
        let needs = |reason: &&Reason| reason.acts() == Acts::Person;
        for kind in gastown_crds::KINDS {
            for type_ in kind.conditions {
                for reason in Reason::ALL.iter().filter(needs) {
                    let next = next(kind.name, type_, "False", reason.as_str(), true);
                    assert_ne!(next, "nothing: it goes on by itself", "{} {type_} {reason}", kind.name);
                }
            }
        }
    }

    #[test]
    fn a_town_that_is_down_is_told_where_something_could_move() {
        assert!(next("Convoy", "", "", "", false).contains("gt up"));
        assert!(next("Convoy", "Landed", "False", Reason::InProgress.as_str(), false).contains("gt up"));
        assert!(next("Convoy", "Landed", "True", Reason::Landed.as_str(), false).contains("it has landed"));
        assert!(next("Convoy", "", "", "", true).contains("its controller"));
    }

    #[test]
    fn an_object_that_is_not_as_this_release_knows_it_gets_the_answer_for_any() {
        let value: Value = json!({"metadata": {"name": "x"}, "spec": {"beads": "many"}, "status": {"conditions": [
            condition("Landed", "False", Reason::RefNotFound.as_str(), ""),
        ]}});
        let object: DynamicObject = serde_json::from_value(value.clone()).unwrap();
        assert!(serde_json::from_value::<Convoy>(value).is_err());
        assert!(step(&*subject("Convoy", &object), &town()).starts_with("declare what is missing"));
    }
}
