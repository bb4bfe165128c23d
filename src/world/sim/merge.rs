//! Merges: two trees that come from one, text by text and line by line, in conflict exactly where git's are.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use similar::{Algorithm, DiffTag, capture_diff_slices};

use super::commits::Tree;

/// Merges two trees that come from one, or names the files where both changed the same.
pub fn merge(base: &Tree, ours: &Tree, theirs: &Tree) -> Result<Tree, Vec<String>> {
    let paths: BTreeSet<&String> = base.keys().chain(ours.keys()).chain(theirs.keys()).collect();
    let (mut merged, mut conflicts) = (Tree::new(), Vec::new());
    for path in paths {
        match merge_file(base.get(path), ours.get(path), theirs.get(path)) {
            Ok(Some(text)) => {
                merged.insert(path.clone(), text);
            }
            Ok(None) => {}
            Err(()) => conflicts.push(path.clone()),
        }
    }
    if conflicts.is_empty() { Ok(merged) } else { Err(conflicts) }
}

fn merge_file(base: Option<&String>, ours: Option<&String>, theirs: Option<&String>) -> Result<Option<String>, ()> {
    if ours == theirs || theirs == base {
        return Ok(ours.cloned());
    }
    if ours == base {
        return Ok(theirs.cloned());
    }
    let (Some(base), Some(ours), Some(theirs)) = (base, ours, theirs) else { return Err(()) };
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<Vec<_>>();
    let merged = merge_lines(&lines(base), &lines(ours), &lines(theirs)).ok_or(())?;
    Ok(Some(merged.iter().flat_map(|line| [line.as_str(), "\n"]).collect()))
}

/// What a change does to a file: the lines that go and those that come, place by place; of a file that is new or gone, all.
pub type Edits = Vec<(Vec<String>, Vec<String>)>;

/// The change from one tree to another, by file.
pub fn edits(before: &Tree, after: &Tree) -> BTreeMap<String, Edits> {
    let paths: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let lines = |text: Option<&String>| -> Vec<String> {
        text.into_iter().flat_map(|text| text.lines()).map(str::to_owned).collect()
    };
    let changed = paths.into_iter().filter(|path| before.get(*path) != after.get(*path));
    let of = |path: &String| {
        let (old, new) = (lines(before.get(path)), lines(after.get(path)));
        let hunks = hunks(&old, &new).into_iter();
        hunks.map(|hunk| (old[hunk.old].to_vec(), new[hunk.new].to_vec())).collect()
    };
    changed.map(|path| (path.clone(), of(path))).collect()
}

/// A stretch of the base's lines, and what stands in their place.
struct Hunk {
    old: Range<usize>,
    new: Range<usize>,
}

fn hunks(base: &[String], new: &[String]) -> Vec<Hunk> {
    let changes = capture_diff_slices(Algorithm::Myers, base, new).into_iter().map(|op| op.as_tag_tuple());
    changes.filter(|(tag, ..)| *tag != DiffTag::Equal).map(|(_, old, new)| Hunk { old, new }).collect()
}

/// As git does it: changes with an untouched line between them both count; those that overlap or touch conflict, unless
/// both sides say the same there.
fn merge_lines(base: &[String], ours: &[String], theirs: &[String]) -> Option<Vec<String>> {
    let (my_hunks, other_hunks) = (hunks(base, ours), hunks(base, theirs));
    let (mut mine, mut others) = (&my_hunks[..], &other_hunks[..]);
    let (mut merged, mut at) = (Vec::new(), 0);
    while let Some(start) = [mine.first(), others.first()].into_iter().flatten().map(|hunk| hunk.old.start).min() {
        // Whatever touches the region belongs to it, and may make it longer.
        let mut region = start..start;
        let (mut m, mut o) = (0, 0);
        loop {
            let before = (m, o);
            m += take_in(&mut region, &mine[m..]);
            o += take_in(&mut region, &others[o..]);
            if (m, o) == before {
                break;
            }
        }
        let (here, there) = (image(&region, &mine[..m], ours), image(&region, &others[..o], theirs));
        let text = match (m, o) {
            (0, _) => there,
            (_, 0) => here,
            _ if here == there => here,
            _ => return None,
        };
        merged.extend_from_slice(&base[at..region.start]);
        merged.extend_from_slice(text);
        at = region.end;
        (mine, others) = (&mine[m..], &others[o..]);
    }
    merged.extend_from_slice(&base[at..]);
    Some(merged)
}

/// Makes a region reach over the hunks that touch it; answers how many.
fn take_in(region: &mut Range<usize>, hunks: &[Hunk]) -> usize {
    let mut count = 0;
    while let Some(hunk) = hunks.get(count).filter(|hunk| hunk.old.start <= region.end) {
        region.end = region.end.max(hunk.old.end);
        count += 1;
    }
    count
}

/// A region's lines on the side of these hunks, which are all that touch it.
fn image<'a>(region: &Range<usize>, hunks: &[Hunk], new: &'a [String]) -> &'a [String] {
    let (Some(first), Some(last)) = (hunks.first(), hunks.last()) else { return &[] };
    let before = first.old.start - region.start;
    let after = region.end - last.old.end;
    &new[first.new.start - before..last.new.end + after]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tree(text: &str) -> Tree {
        Tree::from([("a".to_owned(), text.to_owned())])
    }

    fn merged(base: &str, ours: &str, theirs: &str) -> Result<String, Vec<String>> {
        merge(&tree(base), &tree(ours), &tree(theirs)).map(|mut t| t.remove("a").unwrap_or_default())
    }

    #[test]
    fn changes_of_different_lines_merge_and_of_the_same_line_conflict() {
        assert_eq!(merged("1\n2\n3\n", "one\n2\n3\n", "1\n2\nthree\n").unwrap(), "one\n2\nthree\n");
        assert_eq!(merged("1\n2\n3\n", "one\n2\n3\n", "uno\n2\n3\n").unwrap_err(), ["a"]);
        assert_eq!(merged("1\n", "one\n", "one\n").unwrap(), "one\n");
        assert_eq!(merged("1\n2\n", "one\n2\n", "1\ntwo\n").unwrap_err(), ["a"], "they touch");
    }

    #[test]
    fn lines_put_in_at_the_top_and_at_the_end_merge_and_at_one_place_conflict() {
        assert_eq!(merged("1\n2\n3\n", "0\n1\n2\n3\n", "1\n2\n3\n4\n").unwrap(), "0\n1\n2\n3\n4\n");
        assert_eq!(merged("1\n2\n", "1\n2\n3\n", "1\n2\n4\n5\n").unwrap_err(), ["a"]);
        assert_eq!(merged("1\n2\n3\n", "3\n", "1\n2\n3\n4\n").unwrap(), "3\n4\n");
    }

    #[test]
    fn a_file_taken_away_here_and_changed_there_conflicts() {
        assert_eq!(merge(&tree("1\n"), &Tree::new(), &tree("2\n")).unwrap_err(), ["a"]);
        assert_eq!(merge(&tree("1\n"), &Tree::new(), &tree("1\n")).unwrap(), Tree::new());
    }
}
