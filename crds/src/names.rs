//! Names that follow from what they name: beads, steps, polecats and merge requests.
//!
//! Invariant: the same inputs give the same name for ever, so "create" is idempotent and a crash between two creates
//! loses nothing.

use data_encoding::{Encoding, Specification};
use sha2::{Digest, Sha256};

/// Longest object name, in bytes: short enough to be a label value too.
pub const NAME_BYTES_MAX: usize = 63;

/// Longest subdomain, in bytes: a name of several labels.
const SUBDOMAIN_BYTES_MAX: usize = 253;

/// Lower-case base32 without the letters that are easily confused.
fn base32() -> Encoding {
    let mut spec = Specification::new();
    spec.symbols.push_str("abcdefghijkmnpqrstuvwxyz23456789");
    spec.encoding().expect("the alphabet has 32 distinct symbols")
}

/// Eight base32 characters of a hash over parts; the parts are length-prefixed, so `("ab", "c")` is not `("a", "bc")`.
pub fn short_hash(parts: &[&str]) -> String {
    base32().encode(&hash(parts))[..8].to_owned()
}

/// A hex digest over parts, 32 characters.
pub fn digest(parts: &[&str]) -> String {
    data_encoding::HEXLOWER.encode(&hash(parts)[..16])
}

fn hash(parts: &[&str]) -> Vec<u8> {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_vec()
}

/// The name of a convoy's bead: `<prefix>-<8 characters of hash(convoy, run, bead)>`.
pub fn bead(prefix: &str, convoy: &str, run: u32, bead: &str) -> String {
    format!("{prefix}-{}", short_hash(&["bead", convoy, &run.to_string(), bead]))
}

/// The name of a formula's step as poured for one bead: `<bead>.<step>`, and `<bead>.<round>.<step>` when it is reworked.
pub fn step(bead: &str, round: u32, step: &str) -> String {
    if round == 0 { format!("{bead}.{step}") } else { format!("{bead}.{round}.{step}") }
}

/// The object name of a polecat: `<rig>-<name>`.
pub fn polecat(rig: &str, name: &str) -> String {
    format!("{rig}-{name}")
}

/// The name of a merge request, by its content.
pub fn merge_request(bead: &str, bead_uid: &str, head: &str, attempt: u32) -> String {
    format!("{bead}-{}", short_hash(&["mr", bead_uid, head, &attempt.to_string()]))
}

/// How the names of events begin that the town itself has written.
pub const SYSTEM_EVENT_PREFIX: &str = "sys-";

/// The name of an event that the town itself writes, by what has happened: it is written once, however often that is tried.
pub fn system_event(parts: &[&str]) -> String {
    format!("{SYSTEM_EVENT_PREFIX}{}", digest(&[&["event"], parts].concat()))
}

/// The branch a polecat works on.
pub fn branch(polecat: &str, bead: &str) -> String {
    format!("polecat/{polecat}/{bead}")
}

/// Whether a text is a DNS-1123 label: lower-case letters, digits and `-`, at most 63 bytes.
pub fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    !bytes.is_empty()
        && bytes.len() <= NAME_BYTES_MAX
        && inner(bytes[0])
        && inner(bytes[bytes.len() - 1])
        && bytes.iter().all(|&b| inner(b) || b == b'-')
}

/// Whether a text is a DNS-1123 subdomain: lower-case letters, digits and `-` in parts with a dot between, at most 253 bytes.
pub fn is_subdomain(text: &str) -> bool {
    let is_lower = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let is_part = |part: &str| is_word(part, SUBDOMAIN_BYTES_MAX, |b| b == b'-', is_lower);
    text.len() <= SUBDOMAIN_BYTES_MAX && text.split('.').all(is_part)
}

/// Whether a text is a key of labels or annotations, such as `team` or `example.org/team`.
pub fn is_qualified(text: &str) -> bool {
    let (domain, name) = text.split_once('/').map_or((None, text), |(domain, name)| (Some(domain), name));
    domain.is_none_or(is_subdomain) && is_label_text(name)
}

/// Whether a text is a value of labels.
pub fn is_label_value(text: &str) -> bool {
    text.is_empty() || is_label_text(text)
}

fn is_label_text(text: &str) -> bool {
    is_word(text, NAME_BYTES_MAX, |b| matches!(b, b'-' | b'_' | b'.'), |b| b.is_ascii_alphanumeric())
}

fn is_word(text: &str, bytes_max: usize, middle: impl Fn(u8) -> bool, edge: impl Fn(u8) -> bool) -> bool {
    let bytes = text.as_bytes();
    let (Some(first), Some(last)) = (bytes.first(), bytes.last()) else { return false };
    bytes.len() <= bytes_max && edge(*first) && edge(*last) && bytes.iter().all(|b| edge(*b) || middle(*b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_depends_on_every_part_and_on_nothing_else() {
        let name = bead("shop", "auth", 1, "tokens");
        assert_eq!(name, bead("shop", "auth", 1, "tokens"));
        assert_ne!(name, bead("shop", "auth", 2, "tokens"));
        assert_ne!(short_hash(&["ab", "c"]), short_hash(&["a", "bc"]));
        assert!(is_label(&name), "{name}");
    }

    #[test]
    fn hostile_names_are_no_labels() {
        for bad in ["", "../x", "a b", "A", "-a", "a-", "a\u{7}", "ä", "a/b", &"a".repeat(64)] {
            assert!(!is_label(bad), "{bad:?}");
        }
    }
}
