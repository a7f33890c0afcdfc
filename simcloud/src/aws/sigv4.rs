//! Checks Signature Version 4 from the raw request, by the AWS document "Create a signed AWS API request".
//!
//! Owns the check alone; which keys there are, the caller knows. Shares no code with any client.

use crate::server::Asked;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};

/// Seconds by which a request's time may differ from the server's.
pub(super) const SKEW: i64 = 300;

/// What a request says about its signature.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) access_key: String,
    pub(super) date: String,
    pub(super) region: String,
    pub(super) service: String,
    signed: Vec<String>,
    signature: String,
    /// `x-amz-date`, as it stands there.
    pub(super) stamp: String,
    /// The same, seconds since 1970.
    pub(super) time: i64,
}

/// Reads the authorization of a request.
pub(super) fn claim(asked: &Asked) -> Result<Claim, &'static str> {
    let header = asked.header("authorization").ok_or("Request is missing Authentication Token")?;
    let rest = header.strip_prefix("AWS4-HMAC-SHA256 ").ok_or("Unsupported authorization scheme")?;
    let part = |name: &str| {
        rest.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
    };
    let credential = part("Credential").ok_or("Authorization header requires 'Credential' parameter.")?;
    let signed = part("SignedHeaders").ok_or("Authorization header requires 'SignedHeaders' parameter.")?;
    let signature = part("Signature").ok_or("Authorization header requires 'Signature' parameter.")?;
    let scope: Vec<&str> = credential.split('/').collect();
    let &[access_key, date, region, service, "aws4_request"] = &scope[..] else {
        return Err("Credential must have exactly 5 slash-delimited elements.");
    };
    let stamp = asked
        .header("x-amz-date")
        .ok_or("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")?;
    let time = chrono::NaiveDateTime::parse_from_str(stamp, "%Y%m%dT%H%M%SZ")
        .map_err(|_| "Date must be in ISO-8601 'basic format'.")?;
    if !stamp.starts_with(date) {
        return Err(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP",
        );
    }
    Ok(Claim {
        access_key: access_key.to_owned(),
        date: date.to_owned(),
        region: region.to_owned(),
        service: service.to_owned(),
        signed: signed.split(';').map(str::to_owned).collect(),
        signature,
        stamp: stamp.to_owned(),
        time: time.and_utc().timestamp(),
    })
}

/// Is the signature that of this secret? On a difference: the canonical request and the string to sign, which AWS echoes.
pub(super) fn check(asked: &Asked, claim: &Claim, secret: &str) -> Result<(), (String, String)> {
    let canonical = canonical_request(asked, &claim.signed, claim.service == "s3");
    let scope = format!("{}/{}/{}/aws4_request", claim.date, claim.region, claim.service);
    let to_sign =
        format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", claim.stamp, hex(&Sha256::digest(canonical.as_bytes())));
    let mut key = mac(format!("AWS4{secret}").as_bytes(), claim.date.as_bytes());
    for part in [claim.region.as_str(), claim.service.as_str(), "aws4_request", to_sign.as_str()] {
        key = mac(&key, part.as_bytes());
    }
    let must_be_signed = |name: &str| name == "host" || name == "content-type" || name.starts_with("x-amz-");
    let unsigned = asked.headers.keys().find(|name| {
        must_be_signed(name.as_str()) && !claim.signed.iter().any(|signed| signed == name.as_str())
    });
    // S3 wants the hash of the body as a header.
    let hashed = claim.service != "s3"
        || asked.header("x-amz-content-sha256") == Some(hex(&Sha256::digest(&asked.body)).as_str());
    let sorted = claim.signed.windows(2).all(|pair| pair[0] < pair[1]);
    if hex(&key) == claim.signature && unsigned.is_none() && sorted && hashed {
        Ok(())
    } else {
        Err((canonical, to_sign))
    }
}

fn canonical_request(asked: &Asked, signed: &[String], store: bool) -> String {
    // The path is encoded once more than it is on the wire, by the rule for all services but S3.
    let once = |segment: &str| if store { encode(&decode(segment)) } else { encode(segment) };
    let path: Vec<String> = asked.uri.path().split('/').map(once).collect();
    let mut query: Vec<(String, String)> = asked
        .uri
        .query()
        .unwrap_or_default()
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(key, value)| (encode(&decode(key)), encode(&decode(value))))
        .collect();
    query.sort();
    let query: Vec<String> = query.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    let mut headers = String::new();
    for name in signed {
        let values: Vec<String> = asked
            .headers
            .get_all(name)
            .iter()
            .map(|value| {
                let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
                text.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
            })
            .collect();
        headers.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    format!(
        "{}\n{}\n{}\n{headers}\n{}\n{}",
        asked.method,
        path.join("/"),
        query.join("&"),
        signed.join(";"),
        hex(&Sha256::digest(&asked.body))
    )
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    mac.update(text);
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `%XX` for all but unreserved characters.
fn encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}

/// `%XX` and nothing else: a `+` in a query is a plus.
pub(super) fn decode(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = (bytes[at] == b'%').then(|| text.get(at + 1..at + 3)).flatten();
        match escaped.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, Method};

    /// A vector that botocore's SigV4Auth made.
    fn signed(body: &'static str, authorization: &str) -> Asked {
        let mut headers = HeaderMap::new();
        headers.insert("host", "monitoring.cn-northwest-1.amazonaws.com.cn".parse().unwrap());
        headers.insert("content-type", "application/x-amz-json-1.0".parse().unwrap());
        headers.insert("x-amz-target", "GraniteServiceVersion20100801.ListMetrics".parse().unwrap());
        headers.insert("x-amz-date", "20261122T065000Z".parse().unwrap());
        headers.insert("authorization", authorization.parse().unwrap());
        Asked { method: Method::POST, uri: "/".parse().unwrap(), headers, body: body.into() }
    }

    const GOOD: &str = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261122/cn-northwest-1/monitoring/aws4_request, SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature=31c86f45ce1c0fb0fb09ce106969c7c385f5605fdb47a01e2abfdc5fc186f149";
    const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

    #[test]
    fn a_good_signature_passes_and_every_change_is_noticed() {
        let asked = signed("{}", GOOD);
        let claimed = claim(&asked).unwrap();
        assert_eq!((claimed.region.as_str(), claimed.service.as_str()), ("cn-northwest-1", "monitoring"));
        check(&asked, &claimed, SECRET).unwrap();
        check(&asked, &claimed, "another").unwrap_err();
        for change in [
            signed("{ }", GOOD),
            signed("{}", &GOOD.replace("f149", "f148")),
            signed("{}", &GOOD.replace("content-type;", "")),
            signed("{}", &GOOD.replace("cn-northwest-1", "cn-north-1")),
        ] {
            check(&change, &claim(&change).unwrap(), SECRET).unwrap_err();
        }
        let mut unsigned = signed("{}", GOOD);
        unsigned.headers.insert("x-amz-security-token", "t".parse().unwrap());
        check(&unsigned, &claim(&unsigned).unwrap(), SECRET).unwrap_err();
    }

    #[test]
    fn what_is_no_authorization_is_refused() {
        for bad in [
            "Basic abc",
            "AWS4-HMAC-SHA256 Credential=A/20261122/r/s, SignedHeaders=host, Signature=x",
            "AWS4-HMAC-SHA256 SignedHeaders=host, Signature=x",
            "AWS4-HMAC-SHA256 Credential=A/20261121/r/s/aws4_request, SignedHeaders=host, Signature=x",
        ] {
            assert!(claim(&signed("{}", bad)).is_err(), "{bad}");
        }
    }
}
