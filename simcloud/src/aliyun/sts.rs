//! STS: who one is, and roles (API 2015-04-01).

use super::keys::ACCOUNT;
use super::parameters::Parameters;
use super::{Context, Refusal, refuse};
use serde_json::{Value, json};

pub(super) fn answer(context: &Context<'_>, parameters: &mut Parameters) -> Result<Value, Refusal> {
    match context.action {
        "GetCallerIdentity" => Ok(identity(context)),
        _ => assume(context, parameters),
    }
}

fn identity(context: &Context<'_>) -> Value {
    match context.aliyun.keys().role_of(context.access_key) {
        Some(role) => {
            let session = role.rsplit('/').next().unwrap_or_default();
            json!({
                "AccountId": ACCOUNT, "Arn": format!("acs:ram::{ACCOUNT}:assumed-role/{role}"), "IdentityType": "AssumedRoleUser",
                "PrincipalId": format!("330000000000000000:{session}"), "RoleId": "330000000000000000",
            })
        }
        None => json!({
            "AccountId": ACCOUNT, "Arn": format!("acs:ram::{ACCOUNT}:user/simcloud"), "IdentityType": "RAMUser",
            "PrincipalId": "288774244375210000", "UserId": "288774244375210000",
        }),
    }
}

fn assume(context: &Context<'_>, parameters: &mut Parameters) -> Result<Value, Refusal> {
    let invalid = |name: &str, message: &str| refuse(400, format!("InvalidParameter.{name}"), message);
    let role = parameters.required("RoleArn")?;
    let session = parameters.required("RoleSessionName")?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || ".@-_".contains(c);
    if !(2..=64).contains(&session.len()) || !session.chars().all(allowed) {
        return Err(invalid("RoleSessionName", "The specified RoleSessionName is invalid."));
    }
    let duration = parameters.text("DurationSeconds");
    let duration: i64 = duration.as_deref().map_or(Ok(3600), str::parse).unwrap_or(0);
    if !(900..=3600).contains(&duration) {
        return Err(invalid("DurationSeconds", "The Min/Max value of DurationSeconds is 15min/1hr."));
    }
    if parameters.text("Policy").is_some_and(|policy| policy.len() > 2048) {
        return Err(invalid("PolicyGrammar", "The parameter Policy has not passed grammar check."));
    }
    parameters.text("SourceIdentity");
    let external = parameters.text("ExternalId");
    let now = context.aliyun.clock.now();
    let mut keys = context.aliyun.keys();
    if role != keys.named.role_arn {
        return Err(refuse(404, "EntityNotExist.Role", "The specified Role not exists."));
    }
    if external.as_deref() != Some(keys.named.external_id.as_str())
        || context.access_key != keys.named.access_key
    {
        return Err(refuse(
            403,
            "NoPermission",
            "You are not authorized to do this action. You should be authorized by RAM.",
        ));
    }
    let name = format!("funchost/{session}");
    let assumed = keys.assume(&name, now + duration);
    Ok(json!({
        "AssumedRoleUser": { "Arn": format!("{role}/{session}"), "AssumedRoleId": format!("330000000000000000:{session}") },
        "Credentials": {
            "AccessKeyId": assumed.access_key, "AccessKeySecret": assumed.secret, "SecurityToken": assumed.token,
            "Expiration": crate::clock::time(now + duration).format("%Y-%m-%dT%H:%M:%SZ").to_string(),
        },
    }))
}
