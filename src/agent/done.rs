//! `gt done`: hands in the branch, by one write that creates a MergeRequest.
//!
//! Everything that follows from it (the hook cleared, the session ended, the landing) is the controllers' doing. The
//! request is named by its content, so handing in twice is "already so".

use std::process::ExitCode;

use clap::Args;
use gastown_controllers::plan::owner;
use gastown_controllers::seen::Oid;
use gastown_crds::bead::CloseReason;
use gastown_crds::{Bead, MergeRequest, MergeRequestSpec, names};
use gastown_world::git::Git;
use kube::api::{ListParams, PostParams};
use kube::{Api, ResourceExt};

use super::context::{Answer, Context, actor, connected, current_dir, find_town, finish};
use super::error::Error;
use super::session::Session;
use super::work::{Work, load};
use super::worktree::Worktree;

/// Hand in the branch: the work on the hook is finished
#[derive(Debug, Clone, Args)]
pub struct DoneArgs {}

/// Runs `gt done`; `town` is what `--town` says.
pub fn done(args: &DoneArgs, town: Option<&std::path::Path>) -> ExitCode {
    let DoneArgs {} = args;
    finish(run(town))
}

fn run(town: Option<&std::path::Path>) -> Result<Answer, Error> {
    let session = Session::required("gt done", "people land work through a polecat: `gt status` shows who has what")?;
    // Looked at, and brought to the rig's clone, before connecting: the store is never held across git.
    let worktree = bring(&session, town);
    connected(town, &actor(), async |context| hand_in(&session, &worktree, context).await)
}

/// Looks at the worktree; what can be handed in is in the rig's clone then.
fn bring(session: &Session, town: Option<&std::path::Path>) -> Result<Worktree, Error> {
    let (dir, branch) = (current_dir()?, session.branch());
    let worktree = Worktree::look(&dir, &session.base)?;
    if worktree.ahead > 0 && worktree.check_committed(&branch).is_ok() {
        let git = Git::new(find_town(town)?.layout);
        let brought = git.hand_in(&dir, &session.polecat_object(), &branch, &Oid(worktree.head.clone()));
        brought.map_err(|error| {
            Error::refused(error.message(), "try `gt done` again; if it stays so, `gt doctor` looks at the town")
        })?;
    }
    Ok(worktree)
}

async fn hand_in(session: &Session, worktree: &Result<Worktree, Error>, context: &Context) -> Result<Answer, Error> {
    let what = format!("read bead `{}`", session.bead);
    let Some(work) = load(context, &session.bead, &session.polecat_object()).await? else {
        let bead = context.beads().get_opt(&session.bead).await.map_err(Error::api(what))?;
        return off_hook(session, bead.as_ref(), worktree, context).await;
    };
    let worktree = worktree.as_ref().map_err(Error::again)?;
    worktree.check_committed(&session.branch())?;
    if let Some((step, runtime)) = work.next_of_another() {
        let said = format!("your part is done: `{runtime}` goes on with `{}`; end the session\n", step.id);
        return Ok(Answer::out(said));
    }
    if worktree.ahead == 0 {
        let message = format!("`{}` holds no commit: there is nothing to hand in", session.branch());
        let hint = format!(
            "commit your work; if nothing has to change: `bd close {} --reason=\"no-changes: <why>\"`, then `gt done`",
            session.bead
        );
        return Err(Error::refused(message, hint));
    }
    check_steps(&work)?;
    if let Some(question) = work.bead.spec.open_question() {
        let message = format!("`{}` waits for an answer: {}", question.name, question.text);
        return Err(Error::refused(
            message,
            "end your turn: your session goes on with the answer, and can hand in then",
        ));
    }
    let request = request(session, &work.bead, &worktree.head);
    let name = request.name_any();
    let requests: Api<MergeRequest> = Api::default_namespaced(context.client.clone());
    match requests.create(&PostParams::default(), &request).await {
        Ok(_) => {
            let commits =
                if worktree.ahead == 1 { "1 commit".to_owned() } else { format!("{} commits", worktree.ahead) };
            Ok(Answer::out(format!("handed in {commits} as {name}; you are finished: end the session\n")))
        }
        Err(kube::Error::Api(status)) if status.is_already_exists() => Ok(already(&name)),
        Err(error) => Err(Error::api(format!("hand in `{name}`"))(error)),
    }
}

fn already(name: &str) -> Answer {
    Answer::out(format!("already handed in as {name}; you are finished: end the session\n"))
}

fn check_steps(work: &Work) -> Result<(), Error> {
    work.check_poured()?;
    let open: Vec<&str> = work.steps.iter().filter(|s| s.is_open()).map(|s| s.id.as_str()).collect();
    if open.is_empty() {
        return Ok(());
    }
    let are = if open.len() == 1 { "1 step is" } else { &format!("{} steps are", open.len()) };
    let message = format!("{are} still open: {}", open.join(", "));
    Err(Error::refused(message, "do each, or see that it is done already, then `bd close <step>`"))
}

/// The bead is not on this polecat's hook (any more): over, handed in, or lost.
async fn off_hook(
    session: &Session,
    bead: Option<&Bead>,
    worktree: &Result<Worktree, Error>,
    context: &Context,
) -> Result<Answer, Error> {
    let id = &session.bead;
    let Some(bead) = bead else {
        return Err(Error::refused(format!("there is no bead `{id}`"), "end the session: its work was deleted"));
    };
    match bead.spec.closed.as_ref().map(|c| c.reason) {
        Some(CloseReason::NoChanges) => return Ok(Answer::out(format!("nothing to merge: {id} had no changes\n"))),
        Some(CloseReason::Merged) => return Ok(Answer::out(format!("nothing to merge: {id} has landed\n"))),
        Some(CloseReason::Done) => return Ok(Answer::out(format!("nothing to merge: {id} was closed by a person\n"))),
        Some(CloseReason::Skipped) => return Ok(Answer::out(format!("nothing to merge: {id} was skipped\n"))),
        Some(CloseReason::Withdrawn) => return Ok(Answer::out(format!("nothing to merge: {id} was withdrawn\n"))),
        None => {}
    }
    let name = request(session, bead, &worktree.as_ref().map_err(Error::again)?.head).name_any();
    let requests: Api<MergeRequest> = Api::default_namespaced(context.client.clone());
    let found = requests.get_opt(&name).await.map_err(Error::api(format!("read merge request `{name}`")))?;
    if found.is_some() {
        return Ok(already(&name));
    }
    // What was committed after `gt done` is in no merge request.
    let of_bead = ListParams::default().fields(&format!("spec.bead={id}"));
    let listed = requests.list(&of_bead).await.map_err(Error::api(format!("list the merge requests of `{id}`")))?;
    let polecat = session.polecat_object();
    let is_own = |request: &&MergeRequest| request.spec.polecat == polecat && request.spec.attempt == session.attempt;
    if let Some(request) = listed.items.iter().find(is_own) {
        let message = format!(
            "this session has handed in already, as {}: what was committed since is not in that",
            request.name_any()
        );
        let hint = "end the session: your commits stay on the branch; if the work comes back, a session goes on from what was handed in";
        return Err(Error::refused(message, hint));
    }
    let message = format!("bead `{id}` is not on the hook of `{polecat}`");
    Err(Error::refused(message, "end the session: the work was given to another; what is committed stays"))
}

fn request(session: &Session, bead: &Bead, head: &str) -> MergeRequest {
    let name = names::merge_request(&session.bead, &bead.uid().unwrap_or_default(), head, session.attempt);
    let spec = MergeRequestSpec {
        bead: session.bead.clone(),
        rig: session.rig.clone(),
        polecat: session.polecat_object(),
        head: head.to_owned(),
        base: session.base.clone(),
        attempt: session.attempt,
    };
    let mut request = MergeRequest::new(&name, spec);
    // It is of this very bead: a later namesake does not inherit it, and it goes when the bead goes.
    request.metadata.owner_references = Some(vec![owner(bead)]);
    request
}
