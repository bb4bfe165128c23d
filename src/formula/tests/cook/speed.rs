//! Cooking costs a few times as much as parsing, and grows with the steps, not with their square.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use gastown_formula::{Empty, Mode, cook};

use crate::{chain, source};

/// The best of many: what disturbs a measurement only makes it longer.
fn best(mut work: impl FnMut()) -> Duration {
    let once = |work: &mut dyn FnMut()| {
        let start = Instant::now();
        work();
        start.elapsed()
    };
    (0..100).map(|_| once(&mut work)).min().unwrap_or_default()
}

fn chain_of(count: usize) -> String {
    let ids: Vec<String> = (0..count).map(|n| format!("move-{n}")).collect();
    chain(&ids.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
#[ignore = "a measurement: cargo test --release -p gastown-formula -- --ignored --nocapture speed"]
fn cooking_a_long_chain_costs_a_few_times_its_parsing() {
    for count in [1025, 4096] {
        let source = source("chain.toml", &chain_of(count));
        let parse = best(|| _ = black_box(toml::de::DeTable::parse(black_box(&source.text)).unwrap()));
        let all = best(|| _ = black_box(cook(&source, &Empty, Mode::Compile, &BTreeMap::new()).unwrap()));
        let ratio = all.as_secs_f64() / parse.as_secs_f64();
        println!("{count} steps: parsing {parse:?}, cooking {all:?}, ratio {ratio:.2}");
        assert!(ratio < 5.0, "{ratio:.2}");
    }
}
