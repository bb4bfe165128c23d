//! Jobs as real processes: they run once, survive whoever started them, and are lost only when they are killed.
//!
//! This test is its own `gt`: started as `<test> __run <spec>`, it runs a job whose body is the setup's shell commands.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test with its own main")]

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gastown::world::exec::Exec;
use gastown::world::jobs::{Jobs, Keep};
use gastown::world::layout::Layout;
use gastown::world::session::children::Children;
use gastown::world::session::exits::{Ended, Exits};
use gastown::world::session::{SessionTown, Sessions};
use gastown_controllers::world::{Job, JobKey, JobState, Owner, SandboxId};
use gastown_supervisor::lock;
use gastown_supervisor::process::ProcessId;
use gastown_supervisor::records::{self, JobSpec, Started};

const WAIT_MAX: Duration = Duration::from_secs(30);

const TESTS: [(&str, fn()); 7] = [
    ("a_job_runs_once_and_leaves_its_result", a_job_runs_once_and_leaves_its_result),
    ("a_killed_job_is_lost_and_stays_lost", a_killed_job_is_lost_and_stays_lost),
    ("a_job_in_a_deleted_folder_still_excludes", a_job_in_a_deleted_folder_still_excludes),
    ("a_start_that_was_cut_short_is_made_up_for", a_start_that_was_cut_short_is_made_up_for),
    ("the_end_of_a_job_wakes", the_end_of_a_job_wakes),
    ("sweeping_keeps_the_newest_and_all_that_run", sweeping_keeps_the_newest_and_all_that_run),
    ("sweeping_lets_go_of_old_fetches_first", sweeping_lets_go_of_old_fetches_first),
];

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1);
    match args.next() {
        Some(word) if word == gastown_supervisor::WORD => gastown_supervisor::main(args, body),
        filter => {
            let filter = filter.and_then(|filter| filter.into_string().ok()).unwrap_or_default();
            for (name, test) in TESTS.iter().filter(|(name, _)| filter.starts_with('-') || name.contains(&filter)) {
                test();
                println!("test {name} ... ok");
            }
            ExitCode::SUCCESS
        }
    }
}

/// What the jobs of this test do.
fn body(spec: &JobSpec<Job>, log: &mut dyn Write) -> i32 {
    let Job::Setup { commands, .. } = &spec.job else { return 1 };
    let output = Exec::new("sh").args(["-c", &commands.join("; ")]).limit(WAIT_MAX).run().unwrap();
    log.write_all(&output.stdout).unwrap();
    output.code
}

struct Town {
    dir: tempfile::TempDir,
    layout: Layout,
    children: Arc<Children>,
    jobs: Jobs,
}

impl Town {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let children = Arc::new(Children::default());
        let gt = std::env::current_exe().unwrap();
        let jobs = Jobs::new(Layout::below(dir.path()), gt, Arc::clone(&children));
        Self { layout: Layout::below(dir.path()), dir, children, jobs }
    }

    fn state(&self, key: &JobKey) -> JobState {
        self.jobs.look(key).unwrap()
    }

    fn ended(&self, key: &JobKey) -> (i32, String) {
        let mut ended = None;
        wait_until("the job has ended", || {
            if let JobState::Exited(exited) = self.state(key) {
                ended = Some((exited.code, exited.tail));
            }
            ended.is_some()
        });
        ended.unwrap()
    }

    fn process(&self, key: &JobKey) -> ProcessId {
        let started: Started = records::read(&self.layout.job(&key.0).join(records::STARTED)).unwrap().unwrap();
        started.process
    }

    fn file(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }
}

impl Drop for Town {
    fn drop(&mut self) {
        // Lets go of all that wait for it, and of what is left of those that were killed.
        fs_err::write(self.file("go"), "").unwrap();
        self.jobs.end_remains().unwrap();
        wait_until("no child is left", || {
            self.children.reap();
            self.children.count() == 0
        });
    }
}

fn job(command: &str, round: u32) -> Job {
    Job::Setup {
        owner: Owner::rig("shop", "rig"),
        sandbox: SandboxId { name: "nux".to_owned(), uid: "box".to_owned() },
        prepared: "p".to_owned(),
        made: jiff::Timestamp::UNIX_EPOCH,
        commands: vec![command.to_owned()],
        copy: Vec::new(),
        copy_from: None,
        timeout_s: 60,
        round,
    }
}

/// A job that runs until the town's file `go` is there, or the town is gone.
fn waiting(town: &Town, round: u32) -> Job {
    job(
        &format!(
            "cd {}; echo $$ > pid; while [ -e pid ] && ! [ -e go ]; do sleep 0.01; done",
            town.dir.path().display()
        ),
        round,
    )
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + WAIT_MAX;
    while !is_so() {
        assert!(Instant::now() < deadline, "still not so: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn kill(process: &ProcessId) {
    process.signal(rustix::process::Signal::KILL);
    wait_until("it is dead", || !process.lives());
}

fn a_job_runs_once_and_leaves_its_result() {
    let town = Town::new();
    let job = job(&format!("echo ran >> {}; echo said; exit 12", town.file("ran").display()), 1);
    assert_eq!(town.state(&job.key()), JobState::Absent);
    for _ in 0..3 {
        town.jobs.ensure(&job).unwrap();
    }
    assert_eq!(town.ended(&job.key()), (12, "said".to_owned()));
    town.jobs.ensure(&job).unwrap();
    assert_eq!(town.ended(&job.key()).0, 12);
    assert_eq!(fs_err::read_to_string(town.file("ran")).unwrap(), "ran\n");
    assert_eq!(fs_err::read_to_string(town.jobs.log_path(&job.key())).unwrap(), "said\n");
}

fn a_killed_job_is_lost_and_stays_lost() {
    let town = Town::new();
    let first = waiting(&town, 1);
    town.jobs.ensure(&first).unwrap();
    assert_eq!(town.state(&first.key()), JobState::Running);
    let pid = || fs_err::read_to_string(town.file("pid")).ok().and_then(|text| text.strip_suffix('\n')?.parse().ok());
    wait_until("its command has begun", || pid().is_some());
    let command = ProcessId::of(pid().unwrap()).unwrap();
    kill(&town.process(&first.key()));
    assert!(matches!(town.state(&first.key()), JobState::Lost { .. }));
    assert!(command.lives(), "looking ends nothing");
    town.jobs.ensure(&first).unwrap();
    assert!(matches!(town.state(&first.key()), JobState::Lost { .. }));
    // A new round is a new job.
    let second = job("exit 0", 2);
    town.jobs.ensure(&second).unwrap();
    wait_until("what was left of the first is gone", || !command.lives());
    assert_eq!(town.ended(&second.key()).0, 0);
}

fn a_job_in_a_deleted_folder_still_excludes() {
    let town = Town::new();
    let job = waiting(&town, 1);
    town.jobs.ensure(&job).unwrap();
    let process = town.process(&job.key());
    fs_err::remove_dir_all(town.layout.job(&job.key().0)).unwrap();
    assert!(town.jobs.ensure(&job).is_err(), "it does not begin while the first one runs");
    assert_eq!(lock::holders(&town.layout.job_lock(&job.key().0)).unwrap(), [process.pid]);
    kill(&process);
    town.jobs.ensure(&job).unwrap();
    assert_eq!(town.state(&job.key()), JobState::Running);
}

fn a_start_that_was_cut_short_is_made_up_for() {
    let town = Town::new();
    let job = job("exit 0", 1);
    fs_err::create_dir_all(town.layout.job(&job.key().0)).unwrap();
    assert_eq!(town.state(&job.key()), JobState::Absent);
    town.jobs.ensure(&job).unwrap();
    assert_eq!(town.ended(&job.key()).0, 0);
}

fn the_end_of_a_job_wakes() {
    let town = Town::new();
    let job = waiting(&town, 1);
    town.jobs.ensure(&job).unwrap();
    let session_town = SessionTown {
        uid: "town-uid".to_owned(),
        dir: town.file("town"),
        path: std::env::var_os("PATH").unwrap(),
        agents: std::collections::BTreeMap::new(),
    };
    let sessions = Sessions::new(Layout::below(town.dir.path()), session_town, Arc::clone(&town.children));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().unwrap();
    runtime.block_on(async {
        let (exits, mut wakes) = Exits::new(Arc::new(sessions), tokio::runtime::Handle::current());
        assert!(exits.watch_job(&job.key()));
        fs_err::write(town.file("go"), "").unwrap();
        let wake = tokio::time::timeout(WAIT_MAX, wakes.recv()).await.unwrap();
        assert_eq!(wake, Some(Ended::Job(job.key())));
        assert_eq!((town.ended(&job.key()).0, town.children.count()), (0, 0));
    });
}

fn sweeping_keeps_the_newest_and_all_that_run() {
    let town = Town::new();
    let mut running = waiting(&town, 1);
    // In a sandbox of its own: in one, they run one after another.
    if let Job::Setup { sandbox, .. } = &mut running {
        "other box".clone_into(&mut sandbox.uid);
    }
    town.jobs.ensure(&running).unwrap();
    let over: Vec<_> = (2..7).map(|round| job("exit 0", round)).collect();
    for job in &over {
        town.jobs.ensure(job).unwrap();
        town.ended(&job.key());
        wait_until("it has let go", || !lock::held(&town.layout.job_lock(&job.key().0)).unwrap());
    }
    let keep = Keep { newest: 2, fetches: 0 };
    assert_eq!(town.jobs.sweep(keep).unwrap(), 3);
    assert_eq!(town.jobs.sweep(keep).unwrap(), 0);
    let left: Vec<bool> = over.iter().map(|job| town.state(&job.key()) != JobState::Absent).collect();
    assert_eq!(left, [false, false, false, true, true]);
    assert_eq!(town.state(&running.key()), JobState::Running);
    let locks = fs_err::read_dir(town.layout.data().join("locks")).unwrap().count();
    assert_eq!(locks, 3, "locks go with their jobs");
}

fn sweeping_lets_go_of_old_fetches_first() {
    let town = Town::new();
    let rig = Owner::rig("shop", "rig");
    let fetch = |round| Job::Fetch {
        owner: rig.clone(),
        url: "/x".to_owned(),
        secret: None,
        lease: None,
        cause: "test".to_owned(),
        round,
    };
    let all = [job("exit 0", 1), fetch(1), fetch(2), fetch(3)];
    for job in &all {
        town.jobs.ensure(job).unwrap();
        town.ended(&job.key());
        wait_until("it has let go", || !lock::held(&town.layout.job_lock(&job.key().0)).unwrap());
    }
    assert_eq!(town.jobs.sweep(Keep { newest: 2, fetches: 1 }).unwrap(), 2);
    assert_eq!(all.map(|job| town.state(&job.key()) != JobState::Absent), [true, false, false, true]);
}
