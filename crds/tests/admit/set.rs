//! What is wrong between objects, as their author reads it.

use std::collections::BTreeMap;

use gastown_crds::admission::{SetOptions, admit, admit_set};
use gastown_crds::manifest::{Manifest, parse, render_all};

/// What a town knows beside the files.
fn known() -> BTreeMap<String, Vec<String>> {
    BTreeMap::from([
        ("Formula".to_owned(), vec!["work".to_owned()]),
        ("Runtime".to_owned(), vec!["script".to_owned()]),
        ("Rig".to_owned(), vec!["website".to_owned()]),
    ])
}

fn manifests(text: &str) -> Vec<Manifest> {
    let manifests = parse("town.yaml", text).expect("the text is that of a test");
    let alone: Vec<_> = manifests.iter().flat_map(admit).collect();
    assert_eq!(alone, [], "{}", render_all(&alone, false));
    manifests
}

fn told(text: &str) -> String {
    render_all(&admit_set(&manifests(text), &known(), SetOptions::default()), false)
}

/// Documents of these kinds, each `(kind, name, spec in flow style)`.
fn town(objects: &[(&str, &str, &str)]) -> String {
    let document = |(kind, name, spec): &(&str, &str, &str)| {
        format!("---\napiVersion: gastown.io/v1alpha1\nkind: {kind}\nmetadata: {{ name: {name} }}\nspec: {spec}\n")
    };
    objects.iter().map(document).collect()
}

fn rig(url: &str, more: &str) -> String {
    format!("{{ repo: {{ url: {url} }}, merge: {{ strategy: Push, allowUnverified: true }}{more} }}")
}

#[test]
fn a_sound_town_is_admitted() {
    let shop = rig("./shop", "");
    assert_eq!(
        told(&town(&[
            ("Town", "town", "{ runtime: script }"),
            ("Rig", "shop", &shop),
            (
                "Formula",
                "fix",
                "{ vars: [{ name: what, required: true }], steps: [{ name: a, run: 'echo {{what}} {{title}}' }, { name: b, needs: [a], run: '{{command}}' }] }"
            ),
            (
                "Convoy",
                "auth",
                "{ rig: shop, formula: fix, beads: [{ name: a, title: A, command: x, vars: [{ name: what, value: v }] }, { name: b, title: B, rig: website, formula: work, needs: [a] }] }"
            ),
        ])),
        ""
    );
}

#[test]
fn two_objects_of_one_name_are_told_with_both_places() {
    insta::assert_snapshot!(told(&town(&[("Runtime", "a", "{ command: [x] }"), ("Formula", "a", "{ steps: [{ name: s }] }"), ("Runtime", "a", "{ command: [y] }")])), @r#"
    error[duplicate]: two Runtimes are named `a`
      --> town.yaml:14:19
       |
    14 | metadata: { name: a }
       |                   ^ again here
       |
      ::: town.yaml:4:19
       |
     4 | metadata: { name: a }
       |                   - first here
       |
       = help: rename one, or remove it
    "#);
}

#[test]
fn both_places_may_be_in_two_files() {
    let text = town(&[("Runtime", "a", "{ command: [x] }")]);
    let mut both = parse("one.yaml", &text).unwrap();
    both.extend(parse("two.yaml", &text).unwrap());
    insta::assert_snapshot!(render_all(&admit_set(&both, &known(), SetOptions::default()), false), @r#"
    error[duplicate]: two Runtimes are named `a`
     --> two.yaml:4:19
      |
    4 | metadata: { name: a }
      |                   ^ again here
      |
     ::: one.yaml:4:19
      |
    4 | metadata: { name: a }
      |                   - first here
      |
      = help: rename one, or remove it
    "#);
}

#[test]
fn a_reference_that_leads_nowhere_is_told_with_the_nearest_name() {
    let shop = rig("./shop", ", runtime: scirpt");
    let text = town(&[
        ("Rig", "shop", &shop),
        (
            "Convoy",
            "auth",
            "{ rig: shpo, beads: [{ name: a, title: A }, { name: b, title: B, rig: webiste, formula: wrok }] }",
        ),
        ("Polecat", "shop-nux", "{ rig: shop, name: nux, runtime: claude }"),
    ]);
    insta::assert_snapshot!(told(&text), @r#"
    error[ref-not-found]: no Runtime is named `scirpt`
     --> town.yaml:5:91
      |
    5 | spec: { repo: { url: ./shop }, merge: { strategy: Push, allowUnverified: true }, runtime: scirpt }
      |                                                                                           ^^^^^^ neither in these files nor in the town
      |
      = help: did you mean `script`?

    error[ref-not-found]: no Rig is named `shpo`
      --> town.yaml:10:14
       |
    10 | spec: { rig: shpo, beads: [{ name: a, title: A }, { name: b, title: B, rig: webiste, formula: wrok }] }
       |              ^^^^ neither in these files nor in the town
       |
       = help: did you mean `shop`?

    error[ref-not-found]: no Rig is named `webiste`
      --> town.yaml:10:77
       |
    10 | spec: { rig: shpo, beads: [{ name: a, title: A }, { name: b, title: B, rig: webiste, formula: wrok }] }
       |                                                                             ^^^^^^^ neither in these files nor in the town
       |
       = help: did you mean `website`?

    error[ref-not-found]: no Formula is named `wrok`
      --> town.yaml:10:95
       |
    10 | spec: { rig: shpo, beads: [{ name: a, title: A }, { name: b, title: B, rig: webiste, formula: wrok }] }
       |                                                                                               ^^^^ neither in these files nor in the town
       |
       = help: did you mean `work`?

    error[ref-not-found]: no Runtime is named `claude`
      --> town.yaml:15:40
       |
    15 | spec: { rig: shop, name: nux, runtime: claude }
       |                                        ^^^^^^ neither in these files nor in the town
       |
       = help: there is `script`
    "#);
    let lenient = SetOptions { allow_missing: true, offline: false };
    assert_eq!(admit_set(&manifests(&text), &known(), lenient), []);
}

#[test]
fn beads_in_a_circle_are_told_with_each_need() {
    insta::assert_snapshot!(told("apiVersion: gastown.io/v1alpha1\nkind: Convoy\nmetadata: { name: auth }\nspec:\n  rig: website\n  beads:\n    - { name: a, title: A, needs: [b] }\n    - { name: b, title: B, needs: [c, d] }\n    - { name: c, title: C, needs: [a] }\n    - { name: d, title: D }\n    - { name: e, title: E, needs: [e] }\n"), @r#"
    error[cycle]: beads need each other in a circle: a → b → c → a
     --> town.yaml:7:36
      |
    7 |     - { name: a, title: A, needs: [b] }
      |                                    ^ `a` needs `b`
      |
     ::: town.yaml:8:36
      |
    8 |     - { name: b, title: B, needs: [c, d] }
      |                                    - `b` needs `c`
      |
     ::: town.yaml:9:36
      |
    9 |     - { name: c, title: C, needs: [a] }
      |                                    - `c` needs `a`
      |
      = help: remove one of these needs: nothing here could ever start

    error[cycle]: beads need each other in a circle: e → e
      --> town.yaml:11:36
       |
    11 |     - { name: e, title: E, needs: [e] }
       |                                    ^ `e` needs `e`
       |
       = help: remove one of these needs: nothing here could ever start
    "#);
}

#[test]
fn a_need_that_is_no_bead_is_told_with_the_nearest() {
    insta::assert_snapshot!(told(&town(&[("Convoy", "auth", "{ rig: website, beads: [{ name: tokens, title: A }, { name: docs, title: B, needs: [token] }] }")])), @r#"
    error[need-not-found]: no bead of this convoy is named `token`
     --> town.yaml:5:91
      |
    5 | spec: { rig: website, beads: [{ name: tokens, title: A }, { name: docs, title: B, needs: [token] }] }
      |                                                                                           ^^^^^
      |
      = help: did you mean `tokens`?
    "#);
}

#[test]
fn a_bead_needs_a_rig() {
    insta::assert_snapshot!(told(&town(&[("Convoy", "auth", "{ beads: [{ name: a, title: A, rig: website }, { name: b, title: B }] }")])), @r#"
    error[no-rig]: bead `b` has no rig
     --> town.yaml:5:62
      |
    5 | spec: { beads: [{ name: a, title: A, rig: website }, { name: b, title: B }] }
      |                                                              ^
      |
      = help: give it a `rig`, or give the convoy one for all its beads: `spec: { rig: … }`
    "#);
}

#[test]
fn steps_of_a_formula_are_checked_among_themselves() {
    insta::assert_snapshot!(told("apiVersion: gastown.io/v1alpha1\nkind: Formula\nmetadata: { name: fix }\nspec:\n  vars:\n    - name: branch\n  steps:\n    - { name: build, needs: [test] }\n    - { name: test, needs: [build, lnt] }\n    - { name: lint, run: 'lint {{brunch}} {{nothing_like_it}} {{command}}' }\n"), @r#"
    error[cycle]: steps need each other in a circle: build → test → build
     --> town.yaml:8:30
      |
    8 |     - { name: build, needs: [test] }
      |                              ^^^^ `build` needs `test`
      |
     ::: town.yaml:9:29
      |
    9 |     - { name: test, needs: [build, lnt] }
      |                             ----- `test` needs `build`
      |
      = help: remove one of these needs: nothing here could ever start

    error[need-not-found]: no step of this formula is named `lnt`
     --> town.yaml:9:36
      |
    9 |     - { name: test, needs: [build, lnt] }
      |                                    ^^^
      |
      = help: did you mean `lint`?

    error[unknown-var]: `{{brunch}}` is no var of formula `fix`
      --> town.yaml:10:26
       |
    10 |     - { name: lint, run: 'lint {{brunch}} {{nothing_like_it}} {{command}}' }
       |                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: did you mean `{{branch}}`?

    error[unknown-var]: `{{nothing_like_it}}` is no var of formula `fix`
      --> town.yaml:10:26
       |
    10 |     - { name: lint, run: 'lint {{brunch}} {{nothing_like_it}} {{command}}' }
       |                          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
       |
       = help: declare it: `vars: [{ name: nothing_like_it }]`
    "#);
}

#[test]
fn what_a_bead_gives_is_what_its_formula_takes() {
    insta::assert_snapshot!(told(&town(&[
        ("Formula", "fix", "{ vars: [{ name: what, required: true }, { name: how, default: fast }], steps: [{ name: a, run: '{{command}} {{what}}' }] }"),
        ("Convoy", "auth", "{ rig: website, formula: fix, beads: [{ name: a, title: A, vars: [{ name: waht, value: v }, { name: title, value: v }] }] }"),
    ])), @r#"
    error[missing-var]: bead `a` does not give the var `what`
      --> town.yaml:10:53
       |
    10 | spec: { rig: website, formula: fix, beads: [{ name: a, title: A, vars: [{ name: waht, value: v }, { name: title, value: v }] }] }
       |                                                     ^ formula `fix` requires it
       |
       = help: add `vars: [{ name: what, value: … }]`

    error[missing-command]: bead `a` has no command
      --> town.yaml:10:53
       |
    10 | spec: { rig: website, formula: fix, beads: [{ name: a, title: A, vars: [{ name: waht, value: v }, { name: title, value: v }] }] }
       |                                                     ^ step `a` of formula `fix` runs `{{command}}`
       |
       = help: give it a `command`, or a formula that needs none

    error[unknown-var]: formula `fix` has no var `waht`
      --> town.yaml:10:81
       |
    10 | spec: { rig: website, formula: fix, beads: [{ name: a, title: A, vars: [{ name: waht, value: v }, { name: title, value: v }] }] }
       |                                                                                 ^^^^
       |
       = help: did you mean `what`?

    error[built-in-var]: the var `title` is built in: it is the bead's own title
      --> town.yaml:10:107
       |
    10 | spec: { rig: website, formula: fix, beads: [{ name: a, title: A, vars: [{ name: waht, value: v }, { name: title, value: v }] }] }
       |                                                                                                           ^^^^^
       |
       = help: remove it
    "#);
}

/// Whoever leaves branches for people pushes to no target.
#[test]
fn rigs_of_one_branch_are_refused_only_where_both_push_to_it() {
    let pushes = rig("git@host:a/shop.git", "");
    let leaves = pushes.replace("strategy: Push", "strategy: Branch");
    let found = |specs: [&String; 3]| {
        let [one, two, three] = specs;
        told(&town(&[("Rig", "one", one), ("Rig", "two", two), ("Rig", "three", three)]))
    };
    assert_eq!(found([&leaves, &pushes, &leaves]), "");
    assert!(found([&pushes, &leaves, &pushes]).starts_with("error[target-shared]: rigs `one` and `three` land on"));
}

#[test]
fn a_branch_has_one_rig_and_a_prefix_has_one_owner() {
    let (one, two, three) =
        (rig("git@host:a/shop.git", ""), rig("git@host:a/shop/", ""), rig("./other", ", prefix: one"));
    insta::assert_snapshot!(told(&town(&[("Rig", "one", &one), ("Rig", "two", &two), ("Rig", "three", &three)])), @r#"
    error[target-shared]: rigs `one` and `two` land on the default branch of one remote
      --> town.yaml:10:22
       |
    10 | spec: { repo: { url: git@host:a/shop/ }, merge: { strategy: Push, allowUnverified: true } }
       |                      ^^^^^^^^^^^^^^^^ again here
       |
      ::: town.yaml:5:22
       |
     5 | spec: { repo: { url: git@host:a/shop.git }, merge: { strategy: Push, allowUnverified: true } }
       |                      ------------------- first here
       |
       = help: only one may push to a branch: use one rig, give one of them another `branch`, or `strategy: Branch`

    error[prefix-shared]: rigs `one` and `three` have the prefix `one`
      --> town.yaml:15:91
       |
    15 | spec: { repo: { url: ./other }, merge: { strategy: Push, allowUnverified: true }, prefix: one }
       |                                                                                           ^^^ again here
       |
      ::: town.yaml:4:19
       |
     4 | metadata: { name: one }
       |                   --- first here; a rig without `prefix` has its name for one
       |
       = help: give one of them another `prefix`: their beads' names must not clash
    "#);
}

#[test]
fn a_flood_of_mistakes_is_told_in_part() {
    let beads: Vec<String> = (0..500).map(|n| format!("{{ name: b{n}, title: B, rig: gone{n} }}")).collect();
    let text = town(&[("Convoy", "auth", &format!("{{ beads: [{}] }}", beads.join(", ")))]);
    let found = admit_set(&manifests(&text), &known(), SetOptions::default());
    assert_eq!(found.len(), gastown_crds::admission::MISTAKES_MAX + 1);
    assert_eq!(found.last().unwrap().message, "there are more mistakes between objects than these 100");
    assert!(render_all(&found, false).ends_with("… and 51 more"));
}

#[test]
fn a_need_may_be_of_another_convoy_or_any_bead_and_leads_somewhere_and_not_back() {
    let convoy = |name: &'static str, needs: &str| {
        (
            name,
            format!("{{ rig: website, beads: [{{ name: a, title: A, needs: [{needs}] }}, {{ name: b, title: B }}] }}"),
        )
    };
    let all = |convoys: &[(&'static str, String)]| {
        let bead = ("Bead", "web-1", "{ title: X, rig: website, type: Task }");
        let convoys = convoys.iter().map(|(name, spec)| ("Convoy", *name, spec.as_str()));
        told(&town(&convoys.chain([bead]).collect::<Vec<_>>()))
    };
    assert_eq!(all(&[convoy("auth", "docs/b, auth/b, web-1"), convoy("docs", "")]), "");
    let wrong = all(&[convoy("auth", "docs/bb, dogs/b, web-2"), convoy("docs", "")]);
    for says in [
        "error[need-not-found]: no bead of convoy `docs` is named `bb`",
        "there is `a`, `b`",
        "error[ref-not-found]: no Convoy is named `dogs`",
        "error[need-not-found]: no bead of this convoy is named `web-2`",
        "a bead of another convoy is named `CONVOY/BEAD`, any other by the name of its object",
    ] {
        assert!(wrong.contains(says), "{says}\n{wrong}");
    }
    insta::assert_snapshot!(all(&[convoy("auth", "b, docs/a"), convoy("docs", "auth/a")]), @"
    error[cycle]: beads need each other in a circle: auth/a → docs/a → auth/a
     --> town.yaml:5:63
      |
    5 | spec: { rig: website, beads: [{ name: a, title: A, needs: [b, docs/a] }, { name: b, title: B }] }
      |                                                               ^^^^^^
      |
      = help: remove one of these needs: nothing here could ever start
    ");
}

#[test]
fn attempts_compete_with_others_and_do_not_need_each_other() {
    let of = |second: &str| {
        let first = "{ name: a, title: A, competition: parser }";
        told(&town(&[(
            "Convoy",
            "auth",
            &format!("{{ rig: website, beads: [{first}, {{ name: b, title: B{second} }}] }}"),
        )]))
    };
    assert_eq!(of(", competition: parser"), "");
    assert!(of("").contains("warning[no-rival]: bead `a` is the only one of competition `parser`"), "{}", of(""));
    let needy = of(", competition: parser, needs: [a]");
    assert!(needy.contains("error[needs-rival]: bead `b` needs `a`, which it competes with"), "{needy}");
}

#[test]
fn a_convoy_tracks_beads_or_makes_some() {
    let wrong = |spec: &str| {
        let text = town(&[("Convoy", "auth", spec)]);
        let manifests = parse("town.yaml", &text).unwrap();
        render_all(&manifests.iter().flat_map(admit).collect::<Vec<_>>(), false)
    };
    assert_eq!(wrong("{ tracks: [{ bead: web-1 }, { bead: web-e.1 }] }"), "");
    assert!(wrong("{ rig: website }").contains("a convoy says what it wants done"), "{}", wrong("{ rig: website }"));
    let twice = wrong("{ tracks: [{ bead: a }, { bead: b }, { bead: a }] }");
    assert!(twice.contains("`a` stands twice in `spec.tracks`") && twice.contains("first here"), "{twice}");
    assert!(twice.contains("remove one of them"), "{twice}");
}
