//! What requests are decided by, at one moment: one pointer, replaced as a whole after each change of the store, of the
//! policies or of the configuration.

use std::{
    collections::HashMap,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::{Arc, OnceLock},
};

use jiff::Timestamp;

use crate::{
    base::{
        host::{Host, HostPattern},
        id::Id,
        target::Origin,
        uniform::UniformMap,
    },
    credential::Credential,
    exchange::{Config, live::Rights, time_limit::TimeLimit},
    identity::{ApiKey, Holder, KeyHash, Permission, PresentedKey, Principal, Role},
    policy::{Policy, PolicySet},
    safe::Stored,
    upstream::Tenant,
};

/// Credentials without their secrets, keys, roles and policies, indexed for the questions that a request asks. All cost
/// the same whether there is one of a kind or ten thousand.
#[derive(Debug, Default)]
pub struct Snapshot {
    aliases: HashMap<Box<str>, Arc<Known>>,
    /// All, under each host that a binding names exactly.
    hosts: HashMap<Host, Vec<Arc<Known>>>,
    /// The same, under the domain of a binding such as `*.example.com`.
    domains: HashMap<Box<str>, Vec<Arc<Known>>>,
    /// Keys whose role is there.
    holders: UniformMap<KeyHash, Arc<Holder>>,
    policies: Arc<PolicySet>,
    config: Arc<Config>,
    generation: u64,
    revision: u64,
}

/// What a snapshot is made of.
#[derive(Debug, Default)]
pub struct Contents {
    /// All of them.
    pub credentials: Vec<Arc<Stored<Credential>>>,
    /// All of them.
    pub roles: Vec<Role>,
    /// All of them, expired ones too.
    pub keys: Vec<ApiKey>,
    /// Shared with the next snapshot, if they stay.
    pub policies: Arc<PolicySet>,
    /// The same.
    pub config: Arc<Config>,
    /// Counts the snapshots; audit lines name it.
    pub generation: u64,
    /// Of the store.
    pub revision: u64,
}

/// A credential, and what is found out about it once.
#[derive(Debug)]
pub struct Known {
    /// Its facts, and its secret, closed.
    pub stored: Arc<Stored<Credential>>,
    /// Its alias as audit records hold it.
    pub alias: Arc<str>,
    /// Longest silence of its hosts, where it is not the usual one.
    pub time_limit: Option<TimeLimit>,
    judged: OnceLock<Judged>,
}

/// What the policies make of a credential.
#[derive(Debug)]
struct Judged {
    policies: Vec<Arc<Policy>>,
    /// A hash of the credential's ID and version and of its policies: another one when any of them changes.
    generation: u64,
}

/// Why a caller is not known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unauthenticated {
    /// It showed no key where one is needed.
    Missing,
    /// It showed one that is not valid, or no longer.
    Invalid,
    /// It showed one that a caller without a key created, and callers need one here.
    Keyless,
}

impl Known {
    /// Its facts.
    pub fn credential(&self) -> &Credential {
        &self.stored.facts
    }
}

impl Snapshot {
    /// Indexes all.
    pub fn new(contents: Contents) -> Self {
        let Contents { credentials, roles, keys, policies, config, generation, revision } = contents;
        let roles: HashMap<Id, Arc<Role>> = roles.into_iter().map(|it| (it.id, Arc::new(it))).collect();
        let holder = |key: ApiKey| {
            let role = Arc::clone(roles.get(&key.role_id)?);
            Some((key.hash, Arc::new(Holder::new(key, role))))
        };
        let holders = keys.into_iter().filter_map(holder).collect();
        let mut snapshot = Self { holders, policies, config, generation, revision, ..Self::default() };
        for stored in credentials {
            let alias = Arc::from(stored.facts.alias.as_str());
            let time_limit = TimeLimit::of_credential(&stored.facts);
            let known = Arc::new(Known { stored, alias, time_limit, judged: OnceLock::new() });
            snapshot.index_hosts(&known);
            snapshot.aliases.insert(known.credential().alias.as_str().into(), known);
        }
        snapshot
    }

    /// Takes over what goes on: when keys were used that nobody has written down yet, and how much they have open.
    pub fn inherit(&mut self, before: &Self) {
        for (hash, holder) in &mut self.holders {
            if let (Some(holder), Some(before)) = (Arc::get_mut(holder), before.holders.get(hash)) {
                holder.follow(before);
            }
        }
    }

    /// Who shows this key. `keyless` says whether the listener lets callers in without one.
    ///
    /// # Errors
    /// No key where one is needed, a key that is not valid, wherever it is shown, and one that is not valid here.
    pub fn authenticate(
        &self,
        key: Option<&PresentedKey>,
        keyless: bool,
        now: Timestamp,
    ) -> Result<Principal, Unauthenticated> {
        let Some(key) = key else {
            return if keyless { Ok(Principal::Local) } else { Err(Unauthenticated::Missing) };
        };
        let holder = self.holders.get(&key.hash).filter(|it| !it.key.is_expired(now));
        let holder = holder.ok_or(Unauthenticated::Invalid)?;
        if holder.key.is_keyless() && !keyless {
            return Err(Unauthenticated::Keyless);
        }
        holder.use_at(now);
        Ok(Principal::Key(Arc::clone(holder)))
    }

    /// Whose key this is, be it valid still or not.
    pub fn holder(&self, key: &PresentedKey) -> Option<&Arc<Holder>> {
        self.holders.get(&key.hash)
    }

    /// Whether somebody who began with these rights still has them.
    pub fn upholds(&self, rights: &Rights, now: Timestamp) -> bool {
        let Rights { holder, known, origin } = rights;
        let held = holder.as_ref().is_none_or(|it| {
            let same = |now_held: &&Arc<Holder>| now_held.key.id == it.key.id && !now_held.key.is_expired(now);
            let still = self.holders.get(&it.key.hash).filter(same);
            still.is_some_and(|still| {
                let reaches = known.as_ref().is_none_or(|known| still.role.reaches(&known.alias));
                still.role.permissions.contains(Permission::Execute) && reaches
            })
        });
        let there = |it: &Arc<Known>| {
            let bound = |now: &Credential| {
                origin.as_ref().is_none_or(|origin| now.is_bound_to(origin.scheme, &origin.authority))
            };
            self.named(&it.alias)
                .is_some_and(|now| now.credential().id == it.credential().id && bound(now.credential()))
        };
        held && known.as_ref().is_none_or(there)
    }

    /// Keys that were used after the time that is stored for them, with that time.
    pub fn used(&self) -> Vec<(Id, Timestamp)> {
        let used = |it: &Arc<Holder>| {
            let at = it.last_used()?;
            (it.key.last_used_at.is_none_or(|stored| stored.as_second() < at.as_second())).then_some((it.key.id, at))
        };
        self.holders.values().filter_map(used).collect()
    }

    /// The credential of this alias.
    pub fn named(&self, alias: &str) -> Option<&Arc<Known>> {
        self.aliases.get(alias)
    }

    /// Those bound to this origin that may be chosen by host alone.
    pub fn bound_to<'a>(&'a self, origin: &'a Origin) -> impl Iterator<Item = &'a Arc<Known>> {
        self.usable_at(origin).filter(|it| it.credential().auto)
    }

    /// All that are bound to this origin.
    pub fn usable_at<'a>(&'a self, origin: &'a Origin) -> impl Iterator<Item = &'a Arc<Known>> {
        let host = &origin.authority.host;
        let domain = match host {
            Host::Name(name) => name.split_once('.').and_then(|(_, domain)| self.domains.get(domain)),
            Host::V4(_) | Host::V6(_) => None,
        };
        let exact = self.hosts.get(host).into_iter().flatten();
        let wild = domain.into_iter().flatten().filter(move |it| !names_exactly(it.credential(), host));
        exact.chain(wild).filter(|it| it.credential().is_bound_to(origin.scheme, &origin.authority))
    }

    /// The policies for a credential of this snapshot. Sought once.
    pub fn policies_for<'a>(&self, known: &'a Known) -> &'a [Arc<Policy>] {
        &self.judged(known).policies
    }

    fn judged<'a>(&self, known: &'a Known) -> &'a Judged {
        known.judged.get_or_init(|| {
            let policies = self.policies.matching(&known.credential().alias);
            let mut hasher = DefaultHasher::new();
            (known.credential().id, known.stored.version, known.credential().updated_at).hash(&mut hasher);
            for policy in &policies {
                policy.digest().hash(&mut hasher);
            }
            Judged { policies, generation: hasher.finish() }
        })
    }

    /// Whose connections to origins a request of this caller with this credential may use.
    pub fn tenant(&self, principal: &Principal, known: Option<&Known>) -> Tenant {
        let holder = principal.holder();
        Tenant {
            caller: holder.map(|it| it.key.hash),
            credential: known.map(|it| Arc::clone(&it.alias)),
            generation: generation(holder, known.map(|it| self.judged(it))),
        }
    }

    /// Whether requests can still have this tenant: its key is valid, and neither role, credential nor policies have
    /// changed.
    pub fn is_current(&self, tenant: &Tenant, now: Timestamp) -> bool {
        let holder = tenant.caller.and_then(|hash| self.holders.get(&hash)).filter(|it| !it.key.is_expired(now));
        let known = tenant.credential.as_ref().and_then(|alias| self.named(alias));
        holder.is_some() == tenant.caller.is_some()
            && known.is_some() == tenant.credential.is_some()
            && generation(holder, known.map(|it| self.judged(it))) == tenant.generation
    }

    /// All of them.
    pub fn policies(&self) -> &Arc<PolicySet> {
        &self.policies
    }

    /// How requests are treated.
    pub fn config(&self) -> &Arc<Config> {
        &self.config
    }

    /// See [`Contents::generation`].
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// See [`Contents::revision`].
    pub fn revision(&self) -> u64 {
        self.revision
    }

    fn index_hosts(&mut self, known: &Arc<Known>) {
        for binding in &known.credential().bindings {
            let list = match &binding.host {
                HostPattern::Exactly(host) => self.hosts.entry(host.clone()).or_default(),
                HostPattern::OneLabelBefore(domain) => self.domains.entry(domain.clone()).or_default(),
            };
            if !list.iter().any(|it| Arc::ptr_eq(it, known)) {
                list.push(Arc::clone(known));
            }
        }
    }
}

/// See [`Tenant::generation`].
fn generation(holder: Option<&Arc<Holder>>, judged: Option<&Judged>) -> u64 {
    // Both are hashes already; turned, so that they do not cancel each other out.
    holder.map_or(0, |it| it.generation) ^ judged.map_or(0, |it| it.generation.rotate_left(1))
}

/// Whether the credential is already found under the exact host, so that it does not count twice.
fn names_exactly(credential: &Credential, host: &Host) -> bool {
    credential.bindings.iter().any(|it| matches!(&it.host, HostPattern::Exactly(exact) if exact == host))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use crate::{
        base::id::Id,
        exchange::{
            live::Rights,
            snapshot::{Contents, Snapshot, Unauthenticated},
        },
        identity::{ApiKey, Presented, PresentedKey, Principal, Role, key},
    };

    /// A role, a key of it that ends at second 100, and what its holder shows.
    fn access() -> (Role, ApiKey, PresentedKey) {
        let now = Timestamp::UNIX_EPOCH;
        let minted = key::mint().unwrap();
        let field = [b"Bearer ", minted.key.expose()].concat();
        let shown = Presented::from_proxy_authorization(&field).unwrap().key.unwrap();
        let role = Role {
            id: Id::random(),
            name: "agent".to_owned(),
            description: None,
            permissions: "execute".parse().unwrap(),
            credential_scopes: Vec::new(),
            created_at: now,
        };
        let key = ApiKey {
            id: Id::random(),
            name: "k".to_owned(),
            prefix: minted.prefix,
            hash: minted.hash,
            role_id: role.id,
            expires_at: Some(second(100)),
            created_at: now,
            last_used_at: None,
            minted_by: None,
        };
        (role, key, shown)
    }

    fn second(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn of(roles: &[Role], keys: &[ApiKey]) -> Snapshot {
        Snapshot::new(Contents { roles: roles.to_vec(), keys: keys.to_vec(), ..Contents::default() })
    }

    #[test]
    fn a_key_is_good_until_its_second_and_as_long_as_its_role_is_there() {
        let (role, key, shown) = access();
        let snapshot = of(&[role], std::slice::from_ref(&key));
        let valid = |at| snapshot.authenticate(Some(&shown), true, second(at)).is_ok();
        assert_eq!([99, 100, 101].map(valid), [true, false, false]);
        let orphan = of(&[], &[key]);
        assert_eq!(orphan.authenticate(Some(&shown), true, second(1)).unwrap_err(), Unauthenticated::Invalid);
        assert!(matches!(orphan.authenticate(None, true, second(1)), Ok(Principal::Local)));
        assert_eq!(orphan.authenticate(None, false, second(1)).unwrap_err(), Unauthenticated::Missing);
    }

    #[test]
    fn rights_are_upheld_while_key_and_role_stay_as_wide() {
        let (role, key, shown) = access();
        let before = of(std::slice::from_ref(&role), std::slice::from_ref(&key));
        let principal = before.authenticate(Some(&shown), false, second(1)).unwrap();
        let rights = Rights { holder: principal.holder().cloned(), ..Rights::default() };
        assert!(before.upholds(&rights, second(99)) && !before.upholds(&rights, second(100)));
        let narrowed = Role { permissions: "read".parse().unwrap(), ..role.clone() };
        assert!(!of(&[narrowed], std::slice::from_ref(&key)).upholds(&rights, second(1)));
        assert!(!of(&[], &[key]).upholds(&rights, second(1)), "the role is gone");
        assert!(!of(&[role], &[]).upholds(&rights, second(1)), "the key is gone");
        assert!(of(&[], &[]).upholds(&Rights::default(), second(1)), "whoever needed no right has lost none");
    }

    #[test]
    fn when_a_key_was_used_outlives_its_snapshot_until_it_is_written_down() {
        let (role, key, shown) = access();
        let before = of(std::slice::from_ref(&role), std::slice::from_ref(&key));
        assert_eq!(before.used(), []);
        before.authenticate(Some(&shown), false, second(7)).unwrap();
        let mut after = of(std::slice::from_ref(&role), std::slice::from_ref(&key));
        after.inherit(&before);
        assert_eq!(after.used(), [(key.id, second(7))]);
        let stored = ApiKey { last_used_at: Some(second(7)), ..key };
        let mut written = Snapshot::new(Contents { roles: vec![role], keys: vec![stored], ..Contents::default() });
        written.inherit(&after);
        assert_eq!(written.used(), []);
    }
}
