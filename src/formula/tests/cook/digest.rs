//! The digest is that of the result: it does not depend on how a formula is laid out, and does on what it says.

use gastown_formula::Protomolecule;

use crate::{compile, run};

#[test]
fn how_a_text_is_laid_out_does_not_matter() {
    let one = compile(
        "formula = 'f'\nvars = { a = '1', b = '2' }\n[squash]\nx = 1\ny = { p = 1, q = 2 }\n[[steps]]\nid = 'a'\ntitle = 'A'\n",
    );
    let two = compile(
        "# Another.\nsteps = [{ title = 'A', id = 'a' }]\nsquash = { y = { q = 2, p = 1 }, x = 1 }\nformula = 'f'\n[vars]\nb = '2'\na = '1'\n",
    );
    assert_eq!(one.digest, two.digest);
    assert_eq!(one.digest.len(), 64);
}

#[test]
fn what_it_says_matters() {
    let text = "formula = 'f'\nvars = { a = '1' }\n[[steps]]\nid = 'a'\ntitle = 'A {{a}}'\n";
    let one = compile(text);
    assert_ne!(one.digest, compile(&text.replace("'A ", "'B ")).digest);
    assert_ne!(one.digest, compile(&text.replace("'1'", "'2'")).digest);
    assert_ne!(one.digest, run(text, &[]).unwrap().digest);
}

#[test]
fn a_protomolecule_can_be_written_as_json_and_read_again() {
    let proto = compile(
        "formula = 'f'\nzzz = 1\n[[steps]]\nid = 'l'\nloop = { until = 'steps.complete >= 1', max = 2, body = [{ id = 'a', title = 'A' }] }\n\
         [[steps]]\nid = 'b'\ntitle = 'B'\nneeds = ['l']\npriority = 0\ngate = { type = 'human' }\n",
    );
    let text = serde_json::to_string(&proto).unwrap();
    let again: Protomolecule = serde_json::from_str(&text).unwrap();
    assert_eq!(serde_json::to_string(&again).unwrap(), text);
    assert_eq!(again.steps[2].needs, ["l"]);
}
