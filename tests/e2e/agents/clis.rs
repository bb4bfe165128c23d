//! The programs of agents, at pinned versions, from npm: `make realtools` installs them. Where one is missing, its tests say so.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::model::Model;
use crate::town::harness::Town;

/// An agent's program, and how it comes to ask our model.
#[derive(Debug, Clone, Copy)]
pub struct Cli {
    /// The program, and the Runtime that runs it.
    pub name: &'static str,
    /// The Runtime that runs it without a screen.
    pub headless: &'static str,
    /// Files of a HOME in which it was used before: path and text, in which `PORT` stands for the model's.
    home: &'static [(&'static str, &'static str)],
    /// Variables that a person has set.
    env: &'static [(&'static str, &'static str)],
}

pub const CLAUDE: Cli = Cli {
    name: "claude",
    headless: "claude-headless",
    home: &[(".claude.json", r#"{"hasCompletedOnboarding": true, "numStartups": 7}"#)],
    env: &[
        ("ANTHROPIC_BASE_URL", "http://127.0.0.1:PORT"),
        ("ANTHROPIC_AUTH_TOKEN", "none"),
        ("CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC", "1"),
        // Tests run as root in CI, and a machine of CI is one.
        ("IS_SANDBOX", "1"),
    ],
};

pub const CODEX: Cli = Cli {
    name: "codex",
    headless: "codex-headless",
    home: &[(
        ".codex/config.toml",
        "model_provider = \"stub\"\n[model_providers.stub]\nname = \"stub\"\nbase_url = \"http://127.0.0.1:PORT/v1\"\n\
         wire_api = \"responses\"\nenv_key = \"STUB_KEY\"\n\
         request_max_retries = 1\nstream_max_retries = 1\n",
    )],
    env: &[("STUB_KEY", "none")],
};

fn bin() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("target/tools/node_modules/.bin")
}

impl Cli {
    /// Whether it is installed; if not, that is said.
    #[expect(clippy::print_stderr, reason = "a test that does nothing says so")]
    pub fn is_here(&self) -> bool {
        let program = bin().join(self.name);
        let is_here = fs_err::metadata(&program).is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0);
        if !is_here {
            eprintln!("SKIPPED: {} is missing; `make realtools` installs it", self.name);
        }
        is_here
    }

    /// The same in a HOME in which it was never used.
    pub fn never_used(self) -> Self {
        Self { home: &[], ..self }
    }

    /// A town in which it works.
    pub fn town(&self, model: &Model) -> Town {
        self.at_work(Town::new(), model)
    }

    /// Has it work in a town.
    pub fn at_work(&self, town: Town, model: &Model) -> Town {
        at_work(&[*self], town, model)
    }
}

/// A town in which these work.
pub fn town(clis: &[Cli], model: &Model) -> Town {
    at_work(clis, Town::new(), model)
}

/// Has these work in a town, by our model, in a HOME in which they were used before; they reach nothing but this machine.
pub fn at_work(clis: &[Cli], mut town: Town, model: &Model) -> Town {
    let with_port = |text: &str| text.replace("PORT", &model.port.to_string());
    for (file, text) in clis.iter().flat_map(|cli| cli.home) {
        town.file(&format!("home/{file}"), &with_port(text));
    }
    for (name, value) in clis.iter().flat_map(|cli| cli.env) {
        town.set(name, &with_port(value));
    }
    // Nobody listens there, and what is not on loopback goes there.
    for name in ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"] {
        town.set(name, "http://127.0.0.1:9");
    }
    town.set("NO_PROXY", "127.0.0.1");
    // These are installed, and no other agent is.
    let programs = town.path("programs");
    fs_err::create_dir_all(&programs).unwrap();
    for cli in clis {
        fs_err::os::unix::fs::symlink(bin().join(cli.name), programs.join(cli.name)).unwrap();
    }
    let path = std::env::var("PATH").unwrap();
    town.set("PATH", &format!("{}:{path}", programs.display()));
    town
}

pub const GEMINI: Cli = Cli {
    name: "gemini",
    headless: "gemini-headless",
    home: &[(".gemini/settings.json", r#"{"security": {"auth": {"selectedType": "gemini-api-key"}}}"#)],
    env: &[
        ("GEMINI_API_KEY", "none"),
        ("GOOGLE_GEMINI_BASE_URL", "http://127.0.0.1:PORT"),
        // Otherwise it asks a small model which model to ask.
        ("GEMINI_MODEL", "gemini-2.5-pro"),
    ],
};

pub const OPENCODE: Cli = Cli {
    name: "opencode",
    headless: "opencode-headless",
    home: &[
        (
            ".config/opencode/opencode.json",
            r#"{"model": "anthropic/claude-sonnet-4-5", "small_model": "anthropic/claude-sonnet-4-5",
                "provider": {"anthropic": {"options": {"baseURL": "http://127.0.0.1:PORT/v1", "apiKey": "none"}}}}"#,
        ),
        // Before it loads a plugin it installs the types of one here, once: so far is a HOME in which it was used before.
        (".config/opencode/node_modules/.package-lock.json", "{}"),
        (".config/opencode/package.json", r#"{"dependencies": {"@opencode-ai/plugin": "1.18.33"}}"#),
        (
            ".config/opencode/package-lock.json",
            r#"{"lockfileVersion": 3, "packages": {"": {"dependencies": {"@opencode-ai/plugin": "1.18.33"}}}}"#,
        ),
    ],
    env: &[("OPENCODE_DISABLE_MODELS_FETCH", "1")],
};
