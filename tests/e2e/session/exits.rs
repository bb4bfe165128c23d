//! The kernel wakes whoever waits for the end of a session: nothing polls.

use std::sync::Arc;
use std::time::Duration;

use super::town::{Town, WAITS, kill, running, shell, wait_until};
use gastown::world::session::exits::{Ended, Exits};
use gastown_controllers::world::{AttemptState, Session};
use tokio::sync::mpsc::Receiver;

/// Far more than a wake takes; only a wake that is lost takes as long.
const WAIT_MAX: Duration = Duration::from_secs(30);

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build().unwrap()
}

async fn next(wakes: &mut Receiver<Ended>) -> Ended {
    tokio::time::timeout(WAIT_MAX, wakes.recv()).await.expect("a wake comes").unwrap()
}

#[test]
fn ends_and_starts_wake() {
    let town = Town::new();
    let (one, two) = (town.sandbox("one"), town.sandbox("two"));
    town.start(&one, &shell(1, WAITS));
    fs_err::create_dir_all(town.layout.attempt("bead", 2)).unwrap();
    runtime().block_on(async {
        let (exits, mut wakes) = Exits::new(Arc::clone(&town.sessions), tokio::runtime::Handle::current());
        assert!(exits.watch_attempt("bead", 1, "one") && exits.watch_attempt("bead", 1, "one"));
        assert!(exits.watch_attempt("bead", 2, "two"));
        kill(town.agent(&one));
        assert_eq!(next(&mut wakes).await, Ended::Session("one".to_owned()));
        assert_eq!(town.look(&one), Session::None);

        // Intended only: its beginning wakes too, then its end.
        town.start(&two, &shell(2, WAITS));
        assert_eq!(next(&mut wakes).await, Ended::Session("two".to_owned()));
        assert_eq!(town.look(&two), running(2));
        town.sessions.end(&two).unwrap();
        assert_eq!(next(&mut wakes).await, Ended::Session("two".to_owned()));
        assert_eq!(town.look(&two), Session::None);
        assert!(wakes.try_recv().is_err(), "one wake for each");
    });
}

#[test]
fn who_outlives_its_supervisor_is_waited_for() {
    let town = Town::new();
    let one = town.sandbox("one");
    town.start(&one, &shell(1, "trap '' HUP; echo $$ > pid; while :; do sleep 0.1; done"));
    let agent = town.agent(&one);
    runtime().block_on(async {
        // A controller that was just started.
        let sessions = Arc::new(town.restarted());
        let (exits, mut wakes) = Exits::new(sessions, tokio::runtime::Handle::current());
        assert!(exits.watch_attempt("bead", 1, "one"));
        kill(town.started(1).process.pid);
        assert_eq!(next(&mut wakes).await, Ended::Session("one".to_owned()));
        assert_eq!(town.look(&one), running(1));
        kill(agent);
        while town.look(&one) != Session::None {
            assert_eq!(next(&mut wakes).await, Ended::Session("one".to_owned()));
        }
        assert!(matches!(town.state(1), Some(AttemptState::Lost { .. })));
    });
}

#[test]
fn no_zombie_is_left() {
    let town = Town::without_tmux();
    let one = town.sandbox("one");
    town.start(&one, &shell(1, WAITS));
    runtime().block_on(async {
        let (exits, mut wakes) = Exits::new(Arc::clone(&town.sessions), tokio::runtime::Handle::current());
        assert!(exits.watch_attempt("bead", 1, "one"));
        kill(town.agent(&one));
        assert_eq!(next(&mut wakes).await, Ended::Session("one".to_owned()));
        assert_eq!(town.children.count(), 0);
    });
    wait_until("the lock is free", || town.look(&one) == Session::None);
}
