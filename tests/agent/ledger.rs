//! The ledger in git: what was written is there as a commit, told as history, pushed to a repository and taken up elsewhere.

use crate::town::TestTown;
use insta::assert_snapshot;

fn town() -> TestTown {
    let town = TestTown::new();
    town.person("bd create Rotate~tokens --id shop-a");
    town.person("bd update shop-a --priority 1 --notes found");
    town
}

#[test]
fn a_bead_has_a_history() {
    let town = town();
    assert!(town.person("gt ledger verify").contains("✓ the ledger says what the store holds"));
    town.person("bd close shop-a --reason done");
    let history = town.person("gt history shop-a");
    assert!(
        history.starts_with("exit 0\n") && history.contains("priority: 1") && history.contains("status: open → closed"),
        "{history}"
    );
    let short = town.person("gt ledger export");
    assert_eq!(
        town.person("bd export").replace(",\"dependency_count\":0,\"dependent_count\":0,\"comment_count\":0", ""),
        short
    );
    // A wisp is in no commit, and what is gone is gone.
    town.person("bd delete shop-a --force");
    assert!(town.person("gt history bead/shop-a").contains("deleted"));
    assert_snapshot!(town.person("gt history nothing"), @"
    exit 3
    2> error: no Source is named `nothing`
    2> hint: there are no sources yet
    ");
}

#[test]
fn a_ledger_is_pushed_and_taken_up_by_a_town_that_has_nothing() {
    let town = town();
    town.git("repo", &["init", "--quiet", "--bare", "../ledger.git"]);
    let remote = town.path("ledger.git").display().to_string();
    assert!(town.person(&format!("gt ledger push {remote}")).contains("ledger pushed to refs/gt/ledger"));
    let exported = town.out("bd export");
    // The same town on another machine: its folder, and nothing else.
    for lost in ["data", "state"] {
        fs_err::remove_dir_all(town.path(lost)).unwrap();
        fs_err::create_dir(town.path(lost)).unwrap();
    }
    assert_snapshot!(town.person(&format!("gt ledger pull {remote}")), @"
    exit 0
    1 object was taken in
    2> next: gt up
    ");
    assert_eq!(town.out("bd export"), exported);
    assert!(town.person("bd show shop-a").contains("Rotate tokens"));
    assert!(town.person(&format!("gt ledger pull {remote}")).contains("the town has all of it already"));
    // It goes on from there, and what the remote has is never overwritten.
    town.person("bd create Later --id shop-b");
    assert!(town.person(&format!("gt ledger push {remote}")).starts_with("exit 0"));
    let other = self::town();
    let refused = other.person(&format!("gt ledger push {remote}"));
    assert!(refused.starts_with("exit 1"), "{refused}");
    let apart = other.person(&format!("gt ledger pull {remote}"));
    assert!(apart.contains("the town has a ledger of its own"), "{apart}");
}
