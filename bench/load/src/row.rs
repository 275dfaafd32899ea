//! The rows of the result: one thing to measure each.

use clap::ValueEnum;

/// One line of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Row {
    /// TLS straight to the origin: what clients and origin cost by themselves
    Direct,
    /// Path style: the whole URL as the path, in clear to the proxy, TLS from there
    Path,
    /// As path, with a credential that no policy is about: what policies cost
    PathFree,
    /// As path-free, by a caller without a key: what API key and role cost
    PathOpen,
    /// In clear straight to the origin
    DirectPlain,
    /// Absolute form, in clear to the proxy and from there
    Absolute,
    /// CONNECT, then TLS to the proxy and TLS from there; connections are kept
    Intercept,
    /// As intercept, by a caller without a key, with a credential that no policy is about
    InterceptOpen,
    /// As direct, one connection: for the time of one request
    DirectOne,
    /// As intercept, one connection: for the time of one request
    InterceptOne,
    /// As direct, a new connection and a full handshake for each request
    DirectNew,
    /// As intercept, a new connection and a full handshake for each request
    InterceptNew,
    /// As direct-new, but the client resumes its TLS sessions
    DirectResumed,
    /// As intercept-new, but the client resumes its TLS sessions
    InterceptResumed,
    /// As direct-new, a host never seen before for each request, one after the other
    DirectHosts,
    /// As intercept-new, a host never seen before for each request, one after the other
    InterceptHosts,
    /// As direct, over HTTP/2, eight streams a connection
    DirectHttp2,
    /// As intercept, over HTTP/2 on both sides, eight streams a connection
    InterceptHttp2,
    /// As intercept-http2, to an origin that speaks HTTP/1.1 only
    InterceptHttp2To1,
    /// As intercept, but each request is a POST with a body of 1 KiB: the origin's connection is not used again
    InterceptPost,
    /// The same to an origin that speaks HTTP/2, whose connection is
    InterceptPostTo2,
    /// As intercept, with one more credential, policy, role and key
    Grown1,
    /// As intercept, with a hundred more credentials, policies, roles and keys
    Grown100,
    /// As intercept, with 10,000 more credentials and keys, 1,000 more policies and roles
    Grown10000,
    /// Downloads straight from the origin, one after the other
    DirectDown,
    /// Downloads through an intercepted tunnel, one after the other
    InterceptDown,
    /// Downloads through a tunnel that is not looked into, one after the other
    BlindDown,
    /// Uploads straight to the origin, one after the other
    DirectUp,
    /// Uploads through an intercepted tunnel, one after the other
    InterceptUp,
    /// Uploads through a tunnel that is not looked into, one after the other
    BlindUp,
    /// Memory of intercepted connections that wait for their next request, and after they have closed
    Idle,
    /// From the start of the program to the first answer through an intercepted tunnel
    Start,
}

/// How a row is measured, and by which figures it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Requests,
    Transfers,
    Memory,
    Start,
}

/// Which proxy a row is measured on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proxy {
    None,
    /// One for all rows.
    Usual,
    /// One of its own, with so many more credentials.
    Own(u32),
}

impl Row {
    pub(crate) fn kind(self) -> Kind {
        match self {
            Self::DirectDown
            | Self::InterceptDown
            | Self::BlindDown
            | Self::DirectUp
            | Self::InterceptUp
            | Self::BlindUp => Kind::Transfers,
            Self::Idle => Kind::Memory,
            Self::Start => Kind::Start,
            _ => Kind::Requests,
        }
    }

    pub(crate) fn proxy(self) -> Proxy {
        match self {
            Self::Direct
            | Self::DirectPlain
            | Self::DirectOne
            | Self::DirectNew
            | Self::DirectResumed
            | Self::DirectHosts
            | Self::DirectHttp2
            | Self::DirectDown
            | Self::DirectUp => Proxy::None,
            // What went before would show in them.
            Self::Idle | Self::Start => Proxy::Own(0),
            Self::Grown1 => Proxy::Own(1),
            Self::Grown100 => Proxy::Own(100),
            Self::Grown10000 => Proxy::Own(10_000),
            _ => Proxy::Usual,
        }
    }

    /// How many requests are under way at once where a full row has `most`. Handshakes queue behind each other, so a few
    /// fill the proxy's core.
    pub(crate) fn clients(self, most: u32) -> u32 {
        match self {
            Self::DirectNew | Self::InterceptNew | Self::DirectResumed | Self::InterceptResumed => most.min(16),
            Self::DirectOne | Self::InterceptOne | Self::DirectHosts | Self::InterceptHosts => 1,
            _ if self.kind() == Kind::Requests => most,
            _ => 1,
        }
    }

    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |it| it.get_name().to_owned())
    }

    pub(crate) fn meaning(self) -> String {
        self.to_possible_value().and_then(|it| it.get_help().map(ToString::to_string)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use clap::ValueEnum;

    use crate::row::{Kind, Proxy, Row};

    #[test]
    fn every_row_says_what_it_means() {
        for row in Row::value_variants() {
            assert!(!row.name().is_empty() && !row.meaning().is_empty(), "{row:?}");
        }
    }

    #[test]
    fn direct_rows_alone_need_no_proxy() {
        for row in Row::value_variants() {
            assert_eq!(row.proxy() == Proxy::None, row.name().starts_with("direct"), "{row:?}");
        }
    }

    #[test]
    fn only_requests_are_asked_many_at_once() {
        for row in Row::value_variants() {
            assert!(row.clients(64) == 1 || row.kind() == Kind::Requests, "{row:?}");
            assert_eq!(row.clients(1), 1);
        }
        assert_eq!((Row::Path.clients(64), Row::InterceptNew.clients(64)), (64, 16));
    }
}
