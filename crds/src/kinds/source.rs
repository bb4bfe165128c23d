//! A `Source` is where desired state lives: a branch of a git repository, or a folder. What it declares is made so.
//!
//! A revision is applied as a whole or not at all; what a later one no longer declares is pruned, if `prune` says so. What
//! the source has applied stands in `status.inventory` before it is made, and until it is proven gone.

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::access::AgentAccess;
use crate::common::{Condition, Duration, observed, shown, types};
use crate::kinds::{Column, Compiled, Kind, NamedBy, Registered, Role};
use crate::{admission, branch};

/// Its row in the registry.
pub static KIND: Kind = Kind {
    name: "Source",
    singular: "source",
    plural: "sources",
    short_names: &["src"],
    purpose: "where desired state lives: a branch of a git repository, or a folder; what it declares is applied, and pruned",
    columns: &[
        Column::text("Ready", r#".status.conditions[?(@.type=="Ready")].status"#),
        Column::text("Reason", r#".status.conditions[?(@.type=="Ready")].reason"#),
        Column::text("Revision", ".status.applied.revision"),
        Column::number("Objects", ".status.objects"),
        Column::AGE,
    ],
    selectable: &[],
    role: Role::Reconciled,
    conditions: &[types::READY, types::DRIFTED, types::RECONCILING, types::STALLED],
    references: &[],
    not_declared: &[],
    check_among: admission::nothing_more,
    named_by: NamedBy::People,
    has_overrides: false,
    agents: AgentAccess::Read,
    yaml: include_str!("../../gastown.io_sources.yaml"),
    compiled: Compiled::new(),
};

impl Registered for Source {
    fn row() -> &'static Kind {
        &KIND
    }
}

/// Revisions that `status.history` keeps, newest first.
pub const HISTORY_MAX: usize = 20;
/// Objects that each of them names.
pub const PAST_OBJECTS_MAX: usize = 20;
/// What those names may take of the source, in bytes: 20 revisions take a twelfth of the largest object.
pub const PAST_OBJECTS_BYTES_MAX: usize = 1 << 10;
/// The most objects that one source declares: what its inventory can name in an object of the largest size.
pub const OBJECTS_MAX: usize = 10_000;
/// `maxPrunePercent` where none is given.
pub const MAX_PRUNE_PERCENT: u32 = 30;

/// The desired state of a source.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[kube(
    group = "gastown.io",
    version = "v1alpha1",
    kind = "Source",
    doc = "A `Source` is where desired state lives: a branch of a git repository, or a folder. What it declares is made so.",
    namespaced,
    status = "SourceStatus",
    derive = "PartialEq",
    validation = Rule::new("size(self.metadata.name) <= 63").message("a source's name has at most 63 characters: it is a label on what the source declares")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.git) != has(self.directory)").message("give either `git` or `directory`"))]
pub struct SourceSpec {
    /// A git repository.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub git: Option<GitOrigin>,
    /// A folder on this machine: what is saved there is live at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectoryOrigin>,
    /// Deletes objects that an earlier revision declared and the present one does not. Default: false, they stay.
    #[serde(default)]
    pub prune: bool,
    /// Lets a revision that declares nothing prune everything. Default: false, it waits for `gt source approve`.
    #[serde(default)]
    pub allow_empty: bool,
    /// A revision that would prune more than this part of the objects, in percent, and more than one, waits for `gt source approve`. Default: 30.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100))]
    pub max_prune_percent: Option<u32>,
    /// The machine that applies it, by the name that `hostname` says there: a town on any other only looks. Where a revision declares this source, what it says there counts. Default: of the machines whose towns of this name declare it, the one that holds the lease in the remote (see `git.lease`); each, if there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub runner: Option<String>,
    /// Nothing is applied, pruned or put back. Default: false.
    #[serde(default)]
    pub suspend: bool,
}

/// A branch, tag or commit of a git repository.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("(has(self.branch) ? 1 : 0) + (has(self.tag) ? 1 : 0) + (has(self.commit) ? 1 : 0) <= 1").message("give one of `branch`, `tag` and `commit`"))]
#[x_kube(validation = Rule::new(r"!has(self.secretRef) || self.url.matches('^(https://|http://(localhost|127[.]0[.]0[.]1)[:/]|ssh://|[^/:]+:[^/])')").message("`secretRef` is for an address of https or ssh: others would show it to the network, or need none"))]
#[x_kube(validation = Rule::new("!has(self.secretRef) || self.url.matches('^https?://') || (has(self.secretRef.file) && !has(self.secretRef.username))").message("for ssh, `secretRef` is the `file` of a private key; the name stands in the address"))]
pub struct GitOrigin {
    /// Where the repository is: a path on this machine, from the town's folder if it is relative, is read where it lies, and each commit there is live at once. Anything else that `git clone` takes is cloned, and fetched once an interval. It holds no password: see `secretRef`.
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^(([./]|file://)([^\s\x00]| )*|[^-\s\x00][^\s\x00]*)$"))]
    #[x_kube(validation = Rule::new("!self.matches('^[A-Za-z+]+://[^/@]*:[^/@]*@')").message("an address holds no password: `secretRef` says where it is kept, or git's credential helper knows it"))]
    pub url: String,
    /// The branch. Default: the repository's HEAD.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = branch::CHARS_MAX))]
    #[x_kube(validation = Rule::new(branch::RULE).message(branch::MESSAGE))]
    pub branch: Option<String>,
    /// A tag instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = branch::CHARS_MAX))]
    #[x_kube(validation = Rule::new(branch::RULE).message("git allows no tag of this name"))]
    pub tag: Option<String>,
    /// A commit instead, by its whole name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), regex(pattern = r"^([0-9a-f]{40}|[0-9a-f]{64})$"))]
    pub commit: Option<String>,
    /// The folder in the repository that declares objects. Default: all of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    #[x_kube(validation = Rule::new(r"!self.matches('^/|(^|/)[.][.]?(/|$)|//|/$|^:|[\\x00-\\x1f]')").message("a folder in the repository, such as `towns/shop`"))]
    pub path: Option<String>,
    /// How often a remote repository is asked for news. Default: `5m`, at least `1m`; `gt source sync` asks now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::common::duration_of_minutes")]
    pub interval: Option<Duration>,
    /// Applies only what is signed by one of these keys: the commit, or the tag that is followed, if that is signed. What is not stays refused, and what was live stays live. Default: no signature is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verify: Option<Verify>,
    /// What a private remote asks for: the password or token of an https address, or the file of a private key for ssh. It is read anew for each clone and fetch. Default: what git is configured with here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_ref: Option<SecretRef>,
    /// Of several machines whose towns of this name declare this source, whether one applies it and the others only look. With `Auto`, the default, that one holds a lease in the remote: the ref `refs/gt/runner/TOWN/SOURCE`, which it writes once an interval. A machine that has not seen it move for four intervals takes it over; `gt source take` does so at once. A town that may not write there goes without, and heeds the lease of another. With `Never` nothing is written there, and each applies it. With `spec.runner` there is no lease, nor for a repository on this machine.
    #[serde(default, skip_serializing_if = "LeasePolicy::is_default")]
    pub lease: LeasePolicy,
    /// Takes a webhook of GitHub, GitLab or Gitea for news: `gt up --webhook 127.0.0.1:PORT` listens for it at `/NAME`, NAME being this source's. A call only has the source fetch at once. Default: none is taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub webhook: Option<Webhook>,
}

/// How often a remote is asked for news where its source does not say.
const INTERVAL: std::time::Duration = std::time::Duration::from_mins(5);

impl GitOrigin {
    /// How often a remote is asked for news.
    pub fn fetch_interval(&self) -> std::time::Duration {
        self.interval.map_or(INTERVAL, std::time::Duration::from)
    }
}

/// Whether one machine of several applies a source.
#[derive(Serialize, Deserialize, JsonSchema, Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LeasePolicy {
    /// The one that holds the lease in the remote.
    #[default]
    Auto,
    /// Each of them.
    Never,
}

impl LeasePolicy {
    /// Whether it is what is meant where none is given.
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// A webhook that a source takes.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Webhook {
    /// A file that holds the secret which the host signs its calls with, with mode 0600; from the town's folder if it is relative, from your home folder if it begins with `~/`.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\x00]+$"))]
    pub secret_file: String,
}

/// Where a password, token or private key is kept: outside of what is declared, and nobody else's to read.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.file) != has(self.command)").message("give either `file` or `command`"))]
pub struct SecretRef {
    /// A file that holds it, with mode 0600; from the town's folder if it is relative, from your home folder if it begins with `~/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\x00]+$"))]
    pub file: Option<String>,
    /// A program that prints it, with its arguments, such as `[pass, show, town]`: it runs in the town's folder, for 30 seconds at most, without a terminal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), inner(length(min = 1, max = 1024)))]
    pub command: Option<Vec<String>>,
    /// The name that goes with a password. Default: `git`, since hosts that take tokens take any name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256), regex(pattern = r"^[^\x00-\x1f\x7f:]+$"))]
    pub username: Option<String>,
}

/// The keys that may sign what a source applies. Who may write these files decides that.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[x_kube(validation = Rule::new("has(self.allowedSigners) || has(self.pgpKeys)").message("give `allowedSigners`, `pgpKeys` or both"))]
pub struct Verify {
    /// Who may sign with an ssh key: a file with a line such as `kim@example.org ssh-ed25519 AAAA…` for each, as git's `gpg.ssh.allowedSignersFile` has it. From the town's folder if it is relative, and then it may not lead out of it; from your home folder if it begins with `~/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\x00]+$"))]
    pub allowed_signers: Option<String>,
    /// Who may sign with PGP: a file of public keys, as `gpg --export --armor` writes it. From the town's folder if it is relative, and then it may not lead out of it; from your home folder if it begins with `~/`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^[^\x00]+$"))]
    pub pgp_keys: Option<String>,
}

/// A folder on this machine.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, PartialEq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DirectoryOrigin {
    /// The folder; from the town's folder if it is relative.
    #[schemars(length(min = 1, max = 2048), regex(pattern = r"^[^\x00]+$"))]
    pub path: String,
}

/// The status of a source, as its controller observes it.
#[derive(KubeSchema, Serialize, Deserialize, Debug, Clone, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct SourceStatus {
    /// The generation of the spec that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// `Ready`; `Drifted`; `Reconciling` while a revision is being applied; `Stalled` while one cannot be.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    #[schemars(length(max = 16))]
    pub conditions: Vec<Condition>,
    /// The revision that was looked at last, whatever became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempted: Option<Attempted>,
    /// The revision that is live.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    /// The objects that this source has made or taken over, by kind: written before they are, kept until they are gone.
    #[serde(default)]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["kind".into()]))]
    #[schemars(length(max = 32))]
    pub inventory: Vec<Entry>,
    /// How many those are.
    #[serde(default)]
    pub objects: u32,
    /// What became of the latest revisions, newest first.
    #[serde(default)]
    #[schemars(length(max = HISTORY_MAX))]
    pub history: Vec<Past>,
    /// What was changed by somebody else, and put back last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drift: Option<Drift>,
    /// The repository elsewhere that was fetched last, and what is followed there, as `https://example.org/town.git#main`. Of another nothing is read before it is fetched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub fetched: Option<String>,
    /// The lease of a remote that several machines may apply, as it was seen last; absent while nobody holds it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease: Option<LeaseStatus>,
    /// The value of the annotation `gastown.io/take` for which the lease was taken last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub taken: Option<String>,
    /// The value of the annotation `gastown.io/refresh` for which the origin was asked last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub refreshed: Option<String>,
    /// How many times in a row the thing has failed that its conditions report. 0 while nothing fails.
    #[serde(default)]
    pub consecutive_failures: u32,
}

observed!(SourceStatus, consecutive_failures);

/// Who holds the lease of a source.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseStatus {
    /// The machine whose town applies the source, by its host name.
    #[schemars(length(max = 253))]
    pub machine: String,
    /// Of another machine's lease, the commit that it is at, and when that was seen first, by this machine's clock: one that stays where it is for four intervals has ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen: Option<LeaseSeen>,
}

/// The lease of another machine, as it was seen first.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LeaseSeen {
    /// The commit that it is at.
    #[schemars(length(max = 64))]
    pub commit: String,
    /// When it was seen there first.
    #[schemars(schema_with = "crate::common::instant")]
    pub at: Timestamp,
    /// Four intervals later it was there still.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ended: bool,
}

/// A revision that was tried.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Attempted {
    /// The revision, as `main@sha1:…`.
    #[schemars(length(max = 1200))]
    pub revision: String,
    /// The generation of the spec that it was tried with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
    /// Why the API refused it; it is not tried again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub refused: Option<String>,
}

/// The revision that is live.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Applied {
    /// The revision, as `main@sha1:…`.
    #[schemars(length(max = 1200))]
    pub revision: String,
    /// The id of the tree that it declares objects in: a revision with the same tree changes nothing.
    #[schemars(length(max = 80))]
    pub tree: String,
    /// When it was live.
    #[schemars(schema_with = "crate::common::instant")]
    pub at: Timestamp,
}

/// The objects of one kind in an inventory.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    /// The kind.
    #[schemars(length(max = 63))]
    pub kind: String,
    /// Their names, ascending.
    #[schemars(length(max = OBJECTS_MAX), inner(length(max = 253)))]
    pub names: Vec<String>,
}

/// Objects that somebody else had changed, and that were put back.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// When they were put back last.
    #[schemars(schema_with = "crate::common::instant")]
    pub at: Timestamp,
    /// How many times that was, each soon after the one before: it is done later each time.
    pub times: u32,
    /// Some of them, as `convoy/release`.
    #[schemars(length(max = 10), inner(length(max = 320)))]
    pub objects: Vec<String>,
}

/// What became of a revision.
#[derive(Serialize, Deserialize, Debug, Clone, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Past {
    /// The revision, as `main@sha1:…`.
    #[schemars(length(max = 1200))]
    pub revision: String,
    /// Who wrote it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub author: String,
    /// The first line of its message.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 256))]
    pub subject: String,
    /// When it was looked at first.
    #[schemars(schema_with = "crate::common::instant")]
    pub at: Timestamp,
    /// The result.
    pub result: RevisionResult,
    /// Objects that it made.
    #[serde(default)]
    pub created: u32,
    /// Objects that it changed.
    #[serde(default)]
    pub configured: u32,
    /// Objects that it no longer has, and that were deleted.
    #[serde(default)]
    pub pruned: u32,
    /// Some of these objects: `+convoy/release` is made, `~` changed, `-` deleted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = PAST_OBJECTS_MAX), inner(length(max = 320)))]
    pub objects: Vec<String>,
    /// Why it was refused or is held.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(length(max = 4096))]
    pub message: String,
}

/// What became of a revision.
#[derive(Serialize, Deserialize, Debug, Clone, Copy, PartialEq, Eq, JsonSchema)]
pub enum RevisionResult {
    /// It is being applied.
    Applying,
    /// It was applied.
    Applied,
    /// It is refused: nothing of it was applied, or what was is taken back.
    Refused,
    /// It waits for a person, because it would prune too much.
    Held,
    /// A later one came before it was applied.
    Superseded,
}

shown!(RevisionResult {
    Applying => "Applying", Applied => "Applied", Refused => "Refused", Held => "Held", Superseded => "Superseded"
});

impl SourceStatus {
    /// Whether the inventory names an object.
    pub fn holds(&self, kind: &str, name: &str) -> bool {
        let of_kind = self.inventory.iter().find(|entry| entry.kind == kind);
        of_kind.is_some_and(|entry| entry.names.binary_search_by(|it| it.as_str().cmp(name)).is_ok())
    }
}

/// The commit in what people call a revision: `main@sha1:0123…`, as it is listed: `main@0123456789ab`, or the commit alone.
pub fn commit_in(revision: &str) -> &str {
    revision.rsplit(['@', ':']).next().unwrap_or(revision)
}

/// Whether a person means a revision: by its name, as it is listed, or by the start of its commit.
pub fn is_meant(revision: &str, wanted: &str) -> bool {
    let commit = commit_in(wanted);
    revision == wanted || !commit.is_empty() && commit_in(revision).starts_with(commit)
}

/// A revision as people read it: `main@sha1:0123…`.
pub fn revision(of: &str, commit: &str) -> String {
    let hash = if commit.len() == 64 { "sha256" } else { "sha1" };
    format!("{of}@{hash}:{commit}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_meant_by_its_name_as_it_is_listed_or_by_the_start_of_its_commit() {
        let name = revision("feature@2", &"0123456789abcdef".repeat(2)[..]);
        for wanted in [&*name, "feature@2@0123456789ab", "main@0123456789ab", "0123", "sha1:0123"] {
            assert!(is_meant(&name, wanted), "{wanted}");
        }
        for wanted in ["", "main", "main@", "sha1:", "123", "feature@2", "0123456789abcdef0123456789abcdef0"] {
            assert!(!is_meant(&name, wanted), "{wanted}");
        }
    }
}
