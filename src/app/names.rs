//! Names of credentials, roles and keys, as the daemon on this machine lists them: what a shell completes.

use std::{net::SocketAddr, time::Duration};

use serde::Deserialize;

use crate::{
    app::{
        bridge::{get, way_out},
        serve::runtime,
    },
    base::{
        capacity::{Client, Network},
        fields::Fields,
        secret::Secret,
        target::Target,
    },
    exchange::{budget::Budget, whole},
};

/// Who presses Tab does not wait longer.
const PATIENCE: Duration = Duration::from_millis(800);
/// Most bytes of a list.
const MOST: usize = 4 << 20;

/// What is listed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sort {
    /// Aliases.
    Credentials,
    /// Role names.
    Roles,
    /// What is shown of API keys.
    Keys,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Named {
    /// Safe to be put on a command line: letters, digits, `.`, `_` and `-`.
    pub name: String,
    /// For people, without control characters.
    pub about: Option<String>,
}

/// Each list has one of these.
#[derive(Deserialize)]
struct List {
    #[serde(alias = "credentials", alias = "roles", alias = "keys")]
    all: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    alias: Option<String>,
    name: Option<String>,
    key_prefix: Option<String>,
    description: Option<String>,
}

/// Asks the daemon at `address`, which is on this machine. No answer, or none in time, is no name.
pub fn listed(address: SocketAddr, key: Option<&Secret>, sort: Sort) -> Vec<Named> {
    let Ok(runtime) = runtime() else { return Vec::new() };
    let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE, ask(address, key, sort)).await });
    let list = answer.ok().flatten().and_then(|it| serde_json::from_slice::<List>(&it).ok());
    list.map_or_else(Vec::new, |it| it.all.into_iter().filter_map(|it| it.named(sort)).collect())
}

async fn ask(address: SocketAddr, key: Option<&Secret>, sort: Sort) -> Option<Vec<u8>> {
    let list = match sort {
        Sort::Credentials => "credentials",
        Sort::Roles => "roles",
        Sort::Keys => "keys",
    };
    let target = Target::parse(&format!("http://{address}/v1/{list}")).ok()?;
    let client = Client::Network(Network::default());
    let mut fields = Fields::default();
    if let Some(key) = key {
        fields.append("Authorization", &[b"Bearer ", key.expose().trim_ascii()].concat());
    }
    let request = get(&target, &client, &fields, PATIENCE);
    let answer = way_out().ok()?.send(request).await.ok()?;
    let mut held = Budget::default().of_large(client.clone());
    Some(whole::read(answer.body, MOST, &mut held, PATIENCE).await.ok()?.to_vec())
}

impl Item {
    /// What answers need not be ours: whatever could mean something to a shell is left out.
    fn named(self, sort: Sort) -> Option<Named> {
        let (name, about) = match sort {
            Sort::Credentials => (self.alias, self.description),
            Sort::Roles => (self.name, self.description),
            Sort::Keys => (self.key_prefix, self.name),
        };
        let is_plain = |it: u8| it.is_ascii_alphanumeric() || matches!(it, b'.' | b'_' | b'-');
        let name = name.filter(|it| !it.is_empty() && !it.starts_with('-') && it.bytes().all(is_plain))?;
        let about = about.map(|it| it.chars().filter(|it| !it.is_control()).collect());
        Some(Named { name, about })
    }
}
