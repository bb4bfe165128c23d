//! The table that is printed, and the few statistics in it.

use std::fmt;
use std::time::Duration;

/// All figures, and what is to be said below them.
#[derive(Default)]
pub struct Table {
    rows: Vec<Row>,
    notes: Vec<String>,
}

/// One figure.
pub struct Row {
    /// What is measured.
    pub figure: String,
    /// What came out.
    pub measured: String,
    /// The least that the same work takes here, and the ratio to it.
    pub floor: String,
    /// How often the floor.
    pub ratio: String,
    /// What it should be.
    pub goal: String,
    /// Whether it is.
    pub met: bool,
}

impl Table {
    /// Adds a figure.
    pub fn row(&mut self, row: Row) {
        eprintln!("  {}: {} (floor {})", row.figure, row.measured, row.floor);
        self.rows.push(row);
    }

    /// Says something below the table.
    pub fn note(&mut self, note: String) {
        eprintln!("  {note}");
        self.notes.push(note);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "| figure | measured | floor | ratio | goal | |")?;
        writeln!(f, "|---|---|---|---|---|---|")?;
        for Row { figure, measured, floor, ratio, goal, met } in &self.rows {
            let verdict = if *met { "met" } else { "**missed**" };
            writeln!(f, "| {figure} | {measured} | {floor} | {ratio} | {goal} | {verdict} |")?;
        }
        writeln!(f)?;
        self.notes.iter().try_for_each(|note| writeln!(f, "- {note}"))
    }
}

/// A sorted sample.
pub struct Sample(Vec<Duration>);

impl Sample {
    /// Sorts it; there must be something in it.
    pub fn new(mut all: Vec<Duration>) -> Self {
        assert!(!all.is_empty(), "nothing was measured");
        all.sort_unstable();
        Self(all)
    }

    /// The smallest value that so many of a hundred do not exceed.
    pub fn percentile(&self, percent: usize) -> Duration {
        let rank = (self.0.len() * percent).div_ceil(100).max(1);
        self.0[rank - 1]
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

/// Milliseconds, with as many digits as mean something.
pub fn ms(time: Duration) -> String {
    let ms = time.as_secs_f64() * 1e3;
    if ms < 100.0 { format!("{ms:.1} ms") } else { format!("{ms:.0} ms") }
}

/// One time as a multiple of another.
pub fn times(time: Duration, floor: Duration) -> String {
    format!("{:.1} ×", time.as_secs_f64() / floor.as_secs_f64())
}
