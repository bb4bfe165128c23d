//! `gt import`: what is written of a Gas Town's folder, and of a repository with Beads; and that the town takes it.

use serde_json::json;

use crate::harness::{Folder, git};

const PLAIN: &str = "formula = \"tidy-up\"\n[[steps]]\nid = \"look\"\ntitle = \"Look\"\n[[steps]]\nid = \"mend\"\ntitle = \"Mend\"\nneeds = [\"look\"]\n";
const GATED: &str = "formula = \"ask\"\n[[steps]]\nid = \"a\"\ntitle = \"A\"\n[steps.gate]\ntype = \"human\"\n";

fn put(folder: &Folder, name: &str, text: &str) {
    let path = folder.path(name);
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, text).unwrap();
}

fn line(id: &str, status: &str) -> String {
    json!({ "id": id, "title": id, "status": status, "priority": 2, "issue_type": "task" }).to_string() + "\n"
}

/// A Gas Town with two rigs, of which the town has registered one.
fn gas_town() -> Folder {
    let folder = Folder::town();
    let registered = json!({"version": 1, "rigs": {"Shop_App": {
        "git_url": "https://git.example.invalid/team/shop.git", "beads": {"prefix": "sh-"}, "push_url": "git@fork.invalid:me/shop.git"}}});
    put(&folder, "gas/mayor/rigs.json", &registered.to_string());
    put(
        &folder,
        "gas/Shop_App/config.json",
        &json!({"type": "rig", "name": "Shop_App", "default_branch": "trunk"}).to_string(),
    );
    let settings = json!({
        "merge_queue": {"setup_command": "npm ci", "test_command": "npm test", "lint_command": ""},
        "namepool": {"names": ["nux", "Furiosa!"]}, "workflow": {"default_formula": "tidy-up"},
    });
    put(&folder, "gas/Shop_App/settings/config.json", &settings.to_string());
    put(&folder, "gas/Shop_App/crew/kim/README.md", "");
    put(
        &folder,
        "gas/Shop_App/mayor/rig/.beads/issues.jsonl",
        &(line("sh-1", "open") + &line("sh-2", "closed") + &line("sh-3", "hooked")),
    );
    put(&folder, "gas/depot/config.json", &json!({"type": "rig", "git_url": "/srv/depot.git"}).to_string());
    put(&folder, "gas/.beads/formulas/tidy-up.formula.toml", PLAIN);
    put(&folder, "gas/.beads/formulas/ask.formula.toml", GATED);
    put(&folder, "gas/.beads/issues.jsonl", &line("hq-1", "open"));
    folder
}

#[test]
fn a_gas_town_becomes_manifests_that_the_town_takes() {
    let folder = gas_town();
    let dry = folder.gt(&["import", "--from", "gastown", "../gas", "--dry-run"]);
    insta::assert_snapshot!(dry.all(), @"
    would write [dir]/home/.beads/formulas/ask.formula.toml
    would write [dir]/home/beads/shop-app.jsonl
    would write [dir]/home/beads/town.jsonl
    would write [dir]/home/formulas/tidy-up.yaml
    would write [dir]/home/rigs/depot.yaml
    would write [dir]/home/rigs/shop-app.yaml
    ! note: the rig `Shop_App` is called `shop-app` here
    ! note: shop-app: polecats cannot be called so here, and are left out: Furiosa!
    ! note: shop-app: its crew (kim) are clones that people work in: they stay as they are, and are declared nowhere
    ! note: shop-app: it has another address to push to, git@fork.invalid:me/shop.git: that is not taken over
    ! note: shop-app: its beads went by the formula `tidy-up`: name one by --formula, or in a Convoy
    ! note: beads/shop-app.jsonl has 2 open beads of 3
    ! note: depot: it has no .beads/issues.jsonl: Beads' own `bd export -o .beads/issues.jsonl` writes it
    ! note: rigs/depot.yaml: nothing says how depot is tested: give `verify` a command, or its work lands unchecked
    ! note: beads/town.jsonl has 1 open beads of 1
    ! note: the formula `ask` stays as it is, .beads/formulas/ask.formula.toml: its step `a` waits at a gate; `bd cook ask` reads it
    ! next: gt apply -f [dir]/home/rigs -f [dir]/home/formulas
    ! then: bd import [dir]/home/beads/shop-app.jsonl --rig shop-app
    ! then: bd import [dir]/home/beads/town.jsonl
    exit 0
    ");
    assert!(!folder.path("home/rigs").exists(), "a dry run writes nothing");
    let done = folder.gt(&["import", "--from", "gastown", "../gas"]);
    assert_eq!((done.code, done.out), (0, dry.out.replace("would write", "wrote")));
    insta::assert_snapshot!(folder.read("rigs/shop-app.yaml"), @"
    apiVersion: gastown.io/v1alpha1
    kind: Rig
    metadata:
      name: shop-app
    spec:
      merge:
        strategy: Branch
        verify:
        - name: test
          run: npm test
      polecats:
        names:
        - nux
      prefix: sh
      repo:
        branch: trunk
        url: https://git.example.invalid/team/shop.git
      workspace:
        setup:
        - npm ci
    ");
    insta::assert_snapshot!(folder.read("formulas/tidy-up.yaml"), @"
    apiVersion: gastown.io/v1alpha1
    kind: Formula
    metadata:
      name: tidy-up
    spec:
      steps:
      - name: look
        title: Look
      - name: mend
        needs:
        - look
        title: Mend
    ");
    assert_eq!(folder.read("beads/shop-app.jsonl"), line("sh-1", "open") + &line("sh-3", "hooked"));
    assert_eq!(folder.read(".beads/formulas/ask.formula.toml"), GATED);
    let applied = folder.gt(&["apply", "--dry-run", "-f", "rigs", "-f", "formulas"]);
    assert_eq!(applied.code, 0, "{}", applied.all());
    assert_eq!(folder.gt(&["apply", "-f", "rigs", "-f", "formulas"]).code, 0);
    insta::assert_snapshot!(folder.gt(&["bd", "import", "beads/shop-app.jsonl", "--rig", "shop-app"]).all(), @"
    imported: 2 new
    exit 0
    ");
    // Once more changes nothing; what was edited is not written over.
    assert_eq!(folder.gt(&["import", "--from", "gastown", "../gas"]).out, "");
    folder.write("rigs/depot.yaml", "mine\n");
    let refused = folder.gt(&["import", "--from", "gastown", "../gas"]);
    insta::assert_snapshot!(refused.all(), @"
    ! [dir]/home/.beads/formulas/ask.formula.toml says so already
    ! [dir]/home/beads/shop-app.jsonl says so already
    ! [dir]/home/beads/town.jsonl says so already
    ! [dir]/home/formulas/tidy-up.yaml says so already
    ! [dir]/home/rigs/shop-app.yaml says so already
    ! error: there already, and say otherwise: [dir]/home/rigs/depot.yaml
    ! hint: nothing was written: move them away, or say -o DIR
    exit 4
    ");
    assert_eq!(folder.read("rigs/depot.yaml"), "mine\n");
}

#[test]
fn a_repository_with_beads_becomes_a_rig_of_its_prefix() {
    let folder = Folder::town();
    put(&folder, "store/.beads/issues.jsonl", &(line("st-1", "open") + &line("st-2", "closed")));
    put(&folder, "store/Cargo.toml", "[package]\n");
    let dir = folder.path("store");
    git(&dir, &["init", "--quiet"]);
    git(&dir, &["add", "--all"]);
    git(&dir, &["commit", "--quiet", "-m", "first"]);
    insta::assert_snapshot!(folder.gt(&["import", "--from", "beads", "../store"]).all(), @"
    wrote [dir]/home/rigs/store.yaml
    ! next: gt apply -f [dir]/home/rigs
    ! then: bd import [dir]/store/.beads/issues.jsonl --rig store
    exit 0
    ");
    let rig = folder.read("rigs/store.yaml").replace(&dir.display().to_string(), "[dir]/store");
    insta::assert_snapshot!(rig, @"
    apiVersion: gastown.io/v1alpha1
    kind: Rig
    metadata:
      name: store
    spec:
      merge:
        strategy: Push
        verify:
        - name: test
          run: cargo test --quiet
        whenCheckedOut: Update
      prefix: st
      repo:
        branch: main
        url: [dir]/store
    ");
    assert_eq!(folder.gt(&["apply", "-f", "rigs"]).code, 0);
    insta::assert_snapshot!(folder.gt(&["bd", "import", "../store/.beads/issues.jsonl", "--rig", "store"]).all(), @"
    imported: 2 new
    exit 0
    ");
}

#[test]
fn what_is_no_gas_town_or_is_broken_is_told_and_nothing_is_written() {
    let folder = gas_town();
    insta::assert_snapshot!(folder.gt(&["import", "--from", "gastown", "."]).all(), @"
    ! error: . is no Gas Town: it has no rigs
    ! hint: its folder has mayor/rigs.json, or RIG/config.json
    exit 3
    ");
    insta::assert_snapshot!(folder.gt(&["import", "--from", "beads", "../gas/depot"]).all(), @"
    ! error: there are no beads: [dir]/gas/depot/.beads/issues.jsonl does not exist
    ! hint: Beads' own `bd export -o .beads/issues.jsonl` writes it
    exit 3
    ");
    put(&folder, "gas/depot/config.json", "{\"type\": \"rig\",\n \"git_url\": }");
    insta::assert_snapshot!(folder.gt(&["import", "--from", "gastown", "../gas"]).all(), @"
    ! error: ../gas/depot/config.json:2:13: expected value
    ! hint: nothing was written: correct it there
    exit 4
    ");
    put(&folder, "gas/depot/config.json", &json!({"type": "rig", "git_url": "--upload-pack=x"}).to_string());
    insta::assert_snapshot!(folder.gt(&["import", "--from", "gastown", "../gas"]).all(), @"
    ! error: no manifest can be made of the rig `depot`: `spec.repo.url` cannot be `--upload-pack=x`
    ! hint: nothing was written: correct it there
    exit 4
    ");
    assert!(!folder.path("home/rigs").exists());
}

/// The second would replace the first: the beads of one of them would be lost.
#[test]
fn two_of_one_name_are_refused() {
    let folder = gas_town();
    put(&folder, "gas/town/config.json", &json!({"type": "rig", "git_url": "/srv/town.git"}).to_string());
    put(&folder, "gas/town/mayor/rig/.beads/issues.jsonl", &line("tw-1", "open"));
    let refused = folder.gt(&["import", "--from", "gastown", "../gas"]);
    assert_eq!(refused.code, 4, "{}", refused.all());
    assert!(refused.all().contains("two different things would be written to beads/town.jsonl"), "{}", refused.all());
    assert!(!folder.path("home/rigs").exists());
}
