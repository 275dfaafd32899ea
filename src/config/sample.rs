//! The commented file that `init` writes.

use std::path::Path;

use crate::config::{Environment, places};

/// The text of a configuration file whose store is `store`; everything else is at its default.
pub fn sample(store: &Path, environment: &Environment) -> String {
    let folder = store.parent().unwrap_or(store);
    let shown = |path: &Path| toml::Value::String(shorten(path, environment.home.as_deref())).to_string();
    TEMPLATE.replace("STORE", &shown(store)).replace("AUDIT", &shown(&folder.join(places::AUDIT_LOG)))
}

/// With `~` for the home folder, as people write it.
fn shorten(path: &Path, home: Option<&Path>) -> String {
    match home.and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) => Path::new("~").join(rest).to_string_lossy().into_owned(),
        None => path.to_string_lossy().into_owned(),
    }
}

const TEMPLATE: &str = r#"# Vultrino Configuration

[server]
bind = "127.0.0.1:7878"         # where the proxy listens
mode = "local"                  # loopback only, nobody needs a key; "server" asks every caller for one
# local_auth = "none"           # "key": local callers need a key, too
# socket = ""                   # a unix socket to listen on as well, e.g. "/run/vultrino/proxy.sock"
# timeout = 30                  # seconds until the upstream's answer begins, and of silence in a body
# stream_idle_timeout = 3600    # seconds of silence in an answer that streams: events, gRPC, no Content-Length
# max_body_size = 10485760      # bytes of a request's body; 0 = unlimited
# allowed_hosts = []            # other names by which clients may call this listener

[storage]
backend = "file"

[storage.file]
path = STORE
# kdf_memory_kib = 65536        # what guessing the password costs: memory
# kdf_iterations = 3            # and passes over it

[logging]
level = "info"                  # error, warn, info, debug, trace
format = "auto"                 # text, json, journal; auto: journal under systemd, else text
# audit_file = AUDIT

[mcp]
enabled = true
transport = "stdio"

# [upstream]
# allow_private = []            # private networks that may be reached, e.g. ["10.1.2.0/24"]
# ca_file = ""                  # PEM certificates trusted besides the system's
# connect_timeout = 10          # seconds for name, connection and TLS
# proxy = ""                    # a proxy that leads out, e.g. "http://user:password@proxy.example.com:3128"
# no_proxy = []                 # hosts that are reached without it, e.g. ["*.corp.example", "10.0.0.0/8"]
# reuse = "bodyless"            # "after-body": reuse HTTP/1 connections after requests with a body, too

# [proxy]
# unmatched = "forward"         # requests without a credential: "forward" or "deny", the default of server mode
# intercept = "all"             # which tunnels are looked into: "all", "bound" (where a credential is), "off"
# tunnel_hosts = []             # hosts whose tunnels never are, e.g. ["*.pinned.example"]
# connect_ports = [80, 443]     # ports that CONNECT may name
# inject_headers = {}           # headers that every request upstream gets

# [limits]                      # what clients may take at once, and how slow they may be
# connections = 16000           # of clients, at once
# connections_per_client = 12000    # of one address; without it three quarters of all
# requests = 2048               # open at once
# requests_per_client = 1536    # of one key, or address without a key
# streams = 100                 # HTTP/2 streams of a connection
# header_bytes = 65536          # of a request; less is possible
# answer_header_bytes = 262144  # of an answer
# header_timeout = 10           # seconds from the first byte of a head to its last
# handshake_timeout = 10        # seconds for TLS, after CONNECT
# idle_timeout = 75             # seconds between two requests
# tunnel_idle_timeout = 3600    # seconds of silence in blind tunnels and WebSockets

# [policy]                      # what credentials may be used for, besides [[policies]] in this file
# include = []                  # files of policies, e.g. ["policies/*.toml"]

# [rate_limits]                 # a minute; 0 = none
# proxy = 0                     # requests of a key; 1000 in server mode
# management = 100              # requests of a key to the API
# auth_failures = 10            # wrong keys from an address
"#;

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use crate::config::{
        Environment, Flags,
        limits::Limits,
        load::load,
        rate_limits::RateLimits,
        sample::sample,
        server::{Mode, Server},
    };

    /// Also with every commented setting taken into use.
    #[test]
    fn the_sample_loads_back_to_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        let environment = Environment { home: Some(PathBuf::from("/home/ada")), ..Environment::default() };
        let store = Path::new("/home/ada/a \"b\"/credentials.enc");
        let text = sample(store, &environment);
        assert!(text.contains("'~/a \"b\"/credentials.enc'"), "{text}");
        let uncommented: Vec<&str> = text.lines().skip(1).map(|line| line.trim_start_matches("# ")).collect();
        for (name, text) in [("as-written.toml", text.clone()), ("uncommented.toml", uncommented.join("\n"))] {
            let file = folder.path().join(name);
            std::fs::write(&file, text).unwrap();
            let loaded = load(&Flags { config: Some(file), bind: None }, &environment).unwrap();
            assert_eq!(loaded.config.storage.path, store, "{name}");
            assert_eq!(loaded.config.logging.audit_file, Path::new("/home/ada/a \"b\"/audit.log"), "{name}");
            let asks_nobody = loaded.config.server.is_keyless();
            let server = Server { local_auth: None, ..loaded.config.server };
            assert_eq!((server, asks_nobody), (Server::default(), true), "{name}");
            let (of_file, defaults) = (&loaded.config.limits, Limits::default());
            let per_client = |it: &Limits| (it.connections_per_client(), it.requests_per_client());
            assert_eq!(per_client(of_file), per_client(&defaults), "{name}");
            let limits = (loaded.config.rate_limits.proxy(Mode::Local), loaded.config.rate_limits.management);
            assert_eq!(limits, (None, RateLimits::default().management), "{name}");
        }
    }
}
