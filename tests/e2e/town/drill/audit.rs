//! What must be so once the drill is over, whoever was killed: nothing twice, nothing lost, nothing left, nothing for a hand.

use std::collections::{BTreeMap, BTreeSet};

use super::super::harness::{Town, git, wait_until, walk};
use super::victims::of_town;

pub fn all(town: &Town, rigs: &[&str], beads: usize) {
    assert!(!town.path("twice").exists(), "two at one bead: {}", fs_err::read_to_string(town.path("twice")).unwrap());
    landed_once(town, rigs, beads);
    nothing_is_lost(town);
    assert!(town.ok(&["status"]).starts_with("nothing needs you\n"), "{}", town.ok(&["status"]));
    for (kind, want) in [("beads", "Closed"), ("mergerequests", "Merged")] {
        let open: Vec<_> = town.items(kind).into_iter().filter(|item| item["status"]["state"] != want).collect();
        let open: Vec<_> = open.iter().map(|item| (&item["metadata"]["name"], &item["status"]["state"])).collect();
        let withdrawn = |state: &serde_json::Value| state == "Withdrawn" || state == "Rejected";
        assert!(open.iter().all(|(_, state)| withdrawn(state)), "{kind} that are not {want}: {open:?}");
    }
    git_is_whole(town, rigs);
    assert!(town.run(&["down"]).ok());
    // What may stay is tmux, which goes with its last session.
    wait_until(town, "nothing of the town is left", || {
        of_town(town).iter().all(|(_, name)| name.starts_with("tmux")).then_some(())
    });
}

/// Each bead by one merge request, and no note twice.
fn landed_once(town: &Town, rigs: &[&str], beads: usize) {
    let mut landed: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for rig in rigs {
        let bare = town.path(&format!("repos/{rig}.git"));
        let trailers = "--format=%(trailers:key=Gastown-Bead,valueonly,separator=) %(trailers:key=Gastown-MR,valueonly,separator=)";
        for line in git(&bare, &["log", trailers, "main"]).lines() {
            if let Some((bead, request)) = line.trim().split_once(' ') {
                landed.entry(bead.to_owned()).or_default().insert(request.to_owned());
            }
        }
        let notes = git(&bare, &["grep", "-h", "", "main", "--", "notes"]);
        let once: BTreeSet<&str> = notes.lines().collect();
        assert_eq!(once.len(), notes.lines().count(), "a note is there twice:\n{notes}");
    }
    assert_eq!(landed.len(), beads, "{landed:?}");
    assert!(landed.values().all(|requests| requests.len() == 1), "landed more than once: {landed:?}");
}

/// Each token of the journal is in a commit of a clone, or in a file that was kept.
fn nothing_is_lost(town: &Town) {
    let mut kept = BTreeSet::new();
    let mut keep = |text: &str| kept.extend(text.split_whitespace().map(str::to_owned));
    let data = town.path("data/gt");
    let clones: Vec<_> = walk(&data).into_iter().filter(|path| path.ends_with("HEAD")).collect();
    for clone in
        clones.iter().filter_map(|head| head.parent()).filter(|dir| dir.extension().is_some_and(|e| e == "git"))
    {
        // Objects that are reached: by a branch, a rescue, what was handed in.
        keep(&git(clone, &["log", "--all", "-p", "--format=", "--unified=0"]).replace('+', " "));
    }
    for file in
        walk(&town.path("state")).into_iter().filter(|path| path.components().any(|part| part.as_os_str() == "notes"))
    {
        keep(&String::from_utf8_lossy(&fs_err::read(file).unwrap()));
    }
    let journal: Vec<String> = walk(&town.path("journal"))
        .into_iter()
        .flat_map(|file| fs_err::read_to_string(file).unwrap().lines().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    assert!(!journal.is_empty());
    let lost: Vec<_> = journal.iter().filter(|token| !kept.contains(*token)).collect();
    assert!(lost.is_empty(), "{} of {} tokens are lost: {lost:?}", lost.len(), journal.len());
}

fn git_is_whole(town: &Town, rigs: &[&str]) {
    for rig in rigs {
        git(&town.path(&format!("repos/{rig}.git")), &["fsck", "--connectivity-only"]);
    }
    let clones = walk(&town.path("data/gt")).into_iter().filter(|path| path.ends_with("clones")).collect::<Vec<_>>();
    for clone in clones {
        git(&clone, &["fsck", "--connectivity-only"]);
    }
}
