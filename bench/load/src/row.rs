//! The rows of the result: one way to reach the origin each, with so many connections.

use clap::ValueEnum;

use crate::appliance::Appliance;
use crate::origin::Origin;
use crate::route::{Route, RouteError};

/// One line of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Row {
    /// TLS straight to the origin: what clients and origin cost by themselves
    Direct,
    /// Path style: the whole URL as the path, in clear to the proxy, TLS from there
    Path,
    /// CONNECT, then TLS to the proxy and TLS from there; connections are kept
    Intercept,
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
    pub(crate) const USUAL: [Self; 5] =
        [Self::Direct, Self::Path, Self::Intercept, Self::DirectOne, Self::InterceptOne];

    pub(crate) fn needs_proxy(self) -> bool {
        !matches!(self, Self::Direct | Self::DirectOne)
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
            Row::Direct | Row::Path | Row::Intercept => self.connections,
            Row::DirectOne | Row::InterceptOne => 1,
            Row::InterceptNew => self.connections.min(16),
        }
    }

    pub(crate) fn route(&self, row: Row) -> Result<Route, RouteError> {
        match (row, self.appliance) {
            (Row::Direct | Row::DirectOne, _) => Route::direct(self.origin),
            (_, None) => Err(RouteError::NoProxy),
            (Row::Path, Some(appliance)) => Ok(Route::path(self.origin, appliance)),
            (Row::Intercept | Row::InterceptOne, Some(appliance)) => Route::intercept(self.origin, appliance, false),
            (Row::InterceptNew, Some(appliance)) => Route::intercept(self.origin, appliance, true),
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
