//! What one manifest makes of the object that is stored, and how that is asked for: pure, so that a dry run says what a real
//! one does.
//!
//! It is a server-side apply by the manager [`appliers::GT`]. Who else owns a field that the manifest says otherwise:
//! - somebody who wrote it, such as by an edit: it is taken over, as ever;
//! - another who applies, who would set it back: nothing is applied, unless `--force-conflicts` says to take it over;
//! - a source: what one keeps was refused before (`source`); of one that is no more, all that it declared is taken over.

use std::collections::BTreeSet;

use gastown_crds::apply::{Applier, Conflict, Outcome, Owner, appliers};
use gastown_crds::declared::said;
use jiff::Timestamp;
use serde_json::Value;

use crate::cli::common::kinds::Kind;

/// The terms on which everything is applied.
#[derive(Debug, Clone)]
pub struct Terms {
    /// Whether what other appliers own is taken over.
    pub force_conflicts: bool,
    /// The names of all sources.
    pub sources: BTreeSet<String>,
    /// The present.
    pub now: Timestamp,
}

/// The word that people read of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It is absent.
    Created,
    /// It differs.
    Configured,
    /// It is as it should be.
    Unchanged,
}

impl Change {
    /// kubectl's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        }
    }
}

/// One apply.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// What becomes of the object.
    pub change: Change,
    /// What is sent, if anything is: to note who owns a field is a write too, and no change.
    pub config: Option<Value>,
    /// Whether it takes over what others own. Then it holds for the version of the object that was looked at, and no other.
    pub force: bool,
    /// What the API makes of it, where the object exists.
    pub outcome: Option<Outcome>,
}

impl Terms {
    /// Plans what takes an object to what its manifest says; or the fields of others that are in the way.
    pub fn plan(&self, kind: &Kind, manifest: &Value, live: Option<&Value>) -> Result<Plan, Vec<Conflict>> {
        let mut config = said(manifest);
        let Some(live) = live else {
            return Ok(Plan { change: Change::Created, config: Some(config), force: false, outcome: None });
        };
        let (outcome, force) = self.outcome(kind, live, &config)?;
        if force {
            for field in ["uid", "resourceVersion"] {
                config["metadata"][field] = live["metadata"][field].clone();
            }
        }
        let change = if outcome.changes { Change::Configured } else { Change::Unchanged };
        Ok(Plan { change, config: outcome.writes.then_some(config), force, outcome: Some(outcome) })
    }

    fn outcome(&self, kind: &Kind, live: &Value, config: &Value) -> Result<(Outcome, bool), Vec<Conflict>> {
        let applied = |force| Outcome::of(kind, live, config, &Applier { manager: appliers::GT, force, now: self.now });
        let is_left = |manager| appliers::source_named(manager).is_some_and(|source| !self.sources.contains(source));
        match applied(false) {
            Ok(outcome) if !appliers::appliers(live).any(is_left) => return Ok((outcome, false)),
            Ok(_) => {}
            Err(conflicts) => {
                let in_the_way: Vec<Conflict> = conflicts.iter().filter(|it| self.is_in_the_way(it)).cloned().collect();
                if !in_the_way.is_empty() {
                    return Err(in_the_way);
                }
            }
        }
        // With force there are no conflicts.
        applied(true).map(|outcome| (outcome, true)).map_err(|conflicts| conflicts.iter().cloned().collect())
    }

    fn is_in_the_way(&self, conflict: &Conflict) -> bool {
        matches!(conflict.owner(), Owner::Applier(_)) && !self.force_conflicts
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use gastown_crds::apply::{self, Part, Updater};
    use serde_json::json;

    const MERGE: &str = r#"{"strategy": "Push", "allowUnverified": true}"#;

    fn terms() -> Terms {
        Terms { force_conflicts: false, sources: BTreeSet::new(), now: Timestamp::UNIX_EPOCH }
    }

    fn rig(more: &Value) -> Value {
        let mut spec = json!({ "repo": { "url": "/x" }, "merge": serde_json::from_str::<Value>(MERGE).unwrap() });
        for (field, value) in more.as_object().unwrap() {
            spec[field] = value.clone();
        }
        of("Rig", &spec)
    }

    fn of(kind: &str, spec: &Value) -> Value {
        json!({ "apiVersion": "gastown.io/v1alpha1", "kind": kind, "metadata": { "name": "shop" }, "spec": spec })
    }

    fn kind(object: &Value) -> &'static Kind {
        Kind::named(object["kind"].as_str().unwrap()).unwrap()
    }

    /// As the store holds it: with what the server adds.
    fn stored(mut object: Value) -> Value {
        object["metadata"]["uid"] = "u".into();
        object["metadata"]["resourceVersion"] = "7".into();
        object["status"] = json!({ "conditions": [] });
        kind(&object).schema().default(&mut object);
        object
    }

    /// What is stored after this was applied by a manager.
    fn applied_by(manager: &str, live: Option<&Value>, config: &Value) -> Value {
        let applier = Applier { manager, force: true, now: Timestamp::UNIX_EPOCH };
        stored(apply::apply(kind(config).schema(), live, config, &applier).unwrap())
    }

    /// The same object after somebody has edited it.
    fn edited(object: &Value, edit: impl FnOnce(&mut Value)) -> Value {
        let mut new = object.clone();
        edit(&mut new);
        let updater = Updater { manager: "kubectl-edit", part: Part::Main, now: Timestamp::UNIX_EPOCH };
        apply::track(kind(object).schema(), Some(object), &mut new, &updater);
        new
    }

    fn new(manifest: &Value, live: &Value) -> (Change, Value) {
        let plan = terms().plan(kind(live), manifest, Some(live)).unwrap();
        (plan.change, plan.outcome.unwrap().object)
    }

    #[test]
    fn what_is_so_already_is_no_change_and_no_write() {
        let live = applied_by(appliers::GT, None, &rig(&json!({})));
        let plan = terms().plan(kind(&live), &rig(&json!({})), Some(&live)).unwrap();
        assert_eq!((plan.change, plan.config, plan.force), (Change::Unchanged, None, false));
    }

    #[test]
    fn what_an_earlier_release_applied_is_owned_from_the_first_apply_on() {
        // It noted which labels came from a file, and no owner of anything.
        let mut old = stored(rig(&json!({ "prefix": "sh", "runtime": "claude" })));
        old["metadata"]["labels"] = json!({ "team": "a", "theirs": "1", "gastown.io/x": "1" });
        old["metadata"]["annotations"] = json!({ "gastown.io/applied": r#"{"labels":["team"]}"#, "theirs": "1" });
        let (change, now) = new(&rig(&json!({ "prefix": "sh" })), &old);
        assert_eq!(change, Change::Configured);
        assert_eq!(now["spec"].get("runtime"), None, "it has left the file");
        assert_eq!(now["metadata"]["labels"], json!({ "theirs": "1", "gastown.io/x": "1" }));
        assert_eq!(now["metadata"]["annotations"], json!({ "theirs": "1" }));
        // Where nothing is said otherwise, it is noted all the same, and reads as no change.
        let mut same = rig(&json!({ "prefix": "sh", "runtime": "claude" }));
        same["metadata"]["labels"] = json!({ "team": "a" });
        let plan = terms().plan(kind(&old), &same, Some(&old)).unwrap();
        assert_eq!((plan.change, plan.config.is_some()), (Change::Unchanged, true));
        let (change, now) = new(&rig(&json!({ "prefix": "sh" })), &plan.outcome.unwrap().object);
        assert_eq!((change, now["spec"].get("runtime")), (Change::Configured, None));
    }

    #[test]
    fn a_spec_that_says_nothing_is_a_spec() {
        let town = |spec: &Value| of("Town", spec);
        let live = stored(town(&json!({ "capacity": { "polecats": 2 } })));
        let (_, now) = new(&town(&json!({})), &live);
        assert!(
            now["spec"].is_object() && now["spec"].get("capacity").is_none_or(|it| it.get("polecats").is_none()),
            "{now}"
        );
        let (change, now) = new(&town(&json!({ "capacity": { "polecats": 2 } })), &now);
        assert_eq!((change, &now["spec"]["capacity"]["polecats"]), (Change::Configured, &json!(2)));
        let (_, now) = new(&town(&json!({ "capacity": {} })), &now);
        assert!(now["spec"].is_object(), "{now}");
    }

    #[test]
    fn what_others_add_stays_and_what_they_changed_is_taken_over() {
        let live = applied_by(appliers::GT, None, &rig(&json!({ "prefix": "sh" })));
        let live = edited(&live, |live| {
            live["spec"]["repo"]["url"] = "/y".into();
            live["spec"]["runtime"] = "claude".into();
        });
        let plan = terms().plan(kind(&live), &rig(&json!({ "prefix": "sh" })), Some(&live)).unwrap();
        assert_eq!((plan.change, plan.force), (Change::Configured, true));
        assert_eq!(plan.config.unwrap()["metadata"], json!({ "name": "shop", "uid": "u", "resourceVersion": "7" }));
        let spec = &plan.outcome.unwrap().object["spec"];
        assert_eq!((&spec["repo"]["url"], &spec["runtime"]), (&json!("/x"), &json!("claude")));
    }

    #[test]
    fn what_another_applies_is_in_the_way_unless_it_is_forced() {
        let live = applied_by("flux", None, &rig(&json!({ "runtime": "claude" })));
        let wish = rig(&json!({ "runtime": "script" }));
        let in_the_way = terms().plan(kind(&live), &wish, Some(&live)).unwrap_err();
        let fields: Vec<_> = in_the_way.iter().map(|it| (it.owner(), it.field.as_str())).collect();
        assert_eq!(fields, [(Owner::Applier("flux"), ".spec.runtime")]);
        let forced = Terms { force_conflicts: true, ..terms() }.plan(kind(&live), &wish, Some(&live)).unwrap();
        assert_eq!(forced.outcome.unwrap().object["spec"]["runtime"], "script");
        // What both say is nobody's conflict.
        assert_eq!(new(&rig(&json!({ "runtime": "claude" })), &live).0, Change::Unchanged);
    }

    #[test]
    fn a_source_that_is_no_more_leaves_all_to_the_next() {
        let mut declared = rig(&json!({ "runtime": "claude", "prefix": "sh" }));
        declared["metadata"]["labels"] = json!({ "gastown.io/source": "town" });
        let live = applied_by(&appliers::source("town"), None, &declared);
        let wish = rig(&json!({ "runtime": "script" }));
        let (_, now) = new(&wish, &live);
        assert_eq!((&now["spec"]["runtime"], now["spec"].get("prefix")), (&json!("script"), None));
        assert_eq!(appliers::appliers(&now).collect::<Vec<_>>(), [appliers::GT]);
        assert_eq!(now["metadata"]["labels"], Value::Null);
        // And back again: what the file declared and the source does not is gone.
        let back = applied_by(&appliers::source("town"), Some(&now), &rig(&json!({})));
        assert_eq!((back["spec"].get("runtime"), appliers::is_from_file(&back)), (None, false));
    }

    #[test]
    fn what_agents_own_is_left_alone_even_where_a_file_has_it() {
        let bead = |spec: &Value| of("Bead", spec);
        let claimed = json!({ "title": "a", "rig": "shop", "assignee": { "polecat": "nux", "uid": "1" } });
        let live = applied_by(appliers::GT, None, &bead(&claimed));
        assert_eq!(live["spec"]["assignee"]["polecat"], "nux", "it says so once");
        let (change, now) = new(&bead(&json!({ "title": "b", "rig": "shop" })), &live);
        assert_eq!((change, &now["spec"]["assignee"]), (Change::Configured, &claimed["assignee"]));
        // An object that an earlier release applied.
        let (_, now) = new(&bead(&json!({ "title": "b", "rig": "shop" })), &stored(bead(&claimed)));
        assert_eq!(now["spec"]["assignee"], claimed["assignee"]);
    }

    #[test]
    fn what_the_store_keeps_is_not_sent_and_the_towns_labels_are_not_the_files() {
        let live = applied_by(appliers::GT, None, &rig(&json!({})));
        let mut printed = live.clone();
        printed["metadata"]["labels"] =
            json!({ "gastown.io/convoy": "auth", "app.kubernetes.io/managed-by": "gt", "a": "1" });
        printed["metadata"]["annotations"] = json!({ "gastown.io/applied": r#"{"labels":["stale"]}"# });
        printed["status"] = json!({ "conditions": ["forged"] });
        let plan = terms().plan(kind(&live), &printed, Some(&live)).unwrap();
        let config = plan.config.unwrap();
        assert_eq!((config.get("status"), config["metadata"].get("annotations")), (None, None));
        let (_, now) = new(&rig(&json!({})), &plan.outcome.unwrap().object);
        let kept = json!({ "gastown.io/convoy": "auth", "app.kubernetes.io/managed-by": "gt" });
        assert_eq!(now["metadata"]["labels"], kept);
    }
}
