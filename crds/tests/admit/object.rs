//! What is wrong with one object, as its author reads it.

use gastown_crds::admission::{admit, admit_change};
use gastown_crds::apply::{Applier, Outcome, apply};
use gastown_crds::kinds::Kind;
use gastown_crds::manifest::{Diagnostic, Manifest, parse, render_all};
use jiff::Timestamp;
use serde_json::{Value, json};

/// What a file is answered with; empty when it is admitted.
fn told(text: &str) -> String {
    match parse("town/a.yaml", text) {
        Ok(manifests) => render_all(&manifests.iter().flat_map(admit).collect::<Vec<_>>(), false),
        Err(mistakes) => render_all(&mistakes, false),
    }
}

/// A convoy whose one bead has these further lines.
fn bead(lines: &str) -> String {
    format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Convoy\nmetadata:\n  name: auth\nspec:\n  rig: shop\n  beads:\n    - name: tokens\n{lines}"
    )
}

/// A rig with this `merge` and these further lines.
fn rig(merge: &str, lines: &str) -> String {
    format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Rig\nmetadata: {{ name: shop }}\nspec:\n  repo: {{ url: git@host:acme/shop.git }}\n  merge: {merge}\n{lines}"
    )
}

const GOOD_MERGE: &str = "{ strategy: Push, verify: [{ name: test, run: npm test, timeout: 10m }] }";

#[test]
fn good_objects_are_admitted_in_yaml_and_in_json() {
    assert_eq!(told(&rig(GOOD_MERGE, "")), "");
    assert_eq!(told(&bead("      title: Rotate session tokens\n      needs: []\n")), "");
    assert_eq!(
        told("apiVersion: gastown.io/v1alpha1\nkind: Town\nmetadata: {name: town}\nspec: {}\n---\n\n---\n# nothing\n"),
        ""
    );
    let json = json!({
        "apiVersion": "gastown.io/v1alpha1", "kind": "Runtime", "metadata": { "name": "codex" },
        "spec": { "command": ["codex", "--yolo"], "env": [{ "name": "A", "value": "1" }] },
    });
    assert_eq!(told(&serde_json::to_string_pretty(&json).unwrap()), "");
    assert_eq!(told(&serde_json::to_string(&json).unwrap().replace(':', ":\t")), "");
}

#[test]
fn an_unknown_field_is_told_with_the_nearest_one() {
    insta::assert_snapshot!(told(&bead("      title: Rotate\n      descripton: now\n")), @r#"
    error[unknown-field]: unknown field `descripton`
      --> town/a.yaml:10:7
       |
    10 |       descripton: now
       |       ^^^^^^^^^^ no field of `spec.beads[]`
       |
       = help: did you mean `description`?
    "#);
}

#[test]
fn a_field_in_the_wrong_place_is_told_where_it_belongs() {
    insta::assert_snapshot!(told(&rig("{ strategy: Push, allowUnverified: true }", "  setup: [npm ci]\n")), @r#"
    error[unknown-field]: unknown field `setup`
     --> town/a.yaml:7:3
      |
    7 |   setup: [npm ci]
      |   ^^^^^ no field of `spec`
      |
      = help: `setup` goes into `spec.workspace`: check the indentation
    "#);
}

#[test]
fn a_field_that_is_like_no_other_is_told_which_there_are() {
    insta::assert_snapshot!(told("apiVersion: gastown.io/v1alpha1\nkind: Runtime\nmetadata: { name: a, colour: red }\nspec: { command: [a], resources: { zzzzzz: 1 } }\n"), @"
    error[unknown-field]: unknown field `colour`
     --> town/a.yaml:3:22
      |
    3 | metadata: { name: a, colour: red }
      |                      ^^^^^^ no field of `metadata`

    error[unknown-field]: unknown field `zzzzzz`
     --> town/a.yaml:4:36
      |
    4 | spec: { command: [a], resources: { zzzzzz: 1 } }
      |                                    ^^^^^^ no field of `spec.resources`
      |
      = help: there is `limits`, `requests`
    ");
    insta::assert_snapshot!(told("apiVersion: gastown.io/v1alpha1\nkind: Runtime\nmetadata: { name: a }\nspec: { command: [a], zzzzzz: 1 }\n"), @"
    error[unknown-field]: unknown field `zzzzzz`
     --> town/a.yaml:4:23
      |
    4 | spec: { command: [a], zzzzzz: 1 }
      |                       ^^^^^^ no field of `spec`
      |
      = help: `gt explain runtime.spec` lists the fields that there are
    ");
}

#[test]
fn a_wrong_type_is_told_with_what_was_expected() {
    insta::assert_snapshot!(told(&rig(GOOD_MERGE, "  suspend: yes\n  workspace: { setup: npm ci }\n  polecats: { max: 010 }\n")), @"
    error[wrong-type]: `spec.suspend` must be `true` or `false`
     --> town/a.yaml:7:12
      |
    7 |   suspend: yes
      |            ^^^ this is text
      |
      = help: write `true`, without quotes: no other word means it

    error[wrong-type]: `spec.workspace.setup` must be a list
     --> town/a.yaml:8:23
      |
    8 |   workspace: { setup: npm ci }
      |                       ^^^^^^ this is text
      |
      = help: write `[…]`, or each item in a line of its own after `- `

    error[wrong-type]: `spec.polecats.max` must be a whole number
     --> town/a.yaml:9:20
      |
    9 |   polecats: { max: 010 }
      |                    ^^^ this is text
      |
      = help: write `10`: digits alone, without quotes and without a leading 0
    ");
}

#[test]
fn text_that_yaml_takes_for_a_number_is_told_to_be_quoted() {
    insta::assert_snapshot!(told(&bead("      title: 42\n")), @r#"
    error[wrong-type]: `spec.beads[0].title` must be text
     --> town/a.yaml:9:14
      |
    9 |       title: 42
      |              ^^ this is a number
      |
      = help: put it in quotes
    "#);
}

#[test]
fn a_missing_field_is_told_with_its_meaning() {
    insta::assert_snapshot!(told("apiVersion: gastown.io/v1alpha1\nkind: Rig\nmetadata:\n  name: shop\nspec:\n  repo: { url: x }\n"), @"
    error[required]: `merge` is missing in `spec`
     --> town/a.yaml:5:1
      |
    5 | spec:
      | ^^^^
      |
      = help: `merge`: How work lands. It needs `strategy`.
    ");
}

#[test]
fn a_missing_field_of_an_item_is_told_at_the_item() {
    insta::assert_snapshot!(told(&bead("      priority: 1\n")), @r#"
    error[required]: `title` is missing in `spec.beads[]`
     --> town/a.yaml:8:7
      |
    8 |     - name: tokens
      |       ^^^^^^^^^^^^
      |
      = help: `title`: What is to be done, in a line; the subject of its commit.
    "#);
}

#[test]
fn a_missing_spec_is_told_at_the_object() {
    insta::assert_snapshot!(told("apiVersion: gastown.io/v1alpha1\nkind: Formula\nmetadata: { name: a }\n"), @"
    error[required]: `spec` is missing
     --> town/a.yaml:3:19
      |
    3 | metadata: { name: a }
      |                   ^
      |
      = help: `spec`: A workflow. It needs `steps`.
    ");
}

#[test]
fn a_wrong_choice_is_told_with_the_nearest_one() {
    insta::assert_snapshot!(told(&rig("{ strategy: push, allowUnverified: true, whenCheckedOut: Explode }", "")), @r#"
    error[wrong-value]: `spec.merge.strategy` cannot be `push`
     --> town/a.yaml:6:22
      |
    6 |   merge: { strategy: push, allowUnverified: true, whenCheckedOut: Explode }
      |                      ^^^^
      |
      = help: did you mean `Push`?

    error[wrong-value]: `spec.merge.whenCheckedOut` cannot be `Explode`
     --> town/a.yaml:6:67
      |
    6 |   merge: { strategy: push, allowUnverified: true, whenCheckedOut: Explode }
      |                                                                   ^^^^^^^
      |
      = help: it is one of `Refuse`, `Update`
    "#);
}

#[test]
fn bounds_and_forms_are_told_in_words() {
    insta::assert_snapshot!(
        told(&rig("{ strategy: Push, batch: 65, verify: [{ name: test, run: '', timeout: ten minutes }] }", "  prefix: Shop\n")),
        @"
    error[bound]: `spec.merge.batch` must be at most 64
     --> town/a.yaml:6:35
      |
    6 |   merge: { strategy: Push, batch: 65, verify: [{ name: test, run: '', timeout: ten minutes }] }
      |                                   ^^
      |
      = help: `batch`: How many merge requests are verified together at most. Default: 16.

    error[empty]: `spec.merge.verify[0].run` is empty
     --> town/a.yaml:6:67
      |
    6 |   merge: { strategy: Push, batch: 65, verify: [{ name: test, run: '', timeout: ten minutes }] }
      |                                                                   ^^
      |
      = help: `run`: Shell text, run in a clean worktree of the merged tree.

    error[form]: `spec.merge.verify[0].timeout` cannot be `ten minutes`
     --> town/a.yaml:6:80
      |
    6 |   merge: { strategy: Push, batch: 65, verify: [{ name: test, run: '', timeout: ten minutes }] }
      |                                                                                ^^^^^^^^^^^
      |
      = help: a duration is numbers with units, such as `90s`, `10m` or `1h30m`

    error[form]: `spec.prefix` cannot be `Shop`
     --> town/a.yaml:7:11
      |
    7 |   prefix: Shop
      |           ^^^^
      |
      = help: lower-case letters, digits and `-`, not at the ends
    "
    );
}

#[test]
fn a_name_given_twice_in_a_list_is_told_with_both_places() {
    insta::assert_snapshot!(told(&bead("      title: One\n    - name: tokens\n      title: Two\n")), @"
    error[duplicate]: `tokens` stands twice in `spec.beads`
      --> town/a.yaml:10:13
       |
    10 |     - name: tokens
       |             ^^^^^^ again here
       |
      ::: town/a.yaml:8:13
       |
     8 |     - name: tokens
       |             ------ first here
       |
       = help: rename one, or remove it
    ");
}

#[test]
fn a_key_given_twice_is_told_with_both_places() {
    insta::assert_snapshot!(told(&bead("      title: One\n      title: Two\n")), @"
    error[duplicate-key]: `title` is given twice
      --> town/a.yaml:10:7
       |
    10 |       title: Two
       |       ^^^^^ again here
       |
      ::: town/a.yaml:9:7
       |
     9 |       title: One
       |       ----- first given here
       |
       = help: remove one of them
    ");
}

#[test]
fn rules_of_a_kind_are_told_in_their_own_words() {
    insta::assert_snapshot!(told(&rig("{ strategy: Push, verify: [] }", "")), @"
    error[rule]: nothing would be verified before it lands: give `verify` a command, or say `allowUnverified: true`
     --> town/a.yaml:6:28
      |
    6 |   merge: { strategy: Push, verify: [] }
      |                            ^^^^^^
    ");
    insta::assert_snapshot!(told("apiVersion: gastown.io/v1alpha1\nkind: Town\nmetadata: { name: shop }\nspec: {}\n"), @r#"
    error[rule]: a town's name must be `town`: there is one per namespace
     --> town/a.yaml:3:19
      |
    3 | metadata: { name: shop }
      |                   ^^^^
    "#);
}

#[test]
fn a_remote_is_asked_once_a_minute_at_most() {
    let asks = |interval: &str| {
        told(&rig(GOOD_MERGE, "").replace("shop.git }", &format!("shop.git, interval: {interval} }}")))
    };
    assert_eq!(asks("90s"), "");
    insta::assert_snapshot!(asks("5s"), @r#"
    error[rule]: the remote is asked once a minute at most: give `1m` or more
     --> town/a.yaml:5:50
      |
    5 |   repo: { url: git@host:acme/shop.git, interval: 5s }
      |                                                  ^^
    "#);
}

/// What is wrong with applying a manifest to an object.
fn applied(manifest: &Manifest, old: &Value) -> Vec<Diagnostic> {
    let applier = Applier { manager: "a", force: true, now: Timestamp::UNIX_EPOCH };
    let kind = Kind::named(&manifest.kind).expect("it is one of ours");
    let outcome = Outcome::of(kind, old, &manifest.value(), &applier).expect("it is forced");
    admit_change(manifest, old, &outcome)
}

#[test]
fn what_may_not_change_is_told_on_a_change() {
    let manifests = parse("rig.yaml", &rig(GOOD_MERGE, "  prefix: new\n")).unwrap();
    let mut old = manifests[0].value();
    assert_eq!(applied(&manifests[0], &old), []);
    old["spec"]["prefix"] = json!("old");
    insta::assert_snapshot!(render_all(&applied(&manifests[0], &old), false), @r#"
    error[rule]: prefix is immutable: the beads of this rig are named by it
     --> rig.yaml:7:11
      |
    7 |   prefix: new
      |           ^^^
    "#);
}

#[test]
fn what_a_manifest_leaves_out_stays_and_is_no_change() {
    let manifests = parse("rig.yaml", &rig(GOOD_MERGE, "")).unwrap();
    let mut old = manifests[0].value();
    old["spec"]["prefix"] = json!("old");
    assert_eq!(applied(&manifests[0], &old), []);
}

#[test]
fn what_an_apply_removes_is_judged_as_removed() {
    // The two exclude each other. Its manager has applied the one, and now applies the other.
    let source = |origin: &str| {
        format!("apiVersion: gastown.io/v1alpha1\nkind: Source\nmetadata: {{ name: a }}\nspec: {{ {origin} }}\n")
    };
    let manifests =
        parse("a.yaml", &[source("git: { url: . }"), source("directory: { path: ./town }")].join("---\n")).unwrap();
    let kind = Kind::named("Source").unwrap();
    let applier = Applier { manager: "a", force: false, now: Timestamp::UNIX_EPOCH };
    let old = apply(kind.schema(), None, &manifests[0].value(), &applier).unwrap();
    assert_eq!(applied(&manifests[1], &old), []);
}

#[test]
fn keys_are_refused_and_not_repeated() {
    let text = "apiVersion: gastown.io/v1alpha1\nkind: Runtime\nmetadata: { name: a }\nspec:\n  command: [agent]\n  env:\n    - name: TOKEN\n      value: |-\n        ghp_0123456789abcdefghij0123\n";
    let told = told(text);
    assert!(!told.contains("ghp_"), "{told}");
    insta::assert_snapshot!(told, @r#"
    error[secret]: this looks like a GitHub token
     --> town/a.yaml:8:7
      |
    8 |       value …
      |       ^^^^^ a manifest is kept in git
      |
      = help: `envFrom` of a Runtime gives it to the session, from a file or a command; and revoke this one if it was ever pushed
    "#);
}

#[test]
fn a_password_in_an_address_is_refused_and_not_repeated() {
    let text = "apiVersion: gastown.io/v1alpha1\nkind: Rig\nmetadata: { name: a }\nspec: { repo: { url: https://me:s3cret@host/a }, nothing: 1, merge: { strategy: Push, allowUnverified: true } }\n";
    insta::assert_snapshot!(told(text), @r#"
    error[secret]: this address holds a password
     --> town/a.yaml:4:17
      |
    4 |                 url …
      |                 ^^^ a manifest is kept in git, and shown to every agent
      |
      = help: leave it out: git asks a credential helper (`git config --global credential.helper store`, then `git ls-remote` the address once), or use ssh

    error[unknown-field]: unknown field `nothing`
     --> town/a.yaml:4:50
      |
    4 | spec: { repo: { url: https://me:******@host/a }, nothing: 1, merge: { strategy: Push, allowUnverified: true } }
      |                                                  ^^^^^^^ no field of `spec`
      |
      = help: there is `identity`, `merge`, `polecats`, `prefix`, `repo`, `runtime`, `suspend`, `workspace`
    "#);
    let manifests = parse("rig.yaml", &text.replace("nothing: 1, ", "")).unwrap();
    assert_eq!(applied(&manifests[0], &manifests[0].value()), [], "an earlier release has taken it");
}

#[test]
fn labels_are_text() {
    insta::assert_snapshot!(told("apiVersion: gastown.io/v1alpha1\nkind: Town\nmetadata: { name: town, labels: { tier: 1 } }\nspec: {}\n"), @r#"
    error[wrong-type]: `tier` in `metadata.labels` must be text
     --> town/a.yaml:3:41
      |
    3 | metadata: { name: town, labels: { tier: 1 } }
      |                                         ^
      |
      = help: put it in quotes
    "#);
}

#[test]
fn labels_that_the_api_would_refuse_are_told_where_they_stand() {
    let text = "apiVersion: gastown.io/v1alpha1\nkind: Runtime\nmetadata:\n  name: robot\n  labels:\n    my team: a\n    team: a b\n    example.org/tier: web_1.x\n    empty: ''\n  annotations:\n    Note: any text, of any length\n    a/b/c: x\nspec: { command: [robot] }\n";
    let manifests = parse("a.yaml", text).unwrap();
    insta::assert_snapshot!(render_all(&admit(&manifests[0]), false), @"
    error[form]: `my team` cannot be a key in `metadata.labels`
     --> a.yaml:6:5
      |
    6 |     my team: a
      |     ^^^^^^^
      |
      = help: a key is letters, digits, `-`, `_` and `.`, at most 63 characters; before it may stand a domain and `/`

    error[form]: `a b` cannot be the value of a label
     --> a.yaml:7:11
      |
    7 |     team: a b
      |           ^^^
      |
      = help: letters, digits, `-`, `_` and `.`, at most 63 characters; an annotation takes any text

    error[form]: `a/b/c` cannot be a key in `metadata.annotations`
      --> a.yaml:12:5
       |
    12 |     a/b/c: x
       |     ^^^^^
       |
       = help: a key is letters, digits, `-`, `_` and `.`, at most 63 characters; before it may stand a domain and `/`
    ");
}

#[test]
fn quantities_may_be_numbers_and_contradictions_among_them_are_told() {
    let runtime = |resources: &str| {
        format!(
            "apiVersion: gastown.io/v1alpha1\nkind: Runtime\nmetadata: {{ name: a }}\nspec:\n  command: [a]\n  resources: {resources}\n"
        )
    };
    for good in [
        "{ limits: { memory: 4Gi, cpu: 2 } }",
        "{ limits: { memory: 4294967296, cpu: \"1.5\" }, requests: { memory: 4Gi } }",
        "{ requests: { memory: 2Gi } }",
    ] {
        assert_eq!(told(&runtime(good)), "", "{good}");
    }
    insta::assert_snapshot!(told(&runtime("{ limits: { memory: 1Gi }, requests: { memory: 2Gi } }")), @"
    error[rule]: requests.memory must not be greater than limits.memory
     --> town/a.yaml:6:61
      |
    6 |   resources: { limits: { memory: 1Gi }, requests: { memory: 2Gi } }
      |                                                             ^^^
    ");
    insta::assert_snapshot!(told(&runtime("{ limits: { memory: 4 } }")), @"
    error[rule]: a session cannot live in less than 16Mi
     --> town/a.yaml:6:34
      |
    6 |   resources: { limits: { memory: 4 } }
      |                                  ^
    ");
    insta::assert_snapshot!(told(&runtime("{ limits: { cpu: 1m } }")), @"
    error[rule]: a session cannot live on less than 10m, a hundredth of a core
     --> town/a.yaml:6:31
      |
    6 |   resources: { limits: { cpu: 1m } }
      |                               ^^
    ");
    insta::assert_snapshot!(told(&runtime("{ limits: { memory: 4 GB, cpu: two } }")), @"
    error[form]: `spec.resources.limits.memory` cannot be `4 GB`
     --> town/a.yaml:6:34
      |
    6 |   resources: { limits: { memory: 4 GB, cpu: two } }
      |                                  ^^^^
      |
      = help: a quantity is a number with a unit, such as `512Mi`, `2Gi` or `800M`

    error[form]: `spec.resources.limits.cpu` cannot be `two`
     --> town/a.yaml:6:45
      |
    6 |   resources: { limits: { memory: 4 GB, cpu: two } }
      |                                             ^^^
      |
      = help: cores are a number, such as `2` or `1.5`, or thousandths, such as `500m`
    ");
}
