//! What Beads, Gas Town and Gas City write is read into one model.

use gastown_formula::{Children, Empty, Mode, StepType, cook};

use crate::{Shelf, compile, given, shape, source, step, warnings};

#[test]
fn all_that_beads_says_of_a_step_is_kept() {
    let proto = compile(
        "formula = 'f'\nphase = 'vapor'\npour = true\n[[steps]]\nid = 'a'\ntitle = 'A'\n[[steps]]\nid = 'b'\ntitle = 'B'\n\
         description = 'D'\nnotes = 'N'\ntype = 'bug'\npriority = 1\nlabels = ['l']\nneeds = ['a']\ndepends_on = ['a']\n\
         waits_for = 'any-children'\nassignee = 'nux'\nmetadata = { k = 'v', n = 3 }\n\
         gate = { type = 'gh:run', id = 'ci', await_id = '7', timeout = '1h' }\n\
         on_complete = { for_each = 'output.x', bond = 'arm', vars = { a = '{item}' }, sequential = true }\n",
    );
    let b = step(&proto, "b");
    assert_eq!(b.notes.as_deref(), Some("N"));
    assert_eq!(b.kind, StepType::Bug);
    assert_eq!(b.priority, Some(1));
    assert_eq!(b.labels, ["l"]);
    assert_eq!(b.needs, ["a"], "both keys, each step once");
    assert_eq!(b.metadata, given(&[("k", "v"), ("n", "3")]));
    let waits_for = b.waits_for.clone().unwrap();
    assert_eq!((waits_for.spawner.as_deref(), waits_for.children), (Some("a"), Children::Any));
    let gate = b.gate.clone().unwrap();
    assert_eq!((gate.kind.as_str(), gate.id.as_deref(), gate.timeout.as_deref()), ("gh:run", Some("ci"), Some("1h")));
    assert!(b.on_complete.clone().unwrap().sequential);
    assert!(proto.pour);
    assert_eq!(warnings(&proto), [""; 0]);
}

#[test]
fn what_gas_town_adds_is_kept() {
    let proto = compile(
        "formula = 'f'\nagent = 'gemini'\nreview_only = true\n[squash]\ntrigger = 'on_complete'\ninclude_metrics = true\n\
         [presets.quick]\nlegs = ['a']\n[[steps]]\nid = 'a'\ntitle = 'A'\nparallel = true\ninteractive = true\n\
         acceptance = 'green'\nmodel = 'auto'\nrun = 'make {{x}}'\n",
    );
    let a = step(&proto, "a");
    assert!(a.parallel && a.interactive && a.review_only);
    assert_eq!(a.acceptance.as_deref(), Some("green"));
    assert_eq!((a.agent.as_deref(), a.model.as_deref()), (Some("gemini"), Some("auto")));
    assert_eq!(a.run.as_deref(), Some("make {{x}}"));
    assert_eq!(proto.squash.as_ref().unwrap()["trigger"], "on_complete");
    assert!(proto.data.contains_key("presets"));
}

#[test]
fn what_gas_city_adds_is_kept() {
    let text = "formula = 'f'\n[[steps]]\nid = 'a'\ntitle = 'A'\ndescription_file = 'prompts/a.md'\ntags = ['t']\n\
                retry = { max_attempts = 3, on_exhausted = 'soft_fail' }\n[[steps]]\nid = 'b'\ntitle = 'B'\n\
                description_file = 'gone.md'\n[steps.ralph]\nmax_attempts = 4\n\
                [steps.ralph.check]\nmode = 'exec'\npath = 'check.sh'\ntimeout = '2m'\n";
    let shelf = Shelf::of(&[("prompts/a.md", "Do it well.")]);
    let proto = cook(&source("f.toml", text), &shelf, Mode::Compile, &given(&[])).unwrap();
    let (a, b) = (step(&proto, "a"), step(&proto, "b"));
    assert_eq!((a.description.as_str(), &a.description_file), ("Do it well.", &None));
    assert_eq!(a.labels, ["t"]);
    let retry = a.retry.clone().unwrap();
    assert_eq!((retry.max_attempts, retry.on_exhausted.as_deref()), (3, Some("soft_fail")));
    let check = b.check.clone().unwrap();
    assert_eq!((check.max_attempts, check.path.as_deref()), (4, Some("check.sh")));
    assert_eq!(b.description_file.as_deref(), Some("gone.md"));
    assert_eq!(warnings(&proto), ["f.toml:9:1: the description is in `gone.md`, which was not read"]);
}

#[test]
fn json_and_toml_are_the_same_formula() {
    let json = r#"{"formula": "f", "description": null, "vars": {"v": "x", "w": {"required": true}},
        "steps": [{"id": "a", "title": "A \u00e9 {{v}}"}, {"id": "b", "title": "B", "needs": ["a"], "priority": 2}]}"#;
    let toml = "formula = 'f'\nvars = { v = 'x', w = { required = true } }\n[[steps]]\nid = 'a'\ntitle = 'A é {{v}}'\n\
                [[steps]]\nid = 'b'\ntitle = 'B'\nneeds = ['a']\npriority = 2\n";
    let json = cook(&source("f.json", json), &Empty, Mode::Compile, &given(&[])).unwrap();
    assert_eq!(shape(&json), ["a", "b < a"]);
    assert_eq!(json.digest, compile(toml).digest);
}

#[test]
fn containers_hold_their_children() {
    let proto = compile(
        "formula = 'f'\n[[steps]]\nid = 'all'\ntitle = 'All'\ntype = 'parallel'\n[[steps.children]]\nid = 'one'\n\
         title = 'One'\n[[steps.children]]\nid = 'two'\ntitle = 'Two'\n[[steps]]\nid = 'end'\ntitle = 'End'\nneeds = ['all']\n",
    );
    assert_eq!(shape(&proto), ["all", "one", "two", "end < all"]);
    assert_eq!((step(&proto, "all").kind, step(&proto, "all").parallel), (StepType::Epic, true));
    assert_eq!(step(&proto, "two").parent.as_deref(), Some("all"));
    assert_eq!(warnings(&proto), [""; 0]);
}

#[test]
fn what_two_parsers_disagree_on_is_cooked() {
    let proto = compile("formula = 'f'\nvars.v = { required = true, default = 'x' }\nsteps = [{ id = 'a' }]\n");
    assert_eq!(
        warnings(&proto),
        [
            "f.toml:2:39: the var `v` is required and has a default, so it is never missing",
            "f.toml:3:10: the step `a` has no title; its id is used",
        ]
    );
    assert_eq!(step(&proto, "a").title, "a");
    assert_eq!(shape(&compile("formula = 'f'\n[[advice]]\ntarget = '*'\nbefore = { id = 'x' }\n")), [""; 0]);
}

#[test]
fn a_key_that_others_ignore_may_hold_a_number() {
    let proto =
        compile("formula = 'f'\n[[steps]]\nid = 'a'\ntitle = 'A'\ntimeout = 60\noutput = 'a report'\nlabels = 'one'\n");
    let a = step(&proto, "a");
    assert_eq!((a.timeout.as_deref(), a.metadata["output"].as_str()), (Some("60"), "a report"));
    assert_eq!(a.labels, ["one"]);
}

#[test]
fn yaml_and_toml_are_the_same_formula() {
    let yaml = "formula: f\nversion: 2\nphase: vapor\nvars:\n  v: x\n  w: {required: true}\nsteps:\n  - id: a\n    title: 'A é {{v}}'\n    \
                description: |\n      Two\n      lines\n    gate: {type: timer, timeout: 90s}\n  - {id: b, title: B, needs: [a], priority: 2, \
                metadata: {n: 1.5, off: no, when: 2026-12-01, big: 0x1f, none: }}\n";
    let toml = "formula = 'f'\nversion = 2\nphase = 'vapor'\n[vars]\nv = 'x'\nw = { required = true }\n[[steps]]\nid = 'a'\n\
                title = 'A é {{v}}'\ndescription = \"Two\\nlines\\n\"\ngate = { type = 'timer', timeout = '90s' }\n[[steps]]\nid = 'b'\n\
                title = 'B'\nneeds = ['a']\npriority = 2\nmetadata = { n = 1.5, off = 'no', when = '2026-12-01', big = '0x1f' }\n";
    let of_yaml = cook(&source("f.formula.yaml", yaml), &Empty, Mode::Compile, &given(&[])).unwrap();
    assert_eq!(of_yaml.digest, compile(toml).digest, "{of_yaml:#?}");
    let of_mistake =
        |yaml: &str| cook(&source("f.yaml", yaml), &Empty, Mode::Compile, &given(&[])).unwrap_err().to_string();
    for (mistake, said) in [
        ("", "f.yaml:1:1: invalid YAML: it is empty"),
        ("formula: f\nsteps: [{id: a, title: A}\n", "f.yaml:2:8: invalid YAML: unclosed bracket"),
        ("formula: f\nformula: g\n", "f.yaml:2:1: invalid YAML: duplicate key `formula`"),
        ("formula: &f f\n", "f.yaml:1:13: invalid YAML: an anchor: "),
        ("formula: f\nsteps: *f\n", "f.yaml:2:"),
        ("formula: !!str f\n", "f.yaml:1:16: invalid YAML: a tag, "),
        ("formula: f\n---\nformula: g\n", "f.yaml:3:1: invalid YAML: a second document"),
        ("- a\n", "f.yaml:1:1: "),
        ("[a]: b\n", "f.yaml:1:1: invalid YAML: a key is a text"),
        ("formula: f\nsteps:\n- {title: A, needs: 3}\n", "f.yaml:3:"),
    ] {
        let why = of_mistake(mistake);
        assert!(why.starts_with(said), "{mistake:?}: {why}");
    }
    let deep = format!("formula: f\nx: {}{}", "[".repeat(200), "]".repeat(200));
    assert!(of_mistake(&deep).contains("within each other"), "{}", of_mistake(&deep));
}

#[test]
fn a_manifest_is_cooked_as_the_formula_that_it_declares() {
    let manifest = "apiVersion: gastown.io/v1alpha1\nkind: Formula\nmetadata: { name: f, labels: { a: b } }\nspec:\n  \
                    description: D\n  vars:\n    - { name: v, default: x }\n    - { name: w, required: true }\n  steps:\n    \
                    - { name: a, run: 'make {{v}}' }\n    - { name: b, title: B, needs: [a], runtime: claude }\n";
    let toml = "formula = 'f'\ndescription = 'D'\n[vars]\nv = { default = 'x' }\nw = { required = true }\n[[steps]]\nid = 'a'\n\
                title = 'a'\nrun = 'make {{v}}'\n[[steps]]\nid = 'b'\ntitle = 'B'\nneeds = ['a']\nruntime = 'claude'\n";
    let cooked =
        |text: &str| cook(&source("f.yaml", text), &Empty, Mode::Compile, &given(&[])).map_err(|it| it.to_string());
    assert_eq!(cooked(manifest).unwrap().digest, compile(toml).digest);
    let wrong = |text: &str| cooked(text).unwrap_err();
    assert!(wrong("apiVersion: v1\nkind: Convoy\n").contains("f.yaml:2:1: invalid YAML: a manifest of another kind"));
    assert!(wrong(&manifest.replace("name: f,", "")).contains("`metadata.name` is missing"));
    assert!(wrong(&manifest.replace("name: v,", "")).contains("a var without a `name`"));
    assert!(wrong(&manifest.replace("name: a,", "")).contains("f.yaml:10:"));
}
