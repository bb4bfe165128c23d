//! Whether a commit or tag is signed by one of the keys that somebody names: the git program says so, by these keys alone.
//!
//! What the user or the repository has configured decides nothing: not their keyrings, not the programs they name. A signature
//! that cannot be checked is never taken for a good one.

use std::io;
use std::path::Path;
use std::time::Duration;

use gastown_controllers::world::Signature;
use tempfile::TempDir;

use super::source::{Object, as_it_is};
use super::{Git, GitError};
use crate::exec::{Exec, ExecError};
use crate::source::keys::Keys;

/// The longest that a signature may take: gpg reads a thousand keys in a second.
const CHECK_MAX: Duration = Duration::from_secs(10);

/// A keyring that asks nobody for anything: no agent, no server of keys. Whoever is in the file of keys is meant, whatever
/// gpg's own web of trust would say.
const GPG_CONF: &str = "batch\nno-tty\nno-autostart\nno-auto-key-retrieve\nno-auto-check-trustdb\ntrust-model always\n";

/// Where the signature begins, by its format.
const BEGINS: [(&str, Format); 4] = [
    ("-----BEGIN SSH SIGNATURE-----", Format::Ssh),
    ("-----BEGIN PGP SIGNATURE-----", Format::Pgp),
    ("-----BEGIN PGP MESSAGE-----", Format::Pgp),
    ("-----BEGIN SIGNED MESSAGE-----", Format::X509),
];

/// Who checks a signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Ssh,
    Pgp,
    X509,
}

impl Git {
    /// Whether what is named, a commit or a tag of this one, is signed by one of these keys. Of a tag without a signature, its
    /// commit's counts. `tag`: the name that the tag has to have, if it is meant by that.
    pub(crate) fn signature(
        &self,
        git_dir: &Path,
        named: &str,
        tag: Option<&str>,
        keys: &Keys,
    ) -> Result<Signature, GitError> {
        let Some(mut object) = self.object(git_dir, named)? else { return Ok(refused("it is not there any more")) };
        if object.kind == "tag" && format(&object).is_none() {
            let Some(commit) = self.object(git_dir, &format!("{named}^{{commit}}"))? else {
                return Ok(refused("its tag names no commit"));
            };
            object = commit;
        }
        let Some(format) = format(&object) else { return Ok(refused("it is not signed")) };
        if let Some(tag) = tag.filter(|_| object.kind == "tag")
            && header(&object.content, "tag ") != Some(tag)
        {
            let other = header(&object.content, "tag ").unwrap_or_default().escape_debug().to_string();
            return Ok(refused(&format!("the tag `{tag}` was signed as `{other}`")));
        }
        match (format, &keys.allowed_signers, &keys.pgp) {
            (Format::Ssh, None, _) => Ok(refused("it is signed with an ssh key, and `verify` has no `allowedSigners`")),
            (Format::Pgp, _, None) => Ok(refused("it is signed with PGP, and `verify` has no `pgpKeys`")),
            (Format::X509, ..) => Ok(refused("it is signed with X.509, and `verify` knows ssh and PGP alone")),
            (Format::Ssh, Some(signers), _) => self.verified(git_dir, &object, signers, None),
            (Format::Pgp, _, Some(pgp)) => self.verified(git_dir, &object, &[], Some(pgp)),
        }
    }

    fn object(&self, git_dir: &Path, name: &str) -> Result<Option<Object>, GitError> {
        Ok(self.objects(git_dir, "read what is signed", [name])?.into_iter().next().flatten())
    }

    /// Has git check the signature, with these keys in a folder of their own.
    fn verified(
        &self,
        git_dir: &Path,
        object: &Object,
        allowed_signers: &[u8],
        pgp: Option<&[u8]>,
    ) -> Result<Signature, GitError> {
        let io = |source: io::Error| GitError::Io { doing: "make a folder for keys".to_owned(), source };
        let dir = TempDir::new().map_err(io)?;
        let (signers, home) = (dir.path().join("allowed_signers"), dir.path().join("gnupg"));
        fs_err::write(&signers, allowed_signers).map_err(io)?;
        if let Err(missing) = self.keyring(&home, pgp)? {
            return Ok(Signature::Unchecked(missing));
        }
        // The names of programs too: those of a repository's own settings could say anything.
        let signers = format!("gpg.ssh.allowedSignersFile={}", signers.display());
        let settings = [
            "gpg.program=gpg",
            "gpg.openpgp.program=gpg",
            "gpg.ssh.program=ssh-keygen",
            "gpg.x509.program=false",
            "gpg.minTrustLevel=undefined",
            &signers,
        ];
        let call = as_it_is(self.call_in(git_dir, "check a signature")).env("GNUPGHOME", &home).limit(CHECK_MAX);
        let call = settings.iter().fold(call, |call, setting| call.arg("-c").arg(setting));
        let verb = if object.kind == "tag" { "verify-tag" } else { "verify-commit" };
        let out = call.args([verb, "--raw", &object.id]).output()?;
        if out.ok() {
            return Ok(Signature::Good);
        }
        let complaint = out.complaint();
        let missing = ["gpg", "ssh-keygen"].into_iter().find(|it| complaint.contains(&format!("cannot run {it}:")));
        if let Some(program) = missing {
            return Ok(Signature::Unchecked(not_installed(program)));
        }
        if complaint.contains("-Y find-principals/verify is needed") {
            return Ok(Signature::Unchecked("ssh-keygen is older than OpenSSH 8.2".to_owned()));
        }
        Ok(refused(&why(&complaint)))
    }

    /// A keyring of these keys alone, or an empty one; or what is missing.
    fn keyring(&self, home: &Path, keys: Option<&[u8]>) -> Result<Result<(), String>, GitError> {
        let make = || {
            fs_err::create_dir(home)?;
            fs_err::set_permissions(home, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
            fs_err::write(home.join("gpg.conf"), GPG_CONF)
        };
        make().map_err(|source| GitError::Io { doing: "make a folder for keys".to_owned(), source })?;
        let Some(keys) = keys else { return Ok(Ok(())) };
        if String::from_utf8_lossy(keys).contains("BEGIN PGP PRIVATE KEY") {
            return Ok(Err("`pgpKeys` holds a private key: it is for public ones, `gpg --export --armor`".to_owned()));
        }
        let import = self.env.iter().fold(Exec::new("gpg"), |exec, (name, value)| exec.env(name, value));
        let import = import.args(["--quiet", "--import"]).env("GNUPGHOME", home).env("LC_ALL", "C");
        match import.stdin(keys).limit(CHECK_MAX).run() {
            Ok(out) if out.ok() => Ok(Ok(())),
            Ok(out) => Ok(Err(format!("gpg cannot read `pgpKeys`: {}", out.complaint()))),
            Err(ExecError::Spawn { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Err(not_installed("gpg")))
            }
            Err(source) => Err(GitError::Exec { doing: "read the keys of `pgpKeys`".to_owned(), source }),
        }
    }
}

/// What is wrong with a signature, by what gpg reports of it (doc/DETAILS of GnuPG) or ssh-keygen says.
fn why(complaint: &str) -> String {
    let reported = |word: &str| {
        let line = complaint.lines().find_map(|line| line.strip_prefix("[GNUPG:] ")?.strip_prefix(word))?;
        Some(line.split_whitespace().next().unwrap_or_default())
    };
    let key = complaint.split_whitespace().find(|word| word.starts_with("SHA256:")).unwrap_or_default();
    if reported("EXPKEYSIG").is_some() {
        "the key that signed it has expired".to_owned()
    } else if reported("REVKEYSIG").is_some() {
        "the key that signed it was revoked".to_owned()
    } else if reported("EXPSIG").is_some() {
        "its signature has expired".to_owned()
    } else if let Some(key) = reported("NO_PUBKEY") {
        format!("the key that signed it, {key}, is not in `pgpKeys`")
    } else if reported("BADSIG").is_some() || complaint.contains("incorrect signature") {
        "its signature is that of something else".to_owned()
    } else if complaint.contains("No principal matched") {
        format!("the key that signed it, {key}, is not in `allowedSigners`, or was not when it was signed")
    } else {
        let said: Vec<&str> = complaint.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        format!("its signature is not a good one: {}", said.join("; "))
    }
}

fn refused(why: &str) -> Signature {
    Signature::Refused(why.to_owned())
}

fn not_installed(program: &str) -> String {
    let package = if program == "gpg" { "gnupg" } else { "openssh-client" };
    format!("`{program}` is not installed here (Debian: apt install {package})")
}

/// The format of an object's signature; none if it has none.
fn format(object: &Object) -> Option<Format> {
    let of =
        |line: &[u8]| BEGINS.iter().find(|(begin, _)| line.starts_with(begin.as_bytes())).map(|(_, format)| *format);
    if object.kind == "tag" {
        return object.content.split(|byte| *byte == b'\n').rev().find_map(of);
    }
    let signature =
        |line: &[u8]| [&b"gpgsig "[..], b"gpgsig-sha256 "].iter().find_map(|it| of(line.strip_prefix(*it)?));
    lines_of_header(&object.content).find_map(signature)
}

/// A line of the header, by what it begins with.
fn header<'a>(content: &'a [u8], begin: &str) -> Option<&'a str> {
    let line = lines_of_header(content).find_map(|line| line.strip_prefix(begin.as_bytes()))?;
    std::str::from_utf8(line).ok()
}

fn lines_of_header(content: &[u8]) -> impl Iterator<Item = &[u8]> {
    content.split(|byte| *byte == b'\n').take_while(|line| !line.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &str, content: &str) -> Option<Format> {
        format(&Object { id: String::new(), kind: kind.to_owned(), content: content.as_bytes().to_vec() })
    }

    #[test]
    fn a_signature_is_where_git_puts_it_and_nowhere_else() {
        let ssh = "-----BEGIN SSH SIGNATURE-----";
        assert_eq!(of("commit", &format!("tree 1\ngpgsig {ssh}\n U1N\n\nsubject\n")), Some(Format::Ssh));
        assert_eq!(of("commit", "tree 1\ngpgsig -----BEGIN PGP SIGNATURE-----\n\nsubject\n"), Some(Format::Pgp));
        assert_eq!(of("commit", &format!("tree 1\n\ngpgsig {ssh}\n")), None, "what a message says is no signature");
        assert_eq!(of("commit", "tree 1\ngpgsig nothing\n\nsubject\n"), None);
        assert_eq!(of("tag", &format!("object 1\ntag v1\n\nsubject\n{ssh}\nU1N\n")), Some(Format::Ssh));
        assert_eq!(of("tag", "object 1\ntag v1\n\nsubject\n"), None);
    }
}
