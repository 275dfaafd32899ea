//! An origin that keeps requests open for as long as a test wants.

use std::sync::{Arc, Condvar, Mutex};

use crate::support::{
    agent::{Agent, NAMED},
    origin::{OK, Origin},
    visit::{Seen, Visit},
    wait::{PATIENCE, until},
};

/// Answers nobody who asks for `/held` before it is told to.
pub(crate) struct Holding {
    pub origin: Origin,
    gate: Arc<(Mutex<bool>, Condvar)>,
}

impl Holding {
    /// Over TLS.
    pub(crate) fn start() -> Self {
        let gate = Arc::<(Mutex<bool>, Condvar)>::default();
        let of_origin = gate.clone();
        Self { origin: Origin::https_with(move |visit| answer(visit, &of_origin)), gate }
    }

    /// Sends a request that is then open for as long as nobody is released.
    #[track_caller]
    pub(crate) fn hold(&self, agent: Agent) -> Agent {
        let before = self.held();
        let agent = send(agent);
        until("it has arrived", || (self.held() > before).then_some(()));
        agent
    }

    /// The same for all of them at once.
    #[track_caller]
    pub(crate) fn hold_all(&self, agents: impl Iterator<Item = Agent>) -> Vec<Agent> {
        let agents: Vec<Agent> = agents.map(send).collect();
        until("all have arrived", || (self.held() >= agents.len()).then_some(()));
        agents
    }

    /// Answers them, and from now on everybody.
    pub(crate) fn release(&self) {
        *self.gate.0.lock().unwrap() = true;
        self.gate.1.notify_all();
    }

    /// How many have asked for it.
    pub(crate) fn held(&self) -> usize {
        let held = |it: &Seen| String::from_utf8_lossy(&it.bytes).matches("/held HTTP").count();
        self.origin.seen().iter().map(held).sum()
    }
}

fn send(mut agent: Agent) -> Agent {
    let head = agent.head("GET", "/held", &[NAMED]);
    agent.send(head);
    agent
}

fn answer(visit: &mut Visit, gate: &(Mutex<bool>, Condvar)) -> std::io::Result<()> {
    while let Some(request) = visit.request()? {
        if request.target().starts_with("/held") {
            let is_closed = |open: &mut bool| !*open;
            let (_open, timeout) = gate.1.wait_timeout_while(gate.0.lock().unwrap(), PATIENCE, is_closed).unwrap();
            assert!(!timeout.timed_out(), "nobody is released");
        }
        visit.write(OK)?;
    }
    Ok(())
}
