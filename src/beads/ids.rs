//! Ids of beads: what an object of the town is named by one, and how a new one is made.
//!
//! Beads' ids may hold what no object's name may, such as an underscore. Such a bead has another name here, which follows from its id,
//! and keeps the id beside it: it is found and shown by that.

use std::borrow::Cow;

use gastown_crds::names;

/// The longest id that is taken.
pub const ID_BYTES_MAX: usize = 120;
/// Characters of a new id behind its prefix: 32^5 are 33 million, so that of 10,000 beads one in seven hundred towns meets a clash,
/// which the API refuses and `bd` tries again.
const RANDOM_CHARS: usize = 5;

/// The name of the object of a bead; none for what cannot be an id.
pub fn object_name(id: &str) -> Option<Cow<'_, str>> {
    if id.is_empty() || id.len() > ID_BYTES_MAX || id.chars().any(|c| c.is_control() || c.is_whitespace() || c == '/') {
        return None;
    }
    if names::is_subdomain(id) {
        return Some(Cow::Borrowed(id));
    }
    let plain: String =
        id.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).collect();
    let plain = plain.trim_matches('-');
    let hash = names::short_hash(&["id", id]);
    Some(Cow::Owned(if plain.is_empty() { format!("x-{hash}") } else { format!("{plain}-{hash}") }))
}

/// A new id with this prefix: `random` is as many random bytes as it likes.
pub fn new_id(prefix: &str, random: &str) -> String {
    let hash = names::short_hash(&["bead", random]);
    format!("{prefix}-{}", hash.get(..RANDOM_CHARS).unwrap_or(&hash))
}

/// The id of the nth part of a bead.
pub fn part_id(parent: &str, nth: usize) -> String {
    format!("{parent}.{nth}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_that_can_be_a_name_is_one_and_any_other_has_one_of_its_own() {
        for id in ["shop-a3f", "bd-1.2.3", "gt-mol-x9"] {
            assert_eq!(object_name(id).as_deref(), Some(id));
        }
        let name = |id| object_name(id).unwrap().into_owned();
        assert!(name("beads_rust-14eu").starts_with("beads-rust-14eu-"));
        assert_ne!(name("beads_rust-14eu"), name("beads-Rust-14eu"));
        for id in ["ABC-1", "a_b", "é", "-x-", "a..b", "x.-y"] {
            assert!(names::is_subdomain(&name(id)), "{id}: {}", name(id));
        }
        assert!(["", "a b", "../x", "a\nb", &"x".repeat(121)].iter().all(|id| object_name(id).is_none()));
    }

    #[test]
    fn a_new_id_follows_from_what_is_random() {
        assert_eq!(new_id("shop", "1"), new_id("shop", "1"));
        assert_ne!(new_id("shop", "1"), new_id("shop", "2"));
        assert!(names::is_label(&new_id("shop", "1")));
    }
}
