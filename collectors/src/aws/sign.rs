//! Signature Version 4, by the `aws-sigv4` crate.
//!
//! Owns the way from a request to a signed request. Follows the AWS document "Create a signed AWS API request".

use crate::account::expose;
use crate::clock::system_time;
use aws_credential_types::Credentials as Identity;
use aws_sigv4::http_request::{
    PayloadChecksumKind, PercentEncodingMode, SignableBody, SignableRequest, SigningSettings,
    UriPathNormalizationMode, sign as sign_request,
};
use aws_sigv4::sign::v4::SigningParams;
use bytes::Bytes;

pub use crate::call::Credentials;

/// Signs a request for a service of a region at a time (nanoseconds since 1970). `Host` comes from the URI; the headers that are
/// there are signed, `X-Amz-Date`, `X-Amz-Security-Token` and `Authorization` are added.
///
/// # Errors
/// A text that names what cannot be signed; no secret is in it.
pub fn sign(
    request: &mut http::Request<Bytes>,
    credentials: &Credentials,
    region: &str,
    service: &str,
    time: i64,
) -> Result<(), String> {
    let identity = Identity::new(
        &credentials.access_key,
        expose(&credentials.secret_key),
        credentials.session_token.as_ref().map(|token| expose(token).to_owned()),
        None,
        "funchost",
    )
    .into();
    let mut settings = SigningSettings::default();
    // S3 signs the path as it is sent, and the hash of the body as a header.
    if service == "s3" {
        settings.percent_encoding_mode = PercentEncodingMode::Single;
        settings.uri_path_normalization_mode = UriPathNormalizationMode::Disabled;
        settings.payload_checksum_kind = PayloadChecksumKind::XAmzSha256;
    }
    let parameters = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(service)
        .time(system_time(time))
        .settings(settings)
        .build()
        .map_err(|error| format!("the signature's parameters are incomplete: {error}"))?
        .into();
    let uri = request.uri().to_string();
    let mut headers = Vec::with_capacity(request.headers().len());
    for (name, value) in request.headers() {
        let value = value.to_str().map_err(|_| format!("the header {name} holds more than ASCII"))?;
        headers.push((name.as_str(), value));
    }
    let body = SignableBody::Bytes(request.body());
    let signable = SignableRequest::new(request.method().as_str(), &uri, headers.into_iter(), body)
        .map_err(|error| format!("the request cannot be signed: {error}"))?;
    let (instructions, _signature) = sign_request(signable, &parameters)
        .map_err(|error| format!("the request cannot be signed: {error}"))?
        .into_parts();
    instructions.apply_to_request_http1x(request);
    Ok(())
}
