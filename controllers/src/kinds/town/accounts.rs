//! Accounts: by which of them a session works, and which are left alone because their provider refuses them.
//!
//! A refusal is said of the account, and not of whoever met it: no session is started by it until its provider takes it again, by what
//! the agent's program says of that, or else with back-off. The first that is declared and available is used. A session that works by
//! it all the same, such as one that somebody has logged in on its screen, makes it available at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use gastown_crds::common::{ConditionStatus, NameValue, types};
use gastown_crds::polecat::{Activity, ActivityState};
use gastown_crds::reason::Reason;
use gastown_crds::town::{AccountStatus, TownStatus};
use gastown_crds::{Polecat, Town};
use jiff::Timestamp;

use crate::conditions::Conditions;
use crate::draft::Draft;
use crate::plan::Plan;
use crate::view::View;

/// How long an account is left alone at first whose provider does not say for how long; twice as long each time in a row.
const FIRST: Duration = Duration::from_mins(1);
/// The longest of these times for a limit.
const LIMITED_MAX: Duration = Duration::from_mins(30);
/// The same for a login: a person may have seen to it.
const LOGIN_MAX: Duration = Duration::from_mins(5);

/// How long after its last refusal was over another counts as one more in a row.
const IN_A_ROW: Duration = Duration::from_mins(10);

/// Most accounts of a status.
const ACCOUNTS_MAX: usize = 100;

/// The account that a session works by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice<'a> {
    /// Its name.
    pub name: String,
    /// Its variables.
    pub env: &'a [NameValue],
    /// Whether it is one of the town's; else it is its Runtime's own.
    pub is_declared: bool,
}

/// Why no session is started by any account of a Runtime.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// Until when.
    pub until: Timestamp,
    /// Why, in one word.
    pub reason: Reason,
    /// The same for people.
    pub message: String,
}

/// The accounts that sessions of a Runtime may work by, in order.
fn accounts_of<'a>(town: Option<&'a Town>, runtime: &str) -> Vec<Choice<'a>> {
    let declared = town.map_or(&[][..], |town| &town.spec.accounts);
    let of_runtime = declared.iter().filter(|account| account.runtimes.iter().any(|name| name == runtime));
    let found: Vec<Choice<'a>> =
        of_runtime.map(|account| Choice { name: account.name.clone(), env: &account.env, is_declared: true }).collect();
    if found.is_empty() { vec![Choice { name: runtime.to_owned(), env: &[], is_declared: false }] } else { found }
}

/// The account that the next session of a Runtime works by. `last` is the end of the last session of whoever asks, which the town may
/// not have seen yet.
pub fn choose<'a>(runtime: &str, view: &View<'a>, last: Option<&Activity>) -> Result<Choice<'a>, Refused> {
    let town = view.objects.town().map(AsRef::as_ref);
    let status = town.and_then(|town| town.status.as_ref());
    let mut refused: Option<Refused> = None;
    for choice in accounts_of(town, runtime) {
        let own = last.filter(|last| last.account.as_ref() == Some(&choice.name)).and_then(|last| own(last, view));
        match own.or_else(|| known(&choice.name, status, view.now)) {
            None => return Ok(choice),
            Some(other) if refused.as_ref().is_none_or(|it| other.until < it.until) => refused = Some(other),
            Some(_) => {}
        }
    }
    Err(refused.expect("a Runtime has one account at least, and it was not chosen"))
}

/// That the session of whoever asks was refused.
fn own(last: &Activity, view: &View<'_>) -> Option<Refused> {
    let until = until(last, 1);
    if !last.state.is_of_account() || until <= view.now {
        return None;
    }
    let name = last.account.as_deref().unwrap_or_default();
    Some(Refused { until, reason: reason(last.state), message: words(name, until, last.message.as_deref()) })
}

/// That an account is left alone, as the town's status says.
fn known(name: &str, status: Option<&TownStatus>, now: Timestamp) -> Option<Refused> {
    let known = status?.accounts.iter().find(|known| known.name == name)?;
    let until = known.until.filter(|until| *until > now)?;
    let found = gastown_crds::common::condition(&known.conditions, types::AVAILABLE)?;
    let reason = Reason::parse(&found.reason).unwrap_or(Reason::Limited);
    Some(Refused { until, reason, message: found.message.clone() })
}

/// Until when an account is left alone that was refused so often in a row: until its provider takes it again, if that is known.
fn until(refusal: &Activity, refusals: u32) -> Timestamp {
    let longest = if refusal.state == ActivityState::LoginRequired { LOGIN_MAX } else { LIMITED_MAX };
    let delay = FIRST.saturating_mul(1 << refusals.saturating_sub(1).min(10)).min(longest);
    refusal.until.unwrap_or(refusal.since + delay)
}

fn reason(state: ActivityState) -> Reason {
    if state == ActivityState::LoginRequired { Reason::LoginRequired } else { Reason::Limited }
}

fn words(name: &str, until: Timestamp, said: Option<&str>) -> String {
    let said = said.map(|said| format!(": {said}")).unwrap_or_default();
    format!("account `{name}` was refused by its model's provider, and is left alone until {until:.0}{said}")
}

/// What the sessions of a polecat say of the accounts that they work by: the last refusal, and the account that one works by, with the
/// instant since which it does.
pub(super) fn told(polecat: &Polecat) -> (Option<&Activity>, Option<(&str, Timestamp)>) {
    let Some(status) = &polecat.status else { return (None, None) };
    let works = |it: &&Activity| !it.state.is_refused() && it.state != ActivityState::Starting;
    let at_work = status.activity.as_ref().filter(works);
    (status.refused.as_ref(), at_work.and_then(|it| Some((it.account.as_deref()?, it.since))))
}

/// Writes down which accounts are available.
pub(super) fn record(town: &Town, view: &View<'_>, draft: &mut Draft<'_, Town>, plan: &mut Plan) {
    let mut refusals: BTreeMap<&str, &Activity> = BTreeMap::new();
    let mut works: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for polecat in view.objects.all::<Polecat>() {
        let (refused, at_work) = told(polecat);
        if let Some((account, since)) = at_work {
            let newest = works.entry(account).or_insert(since);
            *newest = (*newest).max(since);
        }
        let Some((account, refused)) = refused.and_then(|it| Some((it.account.as_deref()?, it))) else { continue };
        if refusals.get(account).is_none_or(|before| before.since < refused.since) {
            refusals.insert(account, refused);
        }
    }
    let before = std::mem::take(&mut draft.status.accounts);
    let declared = town.spec.accounts.iter().map(|account| account.name.clone());
    let is_declared: BTreeSet<String> = declared.clone().collect();
    let others: BTreeSet<String> =
        refusals.keys().map(|name| (*name).to_owned()).chain(before.iter().map(|it| it.name.clone())).collect();
    let names = declared.chain(others.into_iter().filter(|name| !is_declared.contains(name)));
    for name in names.take(ACCOUNTS_MAX) {
        let known = before.iter().find(|known| known.name == name);
        let now = Seen { refusal: refusals.get(&*name).copied(), works: works.get(&*name).copied() };
        let status = now.status(&name, known, view);
        if let Some(until) = status.until.filter(|until| *until > view.now) {
            plan.again_at(until);
        }
        // One of a Runtime is of interest while it is refused, and for as long as an older refusal has to be told from a new one.
        if is_declared.contains(&name) || status.until.is_some() || now.refusal.is_some() {
            draft.status.accounts.push(status);
        }
    }
}

/// What sessions say of an account.
struct Seen<'a> {
    refusal: Option<&'a Activity>,
    /// Since when one has worked by it.
    works: Option<Timestamp>,
}

impl Seen<'_> {
    fn status(&self, name: &str, known: Option<&AccountStatus>, view: &View<'_>) -> AccountStatus {
        let before = known.map_or(&[][..], |known| &known.conditions);
        let mut conditions = Conditions::new(before, None, view.now);
        let empty =
            || AccountStatus { name: name.to_owned(), conditions: Vec::new(), refused: None, until: None, refusals: 0 };
        let mut status = known.cloned().unwrap_or_else(empty);
        let is_new = |refusal: &&Activity| status.refused.is_none_or(|before| before < refusal.since);
        if let Some(refusal) = self.refusal.filter(is_new) {
            let in_a_row = status.until.is_some_and(|until| refusal.since <= until + IN_A_ROW);
            let refusals = if in_a_row { status.refusals.saturating_add(1) } else { 1 };
            let until = until(refusal, refusals);
            let message = words(name, until, refusal.message.as_deref());
            conditions.set(types::AVAILABLE, ConditionStatus::False, reason(refusal.state), message);
            status = AccountStatus { refused: Some(refusal.since), until: Some(until), refusals, ..empty() };
        }
        let works = self.works.is_some_and(|works| status.refused.is_none_or(|refused| refused < works));
        let is_over = status.until.is_none_or(|until| until <= view.now);
        if works || status.until.is_none() {
            conditions.set(types::AVAILABLE, ConditionStatus::True, Reason::Ok, "");
            // What was refused before counts no more, and is not taken for new.
            status = AccountStatus { refused: status.refused, ..empty() };
        } else if is_over {
            let message = "its provider is asked again by the next session";
            conditions.set(types::AVAILABLE, ConditionStatus::True, Reason::Ok, message);
        }
        let set = conditions.done();
        // Nothing new was found.
        AccountStatus { conditions: if set.is_empty() { before.to_vec() } else { set }, ..status }
    }
}
