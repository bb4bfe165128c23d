//! `bd mol pour --attach`: further formulas that are poured with one, and become parts of it as `bd mol bond` makes them.

use std::path::Path;

use clap::Args;
use gastown_agent::context::{Answer, connected_for_long};
use gastown_agent::error::Error;
use serde_json::Value;

use super::bond::{self, BondArgs, How};
use super::pour::{self, FileArgs, Prepared};
use crate::print;

/// Formulas that are poured at once: each is cooked before any is filed.
const ATTACHED_MAX: usize = 32;

/// What is poured with a formula.
#[derive(Debug, Clone, Args)]
pub struct AttachArgs {
    /// Pour this formula too, with the same values of vars, and make it a part; may be repeated
    #[arg(long, value_name = "FORMULA")]
    attach: Vec<String>,
    /// When that part is worked on
    #[arg(long, value_enum, default_value = "sequential", value_name = "TYPE", requires = "attach")]
    attach_type: How,
}

/// Pours a formula and what is attached to it. All are cooked before the first is filed.
pub fn pour(
    (name, args): (&str, &FileArgs),
    with: &AttachArgs,
    json: bool,
    town: Option<&Path>,
    actor: &str,
) -> Result<Answer, Error> {
    if with.attach.len() > ATTACHED_MAX {
        let message = format!("{} formulas to attach; {ATTACHED_MAX} are poured at once at most", with.attach.len());
        return Err(Error::refused(message, "pour some of them alone, and `bd mol bond` them"));
    }
    let prepared = pour::prepare(name, args, false, town)?;
    let attached = with.attach.iter().map(|name| pour::prepare(name, args, false, town));
    let attached: Vec<Prepared> = attached.collect::<Result<_, _>>()?;
    connected_for_long(town, actor, async |context| {
        let mut answer = pour::pour(args, &prepared, json, context).await?;
        for one in &attached {
            let part = pour::pour(args, one, json, context).await?;
            answer.note.push_str(&part.note);
            if !json {
                answer.out.push_str(&part.out);
            }
            let (Some(root), Some(name)) = (prepared.root(), one.root()) else { continue };
            if !args.is_dry() {
                let bonded = bond::bond(&BondArgs::of(root, name, with.attach_type), json, context).await?;
                if !json {
                    answer.out.push_str(&bonded.out);
                }
            }
        }
        if json && !attached.is_empty() {
            let mut value: Value = serde_json::from_str(&answer.out).unwrap_or_default();
            value["attached"] = attached.len().into();
            answer.out = print::object(&value);
        }
        Ok(answer)
    })
}
