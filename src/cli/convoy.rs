//! `gt convoy`: batches of work out of words. They are Convoys as any other, applied as `gt apply` does; one that a file declares is
//! changed in its file.

mod add;
mod close;
mod create;
mod declared;
mod stage;
mod stranded;
mod words;

use clap::{Args as ClapArgs, Subcommand};

use super::common::complete;
use super::common::context::Context;
use super::common::error::CliError;
use super::{describe, get};

pub use add::add;
pub use close::close;
pub use create::create;
pub use stage::{launch, stage};
pub use stranded::stranded;

/// Convoys: make one of beads and words, add work to it, see how it stands, close it.
#[derive(Debug, Subcommand)]
pub enum Command {
    Create(create::Args),
    Add(add::Args),
    Status(StatusArgs),
    List(ListArgs),
    Stranded(stranded::Args),
    Stage(stage::StageArgs),
    Launch(stage::LaunchArgs),
    #[command(visible_alias = "land")]
    Close(close::Args),
}

/// Show how a convoy stands: its beads, and what is next.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Such as `gt convoy status release`; it is `gt describe convoy/release`. `gt wait convoy/release` prints what happens."
)]
pub struct StatusArgs {
    /// Its name.
    #[arg(value_name = "NAME", add = complete::convoys())]
    convoy: String,
}

/// List convoys, and how far each has come.
#[derive(Debug, ClapArgs)]
#[command(after_help = "It is `gt get convoys`.")]
pub struct ListArgs {
    /// The form of the output. Default: a table.
    #[arg(short, long, value_enum)]
    output: Option<get::Output>,
}

/// Runs `gt convoy status`.
pub async fn status(args: &StatusArgs, gt: &Context) -> Result<(), CliError> {
    describe::run(&describe::Args::of(format!("convoy/{}", bare(&args.convoy))), gt).await
}

/// Runs `gt convoy list`.
pub async fn list(args: &ListArgs, gt: &Context) -> Result<(), CliError> {
    get::run(&get::Args::all_of("convoys", args.output), gt).await
}

/// A convoy's name, however it was named.
fn bare(word: &str) -> &str {
    word.strip_prefix("convoy/").or_else(|| word.strip_prefix("cv/")).unwrap_or(word)
}
