//! `gt up --webhook`: whoever hosts the repository of a source says that there is news, and the source looks at once instead of
//! with the next interval.
//!
//! A call is a hint: it brings nothing with it, and what the fetch finds decides. Who makes it has to know the secret of the source.
//! A flood of calls makes a source look once for each pause, and never twice at a time.

mod call;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use gastown_crds::Source;
use gastown_crds::common::look_now;
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::{Body, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::Instant;
use tracing::{info, warn};

use crate::cli::common::error::{CliError, Exit};
use crate::clock::{Clock, SystemClock};
use crate::world::git::secret_of_file;

/// The most connections at once; whoever comes then waits.
const CONNECTIONS_MAX: usize = 32;
/// How long the head of a call may take.
const HEAD_MAX: Duration = Duration::from_secs(5);
/// How long a call may take, with its answer.
const CALL_MAX: Duration = Duration::from_secs(15);
/// The largest body, in bytes: a push of a hundred commits has some 200 KB. What a host sends of a larger one is found with the
/// next interval.
const BODY_BYTES_MAX: usize = 1 << 20;
/// The most that is read of a head, in bytes: hosts send some 1 KB.
const HEAD_BYTES_MAX: usize = 16 << 10;
/// The pause between two looks that calls make a source take.
const PAUSE: Duration = Duration::from_secs(10);
/// The pause after a connection could not be accepted, because this process has too many files open.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What calls wake.
pub struct Hooks {
    client: Client,
    town_dir: PathBuf,
    looks: Mutex<Looks>,
}

/// When sources that signed calls were for were last made to look, or will be, by their names.
#[derive(Default)]
struct Looks(BTreeMap<String, Instant>);

impl Looks {
    /// When a call that came now makes its source look: at once, or once the pause since the last time is over. None: it will
    /// look later than now already, and what comes before that is the same news.
    fn due(&mut self, name: &str, now: Instant) -> Option<Instant> {
        let last = self.0.get(name).copied();
        if last.is_some_and(|last| last > now) {
            return None;
        }
        let due = last.map_or(now, |last| (last + PAUSE).max(now));
        self.0.insert(name.to_owned(), due);
        Some(due)
    }
}

/// An answer, for people.
type Answer = (StatusCode, String);

/// Only this machine may call: what comes from elsewhere is for a proxy that speaks https.
pub fn check(address: SocketAddr) -> Result<(), CliError> {
    if address.ip().is_loopback() {
        return Ok(());
    }
    let message = format!("webhooks are taken at an address of this machine alone, and not at {address}");
    Err(CliError::new(Exit::Usage, message).hint(
        "listen at 127.0.0.1:PORT, and let a proxy that speaks https, or a tunnel, pass on what comes from elsewhere",
    ))
}

/// Listens at an address of this machine.
pub async fn listen(address: SocketAddr) -> Result<TcpListener, CliError> {
    check(address)?;
    TcpListener::bind(address).await.map_err(|error| {
        CliError::new(Exit::Failed, format!("could not listen for webhooks at {address}")).because(&error)
    })
}

impl Hooks {
    /// Those of a town.
    pub fn new(client: Client, town_dir: PathBuf) -> Arc<Self> {
        Arc::new(Self { client, town_dir, looks: Mutex::default() })
    }

    /// Takes calls for as long as it is polled.
    pub async fn serve(self: Arc<Self>, listener: TcpListener) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let place = Arc::clone(&places).acquire_owned().await.expect("it is never closed");
            match listener.accept().await {
                Ok((stream, _)) => {
                    let hooks = Arc::clone(&self);
                    tokio::spawn(async move {
                        // Who is too slow is hung up on; how it ended is the caller's affair.
                        drop(tokio::time::timeout(CALL_MAX, hooks.connection(stream)).await);
                        drop(place);
                    });
                }
                Err(error) => {
                    warn!(%error, "a webhook's connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }

    /// One call, and its answer.
    async fn connection(self: Arc<Self>, stream: TcpStream) {
        let service = service_fn(move |request| {
            let hooks = Arc::clone(&self);
            async move {
                let (status, text) = hooks.answer(request).await;
                let mut response = Response::new(Full::new(Bytes::from(text + "\n")));
                *response.status_mut() = status;
                Ok::<_, Infallible>(response)
            }
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD_MAX).max_buf_size(HEAD_BYTES_MAX).keep_alive(false);
        drop(http.serve_connection(TokioIo::new(stream), service).await);
    }

    async fn answer(self: Arc<Self>, request: Request<Incoming>) -> Answer {
        self.judge(request).await.unwrap_or_else(|refused| refused)
    }

    async fn judge(self: Arc<Self>, request: Request<Incoming>) -> Result<Answer, Answer> {
        let (head, body) = request.into_parts();
        let name = head.uri.path().trim_matches('/').to_owned();
        let refused = |status, text: &str| (status, text.to_owned());
        if head.method != Method::POST {
            return Err(refused(StatusCode::METHOD_NOT_ALLOWED, "a webhook is a POST"));
        }
        let unknown = || refused(StatusCode::NOT_FOUND, "no source of this name takes webhooks: POST to /SOURCE");
        // Before it is read, so that nobody has to read what is for nobody.
        let Some(secret) = self.secret(&name).await? else { return Err(unknown()) };
        let too_large =
            || refused(StatusCode::PAYLOAD_TOO_LARGE, "a push of this size is found with the next interval");
        if body.size_hint().lower() > BODY_BYTES_MAX as u64 {
            return Err(too_large());
        }
        let body = Limited::new(body, BODY_BYTES_MAX).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                too_large()
            } else {
                refused(StatusCode::BAD_REQUEST, "the body could not be read")
            }
        })?;
        if !call::is_signed(&head.headers, &body.to_bytes(), secret.as_bytes()) {
            return Err(refused(StatusCode::UNAUTHORIZED, "the call is not signed with the secret of this source"));
        }
        if !call::is_push(&head.headers) {
            return Ok((StatusCode::ACCEPTED, "it is no push, so nothing is looked at".to_owned()));
        }
        self.wake(name.clone()).await;
        Ok((StatusCode::ACCEPTED, format!("source `{name}` looks")))
    }

    /// The secret of a source; none if it takes no calls.
    async fn secret(&self, name: &str) -> Result<Option<String>, Answer> {
        let is_name = name.len() <= 63 && name.bytes().all(|it| it.is_ascii_alphanumeric() || it == b'-' || it == b'.');
        if name.is_empty() || !is_name {
            return Ok(None);
        }
        let sources: Api<Source> = Api::default_namespaced(self.client.clone());
        let unable = |text: &str| (StatusCode::SERVICE_UNAVAILABLE, text.to_owned());
        let source = sources.get_opt(name).await.map_err(|_| unable("the town cannot be asked"))?;
        let Some(webhook) = source.and_then(|source| source.spec.git?.webhook) else { return Ok(None) };
        let town_dir = self.town_dir.clone();
        let read = tokio::task::spawn_blocking(move || secret_of_file(&town_dir, &webhook.secret_file)).await;
        match read {
            Ok(Ok(secret)) => Ok(Some(secret)),
            Ok(Err(why)) => {
                // For whoever runs the town; callers are not told of its files.
                warn!(source = name, why, "the secret of a webhook cannot be read");
                Err(unable("the secret of this source cannot be read: the town's log says why"))
            }
            Err(_) => Err(unable("the secret of this source cannot be read")),
        }
    }

    /// Has a source look: now, or once the pause since the last time is over. What comes meanwhile is the same news.
    async fn wake(self: Arc<Self>, name: String) {
        let now = Instant::now();
        let due = self.looks.lock().unwrap_or_else(PoisonError::into_inner).due(&name, now);
        let Some(due) = due else { return };
        if due <= now {
            return self.look(&name).await;
        }
        tokio::spawn(async move {
            tokio::time::sleep_until(due).await;
            self.look(&name).await;
        });
    }

    async fn look(&self, name: &str) {
        let sources: Api<Source> = Api::default_namespaced(self.client.clone());
        // A new word is a new look, as `gt source sync` asks for one.
        let word = format!("webhook-{}", SystemClock.now());
        match sources.patch(name, &PatchParams::default(), &Patch::Merge(look_now(&word))).await {
            Ok(_) => info!(source = name, "a webhook says that there is news"),
            Err(error) => warn!(source = name, %error, "a webhook could not have its source look"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_calls_is_one_look_for_each_pause_and_the_last_call_is_not_lost() {
        let (mut looks, start) = (Looks::default(), Instant::now());
        let mut due = Vec::new();
        // A call each tenth of a second, for a minute.
        for tenth in 0..600 {
            let now = start + Duration::from_millis(100 * tenth);
            due.extend(looks.due("far", now).map(|it| (it - start).as_secs()));
        }
        assert_eq!(due, [0, 10, 20, 30, 40, 50, 60]);
        let later = start + Duration::from_mins(5);
        assert_eq!((looks.due("far", later), looks.due("other", start)), (Some(later), Some(start)));
    }

    #[test]
    fn only_this_machine_may_call() {
        for address in ["127.0.0.1:1", "[::1]:1"] {
            assert!(check(address.parse().unwrap()).is_ok(), "{address}");
        }
        for address in ["0.0.0.0:1", "[::]:1", "192.168.1.2:1"] {
            assert!(check(address.parse().unwrap()).is_err(), "{address}");
        }
    }
}
