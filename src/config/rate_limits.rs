//! `[rate_limits]`: how often callers may ask in a minute, whatever the policies of credentials say.

use serde::Deserialize;

use crate::config::server::Mode;

/// The section, resolved; `None` is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateLimits {
    /// As written.
    proxy: Option<u32>,
    /// Requests to the management API a minute and key.
    pub management: Option<u32>,
    /// Keys that are not valid a minute and address, before the next one is looked at.
    pub auth_failures: Option<u32>,
}

/// The section as it is written; 0 is no limit.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section")]
pub(crate) struct Section {
    proxy: Option<u32>,
    management: u32,
    auth_failures: u32,
}

impl RateLimits {
    /// Requests through the proxy a minute and key. Where nothing is written the mode decides: one's own programs on
    /// one's own machine are not counted.
    pub fn proxy(&self, mode: Mode) -> Option<u32> {
        let of_mode = match mode {
            Mode::Local => 0,
            Mode::Server => 1000,
        };
        limit(self.proxy.unwrap_or(of_mode))
    }
}

impl Default for Section {
    fn default() -> Self {
        Self { proxy: None, management: 100, auth_failures: 10 }
    }
}

impl Section {
    pub(crate) fn settle(&self) -> RateLimits {
        let (management, auth_failures) = (limit(self.management), limit(self.auth_failures));
        RateLimits { proxy: self.proxy, management, auth_failures }
    }
}

impl Default for RateLimits {
    fn default() -> Self {
        Section::default().settle()
    }
}

fn limit(written: u32) -> Option<u32> {
    Some(written).filter(|it| *it != 0)
}

#[cfg(test)]
mod tests {
    use crate::config::{rate_limits::Section, server::Mode};

    #[test]
    fn requests_are_counted_in_server_mode_or_where_a_number_is_written() {
        let proxy = |written| {
            let limits = Section { proxy: written, ..Section::default() }.settle();
            [limits.proxy(Mode::Local), limits.proxy(Mode::Server)]
        };
        assert_eq!(proxy(None), [None, Some(1000)]);
        assert_eq!(proxy(Some(5)), [Some(5), Some(5)]);
        assert_eq!(proxy(Some(0)), [None, None]);
    }
}
