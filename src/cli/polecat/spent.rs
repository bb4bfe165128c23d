//! What the sessions of a polecat have cost, in tokens.

use std::collections::BTreeSet;

use gastown_crds::actor::Worker;
use gastown_crds::{Bead, names};
use kube::ResourceExt;
use serde::Serialize;

use crate::insight::Snapshot;
use crate::world::records::tokens::{self, Tokens};
use crate::world::records::{AttemptRecord, Records};

/// Sessions, and what they have cost.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Spent {
    /// What is known; none where nothing is.
    #[serde(flatten)]
    tokens: Option<Tokens>,
    /// Sessions of programs that report what they do.
    sessions: usize,
    /// Of these, sessions whose tokens nobody knows: their transcripts are gone, or say nothing of them.
    unknown_sessions: usize,
}

impl Spent {
    /// By the polecat of this name, for the beads that there are. None where no such session is on record.
    pub fn of(polecat: &str, snapshot: &Snapshot, records: &Records) -> Option<Self> {
        let is_own = |attempt: &AttemptRecord| {
            let (rig, name) = (attempt.variable("GT_RIG"), attempt.variable("GT_POLECAT"));
            rig.zip(name).is_some_and(|(rig, name)| names::polecat(&rig, &name) == polecat) && attempt.does_report()
        };
        // One conversation may go on over several sessions.
        let mut counted = BTreeSet::new();
        let mut spent = Self::default();
        let could_be = |bead: &&Bead| Worker::of_object(&bead.spec.rig, polecat).is_some();
        for bead in snapshot.work().filter(could_be) {
            let uid = bead.uid().unwrap_or_default();
            let attempts = records.attempt_numbers(&uid).into_iter().map(|attempt| records.attempt(&uid, attempt));
            for attempt in attempts.filter(is_own) {
                spent.sessions += 1;
                let transcript = attempt.conversation().and_then(|conversation| conversation.transcript);
                match transcript.map(|path| (tokens::of(&path), path)) {
                    Some((Ok(Some(tokens)), path)) => {
                        let sum = spent.tokens.get_or_insert_default();
                        if counted.insert(path) {
                            *sum += tokens;
                        }
                    }
                    _ => spent.unknown_sessions += 1,
                }
            }
        }
        (spent.sessions > 0).then_some(spent)
    }

    /// It in a line.
    pub fn words(&self) -> String {
        let Self { tokens, sessions, unknown_sessions } = *self;
        let of = if sessions == 1 { "1 session".to_owned() } else { format!("{sessions} sessions") };
        let Some(Tokens { input, cached_input, output }) = tokens else {
            return format!("its tokens: unknown, of {of}");
        };
        let unknown = match unknown_sessions {
            0 => String::new(),
            unknown => format!("; unknown of {unknown} of them"),
        };
        let (input, cached, output) = (short(input), short(cached_input), short(output));
        format!("its tokens: {input} read, {cached} read again from a cache, {output} written, in {of}{unknown}")
    }
}

/// A count in three or four digits.
#[expect(clippy::cast_precision_loss, reason = "no more digits are shown")]
fn short(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..1_000_000 => format!("{:.1}k", count as f64 / 1e3),
        _ => format!("{:.1}M", count as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_zero() {
        let words = |input: Option<u64>, sessions, unknown_sessions| {
            let tokens = input.map(|input| Tokens { input, cached_input: 2_345_678, output: 900 });
            let spent = Spent { tokens, sessions, unknown_sessions };
            format!("{}\n{}", spent.words(), serde_json::to_string(&spent).unwrap())
        };
        insta::assert_snapshot!([words(Some(12_345), 1, 0), words(Some(0), 3, 1), words(None, 1, 1)].join("\n"), @r#"
        its tokens: 12.3k read, 2.3M read again from a cache, 900 written, in 1 session
        {"input":12345,"cachedInput":2345678,"output":900,"sessions":1,"unknownSessions":0}
        its tokens: 0 read, 2.3M read again from a cache, 900 written, in 3 sessions; unknown of 1 of them
        {"input":0,"cachedInput":2345678,"output":900,"sessions":3,"unknownSessions":1}
        its tokens: unknown, of 1 session
        {"sessions":1,"unknownSessions":1}
        "#);
    }
}
