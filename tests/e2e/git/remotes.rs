//! Whatever git can read can be a rig's remote: one whose history is cut off, and branches by any name that git allows.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::mpsc::channel;

use gastown_controllers::world::{Job, Replayed, exit, replay_key};
use gastown_crds::branch;
use gastown_crds::common::Person;

use super::town::{Town, must, sh};

#[test]
fn a_shallow_remote_is_worked_on_and_landed_on() {
    let town = Town::new();
    town.up("for n in 6 7 8; do echo $n >> lines && git commit -qam $n; done");
    let shallow = "mv upstream full && git clone -q --depth=1 file://$PWD/full upstream";
    must(sh(&town.path(""), shallow, &[]));
    town.up("git remote remove origin && git checkout -q --detach && test $(git rev-list --count main) = 1");
    let (code, log) = town.run(&town.clone_job());
    assert_eq!(code, exit::OK, "{log}");

    let worktree = town.polecat("nux", "a");
    town.work("nux", "echo a > a && git add a && git commit -qm a && git fsck --connectivity-only");
    assert_eq!(town.work("nux", "git log --format=%s"), "a\n8");
    let candidate = town.hand_in("nux", "a");
    assert_eq!(gastown::world::git::commits_ahead(&worktree, &candidate.base).unwrap(), 1);

    // The target has moved since.
    town.up("git checkout -q main && echo b > b && git add b && git commit -qm b && git checkout -q --detach");
    town.fetch();
    let onto = town.git.facts(&town.rig, Some("main")).unwrap().target.unwrap();
    let committer = Person { name: "Gas Town".into(), email: "refinery@town.invalid".into() };
    let key = replay_key(&town.rig, &onto, std::slice::from_ref(&candidate), &committer);
    town.git.replay(&town.rig, &key, &onto, &[candidate], &committer).unwrap();
    let Replayed::Clean { commit, .. } = town.git.replayed(&key).unwrap().unwrap().remove(0) else {
        panic!("not clean")
    };
    let (code, log) = town.run(&Job::Push {
        owner: town.rig.clone(),
        url: town.url(),
        branch: "main".into(),
        from: Some(onto),
        to: commit.clone(),
        force: false,
        update_checked_out: false,
        round: 1,
    });
    assert_eq!(code, exit::OK, "{log}");
    assert_eq!(town.main(), commit);
    assert_eq!(town.up("git log --format=%s main && git rev-list --objects main > objects"), "a\nb\n8");
    // Landed is found in what is left of the history, and the worktree is made ready for another bead.
    town.fetch();
    assert!(town.git.facts(&town.rig, Some("main")).unwrap().landed.contains_key("a-mr"));
    town.polecat("nux", "b");
    assert_eq!(town.work("nux", "git log --format=%s"), "a\nb\n8");
}

#[test]
fn a_remote_by_another_hash_is_told() {
    let town = Town::new();
    must(sh(
        &town.upstream(),
        "rm -rf .git && git init -q --object-format=sha256 && git add . && git commit -qm x",
        &[],
    ));
    let (code, log) = town.run(&town.clone_job());
    assert_eq!(code, exit::FAILED);
    assert!(log.contains("names its objects by SHA-256") && log.contains("fast-export"), "{log}");
}

#[test]
fn a_branch_by_any_name_is_fetched_and_begun_at() {
    let town = Town::new();
    let name = r#"#1/ü+(x)&$y;"z'`id`,%s"#;
    let quoted = format!("'{}'", name.replace('\'', r"'\''"));
    town.up(&format!("git branch -- {quoted} && git symbolic-ref HEAD refs/heads/{quoted}"));
    assert_eq!(town.run(&town.clone_job()).0, exit::OK);
    for asked in [Some(name), None] {
        let facts = town.git.facts(&town.rig, asked).unwrap();
        assert_eq!((facts.branch.as_deref(), facts.target), (Some(name), Some(town.main())));
    }
    town.polecat("nux", "a");
    assert_eq!(town.work("nux", "git rev-parse --abbrev-ref origin/HEAD"), format!("origin/{name}"));
}

/// All pairs of these, and each alone, are judged as the git here judges them.
#[test]
fn every_name_of_a_branch_is_judged_as_git_does() {
    let parts = [
        "",
        "a",
        "/",
        ".",
        ".lock",
        "lock",
        "@",
        "{",
        "}",
        "-",
        "~",
        "^",
        ":",
        "?",
        "*",
        "[",
        "]",
        "\\",
        " ",
        "\t",
        "\u{7f}",
        "ä",
        "HEAD",
        "refs/heads/",
        "+",
        "!",
        "'",
        "\u{85}",
        "\u{1}",
    ];
    let names: Vec<String> = parts.iter().flat_map(|a| parts.iter().map(move |b| format!("{a}{b}"))).collect();
    let judge = r#"for name; do git check-ref-format --branch "$name" > /dev/null 2>&1 && echo y || echo n; done"#;
    let exec =
        gastown::world::exec::Exec::new("sh").args(["-c", judge, "sh"]).args(&names).cwd(std::path::Path::new("/"));
    // A git for each of some hundred names.
    let said = exec.limit(std::time::Duration::from_mins(1)).run().unwrap().text();
    let is_told = |(git, name): &(&str, &String)| (*git == "y") == branch::mistake(name).is_none();
    let differ: Vec<_> = said.lines().zip(&names).filter(|judged| !is_told(judged)).collect();
    assert!(differ.is_empty(), "{differ:?}");
    assert_eq!(said.lines().count(), names.len());
}

/// The arguments of all processes that hold this text.
fn arguments_with(text: &str) -> Vec<String> {
    let entries = fs_err::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs_err::read(entry.path().join("cmdline")).ok());
    lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " ")).filter(|line| line.contains(text)).collect()
}

#[test]
fn a_password_of_an_earlier_release_reaches_its_remote_and_no_argument() {
    let town = Town::new();
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = server.local_addr().unwrap();
    let (seen, requests) = channel();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            let mut stream = stream.unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            let said = head.into_iter().find(|line| line.to_lowercase().starts_with("authorization:"));
            let refused = "HTTP/1.1 401 No\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
            seen.send((said, arguments_with("s3%63ret"), arguments_with("s3cret"))).unwrap();
            stream.write_all(refused.as_bytes()).unwrap();
        }
    });
    let url = format!("http://kim:s3%63ret@{at}/shop.git");
    let git = town.git.clone().with_env("no_proxy", "127.0.0.1");
    let mut log = Vec::new();
    let code = git.run_job(&Job::Clone { owner: town.rig.clone(), url, secret: None, lease: None, round: 1 }, &mut log);
    let log = String::from_utf8_lossy(&log);
    assert_eq!(code, exit::AUTH, "{log}");
    assert!(!log.contains("ret@"), "{log}");
    let requests: Vec<_> = requests.try_iter().collect();
    let none = Vec::<String>::new;
    // "kim:s3cret"
    let answer = Some("Authorization: Basic a2ltOnMzY3JldA==".to_owned());
    assert_eq!(requests, [(None, none(), none()), (answer, none(), none())]);
}
