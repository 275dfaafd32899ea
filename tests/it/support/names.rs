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
                let first = reply(&name, kind == AAAA, before);
                let follow = |name: &str| reply(name, kind == AAAA, 0);
                if let Some(answer) = answer(&buffer[..length], kind, &first, &follow) {
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

    /// What a process that knows no other name server has in `resolv.conf`.
    pub(crate) fn resolv_conf(&self) -> String {
        format!("nameserver {}\noptions timeout:1 attempts:1\n", self.address.ip())
    }

    /// A [`wrapper`] with this name server and an empty hosts file.
    pub(crate) fn wrapper(&self) -> Vec<String> {
        wrapper(&self.resolv_conf(), "")
    }
}

impl Drop for Names {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
    }
}

/// The program that gives a process these files for `/etc/resolv.conf` and `/etc/hosts`, then becomes that process. Both lie
/// in its working directory, where they may be written anew.
pub(crate) fn wrapper(resolv_conf: &str, hosts: &str) -> Vec<String> {
    let script = format!(
        "printf '{}' > resolv.conf && printf '{}' > hosts && mount --bind resolv.conf /etc/resolv.conf && \
         mount --bind hosts /etc/hosts && exec \"$0\" \"$@\"",
        resolv_conf.replace('\n', "\\n"),
        hosts.replace('\n', "\\n"),
    );
    ["unshare", "--mount", "sh", "-c", &script].map(str::to_owned).into()
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

/// Like a resolver's answer: with what an alias stands for.
fn answer(message: &[u8], kind: u16, reply: &Reply, follow: &dyn Fn(&str) -> Reply) -> Option<Vec<u8>> {
    let (code, records) = match reply {
        Reply::Silence => return None,
        Reply::Error(code) => (*code, &[][..]),
        Reply::Records(records) => (0, &**records),
    };
    let end = 12 + message[12..].iter().position(|b| *b == 0)? + 5;
    // The name in the question.
    let fitting = chain(&[0xc0, 12], records, kind, follow, 8);
    let mut out = message[..2].to_vec();
    out.extend_from_slice(&[0x81, 0x80 | code, 0, 1, 0, u8::try_from(fitting.len()).ok()?, 0, 0, 0, 0]);
    out.extend_from_slice(&message[12..end]);
    for (owner, kind, data) in fitting {
        // Class IN, no time to live.
        out.extend_from_slice(&owner);
        out.extend_from_slice(&kind.to_be_bytes());
        out.extend_from_slice(&[0, 1, 0, 0, 0, 0]);
        out.extend_from_slice(&u16::try_from(data.len()).ok()?.to_be_bytes());
        out.extend_from_slice(&data);
    }
    Some(out)
}

/// The records of a kind and what their aliases lead to, each with its owner.
fn chain(
    owner: &[u8],
    records: &[Record],
    kind: u16,
    follow: &dyn Fn(&str) -> Reply,
    deep: usize,
) -> Vec<(Vec<u8>, u16, Vec<u8>)> {
    let mut all: Vec<_> =
        records.iter().filter_map(|it| data(it, kind)).map(|(kind, data)| (owner.to_vec(), kind, data)).collect();
    for record in records {
        if let (Record::Alias(name), true) = (record, deep > 0)
            && let Reply::Records(next) = follow(name)
        {
            all.extend(chain(&encoded(name), &next, kind, follow, deep - 1));
        }
    }
    all
}

fn encoded(name: &str) -> Vec<u8> {
    let labels = name.split('.').flat_map(|it| [&[u8::try_from(it.len()).unwrap_or(0)], it.as_bytes()].concat());
    labels.chain([0]).collect()
}

fn data(record: &Record, kind: u16) -> Option<(u16, Vec<u8>)> {
    match record {
        Record::Address(IpAddr::V4(it)) => (kind == A).then(|| (A, it.octets().to_vec())),
        Record::Address(IpAddr::V6(it)) => (kind == AAAA).then(|| (AAAA, it.octets().to_vec())),
        Record::Alias(name) => Some((CNAME, encoded(name))),
    }
}
