//! Checks TC3-HMAC-SHA256 from the raw request, by the document "签名方法 v3".
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
    pub(super) secret_id: String,
    pub(super) service: String,
    date: String,
    signed: Vec<String>,
    signature: String,
    /// `X-TC-Timestamp`, seconds since 1970.
    pub(super) time: i64,
}

/// Reads the authorization of a request.
pub(super) fn claim(asked: &Asked) -> Result<Claim, &'static str> {
    let header = asked.header("authorization").ok_or("there is no Authorization")?;
    let rest = header.strip_prefix("TC3-HMAC-SHA256 ").ok_or("the algorithm is not TC3-HMAC-SHA256")?;
    let part = |name: &str| {
        rest.split(',').find_map(|part| part.trim().strip_prefix(name)?.strip_prefix('=')).map(str::to_owned)
    };
    let credential = part("Credential").ok_or("Credential is missing")?;
    let signed = part("SignedHeaders").ok_or("SignedHeaders is missing")?;
    let signature = part("Signature").ok_or("Signature is missing")?;
    let scope: Vec<&str> = credential.split('/').collect();
    let &[secret_id, date, service, "tc3_request"] = &scope[..] else {
        return Err("Credential is not SecretId/date/service/tc3_request");
    };
    let stamp = asked.header("x-tc-timestamp").ok_or("X-TC-Timestamp is missing")?;
    let time: i64 = stamp.parse().map_err(|_| "X-TC-Timestamp is no number")?;
    Ok(Claim {
        secret_id: secret_id.to_owned(),
        service: service.to_owned(),
        date: date.to_owned(),
        signed: signed.split(';').map(str::to_owned).collect(),
        signature,
        time,
    })
}

impl Claim {
    /// The date of the credential must be that of the timestamp, in UTC.
    pub(super) fn dated(&self) -> bool {
        crate::clock::time(self.time).format("%Y-%m-%d").to_string() == self.date
    }
}

/// Is the signature that of this secret?
pub(super) fn check(asked: &Asked, claim: &Claim, secret: &str) -> bool {
    let signed = |name: &str| claim.signed.iter().any(|signed| signed == name);
    let sorted = claim.signed.windows(2).all(|pair| pair[0] < pair[1]);
    if !signed("content-type") || !signed("host") || !sorted {
        return false;
    }
    let mut headers = String::new();
    for name in &claim.signed {
        let mut values = asked.headers.get_all(name.as_str()).iter();
        let (Some(value), None) = (values.next(), values.next()) else { return false };
        let value = String::from_utf8_lossy(value.as_bytes()).trim().to_lowercase();
        headers.push_str(&format!("{name}:{value}\n"));
    }
    let unsigned = asked.header("x-tc-content-sha256") == Some("UNSIGNED-PAYLOAD");
    let payload = if unsigned { b"UNSIGNED-PAYLOAD".as_slice() } else { &asked.body };
    let canonical = format!(
        "{}\n/\n{}\n{headers}\n{}\n{}",
        asked.method,
        asked.uri.query().unwrap_or_default(),
        claim.signed.join(";"),
        hex(&Sha256::digest(payload))
    );
    let scope = format!("{}/{}/tc3_request", claim.date, claim.service);
    let to_sign =
        format!("TC3-HMAC-SHA256\n{}\n{scope}\n{}", claim.time, hex(&Sha256::digest(canonical.as_bytes())));
    let mut key = mac(format!("TC3{secret}").as_bytes(), &claim.date);
    for part in [claim.service.as_str(), "tc3_request", &to_sign] {
        key = mac(&key, part);
    }
    hex(&key) == claim.signature
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, Method};

    /// The example of the document.
    fn published(change: impl FnOnce(&mut HeaderMap)) -> Asked {
        let mut headers = HeaderMap::new();
        headers.insert("host", "cvm.tencentcloudapi.com".parse().unwrap());
        headers.insert("content-type", "application/json; charset=utf-8".parse().unwrap());
        headers.insert("x-tc-action", "DescribeInstances".parse().unwrap());
        headers.insert("x-tc-timestamp", "1551113065".parse().unwrap());
        headers.insert("authorization", GOOD.parse().unwrap());
        change(&mut headers);
        let body =
            r#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
        Asked { method: Method::POST, uri: "/".parse().unwrap(), headers, body: body.into() }
    }

    const GOOD: &str = "TC3-HMAC-SHA256 Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3EXAMPLE/2019-02-25/cvm/tc3_request, SignedHeaders=content-type;host, Signature=72e494ea809ad7a8c8f7a4507b9bddcbaa8e581f516e8da2f66e2c5a96525168";
    const SECRET: &str = "Gu5t9xGARNpq86cd98joQYCN3EXAMPLE";

    #[test]
    fn the_published_signature_passes_and_every_change_is_noticed() {
        let asked = published(|_| {});
        let claimed = claim(&asked).unwrap();
        assert_eq!((claimed.service.as_str(), claimed.time), ("cvm", 1_551_113_065));
        assert!(claimed.dated() && check(&asked, &claimed, SECRET));
        assert!(!check(&asked, &claimed, "another"));
        type Change = fn(&mut HeaderMap);
        let changes: &[Change] = &[
            |headers| drop(headers.insert("content-type", "application/json".parse().unwrap())),
            |headers| drop(headers.insert("host", "cvm.tencentcloudapi.com:80".parse().unwrap())),
            |headers| drop(headers.insert("x-tc-timestamp", "1551113066".parse().unwrap())),
            |headers| drop(headers.insert("x-tc-content-sha256", "UNSIGNED-PAYLOAD".parse().unwrap())),
            |headers| {
                drop(
                    headers
                        .insert("authorization", GOOD.replace("content-type;host", "host").parse().unwrap()),
                )
            },
            |headers| {
                drop(headers.insert("authorization", GOOD.replace("/cvm/", "/monitor/").parse().unwrap()))
            },
        ];
        for change in changes {
            let asked = published(change);
            assert!(!check(&asked, &claim(&asked).unwrap(), SECRET));
        }
        let tomorrow =
            published(|headers| drop(headers.insert("x-tc-timestamp", "1551139200".parse().unwrap())));
        assert!(!claim(&tomorrow).unwrap().dated(), "the date is that of UTC");
    }

    #[test]
    fn what_is_no_authorization_is_refused() {
        for bad in [
            "Basic abc",
            "TC3-HMAC-SHA256 Credential=A/2019-02-25/cvm, SignedHeaders=host, Signature=x",
            "TC3-HMAC-SHA256 SignedHeaders=host, Signature=x",
            "TC3-HMAC-SHA256 Credential=A/2019-02-25/cvm/tc3_request, Signature=x",
        ] {
            assert!(
                claim(&published(|headers| drop(headers.insert("authorization", bad.parse().unwrap()))))
                    .is_err()
            );
        }
        assert!(claim(&published(|headers| drop(headers.remove("x-tc-timestamp")))).is_err());
    }
}
