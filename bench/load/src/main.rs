//! The load benchmark: a TLS origin, a temporary Vultrino before it, and clients that ask as fast as they are answered.

mod answer;
mod appliance;
mod certificate;
mod client;
mod distance;
mod measure;
mod options;
mod origin;
mod pin;
mod process;
mod report;
mod route;
mod row;
mod verdict;

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::{Builder, Runtime};

use crate::appliance::Appliance;
use crate::measure::{Measured, Plan};
use crate::options::Options;
use crate::origin::Origin;
use crate::pin::Pins;
use crate::report::Report;
use crate::row::Stage;

type Failure = Box<dyn Error>;

fn main() -> ExitCode {
    match run(&Options::parse()) {
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
fn run(options: &Options) -> Result<bool, Failure> {
    // Before there is a second thread: threads and children inherit it.
    let pins = if options.no_pin { Pins::Off("--no-pin".to_owned()) } else { Pins::take() };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let origin = Origin::start(&runtime, &appliance::authorization())?;
    let appliance = if options.rows.iter().any(|row| row.needs_proxy()) {
        let access = options.rows.iter().any(|row| row.needs_access());
        Some(Appliance::start(&options.vultrino()?, &origin, &pins, access)?)
    } else {
        None
    };
    let stage = Stage { origin: &origin, appliance: appliance.as_ref(), connections: options.connections };
    let mut rounds = Vec::new();
    for _ in 0..options.rounds {
        rounds.push(round(&runtime, options, &stage, &pins)?);
    }
    if let Some(appliance) = appliance {
        appliance.stop()?;
    }
    let report = Report::new(options, &pins, &rounds, origin.seen());
    report.print(options.json)?;
    Ok(report.is_good())
}

/// Every row once. Rounds, not rows, are repeated, so that a machine that grows slower meanwhile slows all rows.
fn round(runtime: &Runtime, options: &Options, stage: &Stage<'_>, pins: &Pins) -> Result<Vec<Measured>, Failure> {
    let mut measured = Vec::with_capacity(options.rows.len());
    for row in &options.rows {
        report::progress(&format!("{}: {}", row.name(), row.meaning()));
        let plan = Plan {
            connections: stage.connections(*row),
            window: options.seconds,
            proxy: stage.appliance.filter(|_| row.needs_proxy()).map(Appliance::process),
            proxy_core: pins.proxy_core(),
        };
        measured.push(measure::measure(runtime, stage.route(*row)?, &plan)?);
    }
    Ok(measured)
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
