//! What people may call a kind: its singular, plural or short name, whatever the case; and `KIND/NAME`.

use std::sync::LazyLock;

use gastown_crds::schema::Schema;
use kube::core::{ApiResource, GroupVersionKind};

use super::error::{CliError, Exit};
use super::jsonpath::Path;
use super::suggest;

/// One kind, as commands see it.
#[derive(Debug)]
pub struct Kind {
    /// `Convoy`.
    pub name: String,
    /// `convoy`.
    pub singular: String,
    /// `convoys`.
    pub plural: String,
    /// How the API is asked for it.
    pub resource: ApiResource,
    /// What a table shows of it.
    pub columns: Vec<Column>,
    /// Its schema.
    pub schema: Schema,
    short: Vec<String>,
}

/// One printed column, as the kind declares it.
#[derive(Debug)]
pub struct Column {
    /// Its heading.
    pub heading: String,
    /// Whether it is an instant, shown as an age.
    pub is_date: bool,
    /// Where its value is.
    pub path: Path,
}

/// Every kind, in the order in which they depend on each other: a town first, then what beads are made by.
pub static KINDS: LazyLock<Vec<Kind>> = LazyLock::new(|| {
    let order = ["Town", "Runtime", "Formula", "Rig", "Polecat", "Convoy", "Bead", "MergeRequest"];
    let mut kinds: Vec<Kind> = gastown_crds::crds()
        .into_iter()
        .map(|crd| {
            let names = crd.spec.names;
            let version = crd.spec.versions.into_iter().next().expect("every kind is derived with a version");
            let props = version.schema.and_then(|schema| schema.open_api_v3_schema);
            let gvk = GroupVersionKind::gvk(&crd.spec.group, &version.name, &names.kind);
            let columns = version.additional_printer_columns.unwrap_or_default().into_iter().map(|column| Column {
                heading: column.name.to_uppercase(),
                is_date: column.type_ == "date",
                path: Path::parse(&column.json_path).expect("the columns are constants, and a test parses each"),
            });
            Kind {
                singular: names.singular.unwrap_or_else(|| names.kind.to_lowercase()),
                resource: ApiResource::from_gvk_with_plural(&gvk, &names.plural),
                columns: columns.collect(),
                schema: Schema::compile(&props.expect("every kind is derived with a schema"))
                    .expect("the schemas are constants, and a test compiles each"),
                plural: names.plural,
                name: names.kind,
                short: names.short_names.unwrap_or_default(),
            }
        })
        .collect();
    kinds.sort_by_key(|kind| order.iter().position(|name| *name == kind.name));
    kinds
});

impl Kind {
    /// The kind of this exact name, such as `Convoy`.
    pub fn named(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// The kind that a person means.
    pub fn find(word: &str) -> Result<&'static Self, CliError> {
        let lower = word.to_lowercase();
        // `convoys.gastown.io` and `convoys.v1alpha1.gastown.io` mean the same, as for kubectl.
        let plain = lower.split('.').next().unwrap_or_default();
        let called = |kind: &&Self| {
            plain == kind.singular || plain == kind.plural || kind.short.iter().any(|short| short == plain)
        };
        KINDS.iter().find(called).ok_or_else(|| {
            let words = KINDS.iter().flat_map(|kind| [kind.singular.as_str(), kind.plural.as_str()]);
            let hint = if let Some(near) = suggest::nearest(plain, words) {
                format!("did you mean `{near}`?")
            } else {
                let all: Vec<&str> = KINDS.iter().map(|kind| kind.plural.as_str()).collect();
                format!("there are {}", all.join(", "))
            };
            CliError::new(Exit::Usage, format!("no kind is named `{}`", word.escape_debug())).hint(hint)
        })
    }

    /// `convoy/release`, as messages name an object.
    pub fn named_object(&self, name: &str) -> String {
        format!("{}/{name}", self.singular)
    }
}

/// One object that a command is about.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Its kind.
    pub kind: &'static Kind,
    /// Its name.
    pub name: &'a str,
}

/// Reads `KIND/NAME …` or `KIND NAME …`: at least one object.
pub fn targets(words: &[String]) -> Result<Vec<Target<'_>>, CliError> {
    let Some((first, rest)) = words.split_first() else {
        return Err(CliError::new(Exit::Usage, "which object?").hint("say KIND/NAME, such as convoy/release"));
    };
    if first.contains('/') {
        return words.iter().map(|word| target(word)).collect();
    }
    let kind = Kind::find(first)?;
    if rest.is_empty() {
        return Err(CliError::new(Exit::Usage, format!("which {}?", kind.singular))
            .hint(format!("say {}/NAME; `gt get {}` lists them", kind.singular, kind.plural)));
    }
    if let Some(word) = rest.iter().find(|word| word.contains('/')) {
        return Err(CliError::new(Exit::Usage, format!("`{}` names a kind again", word.escape_debug()))
            .hint("say either KIND NAME … or KIND/NAME …"));
    }
    Ok(rest.iter().map(|name| Target { kind, name }).collect())
}

fn target(word: &str) -> Result<Target<'_>, CliError> {
    match word.split_once('/') {
        Some((kind, name)) if !name.is_empty() && !name.contains('/') => Ok(Target { kind: Kind::find(kind)?, name }),
        _ => Err(CliError::new(Exit::Usage, format!("`{}` is not KIND/NAME", word.escape_debug()))
            .hint("such as convoy/release")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_every_declared_name() {
        for word in ["bead", "beads", "bd", "Bead", "BEADS", "beads.gastown.io"] {
            assert_eq!(Kind::find(word).unwrap().name, "Bead", "{word}");
        }
        assert_eq!(Kind::find("mr").unwrap().name, "MergeRequest");
        assert_eq!(Kind::find("pc").unwrap().name, "Polecat");
    }

    #[test]
    fn a_kind_that_is_not_there_is_met_with_a_proposal() {
        let error = Kind::find("convoi").unwrap_err();
        insta::assert_snapshot!(error.render(false), @r"
        error: no kind is named `convoi`
        hint: did you mean `convoy`?
        ");
    }

    #[test]
    fn kinds_come_in_the_order_of_their_dependencies() {
        let names: Vec<&str> = KINDS.iter().map(|kind| kind.name.as_str()).collect();
        assert_eq!(names, ["Town", "Runtime", "Formula", "Rig", "Polecat", "Convoy", "Bead", "MergeRequest"]);
    }
}
