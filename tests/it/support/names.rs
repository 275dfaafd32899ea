//! A name server of our own, and a server process that knows no other.

use std::{
    net::{IpAddr, SocketAddr, UdpSocket},
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    thread,
    time::Duration,
};

/// What is answered to one question.
#[derive(Clone, Debug)]
pub(crate) enum Record {
    Address(IpAddr),
    Alias(&'static str),
}

/// How a question is answered: with records (perhaps none), with an error code, or not at all.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    Records(Vec<Record>),
    Error(u8),
    Silence,
}

/// Answers questions on port 53 of a loopback address of its own.
pub(crate) struct Names {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    stop: Arc<AtomicBool>,
}

impl Names {
    /// Starts one; `reply` gets the name in lower case, whether an IPv6 address is asked for, and how many questions for
    /// this kind of address came before. `None` where port 53 may not be had.
    pub(crate) fn start(reply: impl Fn(&str, bool, usize) -> Reply + Send + 'static) -> Option<Self> {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let address = SocketAddr::from(([127, 53, 53, NEXT.fetch_add(1, Ordering::SeqCst)], 53));
        let socket = UdpSocket::bind(address).ok()?;
        socket.set_read_timeout(Some(Duration::from_millis(50))).ok()?;
        let (asked, stop) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<AtomicBool>::default());
        let names = Self { address, asked: asked.clone(), stop: stop.clone() };
        thread::spawn(move || {
            let mut buffer = [0; 1500];
            while !stop.load(Ordering::SeqCst) {
                let Ok((length, peer)) = socket.recv_from(&mut buffer) else { continue };
                let Some((name, kind)) = question(&buffer[..length]) else { continue };
                let mut asked = asked.lock().unwrap();
                let text = format!("{} {name}", if kind == AAAA { "AAAA" } else { "A" });
                let before = asked.iter().filter(|it| **it == text).count();
                asked.push(text);
                drop(asked);
                if let Some(answer) = answer(&buffer[..length], kind, &reply(&name, kind == AAAA, before)) {
                    // Whoever asked may be gone.
                    drop(socket.send_to(&answer, peer));
                }
            }
        });
        Some(names)
    }

    /// Questions so far, as `A name` and `AAAA name`.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }

    /// The program that makes a process know no other name server, then becomes that process.
    pub(crate) fn wrapper(&self) -> Vec<String> {
        let script = format!(
            "printf 'nameserver {}\\noptions timeout:1 attempts:1\\n' > resolv.conf && : > hosts && \
             mount --bind resolv.conf /etc/resolv.conf && mount --bind hosts /etc/hosts && exec \"$0\" \"$@\"",
            self.address.ip()
        );
        ["unshare", "--mount", "sh", "-c", &script].map(str::to_owned).into()
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// Whether a process may be given mounts of its own.
pub(crate) fn may_mount() -> bool {
    let probe = "mount -t tmpfs -o size=4k tmpfs /mnt";
    Command::new("unshare").args(["--mount", "sh", "-c", probe]).output().is_ok_and(|it| it.status.success())
}

const A: u16 = 1;
const CNAME: u16 = 5;
const AAAA: u16 = 28;

/// The name and kind of the one question in a message (RFC 1035 section 4.1.2).
fn question(message: &[u8]) -> Option<(String, u16)> {
    let mut at = 12;
    let mut labels = Vec::new();
    loop {
        let length = usize::from(*message.get(at)?);
        at += 1;
        if length == 0 {
            break;
        }
        labels.push(String::from_utf8_lossy(message.get(at..at + length)?).to_lowercase());
        at += length;
    }
    let kind = message.get(at..at + 2)?;
    Some((labels.join("."), u16::from_be_bytes([kind[0], kind[1]])))
}

fn answer(message: &[u8], kind: u16, reply: &Reply) -> Option<Vec<u8>> {
    let (code, records) = match reply {
        Reply::Silence => return None,
        Reply::Error(code) => (*code, &[][..]),
        Reply::Records(records) => (0, &**records),
    };
    let end = 12 + message[12..].iter().position(|b| *b == 0)? + 5;
    let fitting: Vec<(u16, Vec<u8>)> = records.iter().filter_map(|it| data(it, kind)).collect();
    let mut out = message[..2].to_vec();
    out.extend_from_slice(&[0x81, 0x80 | code, 0, 1, 0, u8::try_from(fitting.len()).ok()?, 0, 0, 0, 0]);
    out.extend_from_slice(&message[12..end]);
    for (kind, data) in fitting {
        // The name as in the question, class IN, no time to live.
        out.extend_from_slice(&[0xc0, 12]);
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&[0, 1, 0, 0, 0, 0]);
        out.extend_from_slice(&u16::try_from(data.len()).ok()?.to_be_bytes());
        out.extend_from_slice(&data);
    }
    Some(out)
}

fn data(record: &Record, kind: u16) -> Option<(u16, Vec<u8>)> {
    match record {
        Record::Address(IpAddr::V4(it)) => (kind == A).then(|| (A, it.octets().to_vec())),
        Record::Address(IpAddr::V6(it)) => (kind == AAAA).then(|| (AAAA, it.octets().to_vec())),
        Record::Alias(name) => {
            let labels =
                name.split('.').flat_map(|it| [&[u8::try_from(it.len()).unwrap_or(0)], it.as_bytes()].concat());
            Some((CNAME, labels.chain([0]).collect()))
        }
    }
}
