//! `bd` writes: filing, changing, tying, closing and opening beads, as people and as agents.

use crate::town::{TestTown, bead};
use insta::assert_snapshot;
use serde_json::{Value, json};

/// A town with one rig, shop.
fn town() -> TestTown {
    let town = TestTown::new();
    town.seed_hooked();
    town
}

/// What `--json` prints.
fn json_of(answer: &str) -> Value {
    let lines: Vec<&str> = answer.lines().skip(1).take_while(|line| !line.starts_with("2> ")).collect();
    let text = lines.join("\n");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {answer}"))
}

#[test]
fn a_bead_is_filed_into_the_backlog_with_all_that_is_said_of_it() {
    let town = town();
    assert_snapshot!(town.person("bd create Rotate~tokens --id shop-a"), @"
    exit 0
    ✓ Created issue: shop-a
      Title: Rotate tokens
      Priority: P2
      Status: open
    2> it names no rig: `bd update ID --rig RIG` before it is slung
    ");
    let filed = town.person(
        "bd create Log~out --id shop-b -t bug -p P1 -d Everywhere. --design By~a~list. --acceptance It~is~gone. --notes n -l \
         auth,api -a kim --deps shop-a,discovered-from:shop-1 -e 30 --due 2026-05-01 --metadata {\"b\":1} --external-ref gh-9 \
         --json",
    );
    let filed = json_of(&filed);
    let said = json!({
        "title": "Log out", "issue_type": "bug", "priority": 1, "description": "Everywhere.", "design": "By a list.",
        "acceptance_criteria": "It is gone.", "notes": "n", "labels": ["api", "auth"], "assignee": "kim", "status": "open",
        "estimated_minutes": 30, "due_at": "<time>", "metadata": {"b": 1}, "external_ref": "gh-9",
        "created_by": "kim", "schema_version": 1,
    });
    for (key, value) in said.as_object().unwrap() {
        assert_eq!(filed[key], *value, "{key}");
    }
    let ties: Vec<_> =
        filed["dependencies"].as_array().unwrap().iter().map(|it| (&it["depends_on_id"], &it["type"])).collect();
    assert_eq!(ties, [(&json!("shop-a"), &json!("blocks")), (&json!("shop-1"), &json!("discovered-from"))]);
    let chosen = town.person("bd create Another --rig shop --silent");
    assert!(chosen.starts_with("exit 1\n2> error: there is no rig `shop`"), "{chosen}");
}

#[test]
fn what_cannot_be_filed_is_refused_and_nothing_is() {
    let town = town();
    let refused = |line: &str| town.person(line).lines().take(2).collect::<Vec<_>>().join(" ");
    assert_snapshot!([
        "bd create", "bd create ~", "bd create x --type two~words", "bd create x --id shop-1", "bd create x --deps gone",
        "bd create x --parent gone", "bd create x --due someday", "bd create x --metadata [1]", "bd create x --id a/b",
        "bd create x -a shop/polecats/nux", "bd create x --event-type y", "bd create x -t event",
    ].map(refused).join("\n"), @r#"
    exit 1 2> error: title required
    exit 1 2> error: a title has 1 to 500 characters
    exit 1 2> error: invalid type `two words`
    exit 1 2> error: issue shop-1 already exists
    exit 1 2> error: no issue found matching "gone"
    exit 1 2> error: no issue found matching "gone"
    exit 1 2> error: invalid time `someday`
    exit 1 2> error: invalid JSON in --metadata: invalid type: sequence, expected a map at line 1 column 0
    exit 1 2> error: invalid bead id `a/b`
    exit 1 2> error: `shop/polecats/nux` is a polecat, and dispatch gives polecats their work
    exit 1 2> error: --event-type, --event-actor, --target and --payload are of events
    exit 1 2> error: an event has a type
    "#);
    assert_eq!(json_of(&town.person("bd count --json"))["count"], 1);
}

#[test]
fn an_agent_files_what_it_finds_and_it_waits_for_a_person() {
    let town = town();
    let filed = json_of(&town.agent("bd create Found~it -t bug --deps discovered-from:shop-1 --json"));
    let id = filed["id"].as_str().unwrap().to_owned();
    assert_eq!(filed["created_by"], "shop/polecats/nux");
    assert_eq!(town.agent(&format!("bd update {id} --append-notes more")).lines().next(), Some("exit 0"));
    assert!(town.agent(&format!("bd close {id} --reason fixed")).starts_with("exit 0\nclosed"));
    // Not of others: but it may say something.
    town.person("bd create Of~kim --id shop-k");
    assert_snapshot!(town.agent("bd update shop-k --title Mine"), @r#"
    exit 1
    2> error: could not update `shop-k`: beads.gastown.io "shop-k" is forbidden: shop/polecats/nux may not write this bead: it has not filed it; say what you know with `bd comment`, or file a bead of your own with `bd create`
    "#);
    assert_snapshot!(town.agent("bd comment shop-k I~saw~it~too"), @"
    exit 0
    ✓ Comment added to shop-k
    ");
    assert_snapshot!(town.agent("bd update shop-k --claim"), @"
    exit 1
    2> error: `shop-k` is not on the hook of shop/polecats/nux: dispatch gives a polecat its work
    2> hint: `gt hook` shows what is on yours
    ");
    assert_eq!(town.agent("bd update shop-1 --claim").lines().next(), Some("exit 0"), "it has that one already");
}

#[test]
fn parts_have_the_number_behind_their_parents_and_close_before_it() {
    let town = town();
    town.person("bd create Sessions --id shop-e -t epic -l auth");
    for title in ["One", "Two"] {
        town.person(&format!("bd create {title} --parent shop-e"));
    }
    assert_snapshot!(town.person("bd children shop-e"), @"
    exit 0
    shop-e.1  P2  task     open         One
    shop-e.2  P2  task     open         Two
    ");
    assert_eq!(json_of(&town.person("bd label list shop-e.1 --json")), json!(["auth"]));
    assert_snapshot!(town.person("bd close shop-e"), @"
    exit 1
    2> error: cannot close epic shop-e: 2 open child issue(s)
    2> hint: close children first or use --force to override
    ");
    assert_snapshot!(town.person("bd close shop-e.1 shop-e.2 --reason done"), @"
    exit 0
    closed shop-e.1: One
    closed shop-e.2: Two
    ");
    assert_snapshot!(town.person("bd epic status"), @"
    exit 0
    shop-e  2/2 closed  Sessions  can be closed
    ");
    assert_eq!(json_of(&town.person("bd epic close-eligible --json"))["closed"], json!(["shop-e"]));
    assert!(town.person("bd update shop-e.1 --parent shop-e.2").starts_with("exit 0"));
    assert_snapshot!(town.person("bd update shop-e.2 --parent shop-e.1"), @"
    exit 1
    2> error: a bead would be a part of itself: shop-e.2 → shop-e.1 → shop-e.2
    2> hint: choose another parent
    ");
}

#[test]
fn an_update_changes_what_it_says_and_nothing_else() {
    let town = town();
    town.person("bd create A --id shop-a -l x,y --notes first");
    assert_snapshot!(town.person("bd update shop-a"), @"
    exit 0
    No updates specified
    ");
    let done = town.person(
        "bd update shop-a --title B -t feature -p 0 --append-notes second --add-label z --remove-label x --set-metadata n=3 \
         --set-metadata s=text --estimate 5 --json",
    );
    let issue = &json_of(&done)[0];
    let said = json!({ "title": "B", "issue_type": "feature", "priority": 0, "notes": "first\nsecond", "labels": ["y", "z"],
        "metadata": {"n": 3, "s": "text"}, "estimated_minutes": 5 });
    for (key, value) in said.as_object().unwrap() {
        assert_eq!(issue[key], *value, "{key}");
    }
    let issue = json_of(&town.person("bd update shop-a --unset-metadata n --set-labels only --status blocked --json"))
        [0]
    .clone();
    assert_eq!(
        (&issue["metadata"], &issue["labels"], &issue["status"]),
        (&json!({"s": "text"}), &json!(["only"]), &json!("blocked"))
    );
    assert_snapshot!(town.person("bd update shop-a gone --status Weird"), @r#"
    exit 1
    2> error: invalid status "Weird" (built-in: open, in_progress, blocked, deferred, closed, pinned, hooked)
    2> hint: a word of your own has lower-case letters, digits, - and _
    "#);
    assert_snapshot!(town.person("bd update shop-a gone --status hooked"), @r#"
    exit 1
    ✓ Updated issue: shop-a — B
    2> error: no issue found matching "gone"
    2> hint: `bd list` shows the ids
    "#);
}

#[test]
fn a_claim_is_for_one_and_says_so_to_the_next() {
    let town = town();
    town.person("bd create A --id shop-a");
    let claimed = json_of(&town.person("bd update shop-a --claim --json --actor kim"));
    assert_eq!((&claimed[0]["status"], &claimed[0]["assignee"]), (&json!("in_progress"), &json!("kim")));
    assert_eq!(town.person("bd update shop-a --claim --actor kim").lines().next(), Some("exit 0"));
    assert_snapshot!(town.person("bd update shop-a --claim --actor lee"), @"
    exit 1
    2> error: `shop-a` is already claimed by kim
    2> hint: `bd ready` shows what may be taken up
    ");
    assert!(!town.person("bd ready").contains("shop-a"));
    assert_eq!(json_of(&town.person("bd ready --claim --json")), json!([]));
    town.person("bd create B --id shop-b");
    assert_eq!(json_of(&town.person("bd ready --claim --json --actor lee"))[0]["id"], "shop-b");
}

#[test]
fn ties_are_added_once_and_a_circle_is_refused_with_its_path() {
    let town = town();
    for id in ["a", "b", "c"] {
        town.person(&format!("bd create {id} --id shop-{id}"));
    }
    assert_snapshot!(town.person("bd dep add shop-a shop-b --json"), @r#"
    exit 0
    {
      "depends_on_id": "shop-b",
      "issue_id": "shop-a",
      "schema_version": 1,
      "status": "added",
      "type": "blocks"
    }
    "#);
    assert_snapshot!(town.person("bd dep shop-c --blocks shop-b"), @"
    exit 0
    ✓ Added dependency: shop-c blocks shop-b
    ");
    assert_snapshot!(town.person("bd dep add shop-c shop-a"), @"
    exit 1
    2> error: adding dependency would create a cycle: shop-c → shop-a → shop-b → shop-c
    2> hint: each waits for the one behind it; take one of these out first
    ");
    assert_snapshot!(town.person("bd dep add shop-a shop-b -t related"), @r#"
    exit 1
    2> error: dependency shop-a -> shop-b already exists with type "blocks" (requested "related")
    2> hint: take it away first: bd dep remove shop-a shop-b
    "#);
    assert!(town.person("bd dep add shop-a shop-a").contains("cannot depend on itself"));
    assert!(town.person("bd dep add shop-a shop-c -t validates").starts_with("exit 0"));
    assert_snapshot!(town.person("bd dep list shop-a"), @"
    exit 0
    shop-b  P2  task     open         b  [blocks]
    shop-c  P2  task     open         c  [validates]
    ");
    assert_snapshot!(town.person("bd dep tree shop-a"), @"
    exit 0
    shop-a  P2  task     open         a
      shop-b  P2  task     open         b
        shop-c  P2  task     open         c
      shop-c  P2  task     open         c  [validates]  (above)
    ");
    assert_snapshot!(town.person("bd blocked"), @"
    exit 0
    shop-a  P2  task     open         a
        waits for shop-b
    shop-b  P2  task     open         b
        waits for shop-c
    ");
    assert_snapshot!(town.person("bd close shop-c --suggest-next"), @"
    exit 0
    closed shop-c: c

    Newly unblocked:
    shop-b  P2  task     open         b
    ");
    assert_snapshot!(town.person("bd dep remove shop-a shop-b"), @"
    exit 0
    ✓ Removed dependency: shop-a no longer depends on shop-b
    ");
    assert!(town.person("bd dep cycles").contains("No dependency cycles"));
}

#[test]
fn ready_heeds_what_beads_promises() {
    let town = town();
    let later = json!({"suspend": true, "deferUntil": "2999-01-01T00:00:00Z", "type": "Epic"});
    town.seed([
        bead("shop-e", &json!({"suspend": true, "type": "Epic", "needs": ["shop-e.1", "shop-n"]})),
        bead("shop-e.1", &json!({"suspend": true, "parent": "shop-e"})),
        bead("shop-n", &json!({"suspend": true})),
        bead("shop-later", &later),
        bead("shop-later.1", &json!({"suspend": true, "parent": "shop-later"})),
        bead("shop-pin", &json!({"suspend": true, "held": "pinned"})),
        bead("shop-after-pin", &json!({"suspend": true, "needs": ["shop-pin", "gone"]})),
        bead("shop-all", &json!({"suspend": true, "links": [{"to": "shop-e", "type": "waits-for"}]})),
        bead("shop-if", &json!({"suspend": true, "links": [{"to": "shop-n", "type": "conditional-blocks"}]})),
        bead("shop-role", &json!({"type": "Role", "suspend": true, "rig": ""})),
    ]);
    // The epic waits for its own part and for another; the part waits with it for that other alone.
    assert_snapshot!(town.person("bd ready --explain"), @"
    exit 0
    shop-after-pin  P2  task     open         Title of shop-after-pin
    shop-n          P2  task     open         Title of shop-n
    shop-1  not ready: shop/polecats/nux has it
    shop-all  not ready: waits for the children of shop-e
    shop-e  not ready: waits for shop-e.1, shop-n
    shop-e.1  not ready: its parent shop-e waits for shop-n
    shop-if  not ready: waits for shop-n
    shop-later  not ready: deferred until <time>
    shop-later.1  not ready: its parent shop-later is deferred
    shop-pin  not ready: its status was set to pinned
    ");
    assert!(town.person("bd close shop-n --reason failed").starts_with("exit 0"));
    assert_snapshot!(town.person("bd ready"), @"
    exit 0
    shop-after-pin  P2  task     open         Title of shop-after-pin
    shop-e.1        P2  task     open         Title of shop-e.1
    shop-if         P2  task     open         Title of shop-if
    ");
}

#[test]
fn what_was_closed_by_hand_is_opened_again_and_what_has_landed_is_not() {
    let town = town();
    town.person("bd create A --id shop-a");
    town.person("bd close shop-a --reason oops");
    assert_snapshot!(town.person("bd reopen shop-a --reason not~done"), @"
    exit 0
    ↻ Reopened shop-a: not done
    ");
    assert_snapshot!(town.person("bd reopen shop-a"), @"
    exit 0
    2> shop-a is already open
    ");
    assert!(town.person("bd comments shop-a").contains("Reopened: not done"));
    let landed = json!({"reason": "Merged", "at": "2026-01-02T03:04:05Z", "by": "gt"});
    town.seed([bead("shop-l", &json!({"closed": landed}))]);
    assert_snapshot!(town.person("bd reopen shop-l"), @r#"
    exit 1
    2> error: `shop-l` stays closed: Merged
    2> hint: file what is still to be done: bd create "..." --deps discovered-from:shop-l
    "#);
}

#[test]
fn beads_end_otherwise_than_by_being_done() {
    let town = town();
    for id in ["a", "b", "c", "d"] {
        town.person(&format!("bd create {id} --id shop-{id}"));
    }
    assert!(town.person("bd duplicate shop-a --of shop-b").contains("✓ Marked shop-a as a duplicate of shop-b"));
    assert!(town.person("bd supersede shop-c --with shop-b").contains("✓ Marked shop-c as superseded by shop-b"));
    assert_eq!(json_of(&town.person("bd show shop-a --json"))[0]["close_reason"], "Duplicate of shop-b");
    assert_snapshot!(town.person("bd delete shop-d"), @"
    exit 0
    would delete:
    shop-d  P2  task     open         d
    2> `--force` deletes them, for good
    ");
    assert!(town.person("bd delete shop-d --force").contains("✓ Deleted shop-d"));
    assert!(town.person("bd show shop-d").starts_with("exit 1"));
    assert_snapshot!(town.person("bd delete shop-1 --force"), @"
    exit 1
    2> error: shop-1 is on the hook of shop-nux
    2> hint: `gt unsling shop-1` takes it off; its work is kept
    ");
}

#[test]
fn beads_are_found_by_texts_expressions_and_counts() {
    let town = town();
    town.person("bd create Fix~login --id shop-a -t bug -p 1 -l auth");
    town.person("bd create Write~docs --id shop-b -d about~login");
    assert_snapshot!(town.person("bd search LOGIN"), @"
    exit 0
    shop-a  P1  bug      open         Fix login
    shop-b  P2  task     open         Write docs
    ");
    assert_snapshot!(town.person("bd query type=bug~AND~priority<=1"), @"
    exit 0
    shop-a  P1  bug      open         Fix login
    ");
    assert_snapshot!(town.person("bd query (type=bug"), @"
    exit 1
    2> error: parsing query: a `)` is missing, at position 9
    2> hint: (type=bug
    2>                 ^
    ");
    assert_eq!(json_of(&town.person("bd count --by-type --json"))["groups"][0], json!({"count": 1, "group": "bug"}));
    assert!(town.person("bd stale --days 30").contains("nothing has been left alone"));
    // A part of an id is enough where it means one bead.
    assert!(town.person("bd show a").contains("Fix login") || town.person("bd show -a").starts_with("exit"));
}

#[test]
fn states_are_labels_with_an_event_for_each_change() {
    let town = town();
    town.person("bd create Deacon -t role --id role-deacon");
    assert_snapshot!(town.person("bd set-state role-deacon patrol=muted --reason quiet --json").replace(|c: char| c.is_ascii_digit(), "0").lines().take(3).collect::<Vec<_>>().join("\n"), @r#"
    exit 0
    {
      "changed": true,
    "#);
    assert_snapshot!(town.person("bd state role-deacon patrol"), @"
    exit 0
    muted
    ");
    assert!(town.person("bd set-state role-deacon patrol=muted").contains("already"));
    town.person("bd set-state role-deacon patrol=active");
    assert_eq!(json_of(&town.person("bd state list role-deacon --json"))["states"], json!({"patrol": "active"}));
    // The labels are a cache of the events.
    town.person("bd update role-deacon --set-labels other:x");
    assert_snapshot!(town.person("bd state rebuild role-deacon"), @"
    exit 0
    patrol: active
    ");
    assert_eq!(json_of(&town.person("bd label list role-deacon --json")), json!(["other:x", "patrol:active"]));
    // What happened to the agent or the rig of a role says its state, too.
    for event in
        ["patrol.muted --target=agent:deacon", "mode.degraded --target=rig:deacon", "mode.normal --target=rig:shop"]
    {
        town.person(&format!("bd create --type=event --event-type={event}"));
    }
    assert_snapshot!(town.person("bd state rebuild role-deacon"), @"
    exit 0
    mode: degraded
    patrol: muted
    ");
    assert!(!town.person("bd list --all").contains("role-deacon"), "no work");
}

#[test]
fn what_is_remembered_is_there_for_whoever_comes_later() {
    let town = town();
    assert_snapshot!(town.person("bd remember Run~the~linter~twice"), @"
    exit 0
    remembered [run-the-linter-twice]: Run the linter twice
    ");
    assert_snapshot!(town.agent("bd recall run-the-linter-twice"), @"
    exit 0
    Run the linter twice
    ");
    assert_eq!(json_of(&town.person("bd recall nothing --json"))["found"], false);
    assert!(town.person("bd remember Once --key run-the-linter-twice").contains("updated"));
    assert!(town.person("bd forget run-the-linter-twice").starts_with("exit 0"));
    town.person("bd config set status.custom staged_ready:wip");
    assert_snapshot!(town.person("bd config get status.custom"), @"
    exit 0
    staged_ready:wip
    ");
    assert!(town.person("bd list --all").contains("shop-1") && !town.person("bd list --all").contains("staged"));
}

#[test]
fn a_plan_in_markdown_is_filed_whole_or_not_at_all() {
    let town = town();
    let plan =
        "# Sessions\n## Rotate tokens\nEach day.\n### Priority\nP1\n## Log out\n### Dependencies\n- Rotate tokens\n";
    fs_err::write(town.path("town").join("plan.md"), plan).unwrap();
    let filed = json_of(&town.person("bd create -f plan.md --json"));
    assert_eq!((&filed[0]["title"], &filed[0]["priority"]), (&json!("Rotate tokens"), &json!(1)));
    assert_eq!(filed[1]["dependencies"][0]["depends_on_id"], filed[0]["id"]);
    fs_err::write(town.path("town").join("bad.md"), format!("{plan}## Third\n### Dependencies\nnowhere\n")).unwrap();
    assert_snapshot!(town.person("bd create -f bad.md"), @"
    exit 1
    2> error: line 9: `nowhere` is neither a title of the plan nor a bead
    2> hint: `bd list` shows the ids; nothing was filed
    ");
    fs_err::write(town.path("town").join("circle.md"), "## A\n### Deps\nB\n## B\n### Deps\nA\n").unwrap();
    assert_snapshot!(town.person("bd create -f circle.md"), @"
    exit 1
    2> error: beads would wait for each other in a circle: `A` → `B` → `A`
    2> hint: take one of these dependencies out; nothing was filed
    ");
    assert_eq!(json_of(&town.person("bd count --json"))["count"], 3);
    let graph = r#"{"nodes":[{"key":"e","title":"E","type":"epic"},{"key":"t","title":"T","parent_key":"e","metadata_refs":{"root":"e"}}],
        "edges":[{"from_key":"t","to_id":"shop-1"}]}"#;
    fs_err::write(town.path("town").join("plan.json"), graph).unwrap();
    let ids = json_of(&town.person("bd create --graph plan.json --json"))["ids"].clone();
    let part = json_of(&town.person(&format!("bd show {} --json", ids["t"].as_str().unwrap())))[0].clone();
    assert_eq!(
        (&part["parent"], &part["metadata"]["root"], &part["dependencies"][0]["id"]),
        (&ids["e"], &ids["e"], &json!("shop-1"))
    );
}

/// What runs only after the failure of another step, or needs what is outside, is no next step.
#[test]
fn the_next_step_waits_for_nothing() {
    let town = TestTown::new();
    let part = |more: Value| {
        let mut spec = json!({"parent": "shop-r", "suspend": true});
        spec.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        spec
    };
    town.seed([
        bead("shop-r", &json!({"type": "Epic", "suspend": true})),
        bead("shop-x", &json!({"suspend": true})),
        bead("shop-r.1", &part(json!({}))),
        bead("shop-r.2", &part(json!({"priority": 0, "links": [{"to": "shop-r.4", "type": "conditional-blocks"}]}))),
        bead("shop-r.3", &part(json!({"priority": 0, "needs": ["shop-x"]}))),
        bead("shop-r.4", &part(json!({}))),
    ]);
    assert_snapshot!(town.person("bd close shop-r.1 --continue"), @"
    exit 0
    closed shop-r.1: Title of shop-r.1
    next shop-r.4: Title of shop-r.4
    ");
}

#[test]
fn a_part_is_for_the_rig_of_its_parent_though_that_is_gone() {
    let town = TestTown::new();
    town.seed([bead("old-p", &json!({"rig": "old", "suspend": true}))]);
    assert!(town.person("bd create Part --parent old-p").starts_with("exit 0"));
    fs_err::write(town.path("town").join("plan.md"), "## Other\n").unwrap();
    let planned = town.data("bd create -f plan.md --parent old-p")[0]["id"].as_str().unwrap().to_owned();
    assert_eq!((town.bead("old-p.1").spec.rig, town.bead(&planned).spec.rig), ("old".into(), "old".into()));
}

#[test]
fn a_gate_is_opened_by_people_alone() {
    let town = town();
    town.person("bd create Ship~it --id shop-s");
    let made = json_of(&town.person("bd gate create --blocks shop-s -r Is~it~good? --timeout 24h --json"));
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("shop-gate-"), "{id}");
    assert!(!town.person("bd ready").contains("shop-s"));
    let listed = town.person("gt gate list").replace(&id, "GATE");
    assert_snapshot!(listed, @"
    exit 0
    GATE  Is it good?
        not open
        holds up shop-s  Ship it
    ");
    let refused = town.agent(&format!("bd gate approve {id}"));
    assert!(refused.contains("may not open gates: people do"), "{refused}");
    assert!(town.person(&format!("gt gate approve {id} --reason fine")).contains("is open: Is it good?"));
    assert!(town.person("bd ready").contains("shop-s"));
    // What a gate guards is done again, where it says so.
    town.person("bd create Draft --id shop-d");
    town.person("bd close shop-d --reason drafted");
    let made = json_of(&town.person("bd gate create --blocks shop-s -r Good~enough? --back-to shop-d --json"));
    let id = made["id"].as_str().unwrap();
    assert!(town.person(&format!("gt gate reject {id} --reason too~long")).contains("shop-d is to be done again"));
    let again = json_of(&town.person("bd show shop-d --json"))[0].clone();
    assert_eq!(
        (&again["status"], &again["comments"][0]["text"]),
        (&json!("open"), &json!(format!("Rejected at gate {id}: too long")))
    );
    assert_snapshot!(town.person("bd gate create --blocks shop-s -t timer"), @"
    exit 1
    2> error: a timer waits for some time
    2> hint: say for how long: --timeout 30m
    ");
}

#[test]
fn a_gate_waits_for_a_command_or_for_github_and_an_agent_gives_none_a_command() {
    let town = town();
    town.person("bd create Ship~it --id shop-s");
    let made = json_of(&town.person("bd gate create --blocks shop-s -t gh:run --await-id ci.yml --timeout 30m --json"));
    assert_eq!(
        (&made["await_type"], &made["await_id"], &made["timeout"]),
        (&json!("gh:run"), &json!("ci.yml"), &json!(1_800_000_000_000_u64))
    );
    let of_agent = json_of(&town.agent("bd gate create -t gh:pr --await-id 7 --on-failure fail --json"));
    assert_eq!(of_agent["await_type"], "gh:pr");
    let command = json_of(&town.person("bd gate create -t run --run make~check --run-timeout 5m --json"));
    let id = command["id"].as_str().unwrap();
    let gate = json!({"type": "Run", "run": "make check", "runTimeout": "300s"});
    assert_eq!(serde_json::to_value(&town.bead(id).spec.gate).unwrap(), gate);
    assert!(town.agent("bd gate create -t run --run true").contains("may not write `spec.gate.run`"));
    let refused = |line: &str| town.person(line).lines().skip(1).collect::<Vec<_>>().join("\n");
    assert_snapshot!([
        "bd gate create -t run",
        "bd gate create -t human --run true",
        "bd gate create -t gh:run",
        "bd gate create -t condition --await-id shop-s",
        "bd gate create -t condition --await-id shop-s --condition maybe",
        "bd gate create -t condition --await-id shop-s --condition file.exists('x')",
        "bd gate create -t event --await-id Deploy~done",
        "bd gate create -t timer --timeout 1h --target web",
        "bd gate create -t gh:pr --await-id=-R",
        "bd gate check -t mail",
    ].map(refused).join("\n"), @r#"
    2> error: which command is waited for?
    2> hint: say it: --run "make check"
    2> error: only a gate of type run has a command
    2> hint: add --type run
    2> error: which run is waited for?
    2> hint: say it: --await-id 123456, or the name of a workflow: --await-id ci.yml
    2> error: which condition, and of which molecule?
    2> hint: say both: --condition 'steps.complete >= 3' --await-id ID
    2> error: invalid --condition `maybe`: it must be like `{{var}}`, `{{var}} == x`, `step.status == 'complete'`, `step.output.x == 1`, `children(step).all(status == 'complete')`, `steps.complete >= 3`, `file.exists('x')` or `env.X == 'y'`
    2> hint: see `bd gate create --help`
    2> error: this condition is on no step
    2> hint: a command looks at it: --type run --run "git -C \"$GT_CLONE\" cat-file -e 'refs/gt/head:x'"
    2> error: which type of event is waited for?
    2> hint: say it, in small letters, 63 characters at most: --await-id deploy.done
    2> error: only events have a target
    2> hint: add --type event
    2> error: nothing on GitHub is named so
    2> hint: an id does not begin with `-`
    2> error: no gate is of type `mail`
    2> hint: human, timer, bead, condition, event, run, gh:run, gh:pr, or gh for all of GitHub
    "#);
    let made = json_of(&town.person("bd gate create -t event --await-id deploy.done --target web --json"));
    assert_eq!((&made["await_type"], &made["await_id"]), (&json!("event"), &json!("deploy.done")));
    let gate = json!({"type": "Event", "awaitId": "deploy.done", "target": "web"});
    assert_eq!(serde_json::to_value(&town.bead(made["id"].as_str().unwrap()).spec.gate).unwrap(), gate);
    // Whoever may not have a bead wait leaves no gate behind.
    let before = town.person("bd gate list");
    let not_allowed = town.agent("bd gate create --blocks shop-s -r Why?");
    assert!(not_allowed.contains("may not"), "{not_allowed}");
    assert_eq!(town.person("bd gate list"), before);
    let on_steps =
        json_of(&town.person("bd gate create -t condition --await-id shop-s --condition steps.complete>=1 --json"));
    let gate = town.bead(on_steps["id"].as_str().unwrap()).spec.gate.unwrap();
    assert_eq!((gate.condition.as_deref(), gate.await_id.as_deref()), (Some("steps.complete>=1"), Some("shop-s")));
    assert!(refused("bd gate create -t run --run true --run-timeout 2h").ends_with("from `1s` to `1h`"));
    // A look is asked for by people; agents are told how things stand.
    let asked = |text: &str| json_of(text)["asked"].clone();
    assert_eq!(asked(&town.agent("bd gate check --json")), json!([]));
    assert_eq!(asked(&town.person("bd gate check -t gh --dry-run --json")), json!([]));
    assert_eq!(asked(&town.person(&format!("bd gate check {id} --json"))), json!([id]));
    assert!(town.bead(id).metadata.annotations.unwrap().contains_key("gastown.io/gate-asked"));
}

#[test]
fn what_would_wait_for_itself_is_refused_whichever_way_it_is_said() {
    let town = town();
    town.person("bd create E --id shop-e -t epic");
    town.person("bd create P --parent shop-e");
    let refused = |line: &str| town.person(line).lines().nth(1).unwrap_or_default().to_owned();
    assert_snapshot!([
        "bd create Q --parent shop-e --deps shop-e",
        "bd dep add shop-e shop-e.1 -t parent-child",
        "bd gate create --blocks shop-e.1 -t bead --await-id shop-e.1",
    ].map(refused).join("\n"), @"
    2> error: a part of `shop-e` cannot wait for it: it is closed after its parts
    2> error: a bead would be a part of itself: shop-e → shop-e.1 → shop-e
    2> error: `shop-e.1` would wait for itself
    ");
    town.person("bd close shop-e.1");
    assert_snapshot!(town.person("bd update shop-e.1 --status open"), @"
    exit 1
    2> error: `shop-e.1` is closed (Done): its status cannot be open
    2> hint: `bd reopen` opens what was closed by hand
    ");
    assert_snapshot!(town.person("bd mol burn shop-e.1 --force"), @"
    exit 1
    2> error: `shop-e.1` is a task, and no molecule
    2> hint: `bd delete shop-e.1` deletes it
    ");
}

#[test]
fn an_agent_is_one_under_any_name() {
    let town = town();
    let made = json_of(&town.person("bd gate create -r May~it? --json"));
    let id = made["id"].as_str().unwrap();
    assert!(town.agent(&format!("bd gate approve {id} --actor kim")).contains("may not open gates"));
    assert!(town.agent("bd create Runs --command true").contains("may not write `spec.command`"));
    assert!(town.person("bd create Runs --id shop-r --command true").starts_with("exit 0"));
    assert!(town.person("bd show shop-r").contains("command:\ntrue"));
}

#[test]
fn a_mistyped_type_or_status_is_refused_and_one_that_is_listed_is_not() {
    let town = town();
    assert_snapshot!(town.person("bd update shop-1 --status done~soon"), @r#"
    exit 1
    2> error: invalid status "done soon" (built-in: open, in_progress, blocked, deferred, closed, pinned, hooked)
    2> hint: a word of your own has lower-case letters, digits, - and _
    "#);
    assert_snapshot!(town.person("bd update shop-1 --status in-progress"), @r#"
    exit 1
    2> error: invalid status `in-progress`: known are open, in_progress, blocked, deferred, closed, pinned, hooked
    2> hint: a word of your own is listed first: bd config set status.custom "in-progress"
    "#);
    assert_snapshot!(town.person("bd create X --type tsk"), @r#"
    exit 1
    2> error: invalid type `tsk`: known are task, bug, feature, chore, step, epic, decision, spike, story, milestone, molecule, gate, message, role, agent, rig, convoy, merge-request, memory, event
    2> hint: a word of your own is listed first: bd config set types.custom "tsk"
    "#);
    assert_snapshot!(town.person("bd list --status in-progress"), @r#"
    exit 1
    2> error: invalid status `in-progress`: known are open, in_progress, blocked, deferred, closed, pinned, hooked
    2> hint: a word of your own is listed first: bd config set status.custom "in-progress"
    "#);
    assert!(town.person("bd config set types.custom docs,tsk").starts_with("exit 0"));
    assert!(town.person("bd create X --type tsk --id shop-x").starts_with("exit 0"));
    assert!(town.person("bd config set status.custom staged:wip,other").starts_with("exit 0"));
    assert!(town.person("bd update shop-x --status staged").starts_with("exit 0"));
    assert!(town.person("bd list --status staged --type tsk").contains("shop-x"));
}
