//! A town in a folder, with a rig to work in: what two figures share.

use std::fmt::Debug;
use std::path::{Path, PathBuf};

use gastown::town::{Places, Town};
use gastown::world::exec::Exec;
use kube::api::{Api, PostParams};
use kube::core::NamespaceResourceScope;
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Where a town's files lie: on the disk of the build. Its sockets need a short path of their own.
pub fn places(dir: &Path, short: &Path) -> Places {
    let user = rustix::process::getuid().as_raw();
    Places { data_home: dir.join("data"), state_home: dir.join("state"), temp: short.to_owned(), user, session: None }
}

/// A town `home` in a folder; `spec` is more of its file.
pub fn open(dir: &Path, short: &Path, spec: &str) -> Town {
    let folder = dir.join("town");
    fs_err::create_dir_all(&folder).unwrap();
    let text = format!(
        "apiVersion: gastown.io/v1alpha1\nkind: Town\nmetadata:\n  name: town\n  namespace: home\n  annotations:\n    \
         gastown.io/town-uid: 0000000a-0000-4000-8000-00000000000a\n{spec}"
    );
    fs_err::write(folder.join("town.yaml"), text).unwrap();
    Town::open(&folder, &places(dir, short)).unwrap()
}

/// A bare repository with one commit on `main`.
pub fn repository(dir: &Path) -> PathBuf {
    let (work, bare) = (dir.join("work"), dir.join("shop.git"));
    fs_err::create_dir_all(&work).unwrap();
    fs_err::write(work.join("README"), "shop\n").unwrap();
    git(&work, &["init", "-q"]);
    git(&work, &["add", "-A"]);
    git(&work, &["commit", "-qm", "first"]);
    git(dir, &["clone", "-q", "--bare", "work", "shop.git"]);
    bare
}

/// What git prints.
pub fn git(dir: &Path, args: &[&str]) -> String {
    let who = ["-c", "user.name=t", "-c", "user.email=t@town.invalid", "-c", "init.defaultBranch=main"];
    let out = Exec::new("git").args(who).args(args).cwd(dir).limit(std::time::Duration::from_mins(2)).run().unwrap();
    assert!(out.ok(), "git {args:?}: {}", out.complaint());
    out.text()
}

/// A rig on it, which nothing ever lands in.
pub fn rig(repo: &Path, runtime: &str) -> Value {
    json!({ "repo": { "url": repo }, "runtime": runtime,
        "merge": { "strategy": "Push", "verify": [{ "name": "readme", "run": "test -f README" }] } })
}

/// Creates an object.
pub async fn create<K>(client: &Client, name: &str, spec: Value)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope> + Clone + Debug + Serialize + DeserializeOwned,
{
    let object =
        json!({ "apiVersion": K::api_version(&()), "kind": K::kind(&()), "metadata": { "name": name }, "spec": spec });
    let object: K = serde_json::from_value(object).unwrap();
    Api::default_namespaced(client.clone()).create(&PostParams::default(), &object).await.unwrap();
}
