//! `gt validate`: everything that is wrong, in one run, without a town; in the forms that CI systems read.

use std::path::Path;

use crate::harness::{CONVOY, Folder, RIG};
use serde_json::Value;

/// A folder with three mistakes, a warning, and files of others.
fn wrong() -> Folder {
    let folder = Folder::empty();
    folder.write("rigs/shop.yaml", &RIG.replace("strategy: Push", "strategy: Pull"));
    folder.write("convoys/auth.yaml", &CONVOY.replace("rig: shop", "rig: shpo"));
    folder.write("convoys/late, or never.yaml", "kind: Convoy\nmetadata: {name: late\n");
    folder.write("convoys/idle.yaml", &CONVOY.replace("name: auth", "name: idle").replace(", command: 'true'", ""));
    folder.write("other/config.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n");
    folder
}

#[test]
fn everything_that_is_wrong_is_told_at_once_and_nothing_is_written() {
    let folder = wrong();
    insta::assert_snapshot!(folder.gt(&["validate", "."]).all(), @"
    error[ref-not-found]: no Rig is named `shpo`
     --> convoys/auth.yaml:6:8
      |
    6 |   rig: shpo
      |        ^^^^ in none of these files
      |
      = help: did you mean `shop`?

    error[syntax]: not valid YAML: the bracket `{` is never closed
     --> convoys/late, or never.yaml:2:11
      |
    2 | metadata: {name: late
      |           ^
      |
      = help: close it, or put text that starts with it in quotes

    error[wrong-value]: `spec.merge.strategy` cannot be `Pull`
      --> rigs/shop.yaml:11:15
       |
    11 |     strategy: Pull
       |               ^^^^
       |
       = help: it is one of `Push`, `Branch`

    warning[no-command]: `tokens` and another bead have no `command`, and the `script` runtime runs nothing else
     --> convoys/idle.yaml:8:15
      |
    8 |     - { name: tokens, title: Rotate session tokens }
      |               ^^^^^^
      |
      = help: add `command: …`, or name an agent that reads the text: `runtime` of the bead, its Convoy, its Rig or the Town
    ! note: skipped other/config.yaml:1: a `ConfigMap` of `v1`, not of gastown.io
    !
    ! 3 objects in 5 files: 3 mistakes, 1 warning; 1 document of others skipped
    exit 1
    ");
    let made: Vec<_> = fs_err::read_dir(folder.path("")).unwrap().map(|it| it.unwrap().file_name()).collect();
    assert_eq!(made, ["home"], "no store, no town");
}

#[test]
fn what_is_right_is_said_in_a_line() {
    let folder = Folder::empty();
    folder.write("rig.yaml", RIG);
    folder.write("convoy.yaml", CONVOY);
    insta::assert_snapshot!(folder.gt(&["validate", "."]).all(), @"
    ! 2 objects in 2 files: no mistakes
    exit 0
    ");
    let one = format!("{RIG}---\n{CONVOY}");
    insta::assert_snapshot!(folder.gt_with(&["validate", "-"], &one).all(), @"
    ! 2 objects in 1 file: no mistakes
    exit 0
    ");
    insta::assert_snapshot!(folder.gt_with(&["validate", "-"], CONVOY).all(), @"
    error[ref-not-found]: no Rig is named `shop`
     --> -:6:8
      |
    6 |   rig: shop
      |        ^^^^ in none of these files
      |
      = help: declare the Rig, or use --allow-missing if the town has it
    !
    ! 1 object in 1 file: 1 mistake
    exit 1
    ");
    assert_eq!(folder.gt_with(&["validate", "--allow-missing", "-"], CONVOY).code, 0);
}

#[test]
fn what_cannot_be_looked_at_is_another_exit_code() {
    let folder = Folder::empty();
    insta::assert_snapshot!(folder.gt(&["validate", "nowhere"]).all(), @"
    ! error: there is no file `nowhere`
    exit 2
    ");
    insta::assert_snapshot!(folder.gt(&["validate", "."]).all(), @"
    ! error: there are no objects of gastown.io in the folder `.`
    ! hint: manifests are files, or folders with .yaml, .yml or .json files below them
    exit 2
    ");
    folder.write("chart.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\n");
    insta::assert_snapshot!(folder.gt(&["validate", "."]).all(), @"
    ! note: skipped chart.yaml:1: a `ConfigMap` of `v1`, not of gastown.io
    ! error: there are no objects of gastown.io in the folder `.`
    ! hint: manifests are files, or folders with .yaml, .yml or .json files below them
    exit 2
    ");
    assert_eq!(folder.gt(&["validate"]).code, 2);
}

#[test]
fn names_in_a_file_that_cannot_be_read_are_not_missed_elsewhere() {
    let folder = Folder::empty();
    folder.write("rig.yaml", &RIG.replace("spec:", "spec: {"));
    folder.write("convoy.yaml", CONVOY);
    let done = folder.gt(&["validate", "."]);
    assert!(done.code == 1 && !done.out.contains("no Rig is named"), "{}", done.all());
}

#[test]
fn what_git_ignores_is_left_out_and_a_link_out_of_the_folder_is_refused() {
    let folder = Folder::empty();
    // What the folder above says is of no repository here.
    fs_err::write(folder.path(".gitignore"), "*\n").unwrap();
    assert_eq!(folder.shell("git", &["init", "-q"]).code, 0);
    folder.write("rig.yaml", RIG);
    folder.write(".gitignore", "/target/\n");
    folder.write("target/broken.yaml", "kind: [\ngastown.io");
    folder.write("here.yaml", CONVOY);
    fs_err::write(folder.path("elsewhere.yaml"), RIG).unwrap();
    fs_err::os::unix::fs::symlink("../elsewhere.yaml", folder.path("home/out.yaml")).unwrap();
    fs_err::os::unix::fs::symlink("here.yaml", folder.path("home/same.yaml")).unwrap();
    fs_err::os::unix::fs::symlink("../nowhere.yaml", folder.path("home/nowhere.yaml")).unwrap();
    insta::assert_snapshot!(folder.gt(&["validate", "."]).all(), @"
    error[link]: this link leads out of the folder, or nowhere
     --> nowhere.yaml:1:1
      |
    1 |
      | ^
      |
      = help: put the file itself here: another checkout may not have what it leads to

    error[link]: this link leads out of the folder, or nowhere
     --> out.yaml:1:1
      |
    1 |
      | ^
      |
      = help: put the file itself here: another checkout may not have what it leads to
    !
    ! 2 objects in 4 files: 2 mistakes
    exit 1
    ");
}

#[test]
fn what_is_named_twice_is_read_once_and_what_is_no_file_is_not_opened() {
    let folder = Folder::empty();
    folder.write("rig.yaml", RIG);
    folder.write("sub/convoy.YAML", CONVOY);
    let link = |to: &str, from: &str| fs_err::os::unix::fs::symlink(to, folder.path("home").join(from)).unwrap();
    link("rig.yaml", "again.yaml");
    link("sub", "folder.yaml");
    assert_eq!(folder.shell("mkfifo", &["queue"]).code, 0);
    link("queue", "queue.yaml");
    link("/dev/zero", "zero.json");
    insta::assert_snapshot!(folder.gt(&["validate", ".", "rig.yaml", "sub/..", "./sub"]).all(), @"
    ! 2 objects in 2 files: no mistakes
    exit 0
    ");
    // What a link leads to is not shown, nor does a name make a line of its own.
    fs_err::write(folder.path("secret"), "SECRET=1\n").unwrap();
    link("../secret", "a\n::error::b.yaml");
    let done = folder.gt(&["validate", "."]).all();
    assert!(done.contains("error[link]") && !done.contains("SECRET") && !done.contains("\n::error"), "{done}");
}

#[test]
fn what_would_be_passed_over_in_silence_is_told() {
    let folder = Folder::empty();
    folder.write("rig.yaml", RIG);
    let utf_16: Vec<u8> = RIG.encode_utf16().flat_map(u16::to_le_bytes).collect();
    fs_err::write(folder.path("home/wide.yaml"), [&[0xff, 0xfe][..], &utf_16].concat()).unwrap();
    folder.write(
        "town.yaml",
        "apiVersion: gastown.io/v1alpha1\nkind: Town\nmetadata: {name: town, namespace: home}\nspec: {}\n",
    );
    folder.write(
        "other.yaml",
        &CONVOY.replace("metadata:", "metadata:\n  namespace: away").replace("name: auth", "name: b"),
    );
    folder.write("half.yaml", "apiVersion: gastown.io/v1alpha1\nkind: Runtime\nmetadata: {name: half}\nspec: {command: [a], resources: {limits: {cpu: 1.5}}}\n");
    insta::assert_snapshot!(folder.gt(&["validate", "."]).all(), @r#"
    error[wrong-type]: `spec.resources.limits.cpu` must be text or a whole number
     --> half.yaml:4:48
      |
    4 | spec: {command: [a], resources: {limits: {cpu: 1.5}}}
      |                                                ^^^ this is a number
      |
      = help: put it in quotes, such as `"1.5"`

    error[namespace]: this is for the town `away`, and this town is `home`
     --> other.yaml:4:14
      |
    4 |   namespace: away
      |              ^^^^
      |
      = help: leave `namespace` out, or apply it in the other town

    error[utf-8]: not UTF-8 text
     --> wide.yaml:1:1
      |
    1 | ��a␀p␀i␀V␀e␀r␀s␀i␀o␀n␀:␀ ␀g␀a␀s␀t␀o␀w␀n␀.␀i␀o␀/␀v␀1␀a␀l␀p␀h␀a␀1␀
      | ^
      |
      = help: save the file as UTF-8
    !
    ! 4 objects in 5 files: 3 mistakes
    exit 1
    "#);
}

#[test]
fn programs_get_json() {
    let folder = wrong();
    let done = folder.gt(&["validate", "-o", "json", "."]);
    let report: Value = serde_json::from_str(&done.out).unwrap();
    assert_eq!(
        (report["files"].as_u64(), report["objects"].as_u64(), report["skipped"].as_u64()),
        (Some(5), Some(3), Some(1))
    );
    let short =
        |it: &Value| format!("{}:{}:{} {} {}", it["file"], it["line"], it["column"], it["severity"], it["code"]);
    let all: Vec<_> = report["findings"].as_array().unwrap().iter().map(short).collect();
    insta::assert_snapshot!(all.join("\n").replace('"', ""), @"
    convoys/auth.yaml:6:8 error ref-not-found
    convoys/idle.yaml:8:15 warning no-command
    convoys/late, or never.yaml:2:11 error syntax
    rigs/shop.yaml:11:15 error wrong-value
    ");
    assert_eq!(done.code, 1);
}

/// Runtimes of agents that nobody here has run say so first; the other is run by a test.
#[test]
fn the_runtimes_of_examples_are_right_and_say_whether_they_are_tested() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/runtimes");
    let done = Folder::empty().gt(&["validate", examples.to_str().unwrap()]);
    assert_eq!(done.err, "9 objects in 9 files: no mistakes\n");
    assert_eq!((done.code, done.out.as_str()), (0, ""));
    let tested = fs_err::read_dir(examples).unwrap().map(|entry| entry.unwrap().path());
    let tested = tested.filter(|path| !fs_err::read_to_string(path).unwrap().starts_with("# untested: "));
    let tested: Vec<_> = tested.map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(tested, ["your-own.yaml"]);
}

#[test]
fn github_gets_an_annotation_for_each_line() {
    insta::assert_snapshot!(wrong().gt(&["validate", "-o", "github", "."]).out, @"
    ::error file=convoys/auth.yaml,line=6,endLine=6,col=8,endColumn=12,title=gt ref-not-found::no Rig is named `shpo`%0Adid you mean `shop`?
    ::warning file=convoys/idle.yaml,line=8,endLine=8,col=15,endColumn=21,title=gt no-command::`tokens` and another bead have no `command`, and the `script` runtime runs nothing else%0Aadd `command: …`, or name an agent that reads the text: `runtime` of the bead, its Convoy, its Rig or the Town
    ::error file=convoys/late%2C or never.yaml,line=2,endLine=2,col=11,endColumn=12,title=gt syntax::not valid YAML: the bracket `{` is never closed%0Aclose it, or put text that starts with it in quotes
    ::error file=rigs/shop.yaml,line=11,endLine=11,col=15,endColumn=19,title=gt wrong-value::`spec.merge.strategy` cannot be `Pull`%0Ait is one of `Push`, `Branch`
    ");
}

#[test]
fn code_scanning_gets_what_its_schema_asks_for() {
    let done = wrong().gt(&["validate", "-o", "sarif", "."]);
    let log: Value = serde_json::from_str(&done.out).unwrap();
    // As OASIS has published it; one bracket of a pattern in it is never opened.
    let schema = include_str!("validate/sarif-schema-2.1.0.json").replace("{2}]?$", "{2}?$");
    let schema: Value = serde_json::from_str(&schema).unwrap();
    let mistakes: Vec<_> =
        jsonschema::validator_for(&schema).unwrap().iter_errors(&log).map(|it| it.to_string()).collect();
    assert_eq!(mistakes, Vec::<String>::new());
    let results = log["runs"][0]["results"].as_array().unwrap();
    assert_eq!(results.len(), 4);
    let uri =
        |it: &Value| it["locations"][0]["physicalLocation"]["artifactLocation"]["uri"].as_str().unwrap().to_owned();
    assert!(results.iter().any(|it| uri(it) == "convoys/late%2C%20or%20never.yaml"));
}

#[test]
fn ci_systems_get_a_test_for_each_file() {
    insta::assert_snapshot!(wrong().gt(&["validate", "-o", "junit", "."]).out, @r#"
    <?xml version="1.0" encoding="UTF-8"?>
    <testsuites name="gt validate" tests="5" skipped="0" failures="3" errors="0">
        <testsuite name="gt validate" tests="5" skipped="0" errors="0" failures="3">
            <testcase name="convoys/auth.yaml">
                <failure message="no Rig is named `shpo`" type="ref-not-found">convoys/auth.yaml:6:8: no Rig is named `shpo`
    did you mean `shop`?</failure>
            </testcase>
            <testcase name="convoys/idle.yaml">
                <system-out>convoys/idle.yaml:8:15: `tokens` and another bead have no `command`, and the `script` runtime runs nothing else
    add `command: …`, or name an agent that reads the text: `runtime` of the bead, its Convoy, its Rig or the Town</system-out>
            </testcase>
            <testcase name="convoys/late, or never.yaml">
                <failure message="not valid YAML: the bracket `{` is never closed" type="syntax">convoys/late, or never.yaml:2:11: not valid YAML: the bracket `{` is never closed
    close it, or put text that starts with it in quotes</failure>
            </testcase>
            <testcase name="other/config.yaml"/>
            <testcase name="rigs/shop.yaml">
                <failure message="`spec.merge.strategy` cannot be `Pull`" type="wrong-value">rigs/shop.yaml:11:15: `spec.merge.strategy` cannot be `Pull`
    it is one of `Push`, `Branch`</failure>
            </testcase>
        </testsuite>
    </testsuites>
    "#);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let folder = Folder::empty();
    let bead = |nth: usize| format!("    - {{ name: b{nth}, titel: B, rig: gone{nth} }}\n");
    let beads = (0..100).map(bead).collect::<Vec<_>>().concat();
    let head = "apiVersion: gastown.io/v1alpha1\nkind: Convoy\nmetadata: {name: a}\nspec:\n  beads:\n";
    // Far more than a pipe holds.
    folder.write("many.yaml", &format!("---\n{head}{beads}").repeat(10));
    let script =
        format!("'{}' validate -o json . | head -c 10; echo \" ${{PIPESTATUS[0]}}\"", env!("CARGO_BIN_EXE_gt"));
    insta::assert_snapshot!(folder.shell("bash", &["-c", &script]).all(), @r#"
    {
      "files 0
    exit 0
    "#);
}

#[test]
fn more_mistakes_between_objects_than_are_listed_are_told_to_be_there() {
    let folder = Folder::empty();
    for nth in 0..30 {
        let bead = |bead: usize| format!("    - {{ name: b{bead}, title: B, rig: gone{nth}-{bead} }}\n");
        let beads = (0..5).map(bead).collect::<Vec<_>>().concat();
        folder.write(
            &format!("{nth:02}.yaml"),
            &format!(
                "apiVersion: gastown.io/v1alpha1\nkind: Convoy\nmetadata: {{name: c{nth}}}\nspec:\n  beads:\n{beads}"
            ),
        );
    }
    let done = folder.gt(&["validate", "-o", "json", "."]);
    let report: Value = serde_json::from_str(&done.out).unwrap();
    let codes: Vec<_> = report["findings"].as_array().unwrap().iter().map(|it| it["code"].as_str().unwrap()).collect();
    assert_eq!(codes.iter().filter(|code| **code == "ref-not-found").count(), 100);
    assert_eq!(codes.iter().filter(|code| **code == "more").count(), 1);
}

#[test]
fn a_bead_without_a_command_is_warned_of_by_its_own_runtime() {
    let folder = Folder::empty();
    folder.write("rig.yaml", RIG);
    let convoy = |runtime: &str| {
        format!(
            "apiVersion: gastown.io/v1alpha1\nkind: Convoy\nmetadata: {{name: auth}}\nspec: {{rig: shop, runtime: codex, beads: \
             [{{name: a, title: A}}, {{name: b, title: B{runtime}}}]}}\n"
        )
    };
    folder.write("convoy.yaml", &convoy(""));
    assert_eq!(folder.gt(&["validate", "."]).out.matches("no-command").count(), 0);
    folder.write("convoy.yaml", &convoy(", runtime: script"));
    let told = folder.gt(&["validate", "."]).out;
    assert!(told.contains("warning[no-command]: `b` has no `command`, and the `script` runtime"), "{told}");
}
