//! `bd comments`, `bd comment`: what is said about a bead.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_base::clock::{Clock as _, Ids as _, RandomIds, SystemClock};
use gastown_beads::issue::{IssueComment, seconds};
use gastown_crds::Bead;
use gastown_crds::bead::{COMMENTS_MAX, Comment};
use gastown_crds::common::whole_second;
use kube::ResourceExt as _;
use serde_json::json;

use super::act::{self, find};
use super::{many, print};

/// The longest comment, in bytes.
const COMMENT_BYTES_MAX: usize = 64 * 1024;

/// What was said about a bead
#[derive(Debug, Clone, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct CommentsArgs {
    #[command(subcommand)]
    verb: Option<CommentsVerb>,
    /// The bead's id
    id: Option<String>,
}

#[derive(Debug, Clone, Subcommand)]
enum CommentsVerb {
    /// Say something
    Add(CommentArgs),
    /// What was said
    List {
        /// The bead's id
        id: String,
    },
}

/// Say something about a bead
#[derive(Debug, Clone, Args)]
pub struct CommentArgs {
    /// The bead's id
    id: String,
    /// What is to be said
    text: Vec<String>,
    /// The same from a file; `-` is standard input
    #[arg(short, long, conflicts_with = "text", value_name = "FILE")]
    file: Option<PathBuf>,
    /// The same from standard input
    #[arg(long, conflicts_with_all = ["text", "file"])]
    stdin: bool,
    /// Who says it; default: whoever asks
    #[arg(short, long, value_name = "WHO")]
    author: Option<String>,
}

impl CommentArgs {
    /// The text, with what a file says.
    pub fn read(&self) -> Result<String, Error> {
        let text = match (&self.file, self.stdin) {
            (Some(file), _) => many::read(file, COMMENT_BYTES_MAX)?,
            (None, true) => many::read(Path::new("-"), COMMENT_BYTES_MAX)?,
            (None, false) => self.text.join(" "),
        };
        if text.trim().is_empty() {
            return Err(Error::refused("a comment says something", "bd comment ID \"TEXT\"; or --file, --stdin"));
        }
        Ok(text.trim_end().to_owned())
    }
}

impl CommentsArgs {
    /// What is to be said, if something is.
    pub fn says(&self) -> Option<&CommentArgs> {
        match &self.verb {
            Some(CommentsVerb::Add(args)) => Some(args),
            _ => None,
        }
    }
}

/// Runs `bd comments ID`.
pub async fn comments(args: &CommentsArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let ((Some(CommentsVerb::List { id }), _) | (None, Some(id))) = (&args.verb, &args.id) else {
        return Err(Error::refused("whose comments?", "bd comments ID; bd comments add ID \"TEXT\""));
    };
    let bead = find(id, context).await?;
    let name = act::slim(&bead)?.id();
    if json {
        let all: Vec<_> = bead.spec.comments.iter().map(|comment| IssueComment::of(&name, comment)).collect();
        return Ok(Answer::out(print::json(&all)));
    }
    if bead.spec.comments.is_empty() {
        return Ok(Answer::out(format!("no comments on {name}\n")));
    }
    let line = |comment: &Comment| {
        let text = comment.text.trim_end().replace('\n', "\n    ");
        format!("{}  {}\n    {text}\n", seconds(comment.at), comment.author)
    };
    Ok(Answer::out(bead.spec.comments.iter().map(line).collect::<String>()))
}

/// What somebody says now.
pub fn said(text: String, author: &str) -> Comment {
    Comment { name: RandomIds.uid(), author: author.to_owned(), text, at: whole_second(SystemClock.now()) }
}

/// The comments on a bead with one more; refused where there are as many as a bead holds.
pub fn with(bead: &Bead, comment: &Comment) -> Result<Vec<Comment>, Error> {
    let name = bead.name_any();
    if bead.spec.comments.len() >= COMMENTS_MAX {
        let message = format!("`{name}` has {COMMENTS_MAX} comments, as many as a bead holds");
        let hint = format!(
            "say it in its notes: bd update {name} --append-notes \"...\"; or file a bead of its own: \
             bd create \"...\" --deps discovered-from:{name}"
        );
        return Err(Error::refused(message, hint));
    }
    Ok(bead.spec.comments.iter().chain([comment]).cloned().collect())
}

/// Says something about a bead.
pub async fn comment(args: &CommentArgs, text: &str, json: bool, context: &Context) -> Result<Answer, Error> {
    let comment = said(text.to_owned(), args.author.as_ref().unwrap_or(&context.actor));
    let bead = act::change(&args.id, &format!("comment on `{}`", args.id), context, |bead| {
        if bead.spec.comments.iter().any(|it| it.name == comment.name) {
            return Ok(None);
        }
        Ok(Some(json!({ "comments": with(bead, &comment)? })))
    })
    .await?;
    let id = act::slim(&bead)?.id();
    Ok(Answer::out(if json {
        print::object(&IssueComment::of(&bead.name_any(), &comment))
    } else {
        format!("✓ Comment added to {id}\n")
    }))
}
