//! Lines `NAME=VALUE`, read as `kubectl create secret --from-env-file` reads them.
//!
//! As there, nothing is taken off a value, a blank line or one that begins with `#` says nothing, and a name alone passes on a
//! variable of whoever reads. A message names the line, never what is on it.

/// Most variables of one text.
const VARIABLES_MAX: usize = 256;

/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 63;

/// What is wrong with a line.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line} {what}")]
pub struct LineError {
    /// Its number, from 1.
    pub line: usize,
    /// The rest of a sentence about it.
    pub what: &'static str,
}

/// The variables of a text, in its order. `own` gives a variable of the reader's.
pub fn parse(text: &str, own: impl Fn(&str) -> Option<String>) -> Result<Vec<(String, String)>, LineError> {
    let mut variables: Vec<(String, String)> = Vec::new();
    for (nth, line) in text.strip_prefix('\u{feff}').unwrap_or(text).lines().enumerate() {
        let wrong = |what| LineError { line: nth + 1, what };
        let line = line.trim_start();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (line, own(line)),
        };
        if !is_name(name) {
            return Err(wrong("does not begin with the name of a variable"));
        }
        if variables.iter().any(|(there, _)| there == name) {
            return Err(wrong("names a variable that a line before it names"));
        }
        if value.as_ref().is_some_and(|value| value.contains('\0')) {
            return Err(wrong("holds a NUL, which no variable can"));
        }
        if variables.len() == VARIABLES_MAX {
            return Err(wrong("is one too many: at most 256 variables"));
        }
        variables.extend(value.map(|value| (name.to_owned(), value)));
    }
    Ok(variables)
}

fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    !text.is_empty()
        && text.len() <= NAME_BYTES_MAX
        && !text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let own = |name: &str| (name == "MINE").then(|| "my own".to_owned());
        match parse(text, own) {
            Ok(all) => all.iter().map(|(name, value)| format!("{name}=<{value}>")).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string(),
        }
    }

    #[test]
    fn lines_are_read_as_kubectl_reads_them() {
        for (text, said) in [
            ("", ""),
            ("A=1\nB=2\n", "A=<1> B=<2>"),
            ("\u{feff}A=1\r\n\r\n  # a comment\n\tB=a=b # kept \n", "A=<1> B=<a=b # kept >"),
            ("A=\nB=\"quoted\"\n", "A=<> B=<\"quoted\">"),
            ("MINE\nNOBODYS\n", "MINE=<my own>"),
            ("A=1\nexport B=2", "line 2 does not begin with the name of a variable"),
            ("=1", "line 1 does not begin with the name of a variable"),
            ("1A=1", "line 1 does not begin with the name of a variable"),
            ("A=1\n\nA=2", "line 3 names a variable that a line before it names"),
            ("A=\0", "line 1 holds a NUL, which no variable can"),
        ] {
            assert_eq!(read(text), said, "{text:?}");
        }
    }

    #[test]
    fn there_is_a_bound() {
        let lines = |n: usize| (0..n).map(|n| format!("A{n}=\n")).collect::<Vec<_>>().concat();
        assert_eq!(parse(&lines(256), |_| None).unwrap().len(), 256);
        assert_eq!(parse(&lines(257), |_| None).unwrap_err().line, 257);
    }
}
