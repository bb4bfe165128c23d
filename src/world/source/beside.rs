//! Paths in a manifest that are meant as seen from where it lies: the repository beside it, and a folder to copy from.

use std::path::Path;

use gastown_base::paths::without_dots;
use gastown_crds::manifest::Object;
use serde_json::Value;

/// The object with those paths absolute; `folder` is where its file is.
pub fn resolved(object: Object, folder: &Path) -> Object {
    let Object { manifest, mut value } = object;
    if manifest.kind != "Rig" {
        return Object { manifest, value };
    }
    let absolute = |path: &str| without_dots(&folder.join(path)).to_string_lossy().into_owned();
    let is_beside = |text: &str| text == "." || text == ".." || text.starts_with("./") || text.starts_with("../");
    if let Some(Value::String(url)) = value.pointer_mut("/spec/repo/url")
        && is_beside(url)
    {
        *url = absolute(url);
    }
    if let Some(Value::String(from)) = value.pointer_mut("/spec/workspace/copyFrom")
        && !from.is_empty()
    {
        *from = absolute(from);
    }
    Object { manifest, value }
}
