//! What the store looks at for a list, in steps of SQLite's machine: exact, and the same among many objects as among few.

use gastown::api::{Place, Server, Writer};
use gastown::connect::options;
use gastown_crds::Bead;
use kube::Api;
use kube::api::{ListParams, PostParams};
use serde_json::{Value, from_value, json};

/// Beads of which the second needs the first, and the third is a step of it.
async fn beads(count: usize) -> (Server, Api<Bead>) {
    let server = Server::open(&Place::Memory, Writer::Inline, options()).unwrap();
    let api: Api<Bead> = Api::default_namespaced(server.client("home"));
    let bead = |nth: usize| {
        let more = match nth {
            1 => json!({ "needs": ["shop-0", "gone"] }),
            2 => json!({ "type": "Step", "parent": "shop-0", "needs": ["shop-1"] }),
            _ => json!({}),
        };
        let mut object = json!({
            "apiVersion": "gastown.io/v1alpha1", "kind": "Bead", "metadata": { "name": format!("shop-{nth}") },
            "spec": { "title": "Log out", "rig": "shop" },
        });
        object["spec"].as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        from_value::<Bead>(Value::take(&mut object)).unwrap()
    };
    for nth in 0..count {
        api.create(&PostParams::default(), &bead(nth)).await.unwrap();
    }
    (server, api)
}

#[tokio::test]
async fn neighbours_of_a_bead_are_found_without_a_look_at_the_others() {
    let mut costs = Vec::new();
    for count in [10, 500] {
        let (server, api) = beads(count).await;
        let mut cost = Vec::new();
        for (selector, expected) in [
            ("spec.needs[]=shop-0", &["shop-1"][..]),
            ("spec.needs[]=gone", &["shop-1"]),
            ("spec.needs[]=shop-1", &["shop-2"]),
            ("spec.needs[]=shop-9", &[]),
            ("spec.parent=shop-0", &["shop-2"]),
        ] {
            let before = server.counters().steps;
            let found = api.list(&ListParams::default().fields(selector).limit(1000)).await.unwrap().items;
            let names: Vec<_> = found.iter().filter_map(|bead| bead.metadata.name.as_deref()).collect();
            assert_eq!(names, expected, "{selector}");
            cost.push((selector, server.counters().steps - before));
        }
        costs.push(cost);
    }
    assert_eq!(costs[0], costs[1]);
    assert!(costs[0].iter().all(|(_, steps)| *steps <= 100), "{costs:?}");
}

#[tokio::test]
async fn a_page_costs_what_it_holds_and_not_what_there_is() {
    let mut costs = Vec::new();
    for count in [200, 800] {
        let (server, api) = beads(count).await;
        let page = ListParams::default().fields("spec.closed.reason=,spec.type!=Step").limit(10);
        let (mut following, mut steps) = (page.clone(), Vec::new());
        for _ in 0..3 {
            let before = server.counters().steps;
            let found = api.list(&following).await.unwrap();
            steps.push(server.counters().steps - before);
            assert_eq!(found.items.len(), 10);
            following = page.clone().continue_token(&found.metadata.continue_.unwrap());
        }
        costs.push(steps);
    }
    assert_eq!(costs[0], costs[1]);
}
