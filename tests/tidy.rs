//! The house is kept: every file says what it is, and no snapshot is left behind.
#![allow(clippy::unwrap_used, clippy::needless_pass_by_value, reason = "a test that cannot be set up has failed")]

use std::path::{Path, PathBuf};

use gastown::insight;
use gastown_crds::KINDS;
use gastown_crds::kinds::Role;

fn files(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs_err::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(path);
        }
    }
}

fn below(dirs: &[&str]) -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for dir in dirs {
        files(&root.join(dir), &mut found);
    }
    found.sort();
    found
}

const OURS: [&str; 8] =
    ["benches", "src", "crds/src", "crds/tests", "controllers/src", "controllers/tests", "tests", "manifests"];

#[test]
fn every_source_file_says_what_it_is_in_its_first_line() {
    let mut silent = Vec::new();
    for file in below(&OURS) {
        let start = match file.extension().and_then(|e| e.to_str()) {
            Some("rs") => "//! ",
            Some("sh") => "#",
            _ => continue,
        };
        if !fs_err::read_to_string(&file).unwrap().starts_with(start) {
            silent.push(file);
        }
    }
    assert!(silent.is_empty(), "these say nothing of themselves: {silent:#?}");
}

/// The file is where a crate, or a program of tests, begins; Cargo finds it by itself.
fn is_a_root(file: &Path) -> bool {
    let folder = file.parent().and_then(Path::file_name).unwrap_or_default();
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    ["lib.rs", "main.rs", "build.rs"].contains(&name.as_ref()) || folder == "tests"
}

#[test]
fn every_source_file_is_a_module_of_the_one_above_it() {
    let mut left_out = Vec::new();
    for file in below(&OURS) {
        if file.extension().is_none_or(|it| it != "rs") || is_a_root(&file) {
            continue;
        }
        // `git/mod.rs` is the module `git` of the folder above, or of the file of that folder's name.
        let module = if file.ends_with("mod.rs") { file.parent().unwrap() } else { &file };
        let (folder, name) = (module.parent().unwrap(), module.file_stem().unwrap().to_string_lossy().into_owned());
        let mut above: Vec<_> = ["lib.rs", "main.rs", "mod.rs"].iter().map(|it| folder.join(it)).collect();
        above.push(folder.with_extension("rs"));
        let line = regex::Regex::new(&format!(r"(?m)^ *(pub(\([a-z: ]+\))? )?mod {name};")).unwrap();
        let texts = above.iter().filter_map(|it| fs_err::read_to_string(it).ok());
        if !texts.into_iter().any(|text| line.is_match(&text)) {
            left_out.push(format!("{}: nothing says `mod {name};`", file.display()));
        }
    }
    assert!(left_out.is_empty(), "these are not compiled: {left_out:#?}");
}

#[test]
fn no_snapshot_waits_for_review() {
    let pending = |path: &PathBuf| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        name.ends_with(".snap.new") || name.ends_with(".pending-snap")
    };
    let left: Vec<_> = below(&OURS).into_iter().filter(pending).collect();
    assert!(left.is_empty(), "accept or delete these: {left:#?}");
}

#[test]
fn every_link_of_a_document_leads_to_a_file() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let link = regex::Regex::new(r"\]\(([^)#\s]+)").unwrap();
    let mut dead = Vec::new();
    let own = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "RELIABILITY.md", "CHANGELOG.md"].map(PathBuf::from);
    let below = below(&["examples", "benches"]).into_iter().filter(|path| path.ends_with("README.md"));
    for document in own.into_iter().chain(below) {
        let text = fs_err::read_to_string(root.join(&document)).unwrap();
        let links = link.captures_iter(&text).map(|found| found[1].to_owned());
        let folder = root.join(&document).parent().unwrap().to_owned();
        let document = document.display();
        let gone = |link: &String| !link.contains("://") && !folder.join(link).exists();
        dead.extend(links.filter(gone).map(|link| format!("{document}: {link}")));
    }
    assert!(dead.is_empty(), "there is no such file: {dead:#?}");
}

/// `MergeRequest` is in `merge_request.rs`.
fn file_of(kind: &str) -> String {
    let mut file = String::new();
    for c in kind.chars() {
        if c.is_uppercase() && !file.is_empty() {
            file.push('_');
        }
        file.extend(c.to_lowercase());
    }
    file
}

/// What a kind consists of, beside its row: whoever adds one and forgets a part is told which.
#[test]
fn every_kind_is_whole() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let readme = fs_err::read_to_string(root.join("README.md")).unwrap();
    let mut lacking = Vec::new();
    for kind in KINDS {
        let file = file_of(kind.name);
        for (part, path) in [
            ("type", format!("crds/src/kinds/{file}.rs")),
            ("definition", format!("crds/gastown.io_{}.yaml", kind.plural)),
        ] {
            if !root.join(&path).is_file() {
                lacking.push(format!("{} has no {part}: {path}", kind.name));
            }
        }
        let controllers = ["", "/mod"].map(|end| format!("controllers/src/kinds/{file}{end}.rs"));
        if kind.role == Role::Reconciled && !controllers.iter().any(|path| root.join(path).is_file()) {
            lacking.push(format!("{} has no controller: {}", kind.name, controllers[0]));
        }
        let test = format!("controllers/tests/reconcile/{file}.rs");
        if kind.role == Role::Reconciled && !root.join(&test).is_file() {
            lacking.push(format!("{} has no reconcile test: {test}", kind.name));
        }
        let line = format!("| `{}` | {} |", kind.name, kind.purpose);
        if !readme.contains(&line) {
            lacking.push(format!("{} is not in the README's table of kinds: {line}", kind.name));
        }
    }
    // A type, or a file about it for people, that somebody wrote and did not register.
    for path in children("src/insight/kinds") {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        if name != "mod" && !insight::kinds::KINDS.iter().any(|kind| file_of(kind.name) == name) {
            lacking.push(format!("{} is in no row of insight's KINDS", path.display()));
        }
    }
    for path in below(&["crds/src/kinds"]) {
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        // What belongs to one kind is in a folder of its name.
        if path.parent().is_some_and(|folder| !folder.ends_with("kinds")) {
            continue;
        }
        if !["mod", "kind"].contains(&name.as_str()) && !KINDS.iter().any(|kind| file_of(kind.name) == name) {
            lacking.push(format!("{} is in no row of the registry", path.display()));
        }
    }
    assert!(lacking.is_empty(), "{lacking:#?}");
}

/// The files and folders right below a folder.
fn children(dir: &str) -> Vec<PathBuf> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(dir);
    fs_err::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn the_table_of_the_quickstart_lists_what_is_there() {
    let readme = fs_err::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/quickstart/README.md"));
    let readme = readme.unwrap();
    for folder in ["town", "rigs"] {
        for path in children(&format!("examples/quickstart/{folder}")) {
            let line = format!("| `{folder}/{}` | ", path.file_name().unwrap().to_string_lossy());
            assert!(readme.contains(&line), "the quickstart's README has no line {line}…");
        }
    }
}

/// The lines of the files below `dirs` that name one of `words`; comments may.
fn naming(dirs: &[&str], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in below(dirs) {
        let text = fs_err::read_to_string(&file).unwrap();
        let code = |line: &&str| !line.trim_start().starts_with("//");
        let named = |line: &&str| words.iter().any(|word| line.contains(word));
        found.extend(text.lines().filter(code).filter(named).map(|line| format!("{}: {line}", file.display())));
    }
    found
}

#[test]
fn insight_knows_no_command_no_api_no_world_and_no_terminal() {
    // The other parts are crates that its Cargo.toml does not name.
    let words = [
        "fs_err",
        "print!",
        "println",
        "std::env",
        "std::fs",
        "std::io",
        "std::process",
        "SystemTime",
        "Timestamp::now",
        "tokio::",
    ];
    let found = naming(&["src/insight"], &words);
    assert!(found.is_empty(), "insight is computed from a snapshot alone: {found:#?}");
}

#[test]
fn commands_read_attempts_and_jobs_through_their_records() {
    let words = [
        "layout.attempt(",
        "layout.attempts(",
        "layout.job(",
        "layout.job_lock(",
        "gastown_supervisor::records",
        "gastown_supervisor::lock",
    ];
    let found = naming(&["src/agent", "src/bd", "src/cli"], &words);
    assert!(found.is_empty(), "ask `world::records` instead: {found:#?}");
}

/// Cargo compiles what is named and never says that nobody uses it.
#[test]
fn every_dependency_is_used() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let packages = [
        (".", vec!["src/cli", "src/lib.rs", "src/main.rs", "src/manifests.rs", "tests", "benches"]),
        ("crds", vec!["crds/src", "crds/tests"]),
        ("controllers", vec!["controllers/src", "controllers/tests"]),
        ("src/agent", vec!["src/agent"]),
        ("src/api", vec!["src/api"]),
        ("src/base", vec!["src/base"]),
        ("src/bd", vec!["src/bd"]),
        ("src/connect", vec!["src/connect"]),
        ("src/engine", vec!["src/engine"]),
        ("src/insight", vec!["src/insight"]),
        ("src/supervisor", vec!["src/supervisor"]),
        ("src/world", vec!["src/world"]),
    ];
    let mut unused = Vec::new();
    for (package, sources) in packages {
        let code: String = sources.iter().flat_map(|source| below_or_self(source)).collect();
        let manifest = fs_err::read_to_string(root.join(package).join("Cargo.toml")).unwrap();
        let named = manifest.lines().filter_map(|line| line.split_once(".workspace = true").map(|(name, _)| name));
        let settings = ["version", "edition", "rust-version", "license"];
        for name in named.filter(|name| !settings.contains(name)) {
            if !code.contains(&name.replace('-', "_")) {
                unused.push(format!("{package}: {name}"));
            }
        }
    }
    assert!(unused.is_empty(), "these are compiled and not used: {unused:?}");
}

/// The Rust text of a file, or of all files below a folder.
fn below_or_self(source: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(source);
    let files = if path.is_file() { vec![path] } else { below(&[source]) };
    let rust = files.into_iter().filter(|file| file.extension().is_some_and(|it| it == "rs"));
    rust.map(|file| fs_err::read_to_string(file).unwrap()).collect()
}
