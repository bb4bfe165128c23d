//! Sets rows of short texts in columns.

use crate::cells::cells;

/// Lines up the cells of each row below each other, with this many blanks between columns.
pub fn columns(rows: &[Vec<String>], gap: usize) -> String {
    let count = rows.iter().map(Vec::len).max().unwrap_or(0);
    let widest = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|text| cells(text)).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..count).map(widest).collect();

    let mut lines = Vec::with_capacity(rows.len());
    for row in rows {
        let mut line = String::new();
        for (text, width) in row.iter().zip(&widths) {
            line.push_str(text);
            line.push_str(&" ".repeat(width - cells(text) + gap));
        }
        lines.push(line.trim_end().to_string());
    }
    lines.join("\n")
}
