//! What every command has at hand: the town it is about, a way to its API, the clock and the terminal.

use std::path::PathBuf;
use std::time::Duration;

use gastown_crds::actor::Actor;
use gastown_crds::common::{LABEL_BEAD, LABEL_CONVOY};
use gastown_crds::{names, suggest};
use jiff::Timestamp;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, ObjectList, Preconditions};
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::error::{CliError, Exit};
use super::kinds::Kind;
use super::terminal::Terminal;
use crate::api::take_restored;
use crate::clock::{Clock, SystemClock};
use crate::connect::Connection;
use crate::connect::actor::actor;
use crate::insight::{Reader, Snapshot, Stored};
use crate::town::{Places, Town};

/// The code of an answer about what has expired: 410 Gone.
const EXPIRED: u16 = 410;
/// Objects asked for at a time.
const PAGE_OBJECTS: u32 = 500;
/// How long a controller may take to answer a command that has to work without one, too; it takes milliseconds.
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// How long until such a command asks again, over another connection.
const AGAIN: Duration = Duration::from_millis(50);

/// The surroundings of a command.
pub struct Context {
    /// `--town` or `GT_TOWN`.
    pub town: Option<PathBuf>,
    /// Where things lie on this machine.
    pub places: Places,
    /// The terminal that messages go to.
    pub out: Terminal,
    /// Where the present comes from.
    pub clock: SystemClock,
}

impl Context {
    /// The present.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Says that nothing moves, unless a controller is up.
    pub fn say_if_down(&self, is_up: bool) {
        if !is_up {
            self.out.talk("the town is down, so nothing moves yet: `gt up`");
        }
    }

    /// The working directory.
    pub fn cwd() -> Result<PathBuf, CliError> {
        std::env::current_dir()
            .map_err(|error| CliError::new(Exit::Failed, "the working directory is gone").because(&error))
    }

    /// The town: the one named, else the nearest from here upwards.
    pub fn town(&self) -> Result<Town, CliError> {
        Ok(match &self.town {
            Some(dir) if !dir.join(crate::town::TOWN_FILE).is_file() => {
                return Err(CliError::new(
                    Exit::NoTown,
                    format!("{} is no town: it has no `town.yaml`", dir.display()),
                )
                .hint(format!("`gt init {}` makes one", dir.display())));
            }
            Some(dir) => Town::named(Some(dir), &self.places)?,
            None => Town::named(None, &self.places)?,
        })
    }

    /// Tells a person, once, that the town's store was lost and made anew, whoever found out.
    pub fn tell_restored(&self, town: &Town) {
        if actor().is_some_and(|actor| Actor::parse(&actor).is_agent()) {
            return;
        }
        match take_restored(&town.layout.facts()) {
            Ok(lines) => lines.iter().for_each(|line| self.out.talk(&format!("note: {line}"))),
            Err(error) => {
                self.out.talk(&format!("note: what was kept to be told of the store cannot be read: {error}"));
            }
        }
    }

    /// Does something with the town's API, and lets go of it whatever comes of it.
    pub async fn with_api<T>(
        &self,
        town: &Town,
        work: impl AsyncFnOnce(&Link) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        let connection = Connection::open(town, actor().as_deref())?;
        self.tell_restored(town);
        let link =
            Link { client: connection.client.clone(), namespace: town.name.clone(), controller: connection.controller };
        let result = work(&link).await;
        drop(link);
        connection.close();
        result
    }

    /// The same, from its start over whatever way there is then, if the connection breaks: the controller may just have
    /// died. What is done in it may be done twice. One that hangs is not waited for.
    pub async fn with_api_again<T>(
        &self,
        town: &Town,
        work: impl AsyncFn(&Link) -> Result<T, CliError>,
    ) -> Result<T, CliError> {
        let until = Instant::now() + ANSWER_MAX;
        loop {
            let once = self.with_api(town, async |link| work(link).await);
            match tokio::time::timeout_at(until, once).await {
                Ok(Err(error)) if error.is_lost() && Instant::now() + AGAIN < until => tokio::time::sleep(AGAIN).await,
                Ok(result) => return result,
                Err(_) => {
                    let what = format!("the town's controller did not answer within {ANSWER_MAX:?}");
                    return Err(
                        CliError::new(Exit::NoTown, what).hint("`gt down` ends it, and then this works without it")
                    );
                }
            }
        }
    }
}

/// The object that a person has named; none where no object can be called so, which an API is not asked.
pub async fn by_name<K>(api: &Api<K>, name: &str) -> kube::Result<Option<K>>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    if names::is_subdomain(name) { api.get_opt(name).await } else { Ok(None) }
}

/// A town's API.
pub struct Link {
    /// The client.
    pub client: Client,
    /// The town's namespace.
    pub namespace: String,
    /// Whether a controller serves it; else nothing moves.
    pub controller: bool,
}

impl Link {
    /// The objects of a kind, by what it is called.
    pub fn api(&self, kind: &Kind) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), &self.namespace, &kind.resource())
    }

    /// The objects of a kind, typed.
    pub fn typed<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        Api::namespaced(self.client.clone(), &self.namespace)
    }

    /// All objects of a kind, typed, by name.
    pub async fn all<K>(&self) -> Result<Vec<K>, CliError>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    {
        pages(&self.typed::<K>(), &ListParams::default()).await
    }

    /// The town as it is now: all objects of these kinds.
    pub async fn snapshot(&self, kinds: &[&str]) -> Result<Snapshot, CliError> {
        let mut snapshot = Snapshot::new(&self.namespace, self.controller);
        snapshot.load(self, kinds).await?;
        Ok(snapshot)
    }

    /// All objects of a kind that a selector picks, by name.
    pub async fn list(&self, kind: &Kind, selector: &ListParams) -> Result<Vec<DynamicObject>, CliError> {
        pages(&self.api(kind), selector).await
    }

    /// One object, a bead also by what its convoy calls it; without it, an error that names the nearest.
    pub async fn get(&self, kind: &Kind, name: &str) -> Result<DynamicObject, CliError> {
        match by_name(&self.api(kind), name).await? {
            Some(object) => Ok(object),
            None if kind.name == "Bead" && names::is_label(name) => self.called(kind, name).await,
            None => Err(self.not_found(kind, name).await),
        }
    }

    /// The bead that its convoy calls so; of several, the one that is open.
    async fn called(&self, kind: &Kind, name: &str) -> Result<DynamicObject, CliError> {
        let mut found = self.list(kind, &ListParams::default().labels(&format!("{LABEL_BEAD}={name}"))).await?;
        let is_open = |bead: &DynamicObject| bead.data.pointer("/spec/closed").is_none();
        if found.len() > 1 && found.iter().any(is_open) {
            found.retain(is_open);
        }
        match found.pop() {
            None => Err(self.not_found(kind, name).await),
            Some(bead) if found.is_empty() => Ok(bead),
            Some(bead) => {
                let id = |bead: &DynamicObject| {
                    let convoy = bead.labels().get(LABEL_CONVOY).map(|convoy| format!(" (of {convoy})"));
                    bead.name_any() + &convoy.unwrap_or_default()
                };
                let ids: Vec<String> = found.iter().chain([&bead]).map(id).collect();
                let what = format!("{} beads are called `{name}`", ids.len());
                Err(CliError::new(Exit::NotFound, what).hint(format!("name one: {}", ids.join(", "))))
            }
        }
    }

    /// Deletes the object of this uid, and no namesake. False: it went with what owned it, or somebody was quicker.
    pub async fn delete_exactly(
        &self,
        kind: &Kind,
        name: &str,
        uid: Option<&str>,
        dry_run: bool,
    ) -> Result<bool, CliError> {
        let only = Preconditions { uid: uid.map(str::to_owned), resource_version: None };
        let params = DeleteParams { dry_run, preconditions: Some(only), ..DeleteParams::default() };
        match self.api(kind).delete(name, &params).await {
            Ok(_) => Ok(true),
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// The error of an object that is not there.
    pub async fn not_found(&self, kind: &Kind, name: &str) -> CliError {
        let all = self.list(kind, &ListParams::default()).await.unwrap_or_default();
        let names: Vec<&str> = all.iter().filter_map(|object| object.metadata.name.as_deref()).collect();
        let hint = match suggest::nearest(name, names.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if names.is_empty() => format!("there are no {} yet", kind.plural),
            None => format!("`gt get {}` lists them", kind.plural),
        };
        CliError::new(Exit::NotFound, format!("no {} is named `{}`", kind.name, name.escape_debug())).hint(hint)
    }
}

impl Reader for Link {
    type Error = CliError;

    fn all<K: Stored>(&self) -> impl Future<Output = Result<Vec<K>, CliError>> {
        Link::all(self)
    }
}

/// All objects that a selector picks, asked for in pages. Where so much is written meanwhile that the API cannot go on, what
/// was read is dropped, and all is asked for at once, as kubectl does: one answer cannot expire.
pub async fn pages<K>(api: &Api<K>, selector: &ListParams) -> Result<Vec<K>, CliError>
where
    K: Clone + DeserializeOwned + std::fmt::Debug,
{
    let mut found = Vec::new();
    let mut params = selector.clone().limit(PAGE_OBJECTS);
    loop {
        let ObjectList { items, metadata, .. } = match api.list(&params).await {
            Err(kube::Error::Api(status)) if status.code == EXPIRED && params.continue_token.is_some() => {
                found.clear();
                params = selector.clone();
                continue;
            }
            listed => listed?,
        };
        found.extend(items);
        match metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return Ok(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    use gastown_crds::Bead;
    use serde_json::{Value, json};

    /// An API that has changed too much by the time of the second page. It notes what it was asked.
    fn changing(asked: &Arc<Mutex<Vec<String>>>) -> Client {
        let asked = Arc::clone(asked);
        let service = tower::service_fn(move |request: http::Request<kube::client::Body>| {
            let query = request.uri().query().unwrap_or_default().to_owned();
            let bead = |name: &str| json!({ "metadata": { "name": name }, "spec": { "title": "x", "rig": "shop" } });
            let list = |metadata: Value, names: &[&str]| json!({ "metadata": metadata, "items": names.iter().map(|name| bead(name)).collect::<Vec<_>>() });
            let (code, body) = if query.contains("continue=") {
                (410, json!({ "status": "Failure", "code": 410, "reason": "Expired", "message": "too old" }))
            } else if query.contains("limit=") {
                (200, list(json!({ "continue": "next" }), &["a", "b"]))
            } else {
                (200, list(json!({}), &["a", "c", "d"]))
            };
            asked.lock().unwrap().push(query);
            let answer =
                http::Response::builder().status(code).body(kube::client::Body::from(body.to_string().into_bytes()));
            std::future::ready(answer)
        });
        Client::new(service, "home")
    }

    #[tokio::test]
    async fn a_list_that_expires_on_the_way_is_read_again_at_once() {
        let asked = Arc::default();
        let beads: Api<Bead> = Api::default_namespaced(changing(&asked));
        let found = pages(&beads, &ListParams::default().labels("a=b")).await.unwrap();
        let names: Vec<String> = found.iter().map(ResourceExt::name_any).collect();
        assert_eq!(names, ["a", "c", "d"], "all of one time, each once");
        insta::assert_debug_snapshot!(asked.lock().unwrap(), @r#"
        [
            "&labelSelector=a%3Db&limit=500",
            "&labelSelector=a%3Db&limit=500&continue=next",
            "&labelSelector=a%3Db",
        ]
        "#);
    }
}
