//! Words of Gas Town: who types one is answered with the word that it is here.

use super::harness::Folder;

#[test]
fn a_word_of_gas_town_is_answered_and_any_other_is_as_ever() {
    let folder = Folder::empty();
    insta::assert_snapshot!(folder.gt(&["escalate", "-s", "high"]).all(), @"
    ! error: `escalate` is another word here: `gt ask` and `gt stuck` for an agent, `gt status` and `gt answer` for people
    ! hint: `gt help` lists all words
    exit 2
    ");
    insta::assert_snapshot!(folder.gt(&["mayor", "attach"]).all(), @"
    ! error: `mayor` is not here: you give work yourself: `gt sling`, `gt convoy create`, or YAML with `gt apply`
    ! hint: `gt help` lists all words
    exit 2
    ");
    insta::assert_snapshot!(folder.gt(&["rig", "park", "shop"]).all(), @"
    ! error: `rig park` is another word here: `gt pause rig/NAME`, or `gt stop rig/NAME --now`
    ! hint: `gt help` lists all words
    exit 2
    ");
    let other = folder.gt(&["statsu"]);
    assert!(other.code == 2 && other.err.contains("similar subcommand"), "{}", other.all());
}
