//! The seam of the transport: what stands between the path and the network, for recordings and for tests without a cloud.
//!
//! Owns the shape of what is asked and answered there. Knows nothing of files.

use super::transport::{Answer, refuse};
use super::{CallError, Fault, Refusal};
use crate::account::Cloud;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

/// A request, signed, on its way out.
#[derive(Debug)]
pub struct Asked<'call> {
    /// Whose.
    pub cloud: Cloud,
    /// The service's name in endpoints and limits.
    pub service: &'static str,
    /// The API's name of the call.
    pub action: &'static str,
    /// Where; empty for a central service.
    pub region: &'call str,
    /// As it goes over the wire.
    pub request: &'call reqwest::Request,
}

/// A whole answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// Such as 200.
    pub status: u16,
    /// Names in small letters.
    pub headers: Vec<(String, String)>,
    /// Unpacked.
    pub body: Vec<u8>,
}

/// Stands between the path and the network.
pub trait Tap: Send + Sync + std::fmt::Debug {
    /// The answer in the network's place; none lets the request go out. An error is why there is no answer: nothing goes out then either.
    fn answer(&self, asked: &Asked<'_>) -> Option<Result<Answered, String>>;

    /// Does it want to hear answers? They are copied for it.
    fn listens(&self) -> bool {
        true
    }

    /// Hears an answer of the network.
    fn heard(&self, asked: &Asked<'_>, answered: &Answered);

    /// Hears how a call ended, with all of its attempts.
    fn ended(&self, _service: &str, _action: &str, _result: Result<(), &CallError>) {}
}

pub(super) fn taken(found: Result<Answered, String>) -> Result<Answer, Refusal> {
    let answered = found.map_err(|why| Refusal {
        hint: Some("record it: `funchost test SCRIPT --record FILE`".into()),
        ..refuse(Fault::Refused, "not recorded", why)
    })?;
    let mut headers = HeaderMap::new();
    for (name, value) in &answered.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_str(value))
        {
            headers.insert(name, value);
        }
    }
    let status = StatusCode::from_u16(answered.status)
        .map_err(|_| refuse(Fault::Refused, "not recorded", format!("{} is no status", answered.status)))?;
    Ok(Answer { status, headers, body: Bytes::from(answered.body) })
}

pub(super) fn of(answer: &Answer) -> Answered {
    let headers = answer
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned())));
    Answered { status: answer.status.as_u16(), headers: headers.collect(), body: answer.body.to_vec() }
}
