//! Checks ACS3-HMAC-SHA256 from the raw request, by the document "V3 request body and signature mechanism".
//!
//! Owns the check alone; which keys there are, the caller knows. Shares no code with any client. A query is decoded (`+` is a blank) and encoded
//! again before it is signed, as official clients write a blank either way.

use super::{Refusal, refuse};
use crate::server::Asked;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// Seconds by which a request's time may differ from the server's.
pub(super) const SKEW: i64 = 900;

/// Headers that every request has and signs.
const REQUIRED: &[&str] =
    &["host", "x-acs-action", "x-acs-content-sha256", "x-acs-date", "x-acs-signature-nonce", "x-acs-version"];

/// What a request says about its signature.
#[derive(Debug)]
pub(super) struct Claim {
    pub(super) access_key: String,
    pub(super) nonce: String,
    /// Of the signature, seconds since 1970.
    pub(super) time: i64,
    signed: Vec<String>,
    signature: String,
}

/// Reads the authorization: scheme, parts and headers, before any key is looked at.
pub(super) fn claim(asked: &Asked) -> Result<Claim, Refusal> {
    let incomplete = |what: &str| refuse(400, "IncompleteSignature", what);
    let header = asked
        .header("authorization")
        .ok_or_else(|| incomplete("The request has no Authorization header."))?;
    let rest = header
        .strip_prefix("ACS3-HMAC-SHA256 ")
        .ok_or_else(|| incomplete("The request signature does not conform to Aliyun standards."))?;
    let parts: Vec<&str> = rest.split(',').collect();
    let part = |name: &str| {
        let found: Vec<&str> = parts
            .iter()
            .filter_map(|part| part.trim().strip_prefix(name).and_then(|rest| rest.strip_prefix('=')))
            .collect();
        match found[..] {
            [value] if !value.is_empty() => Ok(value.to_owned()),
            _ => Err(incomplete(&format!("Authorization must name {name} once."))),
        }
    };
    let (access_key, signed, signature) = (part("Credential")?, part("SignedHeaders")?, part("Signature")?);
    if parts.len() != 3 {
        return Err(incomplete(
            "Authorization holds something beside Credential, SignedHeaders and Signature.",
        ));
    }
    let signed: Vec<String> = signed.split(';').map(str::to_owned).collect();
    if signed.iter().any(|name| name.is_empty() || name.chars().any(|c| c.is_ascii_uppercase()))
        || signed.windows(2).any(|pair| pair[0] >= pair[1])
    {
        return Err(incomplete("SignedHeaders must be lower case, sorted, and without duplicates."));
    }
    for name in REQUIRED {
        if asked.header(name).is_none_or(str::is_empty) {
            return Err(incomplete(&format!("The header {name} is missing.")));
        }
    }
    if let Some(unknown) = signed.iter().find(|name| !asked.headers.contains_key(name.as_str())) {
        return Err(incomplete(&format!("The signed header {unknown} is not there.")));
    }
    let must = |name: &str| name == "host" || name == "content-type" || name.starts_with("x-acs-");
    if let Some(unsigned) = asked
        .headers
        .keys()
        .find(|name| must(name.as_str()) && !signed.iter().any(|signed| signed == name.as_str()))
    {
        return Err(incomplete(&format!("The header {unsigned} is not signed.")));
    }
    let text = |name: &str| asked.header(name).unwrap_or_default().to_owned();
    let stamp = text("x-acs-date");
    let time = (stamp.len() == 20)
        .then(|| chrono::NaiveDateTime::parse_from_str(&stamp, "%Y-%m-%dT%H:%M:%SZ").ok())
        .flatten()
        .ok_or_else(|| {
            refuse(
                400,
                "InvalidTimeStamp.Format",
                "Specified time stamp or date value is not well formatted.",
            )
        })?;
    Ok(Claim {
        access_key,
        nonce: text("x-acs-signature-nonce"),
        time: time.and_utc().timestamp(),
        signed,
        signature,
    })
}

/// Is the signature that of this secret?
pub(super) fn check(asked: &Asked, claim: &Claim, secret: &str) -> Result<(), Refusal> {
    let hash = hex(&Sha256::digest(&asked.body));
    if asked.header("x-acs-content-sha256") != Some(hash.as_str()) {
        return Err(refuse(
            400,
            "InvalidContentSha256",
            "The specified x-acs-content-sha256 is not that of the body.",
        ));
    }
    let mut query: Vec<(String, String)> = super::pairs(asked.uri.query().unwrap_or_default())
        .into_iter()
        .map(|(name, value)| (encode(&name), encode(&value)))
        .collect();
    query.sort();
    let query: Vec<String> = query.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
    let path: Vec<String> =
        asked.uri.path().split('/').map(|segment| encode(&super::decode(segment))).collect();
    let mut headers = String::new();
    for name in &claim.signed {
        let value = asked
            .headers
            .get(name.as_str())
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        headers.push_str(&format!("{name}:{}\n", value.unwrap_or_default().trim()));
    }
    let canonical = format!(
        "{}\n{}\n{}\n{headers}\n{}\n{hash}",
        asked.method,
        path.join("/"),
        query.join("&"),
        claim.signed.join(";"),
    );
    let to_sign = format!("ACS3-HMAC-SHA256\n{}", hex(&Sha256::digest(canonical.as_bytes())));
    let wanted = mac(secret.as_bytes(), to_sign.as_bytes());
    if same(hex(&wanted).as_bytes(), claim.signature.as_bytes()) {
        return Ok(());
    }
    // The real gateway echoes what it signed, access key and token included.
    Err(refuse(
        400,
        "SignatureDoesNotMatch",
        format!(
            "Specified signature is not matched with our calculation. server string to sign is:{to_sign}, server canonicalized request is:{canonical} AccessKeyId={}",
            claim.access_key
        ),
    ))
}

/// Compares without saying where they differ.
pub(super) fn same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |difference, (a, b)| difference | (a ^ b)) == 0
}

pub(super) fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Percent encoding: all but `A-Z a-z 0-9 - _ . ~`.
pub(super) fn encode(text: &str) -> String {
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    /// The vendor's own example.
    #[test]
    fn the_documents_example_is_accepted() {
        let mut request = http::Request::post(
            "/?ImageId=win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd&RegionId=cn-shanghai",
        );
        for (name, value) in [
            ("host", "ecs.cn-shanghai.aliyuncs.com"),
            ("x-acs-action", "RunInstances"),
            ("x-acs-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
            ("x-acs-date", "2023-10-26T10:22:32Z"),
            ("x-acs-signature-nonce", "3156853299f313e23d1673dc12e1703d"),
            ("x-acs-version", "2014-05-26"),
            (
                "authorization",
                "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0",
            ),
        ] {
            request = request.header(name, value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let asked =
            Asked { method: parts.method, uri: parts.uri, headers: parts.headers, body: Bytes::new() };
        let claimed = claim(&asked).unwrap();
        assert_eq!(claimed.access_key, "YourAccessKeyId");
        check(&asked, &claimed, "YourAccessKeySecret").unwrap();
        assert_eq!(check(&asked, &claimed, "another").unwrap_err().code, "SignatureDoesNotMatch");
    }
}
