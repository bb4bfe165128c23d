//! `envFrom` of a Runtime: variables from files and commands, read for one start and kept nowhere.
//!
//! Invariant: no error says anything of a value. What a command writes to standard error is not one, and its last line is shown.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gastown_crds::runtime::{EnvCommand, EnvFile, EnvSource};
use rustix::process::geteuid;

use super::env_file::{self, LineError};
use crate::exec::{Exec, ExecError};

/// Longest text of one source, in bytes: all of them go through one pipe, which takes 64 KiB.
const TEXT_BYTES_MAX: usize = 48 * 1024;

/// The longest that a command may take, if its Runtime does not say: a password manager that asks a server takes a second or two.
const COMMAND_MAX: Duration = Duration::from_secs(10);

/// The bits of others.
const OTHERS: u32 = 0o077;

/// The most characters shown of what a command complains of.
const COMPLAINT_MAX: usize = 200;

/// A source gave no variables.
#[derive(Debug, thiserror::Error)]
pub enum EnvFromError {
    /// A file cannot be read.
    #[error("`envFrom`: {path} cannot be read: {source}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A file is not fit to hold secrets, or is none.
    #[error("`envFrom`: {path} {what}")]
    Unfit {
        /// The file.
        path: PathBuf,
        /// The rest of a sentence about it, with what to do.
        what: String,
    },
    /// There is no home folder for `~/` to be in.
    #[error("`envFrom`: {path} is in a home folder, and HOME is not set where `gt up` was started")]
    Homeless {
        /// The path.
        path: String,
    },
    /// A line is none.
    #[error("`envFrom`: of {of}, {error}: each is NAME=VALUE")]
    Line {
        /// Where it is.
        of: String,
        /// What is wrong with it.
        error: LineError,
    },
    /// A command could not be run to its end.
    #[error("`envFrom`: {0}")]
    NotRun(ExecError),
    /// A command failed.
    #[error("`envFrom`: `{program}` ended with {code}{said}")]
    Failed {
        /// The program.
        program: String,
        /// Its exit code.
        code: i32,
        /// The last line of its standard error, after a colon.
        said: String,
    },
    /// A command printed what cannot be a value.
    #[error("`envFrom`: what `{program}` printed {what}")]
    Printed {
        /// The program.
        program: String,
        /// The rest of a sentence about it.
        what: &'static str,
    },
}

/// Where sources are looked up.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a> {
    /// The folder that `~/` stands for.
    pub home: Option<&'a Path>,
    /// The folder that commands are run in.
    pub cwd: &'a Path,
}

impl Reader<'_> {
    /// The variables of all these sources, in their order.
    pub fn read(&self, sources: &[EnvSource]) -> Result<Vec<(String, String)>, EnvFromError> {
        let mut variables = Vec::new();
        for EnvSource { file, command } in sources {
            variables.extend(file.as_ref().map(|file| self.file(file)).transpose()?.unwrap_or_default());
            variables.extend(command.as_ref().map(|command| self.command(command)).transpose()?.unwrap_or_default());
        }
        Ok(variables)
    }

    /// The variables of the files among these sources; no command is run.
    pub fn read_files(&self, sources: &[EnvSource]) -> Result<Vec<(String, String)>, EnvFromError> {
        let read = sources.iter().filter_map(|source| source.file.as_ref()).map(|file| self.file(file));
        read.collect::<Result<Vec<_>, _>>().map(|all| all.into_iter().flatten().collect())
    }

    /// The path of a file, with `~/` written out.
    fn path(&self, declared: &str) -> Result<PathBuf, EnvFromError> {
        match (declared.strip_prefix("~/"), self.home) {
            (None, _) => Ok(PathBuf::from(declared)),
            (Some(below), Some(home)) => Ok(home.join(below)),
            (Some(_), None) => Err(EnvFromError::Homeless { path: declared.to_owned() }),
        }
    }

    fn file(&self, EnvFile { path, optional }: &EnvFile) -> Result<Vec<(String, String)>, EnvFromError> {
        let path = self.path(path)?;
        let file = match File::open(&path) {
            Ok(file) => file,
            Err(e) if *optional && e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(EnvFromError::Unreadable { path, source }),
        };
        let bytes = fit(&file, &path)?;
        lines(bytes, &path.display().to_string())
    }

    fn command(&self, command: &EnvCommand) -> Result<Vec<(String, String)>, EnvFromError> {
        let EnvCommand { argv, name, timeout_seconds } = command;
        let program = argv.first().cloned().unwrap_or_default();
        let limit = timeout_seconds.map_or(COMMAND_MAX, |seconds| Duration::from_secs(seconds.into()));
        let run = Exec::new(&program).args(argv.iter().skip(1)).cwd(self.cwd).limit(limit).run();
        let output = run.map_err(EnvFromError::NotRun)?;
        if !output.ok() {
            let complaint = output.complaint();
            let last = complaint.lines().last().map(str::trim).filter(|line| !line.is_empty());
            let said = last.map(|line| format!(": {}", line.chars().take(COMPLAINT_MAX).collect::<String>()));
            return Err(EnvFromError::Failed { program, code: output.code, said: said.unwrap_or_default() });
        }
        let printed = |what| EnvFromError::Printed { program: program.clone(), what };
        if output.stdout.len() > TEXT_BYTES_MAX {
            return Err(printed("has more than 48 KiB"));
        }
        let Some(name) = name else { return lines(output.stdout, &format!("what `{program}` printed")) };
        let value = String::from_utf8(output.stdout).map_err(|_| printed("is not UTF-8"))?;
        let value = value.trim_end_matches(['\n', '\r']);
        match value {
            "" => Err(printed("is empty")),
            value if value.contains('\0') => Err(printed("holds a NUL, which no variable can")),
            value => Ok(vec![(name.clone(), value.to_owned())]),
        }
    }
}

/// The bytes of a file, if nobody else can have written or read it.
fn fit(file: &File, path: &Path) -> Result<Vec<u8>, EnvFromError> {
    let unreadable = |source| EnvFromError::Unreadable { path: path.to_owned(), source };
    let unfit = |what| EnvFromError::Unfit { path: path.to_owned(), what };
    // Of the open file: a name may lead elsewhere a moment later.
    let found = file.metadata().map_err(unreadable)?;
    if !found.is_file() {
        return Err(unfit("is no file".to_owned()));
    }
    if found.uid() != geteuid().as_raw() {
        return Err(unfit(format!("belongs to another user (uid {})", found.uid())));
    }
    if found.mode() & OTHERS != 0 {
        let mode = found.mode() & 0o777;
        return Err(unfit(format!("is open to others (mode {mode:03o}): chmod 600 {}", path.display())));
    }
    let mut bytes = Vec::new();
    file.take(TEXT_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() > TEXT_BYTES_MAX { Err(unfit("has more than 48 KiB".to_owned())) } else { Ok(bytes) }
}

fn lines(bytes: Vec<u8>, of: &str) -> Result<Vec<(String, String)>, EnvFromError> {
    let wrong = |error| EnvFromError::Line { of: of.to_owned(), error };
    let text = String::from_utf8(bytes).map_err(|e| {
        let before = &e.as_bytes()[..e.utf8_error().valid_up_to()];
        wrong(LineError { line: before.split(|b| *b == b'\n').count(), what: "is not UTF-8" })
    })?;
    env_file::parse(&text, |name| std::env::var(name).ok()).map_err(wrong)
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    /// What sources give, in a home folder with these files of mode 600.
    fn read(files: &[(&str, &str)], sources: &[EnvSource]) -> String {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in files {
            write(&home.path().join(name), text, 0o600);
        }
        said(home.path(), sources)
    }

    fn write(path: &Path, text: &str, mode: u32) {
        fs_err::write(path, text).unwrap();
        fs_err::set_permissions(path, Permissions::from_mode(mode)).unwrap();
    }

    fn said(home: &Path, sources: &[EnvSource]) -> String {
        match (Reader { home: Some(home), cwd: home }).read(sources) {
            Ok(all) => all.iter().map(|(name, value)| format!("{name}=<{value}>")).collect::<Vec<_>>().join(" "),
            Err(error) => error.to_string().replace(&home.display().to_string(), "HOME"),
        }
    }

    fn file(path: &str, optional: bool) -> EnvSource {
        EnvSource { file: Some(EnvFile { path: path.to_owned(), optional }), command: None }
    }

    fn shell(script: &str, name: Option<&str>) -> EnvSource {
        let argv = ["sh", "-c", script].map(str::to_owned).to_vec();
        let command = EnvCommand { argv, name: name.map(str::to_owned), timeout_seconds: Some(1) };
        EnvSource { file: None, command: Some(command) }
    }

    #[test]
    fn files_and_commands_give_variables_in_their_order() {
        let sources = [file("~/keys", false), shell("echo value; echo", Some("B"))];
        assert_eq!(read(&[("keys", "A=1\n")], &sources), "A=<1> B=<value>", "newlines at the end are the command's");
        assert_eq!(read(&[], &[shell("printf 'C=3\\nD=4 '", None)]), "C=<3> D=<4 >");
        assert_eq!(read(&[], &[file("~/none", true)]), "");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let home = tempfile::tempdir().unwrap();
        let keys = home.path().join("keys");
        for (mode, answer) in [
            (0o600, "A=<1>"),
            (0o400, "A=<1>"),
            (0o640, "`envFrom`: HOME/keys is open to others (mode 640): chmod 600 HOME/keys"),
            (0o602, "`envFrom`: HOME/keys is open to others (mode 602): chmod 600 HOME/keys"),
        ] {
            write(&keys, "A=1\n", mode);
            assert_eq!(said(home.path(), &[file("~/keys", false)]), answer);
            fs_err::remove_file(&keys).unwrap();
        }
        // What is judged is what is read, and not the link to it.
        write(&home.path().join("open"), "A=1\n", 0o644);
        symlink("open", &keys).unwrap();
        assert!(said(home.path(), &[file("~/keys", true)]).contains("is open to others (mode 644)"));
        assert_eq!(said(home.path(), &[file("/", false)]), "`envFrom`: / is no file");
    }

    #[test]
    fn what_fails_says_why_and_nothing_of_values() {
        for (source, error) in [
            (file("~/none", false), "`envFrom`: HOME/none cannot be read: No such file or directory (os error 2)"),
            (
                file("~/keys", false),
                "`envFrom`: of HOME/keys, line 2 does not begin with the name of a variable: each is NAME=VALUE",
            ),
            (
                shell("echo SECRET=1; echo first >&2; echo locked: run unlock >&2; exit 3", None),
                "`envFrom`: `sh` ended with 3: locked: run unlock",
            ),
            (shell("exit 1", Some("A")), "`envFrom`: `sh` ended with 1"),
            (shell("exec sleep 60", Some("A")), "`envFrom`: `sh` did not end within 1s"),
            (shell("true", Some("A")), "`envFrom`: what `sh` printed is empty"),
            (shell("head -c 50000 /dev/zero", None), "`envFrom`: what `sh` printed has more than 48 KiB"),
            (
                shell("printf 'A=1\\nsecret word'", None),
                "`envFrom`: of what `sh` printed, line 2 does not begin with the name of a variable: each is NAME=VALUE",
            ),
        ] {
            assert_eq!(read(&[("keys", "A=1\nsecret word\n")], &[source]), error);
        }
    }

    #[test]
    fn without_a_home_nothing_is_guessed() {
        let reader = Reader { home: None, cwd: Path::new("/") };
        assert!(reader.read(&[file("~/keys", true)]).unwrap_err().to_string().contains("HOME is not set"));
    }
}
