//! Waiting until an object is gone.

use futures::StreamExt;
use kube::ResourceExt;
use kube::api::DynamicObject;
use kube::runtime::watcher;
use tokio::time::Instant;

use super::context::{Context, Link};
use super::error::{CliError, Exit};
use super::kinds::Kind;
use super::timeout::Timeout;
use super::watching;
use crate::town::Town;

/// Waits until an object is gone, and says so.
pub async fn gone(
    gt: &Context,
    town: &Town,
    kind: &'static Kind,
    name: &str,
    until: Instant,
    timeout: Timeout,
) -> Result<(), CliError> {
    gone_exactly(gt, town, kind, (name, None), until, timeout).await
}

/// The same, of the object with this uid: a namesake that is made meanwhile is another.
pub async fn gone_exactly(
    gt: &Context,
    town: &Town,
    kind: &'static Kind,
    (name, uid): (&str, Option<&str>),
    until: Instant,
    timeout: Timeout,
) -> Result<(), CliError> {
    let object = kind.named_object(name);
    match watch_it_go(gt, town, kind, (name, uid), until).await {
        Ok(()) => return gt.out.data(&format!("{object} is gone")),
        Err(error) if error.exit() != Exit::TimedOut => return Err(error),
        Err(_) => {}
    }
    let (there, up) =
        gt.with_api(town, async |link| Ok((link.api(kind).get_opt(name).await?, link.controller))).await?;
    let there = there.filter(|it| uid.is_none_or(|uid| it.metadata.uid.as_deref() == Some(uid)));
    let Some(there) = there else { return gt.out.data(&format!("{object} is gone")) };
    let is_asked = there.metadata.deletion_timestamp.is_some();
    let waits = there.finalizers().join(", ");
    let (message, hint) = match (is_asked, up) {
        (false, _) => (format!("{object} is still there"), format!("nobody has deleted it: `gt delete {object}`")),
        (true, false) => (
            format!("{object} is still being deleted"),
            "the town is down: it goes once `gt up` has cleaned up after it".to_owned(),
        ),
        (true, true) => (
            format!("{object} is still being deleted"),
            format!("it waits for {waits}: `gt describe {object}` says more; it goes on without `gt wait`"),
        ),
    };
    Err(CliError::new(Exit::TimedOut, format!("{message} after {:?}", timeout.0)).hint(hint))
}

/// Returns when it is gone, or with [`Exit::TimedOut`].
async fn watch_it_go(
    gt: &Context,
    town: &Town,
    kind: &'static Kind,
    (name, wanted): (&str, Option<&str>),
    until: Instant,
) -> Result<(), CliError> {
    // Looked at through the store, it may be gone without any controller.
    let is_it = |object: &DynamicObject| wanted.is_none_or(|wanted| object.metadata.uid.as_deref() == Some(wanted));
    if !gt.with_api(town, async |link| Ok(link.api(kind).get_opt(name).await?.is_some_and(|it| is_it(&it)))).await? {
        return Ok(());
    }
    let look = async |link: &Link| Ok(Some(link.api(kind).get_opt(name).await?));
    let (link, there) = watching::link(gt, town, Some(until), look).await?;
    let Some(there) = there.filter(is_it) else { return Ok(()) };
    let uid = there.metadata.uid;
    let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
    let mut changes = watching::Watches::new(gt.out).changes(link.api(kind), config);
    let mut is_there = false;
    loop {
        let late = |_| CliError::new(Exit::TimedOut, "it took too long");
        match tokio::time::timeout_at(until, changes.next()).await.map_err(late)? {
            Some(watcher::Event::Init) => is_there = false,
            Some(watcher::Event::InitApply(object)) => is_there |= object.metadata.uid == uid,
            Some(watcher::Event::InitDone) if !is_there => return Ok(()),
            Some(watcher::Event::Delete(object)) if object.metadata.uid == uid => return Ok(()),
            Some(_) => {}
            None => return Err(CliError::new(Exit::Failed, "the watch ended")),
        }
    }
}
