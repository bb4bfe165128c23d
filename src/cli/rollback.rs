//! `gt rollback`: makes a source declare again what it did at an earlier revision, by a commit on its own branch: the
//! repository stays what says so, and the rollback can be reviewed and taken back as any other commit.

use clap::Args as ClapArgs;
use gastown_controllers::source::{Preview, only_anew};
use gastown_controllers::view::{Facts, View};
use gastown_crds::Source;
use gastown_crds::source::{commit_in, revision};
use kube::ResourceExt;

use super::common::complete;
use super::common::context::Context;
use super::common::error::{CliError, Exit};
use super::source::branch::{Branch, chosen, git};
use super::source::objects;

/// Make a source declare again what it did at an earlier revision, by a commit on its branch.
#[derive(Debug, ClapArgs)]
pub struct Args {
    /// The revision to go back to: as `gt history` shows it, its commit, or what git calls it, such as `HEAD~1`.
    revision: String,
    /// The source. Default: the only one.
    #[arg(long, add = complete::sources())]
    source: Option<String>,
}

/// Runs it.
pub async fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    let town = gt.town()?;
    let objects = gt.with_api(&town, async |link| objects(link).await).await?;
    let source = chosen(args.source.as_deref(), &objects, ("roll back", "--source NAME"))?;
    let name = source.name_any();
    let branch = Branch::of(source, &town, "revert it where it lives, and push: git revert COMMIT && git push")?;
    let to = commit_named(&branch, &args.revision)?;
    // Judged first, as a push would be: what cannot be applied is not committed.
    let (declared, would) = branch.preview(&to, source, (gt, &town, &objects))?;
    let Preview { created, configured, pruned, held, writes: _ } = would.map_err(|(_, message)| {
        gt.out.talk(&message);
        let facts = Facts::new();
        let anew = only_anew(source, &declared, &View::new(gt.now(), &objects, &facts, None));
        CliError::new(Exit::Refused, format!("{} cannot be live again as it is", revision(&branch.name, &to)))
            .maybe_hint((!anew.is_empty()).then(|| delete_and_create(source, &anew)))
    })?;
    let subject = git(&branch.repository, &["log", "-1", "--format=%h: %s", &to])?;
    let Some(new) = branch.commit(&tree_at(&branch, &to)?, &format!("Roll back to {subject}"), (source, &town))? else {
        gt.out.talk(&format!("source `{name}` declares what it did then already"));
        return Ok(());
    };
    refuse_changes(&branch)?;
    branch.move_to(&new, "gt rollback")?;
    let counts = format!("{} created, {} changed, {} pruned", created.len(), configured.len(), pruned.len());
    gt.out.data(&format!("source/{name} rolled back by {}: {counts}", revision(&branch.name, &new)))?;
    if let Some(why) = held {
        gt.out.talk(&format!("it waits for `gt source approve {name}`: {why}"));
    }
    Ok(())
}

/// How what may not change in place comes back: the source makes what is deleted anew, as long as it declares it.
fn delete_and_create(source: &Source, anew: &[String]) -> String {
    let deleted =
        if source.spec.prune { "which prunes it".to_owned() } else { format!("`gt delete {}`", anew.join(" ")) };
    format!(
        "{} may not change in place, and has to be deleted and made anew: commit without it, {deleted}, and roll back again",
        anew.join(", ")
    )
}

/// The commit that a person names.
fn commit_named(branch: &Branch, named: &str) -> Result<String, CliError> {
    let wanted = commit_in(named);
    let asked = format!("{wanted}^{{commit}}");
    git(&branch.repository, &["rev-parse", "--verify", "--quiet", "--end-of-options", &asked]).map_err(|_| {
        CliError::new(Exit::NotFound, format!("there is no commit `{named}` in {}", branch.repository.display()))
            .hint("`gt history` lists the revisions")
    })
}

/// The tree of the tip with the source's folder as at `to`.
fn tree_at(branch: &Branch, to: &str) -> Result<String, CliError> {
    let folder = &branch.folder;
    if folder.is_empty() {
        return git(&branch.repository, &["rev-parse", &format!("{to}^{{tree}}")]);
    }
    branch.changed_tree(|index| {
        index.git(&["rm", "-r", "--cached", "--quiet", "--ignore-unmatch", "--", folder])?;
        index.git(&["read-tree", &format!("--prefix={folder}/"), &format!("{to}:{folder}")]).map(drop)
    })
}

/// Any file may differ: nothing that is not committed is left beside that.
fn refuse_changes(branch: &Branch) -> Result<(), CliError> {
    let Some(worktree) = branch.checked_out() else { return Ok(()) };
    let changed = git(worktree, &["status", "--porcelain", "--untracked-files=no"])?;
    if changed.is_empty() {
        return Ok(());
    }
    let message = format!("there are uncommitted changes in {}", worktree.display());
    Err(CliError::new(Exit::Refused, message).because_of(changed).hint("commit or stash them, and try again"))
}
