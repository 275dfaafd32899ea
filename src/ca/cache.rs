//! One TLS configuration a host: bounded, made once however many ask, and renewed before its leaf ends.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::Timestamp;
use quick_cache::{
    DefaultHashBuilder, OptionsBuilder, UnitWeighter,
    sync::{Cache, DefaultLifecycle, EntryAction, EntryResult},
};
use rustls::ServerConfig;

use crate::{base::host::Host, ca::error::CaError};

/// Hosts whose configuration is kept.
const HOSTS: u16 = 1024;

/// A configuration and the time in which it may be handed out.
#[derive(Clone, Debug)]
pub struct Dated {
    /// For one host.
    pub config: Arc<ServerConfig>,
    /// Begin of the leaf's validity, a day before it was made: after a clock was set back further it is of no use.
    pub not_before: Timestamp,
    /// From here on it is made anew.
    pub renew_at: Timestamp,
}

impl Dated {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.not_before <= now && now < self.renew_at
    }
}

/// The configurations of the hosts that were asked for last.
pub struct Configs {
    cache: Cache<Host, Dated>,
    hits: AtomicU64,
    misses: AtomicU64,
}

/// How a cache was used.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Used {
    /// Hosts whose configuration is kept now.
    pub hosts: u64,
    /// Handshakes that found one.
    pub hits: u64,
    /// Those for which one was made.
    pub misses: u64,
}

impl Configs {
    /// An empty one.
    pub fn new() -> Self {
        let mut options = OptionsBuilder::new();
        options.shards(4).estimated_items_capacity(HOSTS.into()).weight_capacity(HOSTS.into());
        #[expect(clippy::expect_used, reason = "the two settings that can be missing are set above")]
        let options = options.build().expect("both capacities are set");
        let (hasher, lifecycle) = (DefaultHashBuilder::default(), DefaultLifecycle::default());
        let cache = Cache::with_options(options, UnitWeighter, hasher, lifecycle);
        Self { cache, hits: AtomicU64::new(0), misses: AtomicU64::new(0) }
    }

    /// The configuration for `host`, from `make` if there is none that is still good. While one caller makes it, others
    /// who want the same host wait for it; when `make` fails, the next of them tries.
    pub fn get(
        &self,
        host: &Host,
        now: Timestamp,
        make: impl FnOnce() -> Result<Dated, CaError>,
    ) -> Result<Arc<ServerConfig>, CaError> {
        if let Some(dated) = self.cache.get(host)
            && dated.is_fresh(now)
        {
            self.hits.fetch_add(1, Ordering::Relaxed);
            return Ok(dated.config);
        }
        let keep_fresh = |_: &Host, dated: &mut Dated| {
            if dated.is_fresh(now) {
                EntryAction::Retain(Arc::clone(&dated.config))
            } else {
                EntryAction::ReplaceWithGuard
            }
        };
        let guard = match self.cache.entry(host, None, keep_fresh) {
            EntryResult::Retained(config) => {
                self.hits.fetch_add(1, Ordering::Relaxed);
                return Ok(config);
            }
            EntryResult::Vacant(guard) | EntryResult::Replaced(guard, _) => guard,
            // Neither can happen: nothing is removed and no time limit is given. Without the cache is as good.
            EntryResult::Removed(..) | EntryResult::Timeout => return make().map(|dated| dated.config),
        };
        self.misses.fetch_add(1, Ordering::Relaxed);
        let dated = make()?;
        let config = Arc::clone(&dated.config);
        // Refused only if the entry was removed meanwhile; then the next caller makes its own.
        drop(guard.insert(dated));
        Ok(config)
    }

    /// How it was used so far.
    pub fn used(&self) -> Used {
        let [hits, misses] = [&self.hits, &self.misses].map(|it| it.load(Ordering::Relaxed));
        Used { hosts: self.cache.len() as u64, hits, misses }
    }
}

impl Default for Configs {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Configs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configs").field("used", &self.used()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::{
            Arc, Barrier,
            atomic::{AtomicUsize, Ordering},
        },
        thread,
    };

    use jiff::{SignedDuration, Timestamp};
    use rustls::{ServerConfig, crypto::aws_lc_rs, server::ResolvesServerCertUsingSni};

    use crate::{
        base::host::Host,
        ca::{
            cache::{Configs, Dated, Used},
            error::CaError,
        },
    };

    fn at(hour: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_hours(hour)
    }

    fn dated(from: i64, until: i64) -> Dated {
        let config = ServerConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(ResolvesServerCertUsingSni::new()));
        Dated { config: Arc::new(config), not_before: at(from), renew_at: at(until) }
    }

    fn refuse() -> Result<Dated, CaError> {
        Err(CaError::KeyMismatch)
    }

    #[test]
    fn a_configuration_is_kept_until_it_is_to_be_renewed() {
        let host: Host = "a.example".parse().unwrap();
        let configs = Configs::new();
        let first = configs.get(&host, at(1), || Ok(dated(1, 13))).unwrap();
        assert!(Arc::ptr_eq(&first, &configs.get(&host, at(12), refuse).unwrap()));
        let second = configs.get(&host, at(13), || Ok(dated(13, 25))).unwrap();
        assert!(!Arc::ptr_eq(&first, &second));
        assert!(configs.get(&host, at(12), refuse).is_err(), "a clock that was set back");
        assert!(configs.get(&host, at(12), || Ok(dated(12, 24))).is_ok(), "a failure is not kept");
    }

    #[test]
    fn many_who_ask_at_once_cause_one_to_be_made() {
        let host: Host = "a.example".parse().unwrap();
        let (configs, made, start) = (Configs::new(), AtomicUsize::new(0), Barrier::new(8));
        let ask = || {
            start.wait();
            let make = || {
                made.fetch_add(1, Ordering::SeqCst);
                thread::yield_now();
                Ok(dated(1, 13))
            };
            configs.get(&host, at(1), make).unwrap();
        };
        thread::scope(|scope| (0..8).for_each(|_| drop(scope.spawn(ask))));
        assert_eq!(made.into_inner(), 1);
        assert_eq!(configs.used(), Used { hosts: 1, hits: 7, misses: 1 });
    }

    #[test]
    fn the_number_of_hosts_is_bounded() {
        let configs = Configs::new();
        let one = dated(1, 13);
        for n in 0..10_000 {
            let host: Host = format!("h{n}.example").parse().unwrap();
            configs.get(&host, at(1), || Ok(one.clone())).unwrap();
        }
        let used = configs.used();
        assert!(used.hosts <= 1024 && used.misses == 10_000, "{used:?}");
    }
}
