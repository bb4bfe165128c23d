//! Starting a session, and looking in on it.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::PoisonError;
use std::time::Duration;

use gastown_base::private;
use gastown_controllers::world::{SandboxId, SessionSpec};
use gastown_crds::common::NameValue;
use gastown_crds::runtime::PromptDelivery;
use gastown_supervisor::handover::Handover;
use gastown_supervisor::records::{self, AgentSpec, Holder, NoJob, Pane, Spec};
use gastown_supervisor::{RECORD, WORD, family, lock, log, watch};

use super::env_from::Reader;
use super::expand::expand;
use super::tmux::{Tmux, shell_command};
use super::{SessionError, Sessions, occupants, probe, program, scope, supervisor};
use crate::exec::Exec;

/// How long a session may take to begin. It takes some ten milliseconds.
const BEGIN_MAX: Duration = Duration::from_millis(900);

/// What command words of agents that are built in begin with.
const BUILT_IN: &str = "gt:";

/// The variable that says what the agent is told first.
const PROMPT: &str = "GT_PROMPT";

/// What is shown of a session without a terminal: the last lines.
const TAIL_LINES: &str = "200";

impl Sessions {
    /// The attempt's session runs, or has run. Nothing starts while another holds the sandbox's lock.
    /// `extra` are the caller's variables: they come last and win.
    pub fn ensure(
        &self,
        sandbox: &SandboxId,
        spec: &SessionSpec,
        extra: &[(String, String)],
    ) -> Result<(), SessionError> {
        self.children.reap();
        let run = Holder { owner_uid: spec.owner.uid.clone(), attempt: spec.attempt };
        if self.started(&run)?.is_some() {
            return Ok(());
        }
        let lock = self.layout.sandbox_lock(&sandbox.uid);
        let before = self.holder(&sandbox.uid)?;
        let occupied = match &before {
            Some(before) => self.occupied(&sandbox.uid, before)?,
            None => lock::held(&lock)?,
        };
        let leaving = match &before {
            Some(before) if occupied => occupants::leaving(&self.layout, &sandbox.uid, before)?,
            _ => false,
        };
        if occupied && !leaving {
            // Somebody may be starting this very attempt. Everybody else is in the way.
            let same = before.as_ref() == Some(&run) && self.exit(&run)?.is_none();
            return if same { Ok(()) } else { Err(SessionError::Busy { name: sandbox.name.clone() }) };
        }
        if let Some(before) = before.filter(|_| !occupied)
            && !self.left(&sandbox.uid, &before)?.is_empty()
        {
            return Err(SessionError::Busy { name: sandbox.name.clone() });
        }
        let name = scope::name(&sandbox.name, &spec.owner.uid, spec.attempt);
        let about = format!("{} at work on {}, attempt {}", sandbox.name, spec.owner.name, spec.attempt);
        let scope = self.scopes.words(&self.town.path, &name, &about, spec.limits)?;
        let tmux = self.tmux();
        let home = std::env::home_dir();
        let reader = Reader { home: home.as_deref(), cwd: &self.town.dir };
        let variables = reader.read(&spec.runtime.env_from)?;
        let dir = self.intend(&run)?;
        let env = self.environment(sandbox, spec, &dir, tmux.is_none(), extra)?;
        let value = |name: &str| env.iter().rev().find(|(it, _)| it == name).map(|(_, value)| &**value);
        let expanded = |text: &String| expand(text, value);
        let command = self.command(&spec.command.iter().map(expanded).collect::<Vec<_>>())?;
        for file in &spec.runtime.files {
            records::write_text(&dir.join(records::RUN).join(&file.name), expanded(&file.content).as_bytes(), false)?;
        }
        let prompt = value(PROMPT).unwrap_or_default();
        let stdin = (spec.runtime.prompt_delivery == PromptDelivery::Stdin)
            .then(|| dir.join(records::RUN).join(records::PROMPT));
        if let Some(file) = &stdin {
            records::write_text(file, prompt.as_bytes(), false)?;
        }
        if spec.runtime.prompt_delivery == PromptDelivery::Paste {
            self.opens_with(&run, prompt)?;
        }
        let inherits: Vec<String> = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok()).collect();
        let agent = AgentSpec {
            attempt_dir: dir.clone(),
            lock,
            holder: self.layout.sandbox_holder(&sandbox.uid),
            sandbox_uid: sandbox.uid.clone(),
            owner_uid: spec.owner.uid.clone(),
            attempt: spec.attempt,
            work: spec.work.clone(),
            command,
            env,
            takes_variables: !variables.is_empty(),
            inherits: Some(inherits.clone()),
            unset: spec.runtime.unset_env.clone(),
            runtime: Some(spec.runtime.name.clone()).filter(|name| !name.is_empty()),
            reports: spec.runtime.reports,
            fails_in_transcript: spec.runtime.fails_in_transcript,
            stdin,
            path_first: self.layout.bin(),
            cwd: self.layout.worktree(&sandbox.uid),
            gt: supervisor::program(&self.layout),
            cgroup: scope.is_some().then_some(name),
            memory_limit: spec.limits.memory,
            grace_seconds: spec.runtime.grace_seconds,
        };
        let has_scope = scope.is_some();
        records::write(&dir.join(records::SPEC), &Spec::<NoJob>::Session(agent), false)?;
        if let Some(locks) = self.layout.sandbox_holder(&sandbox.uid).parent() {
            private::create(locks)?;
        }
        records::write(&self.layout.sandbox_holder(&sandbox.uid), &run, false)?;
        // Kept until it has begun: with it, the variables are gone.
        let _handover = if variables.is_empty() { None } else { Some(Handover::offer(&dir, &variables)?) };
        self.spawn(sandbox, &dir, tmux, scope.unwrap_or_default(), &inherits)?;
        let started = dir.join(records::STARTED);
        if watch::until(&dir, BEGIN_MAX, || started.exists())? {
            if spec.runtime.prompt_delivery == PromptDelivery::Paste {
                self.have_prompt_given(sandbox, &dir)?;
            }
            return Ok(());
        }
        if has_scope {
            self.scopes.forget();
        }
        Err(SessionError::NotBegun { name: sandbox.name.clone(), limit: BEGIN_MAX })
    }

    /// The folder of an attempt. Made exclusively; one that is there and was never started is used again.
    fn intend(&self, run: &Holder) -> Result<PathBuf, SessionError> {
        private::create(&self.layout.attempts(&run.owner_uid))?;
        let dir = self.attempt_dir(run);
        match private::create_new(&dir) {
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e.into()),
            _ => {}
        }
        private::create(&dir.join(records::RUN))?;
        // Of a start that was withdrawn before it began.
        match fs_err::remove_file(dir.join(records::ENDING)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e.into()),
            _ => Ok(dir),
        }
    }

    fn spawn(
        &self,
        sandbox: &SandboxId,
        dir: &Path,
        tmux: Option<Tmux<'_>>,
        scope: Vec<OsString>,
        inherits: &[String],
    ) -> Result<(), SessionError> {
        let supervisor = supervisor::program(&self.layout);
        let (spec, output) = (dir.join(records::SPEC), dir.join(records::OUTPUT));
        let mut words = scope;
        words.extend([supervisor.clone().into(), WORD.into(), spec.into()]);
        let Some(tmux) = tmux else {
            let process = Exec::new(words.remove(0)).args(words);
            self.children.adopt(process.detach(log::append(&output)?)?);
            return Ok(());
        };
        let short: String = sandbox.uid.chars().filter(|c| *c != '-').take(6).collect();
        let record = shell_command([&supervisor, Path::new(WORD), Path::new(RECORD), &output]);
        tmux.start(&format!("{}-{short}", sandbox.name), &sandbox.uid, &words, &record, inherits)
    }

    /// The command with an agent that is built in written out.
    fn command(&self, command: &[String]) -> Result<Vec<String>, SessionError> {
        let word = command.first().map_or("", String::as_str);
        let no_command = || SessionError::NoCommand { word: word.to_owned() };
        if !word.starts_with(BUILT_IN) {
            return if word.is_empty() { Err(no_command()) } else { Ok(command.to_vec()) };
        }
        let text = self.town.agents.get(word).ok_or_else(no_command)?;
        let path = self.layout.agent(&word[BUILT_IN.len()..]);
        if !fs_err::read(&path).is_ok_and(|there| there == text.as_bytes()) {
            private::create(path.parent().unwrap_or(&path))?;
            records::write_text(&path, text.as_bytes(), false)?;
        }
        let mut resolved = vec!["sh".to_owned(), path.to_string_lossy().into_owned()];
        resolved.extend_from_slice(&command[1..]);
        Ok(resolved)
    }

    /// Whether the first word of a Runtime's command would start.
    pub fn program_exists(&self, name: &str) -> bool {
        let mut path = OsString::from(self.layout.bin());
        path.push(":");
        path.push(&self.town.path);
        self.town.agents.contains_key(name) || program::find(name, &path).is_some()
    }

    /// The table in this module's description.
    fn environment(
        &self,
        sandbox: &SandboxId,
        spec: &SessionSpec,
        dir: &Path,
        degraded: bool,
        extra: &[(String, String)],
    ) -> Result<Vec<(String, String)>, SessionError> {
        let (rework, rework_log) = match &spec.rework {
            Some((kind, text)) => {
                let path = dir.join(records::REWORK);
                records::write_text(&path, text.as_bytes(), false)?;
                (kind.to_string(), path.to_string_lossy().into_owned())
            }
            None => (String::new(), String::new()),
        };
        let pair = |variable: &NameValue| (variable.name.clone(), variable.value.clone());
        let mut env: Vec<(String, String)> = spec.env.iter().map(pair).collect();
        let worktree = self.layout.worktree(&sandbox.uid).to_string_lossy().into_owned();
        let ours = [
            ("GT_TOWN_UID", self.town.uid.clone()),
            (family::MARK, worktree.clone()),
            ("GT_WORKTREE", worktree),
            ("GT_RUN", dir.join(records::RUN).to_string_lossy().into_owned()),
            ("GT_TOWN", self.town.dir.to_string_lossy().into_owned()),
            ("GT_DATA", self.layout.data().to_string_lossy().into_owned()),
            ("GT_STATE", self.layout.state().to_string_lossy().into_owned()),
            ("GT_REWORK", rework),
            ("GT_REWORK_LOG", rework_log),
        ];
        env.extend(ours.map(|(name, value)| (name.to_owned(), value)));
        if degraded {
            env.push(("GT_DEGRADED".to_owned(), "true".to_owned()));
        }
        env.extend_from_slice(extra);
        let mut all = declared(&spec.runtime.env, &env);
        all.append(&mut env);
        Ok(all)
    }

    /// tmux, if it is there and new enough. Looked for each time: it may be installed while the town runs.
    pub(super) fn tmux(&self) -> Option<Tmux<'_>> {
        let program = program::find("tmux", &self.town.path)?;
        let mut known = self.tmux_is_new_enough.lock().unwrap_or_else(PoisonError::into_inner);
        let usable = *known.entry(program.clone()).or_insert_with(|| probe::tmux_is_new_enough(program.as_os_str()));
        usable.then(|| Tmux::new(program, &self.layout))
    }

    /// What a session shows now: its pane, or without tmux the end of its output.
    pub fn capture(&self, sandbox: &SandboxId) -> Result<String, SessionError> {
        let (run, pane) = self.place(sandbox)?;
        if let (Some(pane), Some(tmux)) = (pane, self.tmux())
            && let Some(text) = tmux.capture(&pane, &sandbox.uid)?
        {
            return Ok(text);
        }
        Ok(log::tail(&self.attempt_log_path(&run.owner_uid, run.attempt)))
    }

    /// What a session's terminal shows, after what has left it at its top; none without tmux.
    pub fn screen(&self, sandbox: &SandboxId) -> Result<Option<String>, SessionError> {
        let (_, pane) = self.place(sandbox)?;
        match (pane, self.tmux()) {
            (Some(pane), Some(tmux)) => tmux.history(&pane, &sandbox.uid),
            _ => Ok(None),
        }
    }

    /// The keys by which whoever is with a session leaves it; none without tmux, or if no keys do.
    pub fn leave_keys(&self, sandbox: &SandboxId) -> Result<Option<String>, SessionError> {
        let (_, pane) = self.place(sandbox)?;
        match (pane, self.tmux()) {
            (Some(pane), Some(tmux)) => tmux.leave_keys(&pane),
            _ => Ok(None),
        }
    }

    /// What a person runs to be with the session; without tmux, to follow its output.
    pub fn attach_command(&self, sandbox: &SandboxId) -> Result<Vec<OsString>, SessionError> {
        let (run, pane) = self.place(sandbox)?;
        if let (Some(pane), Some(tmux)) = (pane, self.tmux())
            && let Some(command) = tmux.attach(&pane)?
        {
            return Ok(command);
        }
        let mut follow: Vec<_> = ["tail", "-n", TAIL_LINES, "-F"].map(OsString::from).into();
        follow.push(self.attempt_log_path(&run.owner_uid, run.attempt).into());
        Ok(follow)
    }

    fn place(&self, sandbox: &SandboxId) -> Result<(Holder, Option<Pane>), SessionError> {
        let none = || SessionError::NoSession { name: sandbox.name.clone() };
        let run = self.holder(&sandbox.uid)?.ok_or_else(none)?;
        if !self.occupied(&sandbox.uid, &run)? {
            return Err(none());
        }
        let pane = self.started(&run)?.and_then(|started| started.tmux);
        Ok((run, pane))
    }
}

/// What a Runtime declares, where the session has `theirs` beside it: a value may use these, and entries before its own.
fn declared(env: &[NameValue], theirs: &[(String, String)]) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for NameValue { name, value } in env {
        // The session's own come last, and win.
        let known =
            |name: &str| all.iter().chain(theirs).rev().find(|(there, _)| there == name).map(|(_, value)| &**value);
        let value = expand(value, known);
        all.push((name.clone(), value));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_sees_those_before_it_and_the_session() {
        let env = [
            ("FIRST", "1 $(SECOND)"),
            ("SECOND", "2 $(FIRST) $(GT_BEAD)"),
            ("GT_BEAD", "mine"),
            ("THIRD", "$(GT_BEAD) $$(FIRST) $(NOBODY)"),
        ];
        let env = env.map(|(name, value)| NameValue { name: name.into(), value: value.into() });
        let all = declared(&env, &[("GT_BEAD".into(), "shop-1".into())]);
        let all: Vec<_> = all.iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(
            all,
            ["FIRST=1 $(SECOND)", "SECOND=2 1 $(SECOND) shop-1", "GT_BEAD=mine", "THIRD=shop-1 $(FIRST) $(NOBODY)"]
        );
    }
}
