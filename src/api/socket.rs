//! The API over a unix socket: outcome with mode 0600 in a directory of mode 0700, and reached by a client without a pool.

use std::future::Future;
use std::io;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use tokio::net::{UnixListener, UnixStream};
use tower::Service;

use super::Server;
use super::guard::ACTOR_HEADER;

/// A client for a socket cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The actor's name does not fit a header.
    #[error("the actor `{0}` is not a name that a request can carry; use printable ASCII")]
    Actor(String),
}

/// A client of the API behind a socket: HTTP/1, one connection per request. Must be called in a tokio runtime.
pub fn client_over_unix_socket(
    path: &Path,
    namespace: &str,
    actor: Option<String>,
) -> Result<kube::Client, ClientError> {
    let actor = match actor {
        None => None,
        Some(name) => Some(HeaderValue::from_str(&name).map_err(|_| ClientError::Actor(name))?),
    };
    Ok(kube::Client::new(Dial { path: path.to_owned(), actor }, namespace))
}

struct Dial {
    path: PathBuf,
    actor: Option<HeaderValue>,
}

impl Service<Request<Body>> for Dial {
    type Response = Response<Incoming>;
    type Error = Box<dyn std::error::Error + Send + Sync>;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let (path, actor) = (self.path.clone(), self.actor.clone());
        Box::pin(async move {
            let headers = request.headers_mut();
            headers.insert(http::header::HOST, HeaderValue::from_static("localhost"));
            if let Some(actor) = actor {
                headers.insert(ACTOR_HEADER, actor);
            }
            let stream = UnixStream::connect(&path).await?;
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            // Ends with the response's body, or when that is dropped.
            tokio::spawn(connection);
            Ok(sender.send_request(request).await?)
        })
    }
}

/// Makes the socket: from here on a client can connect, and is answered once [`serve_unix`] runs.
///
/// One left behind by a crash is replaced: the caller holds the store's lock, so nobody else is listening.
pub fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    if let Some(directory) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let mode = fs_mode(directory)?;
        if mode & 0o077 != 0 {
            let why = format!("`{}` is open to others (mode {mode:03o}); chmod 700 it", directory.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
    }
    match fs_err::symlink_metadata(path) {
        Ok(_) => fs_err::remove_file(path)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves until `shutdown`; then ends open watches, finishes what is being answered, and removes the socket.
pub async fn serve_unix(
    server: Server,
    listener: UnixListener,
    path: &Path,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let ending = server.clone();
    let stop = async move {
        shutdown.await;
        ending.end_watches();
    };
    let outcome = axum::serve(listener, server.router()).with_graceful_shutdown(stop).await;
    match fs_err::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => outcome,
    }
}

fn fs_mode(directory: &Path) -> io::Result<u32> {
    Ok(fs_err::metadata(directory)?.permissions().mode() & 0o777)
}
