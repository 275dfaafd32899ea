//! The rows in their order, each on the proxy that it needs.

use std::error::Error;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};

use crate::appliance::Appliance;
use crate::client;
use crate::installation::{Installation, authorization};
use crate::measure::{self, Measured, Plan};
use crate::memory::{self, Memory};
use crate::options::Options;
use crate::origin::Origin;
use crate::pin::Pins;
use crate::process;
use crate::report::{self, Report};
use crate::row::{Kind, Proxy, Row};
use crate::stage::Stage;

type Failure = Box<dyn Error>;

/// The proxy is started so often; the time that is told is the middle one.
const STARTS: usize = 5;

/// What one row gave.
#[derive(Debug)]
pub(crate) enum Figures {
    Traffic(Measured),
    Memory(Memory),
    Start(Duration),
}

struct Run<'a> {
    options: &'a Options,
    pins: &'a Pins,
    program: PathBuf,
    runtime: Runtime,
    stage: Stage,
    /// The proxy of most rows, until one comes that needs another.
    usual: Option<Appliance>,
}

/// Measures everything that was asked for.
pub(crate) fn run(options: &Options) -> Result<Report, Failure> {
    process::raise_descriptors()?;
    // Before there is a second thread: threads and children inherit it.
    let pins = if options.no_pin { Pins::Off("--no-pin".to_owned()) } else { Pins::take() };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let origin = Origin::start(&runtime, &authorization(), u64::from(options.mib) << 20)?;
    let (program, stage) = (options.vultrino()?, Stage::new(origin));
    let mut run = Run { options, pins: &pins, program, runtime, stage, usual: None };
    // Rounds, not rows, are repeated, so that a machine that grows slower meanwhile slows all rows.
    let rounds = (0..options.rounds).map(|round| run.round(round)).collect::<Result<Vec<_>, _>>()?;
    if let Some(appliance) = run.usual.take() {
        appliance.stop(&run.runtime)?;
    }
    Ok(Report::new(options, &pins, &rounds, run.stage.origin.seen()))
}

impl Run<'_> {
    fn round(&mut self, round: u32) -> Result<Vec<Figures>, Failure> {
        let (all, rounds) = (self.options.rows.len(), self.options.rounds);
        let mut figures = Vec::with_capacity(all);
        for (at, row) in self.options.rows.iter().enumerate() {
            let count = format!("{}/{all}", at + 1);
            let round = if rounds > 1 { format!("round {}/{rounds}, ", round + 1) } else { String::new() };
            report::progress(&format!("{round}{count} {}: {}", row.name(), row.meaning()));
            figures.push(self.row(*row)?);
        }
        Ok(figures)
    }

    fn row(&mut self, row: Row) -> Result<Figures, Failure> {
        match row.proxy() {
            Proxy::None => self.measured(row, None),
            Proxy::Usual => {
                let appliance = match self.usual.take() {
                    Some(running) => running,
                    None => self.started(0)?,
                };
                let figures = self.measured(row, Some(&appliance));
                self.usual = Some(appliance);
                figures
            }
            Proxy::Own(more) => {
                // Two of them would share the memory of their code.
                if let Some(running) = self.usual.take() {
                    running.stop(&self.runtime)?;
                }
                if row.kind() == Kind::Start {
                    return self.starts(row).map(Figures::Start);
                }
                let appliance = self.started(more)?;
                let figures = self.measured(row, Some(&appliance))?;
                appliance.stop(&self.runtime)?;
                Ok(figures)
            }
        }
    }

    fn started(&self, more: u32) -> Result<Appliance, Failure> {
        let installation = Installation::set_up(&self.program, &self.stage.origin, more)?;
        Ok(Appliance::start(installation, self.pins)?)
    }

    fn measured(&self, row: Row, appliance: Option<&Appliance>) -> Result<Figures, Failure> {
        let route = self.stage.route(row, appliance)?;
        if let (Kind::Memory, Some(appliance)) = (row.kind(), appliance) {
            let work = memory::measure(route, appliance.process(), self.options.idle);
            return Ok(Figures::Memory(measure::run(&self.runtime, work)?));
        }
        let plan = Plan {
            clients: row.clients(self.options.connections),
            window: self.options.seconds,
            proxy: appliance.map(Appliance::process),
            proxy_core: self.pins.proxy_core(),
        };
        Ok(Figures::Traffic(measure::measure(&self.runtime, route, &plan)?))
    }

    /// From the start of the process to the end of its first answer.
    fn starts(&self, row: Row) -> Result<Duration, Failure> {
        let mut installation = Installation::set_up(&self.program, &self.stage.origin, 0)?;
        let mut times = Vec::with_capacity(STARTS);
        for _ in 0..STARTS {
            let started = Instant::now();
            let appliance = Appliance::start(installation, self.pins)?;
            let route = self.stage.route(row, Some(&appliance))?;
            measure::run(&self.runtime, client::first(&route))?;
            times.push(started.elapsed());
            installation = appliance.stop(&self.runtime)?;
        }
        times.sort_unstable();
        Ok(times[STARTS / 2])
    }
}
