//! "Did you mean": the nearest of the names that would have been right.

/// Longest word for which a likeness is computed, in bytes; its cost grows with the square.
const WORD_BYTES_MAX: usize = 64;
/// Most candidates compared: a set of ten thousand names must not make each mistake slow.
const CANDIDATES_MAX: usize = 500;
/// How alike two words must be, from 0 to 1: `shpo` and `shop` are 0.75.
const LIKENESS_MIN: f32 = 0.6;
/// Most names that a hint lists.
const LISTED_MAX: usize = 12;

/// The nearest candidate, if one is near.
pub(super) fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.len() > WORD_BYTES_MAX {
        return None;
    }
    let slack = (word.len() / 3).max(2);
    let near: Vec<&str> = candidates
        .into_iter()
        .filter(|candidate| candidate.len().abs_diff(word.len()) <= slack)
        .take(CANDIDATES_MAX)
        .collect();
    let same_letters = near.iter().find(|candidate| candidate.eq_ignore_ascii_case(word));
    same_letters.copied().or_else(|| similar::get_close_matches(word, &near, 1, LIKENESS_MIN).into_iter().next())
}

/// A hint: the nearest candidate, else all of them where they are few.
pub(super) fn hint<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str> + Clone) -> Option<String> {
    if let Some(near) = nearest(word, candidates.clone()) {
        return Some(format!("did you mean `{near}`?"));
    }
    let all: Vec<String> = candidates.into_iter().take(LISTED_MAX + 1).map(|name| format!("`{name}`")).collect();
    match all.len() {
        0 => None,
        1..=LISTED_MAX => Some(format!("there is {}", all.join(", "))),
        _ => None,
    }
}
