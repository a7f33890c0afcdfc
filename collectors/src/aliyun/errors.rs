//! What Alibaba Cloud's errors mean.
//!
//! Owns the shapes of the error bodies (JSON of the gateway, XML of OSS) and the classes of their codes, by the vendor's list of common errors and those
//! of each product. Throttling comes as HTTP 400, and many products can fail inside of an HTTP 200.

use super::endpoint::region_hint;
use crate::call::{Fault, Refusal, foreign, without_echo};
use crate::collector::Action;
use crate::objects::text;
use crate::xml;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, StatusCode};
use serde_json::Value as Json;
use std::time::Duration;

/// Codes that may pass, whatever their status.
const TRANSIENT: &[&str] = &[
    // A new attempt has a new nonce.
    "SignatureNonceUsed",
    "ServiceUnavailable",
    "InternalError",
    "UnknownError",
    "RequestTimeout",
    "TimeoutRetryLater",
    "ConnectTimeoutRetryLater",
    "SystemBusy",
    "VpcSystemBusy",
    "OperationBusy",
    "IO.Exception",
    "Database.ConnectError",
    "ConcurrentLimit",
    "SqlExecuteFailedOrTimeout",
    "NetworkOrSqlTimeoutError",
    "LocationServiceTimeout",
    "ExternalFailure",
    "RequestMetaDataFailed",
    "InvokeProxyFailure",
];

/// Codes that say that the request's time is wrong.
const SKEWED: &[&str] =
    &["InvalidTimeStamp.Expired", "InvalidTimeStamp.Format", "IllegalTimestamp", "RequestTimeTooSkewed"];

/// An error as a body tells it.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    code: String,
    message: String,
    request_id: Option<String>,
}

/// Does this code say that temporary keys are past their time? OSS says so of keys that it has forgotten, too.
pub(super) fn is_expired(code: &str) -> bool {
    is_token(code) || code == "InvalidAccessKeyId"
}

fn is_token(code: &str) -> bool {
    ["InvalidSecurityToken", "SecurityToken", "MissingSecurityToken"]
        .iter()
        .any(|start| code.starts_with(start))
}

/// What an answer that is no success means.
pub(super) fn refusal(
    action: &Action,
    region: &str,
    status: StatusCode,
    headers: &HeaderMap,
    body: &[u8],
) -> Refusal {
    let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
    let request_id = ["x-acs-request-id", "x-oss-request-id"].iter().find_map(|name| header(name));
    // OSS answers to HEAD, and at times to others, with the error in a header.
    let in_header = || header("x-oss-err").and_then(|text| told(&STANDARD.decode(text.trim()).ok()?));
    let Some(told) = told(body).or_else(in_header) else {
        return foreign("Alibaba Cloud", status, body, request_id);
    };
    let wait = header("x-acs-retry-after").and_then(|wait| wait.trim().parse().ok());
    let refusal = judge(action, region, status, told);
    Refusal {
        request_id: refusal.request_id.or(request_id),
        wait: wait.map(Duration::from_millis),
        ..refusal
    }
}

/// What an answer says of itself that came with HTTP 200: products say in members of their own that a call failed. None for a success.
pub(super) fn inside(action: &Action, region: &str, answer: &Json) -> Option<Refusal> {
    let member = |names: &[&str]| names.iter().find_map(|name| text(answer.get(name)?));
    let success = member(&["Success", "success"]).map(|success| success.eq_ignore_ascii_case("true"));
    // Documents print an `ErrCode` beside `Success`, so it says nothing against one.
    let also = if success == Some(true) { None } else { member(&["ErrCode"]) };
    let codes = [member(&["Code", "code"]), also];
    let code = match codes.into_iter().flatten().find(|code| !went_well(code)) {
        Some(code) => code,
        None if success == Some(false) => "Success: false".into(),
        None => return None,
    };
    let number = |text: &str| text.parse().ok().and_then(|code| StatusCode::from_u16(code).ok());
    let status = number(&code).or_else(|| {
        // The status that the call would have had.
        number(&member(&["HttpStatusCode", "httpStatusCode"])?)
            .filter(|status| status.is_client_error() || status.is_server_error())
    });
    let told = Told {
        code,
        message: member(MESSAGES).unwrap_or_default(),
        request_id: member(&["RequestId", "requestId"]),
    };
    Some(judge(action, region, status.unwrap_or(StatusCode::BAD_REQUEST), told))
}

/// Where products write what went wrong.
const MESSAGES: &[&str] = &["Message", "ErrMessage", "message"];

/// Some products say in words that all went well.
fn went_well(code: &str) -> bool {
    ["200", "", "OK", "Success"].iter().any(|word| code.eq_ignore_ascii_case(word))
}

fn judge(action: &Action, region: &str, status: StatusCode, told: Told) -> Refusal {
    let Told { code, message, request_id } = told;
    let fault = classify(&code, &message, status);
    let hint = hint(action, region, fault, &code);
    Refusal { fault, code, message: without_echo(&message), request_id, hint, wait: None }
}

fn classify(code: &str, message: &str, status: StatusCode) -> Fault {
    if message.to_ascii_lowercase().contains("user api quota limit") {
        Fault::Quota
    } else if code.starts_with("Throttling") || code == "SlowDown" || status == StatusCode::TOO_MANY_REQUESTS
    {
        Fault::Throttled
    } else if SKEWED.contains(&code) {
        Fault::Skewed
    } else if is_token(code)
        || code.starts_with("InvalidAccessKeyId")
        || ["SignatureDoesNotMatch", "IncompleteSignature", "InvalidSignature"].contains(&code)
        || message.contains("SecurityToken.Expired")
        || status == StatusCode::UNAUTHORIZED
    {
        Fault::Authentication
    } else if TRANSIENT.contains(&code) || status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT {
        Fault::Transient
    } else if ["NoPermission", "AccessDenied", "AccessForbidden"].contains(&code)
        || code.starts_with("Forbidden")
        || (code == "403" && status == StatusCode::FORBIDDEN)
    {
        Fault::Denied
    } else {
        Fault::Refused
    }
}

fn hint(action: &Action, region: &str, fault: Fault, code: &str) -> Option<String> {
    match fault {
        Fault::Denied => Some(format!(
            "grant the RAM user of these keys the permission {} (the policy ReadOnlyAccess holds it)",
            action.permission
        )),
        Fault::Authentication if code.contains("Signature") => {
            Some("`ak_secret` does not belong to `ak_id`: copy both again".into())
        }
        Fault::Authentication if code.starts_with("InvalidAccessKeyId") => Some(
            "check `ak_id`: is it copied whole, active, and of this account? Temporary keys need their `security_token`"
                .into(),
        ),
        Fault::Authentication if code == "MissingSecurityToken" => Some(
            "these keys are temporary: put their `security_token` beside them, or use lasting keys, with `role_arn` where a role is wanted"
                .into(),
        ),
        Fault::Authentication => Some(
            "the temporary keys or their `security_token` are wrong or have expired: get new ones, or use `role_arn` so that funchost renews them"
                .into(),
        ),
        // Said where the clocks agree all the same; else the path says by how much they do not.
        Fault::Skewed => Some(
            "the request came too late, though the clocks agree: does a proxy hold requests back?".into(),
        ),
        Fault::Throttled => Some(format!(
            "other programs use the same quota: lower the rate with `[limits]` \"aliyun.{}.{}\"",
            action.service, action.action
        )),
        Fault::Quota => Some(
            "the account's free calls of CloudMonitor (1,000,000 a month) are used up: switch on CloudMonitor's pay-as-you-go, or collect fewer metrics less often from next month on"
                .into(),
        ),
        _ if code.starts_with("InvalidRegion") || code == "UnsupportedRegion" => region_hint(region)
            .or_else(|| Some(format!("the product may not exist in {region}: take it out of `regions`"))),
        _ => None,
    }
}

/// The error that a body tells, whatever its shape.
fn told(body: &[u8]) -> Option<Told> {
    let text = std::str::from_utf8(body).ok()?.trim_start_matches('\u{feff}').trim();
    if text.starts_with('{') {
        let json: Json = serde_json::from_str(text).ok()?;
        // Products of the ROA style write their members small.
        let member = |names: &[&str]| names.iter().find_map(|name| self::text(json.get(name)?));
        return Some(Told {
            code: member(&["Code", "code"])?,
            message: member(MESSAGES).unwrap_or_default(),
            request_id: member(&["RequestId", "requestId"]),
        });
    }
    let tree = xml::read(text.as_bytes()).ok()?;
    if tree.name != "Error" {
        return None;
    }
    let member = |name: &str| tree.get(name).and_then(xml::Node::text);
    Some(Told {
        code: member("Code")?,
        message: member("Message").unwrap_or_default(),
        request_id: member("RequestId"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    static ACTION: Action = Action {
        service: "ecs",
        action: "DescribeDisks",
        permission: "ecs:DescribeDisks",
        rate: 10.0,
        when: "",
    };

    fn of(status: u16, body: &str) -> Refusal {
        refusal(
            &ACTION,
            "cn-hangzhou",
            StatusCode::from_u16(status).unwrap(),
            &HeaderMap::new(),
            body.as_bytes(),
        )
    }

    #[test]
    fn every_code_has_its_class() {
        for (status, code, message, fault) in [
            (400, "Throttling", "", Fault::Throttled),
            (400, "Throttling.User", "", Fault::Throttled),
            (429, "Whatever", "", Fault::Throttled),
            (503, "SlowDown", "", Fault::Throttled),
            (400, "Throttling.User", "user api quota limit", Fault::Quota),
            (403, "QuotaExceeded", "The User API Quota Limit is reached", Fault::Quota),
            (503, "ServiceUnavailable", "", Fault::Transient),
            (500, "Anything", "", Fault::Transient),
            (400, "SignatureNonceUsed", "", Fault::Transient),
            (400, "TimeoutRetryLater", "", Fault::Transient),
            (408, "NetworkOrSqlTimeoutError", "", Fault::Transient),
            (400, "InvalidTimeStamp.Expired", "", Fault::Skewed),
            (403, "RequestTimeTooSkewed", "", Fault::Skewed),
            (400, "SignatureDoesNotMatch", "", Fault::Authentication),
            (404, "InvalidAccessKeyId.NotFound", "", Fault::Authentication),
            (403, "InvalidAccessKeyId", "", Fault::Authentication),
            (400, "InvalidSecurityToken.Expired", "", Fault::Authentication),
            (403, "SecurityTokenExpired", "", Fault::Authentication),
            (400, "InvalidParameter", "SecurityToken.Expired: x", Fault::Authentication),
            (403, "Forbidden.RAM", "", Fault::Denied),
            (403, "AccessForbidden", "", Fault::Denied),
            (403, "AccessDenied", "", Fault::Denied),
            (403, "NoPermission", "", Fault::Denied),
            (403, "ChargeTypeViolation", "", Fault::Refused),
            (404, "InvalidDBInstanceId.NotFound", "", Fault::Refused),
            (400, "MissingRegionId", "", Fault::Refused),
        ] {
            let json = of(status, &json!({ "Code": code, "Message": message }).to_string());
            assert_eq!((json.fault, json.code.as_str()), (fault, code), "{status} {message}");
            let xml = of(
                status,
                &format!(
                    "<?xml version=\"1.0\"?>\n<Error><Code>{code}</Code><Message>{message}</Message></Error>"
                ),
            );
            assert_eq!((xml.fault, xml.code.as_str()), (fault, code), "{status} {message}");
        }
    }

    #[test]
    fn what_is_no_error_of_theirs_may_pass() {
        for body in ["<html>busy</html>", "", "{\"Code\":", "<Other/>", "nonsense"] {
            let refusal = of(503, body);
            assert_eq!((refusal.fault, refusal.code.as_str()), (Fault::Transient, "HTTP 503"), "{body}");
        }
    }

    #[test]
    fn nothing_that_was_signed_is_shown() {
        let message = "Specified signature is not matched with our calculation. server string to sign is:GET&%2F&AccessKeyId%3DLTAI";
        let refusal = of(400, &json!({ "Code": "SignatureDoesNotMatch", "Message": message }).to_string());
        assert_eq!(refusal.message, "Specified signature is not matched with our calculation.");
    }

    #[test]
    fn a_server_may_ask_to_wait_in_milliseconds() {
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-acs-retry-after"),
            http::HeaderValue::from_static("1500"),
        )]);
        let body = json!({ "Code": "Throttling.User", "Message": "" }).to_string();
        let refusal = refusal(&ACTION, "", StatusCode::BAD_REQUEST, &headers, body.as_bytes());
        assert_eq!(refusal.wait, Some(Duration::from_millis(1500)));
    }

    #[test]
    fn an_error_in_a_header_is_read() {
        // base64 of <Error><Code>AccessDenied</Code></Error>
        let headers = HeaderMap::from_iter([(
            http::HeaderName::from_static("x-oss-err"),
            http::HeaderValue::from_static("PEVycm9yPjxDb2RlPkFjY2Vzc0RlbmllZDwvQ29kZT48L0Vycm9yPg=="),
        )]);
        let refusal = refusal(&ACTION, "", StatusCode::FORBIDDEN, &headers, b"");
        assert_eq!((refusal.fault, refusal.code.as_str()), (Fault::Denied, "AccessDenied"));
    }

    #[test]
    fn a_failure_inside_of_a_success_is_one() {
        let of = |answer: Json| inside(&ACTION, "", &answer).map(|refusal| refusal.fault);
        assert_eq!(of(json!({ "Code": "200", "Success": true })), None);
        assert_eq!(of(json!({ "Code": 200 })), None);
        assert_eq!(of(json!({ "Code": "Success" })), None);
        assert_eq!(of(json!({ "Datapoints": "[]" })), None);
        assert_eq!(
            of(json!({ "Code": "400", "Success": false, "Message": "parse param" })),
            Some(Fault::Refused)
        );
        assert_eq!(of(json!({ "Code": 403 })), Some(Fault::Denied));
        assert_eq!(of(json!({ "Code": "500" })), Some(Fault::Transient));
        assert_eq!(of(json!({ "Code": "Throttling.User" })), Some(Fault::Throttled));
        assert_eq!(of(json!({ "Code": "400", "Message": "user api quota limit" })), Some(Fault::Quota));
    }

    /// As the products spell it whose packages there are.
    #[test]
    fn every_spelling_of_a_failure_inside_is_one() {
        let of = |answer: Json| {
            inside(&ACTION, "", &answer).map(|refusal| (refusal.fault, refusal.code, refusal.message))
        };
        let some = |fault, code: &str, message: &str| Some((fault, code.to_owned(), message.to_owned()));
        // DTS.
        assert_eq!(
            of(
                json!({ "Success": "false", "ErrCode": "Forbidden.RAM", "ErrMessage": "no", "HttpStatusCode": "403" })
            ),
            some(Fault::Denied, "Forbidden.RAM", "no")
        );
        assert_eq!(
            of(json!({ "Success": false, "ErrCode": "Oops", "HttpStatusCode": 500 })),
            some(Fault::Transient, "Oops", "")
        );
        assert_eq!(
            of(json!({ "ErrCode": "Oops", "HttpStatusCode": "200" })),
            some(Fault::Refused, "Oops", "")
        );
        assert_eq!(of(json!({ "Success": true, "ErrCode": "InternalError", "HttpStatusCode": 200 })), None);
        assert_eq!(of(json!({ "Success": "true", "ErrCode": "" })), None);
        // RocketMQ 5.
        assert_eq!(
            of(json!({ "success": false, "code": "NoPermission", "message": "no" })),
            some(Fault::Denied, "NoPermission", "no")
        );
        assert_eq!(of(json!({ "success": true, "code": "200", "message": "ok" })), None);
        assert_eq!(of(json!({ "success": true, "code": "success", "Code": "SUCCESS" })), None);
        // No code at all, or one that says the opposite.
        assert_eq!(
            of(json!({ "Success": false, "Message": "no" })),
            some(Fault::Refused, "Success: false", "no")
        );
        assert_eq!(of(json!({ "Success": false, "Code": 200 })), some(Fault::Refused, "Success: false", ""));
    }

    #[test]
    fn errors_with_small_members_are_read() {
        let refusal = of(403, r#"{"code":"NoPermission","message":"no","requestId":"R"}"#);
        assert_eq!(
            (refusal.fault, refusal.code.as_str(), refusal.message.as_str(), refusal.request_id.as_deref()),
            (Fault::Denied, "NoPermission", "no", Some("R"))
        );
    }
}
