//! Messages as lines of two streams, as programs speak over standard input and output. Each stream has a thread, so that
//! nobody waits for the other side but who has to.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    thread::{self, JoinHandle},
};

use rmcp::model::ClientJsonRpcMessage;
use tokio::sync::mpsc::{Receiver, Sender, WeakSender, channel};
use zeroize::Zeroizing;

use crate::mcp::message::{self, LONGEST, Malformed};

/// Lines that wait on either side.
const WAITING: usize = 16;

/// A message, and the line that says it. It may hold a secret, so it is wiped.
#[derive(Debug)]
pub struct Line {
    /// Without its end.
    pub text: Zeroizing<Vec<u8>>,
    /// The same, read.
    pub message: ClientJsonRpcMessage,
}

/// Where answers go: one line each, written whole.
pub type Out = Sender<Vec<u8>>;

/// Writes all that is sent; ends when nobody is left who could send.
///
/// # Errors
/// There is no thread to be had.
pub fn write(mut output: impl Write + Send + 'static) -> io::Result<(Out, JoinHandle<()>)> {
    let (out, mut lines) = channel::<Vec<u8>>(WAITING);
    let work = move || {
        while let Some(mut line) = lines.blocking_recv() {
            line.push(b'\n');
            // Nobody reads any more: then nobody writes, either.
            if output.write_all(&line).and_then(|()| output.flush()).is_err() {
                return;
            }
        }
    };
    Ok((out, thread::Builder::new().name("vultrino-mcp-out".into()).spawn(work)?))
}

/// Reads to the end. What is no message is answered at once, and the next line is read. It keeps nobody from ending who
/// writes.
///
/// # Errors
/// There is no thread to be had.
pub fn read(input: impl Read + Send + 'static, out: WeakSender<Vec<u8>>) -> io::Result<Receiver<Line>> {
    let (send, messages) = channel(WAITING);
    let work = move || {
        let mut input = BufReader::new(input);
        while let Some(line) = next(&mut input) {
            let read = line.and_then(|text| message::read(&text).map(|message| Line { text, message }));
            let sent = match read {
                Ok(line) => send.blocking_send(line).is_ok(),
                Err(malformed) => out.upgrade().is_some_and(|out| out.blocking_send(malformed.answer()).is_ok()),
            };
            if !sent {
                return;
            }
        }
    };
    drop(thread::Builder::new().name("vultrino-mcp-in".into()).spawn(work)?);
    Ok(messages)
}

/// The next line that is not blank, if there is one. Of one that is too long nothing is kept.
fn next(input: &mut impl BufRead) -> Option<Result<Zeroizing<Vec<u8>>, Malformed>> {
    let mut line = Zeroizing::new(Vec::new());
    loop {
        let most = LONGEST as u64 + 2;
        input.by_ref().take(most).read_until(b'\n', &mut line).ok().filter(|it| *it > 0)?;
        let ended = line.last() == Some(&b'\n');
        let text = line.trim_ascii().len();
        if text > LONGEST || (!ended && line.len() > LONGEST) {
            return if ended || skip(input) { Some(Err(Malformed::longer())) } else { None };
        }
        if text > 0 {
            let end = line.trim_ascii_end().len();
            line.truncate(end);
            return Some(Ok(line));
        }
        line.clear();
    }
}

/// Reads on behind the end of this line; whether there is one.
fn skip(input: &mut impl BufRead) -> bool {
    loop {
        let Ok(bytes) = input.fill_buf() else { return false };
        if bytes.is_empty() {
            return true;
        }
        let end = memchr::memchr(b'\n', bytes);
        let length = end.map_or(bytes.len(), |it| it + 1);
        input.consume(length);
        if end.is_some() {
            return true;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use crate::mcp::{lines::next, message::LONGEST};

    #[test]
    fn a_line_that_is_too_long_is_left_out_and_the_next_one_read() {
        let long = "x".repeat(LONGEST + 1);
        let fits = "y".repeat(LONGEST);
        let text = format!("\n \r\na\r\n{long}\n{fits}\n{long}{long}\nlast");
        let mut input = Cursor::new(text);
        let mut read = || next(&mut input).map(|it| it.map(|it| it.trim_ascii().to_vec()).ok());
        assert_eq!(read(), Some(Some(b"a".to_vec())));
        assert_eq!(read(), Some(None));
        assert_eq!(read(), Some(Some(fits.into_bytes())));
        assert_eq!(read(), Some(None));
        assert_eq!(read(), Some(Some(b"last".to_vec())));
        assert_eq!(read(), None);
    }
}
