//! Real agents at work: their own programs, in a town, with a model on loopback that plays a worker through their tools.

mod accounts;
mod clis;
mod conformance;
mod continuity;
mod model;
mod more;
mod newcomer;
mod nudge;
mod prompts;
mod questions;
mod reboot;
mod soak;

use clis::{CLAUDE, CODEX, Cli};
use model::{Line, Model};
use nudge::Person;
use serde_json::Value;

use crate::town::harness::{Town, git, kill, wait_until};

fn run(text: impl Into<String>) -> Line {
    Line::Run(text.into())
}

/// What a worker does for a bead, from its start to its end; `work` is the shell text of the work itself. Without `$(…)`: Gemini
/// CLI runs none that has it.
fn worker(work: &str) -> Vec<Line> {
    vec![
        run("gt prime"),
        run(format!("{work}\ngit add --all && git commit --quiet --message \"Do $GT_BEAD\"")),
        run("gt hook -o steps | xargs -n 1 bd close"),
        run("gt done"),
    ]
}

/// A convoy of `shop` with one bead, for an agent that reads it.
fn one_bead(town: &Town, runtime: &str) {
    town.apply(
        "apiVersion: gastown.io/v1alpha1\nkind: Town\nmetadata: {name: town}\nspec: {capacity: {polecats: 3}, trust: Full}\n",
    );
    town.rig("shop", &format!("  runtime: {runtime}\n"));
    town.apply(
        "apiVersion: gastown.io/v1alpha1\nkind: Convoy\nmetadata: {name: day}\n\
         spec: {rig: shop, beads: [{name: one, title: Do one, description: Write one.txt.}]}\n",
    );
}

/// What an attempt at a bead reported of its conversation.
fn conversation(town: &Town, attempt: u32) -> Value {
    town.record(&town.bead("one"), attempt, "run/.conversation.json").unwrap_or_default()
}

/// An agent lands a bead, nothing typed. It is killed on the way, in the middle of a tool call, and goes on in the same
/// conversation.
fn lands_although_killed(cli: Cli) {
    if !cli.is_here() {
        return;
    }
    let flag = tempfile::NamedTempFile::new().unwrap();
    let flag = flag.path().display();
    let work = format!("echo $$ >> {flag}\n[ $(wc -l < {flag}) -gt 1 ] || sleep 600\necho one > one.txt");
    let model = Model::plays(worker(&work));
    let town = cli.town(&model);
    one_bead(&town, cli.name);
    town.up();
    wait_until(&town, "it is at the work", || {
        fs_err::read_to_string(flag.to_string()).ok().filter(|it| !it.is_empty())
    });
    let first = conversation(&town, 1);
    let transcript = first["transcript"].as_str().expect("a conversation is reported, with its file");
    // It is written some moments later, and what is not in it is not gone on from.
    let holds_the_call = || fs_err::read_to_string(transcript).ok().filter(|it| it.contains("_line1_"));
    wait_until(&town, "the agent's program has written down what it does", holds_the_call);
    let agent = wait_until(&town, "its agent is on record", || town.record(&town.bead("one"), 1, "agent.json"));
    kill(agent["pid"].as_i64().unwrap().try_into().unwrap());
    town.lands("day");
    assert_eq!(conversation(&town, 2), first, "{}", town.told(&town.bead("one"), 2));
    // Read, not looked at: the screen is painted anew all the time.
    let bead = town.bead("one")["metadata"]["name"].as_str().unwrap().to_owned();
    let log = town.ok(&["logs", &format!("bead/{bead}")]);
    assert!(log.contains("* Bash: gt prime\n    # You are nux, a polecat of rig shop"), "{log}");
    assert!(log.contains("* Bash: gt done\n    handed in 1 commit"), "{log}");
    assert_ne!(town.ok(&["logs", &format!("bead/{bead}"), "--screen"]), log);
    // One conversation in two sessions, whose tokens count once: 20 for each answer.
    let polecat: Value = serde_json::from_str(&town.ok(&["polecat", "status", "shop-nux", "-o", "json"])).unwrap();
    let tokens = &polecat["tokens"];
    assert_eq!((&tokens["sessions"], &tokens["unknownSessions"]), (&2.into(), &0.into()), "{tokens}");
    let output = tokens["output"].as_u64().unwrap();
    assert!(output.is_multiple_of(20) && (80..=140).contains(&output) && tokens["input"] != 0, "{tokens}");
    // The line that was cut off is played again, and nothing before it.
    assert_eq!(model.played(), [0, 1, 1, 2, 3]);
    assert!(
        model.first_asked().contains("# You are nux, a polecat of rig shop"),
        "what `gt prime` says is given at the start"
    );
    assert_eq!(town.record(&town.bead("one"), 3, "spec.json"), None);
}

/// The same without a screen; its turn ends before its work does, and it is sent on.
fn lands_without_a_screen(cli: Cli) {
    if !cli.is_here() {
        return;
    }
    let mut lines = worker("echo one > one.txt");
    lines.insert(1, Line::Say("It is not clear to me what to do.".to_owned()));
    let model = Model::plays(lines);
    let town = cli.town(&model);
    one_bead(&town, cli.headless);
    town.up();
    town.lands("day");
    assert_eq!(model.played(), [0, 1, 2, 3, 4]);
    assert_eq!(town.record(&town.bead("one"), 2, "spec.json"), None);
}

/// What tells which agent's program runs a shell: variables that each sets for its tools.
const WHO: &str = "${CLAUDECODE:+claude}${CODEX_THREAD_ID:+codex}";

/// The beads of a convoy, each with the Runtime that works on it; the convoy names that of two of them.
const SIX: [(&str, &str); 6] = [
    ("hard", "claude"),
    ("hairy", "claude"),
    ("easy", "codex"),
    ("plain", "codex"),
    ("chore", "script"),
    ("mop", "script"),
];

/// Claude for the hard, Codex for the easy and commands for chores, all at once in one repository.
#[test]
fn six_beads_of_one_convoy_are_worked_by_three_agents_at_once() {
    // Both say what is missing.
    if [CLAUDE, CODEX].iter().filter(|cli| !cli.is_here()).count() > 0 {
        return;
    }
    let flag = tempfile::tempdir().unwrap();
    let flag = flag.path().join("all-are-at-work");
    // Nobody is done before all have begun. An agent's tools do not run for long, so it waits in parts.
    let waits = |tries: u32| {
        format!("i=0; until [ -e {} ] || [ $i -ge {tries} ]; do i=$((i+1)); sleep 0.1; done", flag.display())
    };
    let [prime, work, close, done] = worker(&format!("echo {WHO} > $GT_BEAD.txt")).try_into().unwrap();
    let waiting = std::iter::repeat_n(run(waits(200)), 4);
    let lines = std::iter::once(prime).chain(waiting).chain([work, close, done]);
    let model = Model::plays(lines.collect());
    let town = clis::town(&[CLAUDE, CODEX], &model);
    let runtimes = "spec: {capacity: {polecats: 6, minFreeMemory: 64Mi}, trust: Full}\n";
    town.apply(&format!("apiVersion: gastown.io/v1alpha1\nkind: Town\nmetadata: {{name: town}}\n{runtimes}"));
    let bead = |(name, runtime): &(&str, &str)| {
        let named = if *runtime == "codex" { String::new() } else { format!(", runtime: {runtime}") };
        let command =
            format!("{}; echo script > $GT_BEAD.txt; git add --all; git commit -qm \"Do $GT_BEAD\"", waits(900));
        let command = if *runtime == "script" { format!(", command: {command:?}") } else { String::new() };
        format!("{{name: {name}, title: Do {name}{named}{command}}}")
    };
    let beads: Vec<_> = SIX.iter().map(bead).collect();
    town.apply(&format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Convoy\nmetadata: {{name: day}}\nspec: {{rig: shop, runtime: codex, beads: [{}]}}\n",
        beads.join(", ")
    ));
    town.up();
    wait_until(&town, "six polecats are at work", || {
        let polecats = town.items("polecats");
        (polecats.iter().filter(|it| it["status"]["state"] == "Working").count() == SIX.len()).then_some(())
    });
    fs_err::write(&flag, "").unwrap();
    town.lands("day");
    let steps = town.items("steps");
    let bare = town.path("repos/shop.git");
    for (name, runtime) in SIX {
        let bead = town.bead(name);
        let object = bead["metadata"]["name"].as_str().unwrap();
        assert_eq!(bead["spec"]["runtime"], runtime, "{name}");
        assert_eq!(git(&bare, &["show", &format!("main:{object}.txt")]).trim(), runtime, "{}", town.told(&bead, 1));
        assert_eq!(town.record(&bead, 2, "spec.json"), None, "{name} was landed at once");
        // Whoever had the bead has closed its steps and made its commit, and nobody else.
        let polecat = bead["status"]["lastPolecat"].as_str().and_then(|it| it.strip_prefix("shop-")).unwrap();
        let author = git(&bare, &["log", "-1", "--format=%an", "main", "--", &format!("{object}.txt")]);
        assert_eq!(author.trim(), polecat, "{name}");
        let closed_by = |step: &Value| step["spec"]["closed"]["by"].as_str().map(str::to_owned);
        let closed: Vec<_> = steps.iter().filter(|it| it["spec"]["parent"] == object).map(closed_by).collect();
        assert_eq!(closed, [Some(format!("shop/polecats/{polecat}"))], "{name}");
    }
}

/// One agent writes and another reviews, on one branch; each closes its own step, and neither is charged for leaving the rest.
#[test]
fn one_agent_writes_and_another_reviews() {
    if [CLAUDE, CODEX].iter().filter(|cli| !cli.is_here()).count() > 0 {
        return;
    }
    let work = format!("echo {WHO} >> who.txt\ngit add --all && git commit --quiet --message \"Do $GT_BEAD\"");
    let [prime, _, close, done] = worker("").try_into().unwrap();
    let model = Model::plays(vec![prime, run(work), close, done]);
    let town = clis::town(&[CLAUDE, CODEX], &model);
    town.apply(
        "apiVersion: gastown.io/v1alpha1\nkind: Formula\nmetadata: {name: work}\n\
         spec: {steps: [{name: write}, {name: review, needs: [write], runtime: claude-headless}]}\n",
    );
    one_bead(&town, CODEX.name);
    town.up();
    town.lands("day");
    assert_eq!(git(&town.path("repos/shop.git"), &["show", "main:who.txt"]), "codex\nclaude");
    assert_eq!(town.bead("one")["status"]["failures"], 0);
}

#[test]
fn claude_lands_a_bead_without_a_screen() {
    lands_without_a_screen(CLAUDE);
}

#[test]
fn claude_lands_a_bead_from_a_fresh_home_without_a_screen() {
    lands_without_a_screen(CLAUDE.never_used());
}

/// With a screen, it asks a person how it is to look, and says what to look out for. That is said, and once it is answered, the bead
/// lands with nothing else typed.
#[test]
fn claude_lands_a_bead_from_a_fresh_home_once_a_person_has_set_it_up() {
    let cli = CLAUDE.never_used();
    if !cli.is_here() {
        return;
    }
    let model = Model::plays(worker("echo one > one.txt"));
    let town = cli.town(&model);
    one_bead(&town, cli.name);
    town.up();
    let said = stands(&town, "DialogOpen");
    let status = town.run(&["status"]).text();
    assert!(status.contains("gt attach shop-nux"), "{said}\n{status}");
    let person = Person::attaches(&town);
    for shows in ["Choose the text style", "Press Enter to continue"] {
        wait_until(&town, shows, || person.screen().contains(shows).then_some(()));
        person.presses(&["Enter"]);
    }
    town.lands("day");
    assert_eq!(model.played(), [0, 1, 2, 3]);
    assert_eq!(town.record(&town.bead("one"), 2, "spec.json"), None);
}

#[test]
fn codex_lands_a_bead_without_a_screen() {
    lands_without_a_screen(CODEX);
}

#[test]
fn claude_lands_a_bead_although_killed() {
    lands_although_killed(CLAUDE);
}

#[test]
fn codex_lands_a_bead_although_killed() {
    lands_although_killed(CODEX);
}

/// The reason of the only polecat, once it is this one; and what is said of it.
fn stands(town: &Town, reason: &str) -> String {
    wait_until(town, reason, || {
        let polecats = town.items("polecats");
        let ready = polecats.first()?["status"]["conditions"].as_array()?.iter().find(|it| it["type"] == "Ready")?;
        (ready["reason"] == reason).then(|| ready["message"].as_str().unwrap_or_default().to_owned())
    })
}

/// A town in which Claude Code is at work on a bead, with these lines.
fn claude_at_work(lines: Vec<Line>) -> Option<(Model, Town)> {
    if !CLAUDE.is_here() {
        return None;
    }
    let model = Model::plays(lines);
    let mut town = CLAUDE.town(&model);
    // Its own tries take minutes.
    town.set("CLAUDE_CODE_MAX_RETRIES", "1");
    one_bead(&town, "claude");
    town.up();
    Some((model, town))
}

/// The answer comes while the turn goes on: the same session is told of it when the turn ends, and hands in only then.
#[test]
fn an_answer_during_the_turn_is_told_at_its_end() {
    let flag = tempfile::NamedTempFile::new().unwrap();
    let flag = flag.path().display().to_string();
    let mut lines = worker("echo one > one.txt");
    lines.insert(1, run("gt ask 'Tabs or spaces?'; gt done 2>&1 | grep 'waits for an answer'"));
    lines.insert(2, run(format!("echo asked > {flag}; until grep -q answered {flag}; do sleep 0.1; done")));
    lines.insert(3, Line::Say("I have waited.".to_owned()));
    let Some((model, town)) = claude_at_work(lines) else { return };
    wait_until(&town, "it has asked", || fs_err::read_to_string(&flag).ok().filter(|it| it.contains("asked")));
    let bead = town.bead("one")["metadata"]["name"].as_str().unwrap().to_owned();
    town.ok(&["answer", &bead, "spaces"]);
    fs_err::write(&flag, "answered").unwrap();
    town.lands("day");
    assert_eq!(model.played(), [0, 1, 2, 3, 4, 5, 6]);
    assert!(model.asked().contains("The answer, by"), "it is told the answer");
    assert_eq!(town.record(&town.bead("one"), 2, "spec.json"), None);
}

#[test]
fn an_agent_that_stops_for_good_waits_for_a_person() {
    let idle: Vec<Line> = (0..20).map(|_| Line::Say("I am done.".to_owned())).collect();
    let Some((model, town)) = claude_at_work(idle) else { return };
    let said = stands(&town, "TurnEnded");
    assert_eq!(said, "its turn has ended with work on its hook, although it was sent on 5 times");
    assert_eq!(model.played(), [0, 1, 2, 3, 4, 5]);
    let status = town.run(&["status"]).text();
    assert!(status.contains("gt attach shop-nux"), "{status}");
}

/// An agent asks, its session ends with the turn, a person answers, and the same conversation goes on with that.
fn asks_and_goes_on(cli: Cli, runtime: &str) {
    if !cli.is_here() {
        return;
    }
    let mut lines = worker("echo one > one.txt");
    lines.insert(1, run("gt ask 'Tabs or spaces?' --option tabs --option spaces"));
    lines.insert(2, Line::Say("I have asked.".to_owned()));
    let model = Model::plays(lines);
    let town = cli.town(&model);
    one_bead(&town, runtime);
    town.up();
    let bead = town.bead("one")["metadata"]["name"].as_str().map(str::to_owned);
    assert_eq!(stands(&town, "Asking"), "Tabs or spaces?");
    wait_until(&town, "its slot is free", || (town.bead("one")["spec"]["assignee"]["waiting"] == "Bead").then_some(()));
    let bead = bead.or_else(|| town.bead("one")["metadata"]["name"].as_str().map(str::to_owned)).unwrap();
    let status = town.run(&["status"]).text();
    assert!(status.contains(&format!("gt answer {bead} \"...\"")), "{status}");
    assert_eq!(town.ok(&["answer", &bead, "2"]), format!("bead/{bead} answered: spaces"));
    town.lands("day");
    assert_eq!(model.played(), [0, 1, 2, 3, 4, 5]);
    assert_eq!(conversation(&town, 2)["id"], conversation(&town, 1)["id"]);
    let told = model.asked();
    assert!(told.contains("You asked: Tabs or spaces?") && told.contains("spaces"), "it is told the answer");
    assert_eq!(town.record(&town.bead("one"), 3, "spec.json"), None);
}

#[test]
fn claude_asks_and_goes_on_with_the_answer() {
    asks_and_goes_on(CLAUDE, CLAUDE.name);
}

#[test]
fn codex_asks_and_goes_on_with_the_answer() {
    asks_and_goes_on(CODEX, CODEX.name);
}

#[test]
fn a_question_without_a_screen_is_answered_too() {
    asks_and_goes_on(CLAUDE, CLAUDE.headless);
}

#[test]
fn an_agent_that_its_provider_refuses_is_not_charged() {
    let refusals = [
        (429, "rate_limit_error", "Limited"),
        (529, "overloaded_error", "Limited"),
        (401, "authentication_error", "LoginRequired"),
    ];
    for (status, kind, reason) in refusals {
        let Some((_model, town)) = claude_at_work(vec![Line::Refuse(status, kind)]) else { return };
        let said = stands(&town, reason);
        assert!(said.contains(&status.to_string()), "{said}");
    }
}

/// Codex is refused, for its limit and for its login: it comes to stand for that, and nothing is charged.
fn codex_is_refused(runtime: &str, stands_for: impl Fn(&Town, &str)) {
    if !CODEX.is_here() {
        return;
    }
    for (status, kind, reason) in [(429, "usage_limit_reached", "Limited"), (401, "invalid_api_key", "LoginRequired")] {
        let model = Model::plays(vec![Line::Refuse(status, kind)]);
        let town = CODEX.town(&model);
        one_bead(&town, runtime);
        town.up();
        stands_for(&town, reason);
        assert_eq!(town.bead("one")["status"]["failures"].as_u64().unwrap_or(0), 0);
    }
}

#[test]
fn what_is_refused_without_a_screen_is_not_charged_either() {
    codex_is_refused(CODEX.headless, |town, reason| {
        // While it runs, it stands for what its provider says; then for the account, which is left alone.
        wait_until(town, "the account is left alone", || {
            stands(town, reason).contains("was refused by its model's provider").then_some(())
        });
    });
}

/// Its hooks say nothing of a turn that fails: its transcript does.
#[test]
fn codex_at_its_screen_is_not_charged_for_what_its_provider_refuses() {
    codex_is_refused(CODEX.name, |town, reason| drop(stands(town, reason)));
}

/// A program that wants to be set up, or refuses to run here, is the person's to see to, and the bead waits for that.
#[test]
fn a_program_that_does_not_begin_is_said_and_not_charged() {
    let town = Town::new();
    let command = "['sh', '-c', 'echo log in first; exit 1']";
    town.apply(&format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Runtime\nmetadata: {{name: shy}}\nspec: {{command: {command}, dialect: Claude}}\n"
    ));
    one_bead(&town, "shy");
    town.up();
    let said = stands(&town, "NotStarted");
    assert!(said.contains("ended with 1 (log in first), before it began"), "{said}");
    let status = town.run(&["status"]).text();
    assert!(status.contains("polecat/shop-nux") && status.contains("log in first"), "{status}");
    assert_eq!(town.bead("one")["status"]["failures"].as_u64().unwrap_or(0), 0);
}
