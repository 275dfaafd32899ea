//! What callers share, and that it carries nothing from one to another. The connections to origins come first: an origin
//! that leaves a body unread reads it as the next request.
//!
//! The tests of each row of the table in docs/src/security.md, "What callers share":
//!
//! | Row | Tests |
//! |---|---|
//! | Connections to origins | `sharing`: `connections`, `lifetime`, `unread_bodies`, `disorder`; `http2_upstream::sharing` |
//! | TLS sessions with origins | `sharing::sessions` |
//! | TLS tickets of clients | `ca::a_ticket_is_good_at_its_own_host_and_worth_nothing_at_another`, `sharing::tickets` |
//! | Certificates of intercepted hosts | `ca::one_host_has_one_configuration_whoever_asks`; in src, `ca::cache` |
//! | Resolved names | `names`: `every_address_…`, `the_address_that_was_judged_is_the_one_that_is_dialled` |
//! | Threads that resolve names | `names::whoever_asks_for_dead_names_takes_no_thread_of_others` |
//! | Read buffers and pipes | `sharing::disorder` compares every answer and every head as a whole; `blind_bulk` |
//! | Tables of header compression | `http2_upstream::exchange::a_secret_stands_in_no_table_that_other_requests_share` |
//! | Memory for bodies and heads | `sharing::heads`; in src, `exchange::budget` and `base::capacity`; `siege` |
//! | HTTP/2 windows | `sharing::windows`; of receive buffers only their total, in `make siege` |
//! | Connections and open requests | `crowds` |
//! | The thread for heavy work | in src, `base::task`; `heavy`, `siege` |
//! | Reads of the audit log | `siege`: requests of others are served under reads of the log |
//! | Rates of requests | `rates`: `a_key_may_ask_only_so_often_…`, `where_a_rate_is_set_callers_without_a_key_share_it` |
//! | Rates of wrong keys | `access::attempts`; in src, `policy::limit` |
//! | Rate rules of a policy | `rates::each_credential_has_its_own_count_and_each_key_where_the_rule_says_so` |
//! | The audit journal and its queue | `audit::faults`, `audit_unavailable` |
//! | Repeated refusals | `strangers`; in src, `exchange::strangers` |
//! | Opened secrets | none: nobody can look into the process, which `leaks` shows |
//! | Metrics and logs | `metrics::labels`, `api::audit::a_key_sees_its_own_records_and_an_admin_all` |

#[cfg(test)]
mod connections;
#[cfg(test)]
mod disorder;
#[cfg(test)]
mod heads;
#[cfg(test)]
mod lifetime;
#[cfg(test)]
mod python_server;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod tickets;
#[cfg(test)]
mod unread_bodies;
#[cfg(test)]
mod windows;

use std::io;

use crate::support::{Agent, Appliance, Credential, Origin, Way, appliance::Builder, visit::Visit};

/// The secrets of the two callers' credentials, which have the callers' names.
const SECRETS: [(&str, &str); 2] = [("ann", "sekrit-of-ann-7Hq2"), ("bob", "sekrit-of-bob-x9Lw")];

/// Two callers, each with a key, a role and a credential of its own; one worker, so that all would find the same idle
/// connections.
fn two_callers() -> Builder {
    SECRETS.into_iter().fold(Appliance::builder().server(), |it, (name, secret)| {
        it.credential(Credential::key(name, secret, &["localhost:*"])).role(name, "execute", name).key(name, name)
    })
}

/// Starts it on one core, so that it has one worker.
fn on_one_core(builder: Builder) -> Appliance {
    builder.through(&["taskset", "--cpu-list", "0"]).start()
}

/// A connection of this caller.
fn of(name: &str, appliance: &Appliance, way: Way, origin: &Origin) -> Agent {
    Agent::keyed(appliance, way, origin, appliance.key(name))
}

/// Sends a request with the credential of this caller, and this body as it is.
fn send(agent: &mut Agent, name: &str, method: &str, path: &str, body: &str) {
    let length = body.len().to_string();
    let head = agent.head(method, path, &[("X-Vultrino-Credential", name), ("Content-Length", &length)]);
    agent.send(head + body);
}

/// An origin that answers each head with what it has read of it, and reads no body. It closes the connection when it is
/// asked to.
fn reads_no_body() -> Origin {
    Origin::https_with(|visit| {
        while let Some(head) = visit.head()? {
            answer(visit, &head.start)?;
            if head.values("connection").iter().any(|it| it.eq_ignore_ascii_case("close")) {
                break;
            }
        }
        visit.close();
        Ok(())
    })
}

fn answer(visit: &mut Visit, text: &str) -> io::Result<()> {
    visit.write(format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len()))
}
