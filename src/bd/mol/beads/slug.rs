//! The part of a bead's id that is its step's own.

use std::collections::BTreeSet;

use gastown_crds::names;

/// Characters of a step's own part of its id: with a root of 60 that is well below the longest id.
const SLUG_CHARS_MAX: usize = 40;

/// A part of an id that is a label and that no other step has.
pub fn slug(id: &str, used: &mut BTreeSet<String>) -> String {
    let mut plain = String::new();
    for c in id.chars() {
        match c {
            c if c.is_ascii_alphanumeric() => plain.push(c.to_ascii_lowercase()),
            _ if plain.ends_with('-') => {}
            _ => plain.push('-'),
        }
    }
    let plain = plain.trim_matches('-').to_owned();
    let is_short = plain.len() <= SLUG_CHARS_MAX && !plain.is_empty();
    let mut slug = plain.clone();
    if !is_short || used.contains(&slug) {
        let beginning = plain.get(..plain.len().min(SLUG_CHARS_MAX - 9)).unwrap_or_default().trim_matches('-');
        let hash = names::short_hash(&["step", id]);
        slug = if beginning.is_empty() { format!("x-{hash}") } else { format!("{beginning}-{hash}") };
    }
    // Two ids of one hash and one beginning do not come by chance.
    while !used.insert(slug.clone()) {
        slug = format!("x-{}", names::short_hash(&["step", &slug]));
    }
    slug
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_has_a_part_of_its_id_that_may_be_in_a_name() {
        let ids = ["Build it", "build-it", "loop.iter1.a", "loop-iter1-a", "é", "--", &"x".repeat(200)];
        let mut used = BTreeSet::new();
        let slugs: Vec<String> = ids.iter().map(|id| slug(id, &mut used)).collect();
        assert_eq!(slugs[0], "build-it");
        assert_eq!(slugs[2], "loop-iter1-a");
        assert!(slugs[1].starts_with("build-it-") && slugs[3].starts_with("loop-iter1-a-"), "{slugs:?}");
        assert!(slugs.iter().all(|slug| names::is_label(slug)), "{slugs:?}");
        assert_eq!(slugs.iter().collect::<BTreeSet<_>>().len(), ids.len());
    }
}
