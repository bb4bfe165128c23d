//! Cooking a formula as long as the largest public one, beside parsing its TOML.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::hint::black_box;
use std::time::{Duration, Instant};

use gastown_formula::{Empty, Format, Mode, Source, cook};

use crate::table::{Row, Sample, Table, ms};

/// Moves of ten disks; there is a step before them and one behind.
const MOVES: usize = 1023;
/// How often each is done.
const TIMES: usize = 51;
/// The goal.
const RATIO_MAX: f64 = 5.0;

pub fn measure(table: &mut Table) {
    let source = Source { file: "moves.formula.toml".into(), format: Format::Toml, text: chain() };
    let steps = cook(&source, &Empty, Mode::Compile, &BTreeMap::new()).unwrap().steps.len();
    assert_eq!(steps, MOVES + 2);
    let (mut parsed, mut cooked) = (Vec::new(), Vec::new());
    for _ in 0..TIMES {
        parsed.push(took(|| drop(black_box(toml::de::DeTable::parse(black_box(&source.text)).unwrap()))));
        let cook = || cook(black_box(&source), &Empty, Mode::Compile, &BTreeMap::new()).unwrap();
        cooked.push(took(|| drop(black_box(cook()))));
    }
    let (parsed, cooked) = (Sample::new(parsed).percentile(50), Sample::new(cooked).percentile(50));
    let ratio = cooked.as_secs_f64() / parsed.as_secs_f64();
    table.row(Row {
        figure: format!("a formula of {steps} steps cooked (median of {TIMES})"),
        measured: ms(cooked),
        floor: format!("{} (its TOML parsed)", ms(parsed)),
        ratio: format!("{ratio:.1} ×"),
        goal: format!("≤ {RATIO_MAX} ×"),
        met: ratio <= RATIO_MAX,
    });
}

/// A tower moved from peg to peg: each move needs the one before it.
fn chain() -> String {
    let mut text = String::from("formula = \"moves\"\nversion = 1\n");
    let mut step = |id: &str, title: &str, description: &str, needs: Option<&str>| {
        let _never_fails =
            write!(text, "\n[[steps]]\nid = \"{id}\"\ntitle = \"{title}\"\ndescription = \"{description}\"\n");
        if let Some(needs) = needs {
            let _never_fails = writeln!(text, "needs = [\"{needs}\"]");
        }
    };
    let mut last = "setup".to_owned();
    step(&last, "Look at the tower", "All disks are on peg A, the largest at the bottom.", None);
    for nth in 1..=MOVES {
        // The smallest disk moves each second time, and each larger one half as often as the one before it.
        let (disk, id) = (nth.trailing_zeros() + 1, format!("move-{nth}"));
        let description = format!("Move disk {disk} from peg A to peg C. (Move {nth}/{MOVES})");
        step(&id, &format!("Move disk {disk}: A → C"), &description, Some(&last));
        last = id;
    }
    step("verify", "Look at it again", "All disks are on peg C, and every move was a legal one.", Some(&last));
    text
}

fn took(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}
