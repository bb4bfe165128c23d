//! Moves blocks of text to the right and back.

/// Puts a prefix before every line that is not blank.
pub fn indent(text: &str, prefix: &str) -> String {
    let line = |line: &str| match line.trim().is_empty() {
        true => String::new(),
        false => format!("{prefix}{line}"),
    };
    joined(text, line)
}

/// Takes away the blanks that all lines have in common at their start.
pub fn dedent(text: &str) -> String {
    let mut common: Option<&str> = None;
    for line in text.lines().filter(|line| !line.trim().is_empty()) {
        let blanks = &line[..line.len() - line.trim_start().len()];
        common = Some(common.map_or(blanks, |common| shared(common, blanks)));
    }
    let common = common.unwrap_or("");
    joined(text, |line| line.strip_prefix(common).unwrap_or("").to_string())
}

/// Maps every line, and keeps the newline at the end of the text if there is one.
fn joined(text: &str, line: impl Fn(&str) -> String) -> String {
    let mut joined = text.lines().map(line).collect::<Vec<_>>().join("\n");
    if text.ends_with('\n') {
        joined.push('\n');
    }
    joined
}

/// The longest start that two texts have in common.
fn shared<'a>(one: &'a str, other: &str) -> &'a str {
    let same = one.char_indices().zip(other.chars()).find(|((_, a), b)| a != b);
    match same {
        Some(((at, _), _)) => &one[..at],
        None => &one[..one.len().min(other.len())],
    }
}

#[cfg(test)]
mod tests {
    use super::shared;

    #[test]
    fn tabs_and_blanks_are_not_the_same() {
        assert_eq!(shared("\t  ", "\t\t"), "\t");
        assert_eq!(shared("  ", "    "), "  ");
        assert_eq!(shared("    ", "  "), "  ");
        assert_eq!(shared(" ", "\t"), "");
    }
}
