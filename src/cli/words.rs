//! Words of Gas Town that are another word here, or nothing: who types one is answered with the word, and not with what is spelt
//! most like it (`escalate` would get `delete`).

use clap::error::{ContextKind, ContextValue, ErrorKind};

/// What is typed there, and the answer: the rest of "`WORD` is … here", or of "`WORD` is not here: …".
const WORDS: &[(&str, Word)] = &[
    ("escalate", Here("`gt ask` and `gt stuck` for an agent, `gt status` and `gt answer` for people")),
    (
        "mail",
        Not(
            "agents ask people with `gt ask`, people tell them with `gt answer` and `gt nudge`, and work is given with `gt sling`",
        ),
    ),
    ("notify", Here("`spec.notify` of the Town (`gt explain town.spec.notify`), and `gt wait --needs-me`")),
    ("release", Here("`gt sling BEAD`: it has a bead go on that waits for you")),
    ("unhook", Here("`gt unsling`")),
    ("nuke", Here("`gt polecat nuke`")),
    ("agents", Here("`gt polecat list`")),
    ("ag", Here("`gt polecat list`")),
    ("polecats", Here("`gt polecat list`")),
    ("session", Here("`gt attach`, `gt peek` and `gt stop polecat/NAME`")),
    ("sess", Here("`gt attach`, `gt peek` and `gt stop polecat/NAME`")),
    ("rigs", Here("`gt get rigs`")),
    ("convoys", Here("`gt convoy list`")),
    ("bead", Here("`bd`, and `gt get beads`")),
    ("beads", Here("`gt get beads`")),
    ("ready", Here("`bd ready`")),
    ("show", Here("`bd show`, and `gt describe bead/NAME`")),
    ("cat", Here("`bd show`")),
    ("close", Here("`bd close`")),
    ("assign", Here("`gt sling`")),
    ("formula", Here("`gt get formulas`; a formula is YAML: `gt explain formula`; those in TOML: `bd formula list`")),
    ("formulas", Here("`gt get formulas`")),
    ("mq", Here("`gt get mr`, and `gt mr refresh` looks at the remotes now")),
    ("refinery", Not("the merge queue is a controller of `gt up`: `gt get mr` shows it")),
    ("ref", Not("the merge queue is a controller of `gt up`: `gt get mr` shows it")),
    (
        "witness",
        Not("controllers of `gt up` watch the polecats: `gt polecat list`, and `gt status` says what needs you"),
    ),
    ("deacon", Not("controllers of `gt up` do what it did: `gt status` says what needs you")),
    ("dea", Not("controllers of `gt up` do what it did: `gt status` says what needs you")),
    ("boot", Not("controllers of `gt up` do what it did")),
    ("dog", Not("controllers of `gt up` do what they did: `gt get all` shows what there is")),
    ("dogs", Not("controllers of `gt up` do what they did: `gt get all` shows what there is")),
    ("mayor", Not("you give work yourself: `gt sling`, `gt convoy create`, or YAML with `gt apply`")),
    ("may", Not("you give work yourself: `gt sling`, `gt convoy create`, or YAML with `gt apply`")),
    ("crew", Not("you work in a clone of your own; `gt sling` gives work to polecats")),
    ("worktree", Not("a polecat's worktree is made as it gets a bead: `gt polecat list`")),
    ("feed", Here("`gt events --watch`")),
    ("trail", Here("`gt events`, and `gt history` for what git declares")),
    ("recent", Here("`gt events`")),
    ("recap", Here("`gt events`")),
    ("activity", Here("`gt events`")),
    ("audit", Here("`gt polecat status NAME`, and `gt events`")),
    ("changelog", Here("`gt status`: what has landed, the latest first")),
    ("log", Here("`gt logs`")),
    ("dashboard", Here("`gt status`")),
    ("vitals", Here("`gt status`, and `gt doctor`")),
    ("health", Here("`gt doctor`")),
    ("info", Here("`gt version`")),
    ("stale", Here("`gt doctor`")),
    ("stat", Here("`gt status`")),
    ("costs", Not("what agents cost is not counted yet")),
    ("metrics", Not("nothing is counted of what you type")),
    ("start", Here("`gt up`")),
    ("daemon", Here("`gt up`, `gt down` and `gt logs controller`")),
    ("shutdown", Here("`gt down --stop-agents`")),
    ("estop", Here("`gt freeze`, and `gt stop --all --now`")),
    ("enable", Here("`gt resume`")),
    ("disable", Here("`gt stop --all --drain`")),
    ("install", Here("`gt init`")),
    ("git-init", Here("`gt init`")),
    ("uninstall", Not("`gt down`, then remove the town's folder and those that `gt doctor` names")),
    ("upgrade", Not("a newer `gt up` takes a store over by itself")),
    ("repair", Here("`gt doctor`")),
    ("cleanup", Not("what an agent leaves running is ended with its session: `gt doctor`")),
    ("compact", Not("nothing has to be compacted")),
    ("reaper", Not("what is over is removed as `gt up` starts")),
    ("maintain", Not("the store keeps itself in order")),
    ("dolt", Not("the store is one SQLite file of `gt up`")),
    ("orphans", Here("`gt doctor`; work that was rescued is on refs/gt/rescue/… of the rig's clone")),
    ("prune-branches", Not("branches of polecats stay in the rig's clone, and the town removes its own of the remote")),
    ("scheduler", Not("`spec.capacity` of the Town says how many work at once: `gt explain town.spec.capacity`")),
    ("mountain", Here("a convoy with `needs`: `gt convoy create NAME 'TEXT' --dry-run -o yaml` to begin with")),
    ("synthesis", Here("a bead that `needs` the others of its convoy")),
    ("synth", Here("a bead that `needs` the others of its convoy")),
    ("patrol", Not("controllers of `gt up` look by themselves")),
    ("checkpoint", Not("a session that was killed goes on in its conversation by itself")),
    ("callbacks", Not("controllers of `gt up` see what agents hand in")),
    ("heartbeat", Not("agents' programs report by their hooks")),
    ("hooks", Not("each session gets the hooks of its Runtime: `gt get runtimes`")),
    ("signal", Not("each session gets the hooks of its Runtime: `gt get runtimes`")),
    ("tap", Not("each session gets the hooks of its Runtime: `gt get runtimes`")),
    ("plugin", Not("controllers of your own use the API of `gt up`, which is Kubernetes'")),
    ("role", Not("agents are polecats: `gt prime` tells one what it is")),
    ("directive", Not("what an agent is told stands in its Formula: `gt explain formula`")),
    ("directives", Not("what an agent is told stands in its Formula: `gt explain formula`")),
    ("config", Here("YAML: `gt explain town`, `gt explain rig`, and `gt apply`")),
    ("account", Here("`spec.accounts` of the Town: `gt explain town.spec.accounts`")),
    ("quota", Not("an account that is refused is left alone until its reset: `gt describe town/town`")),
    ("namepool", Here("`spec.polecats.names` of a Rig: `gt explain rig.spec.polecats`")),
    ("theme", Not("colour follows your terminal, and NO_COLOR")),
    ("shell", Here("`source <(COMPLETE=bash gt)`, which completes words")),
    ("whoami", Here("`gt hook`, for an agent")),
    ("commit", Here("`git commit`: a session's git knows who it is")),
    ("issue", Here("`gt hook`, for an agent")),
    ("cycle", Here("`gt attach`, with the name of another")),
    ("remember", Not("what every agent should know stands in the repository, such as in AGENTS.md")),
    ("forget", Not("what every agent should know stands in the repository, such as in AGENTS.md")),
    ("memories", Not("what every agent should know stands in the repository, such as in AGENTS.md")),
    ("wl", Not("a town is one machine's")),
    ("thanks", Not("thank you")),
];

/// The same below a verb that is there, by both words.
const BELOW: &[(&str, Word)] = &[
    ("polecat add", Not("polecats are made as there is work: `gt sling`")),
    ("polecat spawn", Not("polecats are made as there is work: `gt sling`")),
    ("polecat remove", Here("`gt polecat nuke`")),
    ("polecat identity", Here("`gt polecat status`")),
    ("polecat check-recovery", Here("`gt polecat nuke --dry-run`")),
    ("convoy check", Not("a convoy counts its beads by itself: `gt convoy status`")),
    ("convoy watch", Here("`gt wait convoy/NAME`")),
    ("convoy unwatch", Here("Ctrl-c of `gt wait`")),
    ("rig list", Here("`gt get rigs`")),
    ("rig status", Here("`gt describe rig/NAME`")),
    ("rig park", Here("`gt pause rig/NAME`, or `gt stop rig/NAME --now`")),
    ("rig dock", Here("`gt pause rig/NAME`, or `gt stop rig/NAME --now`")),
    ("rig unpark", Here("`gt resume rig/NAME`")),
    ("rig undock", Here("`gt resume rig/NAME`")),
    ("rig stop", Here("`gt stop rig/NAME --now`")),
    ("rig shutdown", Here("`gt stop rig/NAME --drain`")),
    ("rig start", Here("`gt resume rig/NAME`")),
    ("rig restart", Not("a rig has no processes of its own: `gt resume rig/NAME` lifts what was said of it")),
    ("rig reboot", Not("a rig has no processes of its own: `gt resume rig/NAME` lifts what was said of it")),
    ("rig boot", Not("a rig has no processes of its own: `gt up` looks after all of them")),
    ("rig remove", Here("`gt delete rig/NAME`")),
    ("rig config", Here("YAML: `gt explain rig`, and `gt apply`")),
    ("rig settings", Here("YAML: `gt explain rig`, and `gt apply`")),
    ("mr list", Here("`gt get mr`")),
    ("mr status", Here("`gt describe mr/NAME`")),
    ("mr reject", Here("`bd close` of its bead")),
    ("mr retry", Here("`gt sling BEAD`")),
];

/// What a word is here.
#[derive(Debug, Clone, Copy)]
enum Word {
    /// Another word.
    Here(&'static str),
    /// Nothing, and why.
    Not(&'static str),
}

use Word::{Here, Not};

/// The answer to a command line with a word of Gas Town, if it is that what is wrong with it.
pub fn answer(error: &clap::Error, typed: &[String]) -> Option<String> {
    let Some(ContextValue::String(wrong)) = error.get(ContextKind::InvalidSubcommand) else { return None };
    if error.kind() != ErrorKind::InvalidSubcommand {
        return None;
    }
    let at = typed.iter().position(|word| word == wrong)?;
    let above = typed[..at].iter().rev().find(|word| !word.starts_with('-'));
    let below = above.map(|above| format!("{above} {wrong}"));
    let found = |table: &[(&str, Word)], typed: &str| table.iter().find(|(word, _)| *word == typed).map(|(_, is)| *is);
    // A word after an option's value is a first word all the same.
    let (typed, is) = match below.and_then(|below| Some((below.clone(), found(BELOW, &below)?))) {
        Some(found) => found,
        None if is_first(&typed[..at]) => (wrong.clone(), found(WORDS, wrong)?),
        None => return None,
    };
    Some(match is {
        Here(word) => format!("`{typed}` is another word here: {word}"),
        Not(why) => format!("`{typed}` is not here: {why}"),
    })
}

/// Whether nothing but options of `gt` itself comes before.
fn is_first(before: &[String]) -> bool {
    match before {
        [] => true,
        [option, rest @ ..] if option.starts_with("--town=") => is_first(rest),
        [option, _, rest @ ..] if option == "--town" => is_first(rest),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::command;

    fn answered(line: &str) -> Option<String> {
        let typed: Vec<String> = line.split(' ').map(str::to_owned).collect();
        let error = command().try_get_matches_from(std::iter::once("gt").chain(line.split(' '))).unwrap_err();
        answer(&error, &typed)
    }

    #[test]
    fn a_word_of_gas_town_is_answered_with_the_word_that_it_is_here() {
        let escalate = "`escalate` is another word here: `gt ask` and `gt stuck` for an agent, `gt status` and `gt answer` for people";
        assert_eq!(answered("escalate -s high x").as_deref(), Some(escalate));
        assert_eq!(answered("--town . escalate").as_deref(), Some(escalate));
        assert_eq!(
            answered("rig park shop").unwrap(),
            "`rig park` is another word here: `gt pause rig/NAME`, or `gt stop rig/NAME --now`"
        );
        assert!(answered("witness status shop").unwrap().starts_with("`witness` is not here: controllers"));
        // Not a word of Gas Town, and none below a verb where it is one at the top.
        assert_eq!(answered("frobnicate"), None);
        assert_eq!(answered("rig mail"), None);
        assert_eq!(answered("get --nonsense"), None);
    }

    /// The verb below `gt` that words begin with, with the options that are named.
    fn is_there(words: &str) -> bool {
        let mut command = command();
        let mut words = words.split(' ').skip(1).peekable();
        while let Some(verb) = words.peek().and_then(|word| command.find_subcommand(word)).cloned() {
            command = verb;
            words.next();
        }
        let is_verb = command.get_name() != "gt" && words.peek().is_none_or(|_| !command.has_subcommands());
        let options: Vec<&str> = words.filter_map(|word| word.strip_prefix("--")).collect();
        is_verb && options.iter().all(|it| command.get_arguments().any(|argument| argument.get_long() == Some(it)))
    }

    #[test]
    fn every_verb_that_is_named_is_there_and_no_word_of_the_tables_is_a_verb() {
        assert!(is_there("gt stop rig/NAME --now") && !is_there("gt stop --never") && !is_there("gt convoy fly"));
        for (word, is) in WORDS.iter().chain(BELOW) {
            let (Here(text) | Not(text)) = is;
            for verb in text.split('`').skip(1).step_by(2).filter(|it| it.starts_with("gt ")) {
                assert!(is_there(verb), "{word}: `{verb}`");
            }
            for verb in text.split('`').skip(1).step_by(2).filter(|it| it.starts_with("bd ")) {
                assert!(is_there(&format!("gt {verb}")), "{word}: `{verb}`");
            }
            assert!(!is_there(&format!("gt {word}")), "{word} is a verb");
            assert_eq!(WORDS.iter().chain(BELOW).filter(|(it, _)| it == word).count(), 1, "{word}");
        }
    }
}
