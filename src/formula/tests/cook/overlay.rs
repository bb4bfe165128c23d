//! Overlays: other words for steps, steps that are left out, and what is wrong in one.

use gastown_formula::{Error, Mode, Protomolecule, cook_overlaid};

use crate::{Shelf, chain, compile, given, shape, source, step, warnings};

fn try_overlaid(text: &str, overlay: &str, shelf: &[(&str, &str)]) -> Result<Protomolecule, Error> {
    let overlay = source("o.toml", overlay);
    cook_overlaid(&source("f.toml", text), Some(&overlay), &Shelf::of(shelf), Mode::Runtime, &given(&[("who", "me")]))
}

fn overlaid(text: &str, overlay: &str) -> Protomolecule {
    try_overlaid(text, overlay, &[]).unwrap()
}

fn why(overlay: &str) -> String {
    try_overlaid(&chain(&["a"]), overlay, &[]).unwrap_err().to_string()
}

fn says(step: &str, mode: &str, description: &str) -> String {
    format!("[[step-overrides]]\nstep_id = '{step}'\nmode = '{mode}'\ndescription = '{description}'\n")
}

#[test]
fn a_description_is_replaced_or_added_to_and_a_skipped_step_hands_on_what_it_needed() {
    let text = chain(&["a", "b", "c", "d"]).replace("title = 'Do b'", "title = 'Do b'\ndescription = 'As ever.'");
    let overlay = says("a", "replace", "Only {{who}}.") + &says("b", "append", "And tell.") + &says("c", "skip", "");
    let proto = overlaid(&format!("{text}[vars.who]\n"), &overlay);
    assert_eq!(step(&proto, "a").description, "Only me.");
    assert_eq!(step(&proto, "b").description, "As ever.\n\nAnd tell.");
    assert_eq!(shape(&proto), ["a", "b < a", "d < b"]);
    assert_eq!(proto.files, ["f.toml", "o.toml"]);
    assert!(proto.warnings.is_empty(), "{:?}", proto.warnings);
    assert_ne!(proto.digest, compile(&text).digest, "the digest is that of the result");
}

#[test]
fn what_is_said_of_a_step_in_a_loop_holds_for_each_iteration_and_of_a_cooked_one_for_that_one() {
    let text = "formula = 'f'\n[[steps]]\nid = 'l'\ntitle = 'L'\n[steps.loop]\ncount = 2\n\
                body = [{ id = 'x', title = 'X' }, { id = 'y', title = 'Y', needs = ['x'] }, { id = 'z', title = 'Z', needs = ['y'] }]\n\
                [[steps]]\nid = 'after'\ntitle = 'After'\nneeds = ['l']\n";
    let overlay = says("y", "skip", "") + &says("l.iter2.x", "replace", "Once more.") + &says("x", "append", "Look.");
    let proto = overlaid(text, &overlay);
    assert_eq!(
        shape(&proto),
        ["l.iter1.x", "l.iter1.z < l.iter1.x", "l.iter2.x < l.iter1.z", "l.iter2.z < l.iter2.x", "after < l.iter2.z"]
    );
    assert_eq!(step(&proto, "l.iter1.x").description, "Look.");
    assert_eq!(step(&proto, "l.iter2.x").description, "Once more.");
    assert_eq!(shape(&overlaid(text, &says("l", "skip", ""))), ["after"], "a whole loop");
}

#[test]
fn a_loop_that_ends_at_run_time_makes_no_skipped_step_again() {
    let text = "formula = 'f'\n[[steps]]\nid = 'l'\ntitle = 'L'\n[steps.loop]\nuntil = 'steps.complete >= 1'\nmax = 3\n\
                body = [{ id = 'x', title = 'X' }, { id = 'y', title = 'Y', needs = ['x'] }]\n";
    let proto = overlaid(text, &says("x", "skip", ""));
    assert_eq!(shape(&proto), ["l", "l.iter1.y"]);
    let repeat = step(&proto, "l").repeat.as_ref().unwrap();
    assert_eq!(
        repeat.body.iter().map(|it| (it.id.as_str(), it.needs.len())).collect::<Vec<_>>(),
        [("l.iter{#1}.y", 0)]
    );
}

#[test]
fn a_step_that_an_expansion_replaces_is_meant_before_and_what_takes_its_place_after() {
    let text = "formula = 'f'\n[[steps]]\nid = 'a'\ntitle = 'A'\nexpand = 'e'\n[[steps]]\nid = 'b'\ntitle = 'B'\nneeds = ['a']\n";
    let expansion = "formula = 'e'\ntype = 'expansion'\n[[template]]\nid = '{target}.draft'\ntitle = 'D'\ndescription = '{target.description}'\n\
                     [[template]]\nid = '{target}.check'\ntitle = 'C'\nneeds = ['{target}.draft']\n";
    let shelf = [("e", expansion)];
    let proto = try_overlaid(text, &(says("a", "replace", "Mine.") + &says("a.check", "skip", "")), &shelf).unwrap();
    assert_eq!(shape(&proto), ["a.draft", "b < a.draft"]);
    assert_eq!(step(&proto, "a.draft").description, "Mine.");
    assert_eq!(shape(&try_overlaid(text, &says("a", "skip", ""), &shelf).unwrap()), ["b"]);
}

#[test]
fn a_skipped_step_takes_its_parts_and_its_advice_with_it() {
    let text = "formula = 'f'\n[[steps]]\nid = 'a'\ntitle = 'A'\nchildren = [{ id = 'p', title = 'P' }]\n\
                [[steps]]\nid = 'b'\ntitle = 'B'\nneeds = ['a']\n\
                [[advice]]\ntarget = 'a'\nbefore = { id = 'warn', title = 'W' }\n";
    assert_eq!(shape(&overlaid(text, "")), ["warn", "a < warn", "p", "b < a"]);
    assert_eq!(shape(&overlaid(text, &says("a", "skip", ""))), ["b"]);
}

#[test]
fn a_step_that_is_not_there_is_a_warning_and_what_is_misspelt_an_error() {
    let proto = overlaid(&chain(&["build", "test"]), &says("biuld", "skip", ""));
    assert_eq!(shape(&proto), ["build", "test < build"]);
    assert_eq!(
        warnings(&proto)[1],
        "o.toml:2:11: there is no step `biuld`; nothing is overridden; did you mean `build`?"
    );

    let of = |line: &str| why(&format!("[[step-overrides]]\n{line}\n"));
    let expected = [
        (
            why("[[step_overrides]]\nstep_id = 'a'\n"),
            "o.toml:1:3: unknown key `step_overrides` in the overlay; did you mean `step-overrides`?",
        ),
        (
            of("step_id = 'a'\nmode = 'apend'\ndescription = 'x'"),
            "o.toml:3:8: invalid `mode` `apend`: it must be one of replace, append, skip; did you mean `append`?",
        ),
        (of("step_id = 'a'"), "o.toml:2:11: the override of `a` has no `mode`; it is `replace`, `append` or `skip`"),
        (of("step_id = 'a'\nmode = 'append'"), "o.toml:2:11: the override of `a` has no `description`"),
        (
            of("step_id = 'a'\nmode = 'skip'\nreason = 'x'"),
            "o.toml:4:1: unknown key `reason` in an entry of `step-overrides`; there is `step_id`, `mode`, `description`",
        ),
        (of("mode = 'skip'"), "o.toml:1:1: an entry of `step-overrides` has no `step_id`"),
        (
            why(&format!("# {}", "x".repeat(1 << 20))),
            "o.toml:1:1: the text of the overlay: over the bound TEXT_BYTES_MAX of 1048576",
        ),
        (
            why(&says("a", "skip", "").repeat(257)),
            "o.toml:1:3: entries of `step-overrides`: over the bound RULES_MAX of 256",
        ),
    ];
    for (said, expected) in expected {
        assert_eq!(said, expected);
    }
}
