//! `gt nudge`: sends a message to an agent at work, and says whether it has arrived or waits, and why.

use std::time::Duration;

use clap::{Args as ClapArgs, ValueEnum};
use gastown_crds::Bead;
use gastown_crds::bead::BeadType;
use jiff::SignedDuration;
use kube::ResourceExt;
use serde_json::{Value, json};

use super::common::age::age;
use super::common::complete;
use super::common::context::{Context, Link};
use super::common::error::{CliError, Exit};
use super::common::kinds::find;
use super::common::recipients::{self, Recipient};
use super::common::table::Table;
use super::common::timeout::Timeout;
use super::sessions_of;
use crate::agent::context::actor;
use crate::town::Town;
use crate::world::messages::{Fate, Message, Messages, Mode, NewMessage, TEXT_BYTES_MAX, clean};
use crate::world::session::Sessions;

/// Messages that are listed where none was asked for by name, the newest.
const LISTED_MAX: usize = 100;

/// Send a message to an agent at work: at once if it is idle, else at the end of its turn.
#[derive(Debug, ClapArgs)]
#[command(after_help = "\
It is typed only at an empty prompt: never into a menu, a dialog or a line that a
person has half typed, and never while a person is attached. Otherwise it waits
for the end of a turn, in this session or in the next one of the bead.")]
pub struct Args {
    /// A polecat, or a bead: whoever works on it.
    #[arg(required_unless_present = "list", add = complete::recipients())]
    target: Option<String>,
    /// The message.
    #[arg(required_unless_present = "list", conflicts_with = "list")]
    message: Option<String>,
    #[command(flatten)]
    how: How,
    /// Show what waits, and what was delivered or has expired lately.
    #[arg(long)]
    list: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// How a message is sent.
#[derive(Debug, Clone, ClapArgs)]
pub struct How {
    /// When the agent is told.
    #[arg(long, value_enum, default_value_t = When::WaitIdle)]
    mode: When,
    /// How long it waits before it expires, such as 90s or 2h.
    #[arg(long, value_name = "DURATION", default_value = "30m")]
    expires: Timeout,
    /// Send it although the agent is not to be disturbed.
    #[arg(long)]
    force: bool,
}

/// When an agent is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// At once if it is idle, else at the end of its turn.
    WaitIdle,
    /// At the end of a turn; nothing is typed.
    Queue,
    /// At once if it is idle, else after its next tool call.
    Immediate,
    /// At once: its turn is ended first.
    Interrupt,
}

/// What became of a message that was sent.
struct Sent<'a> {
    to: &'a Recipient,
    id: u64,
    /// Why it waits; none where it has arrived.
    waits: Option<String>,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let sessions = sessions_of(&town);
    let (Some(target), Some(message)) = (&args.target, &args.message) else {
        let target = args.target.as_deref();
        return gt.with_api(&town, async |link| list(target, args.json, &town, &sessions, gt, link).await).await;
    };
    let text = text(message)?;
    let to = gt.with_api(&town, async |link| recipients::find_one(target, &sessions, link).await).await?;
    // Not while the store is held: the agent may ask it at that moment.
    let sent = send(&to, &text, &args.how, &town, &sessions, gt)?;
    if args.json { gt.out.data(&sent.json().to_string()) } else { gt.out.data(&sent.words()) }
}

/// Sends a message to all who are at work, and prints what became of each.
pub async fn broadcast(message: &str, rig: Option<&str>, how: &How, json: bool, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let sessions = sessions_of(&town);
    let text = text(message)?;
    let find = async |link: &Link| {
        if let Some(rig) = rig {
            link.get(find("rig")?, rig).await?;
        }
        recipients::at_work(rig, &sessions, link).await
    };
    let all = gt.with_api(&town, find).await?;
    if all.is_empty() {
        gt.out.talk("nobody is at work");
    }
    let (mut sent, mut failed) = (Vec::new(), None);
    for to in &all {
        match send(to, &text, how, &town, &sessions, gt) {
            Ok(one) if json => sent.push(one.json()),
            Ok(one) => gt.out.data(&one.words())?,
            Err(error) => {
                let why = format!("could not reach {}", to.shown());
                failed = Some(CliError::new(error.exit(), why).caused_by(error));
            }
        }
    }
    if json {
        gt.out.data(&Value::from(sent).to_string())?;
    }
    failed.map_or(Ok(()), Err)
}

/// A message as it is sent; refused where it says nothing or too much.
fn text(message: &str) -> Result<String, CliError> {
    let text = clean(message);
    if text.is_empty() {
        return Err(CliError::new(Exit::Refused, "the message is empty"));
    }
    if text.len() > TEXT_BYTES_MAX {
        let what = format!("the message has {} bytes, at most {TEXT_BYTES_MAX} are sent", text.len());
        return Err(CliError::new(Exit::Refused, what).hint("put it into a file, and send its path"));
    }
    Ok(text)
}

/// Puts a message into the queue, and tells the agent what waits for it, if it can be told now.
fn send<'a>(
    to: &'a Recipient,
    text: &str,
    how: &How,
    town: &Town,
    sessions: &Sessions,
    gt: &Context,
) -> Result<Sent<'a>, CliError> {
    let mode = match how.mode {
        When::WaitIdle => Mode::WaitIdle,
        When::Queue => Mode::Queue,
        When::Immediate => Mode::Immediate,
        When::Interrupt => Mode::Interrupt,
    };
    let now = gt.now();
    let expires = SignedDuration::try_from(how.expires.0.max(Duration::from_secs(1))).unwrap_or(SignedDuration::MAX);
    let new = NewMessage {
        from: actor(),
        text: text.to_owned(),
        expires: now.saturating_add(expires).unwrap_or(now),
        mode,
        forced: how.force,
        opens: false,
    };
    let messages = Messages::to(&town.layout, &to.bead_uid);
    let failed = |error: &dyn std::error::Error| CliError::new(Exit::Failed, "could not send it").because(error);
    let pushed = messages.change(now, |queue| queue.push(new, now)).map_err(|error| failed(&error))?;
    let id = pushed.map_err(|full| {
        let list = to.bead.as_ref().unwrap_or(&to.polecat);
        CliError::new(Exit::Refused, full.to_string())
            .hint(format!("`gt nudge --list {list}` shows them; `gt attach {}` is for more", to.polecat))
    })?;
    // It waits in any case: what goes wrong now is why.
    let why = match sessions.tell(&to.sandbox, &gt.clock) {
        Ok(why) => why.map(|why| why.to(mode).to_string()),
        Err(error) => Some(gastown_base::causes::in_a_line(&error)),
    };
    let queue = messages.read(gt.now()).map_err(|error| failed(&error))?;
    let is_open = queue.get(id).is_some_and(Message::is_open);
    Ok(Sent { to, id, waits: is_open.then(|| why.unwrap_or_else(|| "it is just being told".to_owned())) })
}

impl Sent<'_> {
    fn words(&self) -> String {
        match &self.waits {
            Some(why) => format!("Queued for {}: {why}", self.to.shown()),
            None => format!("Delivered to {}", self.to.shown()),
        }
    }

    fn json(&self) -> Value {
        json!({
            "polecat": self.to.polecat,
            "bead": self.to.bead,
            "message": self.id,
            "state": if self.waits.is_some() { "Queued" } else { "Delivered" },
            "reason": self.waits,
        })
    }
}

/// Lists messages: to one recipient, or to all beads.
async fn list(
    target: Option<&str>,
    json: bool,
    town: &Town,
    sessions: &Sessions,
    gt: &Context,
    link: &Link,
) -> Result<(), CliError> {
    let queues: Vec<(String, String)> = if let Some(target) = target {
        let to = recipients::find_one(target, sessions, link).await?;
        vec![(to.bead.unwrap_or(to.polecat), to.bead_uid)]
    } else {
        let beads = link.all::<Bead>().await?;
        let tasks = beads.iter().filter(|bead| bead.spec.type_ != BeadType::Step);
        tasks.filter_map(|bead| Some((bead.name_any(), bead.uid()?))).collect()
    };
    let mut found: Vec<(String, Message)> = Vec::new();
    for (bead, uid) in queues {
        let messages = Messages::to(&town.layout, &uid);
        if messages.is_unused() {
            continue;
        }
        let failed = |error| CliError::new(Exit::Failed, "could not read the messages").because(&error);
        let queue = messages.read(gt.now()).map_err(failed)?;
        found.extend(queue.messages().iter().map(|message| (bead.clone(), message.clone())));
    }
    found.sort_by_key(|(_, message)| message.at);
    let listed = &found[found.len().saturating_sub(LISTED_MAX)..];
    if json {
        let items: Vec<Value> = listed.iter().map(|(bead, message)| shown(bead, message)).collect();
        return gt.out.data(&Value::from(items).to_string());
    }
    let mut table = Table::new(["BEAD", "FROM", "AGE", "STATE", "REASON", "MESSAGE"]);
    table = table.fitting(&["MESSAGE", "REASON"], &["FROM", "AGE"]);
    for (bead, message) in listed {
        let (state, reason) = standing(message);
        let age = age(gt.now(), message.at);
        table.row([bead, &message.from, &age, state, reason.unwrap_or("-"), &message.text]);
    }
    if table.is_empty() {
        gt.out.talk("no messages");
        return Ok(());
    }
    gt.out.data(&table.render(gt.out.width))
}

/// The state of a message, and why it waits, or had waited until it expired.
fn standing(message: &Message) -> (&'static str, Option<&str>) {
    match message.fate {
        Fate::Queued | Fate::Claimed { .. } => ("Queued", message.waits.as_deref()),
        Fate::Delivered { .. } => ("Delivered", None),
        Fate::Expired { .. } => ("Expired", message.waits.as_deref()),
    }
}

fn shown(bead: &str, message: &Message) -> Value {
    let (state, reason) = standing(message);
    json!({
        "bead": bead, "message": message.id, "from": message.from, "text": message.text, "at": message.at,
        "expires": message.expires, "state": state, "reason": reason,
    })
}
