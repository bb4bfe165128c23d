//! `gt init`: makes a folder a town, by a `town.yaml` that carries the town's random identity.
//!
//! Beside it stands the JSON Schema of manifests, for editors.
//!
//! A new town is a git repository whose HEAD is live: its `town.yaml` declares the Source that says so.
//!
//! A Town file that is there already stays byte for byte as it is, but for the one annotation that it lacks.

mod repository;
mod trust;

use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args as ClapArgs;
use gastown_crds::common::{ANNOTATION_TOWN_UID, API_VERSION};
use gastown_crds::manifest::{self, Manifest, Step};
use gastown_crds::names;
use gastown_supervisor::process::exit_code;

use super::common::context::Context;
use super::common::error::{CliError, Exit};
use super::common::files;
use super::schema;
use super::source::committed_to;
use crate::clock::{Ids, RandomIds};
use crate::town::{TOWN_FILE, Town, TownError};
use crate::world::exec::Exec;
use trust::Trust;

/// How long git may take to say whether one file is staged: it reads an index, and the largest take seconds.
const LOOK_MAX: Duration = Duration::from_mins(1);

/// Make a folder a town whose HEAD is live: a git repository with its `town.yaml`.
#[derive(Debug, ClapArgs)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub struct Args {
    /// The folder; created if it does not exist.
    #[arg(default_value = ".")]
    dir: PathBuf,
    /// The town's name, and the namespace of its objects. Default: the folder's name.
    #[arg(long)]
    name: Option<String>,
    /// Commit `town.yaml`. Where a repository is made for the town, that is done anyway.
    #[arg(long)]
    commit: bool,
    /// Let pushes to the repository that the folder is in be judged by the town before they are taken, and update its files:
    /// a hook and a setting. Where a repository is made for the town, that is done anyway.
    #[arg(long)]
    receive: bool,
    /// Make a bare repository `town.git` in the folder, to push to, instead of making the folder one.
    #[arg(long, conflicts_with_all = ["commit", "receive", "no_source"])]
    bare: bool,
    /// Write the Town alone: no repository is made, and no commit is live.
    #[arg(long, conflicts_with = "receive")]
    no_source: bool,
    /// How far agents are trusted in a new town. Default: what you answer at a terminal; elsewhere None.
    #[arg(long, value_enum, ignore_case = true)]
    trust: Option<Trust>,
}

/// Runs it.
pub fn run(args: &Args, gt: &Context) -> Result<(), CliError> {
    fs_err::create_dir_all(&args.dir).map_err(|e| CliError::from_error(Exit::Failed, &e))?;
    let dir = fs_err::canonicalize(&args.dir).map_err(|e| CliError::from_error(Exit::Failed, &e))?;
    let file = dir.join(TOWN_FILE);
    let there = files::read_optional(&file)?;
    there.as_deref().map_or(Ok(()), |text| trust::check(args.trust, text))?;
    let was_in_git = in_git(&dir);
    let makes_one = there.is_none() && !was_in_git && !args.no_source && !args.bare;
    if args.commit && !was_in_git && !makes_one {
        return Err(CliError::new(Exit::Refused, format!("{} is in no git repository", dir.display()))
            .hint("`git init` first; a town is best kept in git"));
    }
    let mut is_distrusted = false;
    let done = match there {
        None => {
            let name = named(args, &dir)?;
            let trust = trust::decided(args.trust, gt)?;
            is_distrusted = args.trust.is_none() && trust == Trust::None;
            if makes_one {
                repository::make(&dir)?;
            }
            create(&dir, &name, trust, &live(args, &dir)?)?
        }
        Some(text) => adopt(&dir, &text, args.name.as_deref(), gt)?,
    };
    let town = Town::open(&dir, &gt.places)?;
    let what = match done {
        Done::Made => format!("town `{}` made: {}", town.name, file.display()),
        Done::Adopted => format!("town `{}` has its identity now: {}", town.name, file.display()),
        Done::Already => format!("town `{}` is a town already: {}", town.name, file.display()),
    };
    gt.out.data(&what)?;
    let receiving =
        if args.bare { Some(repository::make_bare(&dir)?) } else { (makes_one || args.receive).then(|| dir.clone()) };
    if let Some(hook) = receiving.as_ref().map(|it| repository::receives(it, &dir)).transpose()?.flatten() {
        gt.out
            .talk(&format!("note: {} is somebody else's: pushes are not judged before they are taken", hook.display()));
    }
    if args.commit || (makes_one && repository::knows_committer(&dir)) {
        let files = committed(&dir, done);
        commit(&dir, &files)?;
        gt.out.talk(&format!("committed {}", files.join(" and ")));
    } else if (was_in_git || makes_one) && !matches!(done, Done::Already) {
        gt.out.talk(&format!(
            "commit it, it is the town's identity:  git add {} && git commit -m 'A town'",
            committed(&dir, done).join(" ")
        ));
    }
    if is_distrusted {
        gt.out.talk(trust::HOW_TO_TRUST);
    }
    if let Some(bare) = receiving.filter(|_| args.bare) {
        gt.out.talk(&format!(
            "next: `gt up` starts the town; `git clone {}`, commit manifests there, and push",
            bare.display()
        ));
        return Ok(());
    }
    gt.out.talk(if town.layout.has_store() && committed_to(&file, &town, gt).is_some() {
        "next: commit what is declared here, and it is live; `gt diff` says before what that would do"
    } else if has_other_manifests(&dir) {
        "next: gt apply -f . && gt up"
    } else {
        "next: `gt rig add PATH-OR-URL` declares a repository; `gt up` starts the town"
    });
    Ok(())
}

/// The manifest of the source that makes commits live; empty where none is wanted.
fn live(args: &Args, dir: &Path) -> Result<String, CliError> {
    if args.no_source {
        return Ok(String::new());
    }
    if args.bare {
        return Ok(repository::source(&format!("./{}", repository::BARE), None));
    }
    let (url, folder) = repository::place(dir)?;
    Ok(repository::source(&url, folder.as_deref()))
}

fn named(args: &Args, dir: &Path) -> Result<String, CliError> {
    match args.name.as_deref() {
        Some(name) => checked(name),
        None => from_folder(dir),
    }
}

fn has_other_manifests(dir: &Path) -> bool {
    let found = fs_err::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    dir.join("rigs").is_dir() || found.into_iter().any(|path| files::is_yaml(&path) && !path.ends_with(TOWN_FILE))
}

#[derive(Debug, Clone, Copy)]
enum Done {
    Made,
    Adopted,
    Already,
}

fn create(dir: &Path, name: &str, trust: Trust, source: &str) -> Result<Done, CliError> {
    let uid = RandomIds.uid();
    let schema = dir.join(schema::FILE);
    if files::read_optional(&schema)?.is_none() {
        files::write_new(&schema, &format!("{}\n", schema::of_all()?))?;
    }
    let line = schema::line("");
    let text = format!(
        "{line}\
         # A town: this folder of YAML says what should be so.\n\
         apiVersion: {API_VERSION}\n\
         kind: Town\n\
         metadata:\n\
         \x20 name: town\n\
         \x20 namespace: {name}\n\
         \x20 annotations:\n\
         \x20   {ANNOTATION_TOWN_UID}: \"{uid}\" # its identity: keep it, and commit it\n\
         {}\
         {source}",
        trust.spec()
    );
    files::write_new(&dir.join(TOWN_FILE), &text)?;
    Ok(Done::Made)
}

/// Gives a Town that somebody wrote its identity.
fn adopt(dir: &Path, text: &str, name: Option<&str>, gt: &Context) -> Result<Done, CliError> {
    let already = match Town::open(dir, &gt.places) {
        Ok(town) => Some(town.name),
        Err(TownError::NoUid { .. }) => None,
        Err(other) => return Err(other.into()),
    };
    let file = dir.join(TOWN_FILE);
    let found = manifest::parse(&file.display().to_string(), text).map_err(|mistakes| {
        gt.out.talk(&manifest::render_all(&mistakes, gt.out.talk_color));
        CliError::new(Exit::Refused, "town.yaml cannot be read; it is left as it is")
    })?;
    let town = found.iter().find(|manifest| manifest.kind == "Town");
    let town = town.ok_or_else(|| CliError::new(Exit::Refused, "town.yaml declares no Town"))?;
    let value = town.value();
    let namespace = value.pointer("/metadata/namespace").and_then(serde_json::Value::as_str).unwrap_or("default");
    if let Some(name) = name.filter(|name| *name != namespace) {
        return Err(CliError::new(Exit::Refused, format!("this town is named `{namespace}`, not `{name}`"))
            .hint("its name is metadata.namespace in town.yaml"));
    }
    if already.is_some() {
        return Ok(Done::Already);
    }
    let edited = annotated(town, text, &RandomIds.uid()).ok_or_else(|| {
        CliError::new(Exit::Refused, "could not add the town's identity to this town.yaml without rewriting it")
            .hint(format!("add `annotations: {{ {ANNOTATION_TOWN_UID}: {} }}` to its metadata", RandomIds.uid()))
    })?;
    files::replace(&file, &edited)?;
    Ok(Done::Adopted)
}

/// The text with one annotation more, and nothing else changed; none where the text's form does not allow it.
fn annotated(town: &Manifest, text: &str, uid: &str) -> Option<String> {
    let entry = format!("{ANNOTATION_TOWN_UID}: \"{uid}\"");
    let (metadata, _) = town.spans().nearest([Step::Field("metadata")]);
    let (annotations, has_annotations) = town.spans().nearest([Step::Field("metadata"), Step::Field("annotations")]);
    let is_filled =
        town.value().pointer("/metadata/annotations").is_some_and(|v| v.as_object().is_some_and(|m| !m.is_empty()));
    if has_annotations && !is_filled {
        return None;
    }
    let inside = if has_annotations { annotations } else { metadata };
    let start = inside.value.start;
    let edited = if text[start..].starts_with('{') {
        let entry = if has_annotations { entry } else { format!("annotations: {{ {entry} }}") };
        format!("{}{{ {entry}, {}", &text[..start], text[start + 1..].trim_start_matches(' '))
    } else {
        // A block starts at its first key: what is before it in the line is its indentation.
        let line = text[..start].rfind('\n').map_or(0, |at| at + 1);
        let indent = &text[line..start];
        if !indent.chars().all(|c| c == ' ') {
            return None;
        }
        let entry = if has_annotations { entry } else { format!("annotations:\n{indent}  {entry}") };
        format!("{}{entry}\n{indent}{}", &text[..start], &text[start..])
    };
    // The edit is textual: it counts only if it reads as meant, and nothing else moved.
    let mut want = town.value();
    want["metadata"]["annotations"][ANNOTATION_TOWN_UID] = uid.into();
    let read = manifest::parse(town.file(), &edited).ok()?;
    read.iter().any(|manifest| manifest.value() == want).then_some(edited)
}

fn checked(name: &str) -> Result<String, CliError> {
    if names::is_label(name) {
        return Ok(name.to_owned());
    }
    Err(CliError::new(Exit::Refused, format!("`{}` is no name for a town", name.escape_debug()))
        .hint("a name is lower-case letters, digits and `-`, at most 63 characters"))
}

/// A name made of the folder's.
fn from_folder(dir: &Path) -> Result<String, CliError> {
    let folder = dir.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    files::label(&folder, names::NAME_BYTES_MAX).ok_or_else(|| {
        CliError::new(Exit::Refused, format!("no town's name can be made of the folder's, `{}`", folder.escape_debug()))
            .hint("say --name NAME")
    })
}

fn in_git(dir: &Path) -> bool {
    let asked = Exec::new("git").args(["rev-parse", "--is-inside-work-tree"]).cwd(dir).run();
    asked.is_ok_and(|output| output.ok())
}

/// The files of a town that are to be committed: what git ignores is left out.
fn committed(dir: &Path, done: Done) -> Vec<&'static str> {
    let is_ignored = || Exec::new("git").args(["check-ignore", "--quiet", schema::FILE]).cwd(dir).limit(LOOK_MAX).run();
    let with_schema = matches!(done, Done::Made) && !is_ignored().is_ok_and(|output| output.ok());
    [Some(TOWN_FILE), with_schema.then_some(schema::FILE)].into_iter().flatten().collect()
}

fn commit(dir: &Path, files: &[&str]) -> Result<(), CliError> {
    let with = |args: &[&'static str]| -> Vec<String> {
        args.iter().chain(&["--"]).chain(files).map(|arg| (*arg).to_owned()).collect()
    };
    as_the_user(dir, &with(&["add"]))?;
    let staged = Exec::new("git").args(with(&["diff", "--cached", "--quiet"])).cwd(dir).limit(LOOK_MAX).run();
    // Nothing to commit is what was asked for.
    if staged.map_err(|e| CliError::from_error(Exit::Failed, &e))?.ok() {
        return Ok(());
    }
    as_the_user(dir, &with(&["commit", "--quiet", "-m", "A town"]))
}

/// Runs git as if it had been typed: hooks and signatures are the user's, may ask at the terminal, and take what they
/// take. Git that is killed leaves its lock behind, so there is no limit: Ctrl-C reaches it, in the same process group.
fn as_the_user(dir: &Path, args: &[String]) -> Result<(), CliError> {
    let failed = |what: &str, e: &std::io::Error| CliError::new(Exit::Failed, what).because(e);
    // What it says is talk: standard output carries data.
    let talk =
        std::io::stderr().as_fd().try_clone_to_owned().map_err(|e| failed("could not prepare git's output", &e))?;
    let mut git = Exec::new("git").args(args).cwd(dir).command();
    let status = git.stdout(talk).status().map_err(|e| failed("could not run git", &e))?;
    if status.success() {
        return Ok(());
    }
    let what = format!("git {} failed ({}); what it said is above", args[0], exit_code(status));
    Err(CliError::new(Exit::Failed, what)
        .hint("town.yaml is written: `git commit -m 'A town' -- town.yaml` tries again"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edit(text: &str) -> Option<String> {
        let found = manifest::parse("town.yaml", text).unwrap();
        annotated(found.iter().find(|m| m.kind == "Town").unwrap(), text, "u-1")
    }

    #[test]
    fn the_annotation_is_added_and_nothing_else_changes() {
        let text = "# Ours.\nkind: Town # yes\napiVersion: gastown.io/v1alpha1\nmetadata:\n  name: town  # always\nspec:\n  capacity: {polecats: 3}\n";
        insta::assert_snapshot!(edit(text).unwrap(), @r#"
        # Ours.
        kind: Town # yes
        apiVersion: gastown.io/v1alpha1
        metadata:
          annotations:
            gastown.io/town-uid: "u-1"
          name: town  # always
        spec:
          capacity: {polecats: 3}
        "#);
    }

    #[test]
    fn every_form_of_metadata_is_understood() {
        let flow = "kind: Town\napiVersion: gastown.io/v1alpha1\nmetadata: {name: town}\n";
        insta::assert_snapshot!(edit(flow).unwrap(), @r#"
        kind: Town
        apiVersion: gastown.io/v1alpha1
        metadata: { annotations: { gastown.io/town-uid: "u-1" }, name: town}
        "#);
        let more =
            "kind: Town\napiVersion: gastown.io/v1alpha1\nmetadata:\n    name: town\n    annotations:\n        a: b\n";
        insta::assert_snapshot!(edit(more).unwrap(), @r#"
        kind: Town
        apiVersion: gastown.io/v1alpha1
        metadata:
            name: town
            annotations:
                gastown.io/town-uid: "u-1"
                a: b
        "#);
        let second = format!("kind: Rig\napiVersion: x\nmetadata: {{name: a}}\n---\n{flow}");
        assert!(
            edit(&second)
                .unwrap()
                .ends_with("metadata: { annotations: { gastown.io/town-uid: \"u-1\" }, name: town}\n")
        );
    }
}
