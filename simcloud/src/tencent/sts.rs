//! STS: who one is, and roles (API 2018-08-13).

use super::estate::APPID;
use super::{Context, Parameters, Refusal, refuse};
use serde_json::{Value, json};

pub(super) fn answer(context: &Context<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    match context.action {
        "GetCallerIdentity" => {
            parameters.only(&[])?;
            let (kind, arn) = if context.role {
                ("CAMRole", format!("qcs::sts:{UIN}:assumed-role/4611686018427397919"))
            } else {
                ("CAMUser", format!("qcs::cam:{UIN}:uin/{UIN}"))
            };
            Ok(json!({ "Type": kind, "AccountId": UIN, "UserId": UIN, "PrincipalId": UIN, "Arn": arn }))
        }
        "AssumeRole" => {
            parameters.only(&[
                "RoleArn",
                "RoleSessionName",
                "DurationSeconds",
                "Policy",
                "ExternalId",
                "Tags",
                "SourceIdentity",
                "SerialNumber",
                "TokenCode",
            ])?;
            assume(context, parameters)
        }
        _ => Err(context.no_such_action()),
    }
}

/// The account's number.
const UIN: &str = "100012345678";

fn assume(context: &Context<'_>, parameters: &Parameters) -> Result<Value, Refusal> {
    let needed = |name: &str| {
        parameters
            .text(name)?
            .ok_or_else(|| refuse("MissingParameter", format!("the parameter {name} is missing")))
    };
    let (role, session) = (needed("RoleArn")?, needed("RoleSessionName")?);
    let allowed = |c: char| c.is_ascii_alphanumeric() || "=,.@_-".contains(c);
    if !(2..=128).contains(&session.len()) || !session.chars().all(allowed) {
        return Err(refuse("InvalidParameter.ParamError", "RoleSessionName must be 2 to 128 of [\\w=,.@_-]"));
    }
    let seconds = parameters.number("DurationSeconds")?.unwrap_or(7200);
    if !(1..=43_200).contains(&seconds) {
        return Err(refuse("InvalidParameter.OverTimeError", "DurationSeconds is too large"));
    }
    let keys = &context.tencent.keys;
    if role != keys.role_arn {
        return Err(refuse(
            "ResourceNotFound.RoleNotFound",
            format!("role {role} does not exist in account {APPID}"),
        ));
    }
    if parameters.text("ExternalId")?.as_deref() != Some(keys.external_id.as_str()) {
        return Err(refuse(
            "UnauthorizedOperation",
            "you are not authorized to perform operation (sts:AssumeRole)",
        ));
    }
    let expires = context.tencent.clock.now() + seconds;
    let (id, secret, token) = context.tencent.new_session(expires);
    Ok(json!({
        "Credentials": { "Token": token, "TmpSecretId": id, "TmpSecretKey": secret },
        "ExpiredTime": expires,
        "Expiration": crate::clock::time(expires).format("%Y-%m-%dT%H:%M:%SZ").to_string(),
    }))
}
