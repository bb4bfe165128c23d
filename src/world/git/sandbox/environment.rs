//! The environment of a session, a setup command or a check, as far as it is about git.

/// The settings that are in force for git in a sandbox, and in every repository that is made in one. Nothing is signed: there
/// is no key for who commits there, nobody to unlock one, and a replay drops signatures anyway.
const UNSIGNED: [&str; 4] = ["commit.gpgSign", "tag.gpgSign", "tag.forceSignAnnotated", "push.gpgSign"];

/// The variables; `branch` is the one to work on, if any.
pub(in crate::git) fn of(branch: Option<&str>) -> Vec<(String, String)> {
    let mut env = vec![("GIT_CONFIG_COUNT".to_owned(), UNSIGNED.len().to_string())];
    for (n, name) in UNSIGNED.into_iter().enumerate() {
        env.push((format!("GIT_CONFIG_KEY_{n}"), name.to_owned()));
        env.push((format!("GIT_CONFIG_VALUE_{n}"), "false".to_owned()));
    }
    // Nobody is there to answer: `origin` is the real remote, and a fetch may ask for a password.
    env.push(("GIT_TERMINAL_PROMPT".to_owned(), "0".to_owned()));
    env.push(("GT_BRANCH".to_owned(), branch.unwrap_or_default().to_owned()));
    env
}
