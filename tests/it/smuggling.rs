//! Payloads that parsers disagree about, fired in each way: nothing that RFC 9112 forbids arrives, nothing arrives twice.

use std::collections::BTreeMap;

use crate::{
    payloads::{Expect, Payload, forms, in_each_way},
    support::{
        Agent, Appliance, Credential, Origin, Way,
        agent::NAMED,
        appliance::{ALIAS, KEY},
        origin::{Rest, judge},
    },
};

/// One appliance and its two origins, and how often each marked request may arrive.
struct Range {
    appliance: Appliance,
    tls: Origin,
    plain: Origin,
    allowed: BTreeMap<String, usize>,
    /// Marks that must have arrived as often as they may.
    served: Vec<String>,
    /// What went otherwise than a strict proxy would do it.
    wrong: Vec<String>,
}

impl Range {
    fn new() -> Self {
        let key = Credential::key(ALIAS, KEY, &["localhost:*", "http://localhost:*"]);
        let appliance = Appliance::builder().credential(key).start();
        let (tls, plain) = (Origin::https(), Origin::http());
        Self { appliance, tls, plain, allowed: BTreeMap::new(), served: Vec::new(), wrong: Vec::new() }
    }

    /// Fires one payload, judges what comes back, and has another client served afterwards.
    fn fire(&mut self, way: Way, at: usize, payload: &Payload, expect: Expect) {
        let mark = format!("p{at}-{way:?}");
        let most = if let Expect::Served(count) = expect { count } else { 0 };
        self.allowed.insert(mark.clone(), most);
        if matches!(expect, Expect::Served(_)) {
            self.served.push(mark.clone());
        }
        let mut agent = Agent::via(&self.appliance, way, &self.tls);
        let raw = self.spell(&payload.raw, &agent, &format!("/{mark}"));
        // A proxy may answer and stop listening before all is sent.
        drop(agent.try_send(&raw));
        if let Err(why) = outcome(&mut agent, expect).and_then(|()| self.in_step(&mut agent, expect, &mark)) {
            self.wrong.push(format!("{way:?} {:?}: expected {expect:?}, {why}", payload.title));
        }
        agent.break_off();
        let next = format!("next-{at}-{way:?}");
        let mut other = Agent::via(&self.appliance, way, &self.tls);
        let answer = other.get(&format!("/{next}"));
        if answer.status() != 200 {
            self.wrong.push(format!("{way:?} {:?}: the next client gets {}", payload.title, answer.start));
        }
        self.allowed.insert(next.clone(), 1);
        self.served.push(next);
    }

    /// After a refusal a connection either ends or serves the next request as if nothing had been.
    fn in_step(&mut self, agent: &mut Agent, expect: Expect, mark: &str) -> Result<(), String> {
        if !matches!(expect, Expect::Refused(_)) {
            return Ok(());
        }
        let mark = format!("after-{mark}");
        self.allowed.insert(mark.clone(), 1);
        let head = agent.head("GET", &format!("/{mark}"), &[NAMED]);
        match agent.try_send(head).and_then(|()| agent.try_answer("GET")) {
            Ok(answer) if answer.status() != 200 => Err(format!("out of step: {answer:?}")),
            Ok(_) => Ok(()),
            Err(_) if agent.is_closed() => Ok(()),
            Err(error) => Err(format!("neither closed nor in step: {error}")),
        }
    }

    fn spell(&self, raw: &[u8], agent: &Agent, mark: &str) -> Vec<u8> {
        let replacements = [
            ("{t}", agent.target(mark)),
            ("{m}", mark.to_owned()),
            ("{h}", agent.host()),
            ("{c}", format!("X-Vultrino-Credential: {ALIAS}\r\n")),
            ("{a}", self.tls.authority()),
            ("{A}", self.tls.authority().to_uppercase()),
            ("{b}", self.plain.authority()),
            ("{p}", self.appliance.address().to_string()),
        ];
        let text: String = raw.iter().map(|b| char::from(*b)).collect();
        let text = replacements.iter().fold(text, |text, (name, value)| text.replace(name, value));
        text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
    }

    /// Judges everything that arrived, once nothing more can.
    fn verdict(self) {
        let Self { mut appliance, tls, plain, mut allowed, served, mut wrong } = self;
        appliance.kill();
        for seen in tls.closed().iter().chain(&plain.closed()) {
            let (requests, rest) = judge(&seen.bytes);
            if let Rest::Dirty(why) = rest {
                wrong.push(format!("DIRTY {why}: {:?}", String::from_utf8_lossy(&seen.bytes)));
            }
            for request in requests {
                request.assert_nothing_of_ours();
                let mark = request.target().trim_start_matches('/').split(['/', '?']).next().unwrap_or_default();
                // `OPTIONS *` has no place for a mark.
                let left = if mark == "*" { &mut 1 } else { allowed.entry(mark.to_owned()).or_default() };
                match left.checked_sub(1) {
                    Some(fewer) => *left = fewer,
                    None => wrong.push(format!("EXTRA: {:?} arrived once too often", request.start)),
                }
                if request.values("authorization") != [format!("Bearer {KEY}")] {
                    wrong.push(format!("not injected once: {request:?}"));
                }
            }
        }
        let missing = served.iter().filter(|mark| allowed[*mark] > 0).map(|mark| format!("LOST: {mark}"));
        wrong.extend(missing);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

/// Compares what came back with what was expected.
fn outcome(agent: &mut Agent, expect: Expect) -> Result<(), String> {
    let answer = |agent: &mut Agent| agent.try_answer("GET").map_err(|error| format!("got {error}"));
    let closed =
        |agent: &mut Agent| if agent.is_closed() { Ok(()) } else { Err("the connection stays open".to_owned()) };
    match expect {
        Expect::Refused(status) | Expect::Broken(status) => {
            let answer = answer(agent)?;
            if answer.status() != status {
                return Err(format!("got {:?} {}", answer.start, answer.text()));
            }
            answer.refusal();
            if expect == Expect::Broken(status) { closed(agent) } else { Ok(()) }
        }
        Expect::Unmarked => outcome(agent, Expect::Served(1)),
        Expect::Served(count) => (0..count).try_for_each(|_| match answer(agent)? {
            it if it.status() == 200 && it.text() == "ok" => Ok(()),
            it => Err(format!("got {:?} {}", it.start, it.text())),
        }),
        Expect::Aborted => match agent.try_answer("POST") {
            Ok(answer) if answer.status() == 200 => Err(format!("got {:?}", answer.start)),
            Ok(answer) => {
                answer.refusal();
                closed(agent)
            }
            Err(_) => closed(agent),
        },
        Expect::Unfinished => Ok(()),
    }
}

fn fire_everything(way: Way) {
    let mut range = Range::new();
    for (at, payload) in in_each_way().iter().enumerate() {
        let expect = match payload.title {
            "OPTIONS *" if way == Way::Tunnel => Expect::Unmarked,
            _ => payload.expect,
        };
        range.fire(way, at, payload, expect);
    }
    range.verdict();
}

#[test]
fn payloads_in_path_style_do_not_get_through() {
    fire_everything(Way::Path);
}

#[test]
fn payloads_in_absolute_form_do_not_get_through() {
    fire_everything(Way::Absolute);
}

#[test]
fn payloads_in_a_tunnel_do_not_get_through() {
    fire_everything(Way::Tunnel);
}

#[test]
fn forms_of_targets_do_not_get_through_the_listener() {
    let mut range = Range::new();
    for (at, payload) in forms().iter().enumerate() {
        range.fire(Way::Path, at, payload, payload.expect);
    }
    range.verdict();
}

#[test]
fn forms_of_targets_do_not_get_through_a_tunnel() {
    let mut range = Range::new();
    for (at, payload) in forms().iter().enumerate() {
        let expect = match payload.title {
            title if title.starts_with("CONNECT") => Expect::Refused(405),
            "path-style utf8" | "path-style tab" => Expect::Broken(400),
            title if title.starts_with("abs-form https") => Expect::Served(1),
            _ => Expect::Refused(421),
        };
        range.fire(Way::Tunnel, at, payload, expect);
    }
    let plain = range.plain.connections();
    range.verdict();
    assert_eq!(plain, 0, "a tunnel led elsewhere");
}
