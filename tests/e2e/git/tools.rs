//! Real tools at work in a sandbox: Git LFS, and what manages hooks for people (husky with lint-staged, lefthook,
//! pre-commit). `make realtools` installs them; where one is missing, its test says so and is done.

use std::path::{Path, PathBuf};
use std::time::Duration;

use gastown::world::exec::Exec;
use gastown::world::session::program;
use gastown_controllers::world::{Job, exit};

use super::town::Town;

/// The folder that they are installed to.
fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools")
}

/// Whether a tool is there.
#[expect(clippy::print_stderr, reason = "a test that does nothing says so")]
fn has(tool: impl AsRef<Path>) -> bool {
    let (name, path) = (tool.as_ref().display().to_string(), std::env::var_os("PATH").unwrap_or_default());
    let is_there = program::find(&name, &path).is_some();
    if !is_there {
        eprintln!("SKIPPED: {name} is missing; `make realtools` installs it");
    }
    is_there
}

#[test]
fn large_files_are_at_the_remote_before_the_commit_that_names_them() {
    if !has("git-lfs") {
        return;
    }
    let mut town = Town::new();
    let global = town.path("gitconfig");
    // What `git lfs install` writes for a user.
    let filter = "[filter \"lfs\"]\n clean = git-lfs clean -- %f\n smudge = git-lfs smudge -- %f\n process = git-lfs filter-process\n required = true\n";
    fs_err::write(&global, filter).unwrap();
    town.git = town.git.clone().with_env("GIT_CONFIG_GLOBAL", &global);
    let lfs = format!("export GIT_CONFIG_GLOBAL={}; ", global.display());
    let url = town.path("remote.git");
    town.up(&format!("{lfs}echo '*.bin filter=lfs diff=lfs merge=lfs -text' > .gitattributes; echo one > one.bin; git add .; git commit -qm one"));
    town.up(&format!("git init -q --bare -b main {0} && {lfs}git remote add origin {0} && git lfs push --all origin main && git push -q origin main", url.display()));
    let url = url.display().to_string();
    let clone = Job::Clone { owner: town.rig.clone(), url: url.clone(), secret: None, lease: None, round: 1 };
    assert_eq!(town.run(&clone).0, exit::OK);
    let worktree = town.polecat("nux", "a");
    assert_eq!(fs_err::read_to_string(worktree.join("one.bin")).unwrap(), "one\n", "its content, not a pointer");
    town.work("nux", &format!("{lfs}git mv one.bin moved.bin; echo two > two.bin; git add .; git commit -qm two"));
    assert!(town.work("nux", "git show HEAD:two.bin").starts_with("version https://git-lfs"));
    let head = town.hand_in("nux", "a").head;
    let push = Job::Push {
        owner: town.rig.clone(),
        url: url.clone(),
        branch: "main".into(),
        from: Some(town.main()),
        to: head,
        force: false,
        update_checked_out: false,
        round: 1,
    };
    let (code, log) = town.run(&push);
    assert_eq!(code, exit::OK, "{log}");
    let look = town.path("look");
    town.up(&format!("{lfs}git clone -q {url} {0} && cat {0}/two.bin {0}/moved.bin", look.display()));
    assert_eq!(fs_err::read_to_string(look.join("two.bin")).unwrap(), "two\n");
}

/// Two polecats in a rig with these files.
fn rig_with(files: &[(&str, &str)]) -> Town {
    let town = Town::new();
    for (name, text) in files {
        let path = town.upstream().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(&path, text).unwrap();
    }
    town.up("chmod -f +x .husky/* || true; git add . && git commit -qm files");
    assert_eq!(town.run(&town.clone_job()).0, exit::OK);
    town.polecat("nux", "a");
    town.polecat("toast", "b");
    town
}

/// What a hook manager that is installed by one polecat does to the others: nothing; and to its next bead: nothing either.
fn stays_where_it_was_installed(town: &Town, settings: &str) {
    assert_eq!(town.inside("git config --list"), settings, "the clone's settings");
    assert_eq!(town.inside("ls hooks"), "update", "the clone's hooks");
    let plain = "echo bad > plain.txt && git add . && git commit -qm plain && git show HEAD:plain.txt";
    assert_eq!(town.work("toast", plain), "bad");
    town.polecat("nux", "c");
    assert_eq!(town.work("nux", plain), "bad");
}

#[test]
fn husky_and_lint_staged_commit() {
    let bin = tools().join("node_modules/.bin");
    if !has(bin.join("lint-staged")) || !has(bin.join("husky")) {
        return;
    }
    let package = r#"{ "lint-staged": { "*.txt": "sed -i s/bad/good/" } }"#;
    let town = rig_with(&[("package.json", package), (".husky/pre-commit", "lint-staged\n")]);
    let settings = town.inside("git config --list");
    let path = format!("export PATH={}:$PATH; ", bin.display());
    town.work("nux", &format!("{path}husky"));
    // With something that is not staged, lint-staged puts it into a stash meanwhile.
    let commit = "echo bad > a.txt && git add a.txt && echo more >> lines && git commit -qm a";
    town.work("nux", &format!("{path}{commit}"));
    assert_eq!(town.work("nux", "git show HEAD:a.txt && git status --porcelain && git stash list"), "good\n M lines");
    town.work("nux", "git checkout -q lines");
    let handed_in = town.hand_in("nux", "a");
    assert_eq!(town.inside(&format!("git show {}:a.txt", handed_in.head)), "good");
    stays_where_it_was_installed(&town, &settings);
}

#[test]
fn lefthook_commits() {
    let lefthook = tools().join("node_modules/.bin/lefthook");
    if !has(&lefthook) {
        return;
    }
    let hooks = "pre-commit:\n  jobs:\n    - run: sed -i s/bad/good/ {staged_files}\n      glob: '*.txt'\n      stage_fixed: true\n";
    let town = rig_with(&[("lefthook.yml", hooks)]);
    let settings = town.inside("git config --list");
    let lefthook = lefthook.display();
    town.work(
        "nux",
        &format!("{lefthook} install && echo bad > a.txt && git add a.txt && LEFTHOOK_BIN={lefthook} git commit -qm a"),
    );
    assert_eq!(town.work("nux", "git show HEAD:a.txt"), "good");
    stays_where_it_was_installed(&town, &settings);
}

#[test]
fn pre_commit_commits() {
    let pre_commit = tools().join("python/bin/pre-commit");
    if !has(&pre_commit) {
        return;
    }
    let hooks =
        "repos:\n- repo: local\n  hooks:\n  - { id: bad, name: no bad, language: pygrep, entry: bad, types: [text] }\n";
    let town = rig_with(&[(".pre-commit-config.yaml", hooks)]);
    let settings = town.inside("git config --list");
    let own = format!("export PRE_COMMIT_HOME={}; ", town.path("pre-commit").display());
    town.work("nux", &format!("{own}{} install", pre_commit.display()));
    // With something that is not staged, it is put aside meanwhile.
    let commit = "echo $WHAT > a.txt && git add a.txt && echo more >> lines && git commit -qm a";
    assert_ne!(town.by("nux", &format!("{own}WHAT=bad; {commit}")).code, 0);
    town.work("nux", &format!("{own}WHAT=good; {commit}"));
    assert_eq!(town.work("nux", "git show HEAD:a.txt && git status --porcelain"), "good\n M lines");
    stays_where_it_was_installed(&town, &settings);
}

/// By the hook that this repository offers to others.
#[test]
fn pre_commit_validates_a_town() {
    let pre_commit = tools().join("python/bin/pre-commit");
    if !has(&pre_commit) {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = format!("{}:{}", bin().display(), std::env::var("PATH").unwrap());
    let tries = |strategy: &str| {
        let rig = format!(
            "apiVersion: gastown.io/v1alpha1\nkind: Rig\nmetadata: {{name: shop}}\nspec: {{repo: {{url: /shop}}, merge: {{strategy: {strategy}, allowUnverified: true}}}}\n"
        );
        fs_err::write(dir.path().join("rig.yaml"), rig).unwrap();
        let script = format!(
            "git init -q && git add . && {} try-repo {} gt-validate --all-files",
            pre_commit.display(),
            env!("CARGO_MANIFEST_DIR")
        );
        let run = Exec::new("sh").args(["-c", &script]).cwd(dir.path()).env("PATH", &path);
        let run = run.env("PRE_COMMIT_HOME", dir.path().join(".cache")).limit(Duration::from_mins(1));
        let out = run.run().unwrap();
        (out.code, out.text())
    };
    assert_eq!(tries("Push").0, 0);
    let (code, said) = tries("Pull");
    assert!(code == 1 && said.contains("`spec.merge.strategy` cannot be `Pull`"), "{code}: {said}");
}

/// The folder that `gt` is in.
fn bin() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_gt")).parent().unwrap()
}
