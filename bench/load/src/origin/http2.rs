//! The origin's HTTP/2: one fixed answer to each request.

use bytes::Bytes;
use h2::RecvStream;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::answer::BODY;
use crate::origin::Desk;
use crate::verdict::Verdict;

/// Answers until the client goes.
pub(crate) async fn serve<S>(desk: &Desk, io: S) -> Result<(), h2::Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut connection = h2::server::handshake(io).await?;
    while let Some(stream) = connection.accept().await {
        let (request, mut respond) = stream?;
        let fields = request.headers().iter().map(|(name, value)| (name.as_str().as_bytes(), value.as_bytes()));
        let mut head = http::Response::new(());
        if desk.admits(Verdict::of_fields(fields, desk.authorization.as_bytes())) {
            head.headers_mut().insert("content-type", http::HeaderValue::from_static("application/json"));
            head.headers_mut().insert("content-length", BODY.len().into());
            respond.send_response(head, false)?.send_data(Bytes::from_static(&BODY), true)?;
        } else {
            *head.status_mut() = http::StatusCode::UNAUTHORIZED;
            respond.send_response(head, true)?;
        }
        let body = request.into_body();
        if !body.is_end_stream() {
            // The connection is read by the loop above. A body that breaks off shows at the client.
            tokio::spawn(async move { drop(forget(body).await) });
        }
    }
    Ok(())
}

async fn forget(mut body: RecvStream) -> Result<(), h2::Error> {
    while let Some(data) = body.data().await {
        body.flow_control().release_capacity(data?.len())?;
    }
    Ok(())
}
