//! The town's own tmux server: where sessions can be seen and typed into. It never says whether one lives.
//!
//! One server per town, on the town's own socket and configuration; the user's own server is never touched. Sessions are
//! found by id, never by name, and each command that destroys carries the sandbox's uid as its condition, checked by
//! tmux itself in the same instant.
//!
//! # Design notes
//! A socket in a temporary folder gets lost while its server lives, and tmux then says "no server" and would start a
//! second one. So the server's process is recorded in the town's state, and a server that lives without its socket is
//! signalled to make it again (SIGUSR1) before anything else is asked.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gastown_base::private;
use gastown_supervisor::process::ProcessId;
use gastown_supervisor::records::{self, Pane};
use gastown_supervisor::watch;
use rustix::process::Signal;

use super::SessionError;
use crate::exec::{Exec, Output, shell_word};
use crate::layout::Layout;

/// The server's settings. History: 2000 lines of 100 columns are 2.2 MiB a session when full; a session that is over is
/// gone from tmux (its output is in its log). Windows never take names or variables from whoever attaches, and the status line
/// says how to leave.
const CONF: &str = "\
set -g history-limit 2000
set -g remain-on-exit off
set -g allow-rename off
set -g set-titles off
set -g focus-events on
set -s escape-time 10
set -g status-right ' to leave: #{prefix} d '
";

/// How wide and how high a session's screen is while nobody is attached to it.
pub const COLUMNS: usize = 200;
/// See [`COLUMNS`].
pub const ROWS: usize = 50;

/// The longest time for one command: 3.5 ms is usual, 15 ms with a thousand sessions.
const COMMAND_MAX: Duration = Duration::from_millis(900);

/// The longest time for a server to make its socket again.
const SOCKET_MAX: Duration = Duration::from_millis(300);

/// The option of a session that holds its sandbox's uid.
pub(super) const UID: &str = "@gt-uid";

/// The town's tmux.
#[derive(Debug)]
pub struct Tmux<'a> {
    program: PathBuf,
    layout: &'a Layout,
}

impl<'a> Tmux<'a> {
    /// The town's tmux, by this program.
    pub fn new(program: PathBuf, layout: &'a Layout) -> Self {
        Self { program, layout }
    }

    /// Starts a detached session that runs `pane`, with its output piped into the shell command `record`. It gets our own
    /// variables of these names, not those of whoever happened to start the server.
    pub fn start(
        &self,
        name: &str,
        uid: &str,
        pane: &[OsString],
        record: &str,
        variables: &[String],
    ) -> Result<(), SessionError> {
        self.revive()?;
        let plain = |name: &&String| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let names: Vec<&str> = variables.iter().filter(plain).map(String::as_str).collect();
        let conf = format!("{CONF}set -g update-environment '{}'\n", names.join(" "));
        records::write_text(&self.layout.tmux_conf(), conf.as_bytes(), false)?;
        let name: String = name.chars().map(|c| if matches!(c, '.' | ':') { '_' } else { c }).collect();
        let target = format!("={name}:");
        let mut output = self.new_session(&name, &target, uid, pane, record)?;
        if !output.ok() {
            // Otherwise a server that went as its last session ended, just as it was asked.
            if output.complaint().contains("duplicate session") {
                // An earlier start of the very same took longer than it is waited for: it goes on.
                if self.runs(&target, pane)? {
                    return Ok(());
                }
                // Else it can only be a leftover of this sandbox, kept open by processes that have let go of the lock.
                self.guarded(&target, uid, &format!("kill-session -t '{target}'"))?;
            }
            output = self.new_session(&name, &target, uid, pane, record)?;
        }
        if !output.ok() {
            return Err(SessionError::Tmux { what: "start a session", complaint: output.complaint() });
        }
        if let Some(server) = output.text().trim().parse().ok().and_then(ProcessId::of) {
            records::write(&self.layout.tmux_server(), &server, false)?;
        }
        Ok(())
    }

    /// Whether the session there was started with this command.
    fn runs(&self, target: &str, pane: &[OsString]) -> Result<bool, SessionError> {
        let output = self.command().args(["display-message", "-p", "-t", target, "#{pane_start_command}"]).run()?;
        let command = output.text();
        // tmux may quote a word; the last one, the attempt's own folder, is in no other.
        Ok(output.ok() && pane.last().is_some_and(|word| command.contains(&*word.to_string_lossy())))
    }

    fn new_session(
        &self,
        name: &str,
        target: &str,
        uid: &str,
        pane: &[OsString],
        record: &str,
    ) -> Result<Output, SessionError> {
        // One command line: the server reads nothing from the pane before all of it is done, so no output is missed.
        let exec = self.command().arg("source-file").arg(self.layout.tmux_conf()).arg(";");
        let (columns, rows) = (COLUMNS.to_string(), ROWS.to_string());
        let new = ["new-session", "-d", "-s", name, "-x", &columns, "-y", &rows, "-P", "-F", "#{pid}", "--"];
        let exec = exec.args(new).args(pane);
        let exec = exec.args([";", "set-option", "-t", target, UID, uid, ";", "pipe-pane", "-O", "-t", target, record]);
        Ok(exec.run()?)
    }

    /// Ends a session if it is still this sandbox's. One that is gone is fine.
    pub fn kill(&self, pane: &Pane, uid: &str) -> Result<(), SessionError> {
        if self.reachable(pane)? {
            let target = format!("{}:", pane.session);
            self.guarded(&target, uid, &format!("kill-session -t '{}'", pane.session))?;
        }
        Ok(())
    }

    /// The text that a session's pane shows, if it is still this sandbox's.
    pub fn capture(&self, pane: &Pane, uid: &str) -> Result<Option<String>, SessionError> {
        if !self.reachable(pane)? {
            return Ok(None);
        }
        let output = self.guarded(&pane.pane, uid, &format!("capture-pane -p -t '{}'", pane.pane))?;
        Ok(output.ok().then(|| output.text()))
    }

    /// The same, after the lines that have left the screen at its top; lines that were too long for it are whole.
    pub fn history(&self, pane: &Pane, uid: &str) -> Result<Option<String>, SessionError> {
        if !self.reachable(pane)? {
            return Ok(None);
        }
        let output = self.guarded(&pane.pane, uid, &format!("capture-pane -p -J -S - -t '{}'", pane.pane))?;
        Ok(output.ok().then(|| output.text()))
    }

    /// The keys by which whoever is attached leaves, as its server has them now: `Ctrl-b d`. None if no key does.
    pub fn leave_keys(&self, pane: &Pane) -> Result<Option<String>, SessionError> {
        if !self.reachable(pane)? {
            return Ok(None);
        }
        let prefix = self.command().args(["show-options", "-gv", "prefix"]).run()?;
        let keys = self.command().args(["list-keys", "-T", "prefix"]).run()?;
        Ok(keys_to_leave(prefix.text().trim(), &keys.text()))
    }

    /// The command by which a person sees and types into a session.
    pub fn attach(&self, pane: &Pane) -> Result<Option<Vec<OsString>>, SessionError> {
        if !self.reachable(pane)? {
            return Ok(None);
        }
        let mut command = vec![self.program.clone().into(), "-S".into(), self.layout.tmux_socket().into()];
        command.extend(["attach-session", "-E", "-t"].map(OsString::from));
        command.push(pane.session.clone().into());
        Ok(Some(command))
    }

    /// Whether the pane's own server can be asked; ids mean nothing to another one.
    pub(super) fn reachable(&self, pane: &Pane) -> Result<bool, SessionError> {
        Ok(pane.server.lives() && self.call_back(&pane.server)?)
    }

    /// Makes sure that a server of ours that lives has its socket.
    fn revive(&self) -> Result<(), SessionError> {
        let runtime = self.layout.runtime();
        private::create(runtime)?;
        private::check(runtime)?;
        if let Some(server) = records::read::<ProcessId>(&self.layout.tmux_server())?
            && server.lives()
            && !self.call_back(&server)?
        {
            let complaint = "it lives without its socket and does not make it again".to_owned();
            return Err(SessionError::Tmux { what: "answer", complaint });
        }
        Ok(())
    }

    fn call_back(&self, server: &ProcessId) -> Result<bool, SessionError> {
        let socket = self.layout.tmux_socket();
        private::create(self.layout.runtime())?;
        // Another user's server would run our agents as itself, or be told what they see.
        private::check(self.layout.runtime())?;
        if socket.exists() {
            return Ok(true);
        }
        server.signal(Signal::USR1);
        Ok(watch::until(self.layout.runtime(), SOCKET_MAX, || socket.exists())?)
    }

    /// A tmux command that is carried out only on a session of this sandbox.
    pub(super) fn guarded(&self, target: &str, uid: &str, command: &str) -> Result<Output, SessionError> {
        let condition = format!("#{{==:#{{{UID}}},{uid}}}");
        Ok(self.command().args(["if-shell", "-F", "-t", target, &condition, command]).run()?)
    }

    pub(super) fn command(&self) -> Exec {
        let tmux = Exec::new(&self.program).env_remove("TMUX").env_remove("TMUX_PANE").limit(COMMAND_MAX);
        tmux.arg("-S").arg(self.layout.tmux_socket()).arg("-f").arg(self.layout.tmux_conf())
    }
}

/// The keys that detach: a prefix such as `C-b`, and the first key of its table that is bound to nothing but that.
fn keys_to_leave(prefix: &str, table: &str) -> Option<String> {
    let key = table.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let at = words.iter().position(|word| *word == "detach-client")?;
        (at + 1 == words.len()).then(|| words.get(at - 1).copied())?
    })?;
    (prefix != "None").then(|| format!("{} {}", in_words(prefix), in_words(key)))
}

/// A key of tmux as it stands on keyboards: `C-b` is `Ctrl-b`.
fn in_words(key: &str) -> String {
    key.replacen("C-", "Ctrl-", 1).replacen("M-", "Alt-", 1)
}

/// Shell text that runs a program, as `pipe-pane` takes it: tmux expands `#` and `%` before the shell sees it.
pub fn shell_command<'a>(words: impl IntoIterator<Item = &'a Path>) -> String {
    let text = words.into_iter().map(shell_word).collect::<Vec<_>>().join(" ");
    format!("exec {}", text.replace('#', "##").replace('%', "%%"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_reaches_the_shell_as_it_is() {
        let words = [Path::new("/a b/gt"), Path::new("/it's/100%/#S")];
        assert_eq!(shell_command(words), r#"exec '/a b/gt' "/it's/100%%/##S""#);
    }

    #[test]
    fn the_keys_to_leave_are_those_that_are_bound() {
        let table = "bind-key    -T prefix C-b   send-prefix\nbind-key    -T prefix D  choose-client -Z\nbind-key    -T prefix d       detach-client\n";
        assert_eq!(keys_to_leave("C-b", table), Some("Ctrl-b d".to_owned()));
        let other = "bind-key -T prefix q confirm-before -p x detach-client -a\nbind-key -T prefix M-x detach-client\n";
        assert_eq!(keys_to_leave("C-a", other), Some("Ctrl-a Alt-x".to_owned()));
        assert_eq!(keys_to_leave("None", table), None);
        assert_eq!(keys_to_leave("C-b", ""), None);
    }
}
