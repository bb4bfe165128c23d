//! The agents' verbs, through the real binary in towns of their own: `gt hook`, `gt prime`, `gt done` and `bd`.

mod town;

mod bd;
mod verbs;
