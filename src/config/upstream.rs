//! `[upstream]`: which addresses may be dialled, whom TLS trusts, how long dialling may take, which proxy lies between, and
//! when connections are used again. It becomes the [`Config`](crate::upstream::Config) of the room of that name.

use std::{net::IpAddr, sync::Arc, time::Duration};

use ipnet::IpNet;
use serde::{Deserialize, Deserializer};

use crate::{
    base::reuse::Reuse,
    config::{server::seconds, text, written::WrittenPath},
    upstream::{Bypass, Parent},
};

/// The section as it is written.
#[derive(Clone, Debug, Deserialize)]
#[serde(default, deny_unknown_fields, expecting = "a section")]
pub(crate) struct Section {
    #[serde(deserialize_with = "networks")]
    pub(crate) allow_private: Vec<IpNet>,
    /// Empty is none.
    pub(crate) ca_file: Option<WrittenPath>,
    #[serde(deserialize_with = "seconds")]
    pub(crate) connect_timeout: Duration,
    /// Empty is none.
    #[serde(deserialize_with = "parent")]
    pub(crate) proxy: Option<Arc<Parent>>,
    #[serde(deserialize_with = "bypasses")]
    pub(crate) no_proxy: Vec<Bypass>,
    pub(crate) reuse: Reuse,
}

impl Default for Section {
    fn default() -> Self {
        let connect_timeout = Duration::from_secs(10);
        Self {
            allow_private: Vec::new(),
            ca_file: None,
            connect_timeout,
            proxy: None,
            no_proxy: Vec::new(),
            reuse: Reuse::default(),
        }
    }
}

fn parent<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Arc<Parent>>, D::Error> {
    text::parse(from, |text| if text.is_empty() { Ok(None) } else { text.parse().map(|it| Some(Arc::new(it))) })
}

fn bypasses<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Bypass>, D::Error> {
    Ok(Vec::<Written>::deserialize(from)?.into_iter().map(|Written(it)| it).collect())
}

struct Written(Bypass);

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text::parse(from, str::parse).map(Self)
    }
}

fn networks<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<IpNet>, D::Error> {
    Ok(Vec::<Network>::deserialize(from)?.into_iter().map(|Network(it)| it).collect())
}

struct Network(IpNet);

impl<'de> Deserialize<'de> for Network {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        text::parse(from, network).map(Self)
    }
}

/// One network or address. The widest private ranges are 127.0.0.0/8 and `fc00::/7`: what is wider opens the internet's
/// neighbourhood as a whole, which nobody means.
fn network(text: &str) -> Result<IpNet, String> {
    let network = match text.parse::<IpNet>() {
        Ok(it) => it,
        Err(error) => {
            text.parse::<IpAddr>().map(IpNet::from).or(Err(format!("`{text}`: {error}; write it as 10.1.2.0/24")))?
        }
    };
    let widest = if matches!(network, IpNet::V4(_)) { 8 } else { 7 };
    if network.prefix_len() < widest {
        return Err(format!("`{text}` is too wide: name the networks that you mean, /{widest} or smaller"));
    }
    if network != network.trunc() {
        return Err(format!("`{text}` has bits behind the mask: write `{}`", network.trunc()));
    }
    Ok(network)
}

#[cfg(test)]
mod tests {
    use crate::config::upstream::network;

    #[test]
    fn networks_and_single_addresses_are_read() {
        assert_eq!(network("127.0.0.0/8").unwrap().to_string(), "127.0.0.0/8");
        assert_eq!(network("10.1.2.3").unwrap().to_string(), "10.1.2.3/32");
        assert_eq!(network("fc00::/7").unwrap().to_string(), "fc00::/7");
    }

    #[test]
    fn what_would_open_everything_is_refused() {
        for text in ["0.0.0.0/0", "0.0.0.0/1", "::/0", "2000::/3", "10.1.2.3/24", "private", "", "10.0.0.0/33"] {
            assert!(network(text).is_err(), "{text}");
        }
    }
}
