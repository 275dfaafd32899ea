//! The rows of the result: one way to reach the origin each, with so many connections.

use clap::ValueEnum;

use crate::appliance::{Appliance, Use};
use crate::origin::Origin;
use crate::route::{Route, RouteError};

/// One line of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Row {
    /// TLS straight to the origin: what clients and origin cost by themselves
    Direct,
    /// Path style: the whole URL as the path, in clear to the proxy, TLS from there
    Path,
    /// As path, by a caller with an API key
    PathKey,
    /// As path-key, with a credential under policies: URLs, methods, a rate
    PathRuled,
    /// CONNECT, then TLS to the proxy and TLS from there; connections are kept
    Intercept,
    /// As intercept, by a caller with an API key, with a credential under policies
    InterceptRuled,
    /// As direct, one connection: for the time of one request
    DirectOne,
    /// As intercept, one connection: for the time of one request
    InterceptOne,
    /// As intercept, a new connection and a full handshake for each request
    InterceptNew,
}

/// What the rows are measured on.
pub(crate) struct Stage<'a> {
    pub(crate) origin: &'a Origin,
    pub(crate) appliance: Option<&'a Appliance>,
    pub(crate) connections: u32,
}

impl Row {
    pub(crate) const USUAL: [Self; 8] = [
        Self::Direct,
        Self::Path,
        Self::PathKey,
        Self::PathRuled,
        Self::Intercept,
        Self::InterceptRuled,
        Self::DirectOne,
        Self::InterceptOne,
    ];

    pub(crate) fn needs_proxy(self) -> bool {
        !matches!(self, Self::Direct | Self::DirectOne)
    }

    /// Whether it takes an API key and policies.
    pub(crate) fn needs_access(self) -> bool {
        matches!(self, Self::PathKey | Self::PathRuled | Self::InterceptRuled)
    }

    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |it| it.get_name().to_owned())
    }

    pub(crate) fn meaning(self) -> String {
        self.to_possible_value().and_then(|it| it.get_help().map(ToString::to_string)).unwrap_or_default()
    }
}

impl Stage<'_> {
    /// How many connections ask at once. Handshakes queue behind each other, so a few fill the proxy's core.
    pub(crate) fn connections(&self, row: Row) -> u32 {
        match row {
            Row::Direct | Row::Path | Row::PathKey | Row::PathRuled | Row::Intercept | Row::InterceptRuled => {
                self.connections
            }
            Row::DirectOne | Row::InterceptOne => 1,
            Row::InterceptNew => self.connections.min(16),
        }
    }

    pub(crate) fn route(&self, row: Row) -> Result<Route, RouteError> {
        match (row, self.appliance) {
            (Row::Direct | Row::DirectOne, _) => Route::direct(self.origin),
            (_, None) => Err(RouteError::NoProxy),
            (Row::Path, Some(it)) => Ok(Route::path(self.origin, it, &Use::unruled())),
            (Row::PathKey, Some(it)) => Ok(Route::path(self.origin, it, &it.keyed())),
            (Row::PathRuled, Some(it)) => Ok(Route::path(self.origin, it, &it.ruled())),
            (Row::Intercept | Row::InterceptOne, Some(it)) => Route::intercept(self.origin, it, None, false),
            (Row::InterceptRuled, Some(it)) => Route::intercept(self.origin, it, Some(&it.ruled()), false),
            (Row::InterceptNew, Some(it)) => Route::intercept(self.origin, it, None, true),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use crate::row::Row;

    #[test]
    fn every_row_says_what_it_means() {
        for row in Row::value_variants() {
            assert!(!row.name().is_empty() && !row.meaning().is_empty(), "{row:?}");
        }
    }
}
