//! AWS's protocols as declarations use them: parameters in, JSON out, spelled as the SDKs spell it.
//!
//! Owns the turn into JSON: XML is typed by `shapes.json`, made from the service models of botocore by `tests/vendor/shapes.py`. Knows no product.

use super::client::Client;
use crate::call::{CallError, encode};
use crate::collector::Action;
use crate::mapped::Mapped as _;
use crate::objects::{Api, Wire, text, texts};
use crate::point::Text;
use crate::run::Run;
use crate::xml::{self, Node};
use http::Method;
use serde_json::{Map, Value as Json};
use std::sync::LazyLock;

/// By service and action: what an answer is made of. A structure is a map, a list a list of one, a scalar the name of its type.
static SHAPES: LazyLock<Json> =
    // A test reads it: what ships parses.
    LazyLock::new(|| serde_json::from_str(include_str!("shapes.json")).unwrap_or_default());

/// A service of the Query protocol.
#[derive(Debug)]
pub struct Query {
    /// Of its API: `2014-10-31`.
    pub version: &'static str,
    /// As the SDKs call the service: `rds`.
    pub model: &'static str,
}

#[async_trait::async_trait]
impl Api for Query {
    async fn ask(
        &self,
        run: &Run,
        region: &Text,
        action: &'static Action,
        parameters: &[(String, Json)],
    ) -> Result<Json, CallError> {
        let shape = &SHAPES[self.model][action.action];
        let read = |bytes: &[u8]| {
            let tree = xml::read(bytes)?;
            let result = tree.get(&format!("{}Result", action.action));
            let result = result.ok_or_else(|| format!("the answer is a {} without a result", tree.name))?;
            Ok(typed(shape, result).unwrap_or_default())
        };
        Client::new(run, region).query(action, self.version, &texts(parameters), read).await
    }

    fn wire(&self) -> Wire {
        Wire::Query { version: self.version, model: self.model }
    }
}

/// An element by its shape; one that the shape does not know keeps what it has.
fn typed(shape: &Json, node: &Node) -> Option<Json> {
    match shape {
        Json::Object(members) => {
            let of = |child: &Node| match members.get(&child.name) {
                Some(shape) => typed(shape, child),
                None => child.json(),
            };
            let members: Map<String, Json> =
                node.children.iter().filter_map(|child| Some((child.name.clone(), of(child)?))).mapped();
            Some(Json::Object(members))
        }
        Json::Array(of) => {
            let of = of.first().unwrap_or(&Json::Null);
            Some(Json::Array(node.children.iter().filter_map(|item| typed(of, item)).collect()))
        }
        Json::String(kind) => {
            let text = node.text()?;
            // A value that is no number or boolean is kept as it is rather than lost.
            Some(match kind.as_str() {
                "integer" => text.parse::<i64>().map_or(Json::String(text), Json::from),
                "float" => text.parse::<f64>().map_or(Json::String(text), Json::from),
                "boolean" => text.parse::<bool>().map_or(Json::String(text), Json::from),
                _ => Json::String(text),
            })
        }
        _ => node.json(),
    }
}

/// A service of the JSON protocol, whose calls are targets.
#[derive(Debug)]
pub struct Target {
    /// Of its API: `2012-08-10`.
    pub version: &'static str,
    /// Before the action: `DynamoDB_20120810`.
    pub prefix: &'static str,
    /// Of the protocol: `1.0`, `1.1`.
    pub json: &'static str,
    /// As the SDKs call the service: `dynamodb`.
    pub model: &'static str,
}

#[async_trait::async_trait]
impl Api for Target {
    async fn ask(
        &self,
        run: &Run,
        region: &Text,
        action: &'static Action,
        parameters: &[(String, Json)],
    ) -> Result<Json, CallError> {
        let body = Json::Object(parameters.iter().cloned().collect());
        Client::new(run, region).target(action, self.prefix, self.json, &body).await
    }

    fn wire(&self) -> Wire {
        Wire::Target { version: self.version, prefix: self.prefix, json: self.json, model: self.model }
    }
}

/// A call of a service of the REST protocol with JSON: parameters in the query of a GET, in the body of a POST.
#[derive(Debug)]
pub struct Rest {
    /// Of its API: `2018-11-29`.
    pub version: &'static str,
    /// `GET` or `POST`.
    pub method: &'static str,
    /// `/v2/apis`.
    pub path: &'static str,
    /// Are members written small on the wire that the SDKs write with a capital?
    pub small: bool,
    /// As the SDKs call the service: `apigatewayv2`.
    pub model: &'static str,
}

#[async_trait::async_trait]
impl Api for Rest {
    async fn ask(
        &self,
        run: &Run,
        region: &Text,
        action: &'static Action,
        parameters: &[(String, Json)],
    ) -> Result<Json, CallError> {
        let read = |bytes: &[u8]| {
            let answer: Json = serde_json::from_slice(bytes)
                .map_err(|error| format!("the answer is not what it should be: {error}"))?;
            Ok(if self.small { capital(answer) } else { answer })
        };
        let client = Client::new(run, region);
        if self.method == "POST" {
            let body = Json::Object(parameters.iter().cloned().collect());
            return client.rest(action, 0, Method::POST, self.path.to_owned(), Some(&body), read).await;
        }
        let place = format!("{}{}", self.path, query(parameters));
        client.rest(action, 0, Method::GET, place, None, read).await
    }

    fn wire(&self) -> Wire {
        let Self { version, method, path, small, model } = *self;
        Wire::Rest { version, method, path, small, model }
    }
}

/// Members with a capital; what a user has called something stays as it is.
fn capital(value: Json) -> Json {
    match value {
        Json::Object(members) => {
            let members = members.into_iter().map(|(name, value)| {
                let value = if name == "tags" { value } else { capital(value) };
                let mut letters = name.chars();
                let name = letters.next().map(|first| first.to_uppercase().chain(letters).collect());
                (name.unwrap_or_default(), value)
            });
            Json::Object(members.mapped())
        }
        Json::Array(items) => Json::Array(items.into_iter().map(capital).collect()),
        other => other,
    }
}

/// The parameter that is no parameter on the wire: the bucket, which stands in the path.
pub const BUCKET: &str = "bucket";

/// A call of S3.
#[derive(Debug)]
pub struct S3 {
    /// The name of the answer's root element.
    pub root: &'static str,
}

#[async_trait::async_trait]
impl Api for S3 {
    async fn ask(
        &self,
        run: &Run,
        region: &Text,
        action: &'static Action,
        parameters: &[(String, Json)],
    ) -> Result<Json, CallError> {
        let (bucket, rest): (Vec<_>, Vec<_>) =
            parameters.iter().cloned().partition(|(name, _)| name == BUCKET);
        let bucket = bucket.first().and_then(|(_, value)| text(value)).unwrap_or_default();
        let read = |bytes: &[u8]| {
            let tree = xml::read(bytes)?;
            if tree.name != self.root {
                return Err(format!("the answer is a {}, no {}", tree.name, self.root));
            }
            Ok(tree.json().unwrap_or_default())
        };
        let mut place = String::from("/");
        encode(&bucket, "%20", &mut place);
        place.push_str(&query(&rest));
        Client::new(run, region).rest(action, 0, Method::GET, place, None, read).await
    }

    fn wire(&self) -> Wire {
        Wire::Store { root: self.root }
    }
}

/// A query with its question mark, or nothing.
fn query(parameters: &[(String, Json)]) -> String {
    let mut query = String::new();
    for (name, value) in texts(parameters) {
        query.push(if query.is_empty() { '?' } else { '&' });
        encode(&name, "%20", &mut query);
        query.push('=');
        encode(&value, "%20", &mut query);
    }
    query
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn answers_are_typed_by_their_shapes() {
        assert!(SHAPES.as_object().is_some_and(|services| services.len() >= 4));
        let shape = &SHAPES["rds"]["DescribeDBInstances"];
        let tree = xml::read(
            b"<R><Marker>m</Marker><DBInstances><DBInstance><DBInstanceIdentifier>7</DBInstanceIdentifier>\
              <AllocatedStorage>20</AllocatedStorage><MultiAZ>false</MultiAZ><EngineVersion>8.0</EngineVersion>\
              <Endpoint><Port>3306</Port><Address/></Endpoint><New><A>1</A></New><VpcSecurityGroups/>\
              </DBInstance></DBInstances></R>",
        )
        .unwrap();
        assert_eq!(
            typed(shape, &tree),
            Some(json!({ "Marker": "m", "DBInstances": [{
                "DBInstanceIdentifier": "7", "AllocatedStorage": 20, "MultiAZ": false, "EngineVersion": "8.0",
                "Endpoint": { "Port": 3306 }, "New": { "A": "1" }, "VpcSecurityGroups": [],
            }] }))
        );
    }

    #[test]
    fn small_members_get_capitals_and_users_words_do_not() {
        let answer = json!({ "items": [{ "apiId": "a", "tags": { "team": "x" } }], "nextToken": "n" });
        let wanted = json!({ "Items": [{ "ApiId": "a", "Tags": { "team": "x" } }], "NextToken": "n" });
        assert_eq!(capital(answer), wanted);
    }

    #[test]
    fn a_query_is_encoded() {
        assert_eq!(query(&[]), "");
        let parameters =
            [("a b".to_owned(), json!(5)), ("acl".to_owned(), json!("")), ("t".to_owned(), json!("=/+"))];
        assert_eq!(query(&parameters), "?a%20b=5&acl=&t=%3D%2F%2B");
    }
}
