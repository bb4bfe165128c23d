//! `gt init`, and how the town is found.

use crate::harness::{Folder, git};

#[test]
fn an_empty_folder_becomes_a_town_once() {
    let folder = Folder::empty();
    insta::assert_snapshot!(folder.gt(&["init"]).all(), @"
    town `home` made: [dir]/home/town.yaml
    ! committed town.yaml and .gt.schema.json
    ! agents that skip permission prompts (claude, codex) do not run here; to allow them: `spec: { trust: Full }` in town.yaml
    ! next: `gt rig add PATH-OR-URL` declares a repository; `gt up` starts the town
    exit 0
    ");
    let first = folder.read("town.yaml");
    insta::assert_snapshot!(folder.gt(&["init"]).all(), @"
    town `home` is a town already: [dir]/home/town.yaml
    ! next: `gt rig add PATH-OR-URL` declares a repository; `gt up` starts the town
    exit 0
    ");
    assert_eq!(folder.read("town.yaml"), first);
}

#[test]
fn a_town_that_somebody_wrote_keeps_its_every_byte() {
    let folder = Folder::empty();
    let text = "# Ours.\napiVersion: gastown.io/v1alpha1\nkind: Town\nmetadata:\n  name: town\n  namespace: ours # yes\nspec: {}\n";
    folder.write("town.yaml", text);
    insta::assert_snapshot!(folder.gt(&["status"]).all(), @"
    ! error: [dir]/home/town.yaml has no annotation `gastown.io/town-uid`: run `gt init` there
    exit 6
    ");
    assert_eq!(folder.gt(&["init"]).code, 0);
    let without: Vec<String> = folder
        .read("town.yaml")
        .lines()
        .filter(|line| !line.contains("annotations:") && !line.contains("town-uid"))
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(without.concat(), text);
    insta::assert_snapshot!(folder.gt(&["status"]).all(), @"
    nothing needs you   (the town is down: gt up)

    no rig yet: `gt rig add PATH-OR-URL`
    exit 0
    ");
}

#[test]
fn what_cannot_be_a_town_is_said() {
    let folder = Folder::empty();
    insta::assert_snapshot!(folder.gt(&["init", "--name", "../x"]).all(), @"
    ! error: `../x` is no name for a town
    ! hint: a name is lower-case letters, digits and `-`, at most 63 characters
    exit 4
    ");
    insta::assert_snapshot!(folder.gt(&["init", "--commit"]).all(), @"
    town `home` made: [dir]/home/town.yaml
    ! committed town.yaml and .gt.schema.json
    ! agents that skip permission prompts (claude, codex) do not run here; to allow them: `spec: { trust: Full }` in town.yaml
    ! next: `gt rig add PATH-OR-URL` declares a repository; `gt up` starts the town
    exit 0
    ");
    folder.write("town.yaml", "kind: Town\nmetadata: [\n");
    let before = folder.read("town.yaml");
    assert_eq!(folder.gt(&["init"]).code, 6);
    assert_eq!(folder.read("town.yaml"), before);
}

#[test]
fn the_town_is_found_from_below_by_option_and_by_environment() {
    let folder = Folder::town();
    folder.write("a/b/c.txt", "");
    let below = folder.path("home/a/b");
    assert_eq!(folder.gt_at(&below, &["get", "rigs"], "").code, 0);
    let elsewhere = folder.path("");
    let home = folder.path("home");
    assert_eq!(folder.gt_at(&elsewhere, &["--town", home.to_str().unwrap(), "get", "rigs"], "").code, 0);
    insta::assert_snapshot!(folder.gt_at(&elsewhere, &["get", "rigs"], "").all(), @"
    ! error: there is no town here: no `town.yaml` in [dir] or above
    ! hint: `gt init` makes one here; `--town DIR` or GT_TOWN names another
    exit 6
    ");
    insta::assert_snapshot!(folder.gt_at(&elsewhere, &["--town", "nowhere", "get", "rigs"], "").all(), @"
    ! error: nowhere is no town: it has no `town.yaml`
    ! hint: `gt init nowhere` makes one
    exit 6
    ");
}

#[test]
fn trust_is_what_was_said_and_never_guessed() {
    let folder = Folder::empty();
    insta::assert_snapshot!(folder.gt(&["init", "--trust", "full"]).all(), @"
    town `home` made: [dir]/home/town.yaml
    ! committed town.yaml and .gt.schema.json
    ! next: `gt rig add PATH-OR-URL` declares a repository; `gt up` starts the town
    exit 0
    ");
    let text = folder.read("town.yaml");
    assert!(
        text.contains("\nspec:\n  trust: Full # agents may run any command as you, and nobody is asked\n---\n"),
        "{text}"
    );
    assert_eq!(folder.gt(&["validate", "."]).code, 0);
    // One that is there stays as it is; to say the same of it is nothing new.
    assert_eq!(folder.gt(&["init", "--trust", "Full"]).code, 0);
    insta::assert_snapshot!(folder.gt(&["init", "--trust", "None"]).all(), @"
    ! error: town.yaml is there already, and stays as it is: it has `trust: Full`
    ! hint: write `trust: None` under `spec` of its Town; then commit it, or `gt apply -f town.yaml`
    exit 4
    ");
    assert_eq!(folder.read("town.yaml"), text);
    // Nobody is asked where nobody can answer.
    let folder = Folder::empty();
    assert_eq!(folder.gt_with(&["init"], "y\n").code, 0);
    assert!(folder.read("town.yaml").contains("\nspec: {}\n"));
}

#[test]
fn a_person_at_a_terminal_is_asked_once_whether_agents_are_trusted() {
    for (answer, spec, told) in
        [("y\n", "\nspec:\n  trust: Full #", false), ("n\n", "\nspec: {}\n", true), ("\n", "\nspec: {}\n", true)]
    {
        let folder = Folder::empty();
        // It has a terminal of its own, and types there what comes on its standard input.
        let (gt, home) = (env!("CARGO_BIN_EXE_gt"), folder.path("home"));
        let typed = |words: &str| folder.typed(&format!("{gt} init{words} {}", home.display()), answer);
        let asked = typed("");
        assert!(asked.contains("May agents in this town run any command as you, without asking?"), "{asked}");
        assert_eq!(asked.contains("to allow them: `spec: { trust: Full }`"), told, "{asked}");
        let text = folder.read("town.yaml");
        assert!(text.contains(spec), "{text}");
        let again = typed("");
        assert!(again.contains("is a town already") && !again.contains("May agents"), "{again}");
    }
    let folder = Folder::empty();
    let said =
        folder.typed(&format!("{} init --trust None {}", env!("CARGO_BIN_EXE_gt"), folder.path("home").display()), "");
    assert!(said.contains("made: ") && !said.contains("May agents"), "{said}");
}

/// An empty folder that is a repository, of somebody who may commit.
fn in_git() -> (Folder, std::path::PathBuf) {
    let folder = Folder::empty();
    let home = folder.path("home");
    git(&home, &["init", "--quiet"]);
    git(&home, &["config", "user.name", "Kim"]);
    git(&home, &["config", "user.email", "kim@example.invalid"]);
    (folder, home)
}

#[test]
fn init_commits_where_it_is_asked_to() {
    let (folder, home) = in_git();
    insta::assert_snapshot!(folder.gt(&["init", "--commit"]).all(), @"
    town `home` made: [dir]/home/town.yaml
    ! committed town.yaml and .gt.schema.json
    ! agents that skip permission prompts (claude, codex) do not run here; to allow them: `spec: { trust: Full }` in town.yaml
    ! next: `gt rig add PATH-OR-URL` declares a repository; `gt up` starts the town
    exit 0
    ");
    insta::assert_snapshot!(folder.gt(&["init", "--commit"]).all(), @"
    town `home` is a town already: [dir]/home/town.yaml
    ! committed town.yaml
    ! next: `gt rig add PATH-OR-URL` declares a repository; `gt up` starts the town
    exit 0
    ");
    git(&home, &["diff", "--exit-code", "HEAD", "--", "town.yaml"]);
}

#[test]
fn the_users_hooks_take_their_time_and_may_ask() {
    let (folder, home) = in_git();
    let hook = |text: &str| {
        let file = home.join(".git/hooks/pre-commit");
        fs_err::write(&file, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs_err::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    hook("echo checked; echo 'too long a line' >&2; exit 1");
    insta::assert_snapshot!(folder.gt(&["init", "--commit"]).all(), @"
    town `home` made: [dir]/home/town.yaml
    ! checked
    ! too long a line
    ! error: git commit failed (1); what it said is above
    ! hint: town.yaml is written: `git commit -m 'A town' -- town.yaml` tries again
    exit 1
    ");
    // Longer than a look of ours may take; and whoever is not in the terminal's group cannot ask at it.
    hook(
        "sleep 3\ngroup() { cut -d' ' -f5 /proc/$1/stat; }\n[ $(group $$) = $(group $(cut -d' ' -f4 /proc/$PPID/stat)) ]",
    );
    insta::assert_snapshot!(folder.gt(&["init", "--commit"]).all(), @"
    town `home` is a town already: [dir]/home/town.yaml
    ! committed town.yaml
    ! next: `gt rig add PATH-OR-URL` declares a repository; `gt up` starts the town
    exit 0
    ");
    assert!(!home.join(".git/index.lock").exists());
    git(&home, &["diff", "--exit-code", "HEAD", "--", "town.yaml"]);
}

#[test]
fn editors_find_the_schema_beside_a_new_town() {
    let folder = Folder::town();
    assert_eq!(folder.read(".gt.schema.json"), folder.raw(&["schema"]));
    assert!(folder.read("town.yaml").starts_with("# yaml-language-server: $schema=.gt.schema.json\n"));
    insta::assert_snapshot!(folder.gt(&["validate", "."]).all(), @"
    ! 2 objects in 1 file: no mistakes
    exit 0
    ");
    // One that is there stays as it is, and what git ignores is not committed.
    let (folder, home) = in_git();
    folder.write(".gt.schema.json", "{}");
    folder.write(".gitignore", ".gt.schema.json\n");
    assert!(folder.gt(&["init", "--commit"]).err.starts_with("committed town.yaml\n"));
    assert_eq!(folder.read(".gt.schema.json"), "{}");
    git(&home, &["diff", "--exit-code", "HEAD", "--", "town.yaml"]);
}
