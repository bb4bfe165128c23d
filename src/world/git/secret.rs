//! The password, token or key that a private remote asks for: read where the spec says when a job begins, and given to git
//! by its environment alone. No argument, record, log or message holds it.

use std::fmt;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use data_encoding::BASE64;
use gastown_controllers::world::exit;
use gastown_crds::source::SecretRef;
use rustix::fs::OFlags;

use super::Git;
use super::failure::Failure;
use super::program::{Call, PASSWORD_HELPER};
use crate::exec::{Exec, shell_word};
use crate::{named_file, town};

/// The longest that a program may take to print a secret: one that asks a keyring over the network takes a few seconds.
const COMMAND_MAX: Duration = Duration::from_secs(30);
/// The longest password or token, in bytes: a JSON web token with many claims has a few thousand.
const SECRET_BYTES_MAX: usize = 8 << 10;
/// The largest file of a private key, in bytes: RSA of 16384 bits takes 13 KiB.
const KEY_BYTES_MAX: u64 = 64 << 10;
/// The name that goes with a token where none is given: the large hosts take any.
const NAME: &str = "git";

/// What is shown in the place of a secret.
pub(super) const HIDDEN: &str = "***";

/// What git is given for one remote.
#[derive(Clone)]
pub(super) enum Credentials {
    /// A name and a password or token, for what lies below this address.
    Password { below: String, name: String, secret: String },
    /// The file of a private key.
    Key(PathBuf),
}

// Whatever prints a struct that holds one prints no secret.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Password { .. } => "Password",
            Self::Key(_) => "Key",
        })
    }
}

impl Git {
    /// The same, with what the remote of this address is to be given.
    pub(super) fn with_secret(&self, url: &str, secret: Option<&SecretRef>) -> Result<Self, Failure> {
        let Some(secret) = secret else { return Ok(self.clone()) };
        let read = self.credentials(url, secret);
        let credentials = read.map_err(|why| Failure { code: exit::AUTH, message: format!("`secretRef`: {why}") })?;
        Ok(Self { credentials: Some(credentials), ..self.clone() })
    }

    fn credentials(&self, url: &str, secret: &SecretRef) -> Result<Credentials, String> {
        let SecretRef { file, command, username } = secret;
        let is_web = url.starts_with("https://") || url.starts_with("http://");
        let path = file.as_ref().map(|file| town::path(&self.town_dir(), file));
        let text = match (&path, command) {
            (Some(path), _) if !is_web => {
                private(path, KEY_BYTES_MAX)?;
                return Ok(Credentials::Key(path.clone()));
            }
            (Some(path), _) => private(path, SECRET_BYTES_MAX as u64)?,
            (None, Some(command)) => self.printed(command)?,
            (None, None) => return Err("it names neither a file nor a command".to_owned()),
        };
        let secret = one_line(text)?;
        // Git asks again where it is sent to: to no other host is it told.
        let host = url.split_once("://").map_or(url, |(_, rest)| rest).split('/').next().unwrap_or_default();
        let below = url[..url.find(host).unwrap_or_default() + host.len()].to_owned();
        Ok(Credentials::Password { below, name: username.clone().unwrap_or_else(|| NAME.to_owned()), secret })
    }

    fn town_dir(&self) -> PathBuf {
        town::recorded(&self.layout).unwrap_or_else(|| PathBuf::from("/"))
    }

    /// What a program prints. Of what it complains of, nothing is shown: it may be the secret.
    fn printed(&self, command: &[String]) -> Result<Vec<u8>, String> {
        let Some((program, args)) = command.split_first() else { return Err("its command is empty".to_owned()) };
        let exec = Exec::new(program).args(args).cwd(self.town_dir()).limit(COMMAND_MAX);
        let exec = self.env.iter().fold(exec, |exec, (name, value)| exec.env(name, value));
        let out = exec.run().map_err(|error| gastown_base::causes::in_a_line(&error))?;
        if !out.ok() {
            return Err(format!("`{program}` ended with {}: see what it says by hand", out.code));
        }
        Ok(out.stdout)
    }
}

impl Credentials {
    /// Gives them to a call that talks to the remote, whose ssh would be started so.
    pub(super) fn give<'a>(&self, call: Call<'a>) -> Call<'a> {
        match self {
            Self::Key(_) => call,
            Self::Password { below, name, secret } => {
                let helper = format!("credential.{below}.helper");
                // The empty one takes away those that the user has: they may know another name for this host, or keep this.
                let settings = [
                    ("GIT_CONFIG_COUNT", "3"),
                    ("GIT_CONFIG_KEY_0", "credential.helper"),
                    ("GIT_CONFIG_VALUE_0", ""),
                    ("GIT_CONFIG_KEY_1", &helper),
                    ("GIT_CONFIG_VALUE_1", ""),
                    ("GIT_CONFIG_KEY_2", &helper),
                    ("GIT_CONFIG_VALUE_2", PASSWORD_HELPER),
                    ("GT_GIT_NAME", name),
                    ("GT_GIT_PASSWORD", secret),
                    ("GIT_TRACE_REDACT", "1"),
                ];
                let call = settings.into_iter().fold(call, |call, (name, value)| call.env(name, value));
                call.hide(secret.clone()).hide(BASE64.encode(format!("{name}:{secret}").as_bytes()))
            }
        }
    }

    /// The command by which git starts ssh, with the key; none where it has no part in it.
    pub(super) fn ssh(&self, ssh: &str) -> Option<String> {
        let Self::Key(key) = self else { return None };
        // No other key, and nobody's agent: the remote would count them, or take another for this one.
        Some(format!("{ssh} -i {} -o IdentitiesOnly=yes -o IdentityAgent=none", shell_word(key)))
    }
}

/// The secret that a file holds, which is declared as seen from a town's folder; or why it cannot be read, for people.
pub fn secret_of_file(town_dir: &Path, declared: &str) -> Result<String, String> {
    one_line(private(&town::path(town_dir, declared), SECRET_BYTES_MAX as u64)?)
}

/// The text of a file that is its owner's alone.
fn private(path: &Path, bytes_max: u64) -> Result<Vec<u8>, String> {
    let is_private = |about: &Metadata| {
        if about.mode() & 0o077 != 0 {
            return Err(format!("other users may read {}: chmod 600 {}", path.display(), shell_word(path)));
        }
        Ok(())
    };
    let text = named_file::read(path, path, (OFlags::empty(), bytes_max), is_private)?;
    text.ok_or_else(|| format!("{} is too large for a secret", path.display()))
}

/// A secret without the end of its line; a second line would say something else to git.
fn one_line(text: Vec<u8>) -> Result<String, String> {
    let text = String::from_utf8(text).map_err(|_| "the secret is not text".to_owned())?;
    let text = text.trim_end_matches(['\n', '\r']);
    if text.is_empty() {
        return Err("the secret is empty".to_owned());
    }
    if text.len() > SECRET_BYTES_MAX || text.contains(char::is_control) {
        return Err("the secret is no password or token: it has several lines, or is too long".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_one_line_and_nobody_elses_to_read() {
        assert_eq!(one_line(b"s3cret\n".to_vec()).unwrap(), "s3cret");
        for text in [&b"\n"[..], b"a\npassword=b\n", b"a\0b", b"\xff"] {
            assert!(one_line(text.to_vec()).is_err(), "{text:?}");
        }
        assert!(one_line(vec![b'a'; SECRET_BYTES_MAX + 1]).is_err());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("token");
        fs_err::write(&file, "s3cret\n").unwrap();
        let mode = |mode| fs_err::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        mode(0o640);
        assert!(private(&file, 10).unwrap_err().contains("chmod 600"));
        mode(0o600);
        assert_eq!(private(&file, 10).unwrap(), b"s3cret\n");
        assert!(private(&file, 3).unwrap_err().contains("too large"));
        assert!(private(dir.path(), 10).unwrap_err().contains("is not a file"));
    }

    #[test]
    fn what_prints_a_password_prints_none() {
        let password = Credentials::Password { below: String::new(), name: "kim".into(), secret: "s3cret".into() };
        assert_eq!(format!("{password:?}"), "Password");
    }
}
