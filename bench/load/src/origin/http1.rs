//! The origin's HTTP/1.1: `GET /x`, `GET /down`, `POST /post` and `POST /up`.

use std::io;

use memchr::memmem;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::origin::Desk;
use crate::verdict::Verdict;
use crate::{answer, bulk};

/// Longer than any head here.
const HEAD: usize = 4096;

/// Answers until the client goes.
pub(crate) async fn serve<S>(desk: &Desk, mut io: S) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (good, unauthorized) = (answer::good(), answer::unauthorized());
    let mut buffer = vec![0; HEAD];
    let mut filled = 0;
    loop {
        let Some(end) = memmem::find(&buffer[..filled], b"\r\n\r\n").map(|at| at + 4) else {
            match io.read(&mut buffer[filled..]).await? {
                // The client is gone, or its head is longer than any head here.
                0 => return Ok(()),
                got => filled += got,
            }
            continue;
        };
        let (head, rest) = buffer[..filled].split_at(end);
        let admitted = desk.admits(Verdict::of(head, desk.authorization.as_bytes()));
        if admitted && head.starts_with(b"POST /up ") {
            let rest = rest.to_vec();
            buffer.resize(1 << 18, 0);
            if !bulk::is_next(&mut io, &rest, desk.bulk, &mut buffer).await? {
                io.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").await?;
                return io.shutdown().await;
            }
            io.write_all(&good).await?;
            filled = 0;
        } else {
            let end = end + if head.starts_with(b"POST /post ") { bulk::SMALL.len() } else { 0 };
            let is_download = admitted && head.starts_with(b"GET /down ");
            while filled < end {
                match io.read(&mut buffer[filled..]).await? {
                    0 => return Ok(()),
                    got => filled += got,
                }
            }
            if is_download {
                io.write_all(&answer::bulk(desk.bulk)).await?;
                bulk::write(&mut io, desk.bulk).await?;
            } else {
                io.write_all(if admitted { &good } else { &unauthorized }).await?;
            }
            buffer.copy_within(end..filled, 0);
            filled -= end;
        }
        io.flush().await?;
    }
}
