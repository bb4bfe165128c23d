//! Tables without borders: columns three blanks apart, as kubectl prints them, made to fit the terminal where there is one.
//!
//! What a person copies is never cut: in a narrow terminal one column of words is cut with `…`, and where that is not
//! enough, the columns that are missed least are left out.

use comfy_table::{Cell, ColumnConstraint, ContentArrangement, Row, Table as Comfy, Width};

pub use crate::insight::text::plain;

/// Blanks between two columns.
const GAP: u16 = 3;

/// Columns of a terminal that the words keep before another column is left out for them: four or five words.
const WORDS_ENOUGH: u16 = 24;
/// Columns that the words keep in any case.
const WORDS_LEAST: u16 = 8;

/// A table.
#[derive(Debug, Clone, Default)]
pub struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<String>>,
    /// Columns that are cut to fit, the first of them first.
    words: Vec<usize>,
    /// Columns that are left out where there is no room for them, the first of them first.
    spare: Vec<usize>,
    /// Columns that are left out only where the words do not fit at their least, the first of them first.
    last: Vec<usize>,
    /// Those that were left out: later rows leave them out too.
    left_out: Vec<usize>,
    /// Least widths, so that rows printed later line up with those printed before.
    least: Vec<u16>,
}

impl Table {
    /// A table with these headings.
    pub fn new<S: Into<String>>(headings: impl IntoIterator<Item = S>) -> Self {
        Self { headings: headings.into_iter().map(Into::into).collect(), ..Self::default() }
    }

    /// Names the columns of words, which are cut to fit, and those that are left out before a name is cut: of both, the
    /// first is the first to go.
    #[must_use]
    pub fn fitting(self, words: &[&str], spare: &[&str]) -> Self {
        let place = |heading: &&str| self.headings.iter().position(|it| it == heading);
        let (words, spare) = (words.iter().filter_map(place).collect(), spare.iter().filter_map(place).collect());
        Self { words, spare, ..self }
    }

    /// Names the columns that are left out where even the shortest words do not fit beside them.
    #[must_use]
    pub fn at_last(mut self, last: &[&str]) -> Self {
        self.last = last.iter().filter_map(|heading| self.headings.iter().position(|it| it == heading)).collect();
        self
    }

    /// Adds a row. Control characters are shown as such: a title must not move the cursor.
    pub fn row<S: AsRef<str>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(|cell| plain(cell.as_ref())).collect());
    }

    /// Whether it has no rows.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The text, with its headings; `width` is the terminal's, if it is one.
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
        let mut widths = self.natural_widths();
        self.least.resize(widths.len(), 0);
        for (width, least) in widths.iter_mut().zip(&mut self.least) {
            *width = (*width).max(*least);
            *least = *width;
        }
        if let Some(limit) = width {
            self.fit(&mut widths, limit);
        }
        let kept: Vec<usize> = (0..widths.len()).filter(|nth| !self.left_out.contains(nth)).collect();
        let mut table = Comfy::new();
        table.load_style(comfy_table::presets::NOTHING).set_truncation_indicator("…");
        if with_headings {
            table.set_header(one_line(&self.headings, &kept));
        }
        for row in &self.rows {
            table.add_row(one_line(row, &kept));
        }
        table.set_content_arrangement(ContentArrangement::Dynamic);
        table.set_width(taken(&widths, &self.left_out));
        for (place, nth) in kept.iter().enumerate() {
            let gap = if place + 1 == kept.len() { 0 } else { GAP };
            if let Some(column) = table.column_mut(place) {
                column.set_padding((0, gap));
                column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(widths[*nth] + gap)));
            }
        }
        table.trim_fmt()
    }

    /// What each column would take, headings included.
    fn natural_widths(&self) -> Vec<u16> {
        let all: Vec<usize> = (0..self.headings.len()).collect();
        let mut table = Comfy::new();
        table.set_header(one_line(&self.headings, &all));
        for row in &self.rows {
            table.add_row(one_line(row, &all));
        }
        table.column_max_content_widths()
    }

    /// Cuts the words, then leaves columns out, then cuts the words as far as they go. The rest stands, and the terminal
    /// wraps it: a name that is cut is no name.
    fn fit(&mut self, widths: &mut [u16], limit: u16) {
        let cut = |widths: &mut [u16], left_out: &[usize], words: &[usize], least: u16| {
            for nth in words {
                let over = taken(widths, left_out).saturating_sub(limit);
                widths[*nth] = widths[*nth].saturating_sub(over).max(least.min(widths[*nth]));
            }
            taken(widths, left_out) <= limit
        };
        let natural = widths.to_vec();
        let mut left_out = self.left_out.clone();
        let first = self.words.get(..1).unwrap_or_default();
        let mut fits = cut(widths, &left_out, first, WORDS_ENOUGH);
        for spare in self.spare.iter().filter(|spare| !self.left_out.contains(spare)) {
            if fits {
                break;
            }
            left_out.push(*spare);
            widths.copy_from_slice(&natural);
            fits = cut(widths, &left_out, first, WORDS_ENOUGH);
        }
        let mut at_last = self.last.iter().filter(|last| !self.left_out.contains(last));
        while !fits && !cut(widths, &left_out, &self.words, WORDS_LEAST) {
            let Some(next) = at_last.next() else { break };
            left_out.push(*next);
            widths.copy_from_slice(&natural);
            // What that makes room for goes to the words.
            fits = cut(widths, &left_out, first, WORDS_ENOUGH);
        }
        self.left_out = left_out;
    }
}

/// Columns of the terminal that the columns of the table take.
fn taken(widths: &[u16], left_out: &[usize]) -> u16 {
    let kept = widths.iter().enumerate().filter(|(nth, _)| !left_out.contains(nth)).map(|(_, width)| width + GAP);
    kept.sum::<u16>().saturating_sub(GAP)
}

fn one_line(cells: &[String], kept: &[usize]) -> Row {
    let kept = kept.iter().filter_map(|nth| cells.get(*nth));
    let mut row = Row::from(kept.map(Cell::new).collect::<Vec<_>>());
    row.max_height(1);
    row
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
    fn the_words_are_cut_to_the_terminal_and_never_a_name() {
        let mut table = table().fitting(&["TITLE"], &["STATE"]);
        insta::assert_snapshot!(table.render(Some(52)), @"
        NAME              STATE     TITLE
        a                 Working   Mark results that must…
        reflow-abcdefgh   -         Übung�[31m
        ");
        insta::assert_snapshot!(table.render(Some(44)), @"
        NAME              TITLE
        a                 Mark results that must be…
        reflow-abcdefgh   Übung�[31m
        ");
        // What is left out at last makes room for the words.
        let mut tight = Table::new(["NAME", "STATE", "TITLE"]).fitting(&["TITLE"], &[]).at_last(&["STATE"]);
        tight.row(["reflow-abcdefgh", "Working", "Mark results that must be used"]);
        insta::assert_snapshot!(tight.render(Some(40)), @"
        NAME              STATE     TITLE
        reflow-abcdefgh   Working   Mark result…
        ");
        insta::assert_snapshot!(tight.render(Some(30)), @"
        NAME              TITLE
        reflow-abcdefgh   Mark result…
        ");
        // However narrow: the name is whole.
        insta::assert_snapshot!(table.render(Some(12)), @"
        NAME              TITLE
        a                 Mark…
        reflow-abcdefgh   Übung�[…
        ");
    }

    #[test]
    fn what_was_left_out_stays_out_of_later_rows() {
        let mut table = table().fitting(&["TITLE"], &["STATE"]);
        table.render(Some(44));
        table.clear();
        table.row(["b", "x", "y"]);
        insta::assert_snapshot!(table.render_rows(Some(44)), @"b                 y");
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
