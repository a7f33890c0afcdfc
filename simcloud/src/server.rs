//! The HTTP of all doubles: loopback only, one task a connection, answers that can break off.
//!
//! Owns connections. Knows no service: it hands a whole request over and sends what comes back.

use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Requests larger than this are refused.
const LARGEST: usize = 64 << 20;

/// A request, read to its end.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// What goes back.
#[derive(Debug)]
pub(crate) enum Reply {
    /// An answer.
    Answer { status: u16, headers: Vec<(&'static str, String)>, body: Bytes },
    /// An answer that breaks off after half of its body.
    Cut { status: u16, headers: Vec<(&'static str, String)>, body: Bytes },
    /// The connection is closed without an answer.
    Reset,
    /// Nothing, for ever.
    Hang,
}

impl Reply {
    pub(crate) fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self::Answer { status, headers: vec![("content-type", content_type.to_owned())], body: body.into() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: String) -> Self {
        if let Self::Answer { headers, .. } | Self::Cut { headers, .. } = &mut self {
            headers.push((name, value));
        }
        self
    }
}

/// What answers requests.
pub(crate) trait Service: Send + Sync + 'static {
    fn answer(self: Arc<Self>, asked: Asked) -> impl Future<Output = Reply> + Send;
}

/// A service as connections know it: one kind for all, so that there is one server in the program and not one for each cloud.
type Answers = Arc<dyn Fn(Asked) -> Pin<Box<dyn Future<Output = Reply> + Send>> + Send + Sync>;

/// A listening server; it ends with its token.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    stop: CancellationToken,
}

impl Server {
    /// Listens on loopback; port 0 is any.
    pub(crate) async fn start<S: Service>(port: u16, service: Arc<S>) -> std::io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        let stop = CancellationToken::new();
        let answers: Answers = Arc::new(move |asked| Box::pin(service.clone().answer(asked)));
        tokio::spawn(listen(listener, answers, stop.clone()));
        Ok(Self { address, stop })
    }

    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

async fn listen(listener: TcpListener, answers: Answers, stop: CancellationToken) {
    loop {
        let connection = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let Ok((connection, _)) = connection else { continue };
        let _ = connection.set_nodelay(true);
        let (answers, stop) = (answers.clone(), stop.clone());
        tokio::spawn(async move {
            let serving = hyper::server::conn::http1::Builder::new().serve_connection(
                TokioIo::new(connection),
                service_fn(|request| serve(answers.clone(), request)),
            );
            tokio::select! {
                () = stop.cancelled() => {}
                // A client that goes away, or an answer that breaks off on purpose.
                _ = serving => {}
            }
        });
    }
}

async fn serve(
    answers: Answers,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, std::io::Error>>, std::io::Error> {
    let (parts, body) = request.into_parts();
    let limited = http_body_util::Limited::new(body, LARGEST);
    let body = limited.collect().await.map_err(std::io::Error::other)?.to_bytes();
    let asked = Asked { method: parts.method, uri: parts.uri, headers: parts.headers, body };
    let (status, headers, body) = match answers(asked).await {
        Reply::Reset => return Err(std::io::ErrorKind::ConnectionReset.into()),
        Reply::Hang => std::future::pending().await,
        Reply::Answer { status, headers, body } => {
            (status, headers, Full::new(body).map_err(|never| match never {}).boxed())
        }
        Reply::Cut { status, headers, body } => {
            let half = body.slice(..body.len() / 2);
            let frames = [Ok(Frame::data(half)), Err(std::io::ErrorKind::ConnectionReset.into())];
            // What was written first leaves before it breaks off: a client sees a head and half a body.
            let frames = stream::iter(frames).then(|frame| async {
                tokio::task::yield_now().await;
                frame
            });
            (status, headers, BodyExt::boxed(StreamBody::new(frames)))
        }
    };
    let mut response = Response::new(body);
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    for (name, value) in headers {
        if let Ok(value) = value.parse() {
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}
