//! Indenting and columns, as a user of the library meets them.

use reflow::{cells, columns, dedent, indent};

#[test]
fn indents_what_is_not_blank() {
    assert_eq!(indent("a\n\nb\n", "> "), "> a\n\n> b\n");
    assert_eq!(indent("", "> "), "");
}

#[test]
fn dedents_by_what_is_common() {
    assert_eq!(dedent("    if x\n      y\n\n    z\n"), "if x\n  y\n\nz\n");
    assert_eq!(dedent("\ta\n  b"), "\ta\n  b");
    assert_eq!(dedent(""), "");
}

#[test]
fn dedent_takes_back_an_indent() {
    let text = "fn main() {\n    run();\n}\n";
    assert_eq!(dedent(&indent(text, "        ")), text);
}

#[test]
fn lines_up_columns() {
    let row = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    let rows = [row(&["name", "size"]), row(&["漢字", "2"]), row(&["x"]), row(&[])];
    assert_eq!(columns(&rows, 2), "name  size\n漢字  2\nx\n");
    assert_eq!(columns(&[], 2), "");
}

#[test]
fn counts_cells_and_not_bytes() {
    let cases = [("", 0), ("abc", 3), ("é", 1), ("e\u{301}", 1), ("漢字", 4), ("a\tb", 2)];
    for (text, count) in cases {
        assert_eq!(cells(text), count, "{text:?}");
    }
}
