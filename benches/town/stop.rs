//! `gt stop --all --now` with thirty agents at work, until no process of theirs is left: against signals that are sent to them
//! directly.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use gastown::world::exec::Exec;
use gastown_crds::{Convoy, Rig, Runtime};
use gastown_supervisor::family::GRACE;
use gastown_supervisor::process::ProcessId;
use gastown_supervisor::records;
use gastown_supervisor::watch;
use rustix::process::{Pid, Signal, kill_process_group};
use serde_json::json;

use crate::commands::Up;
use crate::restart::all_work;
use crate::table::{Row, Table, ms, times};
use crate::town;

/// How many agents work.
const AGENTS: usize = 30;
/// A bound on each wait.
const WAIT_MAX: Duration = Duration::from_mins(2);
/// The most that stopping may take beyond what agents are given to end by themselves.
const BEYOND_MAX: Duration = Duration::from_secs(1);

/// An agent that ends when it is asked to, and one that does not hear; each has a program below it.
const HEARS: &str = "sleep 600 & wait";
const IS_DEAF: &str = "trap '' TERM HUP; sh -c 'while :; do sleep 600; done' & while :; do sleep 600; done";

pub fn measure(table: &mut Table) {
    for (agent, grace, what) in [(HEARS, Duration::ZERO, "end when asked"), (IS_DEAF, GRACE, "ignore TERM and HUP")] {
        let ours = stopped(agent);
        let floor = signalled(agent);
        let beyond = ours.saturating_sub(grace);
        table.row(Row {
            figure: format!(
                "`gt stop --all --now`, {AGENTS} agents that {what} → none left, beyond {} s",
                grace.as_secs()
            ),
            measured: ms(beyond),
            floor: format!("{} (signals to all)", ms(floor)),
            ratio: times(beyond, floor),
            goal: format!("≤ {} s", BEYOND_MAX.as_secs()),
            met: beyond <= BEYOND_MAX,
        });
    }
}

/// How long until none of a town's agents is left.
fn stopped(agent: &str) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let up = Up::with(&format!("{{capacity: {{polecats: {AGENTS}, minFreeMemory: 16Mi}}}}"));
    let client = up.client(&runtime);
    let agents = runtime.block_on(async {
        let repo = town::repository(up.dir.path());
        let resources = json!({ "requests": { "memory": "1Mi" } });
        let spec = json!({ "command": ["sh", "-c", agent], "resources": resources });
        town::create::<Runtime>(&client, "waits", spec).await;
        town::create::<Rig>(&client, "shop", town::rig(&repo, "waits")).await;
        let beads: Vec<_> = (0..AGENTS).map(|n| json!({ "name": format!("b{n}"), "title": "Wait" })).collect();
        town::create::<Convoy>(&client, "c", json!({ "rig": "shop", "beads": beads })).await;
        let layout = &up.town.layout;
        let uids = all_work(&client, layout, AGENTS).await;
        let agent = |uid: &String| records::read(&layout.attempt(uid, 1).join(records::AGENT)).unwrap();
        uids.iter().filter_map(agent).collect::<Vec<ProcessId>>()
    });
    let all = with_children(&agents);
    eprintln!("  {AGENTS} agents work");
    let since = Instant::now();
    let mut stop = up.gt(&["stop", "--all", "--now"]).command();
    let mut stop = stop.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    gone(&all);
    let took = since.elapsed();
    assert!(stop.wait().unwrap().success());
    took
}

/// How long the same processes take to be gone that nobody watches, signalled all at once: asked, or killed.
fn signalled(agent: &str) -> Duration {
    let mut children: Vec<_> = (0..AGENTS)
        .map(|_| {
            let mut shell = Exec::new("sh").args(["-c", agent]).command();
            shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0).spawn().unwrap()
        })
        .collect();
    let agents: Vec<_> = children.iter().map(|child| ProcessId::of(child.id().cast_signed()).unwrap()).collect();
    let all = with_children(&agents);
    let signal = if agent == IS_DEAF { Signal::KILL } else { Signal::TERM };
    let since = Instant::now();
    for child in &children {
        kill_process_group(Pid::from_child(child), signal).unwrap();
    }
    gone(&all);
    let took = since.elapsed();
    for child in &mut children {
        child.wait().unwrap();
    }
    took
}

/// These processes and their children, once each has one.
fn with_children(agents: &[ProcessId]) -> Vec<ProcessId> {
    let deadline = Instant::now() + WAIT_MAX;
    agents
        .iter()
        .flat_map(|agent| {
            let path = format!("/proc/{pid}/task/{pid}/children", pid = agent.pid);
            loop {
                let children = fs_err::read_to_string(Path::new(&path)).unwrap();
                let children: Vec<_> =
                    children.split(' ').filter_map(|pid| ProcessId::of(pid.trim().parse().ok()?)).collect();
                if !children.is_empty() {
                    return [vec![agent.clone()], children].concat();
                }
                assert!(Instant::now() < deadline, "an agent starts its program");
                std::thread::sleep(Duration::from_millis(1));
            }
        })
        .collect()
}

/// Waits until all of them are gone.
fn gone(all: &[ProcessId]) {
    for process in all {
        if let Some(open) = process.open() {
            let ended = watch::readable(&[open], Some(WAIT_MAX)).unwrap();
            assert!(ended[0], "process {} does not end", process.pid);
        }
    }
}
