//! Values are checked and filled in once, in runtime mode only.

use crate::{compile, run, step, warnings};

const TEXT: &str = "formula = 'f'\n[vars]\nname = 'x'\n[vars.env]\nenum = ['dev', 'prod']\nrequired = true\n[[steps]]\nid = 'a'\n\
    title = 'Do {{name}} in {{env}} as {{who}}'\ndescription = '{{ name }}'\nnotes = '{{name}}'\nlabels = ['n:{{name}}']\n\
    acceptance = '{{name}}'\nassignee = '{{name}}'\nrun = 'echo {{name}}'\ngate = { type = 'gh:run', id = '{{name}}' }\n";

#[test]
fn compiling_leaves_vars_as_they_are() {
    let proto = compile(TEXT);
    assert_eq!(step(&proto, "a").title, "Do {{name}} in {{env}} as {{who}}");
    assert!(proto.values.is_empty());
}

#[test]
fn values_are_filled_in_and_what_is_not_declared_stays() {
    let proto = run(TEXT, &[("env", "dev")]).unwrap();
    let a = step(&proto, "a");
    assert_eq!((a.title.as_str(), a.description.as_str()), ("Do x in dev as {{who}}", "x"));
    assert_eq!((a.notes.as_deref(), a.acceptance.as_deref(), a.assignee.as_deref()), (Some("x"), Some("x"), Some("x")));
    assert_eq!((a.labels[0].as_str(), a.gate.as_ref().unwrap().id.as_deref()), ("n:x", Some("x")));
    assert_eq!(a.run.as_deref(), Some("echo {{name}}"), "a command is for whoever can quote");
}

#[test]
fn a_value_is_never_read_again() {
    let proto = run(TEXT, &[("env", "dev"), ("name", "{{env}} {target}")]).unwrap();
    assert_eq!(step(&proto, "a").title, "Do {{env}} {target} in dev as {{who}}");
    let template = "formula = 'e'\ntype = 'expansion'\nvars = { v = 'x', w = 'y' }\n[[template]]\nid = '{target}'\ntitle = '{v} {w}'\n";
    let proto = run(template, &[("v", "{{w}}")]).unwrap();
    assert_eq!(step(&proto, "main").title, "{{w}} y");
}

#[test]
fn values_must_be_there_and_be_accepted() {
    let why = |values: &[(&str, &str)]| run(TEXT, values).unwrap_err().to_string();
    assert_eq!(why(&[]), "f.toml:1:1: the var `env` is required and has no value");
    assert_eq!(why(&[("env", "test")]), "the var `env` cannot be `test`: it must be one of dev, prod");
}

#[test]
fn what_is_given_and_not_declared_is_a_warning() {
    let proto = run(TEXT, &[("env", "dev"), ("who", "nux")]).unwrap();
    assert_eq!(warnings(&proto), ["f.toml:1:1: `who` is given, which is no var of the formula"]);
    assert_eq!(step(&proto, "a").title, "Do x in dev as nux");
}

#[test]
fn the_root_is_called_by_the_formula_or_by_vars() {
    let root = compile(TEXT).root;
    assert_eq!((root.title.as_str(), root.kind.as_str()), ("f", "molecule"));
    let text = "formula = 'f'\ndescription = 'D'\n[vars]\ntitle = 'T'\n";
    assert_eq!(compile(text).root.title, "{{title}}");
    assert_eq!(run(text, &[("title", "Mine")]).unwrap().root.title, "Mine");
    assert_eq!(compile(text).root.description, "D");
}
