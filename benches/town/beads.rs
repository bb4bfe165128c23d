//! Verbs of `bd` in a town of 10,000 beads: those that write, beside a program that does nothing; those that find, beside SQLite.

use std::time::Duration;

use gastown::world::exec::Exec;

use crate::commands::{Up, ran};
use crate::select;
use crate::table::{Row, Sample, Table, ms, times};

/// How often each of them is run.
const RUNS: usize = 40;
/// The goals.
const WRITE_MAX: Duration = Duration::from_millis(6);
const FIND_MAX: f64 = 3.0;

/// In a town in which a controller runs; `bead` is the name of its nth.
pub fn measure(table: &mut Table, up: &Up, empty: &Exec, bead: impl Fn(usize) -> String) {
    finds(table, up, &bead);
    writes(table, up, empty, &bead);
}

fn bd(up: &Up, args: &[&str]) -> Exec {
    up.at_home(Exec::new(up.town.layout.bin().join("bd")).args(args))
}

fn finds(table: &mut Table, up: &Up, bead: &impl Fn(usize) -> String) {
    let dir = crate::folder();
    let tables = select::tables(&up.town.layout.store(), dir.path());
    // A thousand of them.
    let start = bead(1000).strip_suffix("000").unwrap().to_owned();
    let query = format!("status=open AND id={start}*");
    let like = |column: &str| format!("{column} LIKE '%{start}%'");
    let search = ["title", "id", "description", "notes"].map(like).join(" OR ");
    for (name, args, wanted) in [
        ("`bd list --limit 0`", vec!["list", "--limit", "0"], "status <> 'closed' AND type <> 'Step'".to_owned()),
        (
            "`bd query`, 1,000 found,",
            vec!["query", &query, "--limit", "0"],
            format!("status = 'open' AND id GLOB '{start}*'"),
        ),
        ("`bd search`, 1,000 found,", vec!["search", &start, "--limit", "0"], search),
    ] {
        let sql = format!("SELECT {} FROM issues WHERE {wanted} ORDER BY priority, created DESC", select::SHOWN);
        let (asked, floor) = (bd(up, &args), select::process(&tables, &sql));
        add(table, &format!("{name} at 10,000 beads"), &asked, &floor);
    }
}

/// Adds the row of a verb that finds as much as its floor does.
pub fn add(table: &mut Table, figure: &str, asked: &Exec, floor: &Exec) {
    assert_eq!(lines(asked), lines(floor), "{figure}");
    let (mut all, mut floors) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        all.push(ran(asked));
        floors.push(ran(floor));
    }
    let (all, floor) = (Sample::new(all).percentile(50), Sample::new(floors).percentile(50));
    table.row(Row {
        figure: format!("{figure}, whole process (median of {RUNS})"),
        measured: ms(all),
        floor: format!("{} (SQLite, the same select)", ms(floor)),
        ratio: times(all, floor),
        goal: format!("≤ {FIND_MAX} ×"),
        met: all.as_secs_f64() <= floor.as_secs_f64() * FIND_MAX,
    });
}

/// How many beads it prints, each in a line.
fn lines(exec: &Exec) -> usize {
    let out = exec.run().unwrap();
    assert!(out.ok(), "{}", out.complaint());
    out.text().lines().filter(|line| line.contains("shop-")).count()
}

fn writes(table: &mut Table, up: &Up, empty: &Exec, bead: &impl Fn(usize) -> String) {
    let (mut nothing, mut all): (Vec<_>, [Vec<_>; 3]) = (Vec::new(), Default::default());
    for nth in 1..=RUNS {
        nothing.push(ran(empty));
        let (update, close) = (bead(2 * nth), bead(2 * nth + 1));
        let each: [&[&str]; 3] = [
            &["create", "Rotate session tokens", "--rig", "shop"],
            &["update", &update, "--append-notes", "Tokens of services, too."],
            &["close", &close, "--reason", "no-changes: they are rotated"],
        ];
        for (args, times) in each.into_iter().zip(&mut all) {
            times.push(ran(&bd(up, args)));
        }
    }
    let empty = Sample::new(nothing).percentile(50);
    for (name, times_of) in ["create", "update", "close"].into_iter().zip(all) {
        let p50 = Sample::new(times_of).percentile(50);
        table.row(Row {
            figure: format!("`bd {name}` at 10,000 beads, whole process (median of {RUNS})"),
            measured: ms(p50),
            floor: ms(empty),
            ratio: times(p50, empty),
            goal: format!("≤ {}", ms(WRITE_MAX)),
            met: p50 <= WRITE_MAX,
        });
    }
}
