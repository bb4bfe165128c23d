//! Admission: what is wrong with files, objects and sets of objects, as their author reads it.

mod anything;
mod foreign;
mod index;
mod lists;
mod merge_keys;
mod mutated;
mod object;
mod set;
mod text;

/// Every broken manifest, in order: its name, and its bytes.
#[expect(clippy::disallowed_methods, reason = "the crate does no I/O; its tests read their corpus")]
fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpus");
    let entries = std::fs::read_dir(folder).expect("the corpus is committed");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("an entry of the corpus").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending != "told"));
    paths.sort();
    let read = |path: std::path::PathBuf| {
        let bytes = std::fs::read(&path).expect("a file of the corpus");
        (path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default(), bytes)
    };
    paths.into_iter().map(read).collect()
}
