//! Whatever a text becomes by chance, it is cooked or refused: nothing panics, and the answer is the same each time.

use std::fmt::Write as _;

use gastown_formula::{Mode, Source, cook};
use proptest::prelude::*;

use crate::{Shelf, given, source};

const SAMPLES: [(&str, &str); 6] = [
    (
        "work.toml",
        "formula = \"work\"\nversion = 2\nphase = \"vapor\"\nextends = [\"base\"]\n[vars]\nn = \"3\"\n[vars.env]\nenum = [\"a\", \"b\"]\n\
         default = \"a\"\npattern = \"^[ab]$\"\n[[steps]]\nid = \"one\"\ntitle = \"Do {{n}}\"\n[[steps]]\nid = \"two\"\n\
         title = \"Then é\"\nneeds = [\"one\"]\ncondition = \"{{env}} == a\"\nwaits_for = \"children-of(one)\"\n\
         [steps.gate]\ntype = \"timer\"\ntimeout = \"1h\"\n[compose]\naspects = [\"watch\"]\n[[compose.expand]]\ntarget = \"one\"\n\
         with = \"twice\"\n[[compose.branch]]\nfrom = \"one\"\nsteps = [\"two\"]\njoin = \"last\"\n",
    ),
    (
        "loops.toml",
        "formula = \"loops\"\n[vars.n]\ndefault = \"2\"\n[[steps]]\nid = \"l\"\n[steps.loop]\nrange = \"1..2^{n}\"\nvar = \"i\"\n\
         [[steps.loop.body]]\nid = \"b\"\ntitle = \"B {i}\"\nexpand = \"twice\"\n[[steps]]\nid = \"u\"\n[steps.loop]\n\
         until = \"b.status == 'complete'\"\nmax = 3\n[[steps.loop.body]]\nid = \"b\"\ntitle = \"B\"\n\
         [[steps]]\nid = \"p\"\ntitle = \"P\"\nneeds = [\"l\", \"u\"]\n[[steps.children]]\nid = \"c\"\ntitle = \"C\"\n",
    ),
    (
        "review.toml",
        "formula = \"review\"\ntype = \"convoy\"\n[inputs.pr]\nrequired_unless = [\"n\"]\n[[legs]]\nid = \"a\"\ntitle = \"A\"\n\
         [[legs]]\nid = \"b\"\ntitle = \"B\"\n[synthesis]\ntitle = \"S\"\ndepends_on = [\"a\", \"b\"]\n",
    ),
    (
        "work.json",
        "{\"formula\": \"j\", \"vars\": {\"v\": {\"default\": \"\\u00e9\"}}, \"steps\": [{\"id\": \"a\", \"title\": \"A {{v}}\"},\n \
         {\"id\": \"b\", \"title\": \"B\", \"needs\": [\"a\"], \"children\": [{\"id\": \"c\", \"title\": \"C\"}]}]}",
    ),
    (
        "twice.toml",
        "formula = \"twice\"\ntype = \"expansion\"\n[[template]]\nid = \"{target}.1\"\ntitle = \"{target.title}\"\n[[template]]\nid = \"{target}.2\"\ntitle = \"T\"\nneeds = [\"{target}.1\"]\n",
    ),
    (
        "watch.toml",
        "formula = \"watch\"\ntype = \"aspect\"\n[[advice]]\ntarget = \"*\"\nbefore = { id = \"{step.id}-w\", title = \"W\" }\n[[pointcuts]]\nglob = \"t*\"\n",
    ),
];

/// Pieces that mean something here, so that chance gets further than the parser.
const PIECES: [&str; 28] = [
    "{target}",
    "{{n}}",
    "needs = [\"two\"]\n",
    "extends = [\"work\"]\n",
    "expand = \"twice\"\n",
    "[[steps]]\n",
    "id = \"one\"\n",
    "title = \"T\"\n",
    "\"",
    "[",
    "]",
    "{",
    "}",
    "..",
    "9999999999",
    "-1",
    "é",
    "\u{0}",
    "\n",
    "[steps.loop]\ncount = 900\n",
    "type = \"expansion\"\n",
    "[[template]]\nid = \"{target}.x\"\n",
    "[[compose.map]]\nselect = \"*\"\nwith = \"twice\"\n",
    "null",
    ",",
    "condition = \"!{{env}}\"\n",
    "[[steps.children]]\nid = \"k\"\ntitle = \"K\"\n",
    "*",
];

fn mutated(text: &str, changes: &[(usize, usize, usize)]) -> String {
    let mut text = text.to_owned();
    for (place, length, piece) in changes {
        let start = text.floor_char_boundary(place % (text.len() + 1));
        let end = text.floor_char_boundary(start + length % 24).max(start);
        // One past the pieces removes without putting anything in.
        text.replace_range(start..end, PIECES.get(piece % (PIECES.len() + 1)).unwrap_or(&""));
    }
    text
}

fn answer(source: &Source, shelf: &Shelf, mode: Mode) -> String {
    match cook(source, shelf, mode, &given(&[("n", "4"), ("v", "{{n}}")])) {
        Ok(proto) => serde_json::to_string(&proto).unwrap(),
        Err(error) => error.to_string(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_cooked_or_refused(
        sample in 0..SAMPLES.len(),
        other in 0..SAMPLES.len(),
        changes in proptest::collection::vec((any::<usize>(), any::<usize>(), any::<usize>()), 0..6),
        other_changes in proptest::collection::vec((any::<usize>(), any::<usize>(), any::<usize>()), 0..2),
    ) {
        let (file, text) = SAMPLES[sample];
        let changed = mutated(SAMPLES[other].1, &other_changes);
        let mut shelf = vec![("base", "formula = \"base\"\n[[steps]]\nid = \"last\"\ntitle = \"L\"\n")];
        shelf.extend(SAMPLES.iter().map(|(file, text)| (file.split('.').next().unwrap_or(file), *text)));
        shelf.push((SAMPLES[other].0.split('.').next().unwrap_or_default(), &changed));
        let (source, shelf) = (source(file, &mutated(text, &changes)), Shelf::of(&shelf));
        for mode in [Mode::Compile, Mode::Runtime] {
            prop_assert_eq!(answer(&source, &shelf, mode), answer(&source, &shelf, mode));
        }
    }

    #[test]
    fn what_is_cooked_is_in_order(
        needs in proptest::collection::vec(proptest::collection::vec(0_usize..12, 0..3), 1..12),
    ) {
        let mut text = "formula = 'f'\n".to_owned();
        for (at, needs) in needs.iter().enumerate() {
            let needs: Vec<String> = needs.iter().map(|need| format!("s{need}")).collect();
            write!(text, "[[steps]]\nid = 's{at}'\ntitle = 'T'\nneeds = {needs:?}\n").unwrap();
        }
        if let Ok(proto) = crate::try_compile(&text, &[]) {
            let mut seen = std::collections::BTreeSet::new();
            for step in &proto.steps {
                prop_assert!(step.needs.iter().all(|need| seen.contains(need)), "{text}");
                seen.insert(step.id.clone());
            }
            prop_assert_eq!(seen.len(), needs.len());
        }
    }
}
