//! Names to addresses, once a dial: the hosts file first, then DNS, never longer than five seconds.

use std::{net::IpAddr, time::Duration};

use hickory_resolver::{
    Hosts, TokioResolver,
    config::{LookupIpStrategy, ResolveHosts},
    lookup::Lookup,
    net::NetError,
    proto::{
        op::Query,
        rr::{Name, RecordType},
    },
};
use thiserror::Error;

use crate::{base::host::Host, upstream::guard::LOOPBACK};

const LONGEST: Duration = Duration::from_secs(5);

/// The system's name service, read from `/etc/hosts` and `/etc/resolv.conf` at start.
#[derive(Debug)]
pub struct Resolver {
    hosts: Hosts,
    dns: Option<TokioResolver>,
}

/// Why a name has no address.
#[derive(Debug, Error)]
pub enum ResolveError {
    /// The name service says so, or cannot be asked.
    #[error("the name cannot be resolved")]
    Dns(#[from] NetError),
    /// `/etc/resolv.conf` could not be used at start, and the hosts file does not know the name.
    #[error("no name service is configured")]
    Unconfigured,
    /// No answer in time.
    #[error("the name service did not answer in time")]
    Timeout,
}

impl Resolver {
    /// Reads the system's configuration. Without a usable one only the hosts file and addresses resolve.
    pub fn from_system() -> Self {
        let hosts = Hosts::from_system().unwrap_or_else(|error| {
            tracing::warn!(%error, "the hosts file cannot be read; names come from DNS alone");
            Hosts::default()
        });
        let dns = build().inspect_err(|error| {
            tracing::warn!(%error, "no DNS: /etc/resolv.conf cannot be used; only the hosts file resolves names");
        });
        Self { hosts, dns: dns.ok() }
    }

    /// All addresses of a host. `localhost` is the machine itself, whatever DNS says (RFC 6761 section 6.3).
    ///
    /// # Errors
    /// No such name, or no answer within five seconds.
    pub async fn resolve(&self, host: &Host) -> Result<Vec<IpAddr>, ResolveError> {
        let name = match host {
            Host::V4(it) => return Ok(vec![IpAddr::V4(*it)]),
            Host::V6(it) => return Ok(vec![IpAddr::V6(*it)]),
            Host::Name(name) => name,
        };
        if host.is_loopback() {
            return Ok(LOOPBACK.to_vec());
        }
        let mut name = Name::from_utf8(name).map_err(NetError::from)?;
        // A name with a dot is complete: search domains must not lead it elsewhere.
        name.set_fqdn(name.num_labels() > 1);
        let listed = self.listed(&name);
        if !listed.is_empty() {
            return Ok(listed);
        }
        let dns = self.dns.as_ref().ok_or(ResolveError::Unconfigured)?;
        let found = tokio::time::timeout(LONGEST, dns.lookup_ip(name)).await.or(Err(ResolveError::Timeout))??;
        Ok(found.iter().collect())
    }

    fn listed(&self, name: &Name) -> Vec<IpAddr> {
        let of = |lookup: Lookup| lookup.answers().iter().filter_map(|it| it.data.ip_addr()).collect::<Vec<_>>();
        [RecordType::A, RecordType::AAAA]
            .into_iter()
            .filter_map(|it| self.hosts.lookup_static_host(&Query::query(name.clone(), it)))
            .flat_map(of)
            .collect()
    }
}

fn build() -> Result<TokioResolver, NetError> {
    let mut builder = TokioResolver::builder_tokio()?;
    let options = builder.options_mut();
    options.ip_strategy = LookupIpStrategy::Ipv4AndIpv6;
    options.use_hosts_file = ResolveHosts::Never;
    options.timeout = Duration::from_secs(2);
    options.attempts = 1;
    builder.build()
}
