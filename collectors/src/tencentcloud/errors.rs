//! What Tencent Cloud's errors mean.
//!
//! Owns the classes of their codes, by the pages of common errors and those of CVM, Monitor and STS. An error arrives as HTTP 200.

use super::endpoint::region_hint;
use crate::call::{Fault, Refusal, foreign, without_echo};
use crate::collector::Action;
use http::StatusCode;
use serde_json::Value as Json;

/// Codes that may pass.
const TRANSIENT: &[&str] = &[
    "InternalError",
    "ServiceUnavailable",
    "RequestTimeout",
    "FailedOperation.DivisionByZero",
    "FailedOperation.DoHTTPTransferFailed",
    "FailedOperation.DoTRPCTransferFailed",
    "FailedOperation.AccessSTSFail",
    "FailedOperation.DataQueryFailed",
    "FailedOperation.DbQueryFailed",
    "FailedOperation.DruidQueryFailed",
    "FailedOperation.InternalError",
    "FailedOperation.SendRequest",
    "AuthFailure.AccessCAMFail",
];

/// Codes of a call that is paid for and not opened, or of an account in arrears.
const QUOTA: &[&str] = &[
    "FailedOperation.ErrNotOpen",
    "FailedOperation.ErrOwed",
    "FailedOperation.ServiceNotEnabled",
    "LimitExceeded.LimitedAccess",
];

/// The call that is paid for beyond a free number.
const PAID: &str = "GetMonitorData";

/// Is this code one of these, or one of their kinds: `InternalError` and `InternalError.System`?
fn is(code: &str, codes: &[&str]) -> bool {
    codes
        .iter()
        .any(|known| code.strip_prefix(known).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}

/// Can this code mean that temporary keys are past their time? An id that has been forgotten is one that is not found.
pub(super) fn is_expired(code: &str) -> bool {
    ["AuthFailure.TokenFailure", "AuthFailure.SecretIdNotFound", "AuthFailure.InvalidSecretId"]
        .contains(&code)
}

/// What `Response` holds when an answer is a success, else what it means.
pub(super) fn open(action: &Action, region: &str, status: StatusCode, body: &[u8]) -> Result<Json, Refusal> {
    let response =
        serde_json::from_slice::<Json>(body).ok().and_then(|mut json| Some(json.get_mut("Response")?.take()));
    let Some(response) = response.filter(Json::is_object) else {
        return Err(if status.is_success() {
            Refusal::unreadable("the answer holds no Response")
        } else {
            foreign("Tencent Cloud", status, body, None)
        });
    };
    let Some(error) = response.get("Error").filter(|error| !error.is_null()) else {
        if status.is_success() {
            return Ok(response);
        }
        return Err(foreign("Tencent Cloud", status, body, None));
    };
    let text = |value: &Json, name: &str| value.get(name).and_then(Json::as_str).map(str::to_owned);
    let code = text(error, "Code").unwrap_or_else(|| format!("HTTP {}", status.as_u16()));
    let message = text(error, "Message").unwrap_or_default();
    let fault = classify(&code, status);
    let hint = hint(action, region, fault, &code);
    Err(Refusal {
        fault,
        code,
        message: without_echo(&message),
        request_id: text(&response, "RequestId"),
        hint,
        wait: None,
    })
}

fn classify(code: &str, status: StatusCode) -> Fault {
    if is(code, &["RequestLimitExceeded"]) || status == StatusCode::TOO_MANY_REQUESTS {
        Fault::Throttled
    } else if is(code, QUOTA) {
        Fault::Quota
    } else if is(code, &["AuthFailure.SignatureExpire"]) {
        Fault::Skewed
    } else if is(code, &["AuthFailure.UnauthorizedOperation", "UnauthorizedOperation"]) {
        Fault::Denied
    } else if is(code, TRANSIENT) || status.is_server_error() {
        Fault::Transient
    } else if is(code, &["AuthFailure"]) {
        Fault::Authentication
    } else {
        Fault::Refused
    }
}

fn hint(action: &Action, region: &str, fault: Fault, code: &str) -> Option<String> {
    match fault {
        Fault::Denied => Some(format!(
            "grant the sub-user of these keys the permission {} in CAM (the policy ReadOnlyAccess holds it){}",
            action.permission,
            if action.action == PAID { "; or the free calls of the month are used up: see the Monitor console" } else { "" }
        )),
        Fault::Authentication if code.contains("Signature") => {
            Some("`ak_secret` does not belong to `ak_id`: copy both again".into())
        }
        Fault::Authentication if code.contains("Token") => Some(
            "the temporary keys or their `security_token` are wrong or have expired: get new ones, or use `role_arn` so that funchost renews them"
                .into(),
        ),
        Fault::Authentication => {
            Some("check `ak_id` (the SecretId): is it copied whole, active, and of this site (China, international)?".into())
        }
        Fault::Throttled => Some(format!(
            "other programs use the same quota: lower the rate with `[limits]` \"tencentcloud.{}.{}\"",
            action.service, action.action
        )),
        Fault::Quota if action.action != PAID => Some("the account is in arrears, or the API is not switched on: see the console".into()),
        Fault::Quota => Some(
            "the free calls of GetMonitorData (1,000,000 a month) are used up, or the account is in arrears: switch on paid API calls in the Monitor console, or collect fewer metrics less often from next month on"
                .into(),
        ),
        Fault::Refused if code == "UnsupportedRegion" || code.contains("Region") => region_hint(region)
            .or_else(|| Some(format!("the product may not exist in {region}: take it out of `regions`"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    static ACTION: Action = Action {
        service: "monitor",
        action: "GetMonitorData",
        permission: "monitor:GetMonitorData",
        rate: 20.0,
        when: "",
    };

    fn of(status: u16, body: &str) -> Result<Json, Refusal> {
        open(&ACTION, "ap-shanghai", StatusCode::from_u16(status).unwrap(), body.as_bytes())
    }

    #[test]
    fn every_code_has_its_class() {
        for (code, fault) in [
            ("RequestLimitExceeded", Fault::Throttled),
            ("RequestLimitExceeded.UinLimitExceeded", Fault::Throttled),
            ("RequestLimitExceeded.GlobalRegionUinLimitExceeded", Fault::Throttled),
            ("FailedOperation.ErrNotOpen", Fault::Quota),
            ("FailedOperation.ErrOwed", Fault::Quota),
            ("LimitExceeded.LimitedAccess", Fault::Quota),
            ("AuthFailure.SignatureExpire", Fault::Skewed),
            ("AuthFailure.SignatureFailure", Fault::Authentication),
            ("AuthFailure.SecretIdNotFound", Fault::Authentication),
            ("AuthFailure.TokenFailure", Fault::Authentication),
            ("AuthFailure.UnauthorizedOperation", Fault::Denied),
            ("UnauthorizedOperation", Fault::Denied),
            ("UnauthorizedOperation.CamNoAuth", Fault::Denied),
            ("AuthFailure.AccessCAMFail", Fault::Transient),
            ("InternalError", Fault::Transient),
            ("InternalError.ExeTimeout", Fault::Transient),
            ("FailedOperation.DivisionByZero", Fault::Transient),
            ("InvalidParameterValue", Fault::Refused),
            ("ResourceNotFound", Fault::Refused),
            ("LimitExceeded", Fault::Refused),
        ] {
            let body =
                json!({ "Response": { "Error": { "Code": code, "Message": "words" }, "RequestId": "id" } });
            let refusal = of(200, &body.to_string()).unwrap_err();
            assert_eq!(
                (refusal.fault, refusal.code.as_str(), refusal.message.as_str()),
                (fault, code, "words")
            );
            assert_eq!(refusal.request_id.as_deref(), Some("id"));
        }
    }

    #[test]
    fn what_is_no_answer_of_theirs_may_pass() {
        for (status, body) in
            [(200, ""), (200, "{}"), (200, "{\"Response\":"), (200, "[]"), (503, "<html>"), (502, "{}")]
        {
            assert_eq!(of(status, body).unwrap_err().fault, Fault::Transient, "{status} {body}");
        }
        assert!(of(200, r#"{"Response":{"RequestId":"id"}}"#).is_ok());
    }
}
