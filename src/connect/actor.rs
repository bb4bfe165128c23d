//! The actor of a request: who asks, as the environment says.

use gastown_crds::actor::{Actor, Worker};

/// A variable of the environment; an empty one counts as absent.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The actor by the environment: the session's actor, else the user. It is sent in a header, which carries printable
/// ASCII only; a name that does not fit is left out.
pub fn actor() -> Option<String> {
    let session = || Some(Worker::new(variable("GT_RIG")?, variable("GT_POLECAT")?).to_string());
    // A user whose name is that of a role is a person all the same.
    let user = || ["USER", "LOGNAME"].into_iter().find_map(variable);
    let person = |name: String| if Actor::parse(&name).is_agent() { format!("user:{name}") } else { name };
    let named = || variable("BD_ACTOR").or_else(|| user().map(person));
    let fits = |name: &String| name.bytes().all(|b| b.is_ascii_graphic());
    variable("GT_ACTOR").or_else(session).or_else(named).filter(fits)
}
