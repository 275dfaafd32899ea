//! `vultrino bench`: how much longer a request takes through the proxy.

use std::{net::SocketAddr, time::Duration};

use serde_json::{Value, json};

use crate::{
    app::{
        self,
        bench::{Load, Plan, Row, Way},
    },
    base::{host::Scheme, secret::Secret, target::Target},
    cli::{
        ask, ca,
        context::Context,
        failure::Failure,
        output::{Look, Output},
    },
    config::{Config, Part, environment, server::parse_bind},
};

/// Requests per row with --url. Kept low because they hit a real service.
const POLITE: u32 = 100;
/// Connections per row with --url.
const POLITE_CONNECTIONS: u16 = 4;
/// Connections per row without --url: enough to keep a server busy.
const CONNECTIONS: u16 = 16;

/// Measure how much longer a request takes through the proxy than directly
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Measure the running server, with real GET requests for this URL
    #[arg(long)]
    url: Option<String>,

    /// Credential to use [default: the one that is bound to the host]
    #[arg(long, value_name = "ALIAS", requires = "url")]
    credential: Option<String>,

    /// Address of the server, on this machine [default: as configured]
    #[arg(long, value_name = "ADDR", requires = "url", value_parser = parse_bind)]
    proxy: Option<SocketAddr>,

    /// Connections at once [default: 16; with --url 4]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    connections: Option<u16>,

    /// Seconds a row at most
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=60))]
    seconds: u16,

    /// Requests a row at most [default: no limit; with --url 100]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(2..))]
    requests: Option<u32>,

    /// Output as JSON
    #[arg(long)]
    json: bool,
}

const EXAMPLES: &str = "\
Without --url it starts a proxy and an origin server of its own on loopback, with made-up data, and
touches neither your store nor your server. Proxy, origin server and clients then share the cores of
this machine.

Rows: past the proxy, path style (absolute form with --url and no --credential), and an intercepted
connection (TLS on both sides); first with one connection, where the difference is what the proxy
adds, then with several. HTTP/1.1, connections kept alive, the first request of each left out. Not
measured: handshakes, HTTP/2, uploads, CPU time.

With --url an API key comes from VULTRINO_API_KEY, or is asked for. Direct requests carry neither
key nor credential, so their answers may differ, as the statuses show.

Examples:
  vultrino bench
  vultrino bench --connections 64 --seconds 10 --json
  vultrino bench --url https://api.github.com/zen --requests 20";

pub(crate) fn run(args: &Args, context: &mut Context) -> Result<(), Failure> {
    app::harden().map_err(app::AppError::from)?;
    let load = args.load()?;
    let told = |output: &Output, way: Way, connections: u16| {
        output.progress(&format!("{}, {}…", way.name(), plural(connections, "connection")));
    };
    let rows = match &args.url {
        None => {
            context.output.note("Starting a proxy and an origin server with made-up data on loopback…");
            app::bench::own(load, |way, connections| told(&context.output, way, connections))
        }
        Some(url) => {
            let plan = plan(args, url, load, context)?;
            warn(&plan, &context.output);
            app::bench::run(&plan, |way, connections| told(&context.output, way, connections))
        }
    };
    context.output.progress("");
    let rows = rows?;
    if args.json {
        context.output.json(&rows.iter().map(|it| as_json(it, &rows)).collect::<Vec<_>>())
    } else {
        table(&rows, &context.output)
    }
}

impl Args {
    fn load(&self) -> Result<Load, Failure> {
        let real = self.url.is_some();
        let connections = self.connections.unwrap_or(if real { POLITE_CONNECTIONS } else { CONNECTIONS });
        let most = self.requests.or(real.then_some(POLITE));
        if most.is_some_and(|it| it < 2 * u32::from(connections)) {
            let what = format!("{} leave too few requests for each", plural(connections, "connection"));
            return Err(Failure::usage(what, "give --requests at least twice as many as --connections"));
        }
        Ok(Load { connections, window: Duration::from_secs(self.seconds.into()), most })
    }
}

fn plan(args: &Args, url: &str, load: Load, context: &mut Context) -> Result<Plan, Failure> {
    let wrong = |what: String| Failure::usage(what, "write it as https://host/path");
    let target = Target::parse(url).map_err(|error| wrong(format!("the URL cannot be used: {error}")))?;
    if target.origin.scheme != Scheme::Https {
        return Err(wrong("a tunnel is looked into only where it holds TLS".to_owned()));
    }
    let config = context.load(Part::Whole)?;
    let proxy = args.proxy.map_or_else(|| listening(&config), Ok)?;
    if !proxy.ip().to_canonical().is_loopback() {
        let help = "run it on the machine of the server, which listens on loopback or on all addresses";
        return Err(Failure::usage(format!("{proxy} is not this machine's loopback"), help));
    }
    let ca_file = ca::certificate(&config);
    if !ca_file.is_file() {
        return Err(Failure::Refused {
            what: format!("there is no CA certificate at {}", ca_file.display()),
            help: Some("`vultrino ca export` puts it back".to_owned()),
        });
    }
    let key = key(&config, context)?;
    let (alias, upstream) = (args.credential.clone(), config.upstream);
    Ok(Plan { proxy, ca_file, target, alias, key, instead: None, upstream, load })
}

/// Where the server listens; loopback is among all addresses.
fn listening(config: &Config) -> Result<SocketAddr, Failure> {
    let mut bind = config.server.bind;
    if bind.port() == 0 {
        return Err(Failure::usage("the configuration leaves the port open", "say with --proxy where it listens"));
    }
    if bind.ip().is_unspecified() {
        bind.set_ip(if bind.is_ipv4() {
            std::net::Ipv4Addr::LOCALHOST.into()
        } else {
            std::net::Ipv6Addr::LOCALHOST.into()
        });
    }
    Ok(bind)
}

fn key(config: &Config, context: &mut Context) -> Result<Option<Secret>, Failure> {
    match context.environment.api_key.take() {
        Some(key) => Ok(Some(key)),
        None if config.server.is_keyless() => Ok(None),
        None if ask::somebody_is_there() => ask::secret(&context.output, "API key:").map(Some),
        None => Err(Failure::usage(
            "the server asks for an API key, and there is no terminal to ask on",
            format!("set {}", environment::API_KEY),
        )),
    }
}

fn warn(plan: &Plan, output: &Output) {
    let Plan { target, load, .. } = plan;
    let rows = plan.rows().len() as u64;
    let most = load.most.map(|it| format!("up to {} ", u64::from(it) * rows)).unwrap_or_default();
    output.warning(format_args!(
        "this sends {most}real requests to {}, two thirds of them with the credential; limits of that service count them",
        target.origin.authority
    ));
}

fn table(rows: &[Row], output: &Output) -> Result<(), Failure> {
    let cells = rows.iter().map(|row| {
        let statuses: Vec<_> = row.statuses.iter().map(u16::to_string).collect();
        [
            row.way.name().to_owned(),
            format!("{:>5}", row.connections),
            format!("{:>7.0}", row.rate),
            format!("{:>8}", shown(row.p50)),
            format!("{:>8}", shown(row.p99)),
            added(row, rows).map(|it| format!("{:>8}", signed(it))).unwrap_or_default(),
            statuses.join(", "),
        ]
    });
    let header = ["Way", "Conns", "Req/s", "p50", "p99", "Added", "Status"];
    let look = Look { stands_out: Some(5), rigid: true, ..Look::default() };
    output.table_with(look, header, &cells.collect::<Vec<_>>())
}

fn as_json(row: &Row, rows: &[Row]) -> Value {
    json!({
        "way": row.way.name(),
        "connections": row.connections,
        "requests": row.requests,
        "requests_per_second": row.rate.round(),
        "p50_us": row.p50.as_micros(),
        "p99_us": row.p99.as_micros(),
        "added_us": added(row, rows),
        "statuses": row.statuses,
    })
}

/// Microseconds by which half of the requests take longer than directly. Only one connection tells it: with more, they wait for
/// each other.
fn added(row: &Row, rows: &[Row]) -> Option<i128> {
    let direct = rows.iter().find(|it| it.way == Way::Direct && it.connections == row.connections)?;
    let micros = |it: &Row| i128::try_from(it.p50.as_micros()).ok();
    if row.connections > 1 || row.way == Way::Direct { None } else { Some(micros(row)? - micros(direct)?) }
}

fn shown(time: Duration) -> String {
    match time.as_micros() {
        micros @ ..10_000 => format!("{micros} µs"),
        _ => format!("{:.1} ms", time.as_secs_f64() * 1e3),
    }
}

fn signed(micros: i128) -> String {
    let size = shown(Duration::from_micros(micros.unsigned_abs().try_into().unwrap_or(u64::MAX)));
    format!("{}{size}", if micros < 0 { '-' } else { '+' })
}

fn plural(count: u16, word: &str) -> String {
    if count == 1 { format!("{count} {word}") } else { format!("{count} {word}s") }
}
