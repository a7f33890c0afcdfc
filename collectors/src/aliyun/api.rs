//! The products' APIs as declarations use them: parameters in, JSON out.
//!
//! Owns the protocols' turn into JSON. Knows no product.

use super::client::Client;
use crate::call::CallError;
use crate::collector::Action;
use crate::objects::{Api, texts};
use crate::point::Text;
use crate::run::Run;
use crate::xml::Node;
use serde_json::{Map, Value as Json};

/// A product of the OpenAPI gateway, RPC style.
#[derive(Debug)]
pub struct Rpc {
    /// Of its API: `2014-05-26`.
    pub version: &'static str,
}

#[async_trait::async_trait]
impl Api for Rpc {
    async fn ask(
        &self,
        run: &Run,
        region: &Text,
        action: &'static Action,
        parameters: &[(String, Json)],
    ) -> Result<Json, CallError> {
        Client::new(run, region).rpc(action, self.version, &texts(parameters)).await
    }
}

/// The parameter that is no parameter on the wire: the bucket, which stands in the host or in the path.
pub const BUCKET: &str = "bucket";

/// A call of OSS.
#[derive(Debug)]
pub struct Oss {
    /// The name of the answer's root element.
    pub root: &'static str,
}

#[async_trait::async_trait]
impl Api for Oss {
    async fn ask(
        &self,
        run: &Run,
        region: &Text,
        action: &'static Action,
        parameters: &[(String, Json)],
    ) -> Result<Json, CallError> {
        let parameters = texts(parameters);
        let bucket = parameters.iter().find(|(name, _)| name == BUCKET).map(|(_, value)| value.as_str());
        let rest: Vec<(String, String)> =
            parameters.iter().filter(|(name, _)| name != BUCKET).cloned().collect();
        let tree = Client::new(run, region).oss(action, bucket, &rest, self.root).await?;
        Ok(json(&tree).unwrap_or_default())
    }
}

/// An element as JSON: text, or its members by name; those of one name are a list. An empty element says nothing.
fn json(node: &Node) -> Option<Json> {
    if node.children.is_empty() {
        return node.text().map(Json::String);
    }
    let mut members = Map::new();
    for child in &node.children {
        let Some(value) = json(child) else { continue };
        match members.get_mut(&child.name) {
            None => drop(members.insert(child.name.clone(), value)),
            Some(Json::Array(items)) => items.push(value),
            Some(first) => *first = Json::Array(vec![first.take(), value]),
        }
    }
    Some(Json::Object(members))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn elements_become_members() {
        let tree = crate::xml::read(b"<R><A>1</A><B><C>x</C></B><B><C>y</C></B><D/><E><F/></E></R>").unwrap();
        assert_eq!(super::json(&tree), Some(json!({ "A": "1", "B": [{ "C": "x" }, { "C": "y" }], "E": {} })));
    }
}
