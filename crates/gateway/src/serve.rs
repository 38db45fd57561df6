//! Connections: accepted, encrypted if wanted, cut when they are idle or slow, ended gracefully.
//!
//! Beyond the limit, the connection that has been idle longest makes room for a new one, so that open connections alone keep
//! nobody out.

mod idle;
mod patient;

use std::{convert::Infallible, future::poll_fn, net::SocketAddr, pin::Pin, sync::Arc, time::Duration};

use axum::{Router, extract::Request};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use self::{
    idle::{Connections, Seat},
    patient::Patient,
};
use crate::{Limits, auth::Peer, metrics};

/// Bytes of the head of a request; also of what is read ahead of a body.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// Headers of a request.
const HEADERS_MAX: usize = 64;
/// How long a client whose request was refused may go on sending, and how much.
const PARTING: Duration = Duration::from_secs(2);
const UNREAD_BYTES_MAX: usize = 64 << 20;
/// How long to wait when the system has no more connections to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves connections until `ended` is ready, then waits for those that are in the middle of something.
pub(crate) async fn serve(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    routes: Router,
    limits: &Limits,
    ended: impl Future<Output = ()> + Send,
) {
    let connections = Arc::new(Connections::new(limits.connections_max));
    let closing = CancellationToken::new();
    let mut ended = std::pin::pin!(ended);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut ended => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("cannot accept a connection: {error}");
                sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let seat = tokio::select! {
            seat = connections.seat() => seat,
            () = &mut ended => break,
        };
        let connection = Connection { peer, routes: routes.clone(), limits: *limits, seat, closing: closing.clone() };
        let (tls, open) = (tls.clone(), connections.clone());
        tokio::spawn(async move {
            metrics::level(metrics::CONNECTIONS, open.len() as f64);
            connection.run(stream, tls).await;
            metrics::level(metrics::CONNECTIONS, open.len() as f64);
        });
    }
    drop(listener);
    closing.cancel();
    if timeout(limits.shutdown_wait, connections.empty()).await.is_err() {
        tracing::warn!(open = connections.len(), "connections are cut that did not end in time");
    }
}

/// Ends a connection so that its last answer arrives. Closing while the client still sends would take it back: the client would
/// see a reset instead of why it was refused.
async fn part<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let rest = async {
        let (mut buffer, mut left) = (vec![0; 16 << 10], UNREAD_BYTES_MAX);
        while left > 0 {
            match stream.read(&mut buffer).await {
                Ok(0) | Err(_) => return,
                Ok(read) => left = left.saturating_sub(read),
            }
        }
    };
    // A client that goes on for longer does not listen.
    let _ = timeout(PARTING, rest).await;
}

struct Connection {
    peer: SocketAddr,
    routes: Router,
    limits: Limits,
    seat: Seat,
    closing: CancellationToken,
}

impl Connection {
    async fn run(self, stream: TcpStream, tls: Option<TlsAcceptor>) {
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!("cannot set a connection's options: {error}");
        }
        let evicted = self.seat.evicted();
        let served = async {
            let stream = Patient::new(stream, self.limits.chunk_wait);
            match tls {
                None => self.answer(stream).await,
                Some(tls) => match timeout(self.limits.head_wait, tls.accept(stream)).await {
                    Ok(Ok(stream)) => self.answer(stream).await,
                    Ok(Err(error)) => tracing::debug!("a client does not speak TLS: {error}"),
                    Err(_) => tracing::debug!("a client is too slow to begin TLS"),
                },
            }
        };
        tokio::select! {
            () = served => {}
            () = evicted => tracing::debug!("an idle connection makes room"),
        }
    }

    async fn answer<S>(&self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let service = service_fn(move |request: hyper::Request<Incoming>| {
            let busy = self.seat.busy();
            let mut request: Request = request.map(axum::body::Body::new);
            request.extensions_mut().insert(Peer(self.peer));
            let routes = self.routes.clone();
            Box::pin(async move {
                let response = match routes.oneshot(request).await {
                    Ok(response) => response,
                    Err(never) => match never {},
                };
                Ok::<_, Infallible>(response.map(|body| busy.until_sent(body)))
            })
        });
        let mut connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.head_wait)
            .max_headers(HEADERS_MAX)
            .max_buf_size(HEAD_BYTES_MAX)
            .serve_connection(TokioIo::new(stream), service);
        let mut ended = tokio::select! {
            ended = poll_fn(|context| connection.poll_without_shutdown(context)) => Some(ended),
            () = self.closing.cancelled() => None,
        };
        if ended.is_none() {
            Pin::new(&mut connection).graceful_shutdown();
            ended = Some(poll_fn(|context| connection.poll_without_shutdown(context)).await);
        }
        if let Some(Err(error)) = ended {
            tracing::debug!("a connection broke off: {error}");
        }
        tokio::select! {
            () = part(connection.into_parts().io.into_inner()) => {}
            () = self.closing.cancelled() => {}
        }
    }
}
