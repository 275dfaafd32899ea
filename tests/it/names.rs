//! A name is resolved once a dial, every address behind it is judged, and the one that was judged is the one dialled.

use std::{
    fs,
    io::{self, Read as _, Write as _},
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use socket2::{Domain, Type};

use crate::support::{
    Agent, Answer, Appliance, Credential, Origin, Way,
    appliance::Builder,
    names::{Names, Record, Reply, may_mount, wrapper},
    parent::Parent,
    skip,
    wait::until,
};

fn address(text: &str) -> Record {
    Record::Address(text.parse::<IpAddr>().unwrap())
}

fn records(addresses: &[&str]) -> Reply {
    Reply::Records(addresses.iter().map(|it| address(it)).collect())
}

/// An appliance that knows only these names; `None` where that cannot be arranged.
fn knowing(
    test: &str,
    reply: impl Fn(&str, bool, usize) -> Reply + Send + 'static,
    change: impl Fn(Builder) -> Builder,
) -> Option<(Appliance, Names)> {
    let names = may_mount().then(|| Names::start(reply)).flatten();
    let Some(names) = names else {
        skip::note(test, "may neither mount a file nor have port 53");
        return None;
    };
    let wrapper = names.wrapper();
    let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
    let appliance = change(Appliance::builder().without_credentials()).through(&wrapper).start();
    Some((appliance, names))
}

/// An address that swallows what would open a connection to it: its queue is full, and stays so.
struct Swallowing {
    _listener: socket2::Socket,
    _queued: Vec<socket2::Socket>,
}

impl Swallowing {
    fn at(address: SocketAddr) -> Self {
        let stream = || socket2::Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        let listener = stream();
        listener.set_reuse_address(true).unwrap();
        listener.bind(&address.into()).unwrap();
        listener.listen(0).unwrap();
        let queued = (0..4).map(|_| {
            let socket = stream();
            socket.set_nonblocking(true).unwrap();
            drop(socket.connect(&address.into()));
            socket
        });
        let queued = queued.collect();
        let full = std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200));
        assert!(full.is_err_and(|it| it.kind() == io::ErrorKind::TimedOut), "the queue is not full");
        Self { _listener: listener, _queued: queued }
    }
}

/// Answers each request on a connection of its own, at this address; counts them.
fn answering_at(address: SocketAddr) -> Arc<AtomicUsize> {
    let listener = TcpListener::bind(address).unwrap();
    let count = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&count);
    thread::spawn(move || {
        for mut socket in listener.incoming().map_while(Result::ok) {
            counted.fetch_add(1, Ordering::SeqCst);
            let mut head = [0; 4096];
            drop(socket.read(&mut head));
            drop(socket.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok"));
        }
    });
    count
}

/// Two addresses of this machine that no other test uses, with one port: those of others come and go at 127.0.0.1.
fn two(net: &str) -> [SocketAddr; 2] {
    let port = TcpListener::bind(format!("{net}.1:0")).unwrap().local_addr().unwrap().port();
    [1, 2].map(|host| format!("{net}.{host}:{port}").parse().unwrap())
}

#[track_caller]
fn get(appliance: &Appliance, host: &str, port: u16) -> Answer {
    Agent::to(appliance, Way::Absolute, "http", &format!("{host}:{port}")).ask("GET", "/", &[])
}

#[test]
fn every_address_behind_a_name_must_be_allowed() {
    let reply = |name: &str, six: bool, _| match (name, six) {
        ("inside.test", false) => records(&["127.0.0.1"]),
        ("mixed.test", false) => records(&["93.184.215.14", "127.0.0.1"]),
        ("mixed-too.test", false) => records(&["10.0.0.1", "93.184.215.14"]),
        ("alias.test", _) => Reply::Records(vec![Record::Alias("inside.test")]),
        ("chain.test", _) => Reply::Records(vec![Record::Alias("link.test")]),
        ("link.test", _) => Reply::Records(vec![Record::Alias("alias.test")]),
        ("chain-six.test", true) => Reply::Records(vec![Record::Alias("outside-inside.test")]),
        ("outside-inside.test" | "chain-six.test", false) => records(&["93.184.215.14"]),
        ("outside-inside.test", true) => records(&["::1"]),
        ("mapped.test", true) => records(&["::ffff:127.0.0.1"]),
        ("metadata.test", false) => records(&["169.254.169.254"]),
        _ => records(&[]),
    };
    let closed = |it: Builder| it.without("upstream.allow_private");
    let Some((appliance, _names)) = knowing("every_address_behind_a_name_must_be_allowed", reply, closed) else {
        return;
    };
    let origin = Origin::http();
    let mut texts = Vec::new();
    for host in [
        "inside.test",
        "mixed.test",
        "mixed-too.test",
        "alias.test",
        "chain.test",
        "chain-six.test",
        "outside-inside.test",
        "mapped.test",
        "metadata.test",
    ] {
        let refusal = get(&appliance, host, origin.port()).refusal();
        assert_eq!((refusal.status, &*refusal.code), (403, "forbidden"), "{host} {refusal:?}");
        texts.push(refusal.text);
    }
    texts.dedup();
    assert_eq!((texts.len(), origin.connections()), (1, 0));
}

#[test]
fn the_address_that_was_judged_is_the_one_that_is_dialled() {
    // What a rebinding attacker's server says: first an address that is allowed, then one that is not.
    let reply = |name: &str, six: bool, before: usize| match (name, six, before) {
        ("rebound.test", false, 0) => records(&["127.0.0.1"]),
        ("rebound.test", false, _) => records(&["127.0.0.2"]),
        _ => records(&[]),
    };
    let one = |it: Builder| it.set("upstream.allow_private", "[\"127.0.0.1/32\"]");
    let Some((appliance, names)) = knowing("the_address_that_was_judged_is_the_one_that_is_dialled", reply, one) else {
        return;
    };
    // Without keep-alive, so that each request is a dial.
    let origin = Origin::http_with(|visit| {
        visit.request()?;
        visit.write("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
    });
    get(&appliance, "rebound.test", origin.port()).expect_origins(200);
    let lookups = names.asked().iter().filter(|it| *it == "A rebound.test").count();
    assert_eq!(lookups, 1, "{:?}", names.asked());
    // Until the name is asked for again, the first address goes on to be judged.
    until("the other address is judged", || {
        let before = origin.connections();
        let answer = get(&appliance, "rebound.test", origin.port());
        (answer.status() != 200).then(|| {
            answer.expect_refusal(403, "forbidden");
            assert_eq!(origin.connections(), before);
        })
    });
}

#[test]
fn a_name_that_cannot_be_resolved_is_a_bad_gateway() {
    let reply = |name: &str, _, _| match name {
        "nowhere.test" => Reply::Error(3),
        "failing.test" => Reply::Error(2),
        "refusing.test" => Reply::Error(5),
        "silent.test" => Reply::Silence,
        "circle.test" => Reply::Records(vec![Record::Alias("round.test")]),
        "round.test" => Reply::Records(vec![Record::Alias("circle.test")]),
        _ => records(&[]),
    };
    let Some((appliance, _names)) = knowing("a_name_that_cannot_be_resolved_is_a_bad_gateway", reply, |it| it) else {
        return;
    };
    let mut texts = Vec::new();
    for host in ["nowhere.test", "failing.test", "refusing.test", "empty.test", "circle.test", "silent.test"] {
        let begun = Instant::now();
        texts.push(get(&appliance, host, 80).expect_refusal(502, "upstream_error").text);
        assert!(begun.elapsed() < Duration::from_secs(6), "{host} took {:?}", begun.elapsed());
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
}

#[test]
fn a_name_is_asked_for_as_it_stands() {
    let reply = |name: &str, six: bool, _| match (name, six) {
        ("full.test", false) => records(&["127.0.0.1"]),
        _ => Reply::Error(3),
    };
    let Some((appliance, names)) = knowing("a_name_is_asked_for_as_it_stands", reply, |it| it) else { return };
    let origin = Origin::http();
    get(&appliance, "full.test", origin.port()).expect_origins(200);
    get(&appliance, "FULL.test.", origin.port()).expect_origins(200);
    assert!(names.asked().iter().all(|it| it.ends_with(" full.test")), "{:?}", names.asked());
}

#[test]
fn a_parent_proxy_is_the_one_that_is_asked_for_names() {
    let reply = |_: &str, six: bool, _| if six { records(&[]) } else { records(&["127.0.0.1"]) };
    let parent = Parent::open();
    let behind = |it: Builder| it.without("upstream.allow_private").set("upstream.proxy", &parent.setting(""));
    let Some((appliance, names)) = knowing("a_parent_proxy_is_the_one_that_is_asked_for_names", reply, behind) else {
        return;
    };
    let origin = Origin::http();
    get(&appliance, "inside.test", origin.port()).expect_origins(200);
    assert_eq!((names.asked(), parent.connections()), (vec![], 1));
}

#[test]
fn an_address_that_swallows_connections_delays_the_next_by_a_moment() {
    let reply = |name: &str, six: bool, _| match (name, six) {
        ("two.test" | "parent.test", false) => records(&["127.53.60.1", "127.53.60.2"]),
        _ => records(&[]),
    };
    let [dead, alive] = two("127.53.60");
    let port = dead.port();
    let test = "an_address_that_swallows_connections_delays_the_next_by_a_moment";
    let blind =
        |it: Builder| it.set("proxy.tunnel_hosts", "[\"two.test\"]").set("proxy.connect_ports", &format!("[{port}]"));
    let Some((appliance, _names)) = knowing(test, reply, blind) else { return };
    let (swallowing, served) = (Swallowing::at(dead), answering_at(alive));
    get(&appliance, "two.test", port).expect_origins(200);
    let mut agent = Agent::dial(appliance.address());
    agent.connect(&format!("two.test:{port}"), &[]).unwrap();
    agent.send("GET / HTTP/1.1\r\nHost: two.test\r\n\r\n");
    agent.answer("GET").expect_origins(200);
    assert_eq!(served.load(Ordering::SeqCst), 2);
    // The one that worked is tried first from then on, also when the other has come to life.
    drop(swallowing);
    let other = answering_at(dead);
    get(&appliance, "two.test", port).expect_origins(200);
    assert_eq!((served.load(Ordering::SeqCst), other.load(Ordering::SeqCst)), (3, 0));
    let parent = format!("\"http://parent.test:{port}\"");
    drop(other);
    let Some((appliance, _names)) = knowing(test, reply, |it| it.set("upstream.proxy", &parent)) else { return };
    get(&appliance, "anything.test", 80).expect_origins(200);
}

#[test]
fn what_is_written_into_the_hosts_file_and_resolv_conf_counts_seconds_later() {
    let test = "what_is_written_into_the_hosts_file_and_resolv_conf_counts_seconds_later";
    let reply = |name: &str, six: bool, _| match (name, six) {
        ("served.test", false) => records(&["127.53.61.1"]),
        _ => Reply::Error(3),
    };
    let Some(names) = may_mount().then(|| Names::start(reply)).flatten() else {
        return skip::note(test, "may neither mount a file nor have port 53");
    };
    let wrapper = wrapper("", "");
    let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
    let appliance = Appliance::builder().without_credentials().through(&wrapper).start();
    let addresses = two("127.53.61");
    let (port, [first, second]) = (addresses[0].port(), addresses.map(answering_at));
    let comes_to = |host: &str, count: &AtomicUsize| {
        until(host, || {
            let before = count.load(Ordering::SeqCst);
            let answer = get(&appliance, host, port);
            (answer.status() == 200 && count.load(Ordering::SeqCst) > before).then_some(())
        });
    };
    for host in ["listed.test", "served.test"] {
        get(&appliance, host, port).expect_refusal(502, "upstream_error");
    }
    fs::write(
        appliance.home().join("hosts"),
        "127.0.0.1 localhost # other.test\n127.53.61.1\tlisted.test Alias.Test\n",
    )
    .unwrap();
    comes_to("listed.test", &first);
    comes_to("alias.test", &first);
    fs::write(appliance.home().join("hosts"), "127.53.61.2 listed.test\n").unwrap();
    comes_to("listed.test", &second);
    fs::write(appliance.home().join("resolv.conf"), names.resolv_conf()).unwrap();
    comes_to("served.test", &first);
    // The hosts file has the first word.
    fs::write(appliance.home().join("hosts"), "127.53.61.2 served.test\n").unwrap();
    comes_to("served.test", &second);
}

#[test]
fn every_name_that_a_binding_may_have_is_resolved_as_the_system_does() {
    const SEARCHED: &str = "mysvc.myns.svc.cluster.test";
    let reply = |name: &str, six: bool, _| match (name, six) {
        (
            "my_service.test"
            | "1a_2.test"
            | "_x.test"
            | "xn--zz.test"
            | "a--b.test"
            | "whole.test"
            | SEARCHED
            | "single.svc.cluster.test",
            false,
        ) => records(&["127.0.0.1"]),
        // Somebody else's, in a zone that is searched.
        ("whole.test.svc.cluster.test" | "failing.test.svc.cluster.test", false) => records(&["127.0.0.2"]),
        ("failing.test", _) => Reply::Error(2),
        _ => Reply::Error(3),
    };
    let test = "every_name_that_a_binding_may_have_is_resolved_as_the_system_does";
    let Some(names) = may_mount().then(|| Names::start(reply)).flatten() else {
        return skip::note(test, "may neither mount a file nor have port 53");
    };
    // As in a pod of Kubernetes.
    let wrapper = wrapper(&format!("{}search svc.cluster.test\noptions ndots:5\n", names.resolv_conf()), "");
    let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
    let appliance = Appliance::builder().without_credentials().through(&wrapper).start();
    let origin = Origin::http();
    for host in
        ["my_service.test", "1a_2.test", "_x.test", "xn--zz.test", "a--b.test", "mysvc.myns", "single", "whole.test"]
    {
        get(&appliance, host, origin.port()).expect_origins(200);
    }
    for host in ["nowhere.test", "failing.test"] {
        get(&appliance, host, origin.port()).expect_refusal(502, "upstream_error");
    }
    let asked = names.asked();
    assert!(!asked.iter().any(|it| it.contains("whole.test.svc")), "{asked:?}");
    assert!(!asked.iter().any(|it| it.contains("failing.test.svc")), "{asked:?}");
    assert!(asked.iter().any(|it| *it == format!("A {SEARCHED}")), "{asked:?}");
}

#[test]
fn whoever_asks_for_dead_names_takes_no_thread_of_others() {
    let reply = |name: &str, six: bool, _| match (name, six) {
        ("good.test", false) => records(&["127.0.0.1"]),
        ("good.test", true) => records(&[]),
        _ => Reply::Silence,
    };
    let test = "whoever_asks_for_dead_names_takes_no_thread_of_others";
    let Some(names) = may_mount().then(|| Names::start(reply)).flatten() else {
        return skip::note(test, "may neither mount a file nor have port 53");
    };
    let wrapper = wrapper(&names.resolv_conf().replace("timeout:1", "timeout:30"), "");
    let wrapper: Vec<&str> = wrapper.iter().map(String::as_str).collect();
    let appliance = Appliance::builder()
        .server()
        .set("proxy.unmatched", "\"forward\"")
        .credential(Credential::key("k", "of-k", &["localhost:*"]))
        .role("agent", "execute", "")
        .key("hostile", "agent")
        .key("other", "agent")
        .through(&wrapper)
        .start();
    let origin = Origin::http();
    let ask = |key: &str, host: &str| {
        let mut agent = Agent::to(&appliance, Way::Absolute, "http", &format!("{host}:{}", origin.port()));
        let shown = format!("Bearer {}", appliance.key(key));
        let head = agent.head("GET", "/", &[("Proxy-Authorization", &shown)]);
        agent.send(head);
        agent
    };
    let hostile: Vec<Agent> = (0..300).map(|at| ask("hostile", &format!("dead-{at}.test"))).collect();
    until("as many names are asked for as may be", || (names.asked().len() >= 64).then_some(()));
    ask("other", "good.test").answer("GET").expect_origins(200);
    for mut agent in hostile {
        agent.answer("GET").expect_refusal(502, "upstream_error");
    }
}
