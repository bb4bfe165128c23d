//! `gt up --install`: a user unit of systemd that has the controller run from boot on, and `gt up --uninstall` the way back.
//!
//! Only the controller is systemd's to stop (`KillMode=process`): the agents and their tmux go on, as after `gt down`. The unit holds
//! no secret: of the environment it has what says where things are.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use gastown_base::whole_file::WholeFile;

use super::{STOP_MAX, UpArgs, this_program};
use crate::cli::common::context::Context;
use crate::cli::common::error::{CliError, Exit};
use crate::connect::answers;
use crate::town::Town;
use crate::world::exec::{Exec, shell_word};
use crate::world::session::program::find;

/// The variables that the controller starts with: where programs and things are, and whose they are. A login has set them, and a unit
/// has none of them.
const KEPT: [&str; 6] = ["PATH", "HOME", "LANG", "XDG_DATA_HOME", "XDG_STATE_HOME", "TMPDIR"];

/// Who lingers, where logind cannot be asked.
const LINGER: &str = "/var/lib/systemd/linger";

/// Characters of a town's uid that tell its unit from that of a namesake.
const UID_CHARS: usize = 8;

/// Writes the unit, or prints it, and has systemd start it.
pub fn install(gt: &Context, town: &Town, args: &UpArgs) -> Result<(), CliError> {
    let unit = Unit::of(town)?;
    let text = text(&this_program()?, town, args, &environment())?;
    if args.dry_run {
        return gt.out.data(text.trim_end());
    }
    let systemctl = manager(town)?;
    town.claim().map_err(|e| CliError::new(Exit::Failed, "could not prepare the town's folders").because(&e))?;
    let folder = unit.path.parent().unwrap_or(&unit.path);
    let written = fs_err::create_dir_all(folder).and_then(|()| WholeFile::at(&unit.path).write(text.as_bytes()));
    written.map_err(|e| CliError::new(Exit::Failed, "could not write the unit").because(&e))?;
    gt.out.data(&format!("{} written", unit.path.display()))?;
    systemctl.run(&["daemon-reload"], &unit)?;
    if answers(&town.layout.api_socket()) {
        systemctl.run(&["enable", &unit.name], &unit)?;
        gt.out.talk(&format!(
            "town `{}` is up already, and stays as it is until the next boot; to hand it over now:\n  gt down && systemctl --user start {}",
            town.name, unit.name
        ));
    } else {
        systemctl.run(&["enable", "--now", &unit.name], &unit)?;
        gt.out.talk(&format!("town `{}` is started by systemd; `gt status` shows it", town.name));
    }
    gt.out.talk(if lingers() {
        "it is started at boot"
    } else {
        "it starts when you log in, and ends with your last session: `loginctl enable-linger` has it run from boot on"
    });
    gt.out.talk(&format!(
        "what else your shell sets, such as an API key, is not in the unit: `systemctl --user edit {}` adds it",
        unit.name
    ));
    Ok(())
}

/// Has systemd stop it, and removes the unit; agents go on.
pub fn uninstall(gt: &Context, town: &Town, args: &UpArgs) -> Result<(), CliError> {
    let unit = Unit::of(town)?;
    if !unit.path.exists() {
        gt.out.talk(&format!("there is no unit {}", unit.path.display()));
        return Ok(());
    }
    if args.dry_run {
        return gt.out.data(&format!("{} would be removed", unit.path.display()));
    }
    let systemctl = manager(town);
    if let Ok(systemctl) = &systemctl {
        systemctl.run(&["disable", "--now", &unit.name], &unit)?;
    }
    let remove = |path: &Path| match fs_err::remove_file(path) {
        Err(e) if e.kind() != ErrorKind::NotFound => {
            Err(CliError::new(Exit::Failed, "could not remove the unit").because(&e))
        }
        _ => Ok(()),
    };
    // As `disable` does, where there is nobody to do it.
    remove(&unit.path.with_file_name("default.target.wants").join(&unit.name))?;
    remove(&unit.path)?;
    if let Ok(systemctl) = &systemctl {
        systemctl.run(&["daemon-reload"], &unit)?;
    }
    gt.out.data(&format!("{} removed", unit.path.display()))?;
    gt.out.talk("agents that are at work go on; `gt up` starts the controller by hand");
    Ok(())
}

/// A town's unit.
struct Unit {
    name: String,
    path: PathBuf,
}

impl Unit {
    fn of(town: &Town) -> Result<Self, CliError> {
        let absolute = |it: &PathBuf| it.is_absolute();
        let config = std::env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(absolute);
        let config = config.or_else(|| Some(std::env::home_dir().filter(absolute)?.join(".config")));
        let config = config.ok_or_else(|| {
            CliError::new(Exit::Failed, "there is no home folder to put a unit in").hint("set HOME, and try again")
        })?;
        let uid: String = town.uid.chars().take(UID_CHARS).collect();
        let name = format!("gt-{}-{uid}.service", town.name);
        Ok(Self { path: config.join("systemd/user").join(&name), name })
    }
}

/// The user's systemd, which answers.
struct Systemctl(PathBuf);

impl Systemctl {
    fn run(&self, args: &[&str], unit: &Unit) -> Result<(), CliError> {
        // Starting waits for the start alone, and stopping for what the controller has begun.
        let said = Exec::new(&self.0).arg("--user").args(args).limit(STOP_MAX).run();
        let what = format!("`systemctl --user {}`", args.join(" "));
        let hint = format!("`systemctl --user status {}` says more; `gt up --uninstall` takes it back", unit.name);
        match said {
            Ok(output) if output.ok() => Ok(()),
            Ok(output) => {
                Err(CliError::new(Exit::Failed, format!("{what} ended with {}: {}", output.code, output.complaint()))
                    .hint(hint))
            }
            Err(error) => Err(CliError::new(Exit::Failed, format!("{what} failed")).because(&error).hint(hint)),
        }
    }
}

/// The user's systemd; an error that says what to do without.
fn manager(town: &Town) -> Result<Systemctl, CliError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = find("systemctl", &path);
    let why = match &found {
        None => "`systemctl` is not on PATH".to_owned(),
        Some(systemctl) => match Exec::new(systemctl).args(["--user", "show-environment"]).run() {
            Ok(output) if output.ok() => return Ok(Systemctl(systemctl.clone())),
            Ok(output) => output.complaint().lines().next().unwrap_or("it does not answer").to_owned(),
            Err(error) => error.to_string(),
        },
    };
    let gt = this_program()?;
    let line = format!(
        "@reboot PATH={} {} --town {} up",
        shell_word(Path::new(&path)),
        shell_word(&gt),
        shell_word(&town.dir)
    );
    Err(CliError::new(Exit::Failed, format!("your user has no systemd here, so nothing was installed: {why}"))
        .hint(format!("without it, `crontab -e` takes this line:\n  {}", line.replace('%', "\\%"))))
}

/// Whether the user's systemd runs from boot on, without a login.
fn lingers() -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let user = rustix::process::getuid().as_raw().to_string();
    let asked = find("loginctl", &path)
        .and_then(|loginctl| Exec::new(loginctl).args(["show-user", &user, "--property=Linger", "--value"]).run().ok());
    match asked.filter(crate::world::exec::Output::ok) {
        Some(output) => output.text().trim() == "yes",
        None => std::env::var("USER").is_ok_and(|user| !user.is_empty() && Path::new(LINGER).join(user).exists()),
    }
}

fn environment() -> Vec<(&'static str, String)> {
    KEPT.iter().filter_map(|name| Some((*name, std::env::var(name).ok().filter(|value| !value.is_empty())?))).collect()
}

/// The unit.
fn text(gt: &Path, town: &Town, args: &UpArgs, environment: &[(&str, String)]) -> Result<String, CliError> {
    let log = town.layout.log();
    let mut words: Vec<String> = ["up", "--foreground", "--town"].map(str::to_owned).into();
    words.push(town.dir.to_string_lossy().into_owned());
    if let Some(max) = args.machine_polecats {
        words.extend(["--machine-polecats".to_owned(), max.to_string()]);
    }
    if let Some(address) = args.webhook {
        words.extend(["--webhook".to_owned(), address.to_string()]);
    }
    let (gt, log) = (gt.to_string_lossy(), log.to_string_lossy());
    if [&*gt, &*log].iter().any(|path| path.contains(char::is_control)) {
        return Err(CliError::new(Exit::Refused, "a unit cannot name a path with a control character"));
    }
    // Its first word is a path, in which `$` stands for itself.
    let mut command = quoted(&gt.replace('%', "%%"));
    for word in &words {
        command.push(' ');
        command.push_str(&quoted(&word.replace('%', "%%").replace('$', "$$")));
    }
    let variables = environment
        .iter()
        .map(|(name, value)| format!("Environment={}\n", quoted(&format!("{name}={value}").replace('%', "%%"))))
        .collect::<Vec<_>>()
        .concat();
    Ok(format!(
        "# Made by `gt up --install`; `gt up --uninstall` removes it.\n\
         [Unit]\n\
         Description=gt, town {name}\n\
         StartLimitIntervalSec=5min\n\
         StartLimitBurst=5\n\
         \n\
         [Service]\n\
         Type=exec\n\
         ExecStart={command}\n\
         {variables}\
         # Agents go on when the controller stops, and one of them that is killed for memory is not the controller.\n\
         KillMode=process\n\
         OOMPolicy=continue\n\
         Restart=on-failure\n\
         RestartSec=10s\n\
         TimeoutStopSec={stop}\n\
         StandardOutput=null\n\
         StandardError=append:{log}\n\
         \n\
         [Install]\n\
         WantedBy=default.target\n",
        name = town.name,
        stop = STOP_MAX.as_secs(),
        log = log.replace('%', "%%"),
    ))
}

/// A word of a unit.
fn quoted(word: &str) -> String {
    let mut quoted = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_word_of_a_unit_is_one_word() {
        assert_eq!(super::quoted(r#"a "b" \c"#), r#""a \"b\" \\c""#);
        assert_eq!(super::quoted("a\nb"), "\"a\\nb\"");
    }
}
