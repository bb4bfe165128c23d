//! Events as people read them: which of them tell of an object, in the order in which they happened, as a table.
//!
//! What happens to an object is told of it, or of another because of it: a session of a bead is its polecat's, and the
//! verification of its branch its merge request's. Both belong to the bead's story.

use gastown_crds::Kind;
use jiff::Timestamp;
use kube::api::{Api, DynamicObject, ListParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::runtime::watcher;
use serde_json::Value;

use super::age::age;
use super::context::{Link, pages};
use super::error::CliError;
use super::table::Table;
use crate::insight::text::short_revisions;

/// Events, as the API has them.
pub fn api(link: &Link) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk(&GroupVersionKind::gvk("", "v1", "Event"));
    Api::namespaced_with(link.client.clone(), &link.namespace, &resource)
}

/// Which events are asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Those that tell of this object. Default: all.
    pub about: Option<(&'static Kind, String)>,
    /// `Normal` or `Warning`. Default: both.
    pub type_: Option<&'static str>,
}

impl Asked {
    /// The selectors that pick them together; no two pick the same.
    fn selectors(&self) -> Vec<String> {
        let type_ = self.type_.map(|type_| format!("type={type_}"));
        let of = |field: &str| {
            let about =
                self.about.as_ref().map(|(kind, name)| format!("{field}.kind={},{field}.name={name}", kind.name));
            about.into_iter().chain(type_.clone()).collect::<Vec<_>>().join(",")
        };
        let fields: &[&str] = if self.about.is_some() { &["involvedObject", "related"] } else { &[""] };
        fields.iter().map(|field| of(field)).collect()
    }

    /// Lists them, the newest last.
    pub async fn list(&self, link: &Link) -> Result<Vec<DynamicObject>, CliError> {
        let mut found = Vec::new();
        for selector in self.selectors() {
            found.extend(pages(&api(link), &ListParams::default().fields(&selector)).await?);
        }
        found.sort_by_cached_key(|event| (last_seen(event), revision(event)));
        Ok(found)
    }

    /// What watches of them ask for.
    pub fn watches(&self) -> Vec<watcher::Config> {
        self.selectors().iter().map(|selector| watcher::Config::default().fields(selector)).collect()
    }
}

/// When it happened last. Whoever writes in the old way gives other fields.
pub fn last_seen(event: &DynamicObject) -> Timestamp {
    let fields = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime", "/firstTimestamp"];
    let given = fields.iter().find_map(|field| event.data.pointer(field)?.as_str()?.parse().ok());
    given.or(event.metadata.creation_timestamp.as_ref().map(|made| made.0)).unwrap_or(Timestamp::UNIX_EPOCH)
}

fn revision(event: &DynamicObject) -> u64 {
    event.metadata.resource_version.as_deref().and_then(|text| text.parse().ok()).unwrap_or_default()
}

/// A table of events.
pub fn table() -> Table {
    Table::new(["LAST SEEN", "TYPE", "REASON", "OBJECT", "MESSAGE"])
        .fitting(&["MESSAGE"], &["TYPE"])
        .at_last(&["REASON", "LAST SEEN"])
}

/// The cells of an event.
pub fn cells(event: &DynamicObject, now: Timestamp) -> [String; 5] {
    let text = |pointer: &str| event.data.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let series = event.data.pointer("/series/count").or(event.data.get("count")).and_then(Value::as_u64);
    let times = series.filter(|count| *count > 1).map(|count| format!(" (x{count})")).unwrap_or_default();
    let (kind, name) = (text("/involvedObject/kind"), text("/involvedObject/name"));
    // As short as commands take it, for the sake of the message.
    let object = match Kind::named(kind) {
        Some(kind) if kind.singular.len() > "polecat".len() || kind.name == "Convoy" => {
            format!("{}/{name}", kind.short_names[0])
        }
        Some(kind) => kind.named_object(name),
        None => format!("{}/{name}", kind.to_lowercase()),
    };
    let message = text("/message").lines().next().unwrap_or_default();
    [
        format!("{}{times}", age(now, last_seen(event))),
        text("/type").to_owned(),
        text("/reason").to_owned(),
        object,
        short_revisions(message),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{from_value, json};

    #[test]
    fn a_table_of_events_fits_a_terminal_and_keeps_names_whole() {
        let now: Timestamp = "2026-01-01T01:00:00Z".parse().unwrap();
        let event = |kind: &str, name: &str, more: Value| {
            let mut event = json!({
                "apiVersion": "v1", "kind": "Event", "metadata": { "creationTimestamp": "2026-01-01T00:00:00Z" },
                "involvedObject": { "kind": kind, "name": name }, "type": "Warning", "reason": "TooManyAttempts",
                "message": "failed 6 times; fix the cause, then change its text\nof which this is a line",
            });
            event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            from_value::<DynamicObject>(event).unwrap()
        };
        let mut table = table();
        // In the ways of today and of before; a kind that is none of ours.
        let series = json!({ "eventTime": "2026-01-01T00:10:00Z",
            "series": { "count": 3, "lastObservedTime": "2026-01-01T00:59:00Z" } });
        table.row(cells(&event("MergeRequest", "shop-kkrp77zh-3pp5q8zs", series), now));
        table.row(cells(&event("Bead", "shop-a", json!({ "lastTimestamp": "2026-01-01T00:58:00Z", "count": 2 })), now));
        table.row(cells(&event("Pod", "a", json!({})), now));
        insta::assert_snapshot!(table.render(Some(80)), @"
        LAST SEEN   REASON            OBJECT                      MESSAGE
        60s (x3)    TooManyAttempts   mr/shop-kkrp77zh-3pp5q8zs   failed 6 times; fix…
        2m (x2)     TooManyAttempts   bead/shop-a                 failed 6 times; fix…
        60m         TooManyAttempts   pod/a                       failed 6 times; fix…
        ");
    }
}
