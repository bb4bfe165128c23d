//! Tables without borders: columns three blanks apart, as kubectl prints them, cut to the terminal where there is one.

use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Row, Table as Comfy, Width};

/// Blanks between two columns.
const GAP: u16 = 3;

/// A table.
#[derive(Debug, Clone, Default)]
pub struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Least widths, so that rows printed later line up with those printed before.
    least: Vec<u16>,
}

impl Table {
    /// A table with these headings.
    pub fn new<S: Into<String>>(headings: impl IntoIterator<Item = S>) -> Self {
        Self { headings: headings.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Adds a row. Control characters are shown as such: a title must not move the cursor.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(|cell| plain(cell.as_ref())).collect());
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, with its headings; `width` is the terminal's, if it is one: the widest column is cut to fit.
    pub fn render(&mut self, width: Option<u16>) -> String {
        self.draw(true, width)
    }

    /// The rows alone, lined up with what was rendered before.
    pub fn render_rows(&mut self, width: Option<u16>) -> String {
        self.draw(false, width)
    }

    /// Takes the rows away, and keeps the widths.
    pub fn clear(&mut self) {
        self.rows.clear();
    }

    fn draw(&mut self, with_headings: bool, width: Option<u16>) -> String {
        let mut table = Comfy::new();
        table.load_style(comfy_table::presets::NOTHING).set_truncation_indicator("…");
        if with_headings {
            table.set_header(one_line(&self.headings));
        }
        for row in &self.rows {
            table.add_row(one_line(row));
        }
        let mut widths = table.column_max_content_widths();
        self.least.resize(widths.len(), 0);
        for (width, least) in widths.iter_mut().zip(&mut self.least) {
            *width = (*width).max(*least);
            *least = *width;
        }
        if let Some(limit) = width {
            shrink(&mut widths, limit);
        }
        let last = widths.len().saturating_sub(1);
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(widths.iter().sum::<u16>() + GAP * u16::try_from(last).unwrap_or(0));
        for (nth, width) in widths.into_iter().enumerate() {
            let gap = if nth == last { 0 } else { GAP };
            if let Some(column) = table.column_mut(nth) {
                column.set_padding((0, gap));
                column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width + gap)));
            }
        }
        table.trim_fmt()
    }
}

fn one_line(cells: &[String]) -> Row {
    let mut row = Row::from(cells.iter().map(Cell::new).collect::<Vec<_>>());
    row.max_height(1);
    row
}

/// Narrows the widest column, and the next, until the table fits; none below a few letters.
fn shrink(widths: &mut [u16], limit: u16) {
    const NARROW: u16 = 8;
    let gaps = GAP * u16::try_from(widths.len().saturating_sub(1)).unwrap_or(0);
    loop {
        let over = (widths.iter().sum::<u16>() + gaps).saturating_sub(limit);
        let Some(widest) = widths.iter_mut().max_by_key(|width| **width).filter(|width| over > 0 && **width > NARROW)
        else {
            return;
        };
        *widest = widest.saturating_sub(over).max(NARROW);
    }
}

/// The first line of a text, without characters that a terminal would obey, and without a colon that leads nowhere.
pub fn plain(text: &str) -> String {
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let first = if lines.next().is_some() { first.trim_end().trim_end_matches(':') } else { first };
    first.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(["NAME", "STATE", "TITLE"]);
        table.row(["a", "Working", "Mark results that must be used"]);
        table.row(["reflow-abcdefgh", "-", "Übung\x1b[31m"]);
        table
    }

    #[test]
    fn columns_line_up() {
        insta::assert_snapshot!(table().render(None), @"
        NAME              STATE     TITLE
        a                 Working   Mark results that must be used
        reflow-abcdefgh   -         Übung�[31m
        ");
    }

    #[test]
    fn the_widest_column_is_cut_to_the_terminal() {
        insta::assert_snapshot!(table().render(Some(44)), @"
        NAME              STATE     TITLE
        a                 Working   Mark results…
        reflow-abcdefgh   -         Übung�[31m
        ");
    }

    #[test]
    fn later_rows_keep_their_columns() {
        let mut table = table();
        table.render(None);
        table.clear();
        table.row(["b", "x", "y"]);
        insta::assert_snapshot!(table.render_rows(None), @"b                 x         y");
    }
}
