//! What is remembered for whoever comes later: `remember`, `recall`, `memories`, `forget`; and `kv` and `config`, which are the same with
//! other keys.
//!
//! Each entry is a bead of type Memory, whose title is its key and whose description is its value.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use clap::{Args, Subcommand};
use gastown_agent::context::{Answer, Context, TRIES_MAX};
use gastown_agent::error::Error;
use gastown_crds::Bead;
use gastown_crds::bead::{BeadSpec, BeadType};
use gastown_crds::names;
use kube::api::{DeleteParams, ObjectMeta, PostParams};
use serde_json::{Map, json};

use super::print;
use super::scan::{Query, scan};
use super::show::get;

/// The beginning of the keys of what is remembered, as Beads has it.
const MEMORY: &str = "kv.memory.";
/// The beginning of the keys of `bd kv`.
const KV: &str = "kv.";
/// The longest key, in characters: it is a title.
const KEY_CHARS_MAX: usize = 400;

/// Remember something for whoever comes later
#[derive(Debug, Clone, Args)]
pub struct RememberArgs {
    /// What
    text: String,
    /// Under this key; default: its first words
    #[arg(long)]
    key: Option<String>,
}

/// Say what is remembered under a key
#[derive(Debug, Clone, Args)]
pub struct KeyArgs {
    /// The key
    key: String,
}

/// Forget what is remembered under a key
#[derive(Debug, Clone, Args)]
pub struct ForgetArgs {
    /// The key
    key: String,
}

/// List what is remembered
#[derive(Debug, Clone, Args)]
pub struct MemoriesArgs {
    /// Only with this text, in any case
    search: Option<String>,
}

/// Values by keys, for tools
#[derive(Debug, Clone, Args)]
pub struct KvArgs {
    #[command(subcommand)]
    verb: KvVerb,
}

#[derive(Debug, Clone, Subcommand)]
enum KvVerb {
    /// Keep a value
    Set {
        /// Its key
        key: String,
        /// The value
        value: String,
    },
    /// Print a value
    Get {
        /// Its key
        key: String,
    },
    /// Take a value away
    #[command(visible_aliases = ["unset", "delete"])]
    Clear {
        /// Its key
        key: String,
    },
    /// All of them
    #[command(visible_alias = "show")]
    List,
}

/// Runs `bd remember`.
pub async fn remember(args: &RememberArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let key = args.key.clone().unwrap_or_else(|| slug(&args.text));
    let was_there = put(&format!("{MEMORY}{key}"), &args.text, context).await?;
    let action = if was_there { "updated" } else { "remembered" };
    let out = json!({ "action": action, "key": key, "value": args.text });
    Ok(Answer::out(if json { print::object(&out) } else { format!("{action} [{key}]: {}\n", args.text) }))
}

/// Runs `bd recall`.
pub async fn recall(args: &KeyArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let value = read(&format!("{MEMORY}{}", args.key), context).await?;
    if json {
        let found = value.is_some();
        let out = json!({ "found": found, "key": args.key, "value": value.unwrap_or_default() });
        return Ok(Answer { out: print::object(&out), note: String::new(), code: u8::from(!found) });
    }
    match value {
        Some(value) => Ok(Answer::out(format!("{value}\n"))),
        None => Err(Error::refused(format!("nothing is remembered as {:?}", args.key), "`bd memories` lists what is")),
    }
}

/// Runs `bd forget`.
pub async fn forget(args: &ForgetArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let was_there = remove(&format!("{MEMORY}{}", args.key), context).await?;
    if json {
        // As Beads prints it, with texts for yes and no.
        let what = if was_there { "deleted" } else { "found" };
        let out = json!({ what: was_there.to_string(), "key": args.key });
        return Ok(Answer { out: print::object(&out), note: String::new(), code: u8::from(!was_there) });
    }
    if !was_there {
        return Err(Error::refused(format!("nothing is remembered as {:?}", args.key), "`bd memories` lists what is"));
    }
    Ok(Answer::out(format!("forgot [{}]\n", args.key)))
}

/// Runs `bd memories`.
pub async fn memories(args: &MemoriesArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let wanted = args.search.as_deref().unwrap_or_default().to_lowercase();
    let mut all = all(MEMORY, context).await?;
    all.retain(|key, value| key.to_lowercase().contains(&wanted) || value.to_lowercase().contains(&wanted));
    Ok(Answer::out(if json {
        print::object(&all)
    } else if all.is_empty() {
        "nothing is remembered: bd remember \"TEXT\"\n".to_owned()
    } else {
        all.iter().map(|(key, value)| format!("[{key}] {value}\n")).collect()
    }))
}

/// Runs `bd kv` and `bd config`; `start` is what their keys begin with.
pub async fn kv(args: &KvArgs, is_config: bool, json: bool, context: &Context) -> Result<Answer, Error> {
    let start = if is_config { "" } else { KV };
    match &args.verb {
        KvVerb::Set { key, value } => {
            put(&format!("{start}{key}"), value, context).await?;
            let out = json!({ "key": key, "value": value, "status": "set" });
            Ok(Answer::out(if json { print::object(&out) } else { format!("Set {key} = {value}\n") }))
        }
        KvVerb::Get { key } => {
            let value = read(&format!("{start}{key}"), context).await?;
            let code = u8::from(value.is_none() && !is_config);
            let mut out = json!({ "key": key, "value": value.clone().unwrap_or_default() });
            if !is_config {
                out["found"] = value.is_some().into();
            }
            let line = value.unwrap_or_else(|| format!("{key} (not set)"));
            Ok(Answer { out: if json { print::object(&out) } else { format!("{line}\n") }, note: String::new(), code })
        }
        KvVerb::Clear { key } => {
            let was_there = remove(&format!("{start}{key}"), context).await?;
            let status = if was_there { "cleared" } else { "not set" };
            let mut out = json!({ "key": key, "status": status });
            if !is_config {
                // As Beads prints it, with a text for yes and no.
                out["deleted"] = was_there.to_string().into();
            }
            Ok(Answer::out(if json { print::object(&out) } else { format!("{key}: {status}\n") }))
        }
        KvVerb::List => {
            let mut all = all(start, context).await?;
            all.retain(|key, _| if is_config { !key.starts_with(KV) } else { !key.starts_with("memory.") });
            let lines: String = all.iter().map(|(key, value)| format!("{key} = {value}\n")).collect();
            Ok(Answer::out(if json { print::object(&all) } else { lines }))
        }
    }
}

/// The first words of a text, as a key: at most eight, and at most 60 characters.
fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()).take(8);
    let slug = words.map(str::to_lowercase).collect::<Vec<_>>().join("-");
    slug.chars().take(60).collect::<String>().trim_end_matches('-').to_owned()
}

fn name_of(key: &str) -> String {
    format!("memory-{}", names::digest(&["memory", key]))
}

/// Keeps a value; whether there was one before.
pub async fn put(key: &str, value: &str, context: &Context) -> Result<bool, Error> {
    if key.trim().is_empty() || key.chars().count() > KEY_CHARS_MAX {
        return Err(Error::refused(format!("a key has 1 to {KEY_CHARS_MAX} characters"), "say a shorter one"));
    }
    let name = name_of(key);
    for _ in 0..TRIES_MAX {
        if let Some(bead) = get(context, &name).await? {
            let spec = json!({ "description": value });
            if context.change(&bead, &spec, "keep a value").await?.is_some() {
                return Ok(true);
            }
            continue;
        }
        let spec = BeadSpec {
            type_: BeadType::Memory,
            suspend: true,
            description: Some(value.to_owned()),
            created_by: Some(context.actor.clone()),
            ..BeadSpec::new(key, "")
        };
        let metadata = ObjectMeta { name: Some(name.clone()), ..ObjectMeta::default() };
        let bead = Bead { metadata, spec, status: None };
        match context.beads().create(&PostParams::default(), &bead).await {
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            filed => return filed.map(|_| false).map_err(Error::api("keep a value")),
        }
    }
    Err(Error::contended("keep a value"))
}

/// A value; none if there is none.
pub async fn read(key: &str, context: &Context) -> Result<Option<String>, Error> {
    let bead = get(context, &name_of(key)).await?;
    Ok(bead.map(|bead| bead.spec.description.unwrap_or_default()))
}

async fn remove(key: &str, context: &Context) -> Result<bool, Error> {
    match context.beads().delete(&name_of(key), &DeleteParams::default()).await {
        Ok(_) => Ok(true),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(false),
        Err(error) => Err(Error::api("take a value away")(error)),
    }
}

/// All values whose keys begin so, by the rest of their keys.
pub async fn all(start: &str, context: &Context) -> Result<BTreeMap<String, String>, Error> {
    let query = Query { fields: vec![format!("spec.type={}", BeadType::Memory)], ..Query::default() };
    let mut all = BTreeMap::new();
    scan(context, &query, |slim| {
        if let Some(key) = slim.spec.title.strip_prefix(start) {
            all.insert(key.to_owned(), slim.spec.description.unwrap_or_default());
        }
        Ok(ControlFlow::Continue(()))
    })
    .await?;
    Ok(all)
}

/// What is remembered, as lines of an export.
pub async fn lines(context: &Context) -> Result<Vec<String>, Error> {
    let all = all(MEMORY, context).await?;
    let line = |(key, value): (&String, &String)| {
        let mut line = Map::new();
        line.insert("_type".to_owned(), "memory".into());
        line.insert("key".to_owned(), key.as_str().into());
        line.insert("value".to_owned(), value.as_str().into());
        serde_json::Value::from(line).to_string()
    };
    Ok(all.iter().map(line).collect())
}

/// Keeps what a line of an import remembers.
pub async fn take_in(key: &str, value: &str, context: &Context) -> Result<(), Error> {
    put(&format!("{MEMORY}{key}"), value, context).await.map(drop)
}
