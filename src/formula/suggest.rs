//! "Did you mean": the nearest of the words that would have been right, as the manifests' errors have it.
//!
//! The one in `crds` is not used: this crate must build without Kubernetes' types.

use std::cmp::Reverse;

/// Longest word for which a likeness is computed, in bytes; its cost grows with the square.
const WORD_BYTES_MAX: usize = 64;
/// Most candidates compared: thousands of steps must not make each mistake slow.
const CANDIDATES_MAX: usize = 500;
/// How alike two words must be, from 0 to 1; the same as for manifests.
const LIKENESS_MIN: f64 = 0.6;
/// Most names that a hint lists.
const LISTED_MAX: usize = 12;

/// A hint: the nearest candidate, else all of them where they are few.
pub(crate) fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(near) = nearest(word, candidates.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let all: Vec<String> = candidates
        .into_iter()
        .filter(|it| is_written(it))
        .take(LISTED_MAX + 1)
        .map(|name| format!("`{name}`"))
        .collect();
    match all.len() {
        1..=LISTED_MAX => Some(format!("there is {}", all.join(", "))),
        _ => None,
    }
}

/// Whether people write such an id: the token of a loop stands for a number that is not known yet.
fn is_written(id: &str) -> bool {
    !id.contains("{#")
}

/// The nearest candidate, if one is near. Of two that are as near, the first by name.
pub(crate) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.len() > WORD_BYTES_MAX {
        return None;
    }
    let slack = (word.len() / 3).max(2);
    let near = candidates
        .into_iter()
        .filter(|it| is_written(it))
        .filter(|it| it.len().abs_diff(word.len()) <= slack)
        .take(CANDIDATES_MAX);
    let likeness = |it: &str| {
        let same_letters = it.eq_ignore_ascii_case(word);
        if same_letters { 1.0 } else { strsim::normalized_damerau_levenshtein(word, it) }
    };
    near.map(|it| (likeness(it), it))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|(a, left), (b, right)| a.total_cmp(b).then(Reverse(left).cmp(&Reverse(right))))
        .map(|(_, it)| it)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_found_and_a_far_one_is_not_offered() {
        let words = ["needs", "title", "Notes"];
        assert_eq!(nearest("need", words), Some("needs"));
        assert_eq!(nearest("notes", words), Some("Notes"));
        assert_eq!(nearest("gate", words), None);
        assert_eq!(hint("gate", words).as_deref(), Some("there is `needs`, `title`, `Notes`"));
    }
}
