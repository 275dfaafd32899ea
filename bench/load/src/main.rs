//! The load benchmark: an origin, a temporary Vultrino before it, and clients that ask as fast as they are answered.

mod answer;
mod appliance;
mod bulk;
mod certificate;
mod client;
mod distance;
mod grown;
mod installation;
mod measure;
mod memory;
mod options;
mod origin;
mod pin;
mod process;
mod report;
mod route;
mod row;
mod run;
mod stage;
mod streams;
mod verdict;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;

use crate::options::Options;
use crate::report::Report;
use crate::run::run;

fn main() -> ExitCode {
    let options = Options::parse();
    match run(&options).and_then(|report| shown(&options, &report)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            // A closed stderr leaves nobody to tell; the exit status still does.
            drop(writeln!(io::stderr(), "error: {}", with_causes(failure.as_ref())));
            ExitCode::FAILURE
        }
    }
}

/// True when every request was answered as it should be and reached the origin with the right credential.
fn shown(options: &Options, report: &Report) -> Result<bool, Box<dyn Error>> {
    report.print(options.json)?;
    Ok(report.is_good())
}

fn with_causes(failure: &dyn Error) -> String {
    let mut text = failure.to_string();
    let mut cause = failure.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
