//! A connection that breaks under a verb: it is done again over the next, and finds out what the first had done already.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, mpsc};

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use futures::stream;
use gastown::api::{Place, Server, Writer, bind_unix};
use gastown::connect::options;
use insta::assert_snapshot;

use crate::town::TestTown;

/// How often each town loses a reply.
const LOSSES: u32 = 3;

/// Serves the town while `during` runs; to the first requests that `lost` picks it does what is asked, and says nothing.
fn served<T>(town: &TestTown, lost: fn(&Request) -> bool, during: impl FnOnce() -> T) -> T {
    let socket = town.town.layout.api_socket();
    let server = Server::open(&Place::File(town.town.layout.store()), Writer::Inline, options()).unwrap();
    let left = Arc::new(AtomicU32::new(LOSSES));
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (up, is_up) = mpsc::channel();
    let serving = std::thread::spawn({
        let left = left.clone();
        move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                let lose = move |request: Request, next: Next| answer(request, next, lost, left.clone());
                let router = server.router().layer(from_fn(lose));
                let listener = bind_unix(&socket).unwrap();
                up.send(()).unwrap();
                let stopped = async { drop(stopped.await) };
                axum::serve(listener, router).with_graceful_shutdown(stopped).await.unwrap();
            });
            server.close();
            fs_err::remove_file(socket).unwrap();
        }
    });
    is_up.recv().unwrap();
    let result = during();
    stop.send(()).unwrap();
    serving.join().unwrap();
    assert_eq!(left.load(Ordering::SeqCst), 0, "the replies were lost");
    result
}

async fn answer(request: Request, next: Next, lost: fn(&Request) -> bool, left: Arc<AtomicU32>) -> Response {
    let lose = lost(&request) && left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok();
    let reply = next.run(request).await;
    if !lose {
        return reply;
    }
    let (mut parts, _) = reply.into_parts();
    parts.headers.clear();
    Response::from_parts(parts, Body::from_stream(stream::iter([Err::<Vec<u8>, _>(std::io::Error::other("lost"))])))
}

fn reads(request: &Request) -> bool {
    request.method() == "GET"
}

fn writes(request: &Request) -> bool {
    !reads(request)
}

#[test]
fn a_read_is_asked_again() {
    let town = TestTown::new();
    town.seed_hooked();
    assert_snapshot!(served(&town, reads, || town.agent("gt hook -o steps")), @"
    exit 0
    shop-1.change
    ");
}

#[test]
fn a_close_whose_reply_is_lost_is_found_closed() {
    let town = TestTown::new();
    town.seed_hooked();
    let all = "bd close shop-1.change shop-1.docs shop-1.verify";
    assert_snapshot!(served(&town, writes, || town.agent(all)), @"
    exit 0
    already closed shop-1.change: Do change
    already closed shop-1.docs: Do docs
    already closed shop-1.verify: Do verify
    ");
}

#[test]
fn a_hand_in_whose_reply_is_lost_is_found_handed_in() {
    let town = TestTown::new();
    town.seed_hooked();
    town.agent("bd close shop-1.change shop-1.docs shop-1.verify");
    town.commit("new");
    let create = |request: &Request| request.method() == "POST";
    assert_snapshot!(served(&town, create, || town.agent("gt done")), @"
    exit 0
    already handed in as shop-1-<hash>; you are finished: end the session
    ");
    assert_eq!(town.merge_requests().len(), 1);
}
