//! Sessions in cgroups of their own, and agents that are killed for memory: with real cgroups, where this machine lets us
//! make some, and a stand-in for systemd. `make machine` tries the real one.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::town::{Town, WAITS, kill, lives, shell, wait_until};
use gastown_controllers::world::{AttemptState, Limits, OutOfMemory, Session};
use gastown_supervisor::{cgroup, proc};

/// A cgroup for one test, removed with all that is below it.
struct Group(PathBuf);

impl Group {
    /// A cgroup below this one; none where none can be made.
    fn below(mount: &str) -> Option<Self> {
        let group = tempfile::Builder::new().prefix("gt-test-").tempdir_in(mount).map(|group| Self(group.keep()));
        group.ok().filter(|group| group.0.join("cgroup.procs").exists()).or_else(|| skipped("cgroups cannot be made"))
    }
}

#[expect(clippy::print_stderr, reason = "a test that does nothing says so")]
fn skipped<T>(why: &str) -> Option<T> {
    eprintln!("SKIPPED: {why} here; `make machine` tries the real thing");
    None
}

impl Drop for Group {
    fn drop(&mut self) {
        for group in fs_err::read_dir(&self.0).into_iter().flatten().flatten() {
            if group.file_type().is_ok_and(|it| it.is_dir()) {
                // What is in it has just ended.
                wait_until("a cgroup can be removed", || fs_err::remove_dir(group.path()).is_ok());
            }
        }
        fs_err::remove_dir(&self.0).unwrap();
    }
}

/// Puts itself into a new cgroup of the unit's name, as systemd would have it, and becomes the command.
fn stand_in(dir: &Path, group: &Path) {
    let text = format!(
        "#!/bin/sh\nunit=probe.scope\nwhile [ \"$1\" != -- ]; do case $1 in --unit=*) unit=${{1#--unit=}} ;; esac; shift; done\n\
         shift\nmkdir -p '{group}'/$unit\necho $$ > '{group}'/$unit/cgroup.procs\nexec \"$@\"\n",
        group = group.display()
    );
    let program = dir.join("systemd-run");
    fs_err::write(&program, text).unwrap();
    fs_err::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
}

/// Where the second version of cgroups is, if we may make some.
fn unified() -> Option<Group> {
    let mounts = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"];
    let mount = mounts.into_iter().find(|mount| Path::new(mount).join("cgroup.controllers").exists());
    mount.map_or_else(|| skipped("cgroups of version 2 are not"), Group::below)
}

#[test]
fn a_session_has_a_cgroup_of_its_own_and_what_a_killed_supervisor_leaves_there_is_found() {
    let Some(group) = unified() else { return };
    let town = Town::with_first(|dir| stand_in(dir, &group.0));
    let sandbox = town.sandbox("one");
    // No mark, another folder, a session of its own, no terminal: only the cgroup tells whose it is.
    let hides = "(cd / && exec setsid env -i /bin/sh -c 'exec </dev/null >/dev/null 2>&1 3>&- 4>&- 5>&- 6>&- 7>&- 8>&- 9>&-; \
                 sleep 600 & wait' &) ; ";
    let mut spec = shell(1, &format!("{hides}{WAITS}"));
    spec.limits = Limits { memory: Some(1 << 30), cpu: None };
    town.start(&sandbox, &spec);
    let agent = town.agent(&sandbox);
    let started = town.started(1);
    let own = started.cgroup.expect("it has a cgroup");
    assert_eq!(own, group.0.join("gt-shop-one-bead-1.scope"));
    let hidden =
        || cgroup::pids(&own).unwrap().into_iter().filter(|pid| proc::folder(*pid).as_deref() == Some(Path::new("/")));
    wait_until("what hides is there", || hidden().count() == 2);
    let hidden: Vec<_> = hidden().collect();

    kill(started.process.pid);
    wait_until("the supervisor is gone", || !started.process.lives());
    // With the terminal.
    wait_until("the agent is gone", || !lives(agent));
    assert!(matches!(town.look(&sandbox), Session::Strays { pids } if hidden.iter().all(|pid| pids.contains(pid))));
    town.sessions.end(&sandbox).unwrap();
    assert!(hidden.iter().all(|pid| !lives(*pid)));
    assert_eq!(town.look(&sandbox), Session::None);
}

#[test]
fn one_whose_systemd_went_away_starts_without_a_cgroup() {
    let Some(group) = unified() else { return };
    let town = Town::with_first(|dir| stand_in(dir, &group.0));
    let sandbox = town.sandbox("one");
    town.start(&sandbox, &shell(1, "exit 0"));
    town.ended(1);
    // From here on it does what systemd-run does without a bus.
    let program = town.dir.path().join("first/systemd-run");
    fs_err::write(&program, "#!/bin/sh\necho Failed to connect to bus >&2\nexit 1\n").unwrap();
    wait_until("its lock is free", || town.look(&sandbox) == Session::None);
    let late = town.sessions.ensure(&sandbox, &shell(2, "exit 0"), &[]);
    assert!(late.unwrap_err().to_string().contains("did not begin"));
    town.start(&sandbox, &shell(2, "exit 0"));
    assert_eq!(town.started(2).cgroup, None);
    town.ended(2);
}

/// The kernel counts what it kills for memory on the whole machine, which is all that is known without a cgroup.
#[test]
fn an_agent_that_the_kernel_kills_for_memory_ends_as_such() {
    let limited = Path::new("/sys/fs/cgroup/memory");
    if !limited.join("memory.limit_in_bytes").exists() {
        return skipped("memory cgroups of version 1 are not").unwrap_or_default();
    }
    let Some(group) = Group::below(&limited.to_string_lossy()) else { return };
    fs_err::write(group.0.join("memory.limit_in_bytes"), (48 << 20).to_string()).unwrap();
    let town = Town::new();
    let (joins, dir) = (format!("echo $$ > {}/cgroup.procs; ", group.0.display()), town.dir.path().display());
    let cases = [
        // A program that it started last, and its code with it; `tail` keeps all of a line.
        (format!("{joins} head -c 200M /dev/zero | tail"), Some(OutOfMemory::Machine)),
        // It goes on after what it started was killed.
        (format!("{joins} head -c 200M /dev/zero | tail; exit 3"), None),
        // Killed, and not for memory.
        ("kill -9 $$".to_owned(), None),
    ];
    for (nth, (text, out_of_memory)) in (1_u32..).zip(cases) {
        let sandbox = town.sandbox(&format!("s{nth}"));
        town.start(&sandbox, &shell(nth, &format!("{text} # {dir}")));
        let end = town.ended(nth);
        assert_eq!((end.own, end.out_of_memory), (true, out_of_memory), "{}", end.tail);
        let says = end.tail.contains("killed because the machine was out of memory");
        assert_eq!(says, out_of_memory.is_some(), "{}", end.tail);
        assert!(matches!(town.state(nth), Some(AttemptState::Ended(_))));
    }
}
