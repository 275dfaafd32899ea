//! Origin servers that speak HTTP/2: what crosses is the same as over HTTP/1, and many share one connection.

mod bodies;
mod exchange;
mod hostile;
mod sharing;
mod versions;

use crate::support::{Agent, Appliance, Http2Origin, Way, appliance::Builder};

/// Connects to the proxy for requests to this origin.
#[track_caller]
fn agent(appliance: &Appliance, way: Way, origin: &Http2Origin) -> Agent {
    Agent::to(appliance, way, "https", &origin.authority())
}

/// An appliance whose requests all share what one worker has.
fn one_worker() -> Appliance {
    with_one_worker(Appliance::builder())
}

fn with_one_worker(builder: Builder) -> Appliance {
    builder.through(&["taskset", "--cpu-list", "0"]).start()
}
