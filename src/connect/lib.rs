//! The way to a town's API: its controller's socket, or, while none runs, the store itself for one command.
//!
//! Whoever opens the store holds its lock. A command holds it for its own requests only, never across git; one that
//! waits names the holder. Who asks is in [`actor`]; what agents may write there, in [`guard`].

pub mod actor;
pub mod guard;

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use gastown_api::guard::ACTOR_HEADER;
use gastown_api::{self as api, Server};
use gastown_base::clock::{RandomIds, SystemClock};
use gastown_base::{lock, private};
use gastown_crds::KINDS;
use gastown_world::town::Town;
use http::HeaderValue;
use kube::Client;
use tower::ServiceExt;

/// The longest wait of a command for the store; its holder's requests take milliseconds.
const LOCK_WAIT_MAX: Duration = Duration::from_secs(2);
/// The interval between two looks at the lock.
const LOCK_RETRY: Duration = Duration::from_millis(5);

/// A way to the API, for as long as it lives.
pub struct Connection {
    /// The client, in the town's namespace.
    pub client: Client,
    /// Whether a controller serves it.
    pub controller: bool,
    offline: Option<(Server, StoreLock)>,
}

/// The lock on a town's store.
#[derive(Debug)]
pub struct StoreLock {
    _file: File,
}

/// There is no way to the API.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The folders cannot be made.
    #[error("could not prepare the town's folders")]
    Folders(#[source] std::io::Error),
    /// Somebody holds the store and serves no socket.
    #[error("the town's store is held by process {holder}, which does not answer; see `ps {holder}`")]
    Held {
        /// Its process id, or `unknown`.
        holder: String,
    },
    /// The store cannot be opened.
    #[error("could not open the town's store {}", path.display())]
    Open {
        /// The store's file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: api::OpenError,
    },
    /// Somebody holds the store, and the socket cannot be trusted.
    #[error("the town's controller cannot be reached: its socket is not safe")]
    Untrusted(#[source] std::io::Error),
    /// The client cannot be made.
    #[error("could not make a client for the town's API")]
    Client(#[source] api::ClientError),
}

impl StoreLock {
    /// Takes the lock, if it is free, and writes who has it.
    pub fn try_take(path: &Path) -> Result<Option<Self>, std::io::Error> {
        Self::take_within(path, Duration::ZERO)
    }

    /// Takes the lock once whoever has it for a command lets go, within the limit that commands wait too.
    pub fn take(path: &Path) -> Result<Option<Self>, std::io::Error> {
        Self::take_within(path, LOCK_WAIT_MAX)
    }

    fn take_within(path: &Path, patience: Duration) -> Result<Option<Self>, std::io::Error> {
        if let Some(dir) = path.parent() {
            private::create(dir)?;
        }
        let Some(file) = lock::take(path, patience)? else { return Ok(None) };
        file.set_len(0)?;
        file.write_all_at(std::process::id().to_string().as_bytes(), 0)?;
        Ok(Some(Self { _file: file }))
    }

    /// The process id of the holder as it is recorded, or `unknown`.
    pub fn holder(path: &Path) -> String {
        fs_err::read_to_string(path).ok().filter(|pid| !pid.is_empty()).unwrap_or_else(|| "unknown".into())
    }
}

/// Whether a controller answers there. That one can connect is not enough: the kernel accepts for a process that has just
/// been killed until it is gone.
pub fn answers(socket: &Path) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut stream = api::connect(socket)?;
        stream.set_read_timeout(Some(LOCK_WAIT_MAX))?;
        stream.write_all(b"GET /version HTTP/1.1\r\nHost: gt\r\nConnection: close\r\n\r\n")?;
        let mut answer = [0; 12];
        stream.read_exact(&mut answer)?;
        Ok(answer == *b"HTTP/1.1 200")
    };
    ask().unwrap_or(false)
}

/// The options that the API of one town is made with: its namespace is the only one.
pub fn options_of(town: &Town) -> api::Options {
    let facts = Some(town.layout.facts());
    api::Options { namespaces: Some(vec![town.name.clone()]), facts, ..options() }
}

/// The options that any town's API is made with.
pub fn options() -> api::Options {
    api::Options {
        kinds: KINDS.iter().copied().map(api::Served::registered).collect(),
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        guard: guard::check,
        namespaces: None,
        facts: None,
    }
}

impl Connection {
    /// Connects as `actor`: through the socket where a controller serves it, else by opening the store.
    pub fn open(town: &Town, actor: Option<&str>) -> Result<Self, ConnectError> {
        Self::open_with(town, actor, api::Writer::Inline)
    }

    /// The same for whoever writes very much: where it opens the store itself, writes that wait together share a sync of the disk.
    pub fn open_to_write_much(town: &Town, actor: Option<&str>) -> Result<Self, ConnectError> {
        Self::open_with(town, actor, api::Writer::Threaded)
    }

    fn open_with(town: &Town, actor: Option<&str>, writer: api::Writer) -> Result<Self, ConnectError> {
        let (socket, lock) = (town.layout.api_socket(), town.layout.store_lock());
        let started = Instant::now();
        loop {
            let connected = api::connect(&socket);
            if connected.is_ok() {
                let client = api::client_over_unix_socket(&socket, &town.name, actor.map(str::to_owned))
                    .map_err(ConnectError::Client)?;
                return Ok(Self { client, controller: true, offline: None });
            }
            if let Some(lock) = StoreLock::try_take(&lock).map_err(ConnectError::Folders)? {
                // Without a controller, it does not matter who has made the socket's folder.
                return Self::offline(town, actor, lock, writer);
            }
            if started.elapsed() > LOCK_WAIT_MAX {
                if let Some(why) = connected.err().filter(|e| e.kind() == std::io::ErrorKind::PermissionDenied) {
                    return Err(ConnectError::Untrusted(why));
                }
                return Err(ConnectError::Held { holder: StoreLock::holder(&lock) });
            }
            std::thread::sleep(LOCK_RETRY);
        }
    }

    fn offline(town: &Town, actor: Option<&str>, lock: StoreLock, writer: api::Writer) -> Result<Self, ConnectError> {
        let path = town.layout.store();
        town.claim().map_err(ConnectError::Folders)?;
        let server = Server::open(&api::Place::File(path.clone()), writer, options_of(town))
            .map_err(|source| ConnectError::Open { path, source })?;
        let client = client_as(&server, &town.name, actor).map_err(ConnectError::Client)?;
        Ok(Self { client, controller: false, offline: Some((server, lock)) })
    }

    /// Lets go of the store, if this connection holds it.
    pub fn close(self) {
        if let Some((server, lock)) = self.offline {
            server.close();
            drop(lock);
        }
    }
}

/// A client in this process whose requests carry their actor.
pub fn client_as(server: &Server, namespace: &str, actor: Option<&str>) -> Result<Client, api::ClientError> {
    let header = |name: &str| HeaderValue::from_str(name).map_err(|_| api::ClientError::Actor(name.to_owned()));
    let actor = actor.map(header).transpose()?;
    let service = server.router().map_request(move |mut request: http::Request<kube::client::Body>| {
        if let Some(actor) = &actor {
            request.headers_mut().insert(ACTOR_HEADER, actor.clone());
        }
        request.map(axum::body::Body::new)
    });
    Ok(Client::new(service, namespace))
}
