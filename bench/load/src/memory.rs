//! What connections cost that wait for their next request, and what is left of it when they have closed.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::client;
use crate::process::Process;
use crate::route::{Open, Route};

/// Freed memory has gone back to the system by then.
const SETTLED: Duration = Duration::from_secs(2);
/// Connections that open at the same time.
const AT_ONCE: u32 = 32;
/// Of those that waited so many are asked once more.
const SAMPLE: usize = 50;

/// Memory of the proxy, in KiB.
#[derive(Debug, Clone)]
pub(crate) struct Memory {
    pub(crate) connections: u32,
    pub(crate) before: u32,
    pub(crate) open: u32,
    pub(crate) closed: u32,
}

/// Opens so many connections, makes one request on each, and lets them wait.
pub(crate) async fn measure(route: Route, process: &Process, connections: u32) -> io::Result<Memory> {
    let route = Rc::new(route);
    sleep(SETTLED).await;
    let before = process.memory_kib()?;
    let mut waiting = open(&route, connections).await?;
    sleep(SETTLED).await;
    let open = process.memory_kib()?;
    let every = waiting.len().div_ceil(SAMPLE).max(1);
    let mut buffer = vec![0; 8 << 10];
    for connection in waiting.iter_mut().step_by(every) {
        client::again(&route, connection, &mut buffer).await?;
    }
    drop(waiting);
    sleep(SETTLED).await;
    Ok(Memory { connections, before, open, closed: process.memory_kib()? })
}

async fn open(route: &Rc<Route>, connections: u32) -> io::Result<Vec<Open>> {
    let (mut begun, mut opening) = (0, JoinSet::new());
    let mut waiting = Vec::with_capacity(connections as usize);
    loop {
        while begun < connections && opening.len() < AT_ONCE as usize {
            let route = Rc::clone(route);
            opening.spawn_local(async move { client::first(&route).await });
            begun += 1;
        }
        match opening.join_next().await {
            Some(opened) => waiting.push(opened.map_err(io::Error::other)??),
            None => return Ok(waiting),
        }
    }
}
