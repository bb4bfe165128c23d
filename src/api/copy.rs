//! A copy of another server's objects, for finding out what would become of them: each with its uid, its generation, its
//! time and its status, which no client may write.
//!
//! Nothing is judged again: what is stored there was admitted there, perhaps by the rules of an earlier release. Only the
//! resourceVersions are this server's own.

use serde_json::Value;

use super::Server;
use super::store::{Expect, Key, Op, Refusal, owners_first};

/// An object cannot be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// Its kind is not served.
    #[error("{what} is of a kind that is not served")]
    NotServed {
        /// The object.
        what: String,
    },
    /// The store refuses it.
    #[error("{what} could not be copied")]
    Refused {
        /// The object.
        what: String,
        /// The cause.
        #[source]
        source: Refusal,
    },
}

impl Server {
    /// Takes in copies of objects, as another server has answered them. Owners come before what they own, in whatever order
    /// they are given: what is stored without its owner is garbage.
    pub async fn copy(&self, objects: Vec<Value>) -> Result<(), CopyError> {
        for object in owners_first(objects, |object| object) {
            let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            let what = format!("{} `{}`", object["kind"].as_str().unwrap_or_default(), text("name"));
            let kinds = &self.inner.kinds;
            let kind = kinds.iter().find(|it| object["kind"] == it.kind && object["apiVersion"] == it.api_version);
            let Some(kind) = kind else { return Err(CopyError::NotServed { what }) };
            let key = Key { kind: kind.rows.clone(), ns: text("namespace"), name: text("name") };
            let op = Op::Put { key, expect: Expect::AbsentCopy, object };
            self.inner.store.submit(op).await.map_err(|source| CopyError::Refused { what, source })?;
        }
        Ok(())
    }
}
