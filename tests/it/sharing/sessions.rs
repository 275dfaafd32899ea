//! TLS sessions with origins are shared by all callers: they save a handshake, and say nothing about who asks.

use std::sync::{Arc, Mutex};

use rustls::{DEFAULT_VERSIONS, HandshakeKind, ServerConfig};

use crate::{
    sharing::{SECRETS, answer, of, on_one_core, two_callers},
    support::{
        Origin, Way,
        certificates::{Flaw, server},
        visit::Line,
    },
};

#[test]
fn a_resumed_session_carries_no_request_and_no_identity() {
    let appliance = on_one_core(two_callers());
    let handshakes = Arc::<Mutex<Vec<(HandshakeKind, bool)>>>::default();
    let seen = Arc::clone(&handshakes);
    // It would take requests in the first flight of a resumed session.
    let mut config = ServerConfig::clone(&server(Flaw::None, DEFAULT_VERSIONS));
    config.max_early_data_size = 16 << 10;
    let origin = Origin::tls(Arc::new(config), move |visit| {
        let request = visit.request()?;
        if let Line::Tls(stream) = &mut visit.line {
            let kind = stream.conn.handshake_kind().unwrap();
            seen.lock().unwrap().push((kind, stream.conn.early_data().is_some()));
        }
        answer(visit, request.map_or(String::new(), |it| it.values("authorization").join(" ")).as_str())?;
        visit.close();
        Ok(())
    });
    for (name, secret) in SECRETS.into_iter().cycle().take(4) {
        let mut agent = of(name, &appliance, Way::Path, &origin);
        let own =
            agent.ask("GET", "/", &[("X-Vultrino-Credential", name), ("Connection", "close")]).expect_origins(200);
        assert_eq!(own.text(), format!("Bearer {secret}"));
    }
    let handshakes = handshakes.lock().unwrap();
    assert!(handshakes.iter().any(|(kind, _)| *kind == HandshakeKind::Resumed), "{handshakes:?}");
    assert!(handshakes.iter().all(|(_, early)| !early), "{handshakes:?}");
}
