//! A sandbox made ready, of 10,000 files: a repository of its own, all checked out; against `git worktree add`, and what it
//! takes on disk.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use gastown::world::exec::Exec;
use gastown::world::git::Git;
use gastown::world::layout::Layout;
use gastown_controllers::world::{Job, Owner, SandboxSpec, exit};

use crate::restart::sandbox;
use crate::table::{Row, Sample, Table, ms, times};

/// How many files there are, and how many in each folder.
const FILES: usize = 10_000;
const IN_A_FOLDER: usize = 100;
/// How often each is made.
const RUNS: usize = 7;
/// A bound on each call of git.
const WAIT_MAX: Duration = Duration::from_mins(2);

pub fn measure(table: &mut Table) {
    let dir = crate::folder();
    let url = repository(dir.path());
    let git = Git::new(Layout::below(dir.path()));
    let rig = Owner::rig("shop", "rig-1");
    let clone = Job::Clone { owner: rig.clone(), url: url.display().to_string(), secret: None, lease: None, round: 1 };
    assert_eq!(git.run_job(&clone, &mut Vec::new()), exit::OK);
    let target = git.facts(&rig, None).unwrap().target.unwrap();
    let bare = git.layout().bare_clone(&rig.uid);
    let (mut ours, mut floor, mut again) = (Vec::new(), Vec::new(), Vec::new());
    let mut kib = (0, 0);
    for n in 0..RUNS {
        // In turns, and each with nothing left to be written of what came before: a disk is slow for whoever comes second.
        let path = dir.path().join(format!("floor-{n}"));
        all_written(dir.path());
        let since = Instant::now();
        run(&bare, &["worktree", "add", "--quiet", "--detach", &path.display().to_string(), &target.0]);
        floor.push(since.elapsed());
        let id = sandbox(&n.to_string());
        let spec = |bead: &str| SandboxSpec {
            owner: rig.clone(),
            prepared: bead.to_owned(),
            branch: format!("polecat/nux/{bead}"),
            base: target.clone(),
            start: target.clone(),
            target: target.clone(),
        };
        all_written(dir.path());
        let since = Instant::now();
        git.ensure_sandbox(&id, &spec("a")).unwrap();
        ours.push(since.elapsed());
        all_written(dir.path());
        let since = Instant::now();
        git.ensure_sandbox(&id, &spec("b")).unwrap();
        again.push(since.elapsed());
        let own = git.layout().sandboxes().join(format!("{}.git", id.uid));
        kib = (allocated_kib(&own), allocated_kib(&bare.join("worktrees").join(format!("floor-{n}"))));
        git.remove_sandbox(&id).unwrap();
        run(&bare, &["worktree", "remove", "--force", &path.display().to_string()]);
    }
    let [ours, floor, again] = [ours, floor, again].map(|all| Sample::new(all).percentile(50));
    table.row(Row {
        figure: "sandbox ready, 10,000 files (median of 7; floor: `git worktree add`)".into(),
        measured: ms(ours),
        floor: ms(floor),
        ratio: format!("{:.2} ×", ours.as_secs_f64() / floor.as_secs_f64()),
        goal: "≤ 1.2 ×".into(),
        met: ours.as_secs_f64() <= floor.as_secs_f64() * 1.2,
    });
    table.note(format!(
        "Sandboxes: made ready for another bead, its files in place, what the last left rescued, {} ({} the floor); on disk \
         beside the files {} KiB ({} KiB).",
        ms(again),
        times(again, floor),
        kib.0,
        kib.1
    ));
}

/// Waits until the disk has all that was written to the file system of a folder.
fn all_written(dir: &Path) {
    rustix::fs::syncfs(fs_err::File::open(dir).unwrap()).unwrap();
}

/// A bare repository with so many files.
fn repository(dir: &Path) -> std::path::PathBuf {
    let work = dir.join("large");
    for n in 0..FILES {
        let folder = work.join(format!("d{}", n / IN_A_FOLDER));
        if n % IN_A_FOLDER == 0 {
            fs_err::create_dir_all(&folder).unwrap();
        }
        fs_err::write(folder.join(format!("f{n}")), format!("file {n}\n").repeat(40)).unwrap();
    }
    run(&work, &["init", "-q"]);
    run(&work, &["add", "-A"]);
    run(&work, &["commit", "-qm", "first"]);
    run(dir, &["clone", "-q", "--bare", "large", "large.git"]);
    dir.join("large.git")
}

fn run(dir: &Path, args: &[&str]) {
    let who = ["-c", "user.name=t", "-c", "user.email=t@town.invalid", "-c", "init.defaultBranch=main"];
    let out = Exec::new("git").args(who).args(args).cwd(dir).limit(WAIT_MAX).run().unwrap();
    assert!(out.ok(), "git {args:?}: {}", out.complaint());
}

/// What a folder takes on disk; links are not followed.
fn allocated_kib(folder: &Path) -> u64 {
    let own = fs_err::symlink_metadata(folder).unwrap();
    let below: u64 = if own.is_dir() {
        fs_err::read_dir(folder).unwrap().flatten().map(|entry| allocated_kib(&entry.path())).sum()
    } else {
        0
    };
    own.blocks() / 2 + below
}
