//! What can be asked for on the command line.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::row::Row;

/// Measure what requests through Vultrino cost, beside the same requests made directly.
///
/// Starts an origin and a temporary Vultrino in a temporary folder, all on this machine's loopback. The results go to
/// stdout: tables on a terminal, tab-separated lines in a pipe. Exit status 1 when a request failed, was answered with other
/// bytes than the origin sent, or reached the origin without the right credential.
#[derive(Debug, Parser)]
#[command(name = "vultrino-load", version)]
pub(crate) struct Options {
    /// The program to measure [default: `vultrino` beside this one]
    #[arg(long, value_name = "PATH")]
    vultrino: Option<PathBuf>,

    /// Measured seconds a row; a warm-up of one second, or as long if that is less, comes before
    #[arg(long, default_value = "3", value_parser = seconds)]
    pub(crate) seconds: Duration,

    /// Requests under way at once, in the rows that are not about one
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) connections: u32,

    /// Connections that are open at once in the row `idle`
    #[arg(long, default_value_t = 5000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) idle: u32,

    /// Size of a download or upload, in MiB
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..=4096))]
    pub(crate) mib: u32,

    /// Measure all rows this often and show the median of each figure
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(crate) rounds: u32,

    /// What to measure, in this order [default: all]
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Row::value_variants().iter().copied(), hide_default_value = true)]
    pub(crate) rows: Vec<Row>,

    /// Let the system choose the cores instead of giving the proxy one of its own
    #[arg(long)]
    pub(crate) no_pin: bool,

    /// Print JSON
    #[arg(long)]
    pub(crate) json: bool,
}

impl Options {
    pub(crate) fn vultrino(&self) -> io::Result<PathBuf> {
        match &self.vultrino {
            Some(path) => std::path::absolute(path),
            None => Ok(std::env::current_exe()?.with_file_name("vultrino")),
        }
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|error| format!("{error}"))?;
    match Duration::try_from_secs_f64(seconds) {
        Ok(time) if (0.1..=600.0).contains(&seconds) => Ok(time),
        _ => Err("give 0.1 to 600 seconds".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser, ValueEnum};

    use crate::options::{Options, seconds};
    use crate::row::Row;

    #[test]
    fn the_command_line_is_well_formed() {
        Options::command().debug_assert();
    }

    #[test]
    fn all_rows_are_measured_unless_some_are_named() {
        assert_eq!(Options::parse_from(["x"]).rows, Row::value_variants());
        assert_eq!(Options::parse_from(["x", "--rows", "idle,path"]).rows, [Row::Idle, Row::Path]);
    }

    #[test]
    fn seconds_have_bounds() {
        assert_eq!(seconds("0.5").unwrap().as_millis(), 500);
        for bad in ["0", "-1", "601", "NaN", "inf", "x", ""] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }
}
