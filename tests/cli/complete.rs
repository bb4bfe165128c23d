//! Completion: what a shell is offered for the word at the cursor.

use gastown_crds::{Bead, Polecat};
use serde_json::json;

use super::harness::{CONVOY, Folder, bead, object};

impl Folder {
    /// What bash is offered for the last of the words.
    fn offered(&self, words: &[&str]) -> Vec<String> {
        let args: Vec<&str> = ["--", "gt"].iter().chain(words).copied().collect();
        let mut command = self.command(&args);
        command.env("COMPLETE", "bash").env("_CLAP_IFS", "\n").env("_CLAP_COMPLETE_INDEX", words.len().to_string());
        let output = command.output().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
        String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
    }
}

fn with_convoy() -> Folder {
    let folder = Folder::with_rig();
    folder.write("convoy.yaml", CONVOY);
    assert_eq!(folder.gt(&["apply", "-f", "convoy.yaml"]).code, 0);
    folder
}

#[test]
fn verbs_flags_and_kinds_are_offered() {
    let folder = Folder::empty();
    assert_eq!(folder.offered(&["ge"]), ["get"]);
    assert_eq!(folder.offered(&["get", "--wat"]), ["--watch"]);
    assert_eq!(folder.offered(&["get", "-o", "w"]), ["wide"]);
    assert_eq!(folder.offered(&["get", "r"]), ["runtimes", "rigs"]);
    assert_eq!(folder.offered(&["get", "rigs,con"]), ["rigs,convoys"]);
    assert_eq!(folder.offered(&["describe", "r"]), ["runtime/", "rig/"]);
    assert_eq!(folder.offered(&["logs", "c"]), ["controller"]);
    assert_eq!(folder.offered(&["events", "--for", "ri"]), ["rig/"]);
    assert_eq!(folder.offered(&["events", "--type", "W"]), ["Warning"]);
    assert_eq!(folder.offered(&["wait", "rig/shop", "--for", "condition=Re"]), ["condition=Ready"]);
}

#[test]
fn names_of_objects_are_offered_with_the_controller_up_or_down() {
    let folder = with_convoy();
    let assert_offered = || {
        for verb in ["get", "describe", "delete", "wait"] {
            assert_eq!(folder.offered(&[verb, "rig", "s"]), ["shop"], "{verb}");
            assert_eq!(folder.offered(&[verb, "cv/"]), ["cv/auth"], "{verb}");
            assert_eq!(folder.offered(&[verb, "rig/shop", "convoy/a"]), ["convoy/auth"], "{verb}");
        }
        assert_eq!(folder.offered(&["--town", ".", "get", "-o", "yaml", "convoys", "a"]), ["auth"]);
        assert_eq!(folder.offered(&["get", "rigs", "x"]), Vec::<String>::new());
        assert_eq!(folder.offered(&["events", "--for", "rig/s"]), ["rig/shop"]);
    };
    assert_offered();
    let _serving = folder.serve();
    assert_offered();
}

#[test]
fn polecats_are_offered_to_attach_to_and_for_their_logs() {
    let folder = Folder::with_rig();
    folder.seed::<Polecat>(&object("Polecat", "shop-nux", &json!({"rig": "shop", "name": "nux"}), &json!({})));
    assert_eq!(folder.offered(&["attach", "s"]), ["shop-nux"]);
    assert_eq!(folder.offered(&["attach", "pc/"]), ["pc/shop-nux"]);
    assert_eq!(folder.offered(&["peek", "s"]), ["shop-nux"]);
    assert_eq!(folder.offered(&["peek", "b"]), ["bead/"]);
    assert_eq!(folder.offered(&["polecat", "nuke", "s"]), ["shop-nux"]);
    assert_eq!(folder.offered(&["logs", "polecat/"]), ["polecat/shop-nux"]);
    assert_eq!(folder.offered(&["logs", "polecat", "s"]), ["shop-nux"]);
}

#[test]
fn beads_and_convoys_are_offered_to_sling_and_to_add_to() {
    let folder = with_convoy();
    folder.seed::<Bead>(&bead("shop-a", &json!({}), &json!({})));
    assert_eq!(folder.offered(&["sling", "s"]), ["shop-a"]);
    assert_eq!(folder.offered(&["sling", "shop-a", "s"]), ["shop", "shop-a"]);
    assert_eq!(folder.offered(&["sling", "bead/"]), ["bead/shop-a"]);
    assert_eq!(folder.offered(&["unsling", "s"]), ["shop-a"]);
    assert_eq!(folder.offered(&["convoy", "add", "a"]), ["auth"]);
    assert_eq!(folder.offered(&["convoy", "create", "x", "y", "--rig", "s"]), ["shop"]);
}

#[test]
fn without_a_town_no_name_is_offered_and_nothing_is_said() {
    let folder = Folder::empty();
    assert_eq!(folder.offered(&["get", "rig", "s"]), Vec::<String>::new());
    assert_eq!(folder.offered(&["--town", "/nowhere", "get", "rig", "s"]), Vec::<String>::new());
}

#[test]
fn bash_completes_with_what_gt_gives_it() {
    let folder = with_convoy();
    let script = r#"
        source <(COMPLETE=bash "$1")
        COMP_WORDS=(gt get rig s) COMP_CWORD=3 COMP_TYPE=9
        _clap_complete_gt gt s rig
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let gt = folder.command(&[]);
    let output = folder.shell("bash", &["-c", script, "bash", gt.get_program().to_str().unwrap()]);
    assert_eq!(output.all(), "shop\nexit 0");
}
