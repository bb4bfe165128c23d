//! Sources: which revision a repository is at, what that declares, and the news of a commit.

use gastown_controllers::seen::{Oid, Seen};
use gastown_controllers::world::{
    Act, Ask, AskDeclared, AskLease, AskRevision, At, Fact, Found, Job, Origin, Owner, WorldEvent,
};
use gastown_crds::source::Verify;

use super::both_worlds;
use super::story::Story;

both_worlds! {
    a_commit_is_a_revision_and_its_tree_says_what_is_declared
    a_tree_is_read_as_it_was_whatever_came_later
    a_revision_is_signed_or_it_is_not
    a_clone_is_at_what_was_fetched_last_until_it_is_removed
    a_lease_moves_only_from_where_it_is
}

/// A formula on one line, without blanks: what a file holds is given by its words.
fn formula(name: &str, field: &str) -> String {
    format!(
        r#"{{"apiVersion":"gastown.io/v1alpha1","kind":"Formula","metadata":{{"name":"{name}"}},"spec":{{"{field}":[{{"name":"work","run":"true"}}]}}}}"#
    )
}

fn source() -> Owner {
    Owner { kind: "Source".into(), name: "live".into(), uid: "source-1".into() }
}

fn origin(t: &Story) -> Origin {
    Origin::Path { path: t.world.url("declared"), at: At::Head, folder: String::new() }
}

fn revision(t: &Story) -> Ask {
    Ask::Revision(AskRevision { source: source(), origin: origin(t), verify: None })
}

/// The tree that the source is at.
fn tree(t: &Story) -> Ask {
    let Seen::Known(Fact::Revision(Found::At(revision))) = t.world.look(&revision(t)) else { panic!("a revision") };
    Ask::Declared(AskDeclared { source: source(), origin: origin(t), tree: revision.tree })
}

fn a_commit_is_a_revision_and_its_tree_says_what_is_declared(t: &mut Story) {
    let ask = revision(t);
    t.sees(&ask, "nothing there");
    t.world.declare("declared", &[("a.yaml", &formula("a", "steps")), ("README", "words")]);
    t.comes_to_see(&ask, "main: change");
    let first = tree(t);
    t.sees(&first, "Formula a");
    t.world.declare("declared", &[("b.yaml", &formula("b", "steps"))]);
    t.is_told(&WorldEvent::Source(source().uid));
    t.sees(&tree(t), "Formula a, Formula b");
    t.world.declare("declared", &[("b.yaml", &formula("b", "stepz"))]);
    t.sees(&tree(t), "Formula a, Formula b, 1 mistakes");
    t.world.declare("declared", &[("README", "other words")]);
    assert_ne!(tree(t), first, "another file is another tree");
    t.world.declare("declared", &[("b.yaml", "kind:{")]);
    t.sees(&tree(t), "Formula a, 1 unread");
}

fn a_tree_is_read_as_it_was_whatever_came_later(t: &mut Story) {
    t.world.declare("declared", &[("a.yaml", &formula("a", "steps"))]);
    let first = tree(t);
    for name in ["b", "c", "d"] {
        t.world.declare("declared", &[("a.yaml", &formula(name, "steps"))]);
        t.sees(&tree(t), &format!("Formula {name}"));
    }
    t.sees(&first, "Formula a");
    t.world.declare("declared", &[("a.yaml", &formula("a", "steps"))]);
    assert_eq!(tree(t), first, "what holds the same is the same tree");
    let Ask::Declared(mut nowhere) = first else { panic!("a tree") };
    nowhere.tree = "0".repeat(40);
    t.sees(&Ask::Declared(nowhere), "unreadable");
}

fn a_revision_is_signed_or_it_is_not(t: &mut Story) {
    let verify = Some(Verify { allowed_signers: Some("signers".into()), pgp_keys: None });
    let ask = Ask::Revision(AskRevision { source: source(), origin: origin(t), verify });
    t.world.declare("declared", &[("a.yaml", &formula("a", "steps"))]);
    t.comes_to_see(&ask, "main: change, not signed");
    t.world.sign("declared");
    t.comes_to_see(&ask, "main: change, signed");
    t.sees(&revision(t), "main: change");
    t.world.declare("declared", &[("a.yaml", &formula("b", "steps"))]);
    t.comes_to_see(&ask, "main: change, not signed");
}

/// The ref that a lease is at.
const LEASE: &str = "refs/gt/runner/town/live";

fn machine(uid: &str) -> Owner {
    Owner { uid: uid.into(), ..source() }
}

fn cloned(t: &Story, owner: Owner) -> Job {
    Job::Clone { owner, url: t.world.url("declared"), secret: None, lease: Some(LEASE.into()), round: 1 }
}

fn fetched(t: &Story, owner: Owner, cause: &str) -> Job {
    let (url, lease, cause) = (t.world.url("declared"), Some(LEASE.into()), cause.into());
    Job::Fetch { owner, url, secret: None, lease, cause, round: 1 }
}

fn a_clone_is_at_what_was_fetched_last_until_it_is_removed(t: &mut Story) {
    t.world.declare("declared", &[("a.yaml", &formula("a", "steps"))]);
    let origin = || Origin::Clone { at: At::Branch("main".into()), folder: String::new() };
    let ask = Ask::Revision(AskRevision { source: source(), origin: origin(), verify: None });
    t.sees(&ask, "nothing there");
    let tree = |t: &Story| {
        let Seen::Known(Fact::Revision(Found::At(revision))) = t.world.look(&ask) else { panic!("a revision") };
        Ask::Declared(AskDeclared { source: source(), origin: origin(), tree: revision.tree })
    };
    t.runs(&cloned(t, source()), "exited OK");
    t.sees(&ask, "main: change");
    t.sees(&tree(t), "Formula a");
    t.world.declare("declared", &[("b.yaml", &formula("b", "steps"))]);
    t.sees(&tree(t), "Formula a");
    t.runs(&fetched(t, source(), "a test"), "exited OK");
    t.sees(&tree(t), "Formula a, Formula b");
    t.does(&Act::RemoveClone { owner: source() }, "ok");
    t.sees(&ask, "nothing there");
    t.does(&Act::RemoveClone { owner: source() }, "ok");
}

fn a_lease_moves_only_from_where_it_is(t: &mut Story) {
    t.world.declare("declared", &[("a.yaml", &formula("a", "steps"))]);
    let (one, two) = (machine("source-1"), machine("source-2"));
    let ask = |owner: &Owner| Ask::Lease(AskLease { source: owner.clone(), reference: LEASE.into() });
    let at = |t: &Story, owner: &Owner| match t.world.look(&ask(owner)) {
        Seen::Known(Fact::Lease(lease)) => lease.map(|lease| lease.id),
        other => panic!("{other:?}"),
    };
    let moved = |t: &Story, owner: &Owner, from: Option<Oid>, machine: Option<&str>, cause: &str| Job::Lease {
        owner: owner.clone(),
        url: t.world.url("declared"),
        secret: None,
        reference: LEASE.into(),
        from,
        machine: machine.map(str::to_owned),
        cause: cause.into(),
        round: 1,
    };
    t.sees(&ask(&one), "nobody's");
    t.runs(&cloned(t, one.clone()), "exited OK");
    t.runs(&cloned(t, two.clone()), "exited OK");
    t.sees(&ask(&one), "nobody's");
    t.runs(&moved(t, &one, None, Some("nux"), "first"), "exited OK");
    t.sees(&ask(&one), "held by source-1 on nux");
    t.sees(&ask(&two), "nobody's");
    // The other one learns by its try that it came too late.
    t.runs(&moved(t, &two, None, Some("slit"), "first"), "exited CONTENDED");
    t.sees(&ask(&two), "held by source-1 on nux");
    let first = at(t, &two);
    t.runs(&moved(t, &two, first.clone(), Some("slit"), "second"), "exited OK");
    t.sees(&ask(&two), "held by source-2 on slit");
    t.runs(&moved(t, &one, first, Some("nux"), "second"), "exited CONTENDED");
    t.sees(&ask(&one), "held by source-2 on slit");
    // A fetch brings it too, and that it is gone.
    let last = at(t, &two);
    t.runs(&moved(t, &two, last, None, "third"), "exited OK");
    t.sees(&ask(&two), "nobody's");
    t.runs(&fetched(t, one.clone(), "a test"), "exited OK");
    t.sees(&ask(&one), "nobody's");
}
