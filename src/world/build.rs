//! Builds the supervisor that `gt` carries: a program of its own, since one program has one allocator and one size.
//!
//! Stable Cargo cannot put one program into another (artifact dependencies), so this calls Cargo again. Always as a
//! release: tests run the very program that ships. The workspace's `Cargo.lock` holds, and nothing is downloaded: what
//! the supervisor depends on, the library depends on too.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The package, and the program in it.
const PACKAGE: &str = "gastown-supervisor";
const PROGRAM: &str = "gt-supervisor";

/// The sources of the program.
const SOURCES: [&str; 4] = ["../supervisor", "../base", "../../Cargo.toml", "../../Cargo.lock"];

fn main() {
    let (target, out) = (var("TARGET"), PathBuf::from(var("OUT_DIR")));
    build(&target, &out);
    let program = out.join(target).join("release").join(PROGRAM);
    println!("cargo::rustc-env=GT_SUPERVISOR={}", program.display());
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
}

#[expect(clippy::disallowed_methods, reason = "a build script has no limit to keep, and no crate to take one from")]
fn build(target: &OsString, out: &Path) {
    let mut cargo = Command::new(var("CARGO"));
    cargo.args(["build", "--release", "--frozen", "--package", PACKAGE, "--bin", PROGRAM]);
    cargo.arg("--target").arg(target).arg("--target-dir").arg(out);
    // A build folder of the user's choice is locked by the run that called this.
    cargo.env("CARGO_BUILD_BUILD_DIR", out);
    // `cargo clippy` puts itself in the compiler's place: it looks at that crate as a member of the workspace.
    cargo.env_remove("RUSTC_WORKSPACE_WRAPPER");
    let status = cargo.status().expect("cargo starts: it started this");
    assert!(status.success(), "could not build {PROGRAM}: {status}");
}

fn var(name: &str) -> OsString {
    env::var_os(name).unwrap_or_else(|| panic!("Cargo sets {name}"))
}
