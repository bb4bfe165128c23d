//! `$(NAME)`: a variable of the session by its name, as in the command of a Pod's container.
//!
//! As there, what no variable is called stays as it is, and `$$(NAME)` stands for `$(NAME)`. Other than there, a `$$` that no
//! `(` follows stays too: it is a shell's own.

/// The text with each `$(NAME)` replaced by the value of that variable.
pub fn expand<'a>(text: &str, value: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut expanded = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("$(") {
        let (before, reference) = rest.split_at(at);
        let end = reference.find(')').map(|end| end + 1);
        let (reference, after) = reference.split_at(end.unwrap_or(2));
        let name = reference[2..].strip_suffix(')');
        match (before.strip_suffix('$'), name.and_then(&value)) {
            (Some(before), _) => expanded.extend([before, reference]),
            (None, Some(value)) => expanded.extend([before, value]),
            // What is within it may be a reference all the same.
            (None, None) => {
                expanded.extend([before, "$("]);
                rest = &rest[at + 2..];
                continue;
            }
        }
        rest = after;
    }
    expanded + rest
}

#[cfg(test)]
mod tests {
    #[test]
    fn variables_are_put_in_by_name_and_nothing_else_changes() {
        let expand = |text| super::expand(text, |name| (name == "GT_BEAD").then_some("$(GT_BEAD)"));
        for (text, expanded) in [
            ("", ""),
            ("work on $(GT_BEAD), now", "work on $(GT_BEAD), now"),
            ("$(GT_BEAD)$(GT_BEAD)", "$(GT_BEAD)$(GT_BEAD)"),
            ("$$(GT_BEAD)", "$(GT_BEAD)"),
            ("$(NOBODY) $(date) $GT_BEAD ${GT_BEAD} $$ $", "$(NOBODY) $(date) $GT_BEAD ${GT_BEAD} $$ $"),
            ("$(echo $(GT_BEAD))", "$(echo $(GT_BEAD))"),
            ("$(GT_BEAD", "$(GT_BEAD"),
            ("é$(GT_BEAD)é", "é$(GT_BEAD)é"),
        ] {
            assert_eq!(expand(text), expanded, "{text}");
        }
        assert_eq!(super::expand("$(echo $(A)) $$(A)", |name| (name == "A").then_some("b")), "$(echo b) $(A)");
    }
}
