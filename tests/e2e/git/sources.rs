//! Repositories that sources are read from: what a look costs, and that it misses nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{FutureExt, StreamExt};
use gastown::clock::SystemClock;
use gastown::town::{Places, Town};
use gastown::world::exec::{Exec, prepared};
use gastown::world::real::Real;
use gastown_controllers::world::{AskRevision, At, Found, Origin, Owner, Seen, Sources};

use crate::alone::{is_alone, passes_alone};

/// Far longer than a filesystem's clock takes to tick.
const WAIT_MAX: Duration = Duration::from_mins(1);

const TOWN: &str = "kind: Town\nmetadata: {name: town, namespace: home, annotations: {gastown.io/town-uid: 0000000a-0000-4000-8000-00000000000c}}\n";

fn git(dir: &Path, args: &[&str]) {
    let identity = ["-c", "user.name=t", "-c", "user.email=t@town.invalid", "-c", "init.defaultBranch=main"];
    let out = Exec::new("git").args(identity).args(args).cwd(dir).limit(WAIT_MAX).run().unwrap();
    assert!(out.ok(), "git {args:?}: {}", out.complaint());
}

fn found(real: &Real, at: &At) -> Seen<Found> {
    let origin = Origin::Path { path: ".".into(), at: at.clone(), folder: String::new() };
    let source = Owner { kind: "Source".into(), name: "live".into(), uid: "source-1".into() };
    real.revision(&AskRevision { source, origin, verify: None })
}

fn look(real: &Real, at: &At) -> String {
    match found(real, at) {
        Seen::Known(Found::At(revision)) => revision.subject,
        other => panic!("{other:?}"),
    }
}

/// As soon as what it reads has settled, a look starts no program; and whatever way a ref moves, the next look sees it.
#[test]
fn a_source_at_rest_starts_no_program_and_every_move_of_its_ref_is_seen() {
    if !is_alone() {
        return passes_alone("git::sources::a_source_at_rest_starts_no_program_and_every_move_of_its_ref_is_seen", &[]);
    }
    let dir = tempfile::tempdir().unwrap();
    let (root, home) = (dir.path(), dir.path().join("town"));
    fs_err::create_dir(&home).unwrap();
    fs_err::write(home.join("town.yaml"), TOWN).unwrap();
    git(&home, &["init", "-q"]);
    git(&home, &["commit", "-q", "--allow-empty", "-m", "first"]);
    let places =
        Places { data_home: root.join("d"), state_home: root.join("s"), temp: root.into(), user: 0, session: None };
    let town = Town::open(&home, &places).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let _context = runtime.enter();
    let gt = PathBuf::from(env!("CARGO_BIN_EXE_gt"));
    let (real, mut wakes) = Real::open(&town, &gt, None, Arc::new(SystemClock)).unwrap();
    let head = At::Head;
    let settles = |wanted: &str| {
        let until = Instant::now() + WAIT_MAX;
        loop {
            let before = prepared();
            assert_eq!(look(&real, &head), wanted);
            if prepared() == before {
                return;
            }
            assert!(Instant::now() < until, "it never settles");
        }
    };
    settles("first");
    for (subject, moves) in [
        ("a commit", &[&["commit", "-q", "--allow-empty", "-m", "a commit"][..]][..]),
        ("a commit", &[&["pack-refs", "--all"]]),
        ("another", &[&["commit", "-q", "--allow-empty", "-m", "another"]]),
        ("first", &[&["reset", "-q", "--soft", "HEAD~2"]]),
        ("elsewhere", &[&["checkout", "-q", "-b", "side/way"], &["commit", "-q", "--allow-empty", "-m", "elsewhere"]]),
        ("first", &[&["checkout", "-q", "main"]]),
    ] {
        for args in moves {
            git(&home, args);
        }
        assert_eq!(look(&real, &head), subject, "{moves:?}");
        settles(subject);
    }
    assert_eq!(look(&real, &At::Branch("side/way".into())), "elsewhere");

    // Gone and made anew, it is another repository; and that it comes is told.
    fs_err::remove_dir_all(home.join(".git")).unwrap();
    let missing = |real: &Real| matches!(found(real, &head), Seen::Known(Found::Missing(_)));
    assert!(missing(&real));
    while wakes.next().now_or_never().is_some() {}
    git(&home, &["init", "-q"]);
    git(&home, &["commit", "-q", "--allow-empty", "-m", "anew"]);
    runtime.block_on(async {
        // The folder comes before what is in it.
        while missing(&real) {
            tokio::time::timeout(WAIT_MAX, wakes.next()).await.expect("it is told of").expect("as long as it lives");
        }
    });
    settles("anew");
    git(&home, &["commit", "-q", "--allow-empty", "-m", "and on"]);
    runtime.block_on(async { tokio::time::timeout(WAIT_MAX, wakes.next()).await.expect("it is told of") });
    assert_eq!(look(&real, &head), "and on");
}
