//! An error and its causes, each printed once: some errors repeat what they wrap, and nobody wants to read it twice.

use std::error::Error;

/// The causes of an error that was printed as `printed`, the nearest first; without those that say nothing new.
pub fn below(printed: &str, error: &dyn Error) -> Vec<String> {
    let mut causes: Vec<String> = Vec::new();
    let mut next = error.source();
    while let Some(cause) = next {
        let text = cause.to_string();
        if !causes.last().map_or(printed, String::as_str).ends_with(&text) {
            causes.push(text);
        }
        next = cause.source();
    }
    causes
}

/// An error and its causes in one line.
pub fn in_a_line(error: &dyn Error) -> String {
    let text = error.to_string();
    let causes = below(&text, error);
    std::iter::once(text).chain(causes).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Failed {
        #[error("could not read the file")]
        Plain(#[source] std::io::Error),
        #[error("could not read the file: {0}")]
        Repeats(#[source] std::io::Error),
        #[error(transparent)]
        Same(#[from] std::io::Error),
    }

    #[test]
    fn each_is_told_once() {
        let fire = || std::io::Error::other("disk on fire");
        for error in [Failed::Plain(fire()), Failed::Repeats(fire())] {
            assert_eq!(in_a_line(&error), "could not read the file: disk on fire");
        }
        assert_eq!(in_a_line(&Failed::Same(fire())), "disk on fire");
        assert_eq!(below("could not start", &Failed::Plain(fire())), ["disk on fire"]);
    }
}
