//! A simulated town whose store is lost while its agents are at work: nobody notices.

use std::time::Duration;

use crate::harness::{Sim, in_virtual_time};
use crate::towns::crowd;

const AGENTS: usize = 30;

#[test]
fn a_store_that_is_deleted_under_thirty_agents_starts_nobody_twice_and_ends_nobody() {
    for another_controller in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        in_virtual_time(async {
            let sim = Sim::start_in(folder.path(), &crowd(AGENTS)).await;
            let mut engine = sim.engine();
            engine.run(sim.so_many_at_work(AGENTS)).await;
            for ending in ["", "-wal", "-shm"] {
                fs_err::remove_file(folder.path().join(format!("store.db{ending}"))).unwrap();
            }
            if another_controller {
                drop(engine);
                engine = sim.engine();
            }
            engine.run(async { tokio::time::timeout(Duration::from_mins(10), sim.landed()).await.unwrap() }).await;
            drop(engine);
            drop(sim.rest().await.unwrap());
            let run = sim.look_back(Duration::ZERO).await;
            assert_eq!((run.outcome.landed, run.wrong), (true, vec![]));
            assert_eq!(run.attempts.values().copied().collect::<Vec<_>>(), [1; AGENTS]);
            assert_eq!(run.effects.iter().filter(|effect| effect.starts_with("end the session")).count(), 0);
            assert!(folder.path().join("store.db").exists(), "it was made anew in its place");
        });
    }
}
