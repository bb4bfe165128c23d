//! Loops become their iterations, each of which waits for the one before.

use gastown_formula::{Empty, Mode, cook};

use crate::{compile, given, shape, source, step, why};

fn looped(how: &str) -> String {
    format!(
        "formula = 'f'\n[vars.disks]\ndefault = '2'\n[[steps]]\nid = 'start'\ntitle = 'S'\n[[steps]]\nid = 'go'\n\
         title = 'Go'\nneeds = ['start']\n[steps.loop]\n{how}\n[[steps.loop.body]]\nid = 'a'\ntitle = 'A {{n}}'\n\
         [[steps.loop.body]]\nid = 'b'\ntitle = 'B'\nneeds = ['a']\n[[steps]]\nid = 'end'\ntitle = 'E'\nneeds = ['go']\n"
    )
}

#[test]
fn a_counted_loop_is_a_chain_of_iterations() {
    let proto = compile(&looped("count = 2"));
    assert_eq!(
        shape(&proto),
        [
            "start",
            "go.iter1.a < start",
            "go.iter1.b < go.iter1.a",
            "go.iter2.a < go.iter1.b",
            "go.iter2.b < go.iter2.a",
            "end < go.iter2.b"
        ]
    );
    assert_eq!(step(&proto, "go.iter2.a").via[0].step, "go");
}

#[test]
fn a_range_names_the_number_of_each_iteration() {
    let proto = compile(&looped("range = '{disks}..2^{disks}-1'\nvar = 'n'"));
    assert_eq!(step(&proto, "go.iter1.a").title, "A 2");
    assert_eq!(step(&proto, "go.iter2.a").title, "A 3");
    assert_eq!(proto.steps.len(), 6);
}

#[test]
fn that_the_number_is_not_filled_into_a_command_is_said() {
    let proto = compile(
        "formula = 'f'\n[[steps]]\nid = 'l'\ntitle = 'L'\n[steps.loop]\nrange = '1..2'\nvar = 'n'\n[[steps.loop.body]]\nid = 'a'\n\
         title = 'A {n}'\nrun = 'echo {n} ${n}'\n[[steps.loop.body]]\nid = 'b'\ntitle = 'B'\nrun = 'echo ${n}'\n",
    );
    assert_eq!(
        crate::warnings(&proto),
        ["f.toml:9:1: `{n}` is not filled into `run` of `a`, but into titles and texts"]
    );
}

#[test]
fn a_range_takes_the_values_that_are_given() {
    let source = source("f.toml", &looped("range = '1..{disks}'\nvar = 'n'"));
    let proto = cook(&source, &Empty, Mode::Compile, &given(&[("disks", "5")])).unwrap();
    assert_eq!(proto.steps.len(), 12);
}

#[test]
fn a_loop_until_consists_of_its_first_iteration_and_keeps_what_an_iteration_is() {
    let proto = compile(&looped("until = \"b.status == 'complete'\"\nmax = 7\nvar = 'n'"));
    assert_eq!(shape(&proto), ["start", "go < start", "go.iter1.a", "go.iter1.b < go.iter1.a", "end < go"]);
    let go = step(&proto, "go");
    assert_eq!(go.labels, [r#"loop:{"max":7,"until":"b.status == 'complete'"}"#]);
    let repeat = go.repeat.as_ref().unwrap();
    assert_eq!((repeat.until.as_str(), repeat.max, repeat.token.as_str()), ("b.status == 'complete'", 7, "{#1}"));
    let body: Vec<_> = repeat.body.iter().map(|step| (step.id.as_str(), step.title.as_str())).collect();
    assert_eq!(body, [("go.iter{#1}.a", "A {#1}"), ("go.iter{#1}.b", "B")]);
    assert_eq!((&*step(&proto, "go.iter1.a").title, step(&proto, "go.iter1.a").parent.as_deref()), ("A 1", Some("go")));
}

#[test]
fn a_loop_until_within_another_is_a_part_of_each_of_its_iterations() {
    let proto = compile(
        "formula = 'f'\n[[steps]]\nid = 'o'\ntitle = 'O'\n[steps.loop]\nuntil = 'steps.complete >= 9'\nmax = 2\n\
         [[steps.loop.body]]\nid = 'i'\ntitle = 'I'\n[steps.loop.body.loop]\nuntil = \"s.status == 'complete'\"\nmax = 3\n\
         [[steps.loop.body.loop.body]]\nid = 's'\ntitle = 'S'\n",
    );
    assert_eq!(shape(&proto), ["o", "o.iter1.i", "o.iter1.i.iter1.s"]);
    let outer = step(&proto, "o").repeat.as_ref().unwrap();
    let ids: Vec<&str> = outer.body.iter().map(|step| step.id.as_str()).collect();
    assert_eq!(ids, ["o.iter{#1}.i", "o.iter{#1}.i.iter1.s"]);
    let inner = outer.body[0].repeat.as_ref().unwrap();
    assert_eq!((&*inner.body[0].id, &*inner.token), ("o.iter{#1}.i.iter{#2}.s", "{#2}"));
    let first = step(&proto, "o.iter1.i").repeat.as_ref().unwrap();
    assert_eq!(first.body[0].id, "o.iter1.i.iter{#2}.s");
}

#[test]
fn a_loop_of_which_no_step_is_done_is_no_step() {
    let text = looped("until = \"b.status == 'complete'\"\nmax = 7")
        .replace("title = 'A {n}'", "title = 'A'\ncondition = '{{no}}'");
    let text = text.replace("title = 'B'\n", "title = 'B'\ncondition = '{{no}}'\n");
    assert_eq!(shape(&crate::run(&text, &[]).unwrap()), ["start", "end < start"]);
}

#[test]
fn a_condition_that_names_no_step_is_warned_of() {
    let warned = |until: &str| {
        let text = looped(&format!("until = \"{until}\"\nmax = 7"));
        crate::run(&text, &[]).unwrap().warnings.iter().map(|it| it.message.clone()).collect::<Vec<_>>()
    };
    assert_eq!(warned("b.status == 'complete'"), Vec::<String>::new());
    assert_eq!(warned("start.status == 'complete'"), Vec::<String>::new());
    let of = "the condition `strat.status == 'complete'` names `strat`, which is no step; did you mean `start`?";
    assert_eq!(warned("strat.status == 'complete'"), [of]);
}

#[test]
fn loops_are_repeated_within_loops() {
    let proto = compile(
        "formula = 'f'\n[[steps]]\nid = 'o'\n[steps.loop]\ncount = 2\n[[steps.loop.body]]\nid = 'i'\n\
         [steps.loop.body.loop]\ncount = 2\n[[steps.loop.body.loop.body]]\nid = 's'\ntitle = 'S'\n",
    );
    assert_eq!(
        shape(&proto),
        [
            "o.iter1.i.iter1.s",
            "o.iter1.i.iter2.s < o.iter1.i.iter1.s",
            "o.iter2.i.iter1.s < o.iter1.i.iter2.s",
            "o.iter2.i.iter2.s < o.iter2.i.iter1.s"
        ]
    );
}

#[test]
fn a_loop_must_say_how_often() {
    assert_eq!(why(&looped("")), "f.toml:11:1: invalid `loop` ``: it must have one of count, until and range");
    assert_eq!(why(&looped("until = 'steps.complete >= 2'")), "f.toml:11:1: a loop with `until` has no `max`");
    assert_eq!(
        why(&looped("count = 0")),
        format!("f.toml:12:9: invalid `count` `0`: it must be from 1 to {}", i64::MAX)
    );
    assert_eq!(why(&looped("range = '5..1'")), "f.toml:8:1: invalid `range` `5..1`: it ends at 1, before its start 5");
    assert_eq!(
        why(&looped("range = '1..{pegs}'")),
        "f.toml:8:1: invalid `range` `1..{pegs}`: the var `pegs` has no value; give one, or a default"
    );
}
