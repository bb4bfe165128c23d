//! Names of branches: every name that git takes, and none that it refuses (git-check-ref-format(1)).
//!
//! The rule is written twice: in CEL for the definition that an apiserver reads, and here, where it says what is wrong. A
//! property test holds them to one another, and a test on real git both to git.

/// Longest name, in characters. Git's own limit is what a path may have.
pub const CHARS_MAX: u32 = 1024;

/// Longest part between two slashes, in bytes: it is a file's name, and git writes one beside it that ends in `.lock`.
pub const PART_BYTES_MAX: usize = 250;

/// CEL: what no name of a branch contains. CEL counts characters, so [`PART_BYTES_MAX`] is left to [`has_long_part`].
pub const RULE: &str =
    r"!self.matches('^-|^HEAD$|^/|/$|//|(^|/)[.]|[.][.]|[.]$|[.]lock(/|$)|@[{]|[\\x00-\\x20\\x7f~^:?*\\[\\\\]')";

/// The message of [`RULE`].
pub const MESSAGE: &str = "git allows no branch of this name";

/// Characters that no name contains, beside blanks and control characters.
const REFUSED: [char; 7] = ['~', '^', ':', '?', '*', '[', '\\'];

/// Why git refuses a name for a branch; none if it takes it.
pub fn mistake(name: &str) -> Option<String> {
    let says = |why: &str| Some(why.to_owned());
    if name.is_empty() {
        return says("it is empty");
    }
    if name == "HEAD" {
        return says("`HEAD` names what is checked out");
    }
    if name.starts_with('-') {
        return says("it starts with `-`");
    }
    if let Some(c) = name.chars().find(|c| REFUSED.contains(c) || c.is_ascii_control() || *c == ' ') {
        return Some(match c {
            ' ' => "it contains a blank".to_owned(),
            c => format!("it contains `{}`", c.escape_debug()),
        });
    }
    if let Some(found) = ["..", "@{"].into_iter().find(|part| name.contains(part)) {
        return Some(format!("it contains `{found}`"));
    }
    if name.ends_with('.') {
        return says("it ends with `.`");
    }
    name.split('/').find_map(|part| {
        if part.is_empty() {
            says("nothing stands before, between or behind its slashes")
        } else if part.starts_with('.') {
            Some(format!("`{part}` starts with `.`"))
        } else if is_lock(part) {
            Some(format!("`{part}` ends with `.lock`"))
        } else {
            None
        }
    })
}

/// Whether a part of a name is longer than a file's name may be.
pub fn has_long_part(name: &str) -> bool {
    name.split('/').any(|part| part.len() > PART_BYTES_MAX)
}

/// Whether a name that may stand in a branch's looks like one of git's locks.
pub fn is_lock(part: &str) -> bool {
    part.strip_suffix(".lock").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kinds::Kind;
    use proptest::prelude::*;
    use serde_json::json;

    /// What the definition's rule says.
    fn is_taken_by_the_schema(name: &str) -> bool {
        let rig = json!({
            "apiVersion": "gastown.io/v1alpha1", "kind": "Rig", "metadata": { "name": "shop" },
            "spec": { "repo": { "url": "/x", "branch": name }, "merge": { "strategy": "Push", "allowUnverified": true } },
        });
        let schema = Kind::named("Rig").unwrap().schema();
        schema.validate(&rig).is_empty() && schema.cel(&rig, None).is_empty()
    }

    #[test]
    fn what_git_takes_is_taken() {
        for name in [
            "main",
            "a/b",
            "@",
            "a@",
            "@a",
            "a./b",
            "a]",
            "a{b}",
            "ü/ö",
            "+a",
            "a'b",
            "a\"b",
            "$(x)",
            "a;b",
            "#1",
            "!x",
            "%",
            "a/HEAD",
            "HEAD/x",
            "refs/heads/x",
            "a.lockx",
            "lock",
            "a\u{85}",
            "a,b",
            "&",
            "x--",
            "1",
        ] {
            assert_eq!(mistake(name), None, "{name}");
            assert!(is_taken_by_the_schema(name), "{name}");
        }
    }

    #[test]
    fn what_git_refuses_is_refused_with_the_reason() {
        let why = |name: &str| {
            assert!(!is_taken_by_the_schema(name), "{name}");
            mistake(name).unwrap_or_default()
        };
        assert_eq!(why(""), "it is empty");
        assert_eq!(why("HEAD"), "`HEAD` names what is checked out");
        assert_eq!(why("-x"), "it starts with `-`");
        assert_eq!(why("a b"), "it contains a blank");
        assert_eq!(why("a\tb"), r"it contains `\t`");
        assert_eq!(why("a\u{7f}"), r"it contains `\u{7f}`");
        for c in REFUSED {
            assert_eq!(why(&format!("a{c}b")), format!("it contains `{}`", c.escape_debug()));
        }
        assert_eq!(why("a..b"), "it contains `..`");
        assert_eq!(why("a@{1}"), "it contains `@{`");
        assert_eq!(why("a."), "it ends with `.`");
        for name in ["/a", "a/", "a//b"] {
            assert_eq!(why(name), "nothing stands before, between or behind its slashes", "{name}");
        }
        assert_eq!(why("a/.b/c"), "`.b` starts with `.`");
        assert_eq!(why("a.lock/b"), "`a.lock` ends with `.lock`");
        assert_eq!(why(".lock"), "`.lock` starts with `.`");
    }

    #[test]
    fn a_part_is_as_long_as_a_file_name_may_be_beside_its_lock() {
        let part = "ä".repeat(PART_BYTES_MAX / 2);
        assert!(!has_long_part(&format!("{part}/{part}")));
        assert!(has_long_part(&format!("{part}x/a")));
    }

    proptest! {
        #[test]
        fn the_rule_of_the_definition_says_the_same(name in r"(HEAD|[-./@{~^:?*\[\\ a.lock\x00-\x20\x7fä]|[.]lock|[.][.]|@[{]|a|/){1,12}") {
            prop_assert_eq!(mistake(&name).is_none(), is_taken_by_the_schema(&name), "{:?}", mistake(&name));
        }
    }
}
