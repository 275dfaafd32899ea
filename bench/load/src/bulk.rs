//! What downloads and uploads consist of: the same block again and again, so that each byte can be compared on arrival.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// Without a pattern that compression or a mistake in order would not change.
static BLOCK: [u8; 1 << 16] = noise();

/// The body of a small POST.
pub(crate) const SMALL: [u8; 1024] = [b'x'; 1024];

/// Writes a body of `length` bytes.
pub(crate) async fn write<S: AsyncWrite + Unpin>(io: &mut S, length: u64) -> io::Result<()> {
    let mut left = length;
    while left > 0 {
        let size = usize::try_from(left).map_or(BLOCK.len(), |it| it.min(BLOCK.len()));
        io.write_all(&BLOCK[..size]).await?;
        left -= size as u64;
    }
    Ok(())
}

/// Reads a body of `length` bytes, of which `read` have come already. False at the first byte that is another.
pub(crate) async fn is_next<S>(io: &mut S, read: &[u8], length: u64, buffer: &mut [u8]) -> io::Result<bool>
where
    S: AsyncRead + Unpin,
{
    let mut seen = read.len() as u64;
    let mut good = seen <= length && agrees(0, read);
    while good && seen < length {
        let most = usize::try_from(length - seen).map_or(buffer.len(), |it| it.min(buffer.len()));
        let got = io.read(&mut buffer[..most]).await?;
        if got == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        good = agrees(seen, &buffer[..got]);
        seen += got as u64;
    }
    Ok(good)
}

/// Whether a body has these bytes from `at` on.
fn agrees(at: u64, mut bytes: &[u8]) -> bool {
    let mut start = usize::try_from(at % BLOCK.len() as u64).unwrap_or(0);
    while !bytes.is_empty() {
        let (now, later) = bytes.split_at(bytes.len().min(BLOCK.len() - start));
        if now != &BLOCK[start..start + now.len()] {
            return false;
        }
        (bytes, start) = (later, 0);
    }
    true
}

/// Xorshift, from a seed without meaning.
const fn noise<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let mut state: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut at = 0;
    while at < N {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        [bytes[at], ..] = state.to_le_bytes();
        at += 1;
    }
    bytes
}

#[cfg(test)]
mod tests {
    use tokio::runtime::Builder;

    use crate::bulk::{BLOCK, agrees, is_next, write};

    #[test]
    fn a_body_is_compared_wherever_it_is_cut() {
        let body: Vec<u8> = BLOCK.iter().chain(&BLOCK[..100]).copied().collect();
        for cut in [0, 1, BLOCK.len() - 1, BLOCK.len(), body.len()] {
            assert!(agrees(0, &body[..cut]) && agrees(cut as u64, &body[cut..]), "{cut}");
        }
        let mut changed = body.clone();
        changed[BLOCK.len() + 7] ^= 1;
        assert!(!agrees(0, &changed) && !agrees(0, &body[1..]));
    }

    #[test]
    fn what_is_written_is_read_as_right_and_what_is_cut_off_is_not() {
        let length = 3 * BLOCK.len() as u64 + 5;
        let mut buffer = vec![0; 999];
        Builder::new_current_thread().build().unwrap().block_on(async {
            let mut written = Vec::new();
            write(&mut written, length).await.unwrap();
            assert_eq!(written.len() as u64, length);
            assert!(is_next(&mut &written[10..], &written[..10], length, &mut buffer).await.unwrap());
            assert!(is_next(&mut &written[10..99], &written[..10], length, &mut buffer).await.is_err());
            assert!(!is_next(&mut &written[11..], &written[..10], length, &mut buffer).await.unwrap());
        });
    }
}
