//! So much is written while a list is read that the API cannot go on from page to page: `bd` reads the rest at once.

use std::sync::mpsc;

use axum::body::Body;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use gastown::api::{Place, Server, Writer, bind_unix};
use gastown::connect::options;
use insta::assert_snapshot;
use serde_json::json;

use crate::town::{TestTown, bead};

/// Serves the town with pages of two objects, of which the second has expired whenever it is asked for.
fn served<T>(town: &TestTown, during: impl FnOnce() -> T) -> T {
    let socket = town.town.layout.api_socket();
    let server = Server::open(&Place::File(town.town.layout.store()), Writer::Inline, options()).unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let (up, is_up) = mpsc::channel();
    let serving = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let listener = bind_unix(&socket).unwrap();
            up.send(()).unwrap();
            let stopped = async { drop(stopped.await) };
            let router = server.router().layer(from_fn(expire));
            axum::serve(listener, router).with_graceful_shutdown(stopped).await.unwrap();
        });
        server.close();
        fs_err::remove_file(socket).unwrap();
    });
    is_up.recv().unwrap();
    let result = during();
    stop.send(()).unwrap();
    serving.join().unwrap();
    result
}

async fn expire(mut request: Request, next: Next) -> Response {
    let uri = request.uri().to_string();
    if uri.contains("continue=") {
        let status = json!({ "status": "Failure", "code": 410, "reason": "Expired", "message": "too old" });
        return Response::builder().status(410).body(Body::from(status.to_string())).unwrap();
    }
    *request.uri_mut() = uri.replace("limit=1000", "limit=2").parse().unwrap();
    next.run(request).await
}

#[test]
fn each_bead_is_listed_once() {
    let town = TestTown::new();
    town.seed((1..6).map(|nth| bead(&format!("shop-{nth}"), &json!({}))));
    assert_snapshot!(served(&town, || town.person("bd list")), @"
    exit 0
    shop-1  P2  task     open         Title of shop-1
    shop-2  P2  task     open         Title of shop-2
    shop-3  P2  task     open         Title of shop-3
    shop-4  P2  task     open         Title of shop-4
    shop-5  P2  task     open         Title of shop-5
    ");
    assert_snapshot!(served(&town, || town.person("bd list --limit 3")), @"
    exit 0
    shop-1  P2  task     open         Title of shop-1
    shop-2  P2  task     open         Title of shop-2
    shop-3  P2  task     open         Title of shop-3
    2> the first 3; all: `bd list --limit 0`
    ");
}
