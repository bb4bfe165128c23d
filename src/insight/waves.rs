//! What would run when: the beads of a convoy in waves, each of which waits for those before it, and what is wrong with
//! that.
//!
//! Nothing is decided by it: a bead begins as soon as what it needs is closed, whatever wave it is shown in.

use std::collections::{BTreeMap, BTreeSet};

use gastown_controllers::bead::{convoy_of, upward};
use gastown_controllers::convoy::{ConvoySettings, newest};
use gastown_crds::bead::WAITS_FOR;
use gastown_crds::convoy::Need;
use gastown_crds::{Bead, Convoy, Rig, Town, graph};
use kube::ResourceExt;

use crate::Snapshot;
use crate::text::plain;

/// What would run when.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Waves {
    /// The waves, the first first; each by name.
    pub waves: Vec<Vec<Planned>>,
    /// How many beads are closed already.
    pub closed: usize,
    /// What keeps beads from ever running, each in a line.
    pub errors: Vec<String>,
    /// What one should know, each in a line.
    pub warnings: Vec<String>,
}

/// A bead that would run.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Planned {
    /// Its name in the convoy; of one that it tracks, the name of its object.
    pub name: String,
    /// Its rig; empty if it names none.
    pub rig: String,
    /// The open beads that it waits for.
    pub needs: Vec<String>,
    /// Its title.
    pub title: String,
    /// Somebody is sent to work on it; else it is closed after its parts, or by a person.
    is_dispatched: bool,
}

impl Waves {
    /// The waves of one convoy, whether it is in the snapshot or not.
    pub fn of(convoy: &Convoy, snapshot: &Snapshot) -> Self {
        let mut plan = Plan::of(convoy, snapshot);
        plan.rigs(snapshot);
        let needs: graph::Needs<'_> = plan
            .beads
            .iter()
            .map(|(name, bead)| (name.as_str(), bead.needs.iter().map(String::as_str).collect()))
            .collect();
        let circles = graph::cycles(&needs);
        let circles =
            circles.iter().map(|circle| format!("beads need each other in a circle: {}", graph::shown(circle)));
        let circles: Vec<String> = circles.collect();
        let names: Vec<&str> = plan.beads.keys().map(String::as_str).collect();
        let mut levels: BTreeMap<&str, usize> = BTreeMap::new();
        let mut waves: Vec<Vec<Planned>> = Vec::new();
        for name in graph::order(&names, &needs) {
            let Some(bead) = plan.beads.get(name) else { continue };
            let before = bead.needs.iter().filter_map(|need| levels.get(need.as_str())).max().copied().unwrap_or(0);
            levels.insert(name, before + usize::from(bead.is_dispatched));
            if bead.is_dispatched {
                waves.resize(waves.len().max(before + 1), Vec::new());
                if let Some(wave) = waves.get_mut(before) {
                    wave.push(bead.clone());
                }
            }
        }
        for wave in &mut waves {
            wave.sort_by(|a, b| a.name.cmp(&b.name));
        }
        plan.errors.extend(circles);
        plan.warnings.extend(too_wide(convoy, &waves, snapshot));
        Self { waves, closed: plan.closed, errors: plan.errors, warnings: plan.warnings }
    }
}

/// The beads of a convoy that are open, or not made yet, with what each waits for.
#[derive(Default)]
struct Plan {
    beads: BTreeMap<String, Planned>,
    closed: usize,
    errors: Vec<String>,
    warnings: Vec<String>,
}

impl Plan {
    fn of(convoy: &Convoy, snapshot: &Snapshot) -> Self {
        let own = convoy.name_any();
        let mut plan = Self::default();
        let tracked = snapshot.tracked(convoy);
        plan.errors.extend(tracked.missing.iter().map(|name| format!("no bead is named {name}")));
        let tracked: BTreeMap<String, &Bead> =
            tracked.all().filter(|it| convoy_of(it) != Some(&own)).map(|it| (it.name_any(), it)).collect();
        // Beads that are made already, by what they are called, and back.
        let settings = ConvoySettings::of(&own, &convoy.spec).beads;
        let object =
            |it: &gastown_controllers::convoy::BeadSettings<'_>| Some(it.object_name(snapshot.get::<Rig>(it.rig?)?));
        let objects: BTreeMap<String, &str> = settings.iter().filter_map(|it| Some((object(it)?, it.called))).collect();
        let inside = |name: &str| match objects.get(name) {
            Some(called) => Some((*called).to_owned()),
            None => tracked.contains_key(name).then(|| name.to_owned()),
        };
        for it in &settings {
            let made = object(it).and_then(|name| snapshot.get::<Bead>(&name));
            if made.is_some_and(|bead| bead.spec.closed.is_some()) {
                plan.closed += 1;
                continue;
            }
            let mut needs = Vec::new();
            for need in it.needs {
                match convoy.spec.need(&own, need) {
                    Need::Own(bead) => needs.push(bead.to_owned()),
                    Need::Bead(name) => match inside(name) {
                        Some(name) => needs.push(name),
                        None => plan.outside(it.called, name, snapshot.get::<Bead>(name)),
                    },
                    Need::Of { convoy: other, bead } => {
                        let is_declared =
                            || snapshot.get::<Convoy>(other).is_some_and(|other| other.spec.bead(bead).is_some());
                        match newest(bead, snapshot.beads_of(other)) {
                            // It is made once its convoy is applied.
                            None if is_declared() => plan.waits_outside(it.called, need),
                            other => plan.outside(it.called, need, other),
                        }
                    }
                }
            }
            let title = convoy.spec.bead(it.called).map(|bead| plain(&bead.title)).unwrap_or_default();
            let rig = it.rig.unwrap_or_default().to_owned();
            plan.beads.insert(
                it.called.to_owned(),
                Planned { name: it.called.to_owned(), rig, needs, title, is_dispatched: true },
            );
        }
        for (name, bead) in &tracked {
            if bead.spec.closed.is_some() {
                plan.closed += 1;
                continue;
            }
            let mut needs = Vec::new();
            for (need, says) in waits_for(bead, snapshot) {
                match inside(&need) {
                    Some(inner) => needs.push(inner),
                    None if says => plan.outside(name, &need, snapshot.get::<Bead>(&need)),
                    None => {}
                }
            }
            let is_dispatched = bead.spec.type_.is_dispatched();
            let (rig, title) = (bead.spec.rig.clone(), plain(&bead.spec.title));
            plan.beads.insert(name.clone(), Planned { name: name.clone(), rig, needs, title, is_dispatched });
        }
        // What is closed is waited for no more.
        let open: BTreeSet<String> = plan.beads.keys().cloned().collect();
        plan.beads.values_mut().for_each(|bead| bead.needs.retain(|need| open.contains(need)));
        plan
    }

    /// Notes that a bead waits for one that is not of the convoy.
    fn outside(&mut self, name: &str, need: &str, other: Option<&Bead>) {
        match other {
            Some(other) if other.spec.blocks() => self.waits_outside(name, need),
            Some(_) => {}
            None => self.errors.push(format!("{name} needs {need}, which is not there")),
        }
    }

    fn waits_outside(&mut self, name: &str, need: &str) {
        self.warnings.push(format!("{name} waits for {need}, which is not of the convoy and is open"));
    }

    /// What is wrong with the rigs of beads, and needs from one rig to another.
    fn rigs(&mut self, snapshot: &Snapshot) {
        let mut suspended = BTreeSet::new();
        for (name, bead) in self.beads.iter().filter(|(_, bead)| bead.is_dispatched) {
            match snapshot.get::<Rig>(&bead.rig) {
                None if bead.rig.is_empty() => self.errors.push(format!("{name} names no rig")),
                None => self.errors.push(format!("{name} is for rig {}, which is not there", bead.rig)),
                Some(rig) if rig.spec.suspend => drop(suspended.insert(bead.rig.clone())),
                Some(_) => {}
            }
            for need in bead.needs.iter().filter_map(|need| self.beads.get(need)) {
                if need.is_dispatched && need.rig != bead.rig {
                    let (rig, other) = (&bead.rig, &need.rig);
                    self.warnings.push(format!("across rigs: {name} ({rig}) needs {} ({other})", need.name));
                }
            }
        }
        self.warnings.extend(suspended.into_iter().map(|rig| format!("rig {rig} is suspended: nothing runs there")));
    }
}

/// The beads that a bead waits for, by the names of their objects; and whether it says so itself, of a bead that must
/// be there or closed.
fn waits_for(bead: &Bead, snapshot: &Snapshot) -> Vec<(String, bool)> {
    let mut found = Vec::new();
    let blocks = |need: &str| snapshot.get::<Bead>(need).is_some_and(|bead| bead.spec.blocks());
    found.extend(bead.spec.needs.iter().filter(|need| blocks(need)).map(|need| (need.clone(), true)));
    for link in bead.spec.links.iter().filter(|link| link.blocks()) {
        if link.type_ == WAITS_FOR {
            found.extend(snapshot.parts_of(&link.to).into_iter().map(|part| (part.name_any(), false)));
        } else if blocks(&link.to) {
            found.push((link.to.clone(), true));
        }
    }
    if bead.spec.type_.asks_for_parts() {
        found.extend(snapshot.parts_of(&bead.name_any()).into_iter().map(|part| (part.name_any(), false)));
    }
    // A part waits with what it is a part of, but not for parts of that.
    let parent = bead.spec.parent.as_ref().and_then(|parent| snapshot.get::<Bead>(parent));
    if let Some(parent) = parent.filter(|parent| parent.spec.closed.is_none()) {
        let name = parent.name_any();
        let needs = parent.spec.needs.iter().filter(|need| blocks(need) && !is_part_of(need, &name, snapshot));
        found.extend(needs.map(|need| (need.clone(), true)));
    }
    found
}

fn is_part_of(bead: &str, of: &str, snapshot: &Snapshot) -> bool {
    let above = |bead: &Bead| snapshot.get::<Bead>(bead.spec.parent.as_ref()?);
    snapshot.get::<Bead>(bead).is_some_and(|bead| upward(bead, above).skip(1).any(|above| above.name_any() == of))
}

/// Waves of more beads than may be worked on at once.
fn too_wide(convoy: &Convoy, waves: &[Vec<Planned>], snapshot: &Snapshot) -> Option<String> {
    let town = snapshot.all::<Town>().next();
    let seen = town.and_then(|town| town.status.as_ref()).map(|status| status.polecats_max).filter(|max| *max > 0);
    let of_town = town.and_then(|town| seen.or(town.spec.capacity.polecats)).map(|max| (max, "the town's capacity"));
    let own = convoy.spec.parallelism.map(|max| (max, "the convoy's parallelism"));
    let (max, whose) = own.into_iter().chain(of_town).min_by_key(|(max, _)| *max)?;
    let (nth, wave) = waves.iter().enumerate().max_by_key(|(nth, wave)| (wave.len(), usize::MAX - nth))?;
    let is_too_wide = wave.len() > usize::try_from(max).unwrap_or(usize::MAX);
    is_too_wide.then(|| {
        format!("wave {} has {} beads; {max} run at once ({whose}), the others after them", nth + 1, wave.len())
    })
}

#[cfg(test)]
mod tests {
    use super::super::testing::{bead, object, rig, town};
    use super::*;
    use serde_json::{Value, json};

    fn shown(of: &Convoy, snapshot: &Snapshot) -> String {
        let Waves { waves, closed, errors, warnings } = Waves::of(of, snapshot);
        let names = |wave: &Vec<Planned>| wave.iter().map(|bead| bead.name.clone()).collect::<Vec<_>>().join(" ");
        let waves: Vec<String> = waves.iter().map(names).collect();
        let more =
            errors.iter().map(|it| format!("error: {it}")).chain(warnings.iter().map(|it| format!("warning: {it}")));
        [format!("{} ({closed} closed)", waves.join(" | "))].into_iter().chain(more).collect::<Vec<_>>().join("\n")
    }

    fn convoy(spec: &Value) -> Convoy {
        object("Convoy", "c", spec, &json!({}))
    }

    fn put(snapshot: &mut Snapshot, name: &str, spec: &Value) {
        let closed = spec.get("closed").is_some();
        snapshot.add([bead(name, spec, if closed { "Closed" } else { "Backlog" }, "Backlog", "")]);
    }

    #[test]
    fn each_wave_waits_for_those_before_it() {
        let mut snapshot = town();
        snapshot.add([rig("Ready", "True", "Ok", ""), object("Rig", "lib", &json!({ "suspend": true }), &json!({}))]);
        put(&mut snapshot, "shop-e", &json!({ "type": "Epic", "needs": ["shop-x"] }));
        put(&mut snapshot, "shop-e.1", &json!({ "parent": "shop-e" }));
        put(&mut snapshot, "shop-e.2", &json!({ "parent": "shop-e", "needs": ["shop-e.1"], "rig": "lib" }));
        put(&mut snapshot, "shop-x", &json!({}));
        let closed = json!({ "reason": "Merged", "at": "2026-01-01T00:00:00Z", "by": "gt" });
        put(&mut snapshot, "shop-z", &json!({ "closed": closed }));
        let beads =
            json!([{ "name": "a", "title": "A", "needs": ["shop-e", "shop-z"] }, { "name": "b", "title": "B" }]);
        let tracks = json!([{ "bead": "shop-e" }, { "bead": "shop-z" }]);
        let mut spec = json!({ "rig": "shop", "beads": beads, "tracks": tracks, "parallelism": 1 });
        insta::assert_snapshot!(shown(&convoy(&spec), &snapshot), @"
        b shop-e.1 | shop-e.2 | a (1 closed)
        warning: shop-e waits for shop-x, which is not of the convoy and is open
        warning: shop-e.1 waits for shop-x, which is not of the convoy and is open
        warning: shop-e.2 waits for shop-x, which is not of the convoy and is open
        warning: across rigs: shop-e.2 (lib) needs shop-e.1 (shop)
        warning: rig lib is suspended: nothing runs there
        warning: wave 1 has 2 beads; 1 run at once (the convoy's parallelism), the others after them
        ");
        spec["tracks"].as_array_mut().unwrap().extend([json!({ "bead": "shop-x" }), json!({ "bead": "shop-q" })]);
        spec["beads"] =
            json!([{ "name": "a", "title": "A", "rig": "moon" }, { "name": "b", "title": "B", "needs": ["x/y"] }]);
        put(&mut snapshot, "shop-x", &json!({ "needs": ["shop-e.2"] }));
        insta::assert_snapshot!(shown(&convoy(&spec), &snapshot), @"
        a b (1 closed)
        error: no bead is named shop-q
        error: b needs x/y, which is not there
        error: a is for rig moon, which is not there
        error: beads need each other in a circle: shop-e.1 → shop-x → shop-e.2 → shop-e.1
        warning: across rigs: shop-e.2 (lib) needs shop-e.1 (shop)
        warning: across rigs: shop-e.2 (lib) needs shop-x (shop)
        warning: across rigs: shop-x (shop) needs shop-e.2 (lib)
        warning: rig lib is suspended: nothing runs there
        warning: wave 1 has 2 beads; 1 run at once (the convoy's parallelism), the others after them
        ");
    }

    #[test]
    fn a_need_that_another_convoy_of_the_file_declares_is_waited_for() {
        let mut snapshot = Snapshot::new("town", true);
        let beads = json!([{ "name": "a", "title": "A", "needs": ["later/b"] }]);
        let first = convoy(&json!({ "rig": "shop", "beads": beads }));
        let mut later = convoy(&json!({ "rig": "shop", "beads": [{ "name": "b", "title": "B" }] }));
        later.metadata.name = Some("later".to_owned());
        assert_eq!(Waves::of(&first, &snapshot).errors[0], "a needs later/b, which is not there");
        snapshot.put([std::sync::Arc::new(later)]);
        let waves = Waves::of(&first, &snapshot);
        assert_eq!(waves.warnings, ["a waits for later/b, which is not of the convoy and is open"]);
    }
}
