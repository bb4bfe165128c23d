//! Webhooks: a push to a repository elsewhere is live as soon as its host says so, and who does not know the secret changes
//! nothing.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use data_encoding::HEXLOWER;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::harness::{Town, WAIT_MAX, git, wait_until};
use super::source::{Served, commit, formula, formulas, settles};

const SECRET: &str = "It's a Secret to Everybody";

/// A call as its host makes it: the code of the answer, and what that says.
fn call(port: u16, head: &str, headers: &[(&str, &str)], body: &str) -> (String, String) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(WAIT_MAX)).unwrap();
    let headers: Vec<String> = headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let (headers, length) = (headers.concat(), body.len());
    write!(stream, "{head} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {length}\r\n\r\n{body}").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let code = answer.split(' ').nth(1).unwrap_or_default().to_owned();
    (code, answer.rsplit("\r\n\r\n").next().unwrap_or_default().trim().to_owned())
}

/// The digest that GitHub and Gitea send.
fn digest(body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).unwrap();
    mac.update(body.as_bytes());
    HEXLOWER.encode(&mac.finalize().into_bytes())
}

/// Somebody pushes a file that declares one formula.
fn push(town: &Town, bare: &Path, name: &str) {
    let work = town.path("work/declared");
    fs_err::write(work.join("f.yaml"), formula(name, "true")).unwrap();
    commit(town, &work, name);
    git(&work, &["push", "-q", bare.to_str().unwrap(), "HEAD:main"]);
}

#[test]
fn a_signed_call_has_its_source_look_and_no_other_does() {
    let town = Town::live();
    let bare = town.repo("declared", &[("f.yaml", &formula("a", "true"))]);
    let server = Served::of(&town.path("repos"));
    let secret = town.file("home/hook", &format!("{SECRET}\n"));
    fs_err::set_permissions(&secret, PermissionsExt::from_mode(0o600)).unwrap();
    let refused = town.run(&["up", "--webhook", "0.0.0.0:8787"]);
    assert!(refused.complaint().contains("an address of this machine alone"), "{}", refused.complaint());
    town.ok(&["up", "--webhook", "127.0.0.1:0"]);
    let port = wait_until(&town, "the log says at which port", || {
        let log = town.log();
        let address = log.split("takes webhooks address=127.0.0.1:").nth(1)?;
        address.split_once('\n')?.0.parse().ok()
    });
    town.apply(&format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Source\nmetadata: {{ name: far }}\nspec: {{ git: {{ url: 'git://127.0.0.1:{}/declared.git', branch: main, interval: 100h, webhook: {{ secretFile: ~/hook }} }}, prune: true }}\n",
        server.port
    ));
    settles(&town, "far", "Ok");
    push(&town, &bare, "b");

    let body = r#"{"ref":"refs/heads/main","repository":{"full_name":"kim/declared"}}"#;
    let (right, wrong) = (format!("sha256={}", digest(body)), format!("sha256={}", digest("another body")));
    let github = [("X-GitHub-Event", "push"), ("X-Hub-Signature-256", right.as_str())];
    for (head, headers, code) in [
        ("POST /far", &[("X-GitHub-Event", "push"), ("X-Hub-Signature-256", wrong.as_str())][..], "401"),
        ("POST /far", &[("X-GitHub-Event", "push")], "401"),
        ("POST /far", &[("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", "a guess")], "401"),
        ("POST /nobody", &github, "404"),
        ("POST /town", &github, "404"),
        ("POST /far/../town", &github, "404"),
        ("GET /far", &github, "405"),
        ("POST /far", &[("X-GitHub-Event", "ping"), ("X-Hub-Signature-256", right.as_str())], "202"),
    ] {
        let (answer, said) = call(port, head, headers, body);
        assert_eq!(answer, code, "{head} {headers:?}: {said}");
        assert!(!said.contains("Secret"), "{said}");
    }
    // What is too large is not waited for.
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(stream, "POST /far HTTP/1.1\r\nHost: localhost\r\nContent-Length: 20000000\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(town.json(&["source", "far"])["metadata"]["annotations"]["gastown.io/refresh"].is_null());
    assert_eq!(formulas(&town), ["a"]);

    assert_eq!(call(port, "POST /far", &github, body), ("202".into(), "source `far` looks".into()));
    wait_until(&town, "the push is live", || (formulas(&town) == ["b"]).then_some(()));
    // Many calls are one look, and the last of them is not lost; and so the other hosts do it.
    let gitea = digest(body);
    push(&town, &bare, "c");
    for _ in 0..20 {
        let gitea = [("X-Gitea-Event", "push"), ("X-Gitea-Signature", gitea.as_str())];
        assert_eq!(call(port, "POST /far", &gitea, body).0, "202");
        assert_eq!(
            call(port, "POST /far", &[("X-Gitlab-Event", "Push Hook"), ("X-Gitlab-Token", SECRET)], body).0,
            "202"
        );
    }
    wait_until(&town, "the other push is live", || (formulas(&town) == ["c"]).then_some(()));
    // A secret that others may read is none.
    fs_err::set_permissions(&secret, PermissionsExt::from_mode(0o644)).unwrap();
    assert_eq!(call(port, "POST /far", &github, body).0, "503");
    wait_until(&town, "the log says why", || town.log().contains("chmod 600").then_some(()));
    assert!(!town.log().contains("a Secret"), "{}", town.log());
}
