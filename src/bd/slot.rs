//! `bd merge-slot`: who may merge by hand, one at a time for each rig.
//!
//! # Design notes
//!
//! The town's own merge queue lands one change after the other and asks no slot: what agents hand in with `gt done` needs none. The slot
//! is for what is merged beside it, by people and by agents whose prompts ask for it. So it is a record and no lock: a bead
//! `PREFIX-merge-slot` that is pinned, whose metadata says who holds it and who waits, as in Beads. It is taken by a write that names
//! the version that was read, so that of two that take it at once one is refused.

use clap::{Args, Subcommand};
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_crds::Bead;
use gastown_crds::bead::{BeadSpec, BeadType, MERGE_SLOT, PINNED};
use kube::api::{ObjectMeta, PostParams};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::filter::shown;
use super::town_rigs::{RigOf, Rigs};
use super::{act, print, show};

/// Those that wait, at most.
const WAITERS_MAX: usize = 64;
/// The longest name of a holder, in bytes.
const HOLDER_BYTES_MAX: usize = 200;

/// Take turns at merging by hand; what `gt done` hands in is merged in turn by the town, and needs no slot
#[derive(Debug, Clone, Args)]
pub struct SlotArgs {
    #[command(subcommand)]
    verb: SlotVerb,
    /// The rig whose slot it is; default: the session's, that of the repository around, or the only one
    #[arg(long, global = true)]
    rig: Option<String>,
}

#[derive(Debug, Clone, Subcommand)]
enum SlotVerb {
    /// Make the slot, if there is none
    Create,
    /// Say who holds it
    Check,
    /// Take it; ends with 1 if another holds it
    Acquire {
        /// For whom; default: whoever asks
        #[arg(long, value_name = "WHO")]
        holder: Option<String>,
        /// Be among those that wait, if another holds it; ask again later
        #[arg(long)]
        wait: bool,
    },
    /// Give it back
    Release {
        /// Whose it is; default: whoever asks
        #[arg(long, value_name = "WHO")]
        holder: Option<String>,
    },
}

/// What the metadata of a slot says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Turns {
    /// Who holds it; empty: nobody.
    holder: String,
    /// Those that wait, the first one first.
    waiters: Vec<String>,
    /// What tools keep there beside.
    #[serde(flatten)]
    others: Map<String, Value>,
}

/// What came of asking for a slot.
#[derive(Debug, PartialEq, Eq)]
enum Asked {
    Taken,
    /// It was the asker's already.
    Had,
    /// Another has it; the place among those that wait, from 1.
    Held(Option<usize>),
    /// Another has it, and as many wait as may.
    Full,
}

impl Turns {
    fn of(bead: &Bead) -> Self {
        bead.spec.metadata.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default()
    }

    /// Takes the slot for somebody, or has them wait.
    fn acquire(&mut self, who: &str, wait: bool) -> Asked {
        if self.holder == who {
            return Asked::Had;
        }
        if self.holder.is_empty() {
            who.clone_into(&mut self.holder);
            self.waiters.retain(|waiter| waiter != who);
            return Asked::Taken;
        }
        let place = self.waiters.iter().position(|waiter| waiter == who);
        match place {
            None if wait && self.waiters.len() >= WAITERS_MAX => Asked::Full,
            None if wait => {
                self.waiters.push(who.to_owned());
                Asked::Held(Some(self.waiters.len()))
            }
            place => Asked::Held(place.map(|place| place + 1)),
        }
    }
}

/// Runs `bd merge-slot`; `here` are the addresses of the repository around.
pub async fn slot(args: &SlotArgs, here: &[String], json: bool, context: &Context) -> Result<Answer, Error> {
    let rigs = Rigs::read(context).await?;
    let rig = match &args.rig {
        Some(rig) => rigs.named(rig)?,
        None => rigs.around(here),
    };
    let id = format!("{}-merge-slot", rig.prefix);
    match &args.verb {
        SlotVerb::Create => {
            make(&id, &rig, context).await?;
            let out = json!({ "id": id, "status": "open" });
            Ok(Answer::out(if json { print::object(&out) } else { format!("✓ Merge slot: {id}\n") }))
        }
        SlotVerb::Check => {
            let turns = show::get(context, &id).await?.as_ref().map(Turns::of).unwrap_or_default();
            Ok(Answer::out(if json { print::object(&checked(&id, &turns)) } else { told(&id, &turns) }))
        }
        SlotVerb::Acquire { holder, wait } => {
            acquire(&id, &rig, (who(holder.as_ref(), context)?, *wait), json, context).await
        }
        SlotVerb::Release { holder } => release(&id, who(holder.as_ref(), context)?, json, context).await,
    }
}

fn who<'a>(holder: Option<&'a String>, context: &'a Context) -> Result<&'a str, Error> {
    let who = holder.unwrap_or(&context.actor).as_str();
    if who.trim().is_empty() || who.len() > HOLDER_BYTES_MAX {
        return Err(Error::refused("the holder has a name", "such as --holder shop/refinery"));
    }
    Ok(who)
}

/// Makes the slot; one that is there stays as it is.
async fn make(id: &str, rig: &RigOf, context: &Context) -> Result<(), Error> {
    let spec = BeadSpec {
        type_: BeadType::Custom,
        custom_type: Some(MERGE_SLOT.to_owned()),
        // It is no work: it stays open, and is in no list of work.
        held: Some(PINNED.to_owned()),
        suspend: true,
        labels: vec!["gt:slot".to_owned()],
        created_by: Some(context.actor.clone()),
        ..BeadSpec::new("Merge slot", rig.rig.clone())
    };
    let metadata = ObjectMeta { name: Some(id.to_owned()), ..ObjectMeta::default() };
    match context.beads().create(&PostParams::default(), &Bead { metadata, spec, status: None }).await {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        made => made.map(drop).map_err(Error::api("make the merge slot")),
    }
}

fn check_is_slot(bead: &Bead) -> Result<(), Error> {
    if bead.spec.custom_type.as_deref() == Some(MERGE_SLOT) {
        return Ok(());
    }
    let name = kube::ResourceExt::name_any(bead);
    Err(Error::refused(format!("`{name}` is no merge slot: it is another bead"), "give that bead another id"))
}

async fn acquire(
    id: &str,
    rig: &RigOf,
    (who, wait): (&str, bool),
    json: bool,
    context: &Context,
) -> Result<Answer, Error> {
    make(id, rig, context).await?;
    let asked = std::cell::Cell::new(Asked::Had);
    let bead = act::change(id, "take the merge slot", context, |bead| {
        check_is_slot(bead)?;
        let old = Turns::of(bead);
        let mut turns = old.clone();
        asked.set(turns.acquire(who, wait));
        Ok((turns != old).then(|| json!({ "metadata": json!(turns).to_string() })))
    })
    .await?;
    let (asked, turns) = (asked.into_inner(), Turns::of(&bead));
    let is_acquired = matches!(asked, Asked::Taken | Asked::Had);
    let mut out = checked(id, &turns);
    out["acquired"] = is_acquired.into();
    out["waiting"] = matches!(asked, Asked::Held(Some(_))).into();
    if let Asked::Held(Some(place)) = asked {
        out["position"] = place.into();
    }
    let (line, note) = match asked {
        Asked::Taken => (format!("✓ Acquired merge slot: {id}\n  Holder: {who}\n"), String::new()),
        Asked::Had => (format!("✓ Merge slot {id} is held by {who} already\n"), String::new()),
        Asked::Held(Some(place)) => (
            format!("○ Merge slot {id} is held by {}; {who} waits (position {place})\n", shown(&turns.holder)),
            "ask again later: bd merge-slot acquire\n".to_owned(),
        ),
        Asked::Held(None) => (
            format!("○ Merge slot {id} is held by {}\n", shown(&turns.holder)),
            "`--wait` is among those that wait; ask again later\n".to_owned(),
        ),
        Asked::Full => (
            format!("○ Merge slot {id} is held by {}\n", shown(&turns.holder)),
            format!("{WAITERS_MAX} wait for it, and no more may; ask again later\n"),
        ),
    };
    Ok(Answer { out: if json { print::object(&out) } else { line }, note, code: u8::from(!is_acquired) })
}

async fn release(id: &str, who: &str, json: bool, context: &Context) -> Result<Answer, Error> {
    if show::get(context, id).await?.is_none() {
        return Err(Error::refused(format!("there is no merge slot `{id}`"), "bd merge-slot acquire makes it"));
    }
    let bead = act::change(id, "give the merge slot back", context, |bead| {
        check_is_slot(bead)?;
        let mut turns = Turns::of(bead);
        if turns.holder.is_empty() {
            return Ok(None);
        }
        if turns.holder != who {
            let holder = shown(&turns.holder);
            let message = format!("merge slot {id} is held by {holder}, not by {who}");
            return Err(Error::refused(message, format!("if they are gone: bd merge-slot release --holder {holder}")));
        }
        turns.holder.clear();
        Ok(Some(json!({ "metadata": json!(turns).to_string() })))
    })
    .await?;
    let turns = Turns::of(&bead);
    let mut out = checked(id, &turns);
    out["released"] = true.into();
    let next = turns.waiters.first().map(|next| format!("  Next: {}\n", shown(next))).unwrap_or_default();
    Ok(Answer::out(if json { print::object(&out) } else { format!("✓ Released merge slot: {id}\n{next}") }))
}

fn checked(id: &str, turns: &Turns) -> Value {
    let holder = Some(&turns.holder).filter(|holder| !holder.is_empty());
    json!({ "id": id, "available": holder.is_none(), "holder": holder, "waiters": turns.waiters })
}

fn told(id: &str, turns: &Turns) -> String {
    let waiters: String = turns.waiters.iter().map(|waiter| format!("  Waits: {}\n", shown(waiter))).collect();
    if turns.holder.is_empty() {
        return format!("✓ Merge slot {id} is available\n{waiters}");
    }
    format!("○ Merge slot {id} is held\n  Holder: {}\n{waiters}", shown(&turns.holder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_holds_the_slot_and_the_others_wait_in_turn() {
        let mut turns = Turns::default();
        assert_eq!(turns.acquire("a", false), Asked::Taken);
        assert_eq!(turns.acquire("a", true), Asked::Had);
        assert_eq!(turns.acquire("b", false), Asked::Held(None));
        assert_eq!(turns.acquire("b", true), Asked::Held(Some(1)));
        assert_eq!(turns.acquire("c", true), Asked::Held(Some(2)));
        assert_eq!(turns.acquire("b", true), Asked::Held(Some(1)), "once");
        turns.holder.clear();
        assert_eq!(turns.acquire("b", false), Asked::Taken);
        assert_eq!(turns.waiters, ["c"]);
        turns.waiters = (0..WAITERS_MAX).map(|n| n.to_string()).collect();
        assert_eq!(turns.acquire("d", true), Asked::Full);
    }
}
