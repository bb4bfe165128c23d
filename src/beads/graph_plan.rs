//! A plan as a graph in JSON, as `bd create --graph FILE` takes it: nodes with keys, and edges between them or to beads that exist.

use std::collections::BTreeSet;

use gastown_crds::graph::{Needs, cycles, shown};
use serde::Deserialize;
use serde_json::{Map, Value};

/// The longest plan, in bytes.
pub const PLAN_BYTES_MAX: usize = 4 << 20;
/// The most nodes, and the most edges.
pub const NODES_MAX: usize = 4096;

/// A plan.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct GraphPlan {
    /// For a tracker that commits; read and not needed here.
    pub commit_message: Option<String>,
    /// The beads to be filed.
    pub nodes: Vec<Node>,
    /// Their ties.
    pub edges: Vec<Edge>,
}

/// A bead to be filed.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Node {
    /// Its name in the plan.
    pub key: String,
    /// What is to be done, in a line.
    pub title: String,
    /// The type, in Beads' words.
    #[serde(rename = "type")]
    pub type_: Option<String>,
    /// The same in full.
    pub description: Option<String>,
    /// Who has it.
    pub assignee: Option<String>,
    /// 0 (first) to 4 (last).
    pub priority: Option<u32>,
    /// Labels.
    pub labels: Vec<String>,
    /// A JSON object, for tools.
    pub metadata: Map<String, Value>,
    /// Entries of the metadata that are the ids of other nodes, by their keys.
    pub metadata_refs: Map<String, Value>,
    /// The node that it is a part of.
    pub parent_key: Option<String>,
    /// The bead that it is a part of, which exists.
    pub parent_id: Option<String>,
}

/// That one bead waits for, or is tied to, another.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub struct Edge {
    /// The node that waits.
    pub from_key: Option<String>,
    /// The bead that waits, which exists.
    pub from_id: Option<String>,
    /// The node that is waited for.
    pub to_key: Option<String>,
    /// The bead that is waited for, which exists.
    pub to_id: Option<String>,
    /// How they are tied; `blocks`, if it does not say.
    #[serde(rename = "type")]
    pub type_: Option<String>,
}

impl GraphPlan {
    /// Reads a plan; what is wrong is said in words.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > PLAN_BYTES_MAX {
            return Err(format!("the plan is longer than {PLAN_BYTES_MAX} bytes"));
        }
        let plan: Self = serde_json::from_str(text).map_err(|error| error.to_string())?;
        plan.check()?;
        Ok(plan)
    }

    fn check(&self) -> Result<(), String> {
        if self.nodes.is_empty() {
            return Err("plan has no nodes".to_owned());
        }
        if self.nodes.len() > NODES_MAX || self.edges.len() > NODES_MAX {
            return Err(format!("plan has more than {NODES_MAX} nodes or edges"));
        }
        let mut keys = BTreeSet::new();
        for (nth, node) in self.nodes.iter().enumerate() {
            if node.key.is_empty() {
                return Err(format!("node {nth} has empty key"));
            }
            if !keys.insert(node.key.as_str()) {
                return Err(format!("duplicate node key {:?}", node.key));
            }
            if node.title.trim().is_empty() {
                return Err(format!("node {:?} has empty title", node.key));
            }
            if node.priority.is_some_and(|it| it > 4) {
                return Err(format!("node {:?}: priority is 0 (first) to 4 (last)", node.key));
            }
        }
        let known = |key: &str| keys.contains(key);
        for node in &self.nodes {
            if let Some(parent) = node.parent_key.as_deref().filter(|key| !known(key)) {
                return Err(format!("node {:?}: parent key {parent:?} not found in plan", node.key));
            }
            if let Some((name, _)) = node.metadata_refs.iter().find(|(_, key)| !key.as_str().is_some_and(known)) {
                return Err(format!("node {:?}: metadata_refs {name:?} is no key of the plan", node.key));
            }
        }
        self.check_parents()?;
        for (nth, edge) in self.edges.iter().enumerate() {
            for (what, key, id) in [("from", &edge.from_key, &edge.from_id), ("to", &edge.to_key, &edge.to_id)] {
                match (key.as_deref(), id) {
                    (None, None) => return Err(format!("edge {nth}: must specify {what}_key or {what}_id")),
                    (Some(key), None) if !known(key) => {
                        return Err(format!("edge {nth}: {what} key {key:?} not found in plan"));
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }
}

impl GraphPlan {
    /// Refuses nodes that are parts of each other; of the path, the node that comes first in the plan is named.
    fn check_parents(&self) -> Result<(), String> {
        let parents: Needs<'_> = self
            .nodes
            .iter()
            .map(|node| (node.key.as_str(), node.parent_key.as_deref().into_iter().collect()))
            .collect();
        let Some(circle) = cycles(&parents).into_iter().next() else { return Ok(()) };
        let first = self.nodes.iter().position(|node| circle.contains(&node.key.as_str())).unwrap_or(0);
        let key = self.nodes.get(first).map_or("", |node| &node.key);
        let from = circle.iter().position(|it| *it == key).unwrap_or(0);
        let (before, after) = circle.split_at(from);
        let path: Vec<&str> = after.iter().chain(before).copied().collect();
        Err(format!("node {key:?}: its parent keys go in a circle: {}", shown(&path)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_graph_is_checked_before_anything_is_filed() {
        let wrong = |text: &str| GraphPlan::parse(text).unwrap_err();
        assert_eq!(wrong(r#"{"nodes":[]}"#), "plan has no nodes");
        assert_eq!(wrong(r#"{"nodes":[{"title":"x"}]}"#), "node 0 has empty key");
        assert_eq!(wrong(r#"{"nodes":[{"key":"a","title":"A"},{"key":"a","title":"B"}]}"#), "duplicate node key \"a\"");
        assert_eq!(wrong(r#"{"nodes":[{"key":"a","title":" "}]}"#), "node \"a\" has empty title");
        let circle = r#"{"nodes":[{"key":"x","title":"X"},{"key":"c","title":"C","parent_key":"a"},
            {"key":"a","title":"A","parent_key":"c"}]}"#;
        assert_eq!(wrong(circle), "node \"c\": its parent keys go in a circle: c → a → c");
        let edge = r#"{"nodes":[{"key":"a","title":"A"}],"edges":[{"from_key":"a","to_key":"z"}]}"#;
        assert_eq!(wrong(edge), "edge 0: to key \"z\" not found in plan");
        let edge = r#"{"nodes":[{"key":"a","title":"A"}],"edges":[{"from_key":"a"}]}"#;
        assert_eq!(wrong(edge), "edge 0: must specify to_key or to_id");
        assert!(
            GraphPlan::parse(r#"{"nodes":[{"key":"a","title":"A"}],"edges":[{"from_key":"a","to_id":"t-1"}]}"#).is_ok()
        );
    }
}
