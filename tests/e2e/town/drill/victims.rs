//! Whom the drill kills: the controller, agents, the supervisors of sessions and of jobs, any git at work in the town, tmux.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use gastown_supervisor::process::ProcessId;
use rustix::process::Signal;

use super::super::harness::{Town, walk};

/// What can be killed, by its name in what the drill tells.
pub const KINDS: [&str; 6] = ["git", "agent", "supervisor", "job", "controller", "tmux"];

/// How long a kind of victim is waited for: there may be none just now.
const COMES_MAX: Duration = Duration::from_millis(400);

/// Draws victims.
pub struct Draw {
    kinds: &'static [&'static str],
    state: u64,
    killed: BTreeMap<&'static str, usize>,
    /// Who was killed is not killed again: pids are used again, and so are records.
    before: Vec<ProcessId>,
}

impl Draw {
    pub fn new(seed: u64, kinds: &'static [&'static str]) -> Self {
        Self { kinds, state: seed, killed: BTreeMap::new(), before: Vec::new() }
    }

    pub fn kills(&self) -> usize {
        self.killed.values().sum()
    }

    /// How many of each kind were killed.
    pub fn told(&self) -> String {
        let each: Vec<String> = self.killed.iter().map(|(kind, n)| format!("{n} {kind}")).collect();
        each.join(", ")
    }

    /// A number below `n`: <https://prng.di.unimi.it/splitmix64.c>
    fn below(&mut self, n: usize) -> usize {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % n as u64).unwrap()
    }

    /// A moment to kill at, before so much time has gone by.
    pub fn moment(&mut self, before: Duration) -> Duration {
        Duration::from_millis(self.below(usize::try_from(before.as_millis()).unwrap()) as u64)
    }

    /// Kills one of a drawn kind, as soon as there is one that was not there before.
    pub fn kill_one(&mut self, town: &Town) {
        let kind = self.kinds[self.below(self.kinds.len())];
        let since = Instant::now();
        let found = loop {
            let mut found = victims(town, kind);
            found.retain(|victim| !self.before.contains(victim));
            if !found.is_empty() || since.elapsed() > COMES_MAX {
                break found;
            }
            std::thread::sleep(Duration::from_millis(5));
        };
        if found.is_empty() {
            return;
        }
        let victim = found[self.below(found.len())].clone();
        victim.signal(Signal::KILL);
        *self.killed.entry(kind).or_default() += 1;
        if kind == "controller" {
            // Others may die meanwhile; the next one is as likely to be killed as any.
            drop(town.run(&["up"]));
        } else {
            self.before.push(victim);
        }
    }
}

fn victims(town: &Town, kind: &str) -> Vec<ProcessId> {
    let records = |folder: &str, name: &str, field: &str| {
        let found = walk(&town.state(folder)).into_iter().filter(|path| path.ends_with(name));
        let process = |path: &Path| {
            let record: serde_json::Value = serde_json::from_str(&fs_err::read_to_string(path).ok()?).ok()?;
            serde_json::from_value(record.pointer(field)?.clone()).ok()
        };
        found.filter_map(|path| process(&path)).filter(ProcessId::lives).collect()
    };
    match kind {
        "agent" => records("runs", "agent.json", ""),
        "supervisor" => records("runs", "started.json", "/process"),
        "job" => records("jobs", "started.json", "/process"),
        "controller" => ProcessId::of(town.controller()).into_iter().collect(),
        "tmux" => {
            let record = fs_err::read_to_string(town.state("tmux.json")).unwrap_or_default();
            serde_json::from_str(&record).ok().filter(ProcessId::lives).into_iter().collect()
        }
        _ => of_town(town)
            .into_iter()
            .filter(|(_, name)| name == "git")
            .filter_map(|(pid, _)| ProcessId::of(pid))
            .collect(),
    }
}

/// The processes that are at work somewhere in the town's folder, or name it in their arguments: pid and program.
pub fn of_town(town: &Town) -> Vec<(i32, String)> {
    let folder = fs_err::canonicalize(town.path("")).unwrap();
    let own = i32::try_from(std::process::id()).unwrap();
    let mut found = Vec::new();
    for entry in fs_err::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else { continue };
        let read = |file: &str| fs_err::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
        let names = |file: &str| String::from_utf8_lossy(&read(file)).contains(&*folder.to_string_lossy());
        let is_in = || fs_err::read_link(format!("/proc/{pid}/cwd")).is_ok_and(|cwd| cwd.starts_with(&folder));
        if pid != own && ProcessId::of(pid).is_some() && (is_in() || names("cmdline") || names("environ")) {
            found.push((pid, String::from_utf8_lossy(&read("comm")).trim().to_owned()));
        }
    }
    found
}
