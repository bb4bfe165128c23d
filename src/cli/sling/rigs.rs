//! The rig that a piece of work is for: by its name, or by a folder of its repository.
//!
//! A rig that `gt rig add` has declared and that is not live yet counts too: whoever gives it work wants it to be.

use std::path::Path;

use gastown_crds::manifest::Manifest;
use gastown_crds::{self as crds, suggest, url};
use kube::ResourceExt;

use crate::cli::apply::read::{self, Ignored};
use crate::cli::common::context::{Context, Link};
use crate::cli::common::error::{CliError, Exit};
use crate::cli::common::files;
use crate::cli::rig::{
    self,
    repository::{addresses, is_path},
};
use crate::insight::text::quoted;
use crate::town::Town;
use crate::world::git::whole;

/// A rig that work can be given to.
#[derive(Debug, Clone)]
pub struct Rig {
    /// Its name.
    pub name: String,
    /// Its runtime, if it names one.
    pub runtime: Option<String>,
    /// Its manifest, where it is declared and not live yet.
    pub declared: Option<Manifest>,
    url: String,
    /// The branch that its work lands on, where it is known: a rig that names none learns the remote's own once it is live.
    branch: Option<String>,
}

/// All of them.
pub struct Rigs {
    all: Vec<Rig>,
    /// How one of several is named.
    how: &'static str,
}

impl Rigs {
    /// The town's, and those that its folder declares beside them. `how` one of several is named, to complete "say which, …".
    pub async fn of(link: &Link, town: &Town, how: &'static str) -> Result<Self, CliError> {
        let mut all: Vec<Rig> = link.all::<crds::Rig>().await?.into_iter().map(Rig::live).collect();
        let dir = town.dir.join(rig::DIR).to_string_lossy().into_owned();
        // What cannot be read there is for `gt apply` to complain about.
        let found = read::all(&[dir], Ignored::Nothing).unwrap_or_default().manifests;
        for manifest in found.into_iter().filter(|it| it.kind == "Rig") {
            if all.iter().any(|rig| rig.name == manifest.name) {
                continue;
            }
            if let Ok(spec) = manifest.spec() {
                all.push(Rig::of(manifest.name.clone(), spec, Some(manifest)));
            }
        }
        Ok(Self { all, how })
    }

    /// The one that is meant, by its name or its folder; and by the branch that its work lands on, where one is named: of the rigs
    /// of one repository, or of all where nothing else is said.
    pub fn chosen(&self, said: Option<&str>, branch: Option<&str>) -> Result<&Rig, CliError> {
        let here = Context::cwd()?;
        let Some(said) = said else { return self.of_folder(&here, branch) };
        if let Some(rig) = self.all.iter().find(|rig| rig.name == said && !is_path(said)) {
            let Some(branch) = branch.filter(|branch| rig.branch.as_deref() != Some(*branch)) else { return Ok(rig) };
            let beside = self.all.iter().filter(|other| whole(&other.url) == whole(&rig.url)).collect();
            return self.one(&on(beside, branch)?, "several rigs are of that repository and branch");
        }
        let folder = files::absolute(&here, said);
        if !is_path(said) && !folder.is_dir() {
            return Err(self.no_such(said));
        }
        if !folder.is_dir() {
            return Err(CliError::new(Exit::NotFound, format!("there is no folder `{}`", folder.display())));
        }
        let found = self.with(&folder)?;
        if found.is_empty() {
            return Err(CliError::new(Exit::NotFound, format!("no rig is of the repository in {}", folder.display()))
                .hint(format!("`gt rig add {}` declares one", quoted(said))));
        }
        let found = match branch {
            Some(branch) => on(found, branch)?,
            None => found,
        };
        self.one(&found, "several rigs are of that repository")
    }

    /// The rig of the folder that one is in, else the only one.
    fn of_folder(&self, here: &Path, branch: Option<&str>) -> Result<&Rig, CliError> {
        let found = match &self.with(here).unwrap_or_default()[..] {
            [] => self.all.iter().collect(),
            found => found.to_vec(),
        };
        if found.is_empty() {
            return Err(CliError::new(Exit::NotFound, "the town has no rig yet")
                .hint("`gt rig add PATH-OR-URL` declares a repository"));
        }
        match branch {
            Some(branch) => self.one(&on(found, branch)?, "several rigs have that branch"),
            None => self.one(&found, "the town has several rigs"),
        }
    }

    /// Those of the repository around a folder.
    fn with(&self, folder: &Path) -> Result<Vec<&Rig>, CliError> {
        let wanted: Vec<String> = addresses(folder)?.iter().map(|url| whole(url)).collect();
        Ok(self.all.iter().filter(|rig| wanted.contains(&whole(&rig.url))).collect())
    }

    /// The only one of some.
    fn one<'a>(&self, rigs: &[&'a Rig], several: &str) -> Result<&'a Rig, CliError> {
        if let [rig] = rigs {
            return Ok(rig);
        }
        let names: Vec<&str> = rigs.iter().map(|rig| rig.name.as_str()).collect();
        Err(CliError::new(Exit::Usage, several).hint(format!("say which, {}: {}", self.how, names.join(", "))))
    }

    fn no_such(&self, name: &str) -> CliError {
        let names = self.all.iter().map(|rig| rig.name.as_str());
        let hint = match suggest::nearest(name, names.clone()) {
            Some(near) => format!("did you mean `{near}`?"),
            None if self.all.is_empty() => "`gt rig add PATH-OR-URL` declares one".to_owned(),
            None => format!("there are: {}", names.collect::<Vec<_>>().join(", ")),
        };
        CliError::new(Exit::NotFound, format!("no Rig is named `{}`", name.escape_debug())).hint(hint)
    }
}

impl Rig {
    fn live(rig: crds::Rig) -> Self {
        let seen = rig.status.as_ref().and_then(|status| status.branch.clone());
        let of_spec = Self::of(rig.name_any(), rig.spec, None);
        Self { branch: of_spec.branch.or(seen), ..of_spec }
    }

    fn of(name: String, spec: crds::RigSpec, declared: Option<Manifest>) -> Self {
        Self { name, runtime: spec.runtime, declared, url: spec.repo.url, branch: spec.repo.branch }
    }
}

/// Those of some rigs whose work lands on this branch.
fn on<'a>(rigs: Vec<&'a Rig>, branch: &str) -> Result<Vec<&'a Rig>, CliError> {
    let (found, others): (Vec<_>, Vec<_>) = rigs.into_iter().partition(|rig| rig.branch.as_deref() == Some(branch));
    if !found.is_empty() {
        return Ok(found);
    }
    let lands = |rig: &&Rig| match &rig.branch {
        Some(branch) => format!("`{}` lands on {branch}", rig.name),
        None => format!("`{}` does not know its branch yet", rig.name),
    };
    let shown = branch.escape_debug();
    let place = others.first().map_or_else(|| "PATH-OR-URL".to_owned(), |rig| url::redact(&rig.url));
    Err(CliError::new(Exit::NotFound, format!("no rig lands on branch `{shown}`"))
        .because_of(others.iter().map(lands).collect::<Vec<_>>().join(", "))
        .hint(format!("`gt rig add {} --branch {} --name NAME` declares one", quoted(&place), quoted(branch))))
}
