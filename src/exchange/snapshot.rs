//! What requests are decided by, at one revision of the store: one pointer, replaced as a whole after each change.

use std::{collections::HashMap, sync::Arc};

use crate::{
    base::{
        host::{Host, HostPattern},
        target::Origin,
    },
    credential::Credential,
};

/// Credentials without their secrets, indexed for the two questions that a request asks. Both cost the same whether
/// there is one credential or ten thousand.
#[derive(Debug, Default)]
pub struct Snapshot {
    aliases: HashMap<Box<str>, Known>,
    /// Those that may be chosen by host, under each host that a binding names exactly.
    hosts: HashMap<Host, Vec<Arc<Credential>>>,
    /// The same, under the domain of a binding such as `*.example.com`.
    domains: HashMap<Box<str>, Vec<Arc<Credential>>>,
}

/// A credential, and its alias as audit records hold it.
#[derive(Clone, Debug)]
pub struct Known {
    /// Its facts.
    pub credential: Arc<Credential>,
    /// Its alias.
    pub alias: Arc<str>,
}

impl Snapshot {
    /// Indexes credentials.
    pub fn new(credentials: impl IntoIterator<Item = Credential>) -> Self {
        let mut snapshot = Self::default();
        for credential in credentials {
            let credential = Arc::new(credential);
            if credential.auto {
                snapshot.index_hosts(&credential);
            }
            let alias = Arc::from(credential.alias.as_str());
            snapshot.aliases.insert(credential.alias.as_str().into(), Known { credential, alias });
        }
        snapshot
    }

    /// The credential of this alias.
    pub fn named(&self, alias: &str) -> Option<&Known> {
        self.aliases.get(alias)
    }

    /// Those bound to this origin that may be chosen by host alone.
    pub fn bound_to<'a>(&'a self, origin: &'a Origin) -> impl Iterator<Item = &'a Arc<Credential>> {
        let host = &origin.authority.host;
        let domain = match host {
            Host::Name(name) => name.split_once('.').and_then(|(_, domain)| self.domains.get(domain)),
            Host::V4(_) | Host::V6(_) => None,
        };
        let exact = self.hosts.get(host).into_iter().flatten();
        let wild = domain.into_iter().flatten().filter(move |it| !names_exactly(it, host));
        exact.chain(wild).filter(|it| it.is_bound_to(origin.scheme, &origin.authority))
    }

    fn index_hosts(&mut self, credential: &Arc<Credential>) {
        for binding in &credential.bindings {
            let list = match &binding.host {
                HostPattern::Exactly(host) => self.hosts.entry(host.clone()).or_default(),
                HostPattern::OneLabelBefore(domain) => self.domains.entry(domain.clone()).or_default(),
            };
            if !list.iter().any(|it| Arc::ptr_eq(it, credential)) {
                list.push(Arc::clone(credential));
            }
        }
    }
}

/// Whether the credential is already found under the exact host, so that it does not count twice.
fn names_exactly(credential: &Credential, host: &Host) -> bool {
    credential.bindings.iter().any(|it| matches!(&it.host, HostPattern::Exactly(exact) if exact == host))
}
