//! `gt convoy create`: a convoy of several pieces of work, in words.

use clap::Args as ClapArgs;

use super::declared;
use crate::cli::apply::DryRun;
use crate::cli::block_on;
use crate::cli::common::complete;
use crate::cli::common::context::{Context, by_name};
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::kinds;
use crate::cli::sling::convoy;
use crate::cli::sling::rigs::Rigs;
use crate::cli::sling::{Output, make};

/// Make a convoy out of words: a bead for each text. They are worked on side by side.
#[derive(Debug, ClapArgs)]
#[command(after_help = "Such as `gt convoy create release 'Rotate session tokens' 'Log out everywhere' --rig shop`.\n\
    What needs what, checks of its own and more are said in YAML: --dry-run -o yaml prints where to begin.")]
pub struct Args {
    /// Its name.
    name: String,
    /// What is to be done: a bead for each text, its first line the subject of the commit.
    #[arg(value_name = "TEXT", required = true)]
    texts: Vec<String>,
    /// The rig: its name, or a folder of its repository. Default: the rig of the folder you are in, else the only one.
    #[arg(long, value_name = "RIG|PATH", add = complete::rigs())]
    rig: Option<String>,
    #[command(flatten)]
    how: convoy::How,
    /// Only say what would be created: as it is found here, or as the API answers.
    #[arg(long, value_enum, value_name = "WHERE", num_args = 0..=1, require_equals = true, default_missing_value = "client")]
    dry_run: Option<DryRun>,
    /// Print the manifest, as `gt apply -f` takes it, and not what became of it.
    #[arg(short, long, value_enum)]
    output: Option<Output>,
}

/// Runs it.
pub fn create(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let name = super::bare(&args.name);
    let texts: Vec<&str> = args.texts.iter().map(String::as_str).collect();
    let beads = convoy::beads(&texts, &[])?;
    declared::refuse(name, ("apply", "it is not to be made of other words"), gt, &town)?;
    let (text, is_up) = block_on(gt.with_api(&town, async |link| {
        let kind = kinds::find("convoy")?;
        if by_name(&link.api(kind), name).await?.is_some() {
            return Err(CliError::new(Exit::Refused, format!("there is a convoy `{}` already", name.escape_debug()))
                .hint(format!("gt convoy add {name} 'TEXT'")));
        }
        let rigs = Rigs::of(link, &town, "by --rig").await?;
        let rig = rigs.chosen(args.rig.as_deref(), args.how.branch.as_deref())?;
        let text = convoy::manifest(name, &rig.name, &args.how, &beads);
        let command = "say each bead's `command` in YAML: `gt explain convoy.spec.beads`";
        make(&text, rig, (&args.how, command), (args.dry_run, args.output), (gt, &town, link)).await?;
        Ok((text, link.controller))
    }))?;
    if args.output.is_some() {
        gt.out.data(&text)?;
    }
    if args.dry_run.is_none() {
        gt.say_if_down(is_up);
        gt.out.talk(&format!("next: gt wait convoy/{name} --timeout 1h"));
    }
    Ok(())
}
