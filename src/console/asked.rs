//! What stands in the URL of a request. Where it cannot be read, the answer is in the envelope, as every other.

use super::answer::Refused;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

/// Parts of the path.
pub(super) struct Path<T>(pub(super) T);

/// Parameters of the query.
pub(super) struct Query<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for Path<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let found = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        found.map(|found| Self(found.0)).map_err(|wrong| {
            Refused::bad(format!("the path {} cannot be read: {}", parts.uri.path(), wrong.body_text()))
        })
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refused> {
        let found = axum::extract::Query::<T>::from_request_parts(parts, state).await;
        // What is wrong in it may be an argument: it is not repeated.
        found.map(|found| Self(found.0)).map_err(|_| {
            Refused::bad("the query cannot be read: write it as name=value&name=value, percent-encoded")
        })
    }
}
