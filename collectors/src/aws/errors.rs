//! What AWS's errors mean.
//!
//! Owns the shapes of the error bodies (JSON, EC2's XML, the other services' XML) and the classes of their codes. The content type is
//! never trusted: the body is looked at.

use crate::call::{Fault, Refusal, foreign, without_echo};
use crate::collector::Action;
use http::{HeaderMap, StatusCode};

/// Codes that mean "too fast", by the AWS SDKs' standard retry mode.
const THROTTLED: &[&str] = &[
    "Throttling",
    "ThrottlingException",
    "ThrottledException",
    "RequestThrottled",
    "RequestThrottledException",
    "TooManyRequestsException",
    "ProvisionedThroughputExceededException",
    "RequestLimitExceeded",
    "BandwidthLimitExceeded",
    "LimitExceededException",
    "SlowDown",
    "PriorRequestNotComplete",
    "EC2ThrottledException",
    "TransactionInProgressException",
];

/// Codes that may pass.
const TRANSIENT: &[&str] = &[
    "RequestTimeout",
    "RequestTimeoutException",
    "InternalError",
    "InternalFailure",
    "InternalServiceError",
    "InternalServiceFault",
    "InternalServerError",
    "ServiceUnavailable",
    "Unavailable",
    "ServiceUnavailableException",
];

/// Codes that say that the request's time is wrong.
const SKEWED: &[&str] = &["RequestTimeTooSkewed", "RequestExpired", "RequestInTheFuture"];

/// Codes that say that the keys are wrong, or no longer right.
const AUTHENTICATION: &[&str] = &[
    "InvalidClientTokenId",
    "UnrecognizedClientException",
    "UnrecognizedClient",
    "AuthFailure",
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "InvalidSignatureException",
    "InvalidSignature",
    "ExpiredToken",
    "ExpiredTokenException",
    "MissingAuthenticationToken",
    "MissingAuthenticationTokenException",
    "IncompleteSignature",
    "IncompleteSignatureException",
    "InvalidToken",
    "OptInRequired",
    "InvalidIdentityToken",
];

/// Codes that say that temporary keys are past their time.
const EXPIRED: &[&str] = &["ExpiredToken", "ExpiredTokenException", "RequestExpired"];

/// Codes that say that no more of something may be had.
const QUOTA: &[&str] = &["LimitExceeded", "LimitExceededFault", "ServiceQuotaExceededException"];

/// Codes that say that the keys may not do this.
const DENIED: &[&str] = &[
    "AccessDenied",
    "AccessDeniedException",
    "UnauthorizedOperation",
    "AuthorizationError",
    "NotAuthorized",
    "AuthorizationErrorException",
];

/// Does this code say that temporary keys are past their time?
#[must_use]
pub fn is_expired(code: &str) -> bool {
    EXPIRED.contains(&code)
}

/// An error as a body tells it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    code: String,
    message: String,
    request_id: Option<String>,
}

/// What an answer that is no success means.
#[must_use]
pub fn refusal(
    action: &Action,
    region: &str,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Refusal {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let told = read(body);
    let request_id =
        told.as_ref().and_then(|told| told.request_id.clone()).or_else(|| header("x-amzn-requestid"));
    let Some(Told { code, message, .. }) = told else {
        return foreign("AWS", status, body, request_id);
    };
    let fault = classify(&code, &message, status);
    let message = without_echo(&message);
    let hint = hint(action, region, fault, &code, &message);
    Refusal { fault, code, message, request_id, hint, wait: None }
}

fn classify(code: &str, message: &str, status: StatusCode) -> Fault {
    let is = |codes: &[&str]| codes.contains(&code);
    // Both codes serve for a wrong secret and for a wrong time; only the words tell them apart.
    let about_time = ["expired", "not yet current", "skewed"].iter().any(|word| message.contains(word))
        && (message.contains("Signature") || message.contains("Request"));
    if is(THROTTLED) || status == StatusCode::TOO_MANY_REQUESTS {
        Fault::Throttled
    } else if is(SKEWED)
        || (is(&[
            "SignatureDoesNotMatch",
            "InvalidSignatureException",
            "AuthFailure",
            "AccessDeniedException",
        ]) && about_time)
    {
        Fault::Skewed
    } else if is(AUTHENTICATION) {
        Fault::Authentication
    } else if is(DENIED) {
        Fault::Denied
    } else if is(QUOTA) {
        Fault::Quota
    } else if is(TRANSIENT) || status.is_server_error() {
        Fault::Transient
    } else {
        Fault::Refused
    }
}

fn hint(action: &Action, region: &str, fault: Fault, code: &str, message: &str) -> Option<String> {
    let unknown_region = super::endpoint::region_hint(region);
    match fault {
        Fault::Denied => Some(format!("grant these keys the permission {} (read only)", action.permission)),
        Fault::Authentication if unknown_region.is_some() => unknown_region,
        Fault::Authentication if code.starts_with("Expired") => Some(
            "the temporary keys have expired: get new ones, or use `role_arn` so that funchost renews them"
                .into(),
        ),
        Fault::Authentication if code.contains("Signature") => {
            Some("`ak_secret` does not belong to `ak_id`: copy both again".into())
        }
        Fault::Authentication if code == "OptInRequired" => {
            Some(format!("the account has not opted in to {region}: enable it, or take it out of `regions`"))
        }
        Fault::Authentication => {
            let partition = if super::endpoint::is_china(region) {
                "Regions in China need keys of an account in China"
            } else {
                "Keys of an account in China do not work in other regions"
            };
            let opt_in = if super::endpoint::is_opt_in(region) {
                format!("; {region} must be enabled in the account before its keys work there")
            } else {
                String::new()
            };
            Some(format!(
                "check `ak_id` and `ak_secret`: are both copied whole and active? {partition}{opt_in}"
            ))
        }
        Fault::Throttled => Some(format!(
            "other programs use the same quota: lower the rate with `[limits]` \"aws.{}.{}\"",
            action.service, action.action
        )),
        Fault::Refused if message.contains("region") => unknown_region,
        _ => None,
    }
}

/// The error that a body tells, whatever its shape.
fn read(body: &[u8]) -> Option<Told> {
    let text = std::str::from_utf8(body).ok()?.trim_start_matches('\u{feff}').trim();
    if text.starts_with('{') { read_json(text) } else { read_xml(text) }
}

fn read_json(text: &str) -> Option<Told> {
    // No struct: a service that sends both `message` and `Message` must stay readable.
    let json: serde_json::Map<String, serde_json::Value> = serde_json::from_str(text).ok()?;
    let member = |names: &[&str]| names.iter().find_map(|name| Some(json.get(*name)?.as_str()?.to_owned()));
    let written = member(&["__type", "code", "Code"])?;
    // `com.amazonaws.cloudwatch#InvalidParameterValueException:http://…`
    let code = written.rsplit_once('#').map_or(written.as_str(), |(_, code)| code);
    let code = match code.split_once(':') {
        Some((code, place)) if place.starts_with("http") => code,
        Some((_, code)) => code,
        None => code,
    };
    let message = member(&["message", "Message", "errorMessage"]).unwrap_or_default();
    Some(Told { code: code.to_owned(), message, request_id: None })
}

fn read_xml(text: &str) -> Option<Told> {
    let tree = crate::xml::read(text.as_bytes()).ok()?;
    // `ErrorResponse/Error`, `Response/Errors/Error`, and moto's `ErrorResponse/Errors/Error`.
    let error = tree.get("Error").or_else(|| tree.get("Errors")?.get("Error"))?;
    let member = |name: &str| error.get(name).and_then(|node| node.text());
    let request_id = ["RequestId", "RequestID"].iter().find_map(|name| tree.get(name)?.text());
    Some(Told { code: member("Code")?, message: member("Message").unwrap_or_default(), request_id })
}

#[cfg(test)]
mod tests {
    use super::*;

    static ACTION: Action = Action {
        service: "monitoring",
        action: "GetMetricData",
        permission: "cloudwatch:GetMetricData",
        rate: 50.0,
        when: "",
    };

    fn of(region: &str, status: u16, body: &str) -> Refusal {
        let status = StatusCode::from_u16(status).unwrap();
        refusal(&ACTION, region, status, &HeaderMap::new(), body.as_bytes())
    }

    #[test]
    fn every_shape_of_an_error_is_read() {
        let wanted = ("InvalidParameterValue".to_owned(), "no such metric".to_owned());
        for body in [
            r#"{"__type":"com.amazonaws.cloudwatch#InvalidParameterValue","message":"no such metric"}"#,
            r#"{"__type":"InvalidParameterValue:http://internal.amazon.com/x","Message":"no such metric"}"#,
            r#"{"__type":"aws:InvalidParameterValue","message":"no such metric","Message":"again"}"#,
            "\u{feff} {\"code\":\"InvalidParameterValue\",\"message\":\"no such metric\",\"Code\":7}",
            "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>InvalidParameterValue</Code><Message>no such metric</Message></Error><RequestId>id</RequestId></ErrorResponse>",
            "<?xml version=\"1.0\"?>\n<Response><Errors><Error><Code>InvalidParameterValue</Code><Message>no such metric</Message></Error></Errors><RequestID>id</RequestID></Response>",
            "<ErrorResponse><Errors><Error><Code>InvalidParameterValue</Code><Message>no such metric</Message></Error></Errors><RequestId>id</RequestId></ErrorResponse>",
        ] {
            let refusal = of("cn-north-1", 400, body);
            assert_eq!((refusal.code, refusal.message), wanted, "{body}");
            assert_eq!(refusal.fault, Fault::Refused, "{body}");
            assert_eq!(refusal.request_id.as_deref(), body.starts_with('<').then_some("id"), "{body}");
        }
    }

    #[test]
    fn codes_fall_into_their_classes() {
        for (status, code, fault) in [
            (400, "Throttling", Fault::Throttled),
            (503, "RequestLimitExceeded", Fault::Throttled),
            (503, "SlowDown", Fault::Throttled),
            (429, "Whatever", Fault::Throttled),
            (400, "RequestTimeout", Fault::Transient),
            (500, "Whatever", Fault::Transient),
            (503, "ServiceUnavailable", Fault::Transient),
            (400, "RequestExpired", Fault::Skewed),
            (403, "RequestTimeTooSkewed", Fault::Skewed),
            (403, "SignatureDoesNotMatch", Fault::Authentication),
            (401, "AuthFailure", Fault::Authentication),
            (400, "UnrecognizedClientException", Fault::Authentication),
            (400, "ExpiredTokenException", Fault::Authentication),
            (403, "UnauthorizedOperation", Fault::Denied),
            (400, "AccessDeniedException", Fault::Denied),
            (400, "LimitExceeded", Fault::Quota),
            (400, "InvalidParameterValue", Fault::Refused),
            (404, "ResourceNotFound", Fault::Refused),
        ] {
            let body = format!(r#"{{"__type":"ns#{code}","message":"words"}}"#);
            assert_eq!(of("us-east-1", status, &body).fault, fault, "{status} {code}");
        }
        let late = r#"{"__type":"InvalidSignatureException","message":"Signature expired: 20200101T000000Z is now earlier than 20260101T000000Z"}"#;
        assert_eq!(of("us-east-1", 403, late).fault, Fault::Skewed);
    }

    #[test]
    fn what_is_no_error_of_aws_may_pass_whatever_its_status() {
        for (status, body, message) in [
            (503, "<html><body>Service Unavailable</body></html>", "HTML"),
            (403, "\n<!DOCTYPE html><p>blocked", "HTML"),
            (500, "", "no AWS error"),
            (400, "{\"message\":\"no code\"}", "no AWS error"),
            (400, "<ErrorResponse><Error><Code>Throttl", "no AWS error"),
            (400, "{\"__type\":", "no AWS error"),
        ] {
            let refusal = of("us-east-1", status, body);
            assert_eq!(refusal.fault, Fault::Transient, "{body}");
            assert_eq!(refusal.code, format!("HTTP {status}"));
            assert!(refusal.message.contains(message), "{body}: {}", refusal.message);
        }
        assert_eq!(of("us-east-1", 429, "<html>").fault, Fault::Throttled);
        assert!(of("us-east-1", 407, "<html>").hint.unwrap().contains("HTTPS_PROXY"));
        let bytes = refusal(&ACTION, "", StatusCode::BAD_GATEWAY, &HeaderMap::new(), &[0xff, 0xfe, 0]);
        assert_eq!(bytes.fault, Fault::Transient);
    }

    #[test]
    fn hints_say_what_to_do() {
        for (region, code, words) in [
            ("us-east-1", "AccessDeniedException", "cloudwatch:GetMetricData"),
            ("us-east-1", "ExpiredToken", "expired"),
            ("us-east-1", "SignatureDoesNotMatch", "`ak_secret` does not belong"),
            ("us-east-1", "UnrecognizedClientException", "account in China do not work"),
            ("cn-north-1", "InvalidClientTokenId", "need keys of an account in China"),
            ("af-south-1", "UnrecognizedClientException", "af-south-1 must be enabled"),
            ("us-east-1", "OptInRequired", "enable it"),
            ("cn-nroth-1", "AuthFailure", "did you mean `cn-north-1`"),
            ("us-east-1", "Throttling", "aws.monitoring.GetMetricData"),
        ] {
            let body = format!(r#"{{"__type":"{code}","message":"words"}}"#);
            let hint = of(region, 400, &body).hint.unwrap_or_default();
            assert!(hint.contains(words), "{code} in {region}: {hint}");
        }
    }

    #[test]
    fn nothing_of_what_was_signed_is_shown() {
        let first = "The request signature we calculated does not match the signature you provided. Consult the service documentation for details.";
        let request =
            "POST\n/\n\nhost:ec2\nx-amz-date:20261122T065000Z\nx-amz-security-token:TOKEN\n\nhost\nabc";
        let sign = "AWS4-HMAC-SHA256\n20261122T065000Z\nscope\nTOKEN";
        for (message, shown) in [
            (
                format!(
                    "{first}\n\nThe Canonical String for this request should have been\n'{request}'\n\nThe String-to-Sign should have been\n'{sign}'\n"
                ),
                first,
            ),
            (format!("{first} The String-to-Sign should have been '{sign}'"), first),
            (format!("{first} the canonical request was {request}"), first),
            (format!("{first}\n{request}"), "host:ec2"),
            ("Authorization=AWS4-HMAC-SHA256 Credential=TOKEN".to_owned(), "not shown"),
            (request.to_owned(), "host:ec2"),
        ] {
            for code in ["SignatureDoesNotMatch", "AuthFailure", "Other"] {
                let body = serde_json::json!({ "__type": code, "message": message }).to_string();
                let refusal = of("us-east-1", 403, &body);
                assert!(refusal.message.contains(shown), "{}", refusal.message);
                assert!(!refusal.message.contains("TOKEN"), "{}", refusal.message);
                assert!(!refusal.message.to_lowercase().contains("aws4-hmac"), "{}", refusal.message);
            }
        }
        let plain = "Rate exceeded. Try again later.";
        assert_eq!(without_echo(plain), plain);
    }

    proptest::proptest! {
        #[test]
        fn foreign_bytes_never_panic(body in proptest::collection::vec(proptest::num::u8::ANY, 0..200), text in "\\PC{0,80}") {
            for bytes in [body, text.clone().into_bytes(), format!("{{\"__type\":\"{text}\"}}").into_bytes()] {
                let refusal = refusal(&ACTION, "us-east-1", StatusCode::BAD_REQUEST, &HeaderMap::new(), &bytes);
                proptest::prop_assert!(!refusal.code.is_empty() || refusal.message.is_empty());
            }
        }
    }
}
