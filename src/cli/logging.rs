//! The log on standard error.

use std::io;

use rustix::fs::fstat;
use tracing::{Level, Metadata, level_filters::LevelFilter};
use tracing_subscriber::{
    EnvFilter, Layer,
    filter::{FilterExt, filter_fn},
    layer::SubscriberExt,
    util::SubscriberInitExt,
};

use crate::{
    cli::{
        log_format::{Journal, Json},
        output::Output,
    },
    config::{
        Environment,
        logging::{self, Format, Level as Configured},
    },
};

/// Logs from here on: `RUST_LOG` as far as it goes, else `level`.
pub(crate) fn start(level: Configured, format: Format, environment: &Environment, output: &Output) {
    let rust_log = environment.rust_log.as_deref();
    let builder = EnvFilter::builder().with_default_directive(filter_of(level).into());
    let wanted = builder.parse(rust_log.unwrap_or_default()).unwrap_or_else(|error| {
        output.warning(format_args!("RUST_LOG is not understood and left aside: {error}"));
        EnvFilter::default().add_directive(filter_of(level).into())
    });
    let safe = filter_fn(|it: &Metadata<'_>| is_safe(it.target(), *it.level()));
    let lines = tracing_subscriber::fmt::layer().with_writer(io::stderr).with_ansi(false);
    let lines = match format {
        Format::Json => lines.event_format(Json).boxed(),
        Format::Journal => lines.event_format(Journal::new()).boxed(),
        Format::Auto if leads_to_journald(environment) => lines.event_format(Journal::new()).boxed(),
        Format::Auto | Format::Text => lines.with_ansi(output.colour_on_stderr()).boxed(),
    };
    // A second start, which no command makes, would leave the first in place.
    tracing_subscriber::registry().with(lines.with_filter(wanted.and(safe))).try_init().unwrap_or(());
}

/// Whether standard error is the stream that systemd says it has connected to journald.
fn leads_to_journald(environment: &Environment) -> bool {
    let Some(stream) = &environment.journal_stream else { return false };
    fstat(io::stderr()).is_ok_and(|it| *stream == format!("{}:{}", it.st_dev, it.st_ino))
}

/// The libraries below us log whole heads and keys when they are asked to tell much (SECURITY C10). That of MCP repeats at
/// any level what agents write.
fn is_safe(target: &str, level: Level) -> bool {
    let of = |name: &str| target.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"));
    of("vultrino") || (level <= Level::WARN && !of("rmcp"))
}

fn filter_of(level: logging::Level) -> LevelFilter {
    match level {
        Configured::Error => LevelFilter::ERROR,
        Configured::Warn => LevelFilter::WARN,
        Configured::Info => LevelFilter::INFO,
        Configured::Debug => LevelFilter::DEBUG,
        Configured::Trace => LevelFilter::TRACE,
    }
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use crate::cli::logging::is_safe;

    #[test]
    fn only_we_may_tell_details() {
        assert!(is_safe("vultrino::proxy", Level::TRACE));
        for target in ["hyper::proto", "rustls::conn", "h2", "hickory_resolver::x", "vultrino_other", "log"] {
            assert!(is_safe(target, Level::WARN), "{target}");
            assert!(!is_safe(target, Level::INFO), "{target}");
        }
        assert!(!is_safe("rmcp::service", Level::ERROR) && !is_safe("rmcp", Level::WARN));
    }
}
