//! From `gt done` until the merge request is merged, for a one-line bead that nothing verifies: against the calls of git that
//! it takes, one after the other.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use futures::TryStreamExt;
use gastown::clock::{Clock, SystemClock};
use gastown::world::exec::Exec;
use gastown_crds::merge_request::MergeState;
use gastown_crds::{Convoy, MergeRequest, Rig, Runtime};
use kube::Client;
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;

use crate::commands::Up;
use crate::table::{Row, Sample, Table, ms, times};
use crate::town;

/// How many beads are landed, one after the other.
const BEADS: usize = 16;
/// A bound on the wait for all.
const WAIT_MAX: Duration = Duration::from_mins(2);

pub fn measure(table: &mut Table) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let up = Up::start();
    let client = up.client(&runtime);
    let begun = up.dir.path().join("begun");
    fs_err::create_dir_all(&begun).unwrap();
    let merged = runtime.block_on(landed(&up, &client, &begun));
    let ours: Vec<Duration> = merged.iter().map(|(bead, at)| at.saturating_sub(said(&begun.join(bead)))).collect();
    let floor: Vec<Duration> = (0..BEADS).map(|n| of_git_alone(up.dir.path(), n)).collect();
    let [ours, floor] = [ours, floor].map(|all| Sample::new(all).percentile(50));
    table.row(Row {
        figure: format!("`gt done` → merged, unverified one-line bead (median of {BEADS}; floor: git's own steps)"),
        measured: ms(ours),
        floor: ms(floor),
        ratio: times(ours, floor),
        goal: "≤ 1.5 ×".into(),
        met: ours.as_secs_f64() <= floor.as_secs_f64() * 1.5,
    });
}

/// Has the beads worked, and gives when each was seen merged, since the epoch.
async fn landed(up: &Up, client: &Client, begun: &Path) -> BTreeMap<String, Duration> {
    let repo = town::repository(up.dir.path());
    let script = format!(
        "echo $GT_BEAD >> log && git add log && git -c user.name=t -c user.email=t@town.invalid commit -qm $GT_BEAD && \
         for step in $(gt hook -o steps); do bd close $step; done && date +%s%N > {}/$GT_BEAD && gt done",
        begun.display()
    );
    town::create::<Runtime>(client, "says", json!({ "command": ["sh", "-ec", script] })).await;
    let merge = json!({ "strategy": "Push", "allowUnverified": true });
    town::create::<Rig>(client, "shop", json!({ "repo": { "url": repo }, "runtime": "says", "merge": merge })).await;
    let needs = |n: usize| if n == 0 { Vec::new() } else { vec![format!("b{}", n - 1)] };
    let beads: Vec<_> =
        (0..BEADS).map(|n| json!({ "name": format!("b{n}"), "title": "Say", "needs": needs(n) })).collect();
    town::create::<Convoy>(client, "c", json!({ "rig": "shop", "beads": beads })).await;
    let requests: Api<MergeRequest> = Api::default_namespaced(client.clone());
    let mut merged = BTreeMap::new();
    let watch = watcher(requests, watcher::Config::default()).applied_objects();
    let all = async {
        let mut watch = std::pin::pin!(watch);
        while merged.len() < BEADS {
            let request = watch.try_next().await.unwrap().expect("a watch does not end");
            if request.status.as_ref().is_some_and(|status| status.state == MergeState::Merged) {
                let now = Duration::try_from(SystemClock.now().as_duration()).unwrap();
                merged.entry(request.spec.bead.clone()).or_insert(now);
            }
        }
    };
    tokio::time::timeout(WAIT_MAX, all).await.expect("all are merged in time");
    merged
}

/// When an agent said that it had begun to hand in, since the epoch.
fn said(file: &Path) -> Duration {
    Duration::from_nanos(fs_err::read_to_string(file).unwrap().trim().parse().unwrap())
}

/// The calls of git that bring one commit from a worktree's repository into a clone, onto the target, to the remote, and
/// make sure of it.
fn of_git_alone(dir: &Path, n: usize) -> Duration {
    let (remote, clone, own) =
        (dir.join("shop.git"), dir.join(format!("floor-{n}.git")), dir.join(format!("floor-{n}")));
    let path = |path: &Path| path.display().to_string();
    git(dir, &["clone", "-q", "--bare", "--no-local", &path(&remote), &path(&clone)]);
    git(dir, &["clone", "-q", "--shared", &path(&clone), &path(&own)]);
    fs_err::write(own.join("floor"), n.to_string()).unwrap();
    git(&own, &["add", "floor"]);
    git(&own, &["commit", "-qm", "floor"]);
    let (head, main) = (git(&own, &["rev-parse", "HEAD"]), git(&clone, &["rev-parse", "main"]));
    let since = Instant::now();
    // Handed in.
    git(&own, &["status", "--porcelain"]);
    git(
        &clone,
        &["fetch", "-q", "--no-tags", "--no-write-fetch-head", &path(&own), &format!("{head}:refs/heads/work")],
    );
    // Replayed.
    let tree = git(&clone, &["merge-tree", "--write-tree", "--no-messages", &main, &head]);
    let commit = git(&clone, &["commit-tree", &tree, "-p", &main, "-m", "landed"]);
    git(&clone, &["update-ref", "refs/gt/queue/main", &commit]);
    // Pushed.
    let lease = format!("--force-with-lease=refs/heads/main:{main}");
    git(
        &clone,
        &["push", "--porcelain", "--no-verify", &lease, "--", &path(&remote), &format!("{commit}:refs/heads/main")],
    );
    git(&clone, &["update-ref", "-d", "refs/gt/queue/main"]);
    // Fetched, and found there.
    git(&clone, &["ls-remote", "--symref", "--", &path(&remote), "HEAD", "refs/heads/*"]);
    git(
        &clone,
        &["fetch", "-q", "--prune", "--no-write-fetch-head", "--", &path(&remote), "+refs/heads/*:refs/gt/target/*"],
    );
    git(&clone, &["symbolic-ref", "refs/gt/head", "refs/gt/target/main"]);
    since.elapsed()
}

fn git(dir: &Path, args: &[&str]) -> String {
    let who = ["-c", "user.name=t", "-c", "user.email=t@town.invalid"];
    let out = Exec::new("git").args(who).args(args).cwd(dir).limit(WAIT_MAX).run().unwrap();
    assert!(out.ok(), "git {args:?}: {}", out.complaint());
    out.text()
}
