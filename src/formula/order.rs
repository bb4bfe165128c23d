//! From the tree of steps to a list in which each comes after what it needs, otherwise as written.
//!
//! A step with children is open until its children are closed: whoever needs it needs them too, and a child starts only
//! when its parent may. So each parent has two places in the order, a start and an end.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};

use crate::error::{Error, Problem};
use crate::kitchen::Kitchen;
use crate::step::Step;
use crate::suggest;

/// Most steps that may stand for the end of each other; each is an expansion's last step, and their depth is bounded.
const ENDS_MAX: usize = 64;

/// A step without children, and the place of its parent in the list.
pub(crate) struct Placed {
    pub step: Step,
    pub parent: Option<usize>,
    pub has_children: bool,
}

/// The steps in order. Each need is the id of one of them, and is named once.
pub(crate) fn ordered(kitchen: &Kitchen<'_>, steps: Vec<Step>) -> Result<Vec<Placed>, Error> {
    let mut placed = flat(steps);
    let needs = resolve(kitchen, &mut placed)?;
    let order = sort(&placed, &needs).map_err(|circle| {
        let spot = circle.first().map_or_else(Default::default, |at| placed[*at].step.spot);
        let names = circle.iter().map(|at| placed[*at].step.id.clone()).collect();
        kitchen.error(Problem::NeedsCycle { circle: names }, spot)
    })?;
    let mut places = vec![0; order.len()];
    for (place, at) in order.iter().enumerate() {
        places[*at] = place;
    }
    let mut slots: Vec<Option<Placed>> = placed.into_iter().map(Some).collect();
    let mut ordered = Vec::with_capacity(slots.len());
    for at in order {
        if let Some(mut it) = slots[at].take() {
            it.parent = it.parent.map(|parent| places[parent]);
            ordered.push(it);
        }
    }
    Ok(ordered)
}

/// The tree as a list, parents before their children.
fn flat(steps: Vec<Step>) -> Vec<Placed> {
    fn add(step: Step, parent: Option<usize>, placed: &mut Vec<Placed>) {
        let mut step = step;
        let children = std::mem::take(&mut step.children);
        let at = placed.len();
        placed.push(Placed { step, parent, has_children: !children.is_empty() });
        for child in children {
            add(child, Some(at), placed);
        }
    }
    let mut placed = Vec::with_capacity(steps.len());
    for step in steps {
        add(step, None, &mut placed);
    }
    placed
}

/// The places of what each step needs, and with them the ids in the steps themselves.
fn resolve(kitchen: &Kitchen<'_>, placed: &mut [Placed]) -> Result<Vec<Vec<usize>>, Error> {
    let mut ids: BTreeMap<&str, usize> = BTreeMap::new();
    for (at, it) in placed.iter().enumerate() {
        if ids.insert(it.step.id.as_str(), at).is_some() {
            return Err(kitchen.error(Problem::DuplicateId { id: it.step.id.clone() }, it.step.spot));
        }
    }
    let find = |step: &Step, field: &'static str, id: &str, spot| {
        let end = end_of(kitchen, step, id);
        ids.get(end).copied().ok_or_else(|| {
            let problem = Problem::UnknownStep { field, what: format!("`{}`", step.id), id: id.to_owned() };
            let mut error = kitchen.error(problem, spot);
            error.hint = suggest::hint(id, ids.keys().copied().filter(|other| *other != step.id));
            error
        })
    };
    let mut all = Vec::with_capacity(placed.len());
    let mut spawners = Vec::new();
    for (at, Placed { step, .. }) in placed.iter().enumerate() {
        let needs = step.needs.iter().map(|need| find(step, "needs", &need.id, need.spot));
        let mut needs: Vec<usize> = needs.collect::<Result<_, _>>()?;
        unique(&mut needs);
        if let Some(spawner) = step.waits_for.as_ref().and_then(|it| it.spawner.as_ref()) {
            spawners.push((at, find(step, "waits_for", spawner, step.spot)?));
        }
        all.push(needs);
    }
    let changed: Vec<(usize, Vec<String>)> = placed
        .iter()
        .zip(&all)
        .enumerate()
        .filter(|(_, (it, needs))| {
            let same = |(need, at): (&crate::step::Need, &usize)| need.id == placed[*at].step.id;
            it.step.needs.len() != needs.len() || !it.step.needs.iter().zip(*needs).all(same)
        })
        .map(|(at, (_, needs))| (at, needs.iter().map(|need| placed[*need].step.id.clone()).collect()))
        .collect();
    let spawners: Vec<_> = spawners.into_iter().map(|(at, spawner)| (at, placed[spawner].step.id.clone())).collect();
    for (at, needs) in changed {
        placed[at].step.needs = needs.into_iter().map(Into::into).collect();
    }
    for (at, id) in spawners {
        if let Some(waits_for) = &mut placed[at].step.waits_for {
            waits_for.spawner = Some(id);
        }
    }
    Ok(all)
}

/// The step that stands for one that an expansion or a loop replaced. Within what replaced it, the id means what is
/// there: a template may have a step named as its target.
fn end_of<'a>(kitchen: &'a Kitchen<'_>, step: &Step, id: &'a str) -> &'a str {
    let mut end = id;
    for _ in 0..ENDS_MAX {
        if step.via.iter().any(|via| via.step == end) {
            return end;
        }
        match kitchen.ends.get(end) {
            Some(next) => end = next,
            None => return end,
        }
    }
    end
}

/// Each once, as first named. Few needs are the rule, so the order of the others is not worth a map.
fn unique(needs: &mut Vec<usize>) {
    const FEW: usize = 16;
    if needs.len() <= FEW {
        let mut at = 0;
        while at < needs.len() {
            if needs[..at].contains(&needs[at]) { _ = needs.remove(at) } else { at += 1 }
        }
        return;
    }
    let mut seen = std::collections::BTreeSet::new();
    needs.retain(|need| seen.insert(*need));
}

/// The places in order, or the places on a circle with the first one repeated at the end.
fn sort(placed: &[Placed], needs: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let count = placed.len();
    // The end of a parent is node `count + place`; of a step without children, start and end are one.
    let end = |at: usize| if placed[at].has_children { count + at } else { at };
    let mut after: Vec<Vec<usize>> = vec![Vec::new(); 2 * count];
    let mut waits = vec![0_usize; 2 * count];
    for (at, it) in placed.iter().enumerate() {
        let starts = needs[at].iter().map(|need| (end(*need), at)).chain(it.parent.map(|parent| (parent, at)));
        let ends = it.parent.map(|parent| (end(at), count + parent));
        let own = it.has_children.then_some((at, count + at));
        for (before, then) in starts.chain(ends).chain(own) {
            after[before].push(then);
            waits[then] += 1;
        }
    }
    let mut free: BinaryHeap<Reverse<(usize, usize)>> = BinaryHeap::new();
    let nodes = (0..count).chain((0..count).filter(|at| placed[*at].has_children).map(|at| count + at));
    let rank = |node: usize| Reverse((node % count.max(1), node));
    let nodes: Vec<usize> = nodes.collect();
    free.extend(nodes.iter().filter(|node| waits[**node] == 0).map(|node| rank(*node)));
    let mut order = Vec::with_capacity(count);
    let mut done = 0_usize;
    while let Some(Reverse((_, node))) = free.pop() {
        done += 1;
        if node < count {
            order.push(node);
        }
        for &then in &after[node] {
            waits[then] -= 1;
            if waits[then] == 0 {
                free.push(rank(then));
            }
        }
    }
    if done == nodes.len() { Ok(order) } else { Err(circle(&nodes, &after, &waits, count)) }
}

/// One of the circles: from the first node that still waits, back along what it waits for, until one comes twice.
fn circle(nodes: &[usize], after: &[Vec<usize>], waits: &[usize], count: usize) -> Vec<usize> {
    let mut before: BTreeMap<usize, usize> = BTreeMap::new();
    for &node in nodes.iter().filter(|node| waits[**node] > 0) {
        for &then in after[node].iter().filter(|then| waits[**then] > 0) {
            before.entry(then).or_insert(node);
        }
    }
    let Some(mut node) = nodes.iter().copied().find(|node| waits[*node] > 0) else { return Vec::new() };
    let mut path: Vec<usize> = Vec::new();
    let mut places: BTreeMap<usize, usize> = BTreeMap::new();
    while !places.contains_key(&node) {
        places.insert(node, path.len());
        path.push(node);
        match before.get(&node) {
            Some(next) => node = *next,
            None => break,
        }
    }
    let start = places.get(&node).copied().unwrap_or(0);
    let mut steps: Vec<usize> = path[start..].iter().map(|node| node % count).collect();
    steps.dedup();
    let smallest = steps.iter().enumerate().min_by_key(|(_, at)| **at).map_or(0, |(place, _)| place);
    steps.rotate_left(smallest);
    steps.dedup();
    if steps.len() > 1 && steps.first() == steps.last() {
        steps.pop();
    }
    steps.extend(steps.first().copied());
    steps
}
