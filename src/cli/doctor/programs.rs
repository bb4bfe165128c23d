//! What can be said of an agent's program without asking the network: its version, whether it is logged in, and whether it was used
//! here before, so that it asks nothing at its start.
//!
//! These four are under test, so their files are known. Of any other, and of what leaves no sign, it is said that it is unknown.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gastown_crds::Runtime;
use serde_json::Value;

use crate::text::visible;
use crate::world::exec::Exec;

/// How long a program may take to say its version; those on node take a second or two.
const VERSION_MAX: Duration = Duration::from_secs(10);

/// The most that is shown of what a program says.
const SAID_MAX: usize = 60;

/// Largest file that is looked into, in bytes: Claude Code keeps a history in its.
const FILE_BYTES_MAX: u64 = 32 << 20;

/// A version: three numbers.
type Version = (u32, u32, u32);

/// A program that is under test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    Claude,
    Codex,
    Gemini,
    OpenCode,
}

/// What was found out about one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sign {
    /// It is so: by this.
    Yes(String),
    /// It is not so: why, and what to do.
    No(String, String),
    /// Nobody can tell: why, and what to do if it is not so.
    Unknown(String, String),
}

impl Sign {
    /// The same, after what else there is to say.
    pub fn beside(self, first: &str) -> Self {
        match self {
            Self::Yes(found) => Self::Yes(format!("{first}, {found}")),
            Self::No(found, fix) => Self::No(format!("{first}, {found}"), fix),
            Self::Unknown(found, fix) => Self::Unknown(format!("{first}, {found}"), fix),
        }
    }
}

/// What a program is started with.
pub struct Around<'a> {
    /// The home folder.
    pub home: Option<&'a Path>,
    /// A variable of whoever asks.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
    /// Whether that is root.
    pub is_root: bool,
    /// The Runtime that starts it.
    pub runtime: &'a Runtime,
}

impl Program {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Claude, Self::Codex, Self::Gemini, Self::OpenCode];

    /// The one that a command's first word starts.
    pub fn of(word: &str) -> Option<Self> {
        let name = Path::new(word).file_name().and_then(OsStr::to_str)?;
        Self::ALL.into_iter().find(|program| program.name() == name)
    }

    /// Its name on PATH.
    pub fn name(self) -> &'static str {
        match self {
            Self::Claude => "claude",
            Self::Codex => "codex",
            Self::Gemini => "gemini",
            Self::OpenCode => "opencode",
        }
    }

    /// The version that is under test.
    pub fn tested(self) -> Version {
        match self {
            Self::Claude => (2, 1, 332),
            Self::Codex => (0, 171, 0),
            Self::Gemini => (0, 61, 0),
            Self::OpenCode => (1, 18, 33),
        }
    }

    /// Whether it is as new as the one under test, by what it says of itself.
    pub fn version(self, path: &Path) -> Sign {
        let name = self.name();
        // Elsewhere than here: some look at the folder that they are started in.
        let run = Exec::new(path).arg("--version").cwd(std::env::temp_dir()).limit(VERSION_MAX).run();
        let said = match run {
            Ok(output) if output.ok() => output.text(),
            Ok(output) => format!("`{name} --version` ended with {}", output.code),
            Err(error) => error.to_string(),
        };
        self.judged(&said)
    }

    /// The same, by what was said.
    fn judged(self, said: &str) -> Sign {
        let first = said.lines().next().unwrap_or_default();
        let shown: String = visible(first).chars().take(SAID_MAX).collect();
        let (major, minor, patch) = self.tested();
        let (name, tested) = (self.name(), format!("{major}.{minor}.{patch}"));
        match version(first) {
            Some(found) if found < self.tested() => Sign::Unknown(
                format!("{shown}: older than {tested}, which is under test"),
                format!("update `{name}` to {tested} or later: flags that its Runtime gives it may be missing"),
            ),
            Some(_) => Sign::Yes(shown),
            None => Sign::Unknown(
                format!("its version is unknown: {shown}"),
                format!("`{name} --version` by hand says why"),
            ),
        }
    }
}

/// The first three numbers with dots between them.
fn version(said: &str) -> Option<Version> {
    let is_part = |c: char| c.is_ascii_digit() || c == '.';
    said.split(|c: char| !is_part(c)).find_map(|word| {
        let mut numbers = word.split('.').map(str::parse::<u32>);
        let found = (numbers.next()?.ok()?, numbers.next()?.ok()?, numbers.next()?.ok()?);
        Some(found)
    })
}

impl Around<'_> {
    /// Whether its model's provider would take what it asks.
    pub fn login(&self, program: Program) -> Sign {
        let signs: (&[&str], Option<PathBuf>) = match program {
            Program::Claude => (
                &[
                    "ANTHROPIC_API_KEY",
                    "ANTHROPIC_AUTH_TOKEN",
                    "CLAUDE_CODE_OAUTH_TOKEN",
                    "CLAUDE_CODE_USE_BEDROCK",
                    "CLAUDE_CODE_USE_VERTEX",
                ],
                self.claude(".claude").map(|dir| dir.join(".credentials.json")),
            ),
            Program::Codex => (&["OPENAI_API_KEY", "CODEX_API_KEY"], self.codex().map(|dir| dir.join("auth.json"))),
            Program::Gemini => (
                &["GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_APPLICATION_CREDENTIALS"],
                self.below(".gemini/oauth_creds.json"),
            ),
            Program::OpenCode => (
                &["ANTHROPIC_API_KEY", "OPENAI_API_KEY", "GEMINI_API_KEY", "OPENROUTER_API_KEY"],
                self.folder("XDG_DATA_HOME", ".local/share").map(|dir| dir.join("opencode/auth.json")),
            ),
        };
        let (variables, file) = signs;
        if let Some(name) = variables.iter().find(|name| self.has(name)) {
            return Sign::Yes(format!("{name} is set"));
        }
        if let Some(file) = file.as_ref().filter(|file| file.is_file()) {
            return Sign::Yes(format!("{} is there", file.display()));
        }
        if let Some(sign) = self.configured(program) {
            return sign;
        }
        let name = program.name();
        let why = match &self.runtime.spec.env_from[..] {
            [] => format!("no sign of a login of `{name}`"),
            _ => format!("no sign of a login of `{name}`, but for what `envFrom` may give"),
        };
        Sign::Unknown(why, format!("if it is not logged in: start `{name}` by hand once, as the user of the town"))
    }

    /// Whether it asks nothing at its start that stops it.
    pub fn onboarding(&self, program: Program) -> Sign {
        match program {
            Program::Claude => self.claude_onboarding(),
            // It has none but the login; what it asks of a folder and of hooks is answered by its Runtime's flags.
            Program::Codex | Program::OpenCode => Sign::Yes("it has none".to_owned()),
            Program::Gemini => {
                let settings = self.below(".gemini/settings.json");
                let chosen = settings.as_deref().and_then(json).and_then(|it| {
                    Some(it.pointer("/security/auth/selectedType").or_else(|| it.get("selectedAuthType"))?.to_string())
                });
                chosen.map_or_else(
                    || {
                        Sign::Unknown(
                            "no way to log in is chosen in ~/.gemini/settings.json".to_owned(),
                            "if it stops at a question: start `gemini` by hand once, and choose".to_owned(),
                        )
                    },
                    |chosen| Sign::Yes(format!("{} is chosen", chosen.trim_matches('"'))),
                )
            }
        }
    }

    fn claude_onboarding(&self) -> Sign {
        let words = || self.runtime.spec.command.iter().chain(&self.runtime.spec.start);
        let skips = words().any(|word| word == "--dangerously-skip-permissions");
        if self.is_root && skips && !self.has("IS_SANDBOX") {
            return Sign::No(
                "as root, it refuses --dangerously-skip-permissions".to_owned(),
                "start the town as another user; or, where this machine is a sandbox, with IS_SANDBOX=1".to_owned(),
            );
        }
        if words().any(|word| word == "-p" || word == "--print") {
            return Sign::Yes("without a screen it asks nothing".to_owned());
        }
        let Some(file) = self.claude("").map(|dir| dir.join(".claude.json")) else {
            return Sign::Unknown("HOME is not set".to_owned(), "set HOME".to_owned());
        };
        let shown = file.display();
        let by_hand = "start `claude` by hand once, as the user of the town, and answer what it asks".to_owned();
        match json(&file).map(|it| it["hasCompletedOnboarding"] == true) {
            Some(true) => Sign::Yes(format!("done, as {shown} says")),
            Some(false) => Sign::No(format!("not done, as {shown} says: it stops at its first question"), by_hand),
            None if file.is_file() => Sign::Unknown(format!("{shown} cannot be read"), by_hand),
            None => Sign::No(format!("{shown} is not there: it stops at its first question"), by_hand),
        }
    }

    /// A login that a file of settings speaks of.
    fn configured(&self, program: Program) -> Option<Sign> {
        match program {
            Program::Claude => {
                let file = self.claude(".claude")?.join("settings.json");
                json(&file)?.get("apiKeyHelper")?;
                Some(Sign::Yes(format!("{} has an `apiKeyHelper`", file.display())))
            }
            Program::Codex => {
                let file = self.codex()?.join("config.toml");
                let text = read(&file)?;
                let provider = toml_value(&text, None, "model_provider")?;
                let key = toml_value(&text, Some(&format!("model_providers.{provider}")), "env_key");
                Some(match key {
                    None => Sign::Yes(format!("{} names the provider {provider}, without a key", file.display())),
                    Some(key) if self.has(key) => {
                        Sign::Yes(format!("{key} is set, the key of the provider {provider}"))
                    }
                    Some(key) => Sign::Unknown(
                        format!("{key} is not set here, the key of the provider {provider}"),
                        format!("set {key} where `gt up` is started, or by `envFrom` of the Runtime"),
                    ),
                })
            }
            Program::Gemini => None,
            Program::OpenCode => {
                let file = self.folder("XDG_CONFIG_HOME", ".config")?.join("opencode/opencode.json");
                let json = json(&file)?;
                let with_key = |(name, it): (&String, &Value)| it.pointer("/options/apiKey").map(|_| name.clone());
                let provider = json["provider"].as_object()?.iter().find_map(with_key)?;
                Some(Sign::Yes(format!("{} has a key for {provider}", file.display())))
            }
        }
    }

    /// Whether a session has a variable, as far as that is seen from here.
    fn has(&self, name: &str) -> bool {
        let spec = &self.runtime.spec;
        let by_command = spec.env_from.iter().filter_map(|source| source.command.as_ref()?.name.as_deref());
        let declared = spec.env.iter().map(|it| it.name.as_str()).chain(by_command).any(|it| it == name);
        declared || (!self.is_unset(name) && (self.variable)(name).is_some_and(|value| !value.is_empty()))
    }

    fn is_unset(&self, name: &str) -> bool {
        let unset = &self.runtime.spec.unset_env;
        unset.iter().any(|it| it.strip_suffix('*').map_or(it == name, |begin| name.starts_with(begin)))
    }

    fn below(&self, path: &str) -> Option<PathBuf> {
        Some(self.home?.join(path))
    }

    /// The folder that a variable names, or one in the home folder.
    fn folder(&self, variable: &str, default: &str) -> Option<PathBuf> {
        let declared = self.runtime.spec.env.iter().find(|it| it.name == variable).map(|it| it.value.clone());
        let named = declared.or_else(|| (self.variable)(variable)).filter(|it| !it.is_empty()).map(PathBuf::from);
        named.or_else(|| self.below(default))
    }

    fn claude(&self, default: &str) -> Option<PathBuf> {
        self.folder("CLAUDE_CONFIG_DIR", default)
    }

    fn codex(&self) -> Option<PathBuf> {
        self.folder("CODEX_HOME", ".codex")
    }
}

fn read(file: &Path) -> Option<String> {
    let small = fs_err::metadata(file).is_ok_and(|it| it.is_file() && it.len() <= FILE_BYTES_MAX);
    if small { fs_err::read_to_string(file).ok() } else { None }
}

fn json(file: &Path) -> Option<Value> {
    serde_json::from_str(&read(file)?).ok()
}

/// The text that a key has in a table of a TOML file, as people and Codex write it: one key a line.
fn toml_value<'a>(text: &'a str, table: Option<&str>, key: &str) -> Option<&'a str> {
    let mut here = None;
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|it| it.split_once(']')) {
            here = Some(name.0);
        } else if here == table
            && let Some((name, value)) = line.split_once('=')
            && name.trim() == key
        {
            let value = value.trim().trim_start_matches(['"', '\'']);
            return value.split(['"', '\'']).next();
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What is found in a home folder with these files, by a Runtime with this spec, with these variables.
    fn found(program: Program, spec: Value, files: &[(&str, &str)], variables: &[&str]) -> String {
        let home = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = home.path().join(name);
            fs_err::create_dir_all(path.parent().unwrap()).unwrap();
            fs_err::write(path, text).unwrap();
        }
        let runtime = Runtime::new("x", serde_json::from_value(spec).unwrap());
        let variable = |name: &str| variables.contains(&name).then(|| "1".to_owned());
        let around = Around { home: Some(home.path()), variable: &variable, is_root: false, runtime: &runtime };
        let said = format!("{:?}; {:?}", around.login(program), around.onboarding(program));
        said.replace(&home.path().display().to_string(), "~")
    }

    fn plain(program: Program) -> Value {
        json!({"command": [program.name()]})
    }

    #[test]
    fn a_home_in_which_it_was_used_says_so() {
        let done = r#"{"hasCompletedOnboarding": true}"#;
        let files = [(".claude.json", done), (".claude/.credentials.json", "{}")];
        insta::assert_snapshot!(found(Program::Claude, plain(Program::Claude), &files, &[]), @r#"Yes("~/.claude/.credentials.json is there"); Yes("done, as ~/.claude.json says")"#);
        let toml = "model_provider = \"stub\"\n\n[model_providers.stub]\nname = \"s\"\nenv_key = \"STUB_KEY\" # mine\n";
        let files = [(".codex/config.toml", toml)];
        insta::assert_snapshot!(found(Program::Codex, plain(Program::Codex), &files, &["STUB_KEY"]), @r#"Yes("STUB_KEY is set, the key of the provider stub"); Yes("it has none")"#);
        insta::assert_snapshot!(found(Program::Codex, plain(Program::Codex), &[(".codex/auth.json", "{}")], &[]), @r#"Yes("~/.codex/auth.json is there"); Yes("it has none")"#);
        let files = [(".gemini/settings.json", r#"{"security": {"auth": {"selectedType": "gemini-api-key"}}}"#)];
        insta::assert_snapshot!(found(Program::Gemini, plain(Program::Gemini), &files, &["GEMINI_API_KEY"]), @r#"Yes("GEMINI_API_KEY is set"); Yes("gemini-api-key is chosen")"#);
        let files =
            [(".config/opencode/opencode.json", r#"{"provider": {"anthropic": {"options": {"apiKey": "x"}}}}"#)];
        insta::assert_snapshot!(found(Program::OpenCode, plain(Program::OpenCode), &files, &[]), @r#"Yes("~/.config/opencode/opencode.json has a key for anthropic"); Yes("it has none")"#);
    }

    #[test]
    fn a_fresh_home_is_unknown_but_where_its_first_question_is_known() {
        insta::assert_snapshot!(found(Program::Claude, plain(Program::Claude), &[], &[]), @r#"Unknown("no sign of a login of `claude`", "if it is not logged in: start `claude` by hand once, as the user of the town"); No("~/.claude.json is not there: it stops at its first question", "start `claude` by hand once, as the user of the town, and answer what it asks")"#);
        let headless = json!({"command": ["claude", "-p"], "envFrom": [{"command": {"argv": ["pass"], "name": "ANTHROPIC_API_KEY"}}]});
        insta::assert_snapshot!(found(Program::Claude, headless, &[], &[]), @r#"Yes("ANTHROPIC_API_KEY is set"); Yes("without a screen it asks nothing")"#);
        let from_file = json!({"command": ["claude", "-p"], "envFrom": [{"file": {"path": "~/keys"}}]});
        assert!(
            found(Program::Claude, from_file, &[], &[])
                .starts_with("Unknown(\"no sign of a login of `claude`, but for what `envFrom` may give\"")
        );
        let files = [(".codex/config.toml", "model_provider = 'stub'\n[model_providers.stub]\nenv_key = 'STUB_KEY'\n")];
        assert!(
            found(Program::Codex, plain(Program::Codex), &files, &[]).starts_with("Unknown(\"STUB_KEY is not set here")
        );
        // What a session does not inherit is not there for it.
        let unset = json!({"command": ["gemini"], "unsetEnv": ["GEMINI_*"]});
        assert!(found(Program::Gemini, unset, &[], &["GEMINI_API_KEY"]).starts_with("Unknown("));
    }

    #[test]
    fn root_has_to_say_that_it_is_in_a_sandbox() {
        let spec = json!({"command": ["claude", "-p", "--dangerously-skip-permissions"]});
        let runtime = |spec| Runtime::new("x", serde_json::from_value(spec).unwrap());
        let nothing = |_: &str| None;
        let around = |runtime: &Runtime| {
            Around { home: None, variable: &nothing, is_root: true, runtime }.onboarding(Program::Claude)
        };
        assert!(matches!(around(&runtime(spec.clone())), Sign::No(why, _) if why.starts_with("as root")));
        let mut sandboxed = spec;
        sandboxed["env"] = json!([{"name": "IS_SANDBOX", "value": "1"}]);
        assert!(matches!(around(&runtime(sandboxed)), Sign::Yes(_)));
    }

    #[test]
    fn versions_older_than_the_tested_one_are_named() {
        let said = |text| Program::Claude.judged(text);
        assert_eq!(said("2.1.332 (Claude Code)"), Sign::Yes("2.1.332 (Claude Code)".to_owned()));
        assert_eq!(
            Program::Codex.judged("codex-cli 0.172.0-alpha.1\n"),
            Sign::Yes("codex-cli 0.172.0-alpha.1".to_owned())
        );
        assert!(matches!(said("2.1.197 (Claude Code)"), Sign::Unknown(why, _) if why.contains("older than 2.1.332")));
        assert!(matches!(said("\u{1b}[31moops"), Sign::Unknown(why, _) if !why.contains('\u{1b}')));
    }

    /// The versions of the check are those that are installed for the tests.
    #[test]
    fn the_tested_versions_are_those_of_the_tests() {
        let tools = include_str!("../../../.ci/real-tools");
        for program in Program::ALL {
            let (major, minor, patch) = program.tested();
            let pinned = format!("@{major}.{minor}.{patch}");
            assert!(tools.contains(&pinned), "{}{pinned} is not what .ci/real-tools installs", program.name());
        }
    }
}
