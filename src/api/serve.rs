//! The server of the unix socket: who may connect, how many at once, and how long a request may take to arrive.
//!
//! Invariant: a client that sends half a request, or nothing, holds one of a bounded number of places for a bounded time.
//! The answers have no limit: a watch lasts as long as somebody listens.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use super::gone::Gone;
use super::{Server, bind_unix, handle, write};

/// The most connections at once: half of the 1024 files that a process may have open by default. Whoever comes then waits.
const CONNECTIONS_MAX: usize = 512;
/// How long the head of a request may take, and a connection be idle between two. Our clients send it in one piece.
const HEAD_MAX: Duration = Duration::from_secs(10);
/// How long the body may take: a megabyte at most, from a process of this machine.
const BODY_MAX: Duration = Duration::from_secs(10);
/// The pause after a connection could not be accepted, because this process has too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The pause before a socket is made anew that somebody has removed, and between the tries of it.
const ANEW_PAUSE: Duration = Duration::from_millis(100);
/// How often it is tried, since the folder may be just being removed; then it is left, and what is connected is served on.
const ANEW_TRIES_MAX: u32 = 50;

/// Serves until `shutdown`, at a socket that is made anew if somebody removes it; then ends open watches, finishes what is being
/// answered, and removes the socket.
pub async fn serve_unix(
    server: Server,
    mut listener: UnixListener,
    path: &Path,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let (stop, stopped) = watch::channel(());
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    let mut connections = JoinSet::new();
    let mut shutdown = pin!(shutdown);
    let mut gone = Some(Gone::of(path));
    loop {
        let anew = async {
            let Some(gone) = &gone else { return std::future::pending().await };
            gone.wait(path).await;
            bind_anew(path).await
        };
        let next = async {
            let place = Arc::clone(&places).acquire_owned().await.expect("it is never closed");
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            anew = anew => {
                gone = anew.is_some().then(|| Gone::of(path));
                listener = anew.unwrap_or(listener);
                continue;
            }
            next = next => next,
        };
        match accepted {
            Ok((stream, _)) if is_ours(&stream) => {
                let connection = connection(server.clone(), stream, stopped.clone());
                connections.spawn(async move {
                    connection.await;
                    drop(place);
                });
            }
            Ok(_) => tracing::warn!("a connection of another user was refused"),
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    server.end_watches();
    drop(stop);
    while connections.join_next().await.is_some() {}
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A socket in the place of one that was removed.
async fn bind_anew(path: &Path) -> Option<UnixListener> {
    for nth in 1..=ANEW_TRIES_MAX {
        tokio::time::sleep(ANEW_PAUSE).await;
        match bind_unix(path) {
            Ok(listener) => {
                tracing::warn!(socket = %path.display(), "the API's socket was removed by somebody, and is made anew");
                return Some(listener);
            }
            Err(error) if nth == ANEW_TRIES_MAX => {
                tracing::error!(%error, socket = %path.display(), "the API's socket was removed by somebody, and cannot be made anew");
            }
            Err(_) => {}
        }
    }
    None
}

/// The folder's mode keeps others out; this holds where it does not. Root may do as it likes anyway.
fn is_ours(stream: &UnixStream) -> bool {
    let ours = rustix::process::geteuid().as_raw();
    stream.peer_cred().is_ok_and(|peer| peer.uid() == ours || peer.uid() == 0)
}

/// One connection to its end.
async fn connection(server: Server, stream: UnixStream, mut stopped: watch::Receiver<()>) {
    let service = service_fn(move |request| {
        let server = server.clone();
        async move { Ok::<_, Infallible>(answer(server, request).await) }
    });
    let http = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_MAX)
        .serve_connection(TokioIo::new(stream), service);
    let mut http = pin!(http);
    // How it ended is the client's affair: it has hung up, or was too slow.
    tokio::select! {
        _ended = http.as_mut() => {}
        _stopped = stopped.changed() => {
            http.as_mut().graceful_shutdown();
            let _ended = http.await;
        }
    }
}

async fn answer(server: Server, request: Request<Incoming>) -> Response {
    let (parts, body) = request.into_parts();
    let body = if parts.method == Method::GET {
        // What is only asked for has no body that anybody reads.
        Body::empty()
    } else {
        match tokio::time::timeout(BODY_MAX, write::read_body(Body::new(body))).await {
            Ok(Ok(bytes)) => Body::from(bytes),
            Ok(Err(error)) => return error.into_response(),
            Err(_) => {
                return (StatusCode::REQUEST_TIMEOUT, "the request's body did not arrive in time").into_response();
            }
        }
    };
    handle(State(server), Request::from_parts(parts, body)).await
}
