//! What CI systems are given to run `gt validate`, run here as far as it goes without them.

use std::path::{Path, PathBuf};

use gastown::world::exec::Exec;
use serde_json::Value;

use crate::harness::{CONVOY, Done, Folder, RIG, git};

fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

fn yaml(name: &str) -> Value {
    serde_saphyr::from_str(&fs_err::read_to_string(file(name)).unwrap()).unwrap()
}

/// A town with a mistake that is committed, and one that is not.
fn changed() -> (Folder, String) {
    let folder = Folder::empty();
    folder.write("my town/rig.yaml", RIG);
    folder.write("my town/old.yaml", &CONVOY.replace("name: auth", "name: old").replace("rig: shop", "rig: shpo"));
    git(&folder.path("home"), &["init", "-q"]);
    git(&folder.path("home"), &["add", "-A"]);
    git(&folder.path("home"), &["commit", "-q", "-m", "before"]);
    let head = folder.shell("git", &["rev-parse", "HEAD"]).out.trim().to_owned();
    folder.write("my town/new.yaml", &CONVOY.replace("rig: shop", "rig: sohp"));
    (folder, head)
}

/// Runs a shell with `gt` on its path.
fn run(folder: &Folder, script: &str, env: &[(&str, &str)]) -> Done {
    let gt = Path::new(env!("CARGO_BIN_EXE_gt")).parent().unwrap();
    let path = format!("{}:{}", gt.display(), std::env::var("PATH").unwrap());
    let mut exec = Exec::new("bash").args(["-c", script]).cwd(folder.path("home")).env("PATH", path);
    for (name, value) in env {
        exec = exec.env(*name, *value);
    }
    let output = exec.limit(std::time::Duration::from_mins(1)).run().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Done { code: output.code, out: text(&output.stdout), err: text(&output.stderr) }
}

#[test]
fn the_action_annotates_what_a_pull_request_introduces() {
    let action = yaml(".github/actions/validate/action.yml");
    let steps = action["runs"]["steps"].as_array().unwrap();
    let check = steps.last().unwrap();
    let names: Vec<_> = check["env"].as_object().unwrap().keys().cloned().collect();
    assert_eq!(names, ["GT_ALLOW_MISSING", "GT_BASE", "GT_PATHS"]);
    for name in action["inputs"].as_object().unwrap().keys() {
        let is_given = check["env"].as_object().unwrap().values().any(|it| it == &format!("${{{{ inputs.{name} }}}}"));
        assert!(is_given, "nobody reads the input {name}");
    }
    let (folder, head) = changed();
    let script = check["run"].as_str().unwrap();
    let at = file(".github/actions/validate");
    let run =
        |env: &[(&str, &str)]| run(&folder, script, &[env, &[("GITHUB_ACTION_PATH", at.to_str().unwrap())]].concat());
    let done = run(&[("GT_PATHS", "my town"), ("GT_BASE", &head)]);
    insta::assert_snapshot!(done.out, @"::error file=my town/new.yaml,line=6,endLine=6,col=8,endColumn=12,title=gt ref-not-found::no Rig is named `sohp`%0Adid you mean `shop`?");
    assert_eq!(done.code, 1, "{}", done.err);
    let all = run(&[("GT_PATHS", "my town/rig.yaml\nmy town/old.yaml"), ("GT_BASE", "none")]);
    assert_eq!((all.code, all.out.lines().count()), (1, 1), "{}", all.out);
    let lenient = run(&[("GT_PATHS", "."), ("GT_BASE", ""), ("GT_ALLOW_MISSING", "true")]);
    assert_eq!(lenient.code, 0, "{}", lenient.out);
}

#[test]
fn the_action_fetches_the_base_that_a_shallow_checkout_lacks() {
    let (folder, head) = changed();
    git(&folder.path("home"), &["add", "-A"]);
    git(&folder.path("home"), &["commit", "-q", "-m", "after"]);
    git(&folder.path("home"), &["config", "uploadpack.allowAnySHA1InWant", "true"]);
    let from = format!("file://{}", folder.path("home").display());
    git(&folder.path(""), &["clone", "-q", "--depth=1", &from, "shallow"]);
    let script = format!("cd ../shallow && {}", file(".github/actions/validate/run.sh").display());
    let done = run(&folder, &script, &[("GT_BASE", &head)]);
    assert!(done.code == 1 && done.out.contains("sohp") && !done.out.contains("shpo"), "{}{}", done.out, done.err);
}

#[test]
fn the_job_of_gitlab_writes_a_report_of_what_is_new() {
    let job = &yaml("examples/ci/gitlab-ci.yml")["gt-validate"];
    let script: Vec<&str> = job["script"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    let report = job["artifacts"]["reports"]["junit"].as_str().unwrap();
    let (folder, head) = changed();
    for (base, failures) in [(head.as_str(), 1), ("", 2)] {
        let done = run(&folder, &script.join("\n"), &[("CI_MERGE_REQUEST_DIFF_BASE_SHA", base)]);
        assert_eq!(done.code, 1, "{}", done.err);
        let text = folder.read(report);
        assert!(text.contains(&format!("failures=\"{failures}\"")) && text.contains("sohp"), "{text}");
    }
}
