//! The products' APIs as declarations use them: parameters in, JSON out.
//!
//! Owns the protocols' turn into JSON. Knows no product.

use super::client::Client;
use super::sign;
use crate::call::CallError;
use crate::collector::Action;
use crate::objects::{Api, Wire, texts};
use crate::point::Text;
use crate::run::Run;
use serde_json::Value as Json;

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

    fn wire(&self) -> Wire {
        Wire::Rpc { version: self.version }
    }
}

/// A product of the OpenAPI gateway, ROA style: every call has a path of its own, with parameters in it by their names.
#[derive(Debug)]
pub struct Roa {
    /// Of its API: `2022-08-01`.
    pub version: &'static str,
    /// `/instances/{instanceId}`.
    pub path: &'static str,
}

#[async_trait::async_trait]
impl Api for Roa {
    async fn ask(
        &self,
        run: &Run,
        region: &Text,
        action: &'static Action,
        parameters: &[(String, Json)],
    ) -> Result<Json, CallError> {
        let (path, query) = fill(self.path, texts(parameters));
        Client::new(run, region).roa(action, self.version, &path, &query).await
    }

    fn wire(&self) -> Wire {
        Wire::Roa { version: self.version, path: self.path }
    }
}

/// A path with its parameters put in, encoded, and those that are left.
fn fill(path: &str, parameters: Vec<(String, String)>) -> (String, Vec<(String, String)>) {
    let mut path = path.to_owned();
    let mut left = Vec::new();
    for (name, value) in parameters {
        let place = format!("{{{name}}}");
        if path.contains(&place) {
            path = path.replace(&place, &sign::segment(&value));
        } else {
            left.push((name, value));
        }
    }
    (path, left)
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
        Ok(tree.json().unwrap_or_default())
    }

    fn wire(&self) -> Wire {
        Wire::Store { root: self.root }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_go_into_the_path() {
        let parameters = vec![("id".to_owned(), "a b/中".to_owned()), ("size".to_owned(), "1".to_owned())];
        let (path, left) = fill("/instances/{id}", parameters);
        assert_eq!(path, "/instances/a%20b%2F%E4%B8%AD");
        assert_eq!(left, [("size".to_owned(), "1".to_owned())]);
    }
}
