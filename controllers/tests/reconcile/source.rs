//! Source: a revision is judged as a whole, then applied, and what it no longer declares is pruned.

use std::sync::Arc;

use crate::common::*;
use gastown_controllers::kinds::source::CONTROLLER;
use gastown_controllers::objects::{Watched, read};
use gastown_controllers::plan::{Effect, Write};
use gastown_controllers::view::Failure;
use gastown_controllers::world::*;
use gastown_crds::apply::{self, Applier};
use gastown_crds::common::FINALIZER_CLONE;
use gastown_crds::kinds::{Kind, Registered};
use gastown_crds::manifest::{self, Scope, Skipped};
use gastown_crds::reason::Reason;
use gastown_crds::source::{RevisionResult, SecretRef, SourceStatus, Verify};
use gastown_crds::{Formula, Source};
use kube::ResourceExt;
use serde_json::{Value, json};

/// A scene in which what a plan wants is done.
struct Town(Scene);

fn formula(name: &str, run: &str) -> String {
    format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Formula\nmetadata: {{ name: {name} }}\nspec: {{ steps: [{{ name: work, run: '{run}' }}] }}\n---\n"
    )
}

fn formulas(names: &[&str]) -> String {
    names.iter().map(|name| formula(name, "true")).collect()
}

impl Town {
    fn new(spec: Value) -> Self {
        let mut scene = Scene::default();
        scene.add::<Source>(object("live", spec));
        Self(scene)
    }

    fn pruned() -> Self {
        Self::new(json!({ "git": { "url": "." }, "prune": true }))
    }

    fn origin() -> Origin {
        Origin::Path { path: ".".into(), at: At::Head, folder: String::new() }
    }

    fn asked(source: Owner, origin: Origin) -> Ask {
        Ask::Revision(AskRevision { source, origin, verify: None })
    }

    fn id(name: &str) -> Owner {
        Owner { kind: "Source".into(), name: name.into(), uid: format!("{name}-uid") }
    }

    /// The repository is at this commit, which declares these.
    fn commit(&mut self, commit: char, text: &str) -> &mut Self {
        self.commit_of("live", commit, text)
    }

    fn commit_of(&mut self, source: &str, commit: char, text: &str) -> &mut Self {
        self.commit_in("a.yaml", source, commit, text)
    }

    /// The same, in a file of this name.
    fn commit_in(&mut self, file: &str, source: &str, commit: char, text: &str) -> &mut Self {
        let tree = format!("tree-{commit}");
        let revision = Revision {
            name: format!("main@sha1:{commit}"),
            tree: tree.clone(),
            author: "Kim <kim@example.org>".into(),
            subject: format!("change {commit}"),
            signature: Signature::NotAsked,
        };
        let (source, origin) = (Self::id(source), Self::origin());
        let read = manifest::parse(file, text);
        let mut found = Declared { tree: tree.clone(), ..Declared::default() };
        match read {
            Ok(manifests) => {
                found.objects.extend(manifests.into_iter().filter_map(DeclaredObject::new).map(Arc::new));
            }
            Err(mistakes) => {
                found.mistakes_count = mistakes.len();
                found.mistakes = manifest::render_all(&mistakes, false);
            }
        }
        let ask = Ask::Declared(AskDeclared { source: source.clone(), origin: origin.clone(), tree });
        self.0.known(ask, Fact::Declared(Some(Arc::new(found))));
        self.0.known(Self::asked(source, origin), Fact::Revision(Found::At(revision)));
        self
    }

    /// A commit holds this beside, which cannot be read.
    fn unread(&mut self, commit: char, unread: Vec<Skipped>) {
        let (source, origin) = (Self::id("live"), Self::origin());
        let ask = Ask::Declared(AskDeclared { source, origin, tree: format!("tree-{commit}") });
        let Some(Fact::Declared(Some(declared))) = self.0.facts[&ask].known().cloned() else { panic!("a commit") };
        let declared = Declared { unread, ..Declared::clone(&declared) };
        self.0.known(ask, Fact::Declared(Some(Arc::new(declared))));
    }

    /// It is of a repository elsewhere: its object does not go without its clone.
    fn held(mut self) -> Self {
        self.change::<Source>("live", |source| source.metadata.finalizers = Some(vec![FINALIZER_CLONE.into()]));
        self
    }

    fn source(&self) -> Source {
        Source::clone(self.0.objects.get::<Source>("live").unwrap())
    }

    fn change<K: Watched + Registered>(&mut self, name: &str, change: impl FnOnce(&mut K)) {
        let mut object = K::clone(self.0.objects.get::<K>(name).unwrap());
        change(&mut object);
        self.0.add(object);
    }

    /// One reconcile, in words; what it wants is done.
    fn step(&mut self) -> String {
        let plan = self.0.plan(&CONTROLLER.key("live"));
        for effect in &plan.effects {
            let Effect::Write(write) = effect else { continue };
            match write {
                Write::Apply { kind, name, config, manager } => self.apply(kind, name, config, manager),
                Write::Delete { kind, name, uid } => {
                    assert_eq!(self.0.objects.metadata(kind, name).unwrap().uid.as_ref(), Some(uid));
                    self.0.objects.change(kind, name, None);
                }
                other => panic!("{other}"),
            }
        }
        for write in &plan.status {
            let mut source = self.source();
            source.status = Some(serde_json::from_value(write.status.clone()).unwrap());
            self.0.add(source);
        }
        said(&plan)
    }

    fn apply(&mut self, kind: &'static Kind, name: &str, config: &Value, manager: &str) {
        let live = self.0.objects.value(kind, name);
        let applier = Applier { manager, force: true, now: self.0.now };
        let mut new = apply::apply(kind.schema(), live.as_ref(), config, &applier).unwrap();
        kind.schema().default(&mut new);
        let generation = live.as_ref().map_or(0, |live| live["metadata"]["generation"].as_i64().unwrap());
        let is_new = live.as_ref().is_none_or(|live| live["spec"] != new["spec"]);
        new["metadata"]["generation"] = json!(generation + i64::from(is_new));
        new["metadata"]["uid"] = json!(format!("{name}-uid"));
        new["metadata"]["resourceVersion"] = json!("1");
        let object = read(kind, new).unwrap();
        self.0.objects.change(kind, name, Some(object));
    }

    /// Reconciles until nothing is to be done, and says each.
    fn settle(&mut self) -> String {
        let mut said = Vec::new();
        loop {
            let now = self.step();
            let is_over = now.lines().all(|line| line.starts_with("again at "));
            said.push(now);
            if is_over {
                return said.join("\n");
            }
            assert!(said.len() < 10, "it never ends: {said:#?}");
        }
    }

    fn formulas(&self) -> Vec<String> {
        let own = self.0.objects.all::<Formula>().filter(|it| it.name_any() != "work");
        own.map(|it| it.name_any()).collect()
    }

    fn last(&self) -> (RevisionResult, u32, u32, u32) {
        let past = &self.source().status.unwrap().history[0];
        (past.result, past.created, past.configured, past.pruned)
    }
}

#[test]
fn a_file_that_is_moved_writes_nothing_but_that_another_revision_is_live() {
    let mut town = Town::pruned();
    town.commit('a', &formulas(&["x", "y"])).settle();
    town.commit_in("landed/a.yaml", "live", 'b', &formulas(&["x", "y"]));
    let said = town.settle();
    assert!(!said.contains("apply") && !said.contains("delete"), "{said}");
    let status = town.source().status.unwrap();
    assert_eq!(status.applied.unwrap().revision, "main@sha1:b");
    assert_eq!((status.history[0].result, status.history[0].objects.len()), (RevisionResult::Applied, 0));
}

#[test]
fn what_is_declared_stands_in_the_inventory_before_it_is_made() {
    let mut town = Town::pruned();
    town.commit('a', &formulas(&["one", "two"]));
    insta::assert_snapshot!(town.step(), @"live: Drifted=False Ok; Ready=False Applying (main@sha1:a: being applied); Reconciling=True Applying (main@sha1:a: being applied)");
    assert_eq!(town.formulas().len(), 0);
    let status = town.source().status.unwrap();
    assert!(status.holds("Formula", "one") && status.holds("Formula", "two") && status.applied.is_none());
    insta::assert_snapshot!(town.step(), @"
    apply formula one
    apply formula two
    ");
    insta::assert_snapshot!(town.step(), @"live: Drifted=False Ok; Ready=True Ok");
    assert_eq!(town.step(), "");
    assert_eq!(town.last(), (RevisionResult::Applied, 2, 0, 0));
    assert_eq!(town.source().status.unwrap().applied.unwrap().revision, "main@sha1:a");
}

#[test]
fn one_object_that_changes_is_one_write_and_another_revision_of_the_same_tree_none() {
    let mut town = Town::pruned();
    town.commit('a', &formulas(&["one", "two", "three"])).settle();
    town.commit('b', &(formulas(&["one", "three"]) + &formula("two", "false")));
    let said = town.settle();
    assert_eq!(said.matches("apply ").count(), 1, "{said}");
    assert_eq!(town.last(), (RevisionResult::Applied, 0, 1, 0));
    // A commit that changes nothing of what is declared.
    let Fact::Revision(Found::At(mut same)) = town
        .0
        .facts
        .values()
        .find_map(|seen| match seen.known() {
            Some(fact @ Fact::Revision(_)) => Some(fact.clone()),
            _ => None,
        })
        .unwrap()
    else {
        panic!("a revision")
    };
    same.name = "main@sha1:c".into();
    town.0.known(Town::asked(Town::id("live"), Town::origin()), Fact::Revision(Found::At(same)));
    let said = town.settle();
    assert!(!said.contains("apply "), "{said}");
    assert_eq!(town.source().status.unwrap().applied.unwrap().revision, "main@sha1:c");
}

#[test]
fn a_mistake_anywhere_refuses_all_of_a_revision_and_what_was_live_stays() {
    let mut town = Town::pruned();
    town.commit('a', &formulas(&["one"])).settle();
    town.commit('b', "apiVersion: gastown.io/v1alpha1\nkind: Formula\nmetadata: { name: two }\nspec: {{");
    let said = town.settle();
    assert!(said.contains("Ready=False InvalidRevision") && said.contains("a.yaml:4"), "{said}");
    let convoy = "apiVersion: gastown.io/v1alpha1\nkind: Convoy\nmetadata: { name: c }\nspec: { rig: nowhere, beads: [{ name: a, title: A }] }\n";
    town.commit('c', &(formulas(&["one", "two"]) + convoy));
    let said = town.settle();
    assert!(said.contains("no Rig is named `nowhere`"), "{said}");
    assert_eq!(town.formulas(), ["one"]);
    assert_eq!(town.source().status.unwrap().applied.unwrap().revision, "main@sha1:a");
    // Taken back, it is as it was, and says so.
    town.commit('a', &formulas(&["one"]));
    insta::assert_snapshot!(town.settle(), @"live: Drifted=False Ok; Ready=True Ok");
}

#[test]
fn what_is_declared_no_more_is_pruned_once_the_rest_is_applied() {
    let mut town = Town::pruned();
    town.commit('a', &formulas(&["a", "b", "c", "d"])).settle();
    town.commit('b', &formulas(&["a", "b", "c", "e"]));
    town.step();
    insta::assert_snapshot!(town.step(), @"apply formula e");
    insta::assert_snapshot!(town.step(), @"
    delete formula d
    live: Drifted=False Ok; Ready=True Ok
    ");
    assert!(town.source().status.unwrap().holds("Formula", "d"), "until it is proven gone");
    town.settle();
    assert!(!town.source().status.unwrap().holds("Formula", "d"));
    assert_eq!((town.formulas().join(" "), town.last()), ("a b c e".into(), (RevisionResult::Applied, 1, 0, 1)));
}

#[test]
fn a_revision_that_would_prune_too_much_waits_for_a_person() {
    let mut town = Town::pruned();
    town.commit('a', &formulas(&["a", "b", "c"])).settle();
    town.commit('b', &formulas(&["a"]));
    let said = town.settle();
    assert!(said.contains("Stalled=True PruneHeld (main@sha1:b: it would delete 2 of 3 objects"), "{said}");
    assert_eq!((town.formulas().len(), town.last().0), (3, RevisionResult::Held));
    town.commit('c', "# Nothing.\n");
    let said = town.settle();
    assert!(said.contains("it declares nothing, and would delete all 3 objects"), "{said}");
    town.change::<Source>("live", |source| {
        source.annotations_mut().insert("gastown.io/approve".into(), "main@sha1:c".into());
    });
    town.settle();
    assert_eq!((town.formulas().len(), town.last().0), (0, RevisionResult::Applied));
}

#[test]
fn what_an_annotation_keeps_is_neither_pruned_nor_put_back() {
    let mut town = Town::pruned();
    town.commit('a', &formulas(&["a", "b", "c", "d"])).settle();
    for (name, what) in [("a", "gastown.io/prune"), ("b", "gastown.io/reconcile")] {
        town.change::<Formula>(name, |it| {
            it.annotations_mut().insert(what.into(), "Disabled".into());
            it.spec.steps[0].name = "mine".into();
            it.metadata.generation = Some(7);
        });
    }
    let said = town.settle();
    assert!(said.contains("apply formula a") && !said.contains("formula b"), "{said}");
    town.commit('b', &formulas(&["b", "c", "d"])).settle();
    assert_eq!(town.formulas(), ["a", "b", "c", "d"]);
    assert!(!town.source().status.unwrap().holds("Formula", "a"));
}

#[test]
fn without_prune_what_is_declared_no_more_stays() {
    let mut town = Town::new(json!({ "git": { "url": "." } }));
    town.commit('a', &formulas(&["a", "b"])).settle();
    town.commit('b', "").settle();
    assert_eq!((town.formulas().len(), town.source().status.unwrap().objects), (2, 0));
}

#[test]
fn what_somebody_changes_is_put_back_and_later_each_time() {
    let mut town = Town::pruned();
    town.commit('a', &formulas(&["a"])).settle();
    let edit = |town: &mut Town| {
        town.change::<Formula>("a", |it| {
            it.spec.steps[0].run = Some("false".into());
            it.metadata.generation = it.metadata.generation.map(|generation| generation + 1);
        });
    };
    edit(&mut town);
    insta::assert_snapshot!(town.step(), @"
    apply formula a
    live: Drifted=True ChangedByOthers (formula/a); Ready=True Ok
    ");
    insta::assert_snapshot!(town.settle(), @"live: Drifted=False Ok; Ready=True Ok");
    edit(&mut town);
    town.step();
    town.settle();
    edit(&mut town);
    let said = town.step();
    assert!(said.contains("Drifted=True") && said.contains("again at ") && !said.contains("apply"), "{said}");
    town.0.now = at(1000 + 60);
    assert!(town.settle().contains("apply formula a"));
    // Removed, it is made anew.
    town.0.now = at(3000);
    town.0.remove::<Formula>("a");
    assert!(town.settle().contains("apply formula a"));
}

#[test]
fn what_another_source_declares_is_refused_with_both_names() {
    let mut town = Town::pruned();
    town.commit('a', &formulas(&["a", "b"])).settle();
    let mut other: Source = object("other", json!({ "git": { "url": "." } }));
    other.status = Some(SourceStatus::default());
    town.0.add(other);
    town.commit_of("other", 'z', &formulas(&["b"]));
    insta::assert_snapshot!(said(&town.0.plan(&CONTROLLER.key("other"))), @"other: Drifted=False Ok; Ready=False DeclaredTwice (main@sha1:z: formula/b (a.yaml:3) is declared by the source `live`, and now by `other` too: take it out of one); Stalled=True DeclaredTwice (main@sha1:z: formula/b (a.yaml:3) is declared by the source `live`, and now by `other` too: take it out of one)");
}

#[test]
fn what_the_api_refuses_is_not_tried_again_and_the_last_good_one_is_live() {
    let mut town = Town::pruned();
    town.commit('a', &formulas(&["a"])).settle();
    town.commit('b', &(formula("a", "false") + &formulas(&["b"])));
    town.step();
    // The first of two writes is taken, the other refused.
    let plan = town.0.plan(&CONTROLLER.key("live"));
    let Effect::Write(Write::Apply { kind, name, config, manager }) = &plan.effects[0] else { panic!("a write") };
    town.apply(kind, name, config, manager);
    let message = "formula/b: Formula.gastown.io \"b\" is forbidden".to_owned();
    town.0.failed = Some(Failure { reason: Reason::RevisionRefused, message, count: 1, until: at(1010) });
    let said = town.step();
    assert!(said.contains("apply formula a") && said.contains("Stalled=True RevisionRefused"), "{said}");
    town.0.failed = None;
    town.settle();
    assert_eq!((town.formulas().join(" "), town.last().0), ("a".into(), RevisionResult::Refused));
    let formula = town.0.objects.get::<Formula>("a").unwrap();
    assert_eq!(formula.spec.steps[0].run.as_deref(), Some("true"));
    // The next one is tried.
    town.commit('c', &formulas(&["a", "b"])).settle();
    assert_eq!((town.formulas().join(" "), town.last().0), ("a b".into(), RevisionResult::Applied));
}

/// A file that declared objects and has become something that nobody can read takes nothing away.
#[test]
fn a_file_that_broke_is_a_mistake_and_one_that_never_was_ours_is_not() {
    let mut town = Town::pruned();
    town.commit('a', &formulas(&["a", "b"])).settle();
    let read = |file: &str, text: &[u8]| manifest::survey(file, text, Scope::Anybodys).skipped;
    for (commit, text) in [('b', &b"kind: {"[..]), ('d', b"apiVersio")] {
        town.commit(commit, "");
        town.unread(commit, read("a.yaml", text));
        let said = town.settle();
        assert!(
            said.contains("InvalidRevision") && said.contains("a.yaml:1: ") && said.contains("2 objects"),
            "{said}"
        );
        assert_eq!(town.formulas(), ["a", "b"]);
    }
    town.commit('c', &formulas(&["a", "c"]));
    town.unread('c', read("chart/templates/x.yaml", b"kind: {"));
    town.settle();
    assert_eq!(town.formulas(), ["a", "c"]);
}

#[test]
fn who_asks_for_a_look_is_told_that_it_was_done_whatever_was_found() {
    let mut town = Town::pruned();
    town.change::<Source>("live", |source| {
        source.annotations_mut().insert("gastown.io/refresh".into(), "now".into());
    });
    let ask = Town::asked(Town::id("live"), Town::origin());
    town.0.known(ask, Fact::Revision(Found::Missing("there is no commit yet".into())));
    town.settle();
    assert_eq!(town.source().status.unwrap().refreshed.as_deref(), Some("now"));
}

#[test]
fn nothing_is_done_while_it_is_suspended_cannot_be_seen_or_is_being_written() {
    let mut town = Town::pruned();
    town.commit('a', &formulas(&["a"])).settle();
    town.commit('b', &formulas(&["a", "b"]));
    let ask = || Town::asked(Town::id("live"), Town::origin());
    town.0.known(ask(), Fact::Revision(Found::Changing("b.yaml is being written".into())));
    assert_eq!(town.settle(), "");
    town.0.unknown(ask(), "git did not answer");
    insta::assert_snapshot!(town.step(), @"live: Ready=Unknown Unknown (git did not answer; waiting until it can be observed)");
    town.0.known(ask(), Fact::Revision(Found::Missing("there is no branch `main` in /srv/town".into())));
    insta::assert_snapshot!(town.step(), @"live: Drifted=False Ok; Ready=False RevisionNotFound (there is no branch `main` in /srv/town); Stalled=True RevisionNotFound (there is no branch `main` in /srv/town)");
    town.commit('b', &formulas(&["a", "b"]));
    town.change::<Source>("live", |source| source.spec.suspend = true);
    insta::assert_snapshot!(town.step(), @"live: Drifted=False Ok; Ready=False Suspended (nothing is applied, pruned or put back)");
    assert_eq!(town.formulas(), ["a"]);
}

#[test]
fn a_revision_that_is_not_signed_changes_nothing_and_what_was_live_is_kept() {
    let mut town = Town::pruned();
    town.commit('a', &formulas(&["one"])).settle();
    let verify = Verify { allowed_signers: Some("signers".into()), pgp_keys: None };
    let with = |town: &mut Town, commit: char, text: &str, signature: Signature| {
        town.commit(commit, text);
        let (live, origin) = (Town::id("live"), Town::origin());
        let plain = Town::asked(live.clone(), origin.clone());
        let Some(Fact::Revision(Found::At(revision))) = town.0.facts[&plain].known().cloned() else { panic!("one") };
        let ask = Ask::Revision(AskRevision { source: live, origin, verify: Some(verify.clone()) });
        town.0.known(ask, Fact::Revision(Found::At(Revision { signature, ..revision })));
    };
    town.change::<Source>("live", |source| source.spec.git.as_mut().unwrap().verify = Some(verify.clone()));
    let refused = || Signature::Refused("it is not signed".into());
    // What is live was live before anybody asked for a signature: it stays, and its history too.
    with(&mut town, 'a', &formulas(&["one"]), refused());
    let said = town.settle();
    assert!(
        said.contains("Stalled=True NotSigned (main@sha1:a: nothing of it is applied: it is not signed)"),
        "{said}"
    );
    assert_eq!((town.formulas().join(" "), town.last().0), ("one".into(), RevisionResult::Applied));
    with(&mut town, 'b', &formulas(&["one", "two"]), refused());
    town.settle();
    assert_eq!((town.formulas().join(" "), town.last().0), ("one".into(), RevisionResult::Refused));
    // The same tree, and nobody has signed that either.
    with(&mut town, 'c', &formulas(&["one"]), refused());
    town.settle();
    assert_eq!(town.source().status.unwrap().applied.unwrap().revision, "main@sha1:a");
    // What is live is put back all the same.
    town.0.remove::<Formula>("one");
    assert!(town.settle().contains("apply formula one"));
    // What cannot be checked is no better.
    with(&mut town, 'd', &formulas(&["one", "two"]), Signature::Unchecked("`gpg` is not installed here".into()));
    let said = town.settle();
    assert!(said.contains("Stalled=True CannotVerify"), "{said}");
    assert_eq!(town.formulas(), ["one"]);
    with(&mut town, 'd', &formulas(&["one", "two"]), Signature::Good);
    let said = town.settle();
    assert!(said.contains("Ready=True Ok"), "{said}");
    assert_eq!((town.formulas().join(" "), town.last()), ("one two".into(), (RevisionResult::Applied, 1, 0, 0)));
}

#[test]
fn what_another_machine_applies_is_only_looked_at_here() {
    let mut town = Town::pruned();
    town.commit('a', &formulas(&["one"])).settle();
    town.change::<Source>("live", |source| source.spec.runner = Some("Here".into()));
    town.commit('b', &formulas(&["one", "two"])).settle();
    assert_eq!(town.formulas(), ["one", "two"], "this one does, by its name");
    town.change::<Source>("live", |source| source.spec.runner = Some("elsewhere".into()));
    town.commit('c', &formulas(&["one", "three"]));
    insta::assert_snapshot!(town.settle(), @"live: Drifted=False Ok; Ready=False AppliedElsewhere (it is applied on `elsewhere` (spec.runner); this machine is `here`, and changes nothing: `gt diff --source live` says what it would)");
    // Nor is anything put back, or pruned: who applies it does.
    town.0.remove::<Formula>("one");
    assert_eq!(town.settle(), "");
    assert_eq!(town.formulas(), ["two"]);
    // The revision decides, where it declares this very source; so whoever is to apply it finds out.
    let itself = |runner: &str| {
        format!(
            "apiVersion: gastown.io/v1alpha1\nkind: Source\nmetadata: {{ name: live }}\nspec: {{ git: {{ url: . }}, prune: true, runner: {runner} }}\n---\n"
        )
    };
    town.commit('d', &(itself("here") + &formulas(&["one", "three"]))).settle();
    assert_eq!(town.formulas(), ["one", "three"]);
    assert_eq!(town.source().spec.runner.as_deref(), Some("here"));
    town.commit('e', &(itself("elsewhere") + &formulas(&["one"])));
    assert!(town.settle().contains("AppliedElsewhere"));
    assert_eq!(town.formulas(), ["one", "three"], "who applied it before does not begin with that one");
}

/// A repository elsewhere that cannot be cloned: nothing of it can be read, and that it failed is what is said.
#[test]
fn a_clone_that_fails_says_why_and_what_its_secret_has_to_do_with_it() {
    let url = "https://example.org/town.git";
    let mut town =
        Town::new(json!({ "git": { "url": url, "lease": "Never", "secretRef": { "file": "token" } } })).held();
    let owner = Town::id("live");
    town.0.known(Ask::Repo(AskRepo { owner: owner.clone(), branch: None }), Fact::Repo(RepoFacts::default()));
    let secret = Some(SecretRef { file: Some("token".into()), command: None, username: None });
    let job =
        |round| Job::Clone { owner: owner.clone(), url: url.into(), secret: secret.clone(), lease: None, round }.key();
    let exited = Exited { code: exit::AUTH, at: town.0.now, tail: "Authentication failed".into() };
    town.0.known(Ask::Job(job(1)), Fact::Job(JobState::Exited(exited)));
    town.0.known(Ask::Job(job(2)), Fact::Job(JobState::Absent));
    let said = town.step();
    assert!(said.contains("Ready=False AuthRequired (cloning `https://example.org/town.git` failed"), "{said}");
    assert!(said.contains("see that what `spec.git.secretRef` names is right:\nAuthentication failed"), "{said}");
}

/// The address of a repository elsewhere, or its branch, is another: what lies here is not that, and is not read before it is.
#[test]
fn another_address_or_branch_is_fetched_at_once_and_not_read_before() {
    let (first, second) = ("https://a.example.org/town.git", "https://b.example.org/town.git");
    // The first interval is not over.
    let spec = json!({ "git": { "url": first, "branch": "main", "interval": "1h", "lease": "Never" }, "prune": true });
    let mut town = Town::new(spec).held();
    let owner = Town::id("live");
    let is_cloned = RepoFacts { cloned: true, ..RepoFacts::default() };
    for branch in ["main", "next"] {
        let ask = AskRepo { owner: owner.clone(), branch: Some(branch.into()) };
        town.0.known(Ask::Repo(ask), Fact::Repo(is_cloned.clone()));
        let origin = Origin::Clone { at: At::Branch(branch.into()), folder: String::new() };
        let revision = Found::At(Revision {
            name: format!("{branch}@sha1:a"),
            tree: "tree-a".into(),
            author: String::new(),
            subject: String::new(),
            signature: Signature::NotAsked,
        });
        town.0.known(Town::asked(owner.clone(), origin.clone()), Fact::Revision(revision));
        let ask = AskDeclared { source: owner.clone(), origin, tree: "tree-a".into() };
        let declared = Declared { tree: "tree-a".into(), ..Declared::default() };
        town.0.known(Ask::Declared(ask), Fact::Declared(Some(Arc::new(declared))));
    }
    let exited = |town: &mut Town, job: &Job| {
        let exited = Exited { code: exit::OK, at: town.0.now, tail: String::new() };
        town.0.known(Ask::Job(job.key()), Fact::Job(JobState::Exited(exited)));
    };
    exited(&mut town, &Job::Clone { owner: owner.clone(), url: first.into(), secret: None, lease: None, round: 1 });
    // What was just cloned is not fetched again.
    let said = town.settle();
    assert!(!said.contains("fetch") && said.contains("Ready=True"), "{said}");
    assert_eq!(town.source().status.unwrap().fetched.unwrap(), format!("{first}#main"));
    let mut changes = |url: &str, branch: &str, generation: i64| {
        town.change::<Source>("live", |source| {
            let git = source.spec.git.as_mut().unwrap();
            (git.url, git.branch) = (url.into(), Some(branch.into()));
            source.metadata.generation = Some(generation);
        });
        let cause = format!("generation-{generation}");
        let fetch = Job::Fetch { owner: owner.clone(), url: url.into(), secret: None, lease: None, cause, round: 1 };
        town.0.known(Ask::Job(fetch.key()), Fact::Job(JobState::Absent));
        town.0.known(Ask::Newest(fetch.track()), Fact::Newest(None));
        let said = town.step();
        assert!(said.contains("fetch for live, round 1") && said.contains("Ready=False Cloning"), "{said}");
        town.0.known(Ask::Job(fetch.key()), Fact::Job(JobState::Running));
        assert_eq!(town.source().status.unwrap().fetched, None, "until it is known what lies here");
        let said = town.step();
        assert!(!said.contains("Ready=True"), "{said}");
        exited(&mut town, &fetch);
        assert!(town.settle().contains("Ready=True Ok"));
        assert_eq!(town.source().status.unwrap().fetched.unwrap(), format!("{url}#{branch}"));
    };
    changes(second, "main", 2);
    changes(second, "next", 3);
    // Back to where it was before: that was long ago.
    changes(first, "main", 4);
}
