//! How a repository is tested, guessed from the files at its root.

use serde_json::Value;

/// A command that must pass before work lands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What it is called.
    pub name: String,
    /// Shell text.
    pub run: String,
}

/// The files at the root of a commit.
pub trait Files {
    /// The text of a file, if it is there and is text.
    fn text(&self, name: &str) -> Option<String>;

    /// Whether it is there.
    fn has(&self, name: &str) -> bool {
        self.text(name).is_some()
    }
}

/// Whether a commit has other repositories in it, which neither a new worktree nor a tree that is verified holds.
pub fn has_submodules(files: &dyn Files) -> bool {
    files.has(".gitmodules")
}

/// The checks of a repository; none where nothing says how it is tested.
pub fn checks(files: &dyn Files) -> Vec<Check> {
    let mut found: Vec<(&str, String)> = Vec::new();
    if files.has("Cargo.toml") {
        found.push(("cargo", "cargo test --quiet".to_owned()));
    }
    found.extend(node(files).map(|run| ("npm", run)));
    if files.has("go.mod") {
        found.push(("go", "go test ./...".to_owned()));
    }
    if has_pytest(files) {
        found.push(("pytest", "pytest -q".to_owned()));
    }
    // A Makefile mostly calls the above; it is asked where there is nothing else.
    if found.is_empty() && ["GNUmakefile", "makefile", "Makefile"].iter().any(|name| has_test_target(files, name)) {
        found.push(("make", "make test".to_owned()));
    }
    let only = found.len() == 1;
    let named = |(name, run): (&str, String)| Check { name: if only { "test".into() } else { name.into() }, run };
    found.into_iter().map(named).collect()
}

/// A script that npm itself did not put there. A fresh worktree has no modules, so they come first.
fn node(files: &dyn Files) -> Option<String> {
    let package: Value = serde_json::from_str(&files.text("package.json")?).ok()?;
    let script = package.pointer("/scripts/test")?.as_str()?;
    if script.contains("no test specified") {
        return None;
    }
    let has_dependencies = ["dependencies", "devDependencies"]
        .iter()
        .any(|field| package.get(field).and_then(Value::as_object).is_some_and(|all| !all.is_empty()));
    Some(match (files.has("package-lock.json"), has_dependencies) {
        (true, _) => "npm ci --silent && npm test".to_owned(),
        (false, true) => "npm install --silent && npm test".to_owned(),
        (false, false) => "npm test".to_owned(),
    })
}

fn has_pytest(files: &dyn Files) -> bool {
    let says = |name: &str| files.text(name).is_some_and(|text| text.contains("pytest"));
    files.has("pytest.ini")
        || files.has("conftest.py")
        || says("pyproject.toml")
        || says("setup.cfg")
        || says("tox.ini")
}

fn has_test_target(files: &dyn Files, name: &str) -> bool {
    let is_target = |line: &str| {
        let Some((targets, rest)) = line.split_once(':') else { return false };
        // `test := x` sets a variable.
        !rest.starts_with('=') && !line.starts_with(['\t', ' ', '#']) && targets.split_whitespace().any(|t| t == "test")
    };
    files.text(name).is_some_and(|text| text.lines().any(is_target))
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Files for [(&str, &str)] {
        fn text(&self, name: &str) -> Option<String> {
            self.iter().find(|(file, _)| *file == name).map(|(_, text)| (*text).to_owned())
        }
    }

    fn found<const N: usize>(files: [(&'static str, &'static str); N]) -> String {
        struct All<'a>(&'a [(&'a str, &'a str)]);
        impl Files for All<'_> {
            fn text(&self, name: &str) -> Option<String> {
                self.0.text(name)
            }
        }
        let checks = checks(&All(&files));
        checks.iter().map(|check| format!("{}: {}", check.name, check.run)).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn the_files_at_the_root_say_how_it_is_tested() {
        assert_eq!(found([("Cargo.toml", "")]), "test: cargo test --quiet");
        assert_eq!(found([("go.mod", "")]), "test: go test ./...");
        assert_eq!(found([("package.json", r#"{"scripts": {"test": "node --test"}}"#)]), "test: npm test");
        let locked = [("package.json", r#"{"scripts": {"test": "jest"}}"#), ("package-lock.json", "{}")];
        assert_eq!(found(locked), "test: npm ci --silent && npm test");
        assert_eq!(found([("pyproject.toml", "[tool.pytest.ini_options]")]), "test: pytest -q");
        assert_eq!(found([("Makefile", "all: x\ntest check: x\n\ttrue\n")]), "test: make test");
        let two = [("Cargo.toml", ""), ("go.mod", ""), ("Makefile", "test:\n")];
        assert_eq!(found(two), "cargo: cargo test --quiet; go: go test ./...");
    }

    #[test]
    fn what_says_nothing_is_not_guessed_from() {
        assert_eq!(
            found([("package.json", r#"{"scripts": {"test": "echo \"Error: no test specified\" && exit 1"}}"#)]),
            ""
        );
        assert_eq!(found([("Makefile", "tests:\ntest := 1\n\ttest: x\n")]), "");
        assert_eq!(found([("pyproject.toml", "[project]")]), "");
        assert_eq!(found([]), "");
    }
}
