//! The files of keys that may sign a source's revisions: read whole, within a bound, from where the spec says and nowhere else.

use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use gastown_controllers::world::Signature;
use gastown_crds::source::Verify;
use rustix::fs::OFlags;
use sha2::{Digest, Sha256};

use crate::{named_file, town};

/// The largest file of keys, in bytes: a thousand armored keys.
const KEYS_BYTES_MAX: u64 = 1 << 20;

/// The keys that may sign.
pub(crate) struct Keys {
    /// Those of ssh, as git's `gpg.ssh.allowedSignersFile` has them.
    pub allowed_signers: Option<Vec<u8>>,
    /// Those of PGP.
    pub pgp: Option<Vec<u8>>,
    /// A digest of both: equal digests mean equal keys.
    pub digest: String,
}

impl Keys {
    /// Those that a source wants; or what is to be said of any signature without looking at it.
    pub fn wanted(town_dir: &Path, verify: Option<&Verify>) -> Result<Self, Signature> {
        let verify = verify.ok_or(Signature::NotAsked)?;
        Self::read(town_dir, verify).map_err(Signature::Unchecked)
    }

    /// Reads them; or why that cannot be done, for people.
    fn read(town_dir: &Path, verify: &Verify) -> Result<Self, String> {
        let Verify { allowed_signers, pgp_keys } = verify;
        let read = |path: &Option<String>| path.as_ref().map(|path| read(town_dir, path)).transpose();
        let (allowed_signers, pgp) = (read(allowed_signers)?, read(pgp_keys)?);
        let mut digest = Sha256::new();
        for keys in [&allowed_signers, &pgp] {
            digest.update([u8::from(keys.is_some())]);
            digest.update(Sha256::digest(keys.as_deref().unwrap_or_default()));
        }
        Ok(Self { allowed_signers, pgp, digest: HEXLOWER.encode(&digest.finalize()) })
    }
}

/// A file that the town's own folder holds, or that its absolute path names.
fn read(town_dir: &Path, path: &str) -> Result<Vec<u8>, String> {
    let file = town::path(town_dir, path);
    let shown = file.display();
    let found = fs_err::canonicalize(&file).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => format!("there is no file of keys at {shown}"),
        _ => error.to_string(),
    })?;
    // A link in the repository must not have another file read, nor let others say who may sign.
    if Path::new(path).is_relative() && !path.starts_with("~/") && !found.starts_with(real(town_dir)?) {
        return Err(format!("{shown} leads out of the town's folder: name it by its absolute path, if it is meant"));
    }
    let text = named_file::read(&found, &file, (OFlags::NOFOLLOW, KEYS_BYTES_MAX), |_| Ok(()))?;
    text.ok_or_else(|| {
        format!("{shown} is too large for a file of keys, which has {} KiB at most", KEYS_BYTES_MAX >> 10)
    })
}

fn real(dir: &Path) -> Result<PathBuf, String> {
    fs_err::canonicalize(dir).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::Mode;

    fn keys(dir: &Path, path: &str) -> Result<Keys, String> {
        Keys::read(dir, &Verify { allowed_signers: Some(path.to_owned()), pgp_keys: None })
    }

    #[test]
    fn keys_are_files_of_the_town_and_no_larger_than_keys_are() {
        let dir = tempfile::tempdir().unwrap();
        let (town, outside) = (dir.path().join("town"), dir.path().join("outside"));
        fs_err::create_dir(&town).unwrap();
        fs_err::write(&outside, "kim ssh-ed25519 AAAA\n").unwrap();
        fs_err::write(town.join("signers"), "kim ssh-ed25519 AAAA\n").unwrap();
        std::os::unix::fs::symlink(&outside, town.join("link")).unwrap();
        std::os::unix::fs::symlink("signers", town.join("inner")).unwrap();
        fs_err::write(town.join("huge"), vec![b'a'; (1 << 20) + 1]).unwrap();
        rustix::fs::mknodat(rustix::fs::CWD, town.join("pipe"), rustix::fs::FileType::Fifo, Mode::RUSR, 0).unwrap();
        let why = |path: &str| keys(&town, path).map(|keys| keys.digest).unwrap_err();
        assert!(why("link").contains("leads out of the town's folder"), "{}", why("link"));
        assert!(why("../outside").contains("leads out of the town's folder"));
        assert!(why("huge").contains("too large"));
        assert!(why("pipe").contains("is not a file"));
        assert!(why(".").contains("is not a file"));
        assert!(why("none").contains("there is no file of keys at"));
        let digest = |path: &str| keys(&town, path).unwrap().digest;
        assert_eq!(digest("signers"), digest("inner"));
        assert_eq!(digest("signers"), digest(outside.to_str().unwrap()), "what an absolute path names is meant");
        fs_err::write(town.join("signers"), "").unwrap();
        assert_ne!(digest("signers"), digest(outside.to_str().unwrap()));
    }
}
