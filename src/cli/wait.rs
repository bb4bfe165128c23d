//! `gt wait`: returns when a condition has come true, by watching; for a convoy it prints what happens meanwhile. With `--needs-me`
//! it returns when anything waits for a person.

mod around;
mod lines;
mod needs_me;

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

use clap::Args as ClapArgs;
use futures::{FutureExt, StreamExt};
use gastown_crds::common::{Condition, ConditionStatus, types};
use gastown_crds::suggest;
use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::runtime::watcher;
use serde_json::Value;
use tokio::time::Instant;

use super::common::complete;
use super::common::context::{Context, Link};
use super::common::error::{CliError, Exit};
use super::common::gone::gone;
use super::common::kinds::{Kind, Target, targets};
use super::common::timeout::Timeout;
use super::common::{table, watching};
use super::source::settle;
use crate::insight::{self, Blocker, OpenBead, overrides};
use crate::town::Town;
use around::Around;

/// How long nothing may move before it is said that nothing can. A controller looks at what was applied within
/// milliseconds; after three seconds it has.
const STILL: Duration = Duration::from_secs(3);
/// The longest time between two looks at what keeps something that stands still.
const STILL_MAX: Duration = Duration::from_secs(30);

/// Most things that somebody has to fix which are named at once; `gt status` has them all.
const BLOCKERS_MAX: usize = 5;

/// Wait until a condition is true, an object is gone, or something needs you.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
For `condition=Landed` of a convoy it prints progress, and what blocks it. It ends with 7 when nothing in the convoy can \
go on before you do something, for instance because beads failed too often, a rig is suspended, or a reference names what \
does not exist. What the town retries by itself, such as a remote that cannot be reached, is printed and waited for.")]
pub struct Args {
    /// KIND/NAME …, or KIND NAME ….
    #[arg(value_name = "KIND/NAME", required_unless_present = "needs_me", add = complete::targets())]
    objects: Vec<String>,
    /// What to wait for: `condition=TYPE[=STATUS]`, or `delete`. Default: that all is as it is meant to be: convoys have landed,
    /// beads are closed, all else is ready.
    #[arg(long = "for", value_name = "WHAT", add = complete::conditions())]
    what: Option<For>,
    /// How long to wait for all objects together, such as `90s`, `5m` or `1h30m`.
    #[arg(long, default_value = "30s")]
    timeout: Timeout,
    /// Wait until anything in the town needs you, such as a question, a login or a bead that failed too often; print what, and
    /// the command that answers it.
    #[arg(long, conflicts_with_all = ["objects", "what"])]
    needs_me: bool,
    /// Print what needs you as JSON.
    // `requires` alone does not hold beside an argument that what is required conflicts with.
    #[arg(long, requires = "needs_me", conflicts_with_all = ["objects", "what"])]
    json: bool,
}

/// What is waited for.
#[derive(Debug, Clone)]
enum For {
    Delete,
    Condition { type_: String, status: String },
}

impl FromStr for For {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == "delete" {
            return Ok(Self::Delete);
        }
        let Some(condition) = text.strip_prefix("condition=").filter(|condition| !condition.is_empty()) else {
            return Err("say `condition=TYPE`, `condition=TYPE=STATUS` or `delete`".to_owned());
        };
        let (type_, status) = condition.split_once('=').unwrap_or((condition, "True"));
        let known = ["True", "False", "Unknown"].into_iter().find(|known| known.eq_ignore_ascii_case(status));
        let status = known.ok_or("a condition is True, False or Unknown")?;
        Ok(Self::Condition { type_: type_.to_owned(), status: status.to_owned() })
    }
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    if args.needs_me {
        return needs_me::wait(gt, &gt.town()?, args.timeout, args.json).await;
    }
    let targets = targets(&args.objects)?;
    let town = gt.town()?;
    let until = Instant::now() + args.timeout.0;
    for target in targets {
        match &args.what {
            None => target_well(target, gt, &town, until, args.timeout).await?,
            Some(For::Delete) => gone(gt, &town, target.kind, target.name, until, args.timeout).await?,
            Some(For::Condition { type_, status }) => {
                let type_ = known(target.kind, type_)?;
                let wish = Wish { target, type_, status };
                wish.come_true(gt, &town, until, args.timeout).await?;
            }
        }
    }
    Ok(())
}

/// Waits for objects until each is as it is meant to be: a convoy has landed, a bead is closed, anything else is ready.
pub async fn all_well(
    objects: &[(&'static Kind, String)],
    gt: &Context,
    town: &Town,
    timeout: Timeout,
) -> Result<(), CliError> {
    let until = Instant::now() + timeout.0;
    for (kind, name) in objects {
        target_well(Target { kind, name }, gt, town, until, timeout).await?;
    }
    Ok(())
}

async fn target_well(
    target: Target<'_>,
    gt: &Context,
    town: &Town,
    until: Instant,
    timeout: Timeout,
) -> Result<(), CliError> {
    let conditions = target.kind.conditions;
    // A bead that is closed is not ready any more.
    let first = conditions.first().copied().unwrap_or(types::READY);
    let type_ = if conditions.contains(&types::CLOSED) { types::CLOSED } else { first };
    Wish { target, type_, status: "True" }.come_true(gt, town, until, timeout).await
}

/// A condition of a kind: waiting for another would never end.
fn known(kind: &Kind, type_: &str) -> Result<&'static str, CliError> {
    let all = kind.conditions;
    all.iter().copied().find(|known| known.eq_ignore_ascii_case(type_)).ok_or_else(|| {
        let hint = match suggest::nearest(type_, all.iter().copied()) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", all.join(", ")),
        };
        CliError::new(Exit::Usage, format!("a {} has no condition `{}`", kind.name, type_.escape_debug())).hint(hint)
    })
}

/// A condition that is to come true.
struct Wish<'a> {
    target: Target<'a>,
    type_: &'static str,
    status: &'a str,
}

/// What a look at an object says of a wish.
enum Seen {
    Met,
    /// It will never be met: why.
    Never(String),
    NotYet,
}

impl Wish<'_> {
    async fn come_true(&self, gt: &Context, town: &Town, until: Instant, timeout: Timeout) -> Result<(), CliError> {
        let Target { kind, name } = self.target;
        let get = || gt.with_api(town, async |link| link.get(kind, name).await);
        let first = match get().await {
            // What was committed a moment ago may not be live yet.
            Err(error) if error.exit() == Exit::NotFound && self.status == "True" && settle(gt, town).await => {
                get().await.map_err(|_| error)?
            }
            first => first?,
        };
        // From here on by its own name: a bead has another in its convoy.
        let name = &*first.name_any();
        let wish = Wish { target: Target { kind, name }, ..*self };
        wish.wait_from(&first, gt, town, until, timeout).await
    }

    async fn wait_from(
        &self,
        first: &DynamicObject,
        gt: &Context,
        town: &Town,
        until: Instant,
        timeout: Timeout,
    ) -> Result<(), CliError> {
        let Target { kind, name } = self.target;
        if self.judged(first)? {
            return self.met(gt);
        }
        let waits = async {
            let look = async |link: &Link| Ok(Some(link.get(kind, name).await?));
            let (link, _found) = watching::link(gt, town, Some(until), look).await?;
            self.watch(gt, town, &link, until).await
        };
        let ended = match waits.await {
            Err(error) if error.exit() == Exit::TimedOut => Err(error),
            other => return other,
        };
        gt.out.line("");
        let last = gt.with_api(town, async |link| self.unmet(link).await).await?;
        gt.out.talk(&last);
        let object = kind.named_object(name);
        let message = format!("{object} is not {} after {:?}", self.words(), timeout.0);
        ended.map_err(|cause| {
            let error = CliError::new(Exit::TimedOut, message);
            let hint = cause.hint_text().map(str::to_owned);
            error
                .hint(hint.unwrap_or_else(|| format!("`gt describe {object}` says more; it goes on without `gt wait`")))
        })
    }

    async fn watch(&self, gt: &Context, town: &Town, link: &Link, until: Instant) -> Result<(), CliError> {
        let Target { kind, name } = self.target;
        let watches = watching::Watches::new(gt.out);
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        let mut changes = watches.changes(link.api(kind), config);
        let has_progress = insight::kind(kind.name).has_progress && self.status == "True";
        let mut around = has_progress.then(|| Around::new(gt, town, link, &watches, name));
        let ended = || CliError::new(Exit::Failed, "the watch ended");
        let mut still: Option<Instant> = None;
        let mut seen_there = false;
        // What something else than a convoy depends on is not watched: it is looked at once it stands still, ever more rarely.
        let mut last: Option<DynamicObject> = None;
        let (mut patience, mut look_at) = (STILL, Instant::now() + STILL);
        loop {
            tokio::select! {
                biased;
                seen = next(around.as_mut()) => seen.ok_or_else(ended)?,
                event = changes.next() => {
                    let object = match event.ok_or_else(ended)? {
                        watcher::Event::Apply(object) | watcher::Event::InitApply(object) => object,
                        watcher::Event::Init => { seen_there = false; continue }
                        watcher::Event::InitDone if seen_there => continue,
                        watcher::Event::InitDone | watcher::Event::Delete(_) => {
                            gt.out.line("");
                            let message = format!("{} was deleted", kind.named_object(name));
                            return Err(CliError::new(Exit::NotFound, message));
                        }
                    };
                    seen_there = true;
                    if self.judged(&object)? {
                        // What happened to the beads last belongs to the story: it has arrived with this.
                        if let Some(around) = &mut around {
                            while let Some(Some(())) = around.next().now_or_never() {}
                        }
                        gt.out.line("");
                        return self.met(gt);
                    }
                    last = Some(object);
                    (patience, look_at) = (STILL, Instant::now() + STILL);
                }
                () = tokio::time::sleep_until(look_at), if around.is_none() && last.is_some() && look_at < until => {
                    let blockers = match &last {
                        Some(object) => self.blockers(object, link).await?,
                        None => BTreeSet::new(),
                    };
                    if !blockers.is_empty() && blockers.iter().all(|blocker| blocker.needs_person) {
                        return Err(self.needs_you(&blockers.iter().collect::<Vec<_>>()));
                    }
                    patience = (patience * 2).min(STILL_MAX);
                    look_at = Instant::now() + patience;
                }
                () = tokio::time::sleep_until(still.unwrap_or(until)), if still.is_some_and(|still| still < until) => {
                    gt.out.line("");
                    return Err(self.needs_you(&around.as_ref().map(Around::needs_person).unwrap_or_default()));
                }
                () = tokio::time::sleep_until(until) => return Err(CliError::new(Exit::TimedOut, "it took too long")),
            }
            let permanent = around.as_mut().is_some_and(Around::print_blockers);
            still = permanent.then(|| still.unwrap_or_else(|| Instant::now() + STILL));
        }
    }

    /// What keeps an object from becoming what is wished; beside what it depends on, what its own condition says.
    async fn blockers(&self, object: &DynamicObject, link: &Link) -> Result<BTreeSet<Blocker>, CliError> {
        let Target { kind, name } = self.target;
        if self.status != "True" {
            return Ok(BTreeSet::new());
        }
        let snapshot = link.snapshot(insight::kind(kind.name).reads).await?;
        let subject = insight::subject(kind.name, object);
        if subject.moves(&snapshot) {
            return Ok(BTreeSet::new());
        }
        let mut found = subject.blockers(&snapshot);
        let is_of_now = |it: &Condition| it.observed_generation.is_none_or(|at| Some(at) >= object.metadata.generation);
        let own = gastown_crds::common::condition(subject.conditions(), self.type_);
        let own = own.filter(|own| own.status == ConditionStatus::False && is_of_now(own));
        let own = own.filter(|own| found.is_empty() && !overrides::may_end(own, &object.metadata));
        found.extend(own.map(|own| Blocker::of(kind.named_object(name), own)));
        Ok(found)
    }

    /// Nothing moves any more: what somebody has to fix.
    fn needs_you(&self, blockers: &[&Blocker]) -> CliError {
        let Target { kind, name } = self.target;
        let object = kind.named_object(name);
        let hint = match blockers {
            [only] => format!("`{}`", only.next()),
            _ => "`gt status` says first what needs you".to_owned(),
        };
        let error =
            CliError::new(Exit::NeedsYou, format!("{object} is not {}, and nothing moves without you", self.type_));
        let error = blockers
            .iter()
            .take(BLOCKERS_MAX)
            .fold(error, |error, blocker| error.because_of(format!("{}: {}", blocker.object, blocker.why)));
        error.hint(hint)
    }

    fn met(&self, gt: &Context) -> Result<(), CliError> {
        let Target { kind, name } = self.target;
        gt.out.data(&format!("{} condition met", kind.named_object(name)))
    }

    /// Whether it has come true; an error where it never will.
    fn judged(&self, object: &DynamicObject) -> Result<bool, CliError> {
        let Target { kind, name } = self.target;
        match self.seen(object) {
            Seen::Met => Ok(true),
            Seen::NotYet => Ok(false),
            Seen::Never(why) => {
                let object = kind.named_object(name);
                Err(CliError::new(Exit::Failed, format!("{object} will never be {}: {why}", self.words()))
                    .hint(format!("`gt describe {object}`")))
            }
        }
    }

    fn seen(&self, object: &DynamicObject) -> Seen {
        let status = &object.data["status"];
        let generation = object.metadata.generation;
        let condition = condition(status, self.type_);
        // What was seen of an older spec says nothing of this one.
        let observed =
            |condition: &Value| condition["observedGeneration"].as_i64().is_none_or(|g| Some(g) >= generation);
        if condition.is_some_and(|condition| condition["status"] == self.status && observed(condition)) {
            return Seen::Met;
        }
        let never = insight::subject(self.target.kind.name, object).never(self.type_);
        never.filter(|_| self.status == "True").map_or(Seen::NotYet, Seen::Never)
    }

    /// What it still waits for.
    async fn unmet(&self, link: &Link) -> Result<String, CliError> {
        let Target { kind, name } = self.target;
        let object = link.get(kind, name).await?;
        let mut text = match condition(&object.data["status"], self.type_) {
            None => "no controller has looked at it yet".to_owned(),
            Some(condition) => {
                let word = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
                let message = table::plain(&word("message"));
                format!("{}={} {} {message}", self.type_, word("status"), word("reason")).trim_end().to_owned()
            }
        };
        let snapshot = link.snapshot(insight::kind(kind.name).reads).await?;
        for OpenBead { bead, state, why } in insight::subject(kind.name, &object).open_beads(&snapshot) {
            let line = format!("  {bead:<17}  {state:<9}  {why}");
            let _infallible = write!(text, "\n{}", line.trim_end());
        }
        Ok(format!("still waiting: {text}"))
    }

    fn words(&self) -> String {
        if self.status == "True" { self.type_.to_owned() } else { format!("{}={}", self.type_, self.status) }
    }
}

/// The next change around a convoy; for anything else there is none to wait for.
async fn next(around: Option<&mut Around<'_>>) -> Option<()> {
    match around {
        Some(around) => around.next().await,
        None => std::future::pending().await,
    }
}

fn condition<'a>(status: &'a Value, type_: &str) -> Option<&'a Value> {
    status["conditions"].as_array()?.iter().find(|condition| condition["type"] == type_)
}
