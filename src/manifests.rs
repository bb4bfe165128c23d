//! What a fresh town gets: the built-in formula and runtimes, inside the program. The agent is in [`crate::world::agents`].

use kube::api::{Api, DynamicObject, PostParams};
use kube::core::{ApiResource, GroupVersionKind};

/// Each built-in manifest: the name of its file and its text. It is created where absent, and never changed again.
pub fn built_in() -> Vec<(&'static str, &'static str)> {
    vec![
        ("work.yaml", include_str!("../manifests/work.yaml")),
        ("script.yaml", include_str!("../manifests/script.yaml")),
        ("claude.yaml", include_str!("../manifests/claude.yaml")),
        ("claude-headless.yaml", include_str!("../manifests/claude-headless.yaml")),
        ("codex.yaml", include_str!("../manifests/codex.yaml")),
        ("codex-headless.yaml", include_str!("../manifests/codex-headless.yaml")),
        ("gemini.yaml", include_str!("../manifests/gemini.yaml")),
        ("gemini-headless.yaml", include_str!("../manifests/gemini-headless.yaml")),
        ("opencode.yaml", include_str!("../manifests/opencode.yaml")),
        ("opencode-headless.yaml", include_str!("../manifests/opencode-headless.yaml")),
    ]
}

/// Creates what is absent of it in the client's namespace.
pub async fn ensure_built_in(client: &kube::Client) -> Result<(), kube::Error> {
    for (file, text) in built_in() {
        ensure(client, file, text).await?;
    }
    Ok(())
}

/// Creates what is absent of a file's objects; what cannot be read is left to `gt apply` to complain about.
pub async fn ensure(client: &kube::Client, file: &str, text: &str) -> Result<(), kube::Error> {
    for manifest in gastown_crds::manifest::parse(file, text).unwrap_or_default() {
        let object: DynamicObject = serde_json::from_value(manifest.value()).map_err(kube::Error::SerdeError)?;
        let gvk = GroupVersionKind::gvk(gastown_crds::common::GROUP, gastown_crds::common::VERSION, &manifest.kind);
        let api: Api<DynamicObject> = Api::default_namespaced_with(client.clone(), &ApiResource::from_gvk(&gvk));
        match api.create(&PostParams::default(), &object).await {
            Ok(_) => {}
            Err(kube::Error::Api(status)) if status.reason == "AlreadyExists" => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use gastown_crds::{admission, manifest};

    #[test]
    fn every_built_in_manifest_is_admitted() {
        for (file, text) in super::built_in() {
            let found = manifest::parse(file, text).unwrap();
            assert_eq!(found.len(), 1, "{file}");
            assert_eq!(admission::admit(&found[0]), [], "{file}");
        }
    }
}
