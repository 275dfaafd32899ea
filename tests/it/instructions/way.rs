//! The ways that a request can take, and a client that sends so many requests in one of them.

use crate::support::{
    Agent, Appliance, Http2Origin, Origin, Way as Form, agent::Shown, appliance::Builder, http2_client,
    origin::answer_each, swarm::Swarm,
};

/// What a request goes through.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// Path style, to an origin over TLS.
    Path,
    /// Absolute form, to an origin in plaintext.
    Absolute,
    /// A request in an intercepted tunnel.
    Intercepted,
    /// The same, over HTTP/2 on both sides.
    Http2,
    /// A tunnel, its handshake, and one request.
    Fresh,
    /// A tunnel that nobody looks into, and one request.
    Blind,
}

/// All of them.
pub(crate) const ALL: [Way; 6] = [Way::Path, Way::Absolute, Way::Intercepted, Way::Http2, Way::Fresh, Way::Blind];

/// Requests of each way that are sent before those that count: what is done once is done then.
const FIRST: usize = 20;

impl Way {
    /// Its name in the file of figures.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Path => "path_style",
            Self::Absolute => "absolute_form_to_plain_origin",
            Self::Intercepted => "intercepted",
            Self::Http2 => "intercepted_http2",
            Self::Fresh => "intercepted_new_connection",
            Self::Blind => "blind_new_connection",
        }
    }

    /// Requests that count.
    pub(crate) fn count(self) -> usize {
        match self {
            Self::Fresh => 200,
            Self::Blind => 500,
            _ => 2000,
        }
    }
}

/// The origins that requests are for.
pub(crate) struct Origins {
    tls: Origin,
    plain: Origin,
    http2: Http2Origin,
}

impl Origins {
    pub(crate) fn new() -> Self {
        Self { tls: Origin::https(), plain: Origin::http_with(answer_each), http2: Http2Origin::start() }
    }

    /// What the proxy must know of them.
    pub(crate) fn settings(&self, builder: Builder) -> Builder {
        builder.reaching(&self.plain).set("proxy.tunnel_hosts", "[\"127.0.0.1\"]")
    }

    /// Sends requests in every way, and then those of `way` that count.
    pub(crate) fn ask(&self, appliance: &Appliance, way: Option<Way>) {
        let key = appliance.key("guard");
        for it in ALL {
            self.send(appliance, key, it, FIRST + if way == Some(it) { it.count() } else { 0 });
        }
    }

    fn send(&self, appliance: &Appliance, key: &str, way: Way, count: usize) {
        let agent = |form, origin| Agent::showing(appliance, form, origin, Shown::Bearer(key)).unwrap();
        let ask = |mut agent: Agent, count: usize| {
            for _ in 0..count {
                assert_eq!(agent.get("/user").status(), 200);
            }
            agent.close();
        };
        match way {
            Way::Path => ask(agent(Form::Path, &self.tls), count),
            Way::Absolute => ask(agent(Form::Absolute, &self.plain), count),
            Way::Intercepted => ask(agent(Form::Tunnel, &self.tls), count),
            Way::Http2 => {
                let swarm = Swarm::of_http2(appliance, Some(key));
                let authority = self.http2.authority();
                let mut client = http2_client::Http2Client::built(&swarm, &authority, &h2::client::Builder::new());
                for _ in 0..count {
                    assert_eq!(client.get("/user").status(), 200);
                }
            }
            Way::Fresh => (0..count).for_each(|_| ask(agent(Form::Tunnel, &self.tls), 1)),
            Way::Blind => {
                let authority = format!("127.0.0.1:{}", self.plain.port());
                let bearer = format!("Bearer {key}");
                for _ in 0..count {
                    let mut tunnel = Agent::dial(appliance.address());
                    tunnel.connect(&authority, &[("Proxy-Authorization", &bearer)]).unwrap();
                    tunnel.send(format!("GET /user HTTP/1.1\r\nHost: {authority}\r\n\r\n"));
                    assert_eq!(tunnel.answer("GET").status(), 200);
                    tunnel.end_input();
                    assert!(tunnel.is_closed());
                }
            }
        }
    }
}
