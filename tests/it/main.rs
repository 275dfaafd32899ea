//! What a user can see of Vultrino, tested at its outer wall: one binary, a file per behaviour.

#[cfg(test)]
mod access;
#[cfg(test)]
mod api;
#[cfg(test)]
mod audit;
#[cfg(test)]
mod audit_lines;
#[cfg(test)]
mod audit_rotation;
#[cfg(test)]
mod audit_unavailable;
#[cfg(test)]
mod binding;
#[cfg(test)]
mod blind;
#[cfg(test)]
mod blind_bulk;
#[cfg(test)]
mod bodies;
#[cfg(test)]
mod browsers;
#[cfg(test)]
mod ca;
#[cfg(test)]
mod choosing;
#[cfg(test)]
mod clear_tunnels;
#[cfg(test)]
mod cli;
#[cfg(test)]
mod clients;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod crowds;
#[cfg(test)]
mod curl;
#[cfg(test)]
mod documents;
#[cfg(test)]
mod ending;
#[cfg(test)]
mod expectations;
#[cfg(test)]
mod fields;
#[cfg(test)]
mod fuzzing;
#[cfg(test)]
mod gone;
#[cfg(test)]
mod half_close;
#[cfg(test)]
mod handshakes;
#[cfg(test)]
mod heads;
#[cfg(test)]
mod heavy;
#[cfg(test)]
mod hostile_upstream;
#[cfg(test)]
mod housekeeping;
#[cfg(test)]
mod http2_clients;
#[cfg(test)]
mod http2_upstream;
#[cfg(test)]
mod instructions;
#[cfg(test)]
mod interim;
#[cfg(test)]
mod large_heads;
#[cfg(test)]
mod last_recipient;
#[cfg(test)]
mod leaks;
#[cfg(test)]
mod lenience;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod live;
#[cfg(test)]
mod live_changes;
#[cfg(test)]
mod log_lines;
#[cfg(test)]
mod matrix;
#[cfg(test)]
mod mcp;
#[cfg(test)]
mod memory;
#[cfg(test)]
mod metrics;
#[cfg(test)]
mod modes;
#[cfg(test)]
mod names;
#[cfg(test)]
mod one_verdict;
#[cfg(test)]
mod parent_proxy;
#[cfg(test)]
mod payloads;
#[cfg(test)]
mod policies;
#[cfg(test)]
mod private_addresses;
#[cfg(test)]
mod rates;
#[cfg(test)]
mod readers;
#[cfg(test)]
mod redirects;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod request_forgery;
#[cfg(test)]
mod reuse;
#[cfg(test)]
mod revocation;
#[cfg(test)]
mod rollback;
#[cfg(test)]
mod sharing;
#[cfg(test)]
mod siege;
#[cfg(test)]
mod slow_clients;
#[cfg(test)]
mod smuggling;
#[cfg(test)]
mod store;
#[cfg(test)]
mod strangers;
#[cfg(test)]
mod streaming;
#[cfg(test)]
mod support;
#[cfg(test)]
mod three_ways;
#[cfg(test)]
mod tidy;
#[cfg(test)]
mod time_limits;
mod tunnels;
#[cfg(test)]
mod unix_socket;
#[cfg(test)]
mod upgrades;
#[cfg(test)]
mod upstream_answers;
#[cfg(test)]
mod upstream_tls;
#[cfg(test)]
mod versions;
#[cfg(test)]
mod weak_tls;
