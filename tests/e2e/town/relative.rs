//! A rig whose address is relative, as `kubectl apply` leaves it: it is meant as seen from the town's folder.

use gastown::api::client_over_unix_socket;
use gastown::town::{Places, Town as TownFolder};
use gastown_crds::Rig;
use kube::Api;
use kube::api::PostParams;
use serde_json::json;

use super::harness::{Town, wait_until};

/// Creates a rig through the API, as it is.
fn create(town: &Town, rig: &serde_json::Value) {
    let user = rustix::process::getuid().as_raw();
    let (data_home, state_home, temp) = (town.path("data"), town.path("state"), town.path("tmp"));
    let places = Places { data_home, state_home, temp, user, session: None };
    let socket = TownFolder::open(&town.path("town"), &places).unwrap().layout.api_socket();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = client_over_unix_socket(&socket, "default", None).unwrap();
        let rig: Rig = serde_json::from_value(rig.clone()).unwrap();
        Api::<Rig>::default_namespaced(client).create(&PostParams::default(), &rig).await.unwrap();
    });
}

#[test]
fn work_lands_in_a_repository_whose_address_is_seen_from_the_towns_folder() {
    let town = Town::new();
    town.repo("near", &[("README", "near\n"), ("check.sh", "true\n")]);
    town.file("town/seeds/.env", "A=1\n");
    town.up();
    let spec = json!({
        "repo": { "url": "../repos/near.git" },
        "workspace": { "copy": [".env"], "copyFrom": "./seeds" },
        "merge": { "strategy": "Push", "verify": [{ "name": "check", "run": "sh check.sh" }] },
    });
    let object = |kind: &str, name: &str, spec| json!({ "apiVersion": "gastown.io/v1alpha1", "kind": kind, "metadata": { "name": name }, "spec": spec });
    create(&town, &object("Rig", "near", spec));
    wait_until(&town, "the rig is ready", || {
        let rig = town.json(&["rig/near"]);
        let conditions = rig["status"]["conditions"].as_array()?.clone();
        conditions.iter().any(|it| it["type"] == "Ready" && it["status"] == "True").then_some(())
    });
    let beads = json!([{ "name": "one", "title": "Do one", "command": "cat .env > one.txt" }]);
    town.apply(&object("Convoy", "c", json!({ "rig": "near", "beads": beads })).to_string());
    town.lands("c");
    assert_eq!(town.log_of("near").len(), 2);
}
