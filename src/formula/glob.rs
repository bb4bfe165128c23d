//! Globs over ids of steps: `*` stands for any text, also with dots; every other character for itself.

/// Whether a glob finds an id. Linear in both: each piece between stars is looked for once, from the left.
pub(crate) fn matches(glob: &str, id: &str) -> bool {
    let Some((prefix, rest)) = glob.split_once('*') else { return glob == id };
    let Some(mut left) = id.strip_prefix(prefix) else { return false };
    let (middle, suffix) = rest.rsplit_once('*').unwrap_or(("", rest));
    for piece in middle.split('*').filter(|piece| !piece.is_empty()) {
        match left.find(piece) {
            Some(at) => left = &left[at + piece.len()..],
            None => return false,
        }
    }
    left.ends_with(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_text() {
        for (glob, id) in [
            ("implement", "implement"),
            ("*", "anything.at.all"),
            ("*.implement", "shiny.implement"),
            ("shiny.*", "shiny.a.b"),
            ("a*b*c", "a-b-b-c"),
            ("*test*", "run-tests"),
        ] {
            assert!(matches(glob, id), "{glob} {id}");
        }
        for (glob, id) in [("implement", "implement.x"), ("a*a", "a"), ("*.x", "x"), ("a*b*c", "acb"), ("", "a")] {
            assert!(!matches(glob, id), "{glob} {id}");
        }
    }
}
