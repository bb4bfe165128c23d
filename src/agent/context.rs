//! What every verb of an agent needs: the town, a way to its API, and who asks; and the one way out of the process.
//!
//! Verbs answer with text and leave writing it to [`finish`], so that they can be called in tests.

use std::cell::RefCell;
use std::io::{IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use backon::{BackoffBuilder, ExponentialBuilder};
use gastown_base::clock::{Clock as _, SystemClock};
use gastown_base::text::visible;
use gastown_connect::Connection;
use gastown_crds::Bead;
use gastown_crds::common::{ANNOTATION_UPDATED, whole_second};
use gastown_crds::reason::Reason;
use gastown_world::town::{Places, Town};
use kube::api::{Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::error::Error;
use super::work::change_of;

/// How long a verb goes on when the controller goes down under it, or is coming up and holds the store: a session that
/// ends for it costs an attempt, and a controller is back within seconds.
const PATIENCE: Duration = Duration::from_secs(30);
/// The first wait before it asks again; each is twice the one before, up to [`AGAIN_MAX`].
const AGAIN_FIRST: Duration = Duration::from_millis(5);
/// The longest wait before it asks again.
const AGAIN_MAX: Duration = Duration::from_millis(250);
/// How long one try may take; a controller answers within milliseconds.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The most tries of a write when others write the same bead: its controller writes a status now and then, and nobody writes eight
/// times between a read and a write.
pub const TRIES_MAX: usize = 8;

/// What a verb says: data on standard output, talk on standard error.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Answer {
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub note: String,
    /// The exit code.
    pub code: u8,
}

impl Answer {
    /// Data, and success.
    pub fn out(text: impl Into<String>) -> Self {
        Self { out: text.into(), ..Self::default() }
    }
}

/// A town that is connected to.
pub struct Context {
    /// The client, in the town's namespace.
    pub client: Client,
    /// Whether a controller keeps what it says up to date.
    pub controller: bool,
    /// Who asks: `<rig>/polecats/<name>`, or a person's name.
    pub actor: String,
    /// What the agent is told of a change of mind about its bead, whatever it has asked.
    change: RefCell<Option<String>>,
}

impl Context {
    /// Takes note of the bead on the agent's hook, as a verb has read it: the agent is told if its convoy has changed its
    /// mind about it since it was begun.
    pub fn saw(&self, bead: &Bead) {
        let Some(change) = change_of(bead) else { return };
        let id = bead.name_any();
        let told = if change.reason == Reason::TextChanged {
            format!(
                "note: the text of `{id}` has changed since you began: `gt prime` shows what it says now; heed it where \
                 you can\n"
            )
        } else {
            format!("note: `{id}` was taken out of its convoy: finish it all the same, it lands\n")
        };
        self.change.replace(Some(told));
    }

    /// The town's beads.
    pub fn beads(&self) -> Api<Bead> {
        Api::default_namespaced(self.client.clone())
    }

    /// Writes this of the spec of a bead as it was read, to do `what`; none where somebody else has changed the bead meanwhile: it is
    /// read again then, up to [`TRIES_MAX`] times in all, and else [`Error::contended`].
    pub async fn change(&self, bead: &Bead, spec: &Value, what: &str) -> Result<Option<Bead>, Error> {
        self.patch(bead, spec, what, &PatchParams::default()).await
    }

    /// Whether such a change would be taken: for what has to be known before something else is done.
    pub async fn check_change(&self, bead: &Bead, spec: &Value, what: &str) -> Result<(), Error> {
        self.patch(bead, spec, what, &PatchParams { dry_run: true, ..PatchParams::default() }).await.map(drop)
    }

    async fn patch(&self, bead: &Bead, spec: &Value, what: &str, params: &PatchParams) -> Result<Option<Bead>, Error> {
        let metadata = json!({
            "resourceVersion": bead.metadata.resource_version,
            "annotations": { ANNOTATION_UPDATED: whole_second(SystemClock.now()) },
        });
        let patch = json!({ "metadata": metadata, "spec": spec });
        match self.beads().patch(&bead.name_any(), params, &Patch::Merge(patch)).await {
            Ok(changed) => Ok(Some(changed)),
            Err(kube::Error::Api(status)) if status.is_conflict() => Ok(None),
            Err(error) => Err(Error::api(what)(error)),
        }
    }
}

/// The actor who asks, as the environment names it; a person, where it names none.
pub fn actor() -> String {
    gastown_connect::actor::actor().unwrap_or_else(|| "somebody".into())
}

/// The town: as named, else by `GT_TOWN`, else the nearest one from here upwards.
pub fn find_town(named: Option<&Path>) -> Result<Town, Error> {
    let named = named.map(Path::to_owned).or_else(|| std::env::var_os("GT_TOWN").map(PathBuf::from));
    Ok(Town::named(named.as_deref(), &Places::from_env())?)
}

/// The current directory.
pub fn current_dir() -> Result<PathBuf, Error> {
    std::env::current_dir().map_err(|source| Error::Io { what: "find the current directory", source })
}

/// Connects, does the verb, and lets go of the store before anything is printed.
///
/// A verb whose connection breaks is done again from its start, over whatever way there is then. So a verb has to find
/// out what it has done already: each write is named by its content or bound to what was read.
pub fn connected(
    town: Option<&Path>,
    actor: &str,
    verb: impl AsyncFn(&Context) -> Result<Answer, Error>,
) -> Result<Answer, Error> {
    connected_for(town, actor, Some(ANSWER_MAX), verb)
}

/// The same for a verb that may take as long as it likes: it follows what happens, or writes very much.
pub fn connected_for_long(
    town: Option<&Path>,
    actor: &str,
    verb: impl AsyncFn(&Context) -> Result<Answer, Error>,
) -> Result<Answer, Error> {
    connected_for(town, actor, None, verb)
}

#[expect(clippy::needless_pass_by_value, reason = "a verb is a closure, written where it is called")]
fn connected_for(
    town: Option<&Path>,
    actor: &str,
    answer_max: Option<Duration>,
    verb: impl AsyncFn(&Context) -> Result<Answer, Error>,
) -> Result<Answer, Error> {
    let town = find_town(town)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|source| Error::Io { what: "start the runtime", source })?;
    runtime.block_on(async {
        let started = Instant::now();
        let delays = ExponentialBuilder::new().with_min_delay(AGAIN_FIRST).with_max_delay(AGAIN_MAX);
        let mut delays = delays.without_max_times().build();
        loop {
            match once(&town, actor, answer_max, &verb).await {
                Err(error) if error.is_lost() && started.elapsed() < PATIENCE => {
                    tokio::time::sleep(delays.next().unwrap_or(AGAIN_MAX)).await;
                }
                answer => return answer,
            }
        }
    })
}

async fn once(
    town: &Town,
    actor: &str,
    answer_max: Option<Duration>,
    verb: &impl AsyncFn(&Context) -> Result<Answer, Error>,
) -> Result<Answer, Error> {
    let connection = match answer_max {
        Some(_) => Connection::open(town, Some(actor))?,
        None => Connection::open_to_write_much(town, Some(actor))?,
    };
    let client = connection.client.clone();
    let (controller, actor) = (connection.controller, actor.to_owned());
    let context = Context { client, controller, actor, change: RefCell::default() };
    let answer = match answer_max {
        Some(most) => tokio::time::timeout(most, verb(&context)).await.unwrap_or(Err(Error::Silent(most))),
        None => verb(&context).await,
    };
    connection.close();
    let mut answer = answer?;
    answer.note.insert_str(0, &context.change.take().unwrap_or_default());
    Ok(answer)
}

/// Prints an answer or a failure, and gives the exit code.
pub fn finish(answer: Result<Answer, Error>) -> ExitCode {
    let answer = answer.unwrap_or_else(|error| Answer { note: error.text(), code: 1, ..Answer::default() });
    let code = answer.code;
    // Data that did not arrive is not an answer: a caller must not take it for an empty one.
    ExitCode::from(if print(answer) { code } else { code.max(1) })
}

/// Prints an answer. False: its data did not arrive.
pub(super) fn print(answer: Answer) -> bool {
    let Answer { out, note, code: _ } = answer;
    // Whoever closed the other end does not want the rest.
    let _closed = std::io::stderr().write_all(visible(&note).as_bytes());
    let mut stdout = std::io::stdout().lock();
    // A program gets what was asked for; a person must not be shown another thing than it is.
    let out = if stdout.is_terminal() { visible(&out) } else { out };
    stdout.write_all(out.as_bytes()).and_then(|()| stdout.flush()).is_ok()
}
