//! Mistakes are found where they are written, with what may help.

use crate::{compile, warnings, why};

const STEP: &str = "[[steps]]\nid = 'a'\ntitle = 'A'\n";

#[test]
fn a_text_that_cannot_be_read_says_where() {
    assert!(
        why("formula = 'f'\nsteps = [").starts_with("f.toml:2:10: invalid TOML: "),
        "{}",
        why("formula = 'f'\nsteps = [")
    );
    assert!(why("formula = 'f'\nformula = 'g'\n").starts_with("f.toml:2:1: invalid TOML: duplicate key"));
}

#[test]
fn json_that_cannot_be_read_says_where() {
    let why = |text: &str| {
        let source = crate::source("f.json", text);
        let cooked =
            gastown_formula::cook(&source, &gastown_formula::Empty, gastown_formula::Mode::Compile, &crate::given(&[]));
        cooked.unwrap_err().to_string()
    };
    assert_eq!(why("{\n  \"formula\": }"), "f.json:2:14: invalid JSON: expected value");
    assert_eq!(why("{\"formula\": \"f\",\n \"formula\": \"g\"}"), "f.json:2:2: invalid JSON: duplicate key `formula`");
    assert_eq!(
        why("{\"formula\": \"f\",\n \"pour\": 1}"),
        "f.json:2:10: `pour` must be true or false, not a whole number"
    );
    assert_eq!(why("[]"), "f.json:1:1: `formula` must be a table, not a list");
}

#[test]
fn a_wrong_type_says_what_it_must_be() {
    assert_eq!(why("formula = 3"), "f.toml:1:11: `formula` must be a text, not a whole number");
    assert_eq!(why("formula = 'f'\nsteps = 'a'"), "f.toml:2:9: `steps` must be a list of tables, not a text");
    assert_eq!(why("formula = 'f'\nsteps = [1]"), "f.toml:2:10: `a step` must be a table, not a whole number");
    assert_eq!(
        why(&format!("formula = 'f'\n{STEP}needs = [1]")),
        "f.toml:5:10: `needs` must be a text, not a whole number"
    );
    assert_eq!(why("formula = 'f'\nvars.v.default = []"), "f.toml:2:18: `default` must be a text, not a list");
}

#[test]
fn what_must_be_there_is_asked_for() {
    assert_eq!(why("description = 'x'"), "f.toml:1:1: the formula has no `formula`");
    assert_eq!(why("formula = ''"), "f.toml:1:11: invalid `formula` ``: it must not be empty");
    assert_eq!(why("formula = 'f'\n[[steps]]\ntitle = 'A'\n"), "f.toml:2:1: a step has no `id`");
    assert_eq!(why(&format!("formula = 'f'\n{STEP}gate = {{ id = 'x' }}")), "f.toml:5:8: a gate has no `type`");
    assert_eq!(why("formula = 'f'\n[[compose.expand]]\ntarget = 'a'"), "f.toml:2:1: a rule of `compose` has no `with`");
}

#[test]
fn a_word_that_is_none_of_a_few_gets_the_nearest() {
    assert_eq!(
        why("formula = 'f'\ntype = 'workflw'"),
        "f.toml:2:8: invalid `type` `workflw`: it must be one of workflow, expansion, aspect, convoy; did you mean `workflow`?"
    );
    assert_eq!(
        why("formula = 'f'\nphase = 'vapour'"),
        "f.toml:2:9: invalid `phase` `vapour`: it must be one of liquid, vapor; did you mean `vapor`?"
    );
    assert_eq!(
        why(&format!("formula = 'f'\n{STEP}waits_for = 'all-childs'")),
        "f.toml:5:13: invalid `waits_for` `all-childs`: it must be one of all-children, any-children, children-of(step); \
         did you mean `all-children`?"
    );
    assert!(why(&format!("formula = 'f'\n{STEP}retry = {{ on_exhausted = 'x' }}")).contains("hard_fail, soft_fail"));
    assert_eq!(
        why(&format!("formula = 'f'\n{STEP}priority = 5")),
        "f.toml:5:12: invalid `priority` `5`: it must be from 0 to 4"
    );
}

#[test]
fn a_key_that_nobody_knows_is_a_warning() {
    let proto = compile("formula = 'f'\nverion = 2\n[[steps]]\nid = 'a'\ntitle = 'A'\nneds = ['b']\nzzz = 1\n");
    assert_eq!(
        warnings(&proto),
        [
            "f.toml:2:1: unknown key `verion` in the formula; did you mean `version`?",
            "f.toml:6:1: unknown key `neds` in a step; did you mean `needs`?",
            "f.toml:7:1: unknown key `zzz` in a step",
        ]
    );
}

#[test]
fn odd_words_that_still_cook_are_warnings() {
    let proto = compile(&format!(
        "formula = 'f'\nvars.v = {{ default = 'x', enum = ['y'], type = 'strin' }}\n{STEP}type = 'tsk'\n\
         condition = 'when it rains'\ngate = {{ type = 'humn' }}\n"
    ));
    let found = warnings(&proto);
    assert_eq!(found.len(), 5, "{found:#?}");
    assert_eq!(found[0], "f.toml:2:22: the default of the var `v` is one it refuses: it must be one of y");
    assert_eq!(found[1], "f.toml:2:48: the type `strin` of the var `v` is read as `string`; did you mean `string`?");
    assert_eq!(found[2], "f.toml:6:8: the step type `tsk` is read as `task`; did you mean `task`?");
    let left = "f.toml:7:13: the condition `when it rains` is left to whoever works on the step: it must be like";
    assert!(found[3].starts_with(left), "{found:#?}");
    assert_eq!(found[4], "f.toml:8:17: nobody opens a gate of type `humn` by itself; did you mean `human`?");
}

#[test]
fn a_pattern_must_be_a_regular_expression() {
    assert_eq!(why("formula = 'f'\nvars.v.pattern = '('"), "f.toml:2:18: invalid `pattern` `(`: unclosed group");
}

#[test]
fn rules_of_compose_name_steps_that_exist() {
    let rule = |rule: &str| why(&format!("formula = 'f'\n{STEP}{rule}"));
    assert_eq!(
        rule("[[compose.branch]]\nfrom = 'a'\nsteps = ['b']\njoin = 'a'"),
        "f.toml:7:10: `steps` of a branch names the step `b`, which does not exist; there is `a`"
    );
    assert_eq!(
        rule("[[compose.gate]]\nbefore = 'aa'\ncondition = 'steps.complete >= 1'"),
        "f.toml:6:10: `before` of a gate of `compose` names the step `aa`, which does not exist; there is `a`"
    );
    assert!(
        rule("[[compose.gate]]\nbefore = 'a'\ncondition = 'soon'")
            .starts_with("f.toml:7:13: invalid `condition` `soon`")
    );
    assert_eq!(
        rule("[[compose.bond_points]]\nid = 'p'\nafter_step = 'b'"),
        "f.toml:5:1: `after_step` of the bond point `p` names the step `b`, which does not exist; there is `a`"
    );
}
