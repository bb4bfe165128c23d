//! The guard: one function that may refuse a write because of who asks. It stops mistakes, not malice.

pub use gastown_crds::access::Verb;
use serde_json::Value;

/// The request header that names who asks.
pub const ACTOR_HEADER: &str = "x-gastown-actor";
/// The longest name of an actor, in bytes.
pub(super) const ACTOR_BYTES_MAX: usize = 256;

/// A write about to be made.
#[derive(Debug)]
pub struct GuardRequest<'a> {
    /// The actor, if the request names one.
    pub actor: Option<&'a str>,
    /// The verb of the request.
    pub verb: Verb,
    /// The kind, such as `Bead`.
    pub kind: &'a str,
    /// The object as it is.
    pub old: Option<&'a Value>,
    /// The object as it would be.
    pub new: Option<&'a Value>,
}

/// Judges a write; the text of a refusal is shown to whoever asked.
pub type Guard = fn(&GuardRequest<'_>) -> Result<(), String>;

/// The guard that refuses nothing.
pub fn allow_all(_: &GuardRequest<'_>) -> Result<(), String> {
    Ok(())
}
