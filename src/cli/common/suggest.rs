//! "Did you mean": the nearest of the words that would have been right.

/// Longest word for which a likeness is computed, in bytes; its cost grows with the square.
const WORD_BYTES_MAX: usize = 64;
/// How alike two words must be, from 0 to 1.
const LIKENESS_MIN: f32 = 0.6;
/// Most candidates compared.
const CANDIDATES_MAX: usize = 500;

/// The nearest candidate, if one is near.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if word.is_empty() || word.len() > WORD_BYTES_MAX {
        return None;
    }
    let candidates: Vec<&str> = candidates.filter(|c| c.len() <= WORD_BYTES_MAX).take(CANDIDATES_MAX).collect();
    similar::get_close_matches(word, &candidates, 1, LIKENESS_MIN).into_iter().next()
}
