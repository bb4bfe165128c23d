//! Vars in shell text: each is a variable of the shell, so that no value is ever read as shell.
//!
//! `echo "{{title}}"` becomes two lines, `GT_VAR_title='…'` and `echo "${GT_VAR_title}"`. A value stands in the first
//! alone, as one quoted word. So reading the quotes of the text wrongly could show a var in a wrong form; it can never run
//! what is in its value.

use std::collections::BTreeMap;
use std::fmt::Write as _;

/// The beginning of the variables' names.
const PREFIX: &str = "GT_VAR_";

/// A var to be put into a text: the bytes that it replaces, its name, and its value.
pub(crate) struct Filling<'a> {
    pub range: std::ops::Range<usize>,
    pub name: &'a str,
    pub value: &'a str,
    /// Whether it stays one word where it is not quoted. Otherwise the shell splits it at blanks, as it does a variable.
    pub is_word: bool,
}

/// A shell text with its vars filled in; `fillings` are in the order of the text.
pub(crate) fn fill(text: &str, fillings: &[Filling<'_>]) -> String {
    let mut quotes = Quotes::default();
    let (mut filled, mut copied) = (String::with_capacity(text.len()), 0);
    let mut values = BTreeMap::new();
    for Filling { range, name, value, is_word } in fillings {
        let before = &text[copied..range.start];
        quotes.read(before);
        filled.push_str(before);
        let variable = format!("${{{PREFIX}{name}}}");
        match quotes.here() {
            Quote::Single => write!(filled, "'\"{variable}\"'"),
            Quote::None if *is_word => write!(filled, "\"{variable}\""),
            Quote::None | Quote::Double => write!(filled, "{variable}"),
        }
        .expect("a string takes all");
        values.insert(*name, *value);
        copied = range.end;
    }
    filled.push_str(&text[copied..]);
    let set = |(name, value): (&&str, &&str)| {
        let word = shlex::Quoter::new().allow_nul(true).quote(value).expect("every text can be quoted");
        format!("{PREFIX}{name}={word}\n")
    };
    values.iter().map(set).collect::<String>() + &filled
}

/// The quotes around a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quote {
    None,
    Single,
    Double,
}

/// What a text is inside of, read piece by piece.
#[derive(Debug, Default)]
struct Quotes {
    /// The innermost is last; the end of what is code, else quotes.
    within: Vec<Within>,
    /// The last lines of the here-documents whose text begins after this line.
    documents: Vec<String>,
    is_escaped: bool,
    last: Option<char>,
}

#[derive(Debug, PartialEq, Eq)]
enum Within {
    Single,
    Double,
    /// Code until this character: a substitution or a group in parentheses, or one in backticks.
    Code(char),
    Comment,
    /// A here-document: its last line, and what was read of its present line. If its word is quoted, no variable stands in
    /// it: a var remains as `${…}`.
    Document {
        end: String,
        line: String,
    },
}

impl Quotes {
    /// The quotes around what comes next.
    fn here(&self) -> Quote {
        match self.within.last() {
            Some(Within::Single) => Quote::Single,
            Some(Within::Double | Within::Document { .. }) => Quote::Double,
            _ => Quote::None,
        }
    }

    fn read(&mut self, text: &str) {
        let mut rest = text;
        while let Some(c) = rest.chars().next() {
            rest = &rest[c.len_utf8()..];
            if std::mem::take(&mut self.is_escaped) {
                self.last = Some('\\');
                continue;
            }
            match self.within.last_mut() {
                Some(Within::Single) if c == '\'' => drop(self.within.pop()),
                Some(Within::Comment) if c == '\n' => {
                    self.within.pop();
                    self.line_ends();
                }
                Some(Within::Single | Within::Comment) => {}
                Some(Within::Document { end, line }) if c == '\n' => {
                    let is_over = line.trim_start_matches('\t') == end.as_str();
                    line.clear();
                    if is_over {
                        self.within.pop();
                        self.line_ends();
                    }
                }
                Some(Within::Document { line, .. }) => line.push(c),
                Some(Within::Double) => match c {
                    '\\' => self.is_escaped = true,
                    '"' => drop(self.within.pop()),
                    '(' if self.last == Some('$') => self.within.push(Within::Code(')')),
                    '`' => self.backtick(),
                    _ => {}
                },
                Some(Within::Code(_)) | None => rest = self.code(c, rest),
            }
            self.last = Some(c);
        }
    }

    /// A character of code; what is left to read after it.
    fn code<'a>(&mut self, c: char, rest: &'a str) -> &'a str {
        match c {
            '\\' => self.is_escaped = true,
            '\'' => self.within.push(Within::Single),
            '"' => self.within.push(Within::Double),
            '(' => self.within.push(Within::Code(')')),
            ')' if self.within.last() == Some(&Within::Code(')')) => drop(self.within.pop()),
            '`' => self.backtick(),
            '#' if self.last.is_none_or(|last| last.is_whitespace() || ";&|(".contains(last)) => {
                self.within.push(Within::Comment);
            }
            '<' if self.last == Some('<') => return self.document(rest),
            '\n' => self.line_ends(),
            _ => {}
        }
        rest
    }

    fn backtick(&mut self) {
        match self.within.iter().rposition(|within| *within == Within::Code('`')) {
            Some(at) => self.within.truncate(at),
            None => self.within.push(Within::Code('`')),
        }
    }

    /// After `<<`: the word that ends the here-document.
    fn document<'a>(&mut self, rest: &'a str) -> &'a str {
        let word = rest.trim_start_matches('-').trim_start_matches([' ', '\t']);
        let length = word.find(|c: char| c.is_whitespace() || ";&|()<>".contains(c)).unwrap_or(word.len());
        let (word, after) = word.split_at(length);
        let plain: String = word.chars().filter(|c| !"'\"\\".contains(*c)).collect();
        // `<<<` is a word for the input, of other shells.
        if !plain.is_empty() && !rest.starts_with('<') {
            self.documents.push(plain);
        }
        after
    }

    fn line_ends(&mut self) {
        if !self.documents.is_empty() {
            let end = self.documents.remove(0);
            self.within.push(Within::Document { end, line: String::new() });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A text with `{{title}}` and `{{files}}` filled in, without the lines that set the variables.
    fn filled(text: &str) -> String {
        let fillings: Vec<_> = crate::formula_text::uses(text)
            .into_iter()
            .map(|(range, name)| Filling { range, name, value: "x", is_word: name == "title" })
            .collect();
        let all = fill(text, &fillings);
        all.lines().filter(|line| !line.starts_with(PREFIX)).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn a_var_is_a_variable_that_stands_in_the_quotes_around_it() {
        for (text, expected) in [
            ("echo {{title}}", r#"echo "${GT_VAR_title}""#),
            ("touch {{files}}", "touch ${GT_VAR_files}"),
            (r#"echo "a {{title}} {{files}}""#, r#"echo "a ${GT_VAR_title} ${GT_VAR_files}""#),
            ("echo 'a {{title}}'", r#"echo 'a '"${GT_VAR_title}"''"#),
            (r#"echo "it's {{title}}""#, r#"echo "it's ${GT_VAR_title}""#),
            (r"echo it\'s {{title}}", r#"echo it\'s "${GT_VAR_title}""#),
            (r#"echo "$(printf '%s' '{{title}}')""#, r#"echo "$(printf '%s' ''"${GT_VAR_title}"'')""#),
            (r#"echo "`cat {{title}}` {{title}}""#, r#"echo "`cat "${GT_VAR_title}"` ${GT_VAR_title}""#),
            ("# it's\necho {{title}}", "# it's\necho \"${GT_VAR_title}\""),
            (
                "cat <<EOF\nit's {{title}}\nEOF\necho {{title}}",
                "cat <<EOF\nit's ${GT_VAR_title}\nEOF\necho \"${GT_VAR_title}\"",
            ),
            ("cat <<-'E' && a\n\t\"x's\n\tE\necho {{files}}", "cat <<-'E' && a\n\t\"x's\n\tE\necho ${GT_VAR_files}"),
        ] {
            assert_eq!(filled(text), expected, "{text}");
        }
    }

    #[test]
    fn a_value_stands_alone_in_the_line_that_sets_it() {
        let text = "echo {{title}}";
        let fill = |value| fill(text, &[Filling { range: 5..14, name: "title", value, is_word: true }]);
        let set = "GT_VAR_title=\"it's \"'$(id) `id` \"x\"; id'";
        assert_eq!(fill("it's $(id) `id` \"x\"; id"), format!("{set}\necho \"${{GT_VAR_title}}\""));
        assert_eq!(fill(""), "GT_VAR_title=''\necho \"${GT_VAR_title}\"");
    }
}
