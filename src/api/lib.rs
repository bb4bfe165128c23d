//! The embedded Kubernetes API: the slice of it that custom resources need, on one SQLite store.
//!
//! `kube`'s client, watcher and Controller work on it unmodified, and so does `kubectl`. When in doubt it does what a
//! kube-apiserver does; where it does not, the file concerned says so.
//!
//! A request goes through one file per stage: `route` (what is it about?), `body` and `options` (what was sent?), `write` and
//! `patch` (what would the object be?), `admit` (what would be stored?), `guard` (may they?), `store` (the race, the
//! commit), and back through `list`, `watch` or `status`. Only the store has state.
//!
//! Invariant: nothing here sets a timer, except for a watch that asks for `timeoutSeconds`, and at the socket (`serve`).

pub mod guard;
pub mod store;

mod admit;
mod body;
mod copy;
mod delete;
mod discovery;
mod events;
mod gone;
mod json_patch;
mod kind;
mod list;
mod metadata;
mod namespaces;
mod openapi;
mod options;
mod patch;
mod route;
mod selector;
mod serve;
mod socket;
mod status;
mod watch;
mod write;

use std::convert::Infallible;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, Method, StatusCode, header};

use admit::Half;
use gastown_base::clock::{Clock, Ids};
use guard::Guard;
use openapi::Documents;
use route::{Parameters, Route, Target, is_true};
use status::{ApiError, json_response};
pub use store::Counters;
use store::{Handle, Key};

pub use copy::CopyError;
pub use kind::Served;
pub use serve::serve_unix;
pub use socket::{ClientError, bind_unix, client_over_unix_socket, connect, listener_of};
pub use store::{Loss, OpenError, Place, Restored, Writer, take_restored};

/// The program that our own clients say they are: the manager of the fields that they change, unless they name one.
const USER_AGENT: HeaderValue = HeaderValue::from_static("gt");

/// The parts that a server is made from.
pub struct Options {
    /// The kinds to serve.
    pub kinds: Vec<Served>,
    /// The clock for `creationTimestamp` and `deletionTimestamp`.
    pub clock: Arc<dyn Clock>,
    /// The source of uids.
    pub ids: Arc<dyn Ids>,
    /// Judges every write by who asks.
    pub guard: Guard,
    /// The namespaces that there are; nothing is made in another. None: all names are fine.
    pub namespaces: Option<Vec<String>>,
    /// The file of the ledger, from which a store that was lost is made anew. None: the store stands alone.
    pub facts: Option<PathBuf>,
}

/// An API server; clones share it.
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

struct Inner {
    kinds: Vec<Arc<Served>>,
    store: Handle,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    guard: Guard,
    namespaces: Option<Vec<String>>,
    documents: OnceLock<Documents>,
    restored: Option<Restored>,
}

impl Inner {
    fn documents(&self) -> &Documents {
        self.documents.get_or_init(|| Documents::of(&self.kinds))
    }

    /// Refuses a namespace that there is not: nobody would ever look at what is made there.
    fn check_namespace(&self, name: &str) -> Result<(), ApiError> {
        match &self.namespaces {
            Some(known) if !known.iter().any(|it| it == name) => Err(ApiError::no_such_namespace(name)),
            _ => Ok(()),
        }
    }
}

impl Server {
    /// Opens the store.
    pub fn open(place: &Place, writer: Writer, options: Options) -> Result<Self, OpenError> {
        let Options { kinds, clock, ids, guard, namespaces, facts } = options;
        let kinds: Vec<_> = kinds.into_iter().chain(events::served()).map(Arc::new).collect();
        // The rows of a second view are those of the first.
        let own_rows = kinds.iter().filter(|it| it.rows == it.resource);
        let indexes: Vec<_> = own_rows.map(|it| it.index()).collect();
        let (store, restored) = Handle::open(place, writer, &indexes, facts.as_deref(), (clock.clone(), ids.clone()))?;
        let documents = OnceLock::new();
        Ok(Self { inner: Arc::new(Inner { kinds, store, clock, ids, guard, namespaces, documents, restored }) })
    }

    /// What its store was made anew for when it was opened; none if nothing was wrong with it.
    pub fn restored(&self) -> Option<&Restored> {
        self.inner.restored.as_ref()
    }

    /// The HTTP service.
    pub fn router(&self) -> Router {
        Router::new().fallback(handle).with_state(self.clone())
    }

    /// A client in this process, with no socket between. Must be called in a tokio runtime.
    pub fn client(&self, namespace: &str) -> kube::Client {
        let server = self.clone();
        let service = tower::service_fn(move |mut request: http::Request<kube::client::Body>| {
            let server = server.clone();
            request.headers_mut().entry(header::USER_AGENT).or_insert(USER_AGENT);
            async move { Ok::<_, Infallible>(handle(State(server), request.map(Body::new)).await) }
        });
        kube::Client::new(service, namespace)
    }

    /// The work that the store has done since it was opened.
    pub fn counters(&self) -> Counters {
        self.inner.store.counters()
    }

    /// Ends the watches that are open, as a restart would; clients resume where they were.
    pub fn end_watches(&self) {
        self.inner.store.end_watches();
    }

    /// Forgets the recent changes, as if their bound had been reached: watches that lag are answered 410.
    pub fn compact(&self) {
        self.inner.store.compact();
    }

    /// Finishes what was accepted, ends the watches, and folds the write-ahead log into the file.
    ///
    /// Waits for the writer thread, so it blocks for at most one commit.
    pub fn close(self) {
        self.inner.store.close();
    }
}

async fn handle(State(server): State<Server>, request: Request) -> Response {
    answer(&server, request).await.unwrap_or_else(IntoResponse::into_response)
}

async fn answer(server: &Server, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let kinds = &server.inner.kinds;
    let route = Route::parse(parts.uri.path()).ok_or_else(ApiError::no_such_path)?;
    let parameters = Parameters::parse(&parts.uri)?;
    let is_get = parts.method == Method::GET;
    let document = match &route {
        Route::Collection(target) => {
            let kind = target.kind(kinds)?;
            if is_get {
                return read_collection(server, kind, target, &parameters);
            }
            let ns = target.ns.ok_or_else(ApiError::method_not_allowed)?;
            let body = write::read_body(body).await?;
            let request = write::Request { server, kind, ns, parameters, headers: parts.headers, body };
            return match parts.method {
                Method::POST => request.create().await,
                Method::DELETE => request.delete_collection().await,
                _ => Err(ApiError::method_not_allowed()),
            };
        }
        Route::Object(target, name) | Route::Status(target, name) => {
            let kind = target.kind(kinds)?;
            let ns = target.ns.ok_or_else(ApiError::no_such_path)?;
            let half = if matches!(route, Route::Status(..)) { Half::Status } else { Half::Main };
            if half == Half::Status && !kind.has_status {
                return Err(ApiError::no_such_path());
            }
            if is_get {
                let key = Key { kind: kind.rows.clone(), ns: ns.to_owned(), name: (*name).to_owned() };
                let row = write::stored(server, kind, &key)?;
                return Ok(json_response(StatusCode::OK, kind.shown(&row.object).into_owned()));
            }
            let body = write::read_body(body).await?;
            let request = write::Request { server, kind, ns, parameters, headers: parts.headers, body };
            return match parts.method {
                Method::PUT => request.replace(name, half).await,
                Method::PATCH => request.patch(name, half).await,
                Method::DELETE if half == Half::Main => request.delete(name).await,
                _ => Err(ApiError::method_not_allowed()),
            };
        }
        _ if !is_get => return Err(ApiError::method_not_allowed()),
        Route::Health => return Ok("ok".into_response()),
        Route::Version => discovery::version(),
        Route::Core => discovery::core(),
        Route::CoreResources => discovery::core_resources(kinds),
        Route::Namespaces => namespaces::list(server.inner.namespaces.as_deref(), server.inner.store.published()),
        Route::Namespace(name) => namespaces::get(server.inner.namespaces.as_deref(), name)?,
        Route::OpenApi => server.inner.documents().index(),
        Route::OpenApiOfCore => return server.inner.documents().answer("", "v1"),
        Route::OpenApiOf(group, version) => return server.inner.documents().answer(group, version),
        Route::Groups => discovery::groups(kinds),
        Route::Group(group) => discovery::group(kinds, group)?,
        Route::GroupVersion(group, version) => discovery::resources(kinds, group, version)?,
    };
    Ok(json_response(StatusCode::OK, document.to_string()))
}

fn read_collection(
    server: &Server,
    kind: &Arc<Served>,
    target: &Target<'_>,
    parameters: &Parameters,
) -> Result<Response, ApiError> {
    if is_true(&parameters.watch) {
        watch::watch(server, kind, target.ns, parameters)
    } else {
        list::list(server, kind, target.ns, parameters)
    }
}
