//! What of a message goes on, either way: end-to-end fields pass, those of one connection and ours do not.

use std::{future, pin::Pin, sync::Arc};

use http::Method;
use memchr::memmem;

use crate::{
    base::{
        fields::{Field, Fields, Known, is_twin},
        head::{AnswerHead, Framing, Interim},
    },
    exchange::{Config, Door, Inbound, Refusal},
    identity::presented,
    upstream::KeepTrailer,
};

/// Most options of `Connection` in one message: each is compared with the name of each field. Known clients send up to
/// three.
const MOST_OPTIONS: usize = 32;

/// Strips a request of what is for us or for this connection only, and counts this hop. Runs before anything is injected, so that a client
/// cannot name the injected field in `Connection` to have it removed.
///
/// With `overrides`, fields that ask the origin server for another method or URL go too: a policy judged those of the
/// request line.
///
/// # Errors
/// `Connection` has more than 32 options; `Max-Forwards` is 0, repeated or no plain number.
pub fn prepare_request<'a>(
    inbound: &mut Inbound<'_>,
    config: &'a Config,
    overrides: bool,
) -> Result<Stripped<'a>, Refusal> {
    // Elsewhere the request begins with us: that is no hop.
    if inbound.method == Method::OPTIONS && matches!(inbound.door, Door::Path | Door::Forward | Door::Connect) {
        count_hop(&mut inbound.fields)?;
    }
    strip(&mut inbound.fields, config, overrides)
}

/// Lowers `Max-Forwards` by one (RFC 9110 section 7.6.2). For `OPTIONS`; `TRACE` is never forwarded.
///
/// # Errors
/// It is 0, so we are the last recipient; it is repeated or no plain number.
fn count_hop(fields: &mut Fields) -> Result<(), Refusal> {
    const NAME: &str = "Max-Forwards";
    let (value, repeated) = {
        let mut values = fields.named(NAME);
        (values.next(), values.next().is_some())
    };
    let Some(value) = value else { return Ok(()) };
    if repeated {
        return Err(Refusal::Invalid("the Max-Forwards field is repeated"));
    }
    let text = std::str::from_utf8(value).ok().filter(|it| !it.is_empty() && it.bytes().all(|b| b.is_ascii_digit()));
    let text = text.ok_or(Refusal::Invalid("Max-Forwards is not a plain number"))?;
    // So many hops as do not fit are as good as these.
    let left = text.parse().unwrap_or(u64::MAX).checked_sub(1).ok_or(Refusal::LastRecipient)?;
    fields.retain(|it| !it.name.eq_ignore_ascii_case(NAME.as_bytes()));
    fields.append(NAME, left.to_string().as_bytes());
    Ok(())
}

fn strip<'a>(fields: &mut Fields, config: &'a Config, overrides: bool) -> Result<Stripped<'a>, Refusal> {
    let options = connection_options(fields).ok_or(Refusal::Invalid("Connection has more than 32 options"))?;
    let stripped = Stripped { options, config, overrides };
    fields.retain(|it| goes_up(it) && !stripped.takes(it.known, it.name) && !presented::holds_a_key(it.value));
    for (name, value) in &config.inject_headers {
        fields.append(name, value.as_bytes());
    }
    Ok(stripped)
}

/// Asks for it in our own words; those of the client were for us.
pub fn ask_for_websocket(fields: &mut Fields) {
    fields.append("Connection", b"Upgrade");
    fields.append("Upgrade", b"websocket");
}

/// Whether the sender takes trailers (RFC 9110 section 10.1.4).
pub fn takes_trailers(fields: &Fields) -> bool {
    let codings = fields.named("te").flat_map(|it| it.split(|b| *b == b','));
    codings.map(<[u8]>::trim_ascii).any(|it| it.eq_ignore_ascii_case(b"trailers"))
}

/// What is stripped from a request besides what always is.
#[derive(Debug)]
pub struct Stripped<'a> {
    /// Named by the client, for this connection only.
    options: Vec<Box<[u8]>>,
    config: &'a Config,
    overrides: bool,
}

impl Stripped<'_> {
    /// Trailers are stripped like fields, and cannot stand beside an injected field either.
    pub fn keep_trailer(self, fields: &Fields) -> KeepTrailer {
        let overrides = self.overrides;
        let configured = self.config.names().chain(fields.injected()).map(|it| it.as_bytes().into());
        let names: Vec<Box<[u8]>> = configured.chain(self.options).collect();
        Arc::new(move |name, value| {
            let stripped =
                (overrides && Known::of(name) == Known::Override) || names.iter().any(|it| is_twin(name, it));
            !stripped && !presented::holds_a_key(value)
        })
    }

    fn takes(&self, known: Known, name: &[u8]) -> bool {
        (self.overrides && known == Known::Override)
            || self.options.iter().any(|it| is_twin(name, it))
            || self.config.names().any(|it| is_twin(name, it.as_bytes()))
    }
}

impl Config {
    /// Of the fields that no client sends on.
    fn names(&self) -> impl Iterator<Item = &str> {
        self.strip_headers.iter().chain(self.inject_headers.iter().map(|(name, _)| name)).map(String::as_str)
    }
}

/// Strips an answer of what is for the connection to the origin server only. What tells its length is written anew,
/// but for answers without a body, where it is about another answer (RFC 9110 section 8.6).
///
/// # Errors
/// `Connection` has more than 32 options.
pub fn prepare_answer(head: &mut AnswerHead, framing: Framing) -> Result<(), Refusal> {
    let options = connection_options(&head.fields).ok_or(Refusal::BadAnswer)?;
    let keeps_length = framing == Framing::None && head.status >= 200 && head.status != 204;
    head.fields.retain(|it| {
        let goes = match it.known {
            // Only we say of ourselves that we refused.
            Known::ProxyStatus => memmem::find(it.value, b"vultrino").is_none(),
            Known::Connection | Known::HopByHop | Known::ProxyAuthorization | Known::TransferEncoding => false,
            Known::ContentLength => keeps_length,
            _ => true,
        };
        goes && !options.iter().any(|name| it.name.eq_ignore_ascii_case(name))
    });
    Ok(())
}

fn goes_up(field: Field<'_>) -> bool {
    match field.known {
        Known::Connection
        | Known::ContentLength
        | Known::HopByHop
        | Known::Host
        | Known::ProxyAuthorization
        | Known::TransferEncoding
        | Known::Vultrino => false,
        Known::Authorization => !presented::is_in_authorization(field.value),
        Known::ContentType
        | Known::Expect
        | Known::Origin
        | Known::Other
        | Known::Override
        | Known::ProxyStatus
        | Known::SecFetchSite
        | Known::Via => true,
    }
}

/// The fields that `Connection` names, but for the two options that name none. `None` if they are too many.
fn connection_options(fields: &Fields) -> Option<Vec<Box<[u8]>>> {
    if fields.connection_options().nth(MOST_OPTIONS).is_some() {
        return None;
    }
    let is_option = |it: &&[u8]| it.eq_ignore_ascii_case(b"close") || it.eq_ignore_ascii_case(b"keep-alive");
    Some(fields.connection_options().filter(|it| !is_option(it)).map(Into::into).collect())
}

/// Interim answers lose what is for one connection, like final ones.
pub(crate) struct EndToEnd<'a>(pub(crate) &'a mut (dyn Interim + 'a));

impl Interim for EndToEnd<'_> {
    fn pass<'a>(&'a mut self, mut head: AnswerHead) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        if prepare_answer(&mut head, Framing::None).is_err() {
            return Box::pin(future::ready(()));
        }
        self.0.pass(head)
    }
}

#[cfg(test)]
mod tests {
    use crate::{
        base::{fields::Fields, secret::Secret},
        exchange::{Config, Unmatched, forward},
    };

    fn prepared(lines: &[(&str, &str)]) -> String {
        let config = Config {
            unmatched: Unmatched::Deny,
            strip_headers: vec!["X-Internal".into()],
            inject_headers: vec![("X-By".into(), "us".into())],
            max_body_size: None,
            ..Config::default()
        };
        let mut fields = Fields::default();
        for (name, value) in lines {
            fields.append(name, value.as_bytes());
        }
        forward::strip(&mut fields, &config, false).unwrap();
        fields.inject("Authorization", "", Secret::from(String::from("ours")));
        let mut out = Vec::new();
        fields.write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn only_end_to_end_fields_of_the_client_go_up() {
        let sent = prepared(&[
            ("Host", "h"),
            ("Accept", "a"),
            ("Connection", "close, Authorization, x-hop"),
            ("X-Hop", "1"),
            ("Proxy-Connection", "keep-alive"),
            ("Proxy-Authorization", "Basic x"),
            ("TE", "trailers"),
            ("Upgrade", "h2c"),
            ("X-Vultrino-Credential", "a"),
            ("X_VULTRINO_POLICY", "a"),
            ("x-internal", "1"),
            ("x-by", "client's"),
            ("X-Key", "vk_0123456789abcdef0123456789abcdef"),
            ("authorization", "client's"),
            ("Cookie", "c=1"),
        ]);
        assert_eq!(sent, "Accept: a\r\nCookie: c=1\r\nX-By: us\r\nAuthorization: ours\r\n");
    }
}
