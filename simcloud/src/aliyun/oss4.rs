//! Checks OSS4-HMAC-SHA256 from the raw request, by the document "Include V4 signatures in the Authorization header".
//!
//! Owns the check alone; which keys there are, the caller knows. Shares no code with any client.

use super::acs3::{encode, hex, mac, same};
use super::{Refusal, refuse};
use crate::server::Asked;
use sha2::{Digest as _, Sha256};

/// What a request says about its signature.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) access_key: String,
    pub(super) region: String,
    /// Of the signature, seconds since 1970.
    pub(super) time: i64,
    date: String,
    stamp: String,
    additional: Vec<String>,
    signature: String,
}

/// Reads the authorization.
pub(super) fn claim(asked: &Asked) -> Result<Claim, Refusal> {
    let invalid = |what: &str| refuse(400, "InvalidArgument", what);
    let header = asked.header("authorization").ok_or_else(|| refuse(403, "AccessDenied", "AccessDenied"))?;
    let rest = header
        .strip_prefix("OSS4-HMAC-SHA256 ")
        .ok_or_else(|| invalid("The authorization header is invalid: only V4 signatures are taken here."))?;
    let (mut credential, mut additional, mut signature) = (None, None, None);
    for part in rest.split(',') {
        let (name, value) =
            part.trim().split_once('=').ok_or_else(|| invalid("The authorization header is invalid."))?;
        let place = match name {
            "Credential" => &mut credential,
            "AdditionalHeaders" => &mut additional,
            "Signature" => &mut signature,
            _ => return Err(invalid("The authorization header holds an unknown part.")),
        };
        if place.replace(value.to_owned()).is_some() {
            return Err(invalid("The authorization header names a part twice."));
        }
    }
    let (Some(credential), Some(signature)) = (credential, signature) else {
        return Err(invalid("The authorization header names no Credential or no Signature."));
    };
    let additional: Vec<String> = match additional {
        None => Vec::new(),
        Some(names) if names.is_empty() || names.ends_with(';') => {
            return Err(invalid("The AdditionalHeaders in the authorization header are invalid."));
        }
        Some(names) => names.split(';').map(str::to_owned).collect(),
    };
    let lower =
        additional.iter().all(|name| !name.is_empty() && !name.chars().any(|c| c.is_ascii_uppercase()));
    if !lower || additional.windows(2).any(|pair| pair[0] >= pair[1]) {
        return Err(invalid("The AdditionalHeaders in the authorization header are invalid."));
    }
    let scope: Vec<&str> = credential.split('/').collect();
    let &[access_key, date, region, "oss", "aliyun_v4_request"] = &scope[..] else {
        return Err(invalid("The credential in the authorization header is invalid."));
    };
    let denied = |what: &str| refuse(403, "AccessDenied", what);
    let stamp =
        asked.header("x-oss-date").ok_or_else(|| denied("OSS authentication requires a valid Date."))?;
    let time = chrono::NaiveDateTime::parse_from_str(stamp, "%Y%m%dT%H%M%SZ")
        .map_err(|_| denied("OSS authentication requires a valid Date."))?;
    if !stamp.starts_with(date) || date.len() != 8 {
        return Err(invalid("The date in credential is not that of x-oss-date."));
    }
    if asked.header("x-oss-content-sha256") != Some("UNSIGNED-PAYLOAD") {
        return Err(invalid("The x-oss-content-sha256 header must be UNSIGNED-PAYLOAD."));
    }
    Ok(Claim {
        access_key: access_key.to_owned(),
        region: region.to_owned(),
        time: time.and_utc().timestamp(),
        date: date.to_owned(),
        stamp: stamp.to_owned(),
        additional,
        signature,
    })
}

/// Is the signature that of this secret? `resource` is `/` or `/bucket/`, whatever the host says.
pub(super) fn check(asked: &Asked, claim: &Claim, resource: &str, secret: &str) -> Result<(), Refusal> {
    let mut query: Vec<(String, String)> = super::pairs(asked.uri.query().unwrap_or_default())
        .into_iter()
        .map(|(name, value)| (encode(&name), encode(&value)))
        .collect();
    query.sort();
    let query: Vec<String> = query
        .into_iter()
        .map(|(name, value)| if value.is_empty() { name } else { format!("{name}={value}") })
        .collect();
    let must = |name: &str| name.starts_with("x-oss-") || name == "content-type" || name == "content-md5";
    let mut headers: Vec<(String, String)> = asked
        .headers
        .iter()
        .map(|(name, value)| {
            (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).trim().to_owned())
        })
        .filter(|(name, _)| must(name) || claim.additional.contains(name))
        .collect();
    headers.sort();
    let headers: String = headers.into_iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let resource: Vec<String> = resource.split('/').map(encode).collect();
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{}\nUNSIGNED-PAYLOAD",
        asked.method,
        resource.join("/"),
        query.join("&"),
        claim.additional.join(";"),
    );
    let scope = format!("{}/{}/oss/aliyun_v4_request", claim.date, claim.region);
    let to_sign =
        format!("OSS4-HMAC-SHA256\n{}\n{scope}\n{}", claim.stamp, hex(&Sha256::digest(canonical.as_bytes())));
    let mut key = mac(format!("aliyun_v4{secret}").as_bytes(), claim.date.as_bytes());
    for part in [claim.region.as_str(), "oss", "aliyun_v4_request", to_sign.as_str()] {
        key = mac(&key, part.as_bytes());
    }
    if same(hex(&key).as_bytes(), claim.signature.as_bytes()) {
        return Ok(());
    }
    Err(refuse(
        403,
        "SignatureDoesNotMatch",
        format!(
            "The request signature we calculated does not match the signature you provided. Check your key and signing method. StringToSign: {to_sign} CanonicalRequest: {canonical}"
        ),
    ))
}
