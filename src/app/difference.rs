//! What has changed between two states of the store or of the configuration, by name, for the log.

use std::collections::BTreeMap;

use crate::{
    config::Config,
    store::{Records, record::Stored},
};

/// Credentials, roles, keys and the rest, such as `credential github-api changed, key vk_0a1b2c3d (ci) removed`; empty
/// where nothing has changed that decides about requests.
pub(crate) fn of_records(before: &Records, after: &Records) -> String {
    let mut all = Vec::new();
    let credentials = |it: &Records| versions(&it.credentials, |it| it.alias.to_string());
    compare("credential", &credentials(before), &credentials(after), &mut all);
    let roles = |it: &Records| versions(&it.roles, |it| it.name.clone());
    compare("role", &roles(before), &roles(after), &mut all);
    // A key only comes and goes; its version counts its uses.
    let keys = |it: &Records| {
        let mut keys = versions(&it.keys, |it| format!("{} ({})", it.prefix, it.name));
        for version in keys.values_mut() {
            *version = 0;
        }
        keys
    };
    compare("key", &keys(before), &keys(after), &mut all);
    if before.admin.as_ref().map(|it| it.version) != after.admin.as_ref().map(|it| it.version) {
        all.push("administrator changed".to_owned());
    }
    if before.ca.as_ref().map(|it| it.version) != after.ca.as_ref().map(|it| it.version) {
        all.push("certificate authority changed".to_owned());
    }
    all.join(", ")
}

/// Sections and policies, such as `[limits] changed, policy read-only added`.
pub(crate) fn of_configs(before: &Config, after: &Config) -> String {
    let mut all = Vec::new();
    for (section, differs) in [
        ("[server]", before.server != after.server),
        ("[proxy]", before.proxy != after.proxy),
        ("[limits]", before.limits != after.limits),
        ("[rate_limits]", before.rate_limits != after.rate_limits),
    ] {
        if differs {
            all.push(format!("{section} changed"));
        }
    }
    let policies = |it: &Config| it.policies.iter().map(|it| (it.name.to_string(), it.digest())).collect();
    compare("policy", &policies(before), &policies(after), &mut all);
    if all.is_empty() { "nothing".to_owned() } else { all.join(", ") }
}

fn versions<T>(all: &[impl AsRef<Stored<T>>], name: impl Fn(&T) -> String) -> BTreeMap<String, u64> {
    all.iter().map(AsRef::as_ref).map(|it| (name(&it.facts), it.version)).collect()
}

fn compare(kind: &str, before: &BTreeMap<String, u64>, after: &BTreeMap<String, u64>, all: &mut Vec<String>) {
    let mut say = |name: &str, what| all.push(format!("{kind} {} {what}", name.escape_debug()));
    for (name, version) in after {
        match before.get(name) {
            None => say(name, "added"),
            Some(former) if former != version => say(name, "changed"),
            Some(_) => {}
        }
    }
    before.keys().filter(|name| !after.contains_key(*name)).for_each(|name| say(name, "removed"));
}
