//! One exchange on the wire: a request goes out, a whole answer comes in, or the reason why not.
//!
//! Owns the HTTP client's settings, the bound on an answer's size and the words for what breaks below HTTP. Knows no rates and no
//! retries.

use super::{Fault, Options, Refusal};
use bytes::{Bytes, BytesMut};
use http::{HeaderMap, StatusCode};

/// The client of the process: rustls with the system's roots, proxies from the environment, no redirects.
///
/// # Errors
/// What reqwest refuses to be built from, such as a proxy variable that is no URL.
pub(super) fn client(options: &Options) -> Result<reqwest::Client, String> {
    build(options, |builder| if options.direct { builder.no_proxy() } else { builder })
}

/// The same for what runs on this machine: a proxy would look for it on its own.
pub(super) fn near(options: &Options, url: &reqwest::Url) -> Result<reqwest::Client, String> {
    let plain = url.scheme() == "http";
    // Reading the system's roots takes longer than all else.
    build(options, |builder| if plain { builder.no_proxy().tls_certs_only([]) } else { builder.no_proxy() })
}

/// Is it a name or an address of this machine?
#[must_use]
pub fn is_near(url: &reqwest::Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let address: Option<std::net::IpAddr> = host.trim_matches(['[', ']']).parse().ok();
    address.map_or_else(
        || host == "localhost" || host.ends_with(".localhost"),
        |address| address.to_canonical().is_loopback(),
    )
}

fn build(
    options: &Options,
    kind: impl Fn(reqwest::ClientBuilder) -> reqwest::ClientBuilder,
) -> Result<reqwest::Client, String> {
    // Another part of the process may have chosen the provider already: then that one serves.
    drop(rustls::crypto::ring::default_provider().install_default());
    let builder = || {
        kind(
            reqwest::Client::builder()
                .connect_timeout(options.connect)
                .timeout(options.answer)
                // A redirect would carry signed headers to a host that nobody named.
                .redirect(reqwest::redirect::Policy::none())
                .user_agent(concat!("funchost/", env!("CARGO_PKG_VERSION"))),
        )
    };
    match builder().build() {
        Err(error) if chain(&error).contains("No CA certificates") => {
            // A bare container without roots can still reach a DataKit and test doubles by plain HTTP; whatever
            // speaks TLS is refused then, and the refusal says what to install.
            builder().tls_certs_only([]).build().map_err(|error| chain(&error))
        }
        built => built.map_err(|error| chain(&error)),
    }
}

/// The name was not found.
pub(super) const NO_HOST: &str = "host not found";

/// Nothing was sent, as nobody was there to take it.
pub(super) const NO_CONNECTION: &str = "no connection";

/// An answer, read to its end.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// Sends a request and reads the answer, unpacked, up to the limit. `head` sees the headers of every answer, also of one that is cut
/// short later.
pub(super) async fn exchange(
    http: &reqwest::Client,
    options: &Options,
    request: reqwest::Request,
    head: impl FnOnce(&HeaderMap),
) -> Result<Answer, Refusal> {
    let host = place(request.url());
    let mut answer = http.execute(request).await.map_err(|error| unsent(error, &host, options))?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    head(&headers);
    // What is said to come is only made room for up to the limit; a body that grows step by step takes twice its memory.
    let length = answer.content_length().and_then(|length| usize::try_from(length).ok()).unwrap_or(0);
    let mut body = BytesMut::with_capacity(length.min(options.answer_limit));
    while let Some(chunk) = answer.chunk().await.map_err(|error| cut_short(error, &host, options))? {
        if body.len() + chunk.len() > options.answer_limit {
            return Err(refuse(
                Fault::Refused,
                "answer too large",
                format!("{host} sent more than {}", size(options.answer_limit)),
            )
            .hint("no API answers with so much: is the endpoint the right one?"));
        }
        body.extend_from_slice(&chunk);
    }
    if status.is_redirection() {
        let to = headers.get(http::header::LOCATION).and_then(|value| value.to_str().ok());
        // Only the place: a path or query may hold what was signed.
        let to = to.and_then(|to| reqwest::Url::parse(to).ok()).map_or_else(String::new, |to| place(&to));
        let to = if to.is_empty() { to } else { format!(" to {to}") };
        return Err(refuse(
            Fault::Refused,
            "redirect refused",
            format!("{host} answered {status}{to}, and signed headers go to no other host"),
        )
        .hint("a proxy or a wrong endpoint answers in the API's place: check `[endpoints]` and the proxy"));
    }
    Ok(Answer { status, headers, body: body.freeze() })
}

/// A refusal of this side of the wire.
pub(super) fn refuse(fault: Fault, code: &str, message: String) -> Refusal {
    Refusal { fault, code: code.into(), message, request_id: None, hint: None, wait: None }
}

impl Refusal {
    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

/// Host and port.
fn place(url: &reqwest::Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn size(bytes: usize) -> String {
    if bytes >= 1 << 20 { format!("{} MiB", bytes >> 20) } else { format!("{bytes} bytes") }
}

/// What went wrong before there was an answer.
fn unsent(error: reqwest::Error, host: &str, options: &Options) -> Refusal {
    // The URL of a signed request can hold its signature.
    let error = error.without_url();
    let text = chain(&error);
    let words = text.to_lowercase();
    let has = |parts: &[&str]| parts.iter().any(|part| words.contains(part));
    if error.is_timeout() {
        let (what, limit) = if error.is_connect() {
            ("no connection", options.connect)
        } else {
            ("no answer", options.answer)
        };
        return refuse(
            Fault::Transient,
            "timeout",
            format!("{host}: {what} within {} s", limit.as_secs_f64()),
        )
        .hint("is the network slow, does a firewall drop packets, or is a proxy needed (HTTPS_PROXY)?");
    }
    let message = format!("{host}: {text}");
    if has(&["invalid peer certificate", "unknownissuer"]) {
        // The same certificate would come again.
        return refuse(Fault::Refused, "certificate", message).hint(format!(
            "the certificate of {host} is not trusted here: install `ca-certificates`; where a proxy opens TLS, name its CA in SSL_CERT_FILE"
        ));
    }
    if has(&["corrupt message", "invalidcontenttype"]) {
        return refuse(Fault::Refused, "tls", message).hint(format!(
            "{host} does not speak TLS: should its endpoint begin with http://, or is a proxy in between?"
        ));
    }
    let refusal = |code| refuse(Fault::Transient, code, message.clone());
    if has(&["dns error", "invalid dns name", "failed to lookup"]) {
        return refusal(NO_HOST).hint(format!(
            "the name {host} is not known: is the region right, and does this machine reach a DNS server?"
        ));
    }
    if has(&["proxy", "tunnel"]) {
        return refusal("proxy").hint("the proxy refused: check HTTPS_PROXY, HTTP_PROXY and NO_PROXY");
    }
    if error.is_connect() {
        return refusal(NO_CONNECTION)
            .hint(format!("nothing answers at {host}: check the network, the proxy and `[endpoints]`"));
    }
    refusal("connection")
}

/// What went wrong in the middle of an answer.
fn cut_short(error: reqwest::Error, host: &str, options: &Options) -> Refusal {
    let error = error.without_url();
    if error.is_timeout() {
        let limit = options.answer.as_secs_f64();
        return refuse(
            Fault::Transient,
            "timeout",
            format!("{host}: the answer did not end within {limit} s"),
        );
    }
    refuse(Fault::Transient, "answer cut short", format!("{host}: {}", chain(&error)))
}

/// An error with its causes, each said once.
pub(super) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = String::new();
    let mut next = Some(error);
    while let Some(error) = next {
        let words = error.to_string();
        if !text.contains(&words) {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&words);
        }
        next = error.source();
    }
    text
}
