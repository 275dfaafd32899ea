//! Many callers, many credentials, and origins that do with bodies, answers and connections what they like. Whatever that is,
//! each caller gets its own answers, and what arrives is what was allowed and recorded.

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use crate::{
    sharing::answer,
    support::{Agent, Appliance, Credential, Origin, WAYS, Way, audit_line::AuditLine, visit::Visit, wire::Message},
};

const CALLERS: usize = 20;
const THREADS: usize = 8;
/// In `make test`, and of the test that `make siege` runs.
const FEW: usize = 2_000;
const MANY: usize = 10_000;

const POLICY: &str = "[[policies]]\nname = \"no-deletes\"\ncredential_pattern = \"*\"\ndefault_action = \"allow\"\n\
                      rules = [{ condition = { method_match = [\"DELETE\"] }, action = \"deny\" }]\n";

/// A generator of random numbers (xorshift64*): the same sequence for the same seed.
struct Random(u64);

impl Random {
    fn below(&mut self, most: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % most
    }
}

/// What an origin took for a request: its method and path, and the secret that came with it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Arrival {
    start: String,
    secrets: Vec<String>,
}

#[test]
fn disorderly_origins_mix_nothing_up() {
    disorder(FEW);
}

#[test]
#[ignore = "`make siege` runs it: it takes minutes"]
fn disorderly_origins_mix_nothing_up_in_ten_thousand_requests() {
    disorder(MANY);
}

fn disorder(requests: usize) {
    let names: Vec<String> = (0..CALLERS).map(|at| format!("n{at:02}")).collect();
    let builder = names.iter().fold(Appliance::builder().server().role("all", "execute", ""), |it, name| {
        it.credential(Credential::key(name, &secret(name), &["localhost:*"])).key(name, "all")
    });
    let appliance = builder.sections(POLICY).set("rate_limits.proxy", "0").start();
    let arrivals = Arc::<Mutex<Vec<Arrival>>>::default();
    let origins = [7, 8, 9].map(|seed| origin(seed, Arc::clone(&arrivals)));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (appliance, origins, names) = (&appliance, &origins, &names);
            scope.spawn(move || caller(appliance, origins, names, thread, requests / THREADS));
        }
    });
    let arrivals = std::mem::take(&mut *arrivals.lock().unwrap());
    // Each URL names its caller and its credential, and is asked for once; what may be repeated is, if a connection dies.
    let mut paths: BTreeMap<String, usize> = BTreeMap::new();
    for Arrival { start, secrets } in &arrivals {
        assert!(!start.starts_with("DELETE"), "{start}: a denied request arrived");
        let path = start.split(' ').nth(1).unwrap_or_default().to_owned();
        let alias = path.split('/').nth(2).unwrap_or_default();
        assert_eq!(*secrets, [secret(alias)], "{start}");
        let times = paths.entry(path).or_default();
        *times += 1;
        assert!(*times == 1 || (*times == 2 && !start.starts_with("POST")), "{start} arrived {times} times");
    }
    assert!(arrivals.len() > requests / 2, "only {} of {requests} arrived", arrivals.len());
    appliance.audit("a line of each arrival", |lines| {
        let urls: BTreeSet<_> = lines.iter().map(path_of).collect();
        paths.keys().all(|it| urls.contains(it)).then_some(())
    });
}

fn path_of(line: &AuditLine) -> String {
    line.get("url").splitn(4, '/').nth(3).map(|it| format!("/{it}")).unwrap_or_default()
}

fn secret(alias: &str) -> String {
    format!("sekrit-{alias}-Qv7zR2")
}

/// Asks as random callers with random credentials, and looks at every answer.
fn caller(appliance: &Appliance, origins: &[Origin; 3], names: &[String], thread: usize, requests: usize) {
    let mut random = Random(0x9E37_79B9 + thread as u64);
    let mut agents: BTreeMap<(usize, Way, usize), Agent> = BTreeMap::new();
    let mut outcomes: BTreeMap<u16, usize> = BTreeMap::new();
    for nth in 0..requests {
        let (caller, alias) = (random.below(CALLERS), &names[random.below(CALLERS)]);
        let (way, to) = (WAYS[random.below(3)], random.below(3));
        let key = appliance.key(&names[caller]);
        let mut agent =
            agents.remove(&(caller, way, to)).unwrap_or_else(|| Agent::keyed(appliance, way, &origins[to], key));
        let method = ["GET", "GET", "POST", "PUT", "DELETE", "OPTIONS"][random.below(6)];
        let path = format!("/{}/{alias}/{thread}-{nth}", names[caller]);
        let body = match random.below(5) {
            0 | 1 => String::new(),
            2 => format!("POST /smuggled/{alias}/ HTTP/1.1\r\nHost: h\r\nContent-Length: 400\r\n\r\n"),
            3 => format!("DELETE /smuggled/{alias}/ HTTP/1.1\r\nX-Pad: "),
            _ => "x".repeat(random.below(20_000)),
        };
        let length = body.len().to_string();
        let head = agent.head(method, &path, &[("X-Vultrino-Credential", alias), ("Content-Length", &length)]);
        agent.send(head + &body);
        let Ok(answered) = agent.try_answer(method) else { continue };
        *outcomes.entry(answered.status()).or_default() += 1;
        match answered.status() {
            200 => assert_eq!(answered.text(), format!("{method} {path} of {}", secret(alias))),
            403 => assert_eq!(method, "DELETE"),
            502 => {}
            other => panic!("{method} {path} was answered {other}: {}", answered.text()),
        }
        let closes = answered.values("connection").iter().any(|it| it.eq_ignore_ascii_case("close"));
        if !closes {
            agents.insert((caller, way, to), agent);
        }
    }
    assert!(outcomes.get(&200).is_some_and(|it| *it > requests / 3), "{outcomes:?}");
}

/// Does at random what origins do: reads the body, or not; answers early, late, twice or not at all; ends its side.
fn origin(seed: u64, arrivals: Arc<Mutex<Vec<Arrival>>>) -> Origin {
    let visits = AtomicU64::new(seed << 32);
    Origin::https_with(move |visit| {
        let mut random = Random(visits.fetch_add(0x1_0001, Ordering::Relaxed).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        while let Some(head) = visit.head()? {
            let authorizations = head.values("authorization");
            let secrets: Vec<_> = authorizations.iter().map(|it| it.trim_start_matches("Bearer ").to_owned()).collect();
            let start = head.start.trim_end_matches(" HTTP/1.1").to_owned();
            let text = format!("{start} of {}", secrets.join(" and "));
            arrivals.lock().unwrap().push(Arrival { start, secrets });
            let closes = head.values("connection").iter().any(|it| it.eq_ignore_ascii_case("close"));
            match random.below(12) {
                // It leaves the body unread.
                0..=2 => answer(visit, &text)?,
                // It answers before it reads.
                3 => {
                    answer(visit, &text)?;
                    body(visit, &head)?;
                }
                // Another answer follows, at once or later.
                4 => {
                    body(visit, &head)?;
                    let poison = "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison";
                    visit.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}{poison}", text.len()))?;
                }
                5 => {
                    body(visit, &head)?;
                    thread::sleep(Duration::from_millis(5));
                    answer(visit, &text)?;
                }
                // It ends its side behind the answer, or without one.
                6 => {
                    body(visit, &head)?;
                    answer(visit, &text)?;
                    visit.close();
                }
                7 if random.below(3) == 0 => return Ok(()),
                _ => {
                    body(visit, &head)?;
                    answer(visit, &text)?;
                }
            }
            if closes {
                visit.close();
                return Ok(());
            }
        }
        Ok(())
    })
}

/// Reads the body that this head declares.
fn body(visit: &mut Visit, head: &Message) -> io::Result<()> {
    let length = head.values("content-length").first().map_or(0, |it| it.parse().unwrap());
    while visit.unread.len() < length {
        visit.more()?;
    }
    visit.unread.drain(..length);
    Ok(())
}
