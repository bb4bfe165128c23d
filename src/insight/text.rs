//! Words for a shell, so that a command that is shown can be pasted.

/// A word as a shell takes it back.
pub fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./=:@+,".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_a_shell_would_read_otherwise_is_quoted() {
        assert_eq!(super::quoted("rigs/shop.yaml"), "rigs/shop.yaml");
        assert_eq!(super::quoted("/my town/it's"), r"'/my town/it'\''s'");
        assert_eq!(super::quoted(""), "''");
    }
}
