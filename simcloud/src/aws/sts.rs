//! STS: who one is, and roles (API 2011-06-15).

use super::{Context, Refusal, refuse, xml_escape};
use crate::server::Reply;
use std::collections::BTreeMap;

pub(super) fn answer(
    context: &Context<'_>,
    action: &str,
    form: &BTreeMap<String, String>,
) -> Result<Reply, Refusal> {
    if form.get("Version").map(String::as_str) != Some("2011-06-15") {
        return Err(refuse(400, "InvalidParameterValue", "Version must be 2011-06-15"));
    }
    let body = match action {
        "GetCallerIdentity" => format!(
            "<Arn>arn:aws-cn:iam::123456789012:user/{}</Arn><UserId>AIDASIMCLOUD</UserId><Account>123456789012</Account>",
            context.access_key
        ),
        "AssumeRole" => assume(context, form)?,
        _ => {
            return Err(refuse(
                400,
                "InvalidAction",
                format!("Could not find operation {action} for version 2011-06-15"),
            ));
        }
    };
    Ok(Reply::new(
        200,
        "text/xml",
        format!(
            "<{action}Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><{action}Result>{body}</{action}Result><ResponseMetadata><RequestId>00000000-0000-4000-8000-000000000000</RequestId></ResponseMetadata></{action}Response>"
        ),
    ))
}

fn assume(context: &Context<'_>, form: &BTreeMap<String, String>) -> Result<String, Refusal> {
    let text = |key: &str| form.get(key).map(String::as_str).unwrap_or_default();
    let invalid = |message: &str| refuse(400, "ValidationError", message);
    let keys = &context.aws.keys;
    let session = text("RoleSessionName");
    let allowed = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if session.len() < 2 || session.len() > 64 || !session.chars().all(allowed) {
        return Err(invalid(
            "1 validation error detected: Value at 'roleSessionName' failed to satisfy constraint",
        ));
    }
    let seconds: i64 = form
        .get("DurationSeconds")
        .map_or(Ok(3600), |text| text.parse())
        .map_err(|_| invalid("DurationSeconds"))?;
    if !(900..=43_200).contains(&seconds) {
        return Err(invalid(
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
        ));
    }
    if text("RoleArn") != keys.role_arn || text("ExternalId") != keys.external_id {
        return Err(refuse(
            403,
            "AccessDenied",
            format!(
                "User: arn:aws-cn:iam::123456789012:user/{} is not authorized to perform: sts:AssumeRole on resource: {}",
                context.access_key,
                text("RoleArn")
            ),
        ));
    }
    let expires = context.aws.clock.now() + seconds;
    let number =
        *context.aws.calls().get(&(context.region.to_owned(), "sts:AssumeRole".to_owned())).unwrap_or(&0);
    let (access, secret, token) = (
        format!("ASIAROLE{number:012}"),
        format!("role/Secret+{number:028}"),
        format!("roleToken//+=={number:040}"),
    );
    context.aws.add_key(&access, &secret, &token, expires);
    Ok(format!(
        "<AssumedRoleUser><AssumedRoleId>AROASIMCLOUD:{session}</AssumedRoleId><Arn>{}/{session}</Arn></AssumedRoleUser><Credentials><AccessKeyId>{access}</AccessKeyId><SecretAccessKey>{secret}</SecretAccessKey><SessionToken>{token}</SessionToken><Expiration>{}</Expiration></Credentials>",
        xml_escape(&keys.role_arn),
        crate::clock::time(expires).format("%Y-%m-%dT%H:%M:%SZ")
    ))
}
