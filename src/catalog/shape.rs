//! Tells a token's service by its first letters.

use crate::{
    base::secret::Secret,
    catalog::{Entry, entries},
};

/// The service whose tokens begin like this one. The longest beginning wins: `sk-ant-` before `sk-`.
/// The beginning alone (`ghp_`) is no token.
pub fn recognise(token: &Secret) -> Option<&'static Entry> {
    let token = token.expose();
    let begins = |prefix: &str| token.len() > prefix.len() && token.starts_with(prefix.as_bytes());
    entries()
        .iter()
        .flat_map(|entry| entry.token_prefixes.iter().map(move |prefix| (prefix, entry)))
        .filter(|(prefix, _)| begins(prefix))
        .max_by_key(|(prefix, _)| prefix.len())
        .map(|(_, entry)| entry)
}

#[cfg(test)]
mod tests {
    use crate::{base::secret::Secret, catalog::recognise};

    #[test]
    fn tokens_find_their_service() {
        for (token, hosts) in [
            ("ghp_x", Some("api.github.com uploads.github.com")),
            ("github_pat_x", Some("api.github.com uploads.github.com")),
            ("glpat-x", Some("gitlab.com")),
            ("sk-ant-api03-x", Some("api.anthropic.com")),
            ("sk-proj-x", Some("api.openai.com")),
            ("sk-x", Some("api.openai.com")),
            ("lin_api_x", Some("api.linear.app")),
            ("lin_x", Some("api.linear.app")),
            ("secret_x", Some("api.notion.com")),
            ("sk_live_x", Some("api.stripe.com")),
            ("sk_test_x", Some("api.stripe.com")),
            ("xoxb-x", Some("slack.com")),
            ("AKIAIOSFODNN7EXAMPLE", None),
            ("ghp_", None),
            ("", None),
            (" ghp_x", None),
        ] {
            let found = recognise(&Secret::from(token.to_owned()));
            let named: Option<Vec<String>> = found.map(|it| it.hosts.iter().map(ToString::to_string).collect());
            assert_eq!(named.map(|it| it.join(" ")).as_deref(), hosts, "{token}");
        }
    }
}
