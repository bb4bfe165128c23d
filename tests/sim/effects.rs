//! Every effect of an engine, counted and named, and what befalls it: a crash before it, a crash after it, an error.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use gastown::api::Server;
use gastown::api::guard::ACTOR_HEADER;
use gastown::world::sim::SimWorld;
use gastown_controllers::seen::Seen;
use gastown_controllers::world::{Act, ActError, Adapter, Ask, Fact, Job, JobKey};
use gastown_crds::reason::Reason;
use http::{HeaderValue, Method, StatusCode};
use kube::Client;
use tokio::sync::Notify;
use tower::ServiceExt;

pub const NAMESPACE: &str = "town";

/// What befalls an effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mode {
    /// The engine dies before it. Of a session's start, the attempt's folder is there already.
    CrashBefore,
    /// It is done, and the engine dies before it learns so.
    CrashAfter,
    /// It is not done, and the engine is told so.
    Error,
    /// It is done, and the engine is told that it failed: a timeout.
    ErrorAfter,
}

pub const MODES: [Mode; 4] = [Mode::CrashBefore, Mode::CrashAfter, Mode::Error, Mode::ErrorAfter];

/// The effects of one run, over all its engines.
#[derive(Default)]
pub struct Effects {
    noted: Mutex<Noted>,
    crash: Notify,
    reached: Notify,
}

#[derive(Default)]
struct Noted {
    log: Vec<String>,
    faults: BTreeMap<usize, Mode>,
    /// The number of the effect at which somebody does something.
    watched: Option<usize>,
    /// Which engine lives; what an earlier one still wants is not done.
    engine: u32,
    /// How many acts from now on fail.
    refusals: u32,
    /// The kinds that an engine can neither list nor watch, by their plural.
    deaf: BTreeSet<String>,
    /// How often it tried.
    unheard: usize,
    /// The kinds whose watches begin and bring nothing.
    hung: BTreeSet<String>,
    /// Whether no event can be written.
    events_refused: bool,
    /// The effects that are refused, by the beginning of their name; a write, so.
    refused: Option<(&'static str, StatusCode)>,
}

/// What is to be done with an effect.
enum Verdict {
    Do(Option<Mode>),
    Skip(Mode),
    /// Its engine is dead.
    Never,
}

impl Effects {
    pub fn new(faults: BTreeMap<usize, Mode>) -> Arc<Self> {
        let noted = Noted { faults, ..Noted::default() };
        Arc::new(Self { noted: Mutex::new(noted), crash: Notify::new(), reached: Notify::new() })
    }

    pub fn log(&self) -> Vec<String> {
        self.noted.lock().unwrap().log.clone()
    }

    pub fn engine(&self) -> u32 {
        self.noted.lock().unwrap().engine
    }

    /// Resolves when the engine is to be dropped.
    pub async fn crashed(&self) {
        self.crash.notified().await;
    }

    /// The next acts in the world fail, whoever asks for them.
    pub fn refuse_acts(&self, how_many: u32) {
        self.noted.lock().unwrap().refusals = how_many;
    }

    fn refuses_act(&self) -> bool {
        let mut noted = self.noted.lock().unwrap();
        let left = noted.refusals.checked_sub(1);
        noted.refusals = left.unwrap_or(0);
        left.is_some()
    }

    /// From now on an engine can list and watch every kind but these; a watch that is open goes on.
    pub fn deafen(&self, plurals: &[&str]) {
        self.noted.lock().unwrap().deaf = plurals.iter().map(|plural| (*plural).to_owned()).collect();
    }

    /// From now on the watches that begin of these kinds bring nothing. Lists are answered.
    pub fn hang(&self, plurals: &[&str]) {
        self.noted.lock().unwrap().hung = plurals.iter().map(|plural| (*plural).to_owned()).collect();
    }

    /// How often an engine tried to list or watch what it could not.
    pub fn unheard(&self) -> usize {
        self.noted.lock().unwrap().unheard
    }

    /// From now on the effects whose names begin so are refused; or none are.
    pub fn refuse(&self, refused: Option<(&'static str, StatusCode)>) {
        self.noted.lock().unwrap().refused = refused;
    }

    /// From now on no event can be written.
    pub fn refuse_events(&self) {
        self.noted.lock().unwrap().events_refused = true;
    }

    fn refuses_events(&self) -> bool {
        self.noted.lock().unwrap().events_refused
    }

    fn hangs(&self, plural: &str) -> bool {
        self.noted.lock().unwrap().hung.contains(plural)
    }

    fn is_deaf(&self, plural: &str) -> bool {
        let mut noted = self.noted.lock().unwrap();
        let is_deaf = noted.deaf.contains(plural);
        noted.unheard += usize::from(is_deaf);
        is_deaf
    }

    /// How an effect is refused, if it is. It is in the log all the same.
    fn refuses(&self, what: &str) -> Option<StatusCode> {
        let mut noted = self.noted.lock().unwrap();
        let (beginning, code) = noted.refused?;
        let is_it = what.starts_with(beginning);
        if is_it {
            noted.log.push(what.to_owned());
        }
        is_it.then_some(code)
    }

    /// Resolves once so many effects have been begun.
    pub async fn reached(&self, number: usize) {
        self.noted.lock().unwrap().watched = Some(number);
        self.reached.notified().await;
    }

    fn judge(&self, engine: u32, what: &str) -> Verdict {
        let mut noted = self.noted.lock().unwrap();
        if noted.engine != engine {
            return Verdict::Never;
        }
        noted.log.push(what.to_owned());
        if noted.watched == Some(noted.log.len()) {
            self.reached.notify_one();
        }
        match noted.faults.get(&noted.log.len()).copied() {
            Some(mode @ (Mode::CrashBefore | Mode::Error)) => Verdict::Skip(mode),
            mode => Verdict::Do(mode),
        }
    }

    fn die(&self) {
        self.noted.lock().unwrap().engine += 1;
        self.crash.notify_one();
    }
}

/// The world as one engine has it.
pub struct Hooked {
    pub world: SimWorld,
    pub effects: Arc<Effects>,
    pub engine: u32,
}

impl Adapter for Hooked {
    fn look(&self, ask: &Ask) -> Seen<Fact> {
        self.world.look(ask)
    }

    fn begun(&self, job: &JobKey) -> Option<Job> {
        Adapter::begun(&self.world, job)
    }

    fn act(&self, act: &Act) -> Result<(), ActError> {
        let failed = |message: &str| Err(ActError { message: message.to_owned(), reason: Reason::BackOff });
        if self.effects.refuses(&name(act)).is_some() {
            return failed("it does not work here");
        }
        match self.effects.judge(self.engine, &name(act)) {
            Verdict::Do(_) if self.effects.refuses_act() => failed("this act was to fail"),
            Verdict::Do(None) => self.world.act(act),
            Verdict::Do(Some(mode)) => {
                self.world.act(act)?;
                if mode == Mode::CrashAfter {
                    self.effects.die();
                }
                failed("done, and told as failed")
            }
            Verdict::Skip(mode) => {
                if mode == Mode::CrashBefore {
                    if let Act::EnsureSession { spec, .. } = act {
                        self.world.intend_session(spec);
                    }
                    self.effects.die();
                }
                failed("not done")
            }
            Verdict::Never => failed("its engine is dead"),
        }
    }
}

/// An act as the log prints it; of what is named by its inputs, the name too.
fn name(act: &Act) -> String {
    match act {
        Act::EnsureJob(job) => format!("{act} ({})", job.key().0),
        Act::EnsureReplay(replay) => format!("{act} ({})", replay.key),
        _ => act.to_string(),
    }
}

/// A client of the API: an agent's, by its actor; or an engine's, whose writes are effects.
pub fn client(server: &Server, actor: Option<&str>, engine: Option<(Arc<Effects>, u32)>) -> Client {
    let router = server.router();
    let actor = actor.map(|actor| HeaderValue::from_str(actor).unwrap());
    let service = tower::service_fn(move |mut request: http::Request<kube::client::Body>| {
        if let Some(actor) = &actor {
            request.headers_mut().insert(ACTOR_HEADER, actor.clone());
        }
        let (router, engine) = (router.clone(), engine.clone());
        async move {
            let writes = request.method() != Method::GET;
            let what = format!("{} {}", request.method(), short(request.uri().path()));
            let plural = short(request.uri().path()).to_owned();
            let watches = request.uri().query().is_some_and(|query| query.contains("watch=true"));
            let call = router.oneshot(request.map(Body::new));
            let Some((effects, engine)) = engine else { return call.await };
            // Events are written beside all else: that one is, or is not, changes nothing.
            if plural.starts_with("events") {
                return if effects.refuses_events() {
                    Ok(failure(StatusCode::INSUFFICIENT_STORAGE))
                } else {
                    call.await
                };
            }
            if watches && effects.hangs(&plural) {
                return std::future::pending().await;
            }
            if !writes {
                return if effects.is_deaf(&plural) { Ok(failure(StatusCode::BAD_GATEWAY)) } else { call.await };
            }
            if let Some(code) = effects.refuses(&what) {
                return Ok(failure(code));
            }
            match effects.judge(engine, &what) {
                Verdict::Do(None) => call.await,
                Verdict::Do(Some(mode)) => {
                    call.await?;
                    if mode == Mode::ErrorAfter {
                        return Ok(failure(StatusCode::INTERNAL_SERVER_ERROR));
                    }
                    effects.die();
                    std::future::pending().await
                }
                Verdict::Skip(Mode::Error) => Ok::<Response, Infallible>(failure(StatusCode::INTERNAL_SERVER_ERROR)),
                Verdict::Skip(_) => {
                    effects.die();
                    std::future::pending().await
                }
                Verdict::Never => std::future::pending().await,
            }
        }
    });
    Client::new(service, NAMESPACE)
}

fn short(path: &str) -> &str {
    path.split_once("/namespaces/town/").map_or(path, |(_, rest)| rest)
}

fn failure(code: StatusCode) -> Response {
    let status = serde_json::json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
        "message": "this request was to fail", "reason": "InternalError", "code": code.as_u16(),
    });
    (code, axum::Json(status)).into_response()
}
