//! The message of a branch that lands as one commit: its title, the messages of its commits, and everybody who wrote them.

use git2::Commit;

/// The trailer that names an author beside the commit's own.
const CO_AUTHOR: &str = "Co-authored-by";
/// How git begins the message of a merge.
const GITS_OWN: &str = "Merge ";
/// The longest list of messages, in bytes; a branch of thousands of commits says how many are left out.
const LIST_BYTES_MAX: usize = 32 * 1024;

/// The message for these commits, oldest first; the commit is made by the author of `head`.
pub(super) fn message(title: &str, commits: &[Commit], head: &Commit) -> String {
    let said: Vec<Said> = commits.iter().map(Said::of).collect();
    let mut text = title.to_owned();
    let mut left_out = 0_usize;
    for message in said.iter().filter_map(|said| said.message.as_ref()) {
        if text.len() + message.len() > LIST_BYTES_MAX {
            left_out += 1;
            continue;
        }
        text.push_str("\n\n* ");
        text.push_str(message);
    }
    if left_out > 0 {
        text = format!("{text}\n\n(and {left_out} more)");
    }
    let own = person(head);
    let mut others: Vec<&String> = Vec::new();
    for other in said.iter().flat_map(|said| said.author.iter().chain(&said.co_authors)) {
        if *other != own && !others.contains(&other) {
            others.push(other);
        }
    }
    let lines: Vec<String> = others.iter().map(|other| format!("{CO_AUTHOR}: {other}")).collect();
    if lines.is_empty() { text } else { format!("{text}\n\n{}", lines.join("\n")) }
}

/// What a commit says, without whom it names beside its author; of a merge, not what git says of every merge.
struct Said {
    message: Option<String>,
    author: Option<String>,
    co_authors: Vec<String>,
}

impl Said {
    fn of(commit: &Commit) -> Self {
        let whole = String::from_utf8_lossy(commit.message_raw_bytes()).into_owned();
        let mut co_authors = Vec::new();
        let mut lines = Vec::new();
        for line in whole.trim().lines() {
            match co_author(line) {
                Some(name) => co_authors.push(name.to_owned()),
                None => lines.push(line.trim_end()),
            }
        }
        let is_merge = commit.parent_count() > 1;
        let message = lines.join("\n").trim_end().to_owned();
        Self {
            message: Some(message).filter(|message| !is_merge || !message.starts_with(GITS_OWN)),
            author: (!is_merge).then(|| person(commit)),
            co_authors,
        }
    }
}

/// Whom a line names as another author; people write the trailer in either case.
fn co_author(line: &str) -> Option<&str> {
    let (token, name) = line.split_once(':')?;
    token.trim().eq_ignore_ascii_case(CO_AUTHOR).then(|| name.trim())
}

fn person(commit: &Commit) -> String {
    let author = commit.author();
    format!("{} <{}>", String::from_utf8_lossy(author.name_bytes()), String::from_utf8_lossy(author.email_bytes()))
}
