//! MCP: the tools of agents, over a program's stdin and stdout and under the server's own path.

mod bodies;
mod catalogue;
mod ending;
mod frames;
mod hostile;
mod rights;
mod starting;
mod thin;
