//! Names that follow from what they name: beads, steps, polecats and merge requests.
//!
//! Invariant: the same inputs give the same name for ever, so "create" is idempotent and a crash between two creates
//! loses nothing.

use data_encoding::{Encoding, Specification};
use sha2::{Digest, Sha256};

/// Longest object name, in bytes: short enough to be a label value too.
pub const NAME_BYTES_MAX: usize = 63;

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
