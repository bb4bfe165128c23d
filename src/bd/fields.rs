//! The texts of a bead as `create` and `update` take them: as words, from files, or from standard input.

use std::path::{Path, PathBuf};

use clap::Args;
use gastown_agent::error::Error;
use gastown_crds::bead::BeadSpec;

use super::filter::shown;
use super::many;

/// The longest text, in bytes: an object has 256 KiB at most.
const TEXT_BYTES_MAX: usize = 128 * 1024;

/// The texts of a bead.
#[derive(Debug, Clone, Default, Args)]
pub struct Fields {
    /// What is to be done, in full
    #[arg(short, long, visible_alias = "body", short_alias = 'm', alias = "message", value_name = "TEXT")]
    pub description: Option<String>,
    /// The same from a file; `-` is standard input
    #[arg(long, visible_alias = "description-file", conflicts_with = "description", value_name = "FILE")]
    pub body_file: Option<PathBuf>,
    /// The same from standard input
    #[arg(long, conflicts_with_all = ["description", "body_file"])]
    pub stdin: bool,
    /// How it is to be done
    #[arg(long, value_name = "TEXT")]
    pub design: Option<String>,
    /// The same from a file
    #[arg(long, conflicts_with = "design", value_name = "FILE")]
    pub design_file: Option<PathBuf>,
    /// How one sees that it is done
    #[arg(long, alias = "acceptance-criteria", value_name = "TEXT")]
    pub acceptance: Option<String>,
    /// What was found out
    #[arg(long, value_name = "TEXT")]
    pub notes: Option<String>,
    /// Who has it, where that is no polecat; empty: nobody
    #[arg(short, long, value_name = "WHO")]
    pub assignee: Option<String>,
    /// The same work in another tracker, such as gh-9
    #[arg(long, value_name = "ID")]
    pub external_ref: Option<String>,
}

impl Fields {
    /// The same, with what files say.
    pub fn read(&self) -> Result<Self, Error> {
        let file = |path: &Option<PathBuf>| path.as_deref().map(|path| many::read(path, TEXT_BYTES_MAX)).transpose();
        let stdin = self.stdin.then(|| many::read(Path::new("-"), TEXT_BYTES_MAX)).transpose()?;
        let body = file(&self.body_file)?;
        let design = file(&self.design_file)?;
        Ok(Self {
            description: self.description.clone().or(body).or(stdin),
            body_file: None,
            stdin: false,
            design: self.design.clone().or(design),
            design_file: None,
            ..self.clone()
        })
    }

    /// Puts what is said into a bead; an empty text takes out what was there.
    pub fn put(&self, spec: &mut BeadSpec) -> Result<(), Error> {
        let Self {
            description,
            body_file: _,
            stdin: _,
            design,
            design_file: _,
            acceptance,
            notes,
            assignee,
            external_ref,
        } = self;
        let texts = [
            (description, &mut spec.description),
            (design, &mut spec.design),
            (acceptance, &mut spec.acceptance_criteria),
            (notes, &mut spec.notes),
            (external_ref, &mut spec.external_ref),
        ];
        for (said, field) in texts {
            if let Some(text) = said {
                *field = Some(text.trim_end().to_owned()).filter(|text| !text.is_empty());
            }
        }
        if let Some(who) = assignee {
            if gastown_crds::actor::Worker::parse(who).is_some() {
                return Err(Error::refused(
                    format!("`{}` is a polecat, and dispatch gives polecats their work", shown(who)),
                    "`gt sling ID` has it worked on; `--assignee` names people and agents outside of the pool",
                ));
            }
            spec.assigned_to = Some(who.trim().to_owned()).filter(|who| !who.is_empty());
        }
        Ok(())
    }
}

/// A JSON object, as text: said as it is, or `@FILE`.
pub fn json_object(text: &str) -> Result<String, Error> {
    let text = match text.strip_prefix('@') {
        Some(path) => many::read(Path::new(path), TEXT_BYTES_MAX)?,
        None => text.to_owned(),
    };
    match serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&text) {
        Ok(object) => Ok(serde_json::Value::from(object).to_string()),
        Err(error) => Err(Error::refused(
            format!("invalid JSON in --metadata: {error}"),
            "it is a JSON object, such as '{\"a\":1}'",
        )),
    }
}
