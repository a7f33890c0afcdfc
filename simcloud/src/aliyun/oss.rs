//! OSS: the account's buckets, in XML.

use super::estate::AliyunProduct::Oss;
use super::estate::Estate;
use super::{REQUEST_ID, Refusal, is_loopback, refuse};
use crate::server::{Asked, Reply};
use serde_json::Value;

/// What a request is for.
#[derive(Debug)]
pub(super) struct Target {
    pub(super) action: &'static str,
    bucket: Option<String>,
    /// The region that the host names.
    pub(super) region: Option<String>,
    host: String,
}

impl Target {
    /// As it is signed: with the bucket, wherever the host puts it.
    pub(super) fn resource(&self) -> String {
        self.bucket.as_ref().map_or_else(|| "/".to_owned(), |bucket| format!("/{bucket}/"))
    }
}

/// The bucket stands in the path where the host is this machine, else before the host.
pub(super) fn target(asked: &Asked) -> Target {
    let host = asked.header("host").unwrap_or_default().to_owned();
    let (bucket, region) = if is_loopback(&host) {
        let path = super::decode(asked.uri.path());
        (Some(path.trim_matches('/').to_owned()).filter(|bucket| !bucket.is_empty()), None)
    } else {
        let name = host.strip_suffix(".aliyuncs.com").unwrap_or(&host);
        let (bucket, place) = match name.split_once('.') {
            Some((bucket, place)) => (Some(bucket.to_owned()), place),
            None => (None, name),
        };
        let region =
            place.strip_prefix("oss-").map(|region| region.strip_suffix("-internal").unwrap_or(region));
        (bucket, region.map(str::to_owned))
    };
    let query = super::pairs(asked.uri.query().unwrap_or_default());
    let has = |name: &str| query.iter().any(|(key, _)| key == name);
    let action = match &bucket {
        None => "ListBuckets",
        Some(_) if has("bucketInfo") => "GetBucketInfo",
        Some(_) if has("acl") => "GetBucketAcl",
        Some(_) if has("stat") => "GetBucketStat",
        Some(_) => "ListObjects",
    };
    Target { action, bucket, region, host }
}

pub(super) fn answer(
    estate: &Estate,
    target: &Target,
    region: &str,
    query: Vec<(String, String)>,
) -> Result<String, Refusal> {
    let known: &[&str] = match target.action {
        "ListBuckets" => &["marker", "max-keys", "prefix"],
        "GetBucketInfo" => &["bucketInfo"],
        "GetBucketAcl" => &["acl"],
        "GetBucketStat" => &["stat"],
        _ => return Err(refuse(501, "NotImplemented", "Objects are not simulated.")),
    };
    if let Some((unknown, _)) = query.iter().find(|(name, _)| !known.contains(&name.as_str())) {
        return Err(refuse(
            400,
            "InvalidArgument",
            format!("The parameter {unknown} is not one of this call."),
        ));
    }
    let Some(name) = &target.bucket else { return list(estate, &query) };
    let bucket = estate
        .find(Oss, name)
        .ok_or_else(|| refuse(404, "NoSuchBucket", "The specified bucket does not exist."))?;
    if bucket.region != region {
        let message =
            "The bucket you are attempting to access must be addressed using the specified endpoint.";
        return Err(refuse(403, "AccessDenied", message));
    }
    let info = &bucket.details["info"];
    Ok(match target.action {
        "GetBucketInfo" => document("BucketInfo", &element("Bucket", info)),
        "GetBucketAcl" => {
            let inside =
                element("Owner", &info["Owner"]) + &element("AccessControlList", &info["AccessControlList"]);
            document("AccessControlPolicy", &inside)
        }
        _ => document(
            "BucketStat",
            "<Storage>1600</Storage><ObjectCount>230</ObjectCount><MultipartUploadCount>0</MultipartUploadCount>",
        ),
    })
}

/// In alphabetical order, of all regions. What pages need stands there only where not all buckets were asked for, or shown.
fn list(estate: &Estate, query: &[(String, String)]) -> Result<String, Refusal> {
    let value = |name: &str| query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str());
    let (prefix, marker) = (value("prefix").unwrap_or_default(), value("marker").unwrap_or_default());
    let most: usize = match value("max-keys") {
        None => 100,
        Some(text) => text
            .parse()
            .ok()
            .filter(|most| (1..=1000).contains(most))
            .ok_or_else(|| refuse(400, "InvalidArgument", "max-keys must be from 1 to 1000."))?,
    };
    let fits: Vec<_> = estate
        .of(Oss, "")
        .filter(|bucket| bucket.id.starts_with(prefix) && bucket.id.as_str() > marker)
        .collect();
    let page = &fits[..most.min(fits.len())];
    let truncated = page.len() < fits.len();
    let mut inside = String::new();
    if truncated || !prefix.is_empty() || !marker.is_empty() {
        inside.push_str(&format!(
            "<Prefix>{}</Prefix><Marker>{}</Marker><MaxKeys>{most}</MaxKeys><IsTruncated>{truncated}</IsTruncated>",
            escape(prefix),
            escape(marker)
        ));
        if let Some(last) = page.last().filter(|_| truncated) {
            inside.push_str(&format!("<NextMarker>{}</NextMarker>", escape(&last.id)));
        }
    }
    inside.push_str(
        "<Owner><ID>1234567890123456</ID><DisplayName>1234567890123456</DisplayName></Owner><Buckets>",
    );
    for bucket in page {
        inside.push_str(&element("Bucket", &bucket.item));
    }
    inside.push_str("</Buckets>");
    Ok(document("ListAllMyBucketsResult", &inside))
}

fn document(root: &str, inside: &str) -> String {
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{root}>{inside}</{root}>")
}

fn element(name: &str, value: &Value) -> String {
    let inside = match value {
        Value::Object(members) => members.iter().map(|(name, value)| element(name, value)).collect(),
        Value::String(text) => escape(text),
        other => other.to_string(),
    };
    format!("<{name}>{inside}</{name}>")
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('\r', "&#xd;")
}

/// A refusal as OSS writes it.
pub(super) fn shaped(target: &Target, refusal: &Refusal) -> Reply {
    let Refusal { status, code, message, number, .. } = refusal;
    let number = if number.is_empty() { String::new() } else { format!("<EC>{number}</EC>") };
    let inside = format!(
        "<Code>{code}</Code><Message>{}</Message><RequestId>{REQUEST_ID}</RequestId><HostId>{}</HostId>{number}",
        escape(message),
        escape(&target.host)
    );
    Reply::new(*status, "application/xml", document("Error", &inside))
}
