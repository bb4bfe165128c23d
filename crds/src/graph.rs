//! Things that need each other: an order in which each comes after what it needs, or the circles that forbid one.

use std::collections::{BTreeMap, BTreeSet};

/// What each thing needs, by name. Needs that name nothing in the map are ignored: they are another's concern.
pub type Needs<'a> = BTreeMap<&'a str, Vec<&'a str>>;

/// The circles: each as the names on it, from the smallest on, without repeating it at the end. A thing is in one
/// circle at most, so there are never more circles than things.
pub fn cycles<'a>(needs: &Needs<'a>) -> Vec<Vec<&'a str>> {
    let mut found = Vec::new();
    let mut done = BTreeSet::new();
    for &start in needs.keys() {
        walk(needs, start, &mut done, &mut found);
    }
    found.sort();
    found
}

/// Depth first with a stack of our own: a chain of thousands must not exhaust the thread's.
fn walk<'a>(needs: &Needs<'a>, start: &'a str, done: &mut BTreeSet<&'a str>, found: &mut Vec<Vec<&'a str>>) {
    if done.contains(start) {
        return;
    }
    // The path from `start`, with how many needs of each were followed.
    let mut path: Vec<(&str, usize)> = vec![(start, 0)];
    let mut on_path: BTreeMap<&str, usize> = BTreeMap::from([(start, 0)]);
    while let Some((name, followed)) = path.last_mut() {
        let next = needs.get(*name).and_then(|all| all.get(*followed)).copied();
        *followed += 1;
        match next {
            None => {
                done.insert(*name);
                on_path.remove(*name);
                path.pop();
            }
            Some(next) if !needs.contains_key(next) || done.contains(next) => {}
            Some(next) => {
                let Some(&at) = on_path.get(next) else {
                    on_path.insert(next, path.len());
                    path.push((next, 0));
                    continue;
                };
                let circle: Vec<&str> = path[at..].iter().map(|(name, _)| *name).collect();
                let known = circle.iter().any(|name| found.iter().any(|other| other.contains(name)));
                if !known {
                    found.push(from_first(circle, |name| *name));
                }
            }
        }
    }
}

/// A circle, from the one of its members on that comes first.
pub fn from_first<T, K: Ord>(mut circle: Vec<T>, place: impl Fn(&T) -> K) -> Vec<T> {
    let first = circle.iter().enumerate().min_by_key(|(_, it)| place(it)).map_or(0, |(at, _)| at);
    circle.rotate_left(first);
    circle
}

/// Most names of a circle that are shown.
const SHOWN_MAX: usize = 10;

/// A circle as people read it: `a → b → a`.
pub fn shown(circle: &[&str]) -> String {
    let mut names: Vec<&str> = circle.iter().copied().take(SHOWN_MAX).collect();
    if circle.len() > SHOWN_MAX {
        names.push("…");
    }
    names.extend(circle.first());
    names.join(" → ")
}

/// The names such that each comes after what it needs, otherwise in the order given; what is on or behind a circle is
/// left out.
pub fn order<'a>(names: &[&'a str], needs: &Needs<'a>) -> Vec<&'a str> {
    let mut waits: BTreeMap<&str, usize> = BTreeMap::new();
    let mut frees: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (&name, all) in needs {
        let inner: BTreeSet<&str> = all.iter().copied().filter(|need| needs.contains_key(need)).collect();
        waits.insert(name, inner.len());
        for need in inner {
            frees.entry(need).or_default().push(name);
        }
    }
    let rank: BTreeMap<&str, usize> = names.iter().enumerate().map(|(rank, name)| (*name, rank)).collect();
    let mut free: BTreeSet<(usize, &str)> =
        names.iter().filter(|name| waits.get(*name) == Some(&0)).map(|name| (rank[name], *name)).collect();
    let mut ordered = Vec::with_capacity(names.len());
    while let Some((_, name)) = free.pop_first() {
        ordered.push(name);
        for &freed in frees.get(name).into_iter().flatten() {
            if let Some(left) = waits.get_mut(freed) {
                *left -= 1;
                if *left == 0
                    && let Some(&rank) = rank.get(freed)
                {
                    free.insert((rank, freed));
                }
            }
        }
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn needs(edges: &[(&'static str, &[&'static str])]) -> Needs<'static> {
        edges.iter().map(|(name, all)| (*name, all.to_vec())).collect()
    }

    #[test]
    fn each_circle_is_found_once() {
        let graph =
            needs(&[("c", &["a"]), ("a", &["b"]), ("b", &["c", "d"]), ("d", &[]), ("x", &["x"]), ("y", &["a", "x"])]);
        let found: Vec<String> = cycles(&graph).iter().map(|circle| shown(circle)).collect();
        assert_eq!(found, ["a → b → c → a", "x → x"]);
    }

    #[test]
    fn the_order_keeps_what_was_written_where_needs_allow() {
        let graph =
            needs(&[("test", &["build"]), ("build", &[]), ("lint", &["gone"]), ("ship", &["test", "lint", "test"])]);
        assert_eq!(order(&["ship", "lint", "test", "build"], &graph), ["lint", "build", "test", "ship"]);
    }

    #[test]
    fn what_is_on_or_behind_a_circle_has_no_place_in_the_order() {
        let graph = needs(&[("a", &["b"]), ("b", &["a"]), ("c", &["a"]), ("d", &[])]);
        assert_eq!(order(&["a", "b", "c", "d"], &graph), ["d"]);
    }

    #[test]
    fn a_long_chain_needs_no_stack() {
        let names: Vec<String> = (0..20_000).map(|n| format!("n{n:05}")).collect();
        let mut graph = Needs::new();
        for pair in names.windows(2) {
            graph.insert(&pair[0], vec![&pair[1]]);
        }
        graph.insert(&names[19_999], vec![&names[0]]);
        assert_eq!(cycles(&graph)[0].len(), 20_000);
    }
}
