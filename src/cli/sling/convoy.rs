//! The convoy of a piece of work in words: its name, its title, and its YAML.

use std::fmt::Write as _;

use clap::Args as ClapArgs;
use gastown_base::text::is_obeyed;
use gastown_crds::common::API_VERSION;
use gastown_crds::manifest::{self, Manifest};
use gastown_crds::names;

use crate::cli::common::complete;
use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::files;
use crate::cli::rig::scalar;

/// Longest part of a name that is made of the text, in bytes: with the suffix it still fits a column of `gt status`.
const SLUG_BYTES_MAX: usize = 32;

/// Characters of a name that no other has: of a million convoys with one text, few would share them.
const SUFFIX_CHARS: usize = 5;

/// Longest title, in characters: a subject that git shows whole.
const TITLE_CHARS_MAX: usize = 72;

/// How a convoy out of words is worked on.
#[derive(Debug, Clone, Default, PartialEq, Eq, ClapArgs)]
pub struct How {
    /// The Formula that it is worked by. Default: `work`.
    #[arg(long, value_name = "NAME", add = complete::formulas())]
    pub formula: Option<String>,
    /// The Runtime that works on it. Default: the rig's.
    #[arg(long, value_name = "NAME", add = complete::runtimes())]
    pub runtime: Option<String>,
    /// The branch that it lands on: chooses among the rigs of one repository.
    #[arg(long, value_name = "BRANCH")]
    pub branch: Option<String>,
    /// Have the Town's `notify` tell people when it has landed, and when it needs one of them.
    #[arg(long)]
    pub notify: bool,
}

/// What was asked for.
pub struct Asked<'a> {
    /// What is to be done.
    pub text: &'a str,
    /// How it is worked on.
    pub how: &'a How,
    /// Shell text, if some was given.
    pub command: Option<&'a str>,
    /// What no other convoy has: an id.
    pub id: &'a str,
}

impl Asked<'_> {
    /// The convoy's name, and its manifest.
    pub fn manifest(&self, rig: &str) -> Result<(String, String), CliError> {
        let Self { text, how, command, id } = *self;
        let mut beads = beads(&[text], &[])?;
        let name = format!("{}-{}", beads[0].name, &names::short_hash(&["sling", id])[..SUFFIX_CHARS]);
        beads[0].command = command;
        let yaml = manifest(&name, rig, how, &beads);
        Ok((name, yaml))
    }
}

/// The manifest of a convoy, read as `gt apply` reads one; what is wrong with it is shown.
pub fn parsed(text: &str, gt: &Context) -> Result<Vec<Manifest>, CliError> {
    manifest::parse("the convoy", text).map_err(|mistakes| {
        gt.out.talk_painted(&manifest::render_all(&mistakes, gt.out.talk_color));
        CliError::new(Exit::Refused, "no convoy can be made of this")
    })
}

/// A bead out of words.
#[derive(Debug, PartialEq, Eq)]
pub struct Worded<'a> {
    /// Its name in the convoy.
    pub name: String,
    /// What is to be done, in a line.
    pub title: String,
    /// All of it, where the title is not all.
    pub description: Option<String>,
    /// Shell text that does it.
    pub command: Option<&'a str>,
}

/// A bead for each text. No two of them have one name, and none has one that is taken.
pub fn beads<'a>(texts: &[&str], taken: &[String]) -> Result<Vec<Worded<'a>>, CliError> {
    let mut beads: Vec<Worded<'a>> = Vec::new();
    for text in texts {
        // It becomes a commit's subject, and an agent's prompt.
        let text: String = text.chars().filter(|c| matches!(c, '\n' | '\t') || !is_obeyed(*c)).collect();
        let (title, description) = titled(&text).ok_or_else(|| {
            CliError::new(Exit::Usage, "there is nothing to do in an empty text")
                .hint("gt sling 'fix the typo in README'")
        })?;
        let slug = slug(&title);
        let is_taken = |name: &String| taken.contains(name) || beads.iter().any(|bead| bead.name == *name);
        let numbered = (2..).map(|nth| format!("{slug}-{nth}"));
        let name = std::iter::once(slug.clone()).chain(numbered).find(|name| !is_taken(name)).unwrap_or(slug);
        beads.push(Worded { name, title, description, command: None });
    }
    Ok(beads)
}

/// The manifest of a convoy of these beads.
pub fn manifest(name: &str, rig: &str, how: &How, beads: &[Worded<'_>]) -> String {
    Said { name, title: None, rig: Some(rig), how, suspend: false, tracks: &[], beads }.manifest()
}

/// What is said of a convoy.
pub struct Said<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is for.
    pub title: Option<&'a str>,
    /// The rig of the beads that it makes.
    pub rig: Option<&'a str>,
    /// How they are worked on.
    pub how: &'a How,
    /// Nothing is dispatched yet.
    pub suspend: bool,
    /// Names of beads that are there already.
    pub tracks: &'a [String],
    /// The beads that it makes.
    pub beads: &'a [Worded<'a>],
}

impl Said<'_> {
    /// Its manifest.
    pub fn manifest(&self) -> String {
        let Self { name, title, rig, how, suspend, tracks, beads } = *self;
        let mut yaml = format!("apiVersion: {API_VERSION}\nkind: Convoy\nmetadata:\n  name: {}\nspec:\n", scalar(name));
        let line = |yaml: &mut String, key: &str, value: Option<&str>| {
            if let Some(value) = value {
                let _infallible = writeln!(yaml, "{key}: {}", scalar(value));
            }
        };
        line(&mut yaml, "  title", title);
        line(&mut yaml, "  rig", rig);
        line(&mut yaml, "  formula", how.formula.as_deref());
        line(&mut yaml, "  runtime", how.runtime.as_deref());
        if how.notify {
            yaml.push_str("  notify: true\n");
        }
        if suspend {
            yaml.push_str("  suspend: true\n");
        }
        for (nth, bead) in tracks.iter().enumerate() {
            line(&mut yaml, if nth == 0 { "  tracks:\n  - bead" } else { "  - bead" }, Some(bead));
        }
        for (nth, bead) in beads.iter().enumerate() {
            line(&mut yaml, if nth == 0 { "  beads:\n  - name" } else { "  - name" }, Some(&bead.name));
            line(&mut yaml, "    title", Some(&bead.title));
            line(&mut yaml, "    description", bead.description.as_deref());
            line(&mut yaml, "    command", bead.command);
        }
        yaml
    }
}

/// A title of one line, and the whole text where that says more; none of a blank text.
fn titled(text: &str) -> Option<(String, Option<String>)> {
    let text = text.trim();
    let first = text.lines().next()?.trim_end();
    let title = if first.chars().count() > TITLE_CHARS_MAX {
        let within: String = first.chars().take(TITLE_CHARS_MAX - 1).collect();
        let words = within.rsplit_once(' ').map_or(&*within, |(words, _)| words).trim_end();
        format!("{words}…")
    } else {
        first.to_owned()
    };
    let description = (title != text).then(|| text.to_owned());
    Some((title, description))
}

/// A name made of a title, as far as whole words fit.
pub fn slug(title: &str) -> String {
    let whole = files::label(title, names::NAME_BYTES_MAX).unwrap_or_else(|| "work".to_owned());
    if whole.len() <= SLUG_BYTES_MAX {
        return whole;
    }
    let within = &whole[..SLUG_BYTES_MAX];
    within.rsplit_once('-').map_or(within, |(words, _)| words).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{CountingIds, Ids};

    fn made(text: &str) -> String {
        let asked = Asked { text, how: &How::default(), command: None, id: &CountingIds::new(1).uid() };
        asked.manifest("shop").unwrap().1
    }

    #[test]
    fn a_line_becomes_a_convoy_of_one_bead() {
        insta::assert_snapshot!(made("fix the typo in README"), @"
        apiVersion: gastown.io/v1alpha1
        kind: Convoy
        metadata:
          name: fix-the-typo-in-readme-wiw3g
        spec:
          rig: shop
          beads:
          - name: fix-the-typo-in-readme
            title: fix the typo in README
        ");
        let (runtime, command) = (Some("codex".to_owned()), Some("sed -i 's/a: b/c/' x\ntrue"));
        let how = How { formula: Some("careful".to_owned()), runtime, notify: true, ..How::default() };
        let asked = Asked { text: "x", how: &how, command, id: "1" };
        insta::assert_snapshot!(asked.manifest("shop").unwrap().1, @r#"
        apiVersion: gastown.io/v1alpha1
        kind: Convoy
        metadata:
          name: x-7c3v3
        spec:
          rig: shop
          formula: careful
          runtime: codex
          notify: true
          beads:
          - name: x
            title: x
            command: "sed -i 's/a: b/c/' x\ntrue"
        "#);
    }

    #[test]
    fn the_title_is_one_line_and_the_rest_is_not_lost() {
        assert_eq!(titled(" \n "), None);
        assert_eq!(titled("Fix it\n\nIt is red.\n"), Some(("Fix it".into(), Some("Fix it\n\nIt is red.".into()))));
        let long = "word ".repeat(30);
        let (title, description) = titled(&long).unwrap();
        assert!(title.ends_with("word…") && title.chars().count() <= TITLE_CHARS_MAX, "{title}");
        assert_eq!(description.as_deref(), Some(long.trim()));
    }

    #[test]
    fn beads_of_one_text_have_names_of_their_own() {
        let made = beads(&["Fix it", "fix it!", "Fix it 2"], &["fix-it".to_owned()]).unwrap();
        let names: Vec<&str> = made.iter().map(|bead| bead.name.as_str()).collect();
        assert_eq!(names, ["fix-it-2", "fix-it-3", "fix-it-2-2"]);
        assert_eq!(beads(&["a", " "], &[]).unwrap_err().exit(), Exit::Usage);
        let how = How { runtime: Some("codex".to_owned()), ..How::default() };
        insta::assert_snapshot!(manifest("day", "shop", &how, &made[..2]), @r#"
        apiVersion: gastown.io/v1alpha1
        kind: Convoy
        metadata:
          name: day
        spec:
          rig: shop
          runtime: codex
          beads:
          - name: fix-it-2
            title: Fix it
          - name: fix-it-3
            title: "fix it!"
        "#);
    }

    #[test]
    fn what_a_terminal_obeys_becomes_no_title() {
        let made = beads(&["Fix \u{1b}[31mit\u{7}\u{202e}\n\tlike\u{8} so"], &[]).unwrap();
        assert_eq!(made[0].title, "Fix [31mit");
        assert_eq!(made[0].description.as_deref(), Some("Fix [31mit\n\tlike so"));
    }

    #[test]
    fn a_name_is_made_of_whole_words() {
        assert_eq!(slug("Fix the typo in README!"), "fix-the-typo-in-readme");
        assert_eq!(slug("Make the logout button log out everywhere"), "make-the-logout-button-log-out");
        assert_eq!(slug(&"x".repeat(80)), "x".repeat(32));
        assert_eq!(slug("修正"), "work");
    }
}
