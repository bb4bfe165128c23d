//! The friendly verbs on real sessions: `gt peek`, `gt attach`, `gt unsling` and `gt sling BEAD`, `gt polecat nuke`.

use super::harness::{Town, git, wait_until};

/// A town whose only polecat is at the work of a bead, and prints that; the work goes on once the flag is there.
fn at_work(work: &str) -> (Town, String) {
    let town = Town::new();
    town.convoy("day", &[("one", &[], work)]);
    town.up();
    wait_until(&town, "it is at the work", || {
        let peek = town.run(&["peek", "shop-nux"]);
        (peek.ok() && peek.text().contains("at the work")).then_some(())
    });
    let bead = town.bead("one")["metadata"]["name"].as_str().unwrap().to_owned();
    (town, bead)
}

#[test]
fn an_agent_is_peeked_at_and_attached_to_only_from_a_terminal() {
    let menu = r"printf 'before\n\033[2J\033[3;1Hthird\033[1;1Hat the work\033[5;1H'; sleep 600";
    let (town, bead) = at_work(menu);
    let peek = town.run(&["peek", &bead]);
    assert!(peek.text().ends_with("at the work\n\nthird"), "{}", peek.text());
    let said = peek.complaint();
    assert!(said.starts_with(&format!("shop-nux, bead/{bead}, attempt 1, at work for ")), "{said}");
    let screen = town.ok(&["logs", "polecat/shop-nux", "--screen"]);
    assert!(screen.ends_with("at the work\n\nthird"), "{screen}");
    let attach = town.run(&["attach", &format!("bead/{bead}")]);
    assert_eq!(attach.code, 2, "{}", attach.complaint());
    assert!(attach.complaint().contains("there is no terminal here to attach"), "{}", attach.complaint());
    // What it showed last is seen when it has been ended, too.
    town.ok(&["unsling", &bead]);
    let over = town.run(&["peek", "shop-nux"]);
    assert!(over.text().contains("at the work\n\nthird"), "{}", over.text());
    assert!(over.complaint().contains(", ended by the town, "), "{}", over.complaint());
}

#[test]
fn a_bead_that_was_unslung_goes_on_where_it_was() {
    let (town, bead) =
        at_work("[ -e begun.txt ] || { echo half > begun.txt; echo at the work; sleep 600; }; echo one > one.txt");
    let off = town.run(&["unsling", &bead, "--reason", "lunch"]);
    assert!(off.ok() && off.complaint().contains("1 session was ended"), "{}", off.complaint());
    assert!(off.complaint().contains(&format!("shop-nux keeps what was made for bead/{bead}")), "{}", off.complaint());
    let why = wait_until(&town, "it waits", || {
        let polecat = town.items("polecats").remove(0);
        (polecat["status"]["state"] == "Stalled").then(|| town.ok(&["polecat", "list"]))
    });
    assert!(why.contains("is stopped by") && why.contains("lunch"), "{why}");
    assert!(town.ok(&["sling", &bead]).starts_with(&format!("bead/{bead} slung again (was stopped by")));
    town.lands("day");
    let files = git(&town.path("repos/shop.git"), &["ls-tree", "--name-only", "main"]);
    assert!(files.contains("begun.txt") && files.contains("one.txt"), "{files}");
    assert_eq!(town.items("polecats").len(), 1);
}

#[test]
fn a_polecat_with_work_that_nobody_else_has_is_nuked_by_force_alone_and_its_work_is_kept() {
    let flag = tempfile::NamedTempFile::new().unwrap();
    let flag = flag.path();
    let work = format!(
        "[ -s {0} ] || {{ echo 1 > first.txt; git add --all; git commit -qm first; echo half > half.txt; echo at the work; sleep 600; }}; echo one > one.txt",
        flag.display()
    );
    let (town, bead) = at_work(&work);
    let refused = town.run(&["polecat", "nuke", "shop/nux"]);
    assert_eq!(refused.code, 4, "{}", refused.complaint());
    let said = refused.complaint();
    assert!(said.contains(&format!("1 commit on polecat/nux/{bead} is not handed in")), "{said}");
    assert!(said.contains("1 file is not committed in ") && said.contains("?? half.txt"), "{said}");
    let old = town.items("polecats")[0]["metadata"]["uid"].clone();

    fs_err::write(flag, "go on").unwrap();
    let nuked = town.run(&["polecat", "nuke", "shop-nux", "--force"]);
    assert!(nuked.ok(), "{}", nuked.complaint());
    assert!(nuked.text().contains("polecat/shop-nux is gone"), "{}", nuked.text());
    let said = nuked.complaint();
    let kept = said
        .lines()
        .find(|line| line.starts_with("kept: refs/gt/rescue/shop-nux/"))
        .unwrap_or_else(|| panic!("{said}"));
    let (name, clone) = kept.trim_start_matches("kept: ").split_once(" in ").unwrap();
    let reference = name.split_once(" at ").unwrap().0;
    assert_eq!(git(clone.as_ref(), &["show", &format!("{reference}:half.txt")]).trim(), "half");
    assert_eq!(git(clone.as_ref(), &["show", &format!("{reference}:first.txt")]).trim(), "1");
    town.lands("day");
    assert!(town.items("polecats").iter().all(|polecat| polecat["metadata"]["uid"] != old));

    // With nothing to lose, nothing is asked; the record outlives it.
    let name = town.items("polecats")[0]["metadata"]["name"].as_str().unwrap().to_owned();
    town.ok(&["polecat", "nuke", &name]);
    let record = town.ok(&["polecat", "status", &name]);
    assert!(record.contains("is gone") && record.contains("1 landed"), "{record}");
}
