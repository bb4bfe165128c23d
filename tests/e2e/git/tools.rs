//! Real tools at work in a sandbox: Git LFS, and what manages hooks for people (husky with lint-staged, lefthook,
//! pre-commit). `make tools` installs them; where one is missing, its test says so and is done, but in CI it fails.

use std::path::{Path, PathBuf};

use gastown::world::exec::Exec;
use gastown_controllers::world::{Job, exit};

use super::town::Town;

/// The folder that `make tools` installs to.
fn tools() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools")
}

/// Whether a tool is there; in CI it has to be.
#[expect(clippy::print_stderr, reason = "a test that does nothing says so")]
fn has(program: impl AsRef<Path>) -> bool {
    let program = program.as_ref();
    let runs = Exec::new(program).arg("--version").run().is_ok_and(|output| output.ok());
    assert!(runs || std::env::var_os("CI").is_none(), "{} is missing: make tools", program.display());
    if !runs {
        eprintln!("SKIPPED: {} is missing; `make tools` installs it", program.display());
    }
    runs
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
    let clone = Job::Clone { owner: town.rig.clone(), url: url.clone(), round: 1 };
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
