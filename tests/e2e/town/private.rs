//! A source in a private repository, over real HTTP: what its remote asks for is given to it alone, and stands in its own file
//! and nowhere else.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use gastown::world::session::program;

use super::harness::{Town, git, walk};
use super::http::Private;
use super::source::{commit, formula, formulas, is_live, settles, source_is};

/// A file that is its owner's alone, or anybody's.
fn write(path: &Path, text: &str, mode: u32) {
    fs_err::write(path, text).unwrap();
    fs_err::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

fn source(url: &str, secret: &str) -> String {
    format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Source\nmetadata: {{ name: far }}\nspec: {{ git: {{ url: '{url}', branch: main, secretRef: {secret} }}, prune: true }}\n"
    )
}

/// All that is written below the test's folder and holds a text, but for one file.
fn told(town: &Town, text: &str, but: &Path) -> Vec<String> {
    let holds = |file: &Path| fs_err::read(file).is_ok_and(|it| it.windows(text.len()).any(|it| it == text.as_bytes()));
    let files = walk(&town.path("")).into_iter().filter(|file| file != but && holds(file));
    files.map(|file| file.display().to_string()).collect()
}

#[test]
fn a_password_is_given_to_its_remote_alone_and_stands_nowhere_else() {
    let town = Town::live();
    let bare = town.repo("declared", &[("f.yaml", &formula("a", "true"))]);
    let server = Private::of(&town.path("repos"), "git:first-s3cret");
    let url = format!("http://127.0.0.1:{}/declared.git", server.port);
    let token = town.path("home/token");
    write(&token, "first-s3cret\n", 0o600);
    // Every argument of every git that the town starts.
    let (path, said) = (std::env::var("PATH").unwrap(), town.path("arguments"));
    let real = program::find("git", path.as_ref()).unwrap();
    fs_err::create_dir(town.path("bin")).unwrap();
    let shim = format!("#!/bin/sh\nprintf '%s\\n' \"$*\" >> '{}'\nexec '{}' \"$@\"\n", said.display(), real.display());
    write(&town.path("bin/git"), &shim, 0o755);
    let path = format!("{}:{path}", town.path("bin").display());
    assert!(town.gt(&["up"]).env("PATH", path).run().unwrap().ok());
    town.apply(&source(&url, "{ file: ~/token }"));
    settles(&town, "far", "Ok");
    assert_eq!(formulas(&town), ["a"]);
    assert!(fs_err::read_to_string(&said).unwrap().contains("ls-remote"));

    // The remote takes another one from now on, and says again what it was told.
    server.asks_for("git:second-s3cret");
    let work = town.path("work/declared");
    fs_err::write(work.join("f.yaml"), formula("b", "true")).unwrap();
    commit(&town, &work, "b");
    git(&work, &["push", "-q", bare.to_str().unwrap(), "HEAD:main"]);
    town.run(&["source", "sync", "far", "--timeout", "1s"]);
    let source = settles(&town, "far", "AuthRequired");
    let said = source["status"]["conditions"].to_string();
    assert!(said.contains("secretRef") && said.contains("denied: Basic ***"), "{said}");
    assert_eq!(formulas(&town), ["a"], "what is live stays");
    write(&token, "second-s3cret\n", 0o644);
    town.run(&["source", "sync", "far", "--timeout", "1s"]);
    source_is(&town, "far", "nobody else may read it", |it| it["status"].to_string().contains("chmod 600"));
    write(&token, "second-s3cret\n", 0o600);
    is_live(&town, "far");
    assert_eq!(formulas(&town), ["b"]);

    // It is not given to where the remote sends those who ask.
    let thief = Private::of(&town.path("repos"), "nobody:knows");
    server.sends_to(Some(thief.port));
    town.run(&["source", "sync", "far", "--timeout", "1s"]);
    settles(&town, "far", "AuthRequired");
    assert_eq!(thief.given(), Vec::<String>::new());
    server.sends_to(None);
    is_live(&town, "far");

    for what in [&["get", "source", "far", "-o", "yaml"][..], &["describe", "source/far"], &["status"]] {
        assert!(!town.ok(what).contains("s3cret"), "{what:?}");
    }
    for text in ["first-s3cret", "second-s3cret", "Z2l0OmZpcnN0", "Z2l0OnNlY29uZ"] {
        assert_eq!(told(&town, text, &token), Vec::<String>::new(), "{text}");
    }
}

#[test]
fn a_program_may_print_the_secret_and_a_name_goes_with_it() {
    let town = Town::live();
    town.repo("declared", &[("f.yaml", &formula("a", "true"))]);
    let server = Private::of(&town.path("repos"), "kim:s3cret");
    let url = format!("http://127.0.0.1:{}/declared.git", server.port);
    town.up();
    // It prints something else at first, more than one line: nothing is asked of the remote with that.
    let token = town.file("home/token", "s3cret\nusername=root\n");
    town.apply(&source(&url, &format!("{{ username: kim, command: [cat, '{}'] }}", token.display())));
    settles(&town, "far", "AuthRequired");
    assert_eq!(server.given(), Vec::<String>::new());
    town.file("home/token", "s3cret\n");
    settles(&town, "far", "Ok");
    assert_eq!(formulas(&town), ["a"]);
    assert!(server.given().iter().all(|given| given == "kim:s3cret"), "{:?}", server.given());
}
