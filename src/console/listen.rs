//! The door: connections, how many at a time, and how long each part of one may take.
//!
//! Owns what a slow, silent or greedy client can cost: a head or a body that comes by drops is cut, an answer that nobody reads is given
//! up, and who comes when the house is full waits outside. How long a function may take to answer is none of its business.

use super::answer::Refused;
use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tokio_util::sync::CancellationToken;

/// Bytes of a request's body.
const LARGEST_BODY: usize = 4 << 20;
/// Bytes of a request's head.
const LARGEST_HEAD: usize = 64 << 10;
/// How long a body may take from its first byte to its last.
const BODY: Duration = Duration::from_secs(30);
/// How long to wait where the system gives no connection: too many files are open.
const EXHAUSTED: Duration = Duration::from_millis(200);

/// What is granted to clients.
#[derive(Clone, Copy, Debug)]
pub struct Patience {
    /// From the connection, or the answer before, to the end of a request's head.
    pub head: Duration,
    /// How long nobody may take a byte of an answer.
    pub answer: Duration,
    /// Connections at a time.
    pub connections: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self { head: Duration::from_secs(15), answer: Duration::from_secs(30), connections: 512 }
    }
}

/// Answers until `closed`, then lets open answers end.
pub async fn serve(listener: TcpListener, router: Router, patience: Patience, closed: CancellationToken) {
    let room = Arc::new(Semaphore::new(patience.connections));
    let graceful = GracefulShutdown::new();
    let mut server = http1::Builder::new();
    server.timer(TokioTimer::new()).header_read_timeout(patience.head).max_buf_size(LARGEST_HEAD);
    loop {
        let permit = tokio::select! {
            () = closed.cancelled() => break,
            permit = room.clone().acquire_owned() => permit,
        };
        // The room is never closed.
        let Ok(permit) = permit else { break };
        let stream = tokio::select! {
            () = closed.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(EXHAUSTED).await;
                    continue;
                }
            },
        };
        let _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(patience.answer));
        let service = TowerToHyperService::new(router.clone());
        let connection = server.serve_connection(TokioIo::new(Box::pin(stream)), service);
        let connection = graceful.watch(connection);
        tokio::spawn(async move {
            let _permit = permit;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "a connection was cut");
            }
        });
    }
    drop(listener);
    graceful.shutdown().await;
}

/// Takes the whole body before anything is done, within its time and its size.
pub(super) async fn body(request: Request, next: Next) -> Response {
    whole(request, next, BODY).await
}

async fn whole(request: Request, next: Next, patience: Duration) -> Response {
    let (head, body) = request.into_parts();
    let refused = match tokio::time::timeout(patience, to_bytes(body, LARGEST_BODY)).await {
        Ok(Ok(bytes)) => return next.run(Request::from_parts(head, Body::from(bytes))).await,
        Ok(Err(error)) => {
            let large = std::error::Error::source(&error)
                .is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>());
            if large {
                Refused::too_large(format!("the body is larger than {} MiB", LARGEST_BODY >> 20))
            } else {
                Refused::bad("the body could not be read to its end")
            }
        }
        Err(_) => Refused::slow(format!("the body did not arrive within {} s", patience.as_secs())),
    };
    let mut response = refused.into_response();
    // What follows on this connection would be the rest of the body.
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::routing::{get, post};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpStream;

    const LONG: Duration = Duration::from_secs(20);

    /// Writes out what is refused, as the console's outermost layer does.
    async fn told(mut response: Response) -> Response {
        use crate::console::answer::Enveloped;
        let Some(Enveloped(_, body)) = response.extensions_mut().remove::<Enveloped>() else {
            return response;
        };
        let (mut head, _) = response.into_parts();
        head.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(head, Body::from(body.to_string()))
    }

    async fn start(patience: Patience) -> (std::net::SocketAddr, CancellationToken) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let closed = CancellationToken::new();
        let limited = |request: Request, next: Next| whole(request, next, Duration::from_millis(300));
        let router = Router::new()
            .route("/", get(|| async { "here" }))
            .route("/body", post(|body: String| async move { body.len().to_string() }))
            .route("/large", get(|| async { "x".repeat(64 << 20) }))
            .layer(axum::middleware::from_fn(limited))
            .layer(axum::middleware::map_response(told));
        tokio::spawn(serve(listener, router, patience, closed.clone()));
        (address, closed)
    }

    fn short() -> Patience {
        Patience { head: Duration::from_millis(300), answer: Duration::from_millis(300), connections: 2 }
    }

    /// Everything until the other side closes.
    async fn rest(stream: &mut TcpStream) -> String {
        let mut bytes = Vec::new();
        let read = tokio::time::timeout(LONG, stream.read_to_end(&mut bytes)).await;
        let _ = read.expect("the connection is cut");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// A byte at a time until nobody listens any more.
    async fn drip(mut stream: TcpStream, text: &str) -> String {
        let (mut read, mut write) = stream.split();
        let mut bytes = Vec::new();
        let dripping = async {
            for byte in text.as_bytes().iter().cycle() {
                if write.write_all(&[*byte]).await.is_err() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let reading = async {
            let _ = read.read_to_end(&mut bytes).await;
        };
        tokio::time::timeout(LONG, async {
            tokio::select! { () = dripping => {}, () = reading => {} }
        })
        .await
        .expect("it is cut");
        String::from_utf8_lossy(&bytes).into_owned()
    }

    #[tokio::test]
    async fn a_head_or_a_body_by_drops_is_cut() {
        let (address, _closed) = start(short()).await;
        let head = TcpStream::connect(address).await.unwrap();
        let said = drip(head, "GET / HTTP/1.1\r\nx-a: b\r\nx-").await;
        assert!(!said.contains("200"), "{said}");

        let mut body = TcpStream::connect(address).await.unwrap();
        body.write_all(b"POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n").await.unwrap();
        let said = drip(body, "x").await;
        assert!(said.starts_with("HTTP/1.1 408") && said.contains("did not arrive within"), "{said}");

        let mut silent = TcpStream::connect(address).await.unwrap();
        let said = rest(&mut silent).await;
        assert!(!said.contains("200"), "one that says nothing: {said}");
    }

    #[tokio::test]
    async fn an_answer_that_nobody_reads_is_given_up() {
        let (address, _closed) = start(Patience { connections: 1, ..short() }).await;
        let mut greedy = TcpStream::connect(address).await.unwrap();
        greedy.write_all(b"GET /large HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        // It holds the only place until it is cut.
        let mut next = TcpStream::connect(address).await.unwrap();
        next.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        assert!(rest(&mut next).await.ends_with("here"));
    }

    #[tokio::test]
    async fn who_comes_when_it_is_full_waits_and_is_answered() {
        let (address, closed) = start(Patience { head: LONG, ..short() }).await;
        let one = TcpStream::connect(address).await.unwrap();
        let _two = TcpStream::connect(address).await.unwrap();
        let mut three = TcpStream::connect(address).await.unwrap();
        three.write_all(b"GET / HTTP/1.1\r\nhost: a\r\nconnection: close\r\n\r\n").await.unwrap();
        let mut byte = [0];
        let early = tokio::time::timeout(Duration::from_millis(300), three.read(&mut byte)).await;
        assert!(early.is_err(), "there is no place for it: {early:?}");
        drop(one);
        assert!(rest(&mut three).await.ends_with("here"));
        closed.cancel();
        let mut late = Vec::new();
        let refused = async {
            loop {
                match TcpStream::connect(address).await {
                    Err(_) => break,
                    Ok(mut stream) => drop(stream.read_to_end(&mut late).await),
                }
            }
        };
        tokio::time::timeout(LONG, refused).await.expect("the door is closed");
    }

    #[tokio::test]
    async fn bodies_and_heads_have_a_size() {
        let (address, _closed) = start(Patience { connections: 8, ..Patience::default() }).await;
        let mut large = TcpStream::connect(address).await.unwrap();
        let size = LARGEST_BODY + 1;
        let head = format!("POST /body HTTP/1.1\r\nhost: a\r\ncontent-length: {size}\r\n\r\n");
        large.write_all(head.as_bytes()).await.unwrap();
        large.write_all(&vec![b'x'; size]).await.unwrap();
        let said = rest(&mut large).await;
        assert!(said.starts_with("HTTP/1.1 413") && said.contains("larger than 4 MiB"), "{said}");

        let mut fits = TcpStream::connect(address).await.unwrap();
        fits.write_all(
            b"POST /body HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 3\r\n\r\nabc",
        )
        .await
        .unwrap();
        assert!(rest(&mut fits).await.ends_with("\r\n\r\n3"));

        let mut head = TcpStream::connect(address).await.unwrap();
        let text =
            format!("GET / HTTP/1.1\r\nhost: a\r\nx-long: {}\r\n\r\n", "x".repeat(LARGEST_HEAD + 1000));
        let _ = head.write_all(text.as_bytes()).await;
        let said = rest(&mut head).await;
        assert!(said.starts_with("HTTP/1.1 431"), "{said}");
    }
}
