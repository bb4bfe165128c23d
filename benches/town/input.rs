//! What `gt apply` takes for ten thousand documents that it only judges: computing time for each, and memory.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use gastown::world::exec::Exec;
use gastown_crds::admission::{SetOptions, admit, admit_set};
use gastown_crds::manifest::parse;

use crate::table::{Row, Sample, Table, ms};
use crate::town;

/// Sizes for the cost of one document, and how often each is run; the median counts.
const SIZES: [(usize, usize); 2] = [(1_000, 9), (10_000, 5)];
/// The goals, for each document and for the whole process.
const EACH_MAX: Duration = Duration::from_micros(25);
const KIB_MAX: u32 = 40 * 1024;
/// The most that the cost of one may grow from the smallest size to the largest and be called flat.
const FLAT_MAX: f64 = 1.25;

pub fn measure(table: &mut Table) {
    let mut each = Vec::new();
    for (count, times) in SIZES {
        let text = documents(count);
        let all = (0..times).map(|_| judge(&text, count)).collect();
        each.push(Sample::new(all).percentile(50) / u32::try_from(count).unwrap());
    }
    let us = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1e6);
    let growth = each[1].as_secs_f64() / each[0].as_secs_f64();
    table.row(Row {
        figure: "a document read and judged, among 1,000 and among 10,000".into(),
        measured: format!("{}, {} µs", us(each[0]), us(each[1])),
        floor: "–".into(),
        ratio: format!("{growth:.2} ×"),
        goal: format!("≤ {} µs, flat (≤ {FLAT_MAX} ×)", EACH_MAX.as_micros()),
        met: each[1] <= EACH_MAX && growth <= FLAT_MAX,
    });
    let (dir, short) = (crate::folder(), tempfile::tempdir().unwrap());
    let town = town::open(dir.path(), short.path(), "spec: {}\n");
    fs_err::write(town.dir.join("many.yaml"), documents(10_000)).unwrap();
    let places = town::places(dir.path(), short.path());
    let gt = |args: &[&str]| {
        let gt = Exec::new(env!("CARGO_BIN_EXE_gt")).args(args).cwd(&town.dir);
        gt.env("XDG_DATA_HOME", &places.data_home).env("XDG_STATE_HOME", &places.state_home).env("TMPDIR", &places.temp)
    };
    let apply = ran(&gt(&["apply", "--dry-run", "--allow-missing", "-f", "many.yaml"]));
    let floor = ran(&gt(&["get", "beads"]));
    table.row(Row {
        figure: "memory of `gt apply --dry-run` of 10,000 documents, at most".into(),
        measured: format!("{} KiB", apply.1),
        floor: format!("{} KiB (`gt get beads` of none)", floor.1),
        ratio: format!("{:.1} ×", f64::from(apply.1) / f64::from(floor.1)),
        goal: format!("≤ {KIB_MAX} KiB"),
        met: apply.1 <= KIB_MAX,
    });
    table.note(format!("The whole of `gt apply --dry-run` of 10,000 documents takes {}.", ms(apply.0)));
}

fn documents(count: usize) -> String {
    let mut text = String::new();
    for nth in 0..count {
        let _never_fails = write!(
            text,
            "apiVersion: gastown.io/v1alpha1\nkind: Bead\nmetadata:\n  name: shop-{nth:05}\nspec:\n  title: Rotate session tokens\n  rig: shop\n  priority: 2\n  command: make tokens\n  description: Tokens live for ever. Give them a lifetime of a day, and renew them when they are used.\n---\n"
        );
    }
    text
}

/// In this process, as `gt apply` does it.
fn judge(text: &str, count: usize) -> Duration {
    let since = Instant::now();
    let manifests = parse("many.yaml", text).unwrap();
    assert_eq!(manifests.len(), count);
    assert!(manifests.iter().all(|manifest| admit(manifest).is_empty()));
    let known = std::collections::BTreeMap::from([("Rig".to_owned(), vec!["shop".to_owned()])]);
    assert!(admit_set(&manifests, &known, SetOptions::default()).is_empty());
    since.elapsed()
}

/// How long a program ran, and the most memory that it had, in KiB: as last seen, a millisecond before its end at most.
pub fn ran(exec: &Exec) -> (Duration, u32) {
    let mut command = exec.command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let since = Instant::now();
    let mut child = command.spawn().unwrap();
    let status = Path::new("/proc").join(child.id().to_string()).join("status");
    let mut peak = 0;
    loop {
        let text = fs_err::read_to_string(&status).unwrap_or_default();
        let kib = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak = kib.unwrap_or(0).max(peak);
        if let Some(ended) = child.try_wait().unwrap() {
            assert!(ended.success(), "{command:?} ended with {ended}");
            return (since.elapsed(), peak);
        }
        std::thread::sleep(Duration::from_micros(500));
    }
}
