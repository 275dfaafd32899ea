//! What the behaviour tests stand on: the real binary, real origins and real clients, each behind one type.
//!
//! Not here: anything that looks inside Vultrino. What a test knows, it learnt from a socket, a file or a process.

pub(crate) mod agent;
pub(crate) mod answer;
pub(crate) mod api;
pub(crate) mod appliance;
pub(crate) mod audit_line;
pub(crate) mod certificates;
pub(crate) mod frames;
pub(crate) mod holding;
pub(crate) mod http2_client;
pub(crate) mod http2_origin;
pub(crate) mod mcp;
pub(crate) mod memory;
pub(crate) mod names;
pub(crate) mod origin;
pub(crate) mod parent;
pub(crate) mod process;
pub(crate) mod queues;
pub(crate) mod scrape;
pub(crate) mod skip;
pub(crate) mod swarm;
pub(crate) mod template;
pub(crate) mod traces;
pub(crate) mod visit;
pub(crate) mod wait;
pub(crate) mod wire;
pub(crate) mod world;

pub(crate) use agent::{Agent, Shown, WAYS, Way};
pub(crate) use answer::Answer;
pub(crate) use appliance::Appliance;
pub(crate) use http2_client::Http2Client;
pub(crate) use http2_origin::Http2Origin;
pub(crate) use origin::Origin;
pub(crate) use template::Credential;
