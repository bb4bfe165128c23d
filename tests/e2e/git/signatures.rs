//! Signed revisions, on real keys: what is signed by a key of the source is good, and nothing else is, whatever others have
//! configured, pushed or forged.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use gastown::clock::SystemClock;
use gastown::town::{Places, Town};
use gastown::world::exec::{Exec, prepared};
use gastown::world::real::Real;
use gastown::world::session::program;
use gastown_controllers::world::{AskRevision, At, Found, Origin, Owner, Seen, Signature, Sources};
use gastown_crds::source::Verify;

use crate::alone::{is_alone, passes_alone};

/// Far longer than a key takes to be made.
const WAIT_MAX: Duration = Duration::from_mins(1);

const TOWN: &str = "kind: Town\nmetadata: {name: town, namespace: home, annotations: {gastown.io/town-uid: 0000000a-0000-4000-8000-00000000000d}}\n";

/// What the PATH of people is, where the town's is another.
const PATH: &str = "GT_TEST_PATH";

/// A repository that a source reads, and people who sign.
struct Signed {
    real: Real,
    dir: tempfile::TempDir,
    _runtime: tokio::runtime::Runtime,
}

/// Who signs, and how.
#[derive(Clone, Copy)]
enum By {
    Nobody,
    Ssh(&'static str),
    Pgp(&'static str),
}

impl Signed {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (root, home) = (dir.path(), dir.path().join("town"));
        fs_err::create_dir(&home).unwrap();
        fs_err::write(home.join("town.yaml"), TOWN).unwrap();
        let places =
            Places { data_home: root.join("d"), state_home: root.join("s"), temp: root.into(), user: 0, session: None };
        let town = Town::open(&home, &places).unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let _context = runtime.enter();
        let gt = PathBuf::from(env!("CARGO_BIN_EXE_gt"));
        let (real, _wakes) = Real::open(&town, &gt, None, Arc::new(SystemClock)).unwrap();
        let signed = Self { real, dir, _runtime: runtime };
        signed.git(&["init", "-q"]);
        signed
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn home(&self) -> PathBuf {
        self.path("town")
    }

    fn run(&self, exec: Exec) -> String {
        let path = std::env::var_os(PATH).or_else(|| std::env::var_os("PATH")).unwrap_or_default();
        let exec = exec.cwd(self.home()).env("PATH", path).env("GNUPGHOME", self.path("gnupg")).limit(WAIT_MAX);
        let out = exec.run().unwrap();
        assert!(out.ok(), "{}", out.complaint());
        out.text()
    }

    fn git(&self, args: &[&str]) -> String {
        let identity = ["-c", "user.name=t", "-c", "user.email=t@town.invalid", "-c", "init.defaultBranch=main"];
        self.run(Exec::new("git").args(identity).args(args))
    }

    /// A new ssh key, and its line in a file of signers.
    fn ssh_key(&self, name: &str, options: &str) -> String {
        self.run(Exec::new("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(self.path(name)));
        let public = fs_err::read_to_string(self.path(&format!("{name}.pub"))).unwrap();
        format!("{name}@example.org {options}{public}")
    }

    /// A new key of PGP; one that was made long ago and for a day has expired. Its public part.
    fn pgp_key(&self, name: &str, expired: bool) -> String {
        let home = self.path("gnupg");
        if !home.exists() {
            fs_err::create_dir(&home).unwrap();
            fs_err::set_permissions(&home, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
        }
        let who = format!("{name} <{name}@example.org>");
        let gpg = || Exec::new("gpg").args(["--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", ""]);
        let then = ["--faked-system-time", "20200101T000000!"];
        let made = if expired { gpg().args(then) } else { gpg() };
        let lasts = if expired { "1d" } else { "0" };
        self.run(made.args(["--quick-gen-key", &who, "ed25519", "sign", lasts]));
        self.run(Exec::new("gpg").args(["--batch", "--armor", "--export", &format!("{name}@example.org")]))
    }

    fn signing(&self, by: By) -> Vec<String> {
        let set = |settings: &[String]| settings.iter().flat_map(|it| ["-c".to_owned(), it.clone()]).collect();
        match by {
            By::Nobody => Vec::new(),
            By::Ssh(key) => {
                set(&["gpg.format=ssh".to_owned(), format!("user.signingKey={}", self.path(key).display())])
            }
            By::Pgp(key) => {
                let old = self.path("old-gpg");
                fs_err::write(&old, "#!/bin/sh\nexec gpg --faked-system-time 20200101T010000! \"$@\"\n").unwrap();
                fs_err::set_permissions(&old, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
                let gpg = if key == "old" { old.display().to_string() } else { "gpg".to_owned() };
                set(&[format!("gpg.program={gpg}"), format!("user.signingKey={key}@example.org")])
            }
        }
    }

    fn commit(&self, subject: &str, by: By) -> String {
        let settings = self.signing(by);
        let mut args: Vec<&str> = settings.iter().map(String::as_str).collect();
        args.extend(["commit", "-q", "--allow-empty", "-m", subject]);
        args.extend((!settings.is_empty()).then_some("-S"));
        self.git(&args);
        self.git(&["rev-parse", "HEAD"])
    }

    fn tag(&self, name: &str, by: By) -> String {
        let settings = self.signing(by);
        let mut args: Vec<&str> = settings.iter().map(String::as_str).collect();
        args.extend(["tag", "-f", "-m", "a tag", name]);
        args.extend((!settings.is_empty()).then_some("-s"));
        self.git(&args);
        self.git(&["rev-parse", &format!("refs/tags/{name}")])
    }

    /// What the source takes a signature for.
    fn signature(&self, at: At, verify: &Verify) -> Signature {
        let origin = Origin::Path { path: ".".into(), at, folder: String::new() };
        let source = Owner { kind: "Source".into(), name: "live".into(), uid: "source-1".into() };
        match self.real.revision(&AskRevision { source, origin, verify: Some(verify.clone()) }) {
            Seen::Known(Found::At(revision)) => revision.signature,
            other => panic!("{other:?}"),
        }
    }

    fn why(&self, at: At, verify: &Verify) -> String {
        match self.signature(at, verify) {
            Signature::Refused(why) => why,
            other => panic!("{other:?}"),
        }
    }

    /// An object that somebody writes by hand.
    fn forge(&self, kind: &str, text: &str) -> String {
        self.run(Exec::new("git").args(["hash-object", "-w", "--stdin", "--literally", "-t", kind]).stdin(text))
    }
}

impl Drop for Signed {
    fn drop(&mut self) {
        // The agent of its own keyring, which gpg has started to make keys.
        let home = self.path("gnupg");
        if home.exists() {
            drop(Exec::new("gpgconf").args(["--kill", "gpg-agent"]).env("GNUPGHOME", home).run());
        }
    }
}

#[expect(clippy::print_stderr, reason = "a test that does nothing says so")]
fn has(program: &str) -> bool {
    let is_there = program::find(program, &std::env::var_os("PATH").unwrap_or_default()).is_some();
    if !is_there {
        eprintln!("SKIPPED: {program} is missing");
    }
    is_there
}

fn ssh(file: &str) -> Verify {
    Verify { allowed_signers: Some(file.into()), pgp_keys: None }
}

#[test]
fn a_commit_is_taken_by_the_ssh_keys_of_its_source_alone() {
    if !has("ssh-keygen") {
        return;
    }
    let t = Signed::new();
    let write = |file: &str, text: &str| fs_err::write(t.home().join(file), text).unwrap();
    let (kim, other, late) =
        (t.ssh_key("kim", ""), t.ssh_key("other", ""), t.ssh_key("late", "valid-before=\"20200101\" "));
    write("signers", &format!("{kim}{late}"));
    let verify = ssh("signers");
    let head = || t.signature(At::Head, &verify);
    let why = || t.why(At::Head, &verify);
    t.commit("plain", By::Nobody);
    assert_eq!(why(), "it is not signed");
    let good = t.commit("good", By::Ssh("kim"));
    assert_eq!(head(), Signature::Good);
    t.commit("by another", By::Ssh("other"));
    assert!(why().starts_with("the key that signed it, SHA256:") && why().contains("`allowedSigners`"), "{}", why());
    t.commit("too late", By::Ssh("late"));
    assert!(why().contains("was not when it was signed"), "{}", why());

    // A signature that was made for something else.
    let text = t.git(&["cat-file", "commit", &good]);
    let forged = t.forge("commit", &(text.replace("\n\ngood", "\n\nevil") + "\n"));
    t.git(&["reset", "-q", "--soft", &forged]);
    assert_eq!(why(), "its signature is that of something else");
    // A good commit that refs say is another: its files would be those of somebody who cannot sign.
    let evil = t.commit("evil", By::Nobody);
    t.git(&["reset", "-q", "--soft", &good]);
    t.git(&["replace", &good, &evil]);
    assert_eq!(head(), Signature::Good, "and what is read of it is what was signed");
    t.git(&["replace", "-d", &good]);

    // Whatever a repository's own settings name for a program, or for keys.
    t.commit("by another again", By::Ssh("other"));
    write("others", &other);
    for (name, value) in [
        ("gpg.program", "true"),
        ("gpg.ssh.program", "true"),
        ("gpg.ssh.allowedSignersFile", t.home().join("others").to_str().unwrap()),
        ("gpg.minTrustLevel", "never"),
    ] {
        t.git(&["config", name, value]);
    }
    assert!(why().contains("is not in `allowedSigners`"), "{}", why());
    // With other keys the same commit is looked at again.
    assert_eq!(t.signature(At::Head, &ssh("others")), Signature::Good);
    write("signers", &format!("{kim}{other}"));
    assert_eq!(head(), Signature::Good);
    write("signers", "");
    assert!(why().contains("is not in `allowedSigners`"), "{}", why());

    // Keys that are missing, or are somebody else's, are no keys: nothing is taken for good.
    assert!(
        matches!(t.signature(At::Head, &ssh("none")), Signature::Unchecked(why) if why.contains("no file of keys"))
    );
    std::os::unix::fs::symlink(t.path("kim.pub"), t.home().join("link")).unwrap();
    assert!(matches!(t.signature(At::Head, &ssh("link")), Signature::Unchecked(why) if why.contains("leads out")));
    let pgp = Verify { allowed_signers: None, pgp_keys: Some("signers".into()) };
    assert_eq!(t.why(At::Head, &pgp), "it is signed with an ssh key, and `verify` has no `allowedSigners`");
}

#[test]
fn a_tag_is_taken_by_its_own_signature_and_its_own_name() {
    if !has("ssh-keygen") {
        return;
    }
    let t = Signed::new();
    let (kim, _) = (t.ssh_key("kim", ""), t.ssh_key("other", ""));
    fs_err::write(t.home().join("signers"), kim).unwrap();
    let verify = ssh("signers");
    let tag = |name: &str| At::Tag(name.to_owned());
    t.commit("plain", By::Nobody);
    t.git(&["tag", "light"]);
    t.tag("heavy", By::Nobody);
    assert_eq!((t.why(tag("light"), &verify), t.why(tag("heavy"), &verify)).0, "it is not signed");
    assert_eq!(t.why(tag("heavy"), &verify), "it is not signed");
    // Who signs a tag answers for the commit that it names.
    let first = t.tag("v1", By::Ssh("kim"));
    assert_eq!(t.signature(tag("v1"), &verify), Signature::Good);
    t.git(&["update-ref", "refs/tags/v2", &first]);
    assert_eq!(t.why(tag("v2"), &verify), "the tag `v2` was signed as `v1`");
    assert_eq!(t.signature(tag("v1"), &verify), Signature::Good);
    t.tag("v3", By::Ssh("other"));
    assert!(t.why(tag("v3"), &verify).contains("is not in `allowedSigners`"));
    // Nor does the signature of its commit make a bad one of a tag good.
    t.commit("good", By::Ssh("kim"));
    t.tag("v3", By::Ssh("other"));
    assert!(t.why(tag("v3"), &verify).contains("is not in `allowedSigners`"));
    t.tag("heavy", By::Nobody);
    assert_eq!(t.signature(tag("heavy"), &verify), Signature::Good, "its commit is signed, and it says nothing else");
}

#[test]
fn pgp_keys_are_those_of_the_file_and_not_those_of_a_keyring() {
    if !has("gpg") || !has("gpgconf") {
        return;
    }
    let t = Signed::new();
    let (kim, other, old) = (t.pgp_key("kim", false), t.pgp_key("other", false), t.pgp_key("old", true));
    let write = |file: &str, text: &str| fs_err::write(t.home().join(file), text).unwrap();
    write("keys.asc", &format!("{kim}\n{old}\n"));
    let verify = Verify { allowed_signers: None, pgp_keys: Some("keys.asc".into()) };
    let why = || t.why(At::Head, &verify);
    t.commit("good", By::Pgp("kim"));
    assert_eq!(t.signature(At::Head, &verify), Signature::Good);
    t.tag("v1", By::Pgp("kim"));
    assert_eq!(t.signature(At::Tag("v1".into()), &verify), Signature::Good);
    t.commit("by another", By::Pgp("other"));
    assert!(why().contains("is not in `pgpKeys`"), "{}", why());
    t.commit("by an old one", By::Pgp("old"));
    assert_eq!(why(), "the key that signed it has expired");
    let good = t.git(&["cat-file", "commit", "HEAD~2"]);
    let forged = t.forge("commit", &(good.replace("\n\ngood", "\n\nevil") + "\n"));
    t.git(&["reset", "-q", "--soft", &forged]);
    assert_eq!(why(), "its signature is that of something else");
    write("keys.asc", &other);
    t.commit("by another", By::Pgp("other"));
    assert_eq!(t.signature(At::Head, &verify), Signature::Good);
    for (text, said) in
        [("no keys", "gpg cannot read `pgpKeys`"), ("-----BEGIN PGP PRIVATE KEY BLOCK-----\n", "holds a private key")]
    {
        write("keys.asc", text);
        let signature = t.signature(At::Head, &verify);
        assert!(matches!(&signature, Signature::Unchecked(why) if why.contains(said)), "{signature:?}");
    }
}

/// A signature that was checked is not checked again, and a look at what did not move starts no program.
#[test]
fn a_signature_is_checked_once_by_the_same_keys() {
    if !is_alone() {
        return passes_alone("git::signatures::a_signature_is_checked_once_by_the_same_keys", &[]);
    }
    let t = Signed::new();
    let kim = t.ssh_key("kim", "");
    fs_err::write(t.home().join("signers"), &kim).unwrap();
    let verify = ssh("signers");
    t.commit("plain", By::Nobody);
    t.commit("good", By::Ssh("kim"));
    let rests = |wanted: &Signature| {
        let until = Instant::now() + WAIT_MAX;
        loop {
            let before = prepared();
            assert_eq!(t.signature(At::Head, &verify), *wanted);
            if prepared() == before {
                return;
            }
            assert!(Instant::now() < until, "it never rests");
        }
    };
    rests(&Signature::Good);
    let costs = |args: &[&str]| {
        t.git(args);
        let before = prepared();
        let signature = t.signature(At::Head, &verify);
        (prepared() - before, signature)
    };
    // It is looked where the repository is, what is there and who has signed it; then only where and what.
    let refused = Signature::Refused("it is not signed".to_owned());
    assert_eq!(costs(&["reset", "-q", "--soft", "HEAD~1"]), (3, refused.clone()));
    assert_eq!(costs(&["reset", "-q", "--soft", "ORIG_HEAD"]), (2, Signature::Good));
    assert_eq!(costs(&["reset", "-q", "--soft", "HEAD~1"]), (2, refused));
    // Other keys are another question: what is signed is read, and git checks it.
    t.git(&["reset", "-q", "--soft", "ORIG_HEAD"]);
    rests(&Signature::Good);
    fs_err::write(t.home().join("signers"), format!("{kim}\n")).unwrap();
    let before = prepared();
    assert_eq!(t.signature(At::Head, &verify), Signature::Good);
    assert_eq!(prepared() - before, 2);
    rests(&Signature::Good);
}

/// Without the program that could say so, nothing is good.
#[test]
fn a_missing_program_is_said_and_nothing_is_taken_for_good() {
    const TEST: &str = "git::signatures::a_missing_program_is_said_and_nothing_is_taken_for_good";
    if !has("ssh-keygen") {
        return;
    }
    if !is_alone() {
        let (bin, path) = (tempfile::tempdir().unwrap(), std::env::var("PATH").unwrap());
        let git = program::find("git", path.as_ref()).unwrap();
        std::os::unix::fs::symlink(git, bin.path().join("git")).unwrap();
        let [few, all] = [format!("PATH={}", bin.path().display()), format!("{PATH}={path}")];
        return passes_alone(TEST, &["env", &few, &all]);
    }
    let t = Signed::new();
    fs_err::write(t.home().join("signers"), t.ssh_key("kim", "")).unwrap();
    fs_err::write(t.home().join("keys.asc"), "-----BEGIN PGP PUBLIC KEY BLOCK-----\n").unwrap();
    t.commit("good", By::Ssh("kim"));
    let said = |verify: &Verify| match t.signature(At::Head, verify) {
        Signature::Unchecked(why) => why,
        other => panic!("{other:?}"),
    };
    assert!(said(&ssh("signers")).starts_with("`ssh-keygen` is not installed here"), "{}", said(&ssh("signers")));
    // What needs no gpg does not ask for it.
    let both = Verify { allowed_signers: Some("signers".into()), pgp_keys: Some("keys.asc".into()) };
    assert!(said(&both).starts_with("`ssh-keygen` is not installed here"), "{}", said(&both));
    let text = t.git(&["cat-file", "commit", "HEAD"]).replace("SSH SIGNATURE", "PGP SIGNATURE");
    let forged = t.forge("commit", &(text + "\n"));
    t.git(&["reset", "-q", "--soft", &forged]);
    assert!(said(&both).starts_with("`gpg` is not installed here"), "{}", said(&both));
}
