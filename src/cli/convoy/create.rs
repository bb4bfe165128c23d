//! `gt convoy create`: a convoy of several pieces of work, in words, and of beads that are there.

use clap::Args as ClapArgs;
use gastown_crds::names::is_label;

use super::declared;
use super::words::{Words, without_notified};
use crate::cli::apply::DryRun;
use crate::cli::block_on;
use crate::cli::common::complete;
use crate::cli::common::context::{Context, by_name};
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::kinds;
use crate::cli::sling::convoy::{self, How, Said};
use crate::cli::sling::rigs::{Rig, Rigs};
use crate::cli::sling::{Output, make};

/// Make a convoy: of beads that are there, by their names, and out of words: a bead for each text. They are worked on
/// side by side.
#[derive(Debug, ClapArgs)]
#[command(
    after_help = "Such as `gt convoy create release 'Rotate session tokens' 'Log out everywhere' --rig shop`, or \
    `gt convoy create \"Feature X\" shop-kkrp77zh shop-epic --notify overseer`: of an epic, its parts are of the convoy as they come.\n\
    What needs what, checks of its own and more are said in YAML: --dry-run -o yaml prints where to begin."
)]
pub struct Args {
    /// Its name; or what it is for, in words, of which a name is made.
    name: String,
    /// Beads that are there; or what is to be done: a bead for each text, its first line the subject of the commit.
    #[arg(value_name = "BEAD|TEXT", required = true, add = complete::slung())]
    words: Vec<String>,
    /// The rig of the texts: its name, or a folder of its repository. Default: the rig of the folder you are in, else
    /// the only one.
    #[arg(long, value_name = "RIG|PATH", add = complete::rigs())]
    rig: Option<String>,
    #[command(flatten)]
    how: convoy::How,
    /// Dispatch nothing yet: `gt convoy stage NAME` shows what would run when, and `gt convoy launch NAME` begins it.
    #[arg(long)]
    stage: bool,
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
    let slug = convoy::slug(name);
    let (name, title) = if is_label(name) { (name, None) } else { (slug.as_str(), Some(name)) };
    declared::refuse(name, ("apply", "it is not to be made of other words"), gt, &town)?;
    let (text, is_up) = block_on(gt.with_api(&town, async |link| {
        let kind = kinds::find("convoy")?;
        if by_name(&link.api(kind), name).await?.is_some() {
            return Err(CliError::new(Exit::Refused, format!("there is a convoy `{name}` already"))
                .hint(format!("gt convoy add {name} 'TEXT'")));
        }
        let Words { tracks, texts } = Words::of(without_notified(&args.words, &args.how), link, gt).await?;
        let beads = convoy::beads(&texts, &[])?;
        let rigs = Rigs::of(link, &town, "by --rig").await?;
        let rig = if beads.is_empty() {
            refuse_how(args)?
        } else {
            Some(rigs.chosen(args.rig.as_deref(), args.how.branch.as_deref())?)
        };
        let rig_name = rig.map(|rig| rig.name.as_str());
        let said =
            Said { name, title, rig: rig_name, how: &args.how, suspend: args.stage, tracks: &tracks, beads: &beads };
        let text = said.manifest();
        let command = "say each bead's `command` in YAML: `gt explain convoy.spec.beads`";
        make(&text, rig, (&args.how, command), (args.dry_run, args.output), (gt, &town, link)).await?;
        Ok((text, link.controller))
    }))?;
    if args.output.is_some() {
        gt.out.data(&text)?;
    }
    if args.dry_run.is_none() {
        gt.say_if_down(is_up);
        gt.out.talk(&if args.stage {
            format!("next: gt convoy stage {name}, then gt convoy launch {name}")
        } else {
            format!("next: gt wait convoy/{name} --timeout 1h")
        });
    }
    Ok(())
}

/// Refuses to say how beads are worked on that the convoy does not make. Such a convoy is for no rig.
fn refuse_how(args: &Args) -> Result<Option<&'static Rig>, CliError> {
    let How { formula, runtime, branch, notify: _ } = &args.how;
    if args.rig.is_none() && [formula, runtime, branch].into_iter().all(Option::is_none) {
        return Ok(None);
    }
    let what = "how a bead is worked on, and in which rig, is said by the bead: this convoy makes none";
    Err(CliError::new(Exit::Usage, what)
        .hint("leave --rig, --formula, --runtime and --branch out; `bd update BEAD` says it"))
}
