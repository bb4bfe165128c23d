//! What `gt validate` takes for ten thousand manifests in two thousand files, beside parsing the same YAML alone; and its memory,
//! beside that for a tenth of the files.

use std::fmt::Write as _;
use std::path::Path;
use std::time::{Duration, Instant};

use gastown::world::exec::Exec;
use serde_json::Value;

use crate::input::ran;
use crate::table::{Row, Sample, Table, ms};

/// How many files, and how many manifests are in each.
const FILES: usize = 2_000;
const MANIFESTS_EACH: usize = 5;
/// How often each is run; the median counts.
const TIMES: usize = 7;
/// The goals: manifests a second on one core, a multiple of parsing, and how memory may grow with ten times the files.
const RATE_MIN: f64 = 25_000.0;
const RATIO_MAX: f64 = 3.0;
const GROWTH_MAX: f64 = 1.25;

pub fn measure(table: &mut Table) {
    let dir = crate::folder();
    let (all, tenth) = (dir.path().join("all"), dir.path().join("tenth"));
    let texts = write(&all, FILES);
    write(&tenth, FILES / 10);
    let gt = |folder: &Path| Exec::new(env!("CARGO_BIN_EXE_gt")).args(["validate", "."]).cwd(folder);
    let runs: Vec<(Duration, u32)> = (0..TIMES).map(|_| ran(&gt(&all))).collect();
    let peak = runs.iter().map(|(_, kib)| *kib).max().unwrap_or_default();
    let whole = Sample::new(runs.into_iter().map(|(time, _)| time).collect()).percentile(50);
    let parse = Sample::new((0..TIMES).map(|_| parse(&texts)).collect()).percentile(50);
    let manifests = u32::try_from(FILES * MANIFESTS_EACH).unwrap();
    let rate = f64::from(manifests) / whole.as_secs_f64();
    let ratio = whole.as_secs_f64() / parse.as_secs_f64();
    table.row(Row {
        figure: "`gt validate`, 10,000 manifests in 2,000 files, whole process".into(),
        measured: format!("{} ({rate:.0} manifests/s)", ms(whole)),
        floor: format!("{} (serde-saphyr, the same YAML, in memory)", ms(parse)),
        ratio: format!("{ratio:.1} ×"),
        goal: format!("≥ {RATE_MIN:.0}/s, ≤ {RATIO_MAX:.0} ×"),
        met: rate >= RATE_MIN && ratio <= RATIO_MAX,
    });
    let (_, small) = ran(&gt(&tenth));
    let growth = f64::from(peak) / f64::from(small);
    table.row(Row {
        figure: "its memory, at most".into(),
        measured: format!("{peak} KiB"),
        floor: format!("{small} KiB (200 files)"),
        ratio: format!("{growth:.2} ×"),
        goal: format!("flat (≤ {GROWTH_MAX} ×)"),
        met: growth <= GROWTH_MAX,
    });
}

/// Writes files of a rig, a formula, a convoy and two beads each; gives their texts.
fn write(dir: &Path, files: usize) -> Vec<String> {
    let texts: Vec<String> = (0..files).map(text).collect();
    for (nth, text) in texts.iter().enumerate() {
        let folder = dir.join(format!("team-{:02}", nth % 20));
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::write(folder.join(format!("shop-{nth:04}.yaml")), text).unwrap();
    }
    texts
}

fn text(nth: usize) -> String {
    let head = |kind: &str, name: &str| {
        format!(
            "---\napiVersion: gastown.io/v1alpha1\nkind: {kind}\nmetadata:\n  name: {name}\n  labels: {{ team: checkout }}\nspec:\n"
        )
    };
    let mut text = head("Rig", &format!("shop-{nth}"));
    let _never_fails = write!(
        text,
        "  repo:\n    url: git@host:acme/shop-{nth}.git\n    branch: main\n    interval: 10m\n  workspace:\n    setup: [npm ci]\n    setupTimeout: 5m\n  merge:\n    strategy: Push\n    verify:\n      - {{ name: test, run: npm test, timeout: 10m }}\n      - {{ name: lint, run: npm run lint }}\n"
    );
    text += &head("Formula", &format!("fix-{nth}"));
    text += "  vars:\n    - { name: files, default: . }\n  steps:\n    - { name: fix, run: '{{command}} {{files}}' }\n    - { name: check, run: npm test, needs: [fix] }\n";
    text += &head("Convoy", &format!("release-{nth}"));
    let _never_fails = write!(
        text,
        "  rig: shop-{nth}\n  beads:\n    - name: tokens\n      title: Rotate session tokens\n      command: make tokens\n      formula: fix-{nth}\n      vars: [{{ name: files, value: src }}]\n    - name: logout\n      title: Log out everywhere\n      command: make logout\n      needs: [tokens]\n"
    );
    for bead in 0..2 {
        text += &head("Bead", &format!("shop-{nth}-{bead}"));
        let _never_fails = write!(
            text,
            "  title: Rotate session tokens\n  rig: shop-{nth}\n  priority: 2\n  command: make tokens\n  description: Tokens live for ever. Give them a lifetime of a day, and renew them when they are used.\n"
        );
    }
    text
}

/// What a reader of YAML that checks nothing takes.
fn parse(texts: &[String]) -> Duration {
    let since = Instant::now();
    for text in texts {
        let documents: Vec<Value> = serde_saphyr::from_multiple(text).unwrap();
        assert_eq!(documents.len(), MANIFESTS_EACH);
    }
    since.elapsed()
}
