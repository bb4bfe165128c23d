//! `bd activity`: what has happened, the newest last; with `--follow`, as it happens.

use std::io::Write as _;
use std::ops::ControlFlow;

use clap::Args;
use futures::TryStreamExt as _;
use gastown_agent::context::{Answer, Context};
use gastown_agent::error::Error;
use gastown_base::text::visible;
use gastown_beads::issue::Issue;
use gastown_beads::words;
use gastown_crds::BeadEvent;
use kube::Api;
use kube::api::{WatchEvent, WatchParams};

use super::print;
use super::scan::{Query, events};

/// Show what has happened: the events of the town
#[derive(Debug, Clone, Args)]
pub struct ActivityArgs {
    /// Go on as things happen, until it is interrupted
    #[arg(short, long)]
    follow: bool,
    /// Only this type of beads: event
    #[arg(short = 't', long = "type", default_value = words::EVENT, value_parser = [words::EVENT])]
    type_: String,
    /// Only what happened to this one
    #[arg(long, value_name = "WHOM")]
    target: Option<String>,
    /// At most so many of what has happened before; 0: all
    #[arg(short = 'n', long, default_value_t = 50)]
    limit: usize,
    /// Stop following after so many
    #[arg(long, requires = "follow", value_name = "N")]
    stop_after: Option<usize>,
}

impl ActivityArgs {
    /// Whether it goes on until it is interrupted.
    pub fn follows(&self) -> bool {
        self.follow
    }
}

/// Runs `bd activity`.
pub async fn activity(args: &ActivityArgs, json: bool, context: &Context) -> Result<Answer, Error> {
    let mut query = Query::default();
    query.fields.extend(args.target.as_ref().map(|target| format!("spec.target={target}")));
    let mut found = Vec::new();
    events(context, &query, |event| {
        found.push(event.clone());
        if args.limit != 0 && found.len() >= args.limit { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })
    .await?;
    found.reverse();
    let shown = |event: &BeadEvent| {
        if json {
            serde_json::to_string(&Issue::of_event(event)).unwrap_or_default() + "\n"
        } else {
            print::event(event)
        }
    };
    let out: String = found.iter().map(shown).collect();
    if !args.follow {
        return Ok(Answer::out(out));
    }
    write(&out)?;
    let api: Api<BeadEvent> = Api::default_namespaced(context.client.clone());
    let mut left = args.stop_after.unwrap_or(usize::MAX);
    let mut version = api
        .list_metadata(&kube::api::ListParams::default().limit(1))
        .await
        .map_err(Error::api("list events"))?
        .metadata
        .resource_version
        .unwrap_or_default();
    while left > 0 {
        let fields = query.fields.join(",");
        let watch = WatchParams::default().fields(&fields);
        let stream = api.watch(&watch, &version).await.map_err(Error::api("watch events"))?;
        let mut stream = std::pin::pin!(stream);
        while let Some(event) = stream.try_next().await.map_err(Error::api("watch events"))? {
            match event {
                WatchEvent::Added(event) => {
                    version = event.metadata.resource_version.clone().unwrap_or(version);
                    write(&shown(&event))?;
                    left -= 1;
                    if left == 0 {
                        break;
                    }
                }
                WatchEvent::Bookmark(mark) => version = mark.metadata.resource_version,
                WatchEvent::Error(status) => return Err(Error::api("watch events")(kube::Error::Api(status))),
                WatchEvent::Modified(_) | WatchEvent::Deleted(_) => {}
            }
        }
    }
    Ok(Answer::default())
}

/// Writes at once: whoever follows waits for it.
fn write(text: &str) -> Result<(), Error> {
    let mut out = std::io::stdout().lock();
    let failed = |source| Error::Io { what: "write to standard output", source };
    out.write_all(visible(text).as_bytes()).map_err(failed)?;
    out.flush().map_err(failed)
}
