//! The machine goes down in the middle of the work of all agents, and comes up again.

use std::collections::BTreeSet;
use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

use super::clis::{self, CLAUDE, CODEX};
use super::model::Model;
use super::{run, wait_until, worker};
use crate::town::harness::{Town, walk};

/// The beads, each with its Runtime; the last knows no way to go on with a conversation.
const BEADS: [(&str, &str); 3] = [("hard", "claude"), ("easy", "codex"), ("plain", "forgetful")];

/// The processes of a town: those whose command or environment has its folder.
fn processes(town: &Town) -> BTreeSet<i32> {
    let folder = town.path("").to_string_lossy().trim_end_matches('/').to_owned();
    let has = |file: &Path| fs_err::read(file).is_ok_and(|text| String::from_utf8_lossy(&text).contains(&folder));
    let pids =
        fs_err::read_dir("/proc").unwrap().flatten().filter_map(|it| it.file_name().to_str()?.parse::<i32>().ok());
    let own = i32::try_from(std::process::id()).unwrap();
    pids.filter(|pid| *pid != own)
        .filter(|pid| {
            ["cmdline", "environ"].iter().any(|file| has(&Path::new("/proc").join(pid.to_string()).join(file)))
        })
        .collect()
}

/// Nothing of the town is left running, no folder of this boot is there, and what is on record is of an earlier one.
fn reboot(town: &Town) {
    wait_until(town, "nothing runs any more", || {
        let left = processes(town);
        for pid in &left {
            let _already_gone = kill_process(Pid::from_raw(*pid).unwrap(), Signal::KILL);
        }
        left.is_empty().then_some(())
    });
    for entry in fs_err::read_dir(town.path("tmp")).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() { fs_err::remove_dir_all(path).unwrap() } else { fs_err::remove_file(path).unwrap() }
    }
    let boot = fs_err::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    for file in walk(&town.path("state")).into_iter().chain(walk(&town.path("data"))) {
        let Ok(text) = fs_err::read_to_string(&file) else { continue };
        if text.contains(boot.trim()) {
            fs_err::write(&file, text.replace(boot.trim(), "00000000-0000-4000-8000-000000000000")).unwrap();
        }
    }
}

#[test]
fn after_a_reboot_every_agent_goes_on_where_it_was() {
    if [CLAUDE, CODEX].iter().filter(|cli| !cli.is_here()).count() > 0 {
        return;
    }
    let flags = tempfile::tempdir().unwrap();
    let flag = format!("{}/$GT_BEAD", flags.path().display());
    let work = format!("echo $GT_ATTEMPT >> {flag}\n[ $GT_ATTEMPT -gt 1 ] || sleep 600\necho done > $GT_BEAD.txt");
    let mut lines = worker(&work);
    lines[0] = run("gt prime");
    // Three agents play each line, and most of them again.
    let model = Model::plays_up_to(3 * BEADS.len(), lines);
    let town = clis::town(&[CLAUDE, CODEX], &model);
    town.apply(
        "apiVersion: gastown.io/v1alpha1\nkind: Town\nmetadata: {name: town}\nspec: {capacity: {polecats: 3, minFreeMemory: 64Mi}, trust: Full}\n",
    );
    town.up();
    let mut forgetful = town.json(&["runtime", "claude"]);
    forgetful["metadata"] = serde_json::json!({"name": "forgetful"});
    forgetful["spec"]["resume"] = serde_json::json!([]);
    forgetful.as_object_mut().unwrap().remove("status");
    town.apply(&forgetful.to_string());
    let beads = BEADS.map(|(name, runtime)| format!("{{name: {name}, title: Do {name}, runtime: {runtime}}}"));
    town.apply(&format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Convoy\nmetadata: {{name: day}}\nspec: {{rig: shop, beads: [{}]}}\n",
        beads.join(", ")
    ));
    wait_until(&town, "all are in the middle of a tool call", || {
        let at_work = fs_err::read_dir(flags.path()).unwrap().count() == BEADS.len();
        let written = |(name, _): &(&str, &str)| {
            let talk = town.record(&town.bead(name), 1, "run/.conversation.json")?;
            fs_err::read_to_string(talk["transcript"].as_str()?).ok().filter(|it| it.contains("_line1_"))
        };
        (at_work && BEADS.iter().all(|bead| written(bead).is_some())).then_some(())
    });
    reboot(&town);
    town.up();
    town.lands("day");
    for (name, runtime) in BEADS {
        let bead = town.bead(name);
        let record = |attempt, file| town.record(&bead, attempt, file).unwrap_or_default();
        let talk = |attempt| record(attempt, "run/.conversation.json")["id"].clone();
        assert_eq!(talk(1) == talk(2), runtime != "forgetful", "{name}: {}", town.told(&bead, 2));
        assert_eq!(record(1, "spec.json")["sandboxUid"], record(2, "spec.json")["sandboxUid"], "{name}");
        assert_eq!(town.record(&bead, 3, "spec.json"), None, "{name} was landed by its second attempt");
        assert_eq!(bead["status"]["failures"].as_u64().unwrap_or(0), 0, "{name}");
        // Each was at its own work both times.
        let object = bead["metadata"]["name"].as_str().unwrap();
        assert_eq!(fs_err::read_to_string(flags.path().join(object)).unwrap(), "1\n2\n", "{name}");
    }
}
