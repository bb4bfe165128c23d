//! The API's unix socket: made with mode 0600 in a folder of mode 0700, and reached by a client without a pool.
//!
//! A socket is trusted only in a folder that nobody else can change, and only if a process of the same user listens: on a
//! shared machine, anybody may have made the folder first (see [`private`]).

use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::task::{Context, Poll};

use futures::future::BoxFuture;
use gastown_base::private;
use http::{HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use kube::client::Body;
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, socket_with};
use rustix::process::{Pid, geteuid};
use tokio::net::UnixListener;
use tokio::net::unix::UCred;
use tokio::runtime::Handle;
use tower::Service;

use super::USER_AGENT;
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
            headers.entry(http::header::USER_AGENT).or_insert(USER_AGENT);
            if let Some(actor) = actor {
                headers.insert(ACTOR_HEADER, actor);
            }
            let stream = connect(&path)?;
            stream.set_nonblocking(true)?;
            let stream = tokio::net::UnixStream::from_std(stream)?;
            let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
            // Ends with the response's body, or when that is dropped.
            tokio::spawn(connection);
            Ok(sender.send_request(request).await?)
        })
    }
}

/// Connects to a socket that can be trusted. It never waits: of a process that does not accept and has many who wait already,
/// the kernel says so.
pub fn connect(path: &Path) -> io::Result<UnixStream> {
    private::check(path.parent().unwrap_or(Path::new("/")))?;
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::connect(&socket, &SocketAddrUnix::new(path)?)?;
    let stream = UnixStream::from(socket);
    let uid = peer(&stream)?.uid();
    if uid != geteuid().as_raw() {
        let why = format!("another user (uid {uid}) listens at {}", path.display());
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
    }
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// The process that listens at the other end; none if it is in another namespace of processes.
pub fn listener_of(stream: &UnixStream) -> io::Result<Option<Pid>> {
    stream.set_nonblocking(true)?;
    Ok(peer(stream)?.pid().filter(|pid| *pid > 0).and_then(Pid::from_raw))
}

/// The other end of a socket that does not block. Asked of tokio, which wants a runtime even for this: rustix takes a process
/// of another namespace, whose number is 0, for an error.
fn peer(stream: &UnixStream) -> io::Result<UCred> {
    let ask = || tokio::net::UnixStream::from_std(stream.try_clone()?)?.peer_cred();
    if Handle::try_current().is_ok() {
        return ask();
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    let _within = runtime.enter();
    ask()
}

/// Makes the socket: from here on a client can connect, and is answered once [`serve_unix`] runs.
///
/// One left behind by a crash is replaced: the caller holds the store's lock, so nobody else is listening.
pub fn bind_unix(path: &Path) -> io::Result<UnixListener> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    private::create(folder)?;
    private::check(folder)?;
    match fs_err::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() || there.is_symlink() => fs_err::remove_file(path)?,
        Ok(_) => return Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{} is no socket", path.display()))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let listener = UnixListener::bind(path)?;
    fs_err::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}
