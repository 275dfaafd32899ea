//! TLS tickets of clients save a handshake in a tunnel. They authorise nothing.

use rustls::HandshakeKind;

use crate::{
    sharing::{SECRETS, answer, two_callers},
    support::{Agent, Answer, Origin, Way, agent::trusting, wait::until},
};

#[test]
fn a_ticket_gives_nobody_the_rights_of_the_key_that_it_was_got_with() {
    let appliance = two_callers().start();
    let origin = Origin::https_with(|visit| {
        while let Some(request) = visit.request()? {
            answer(visit, &request.values("authorization").concat())?;
        }
        Ok(())
    });
    // Its clones share the tickets.
    let client = trusting(&appliance.ca_file());
    let tunnel = |name: &str| -> Result<Agent, Box<Answer>> {
        let bearer = format!("Bearer {}", appliance.key(name));
        let mut agent = Agent::dial(appliance.address()).towards(Way::Tunnel, &origin);
        agent.connect(&origin.authority(), &[("Proxy-Authorization", &bearer)])?;
        Ok(agent.start_tls_with(client.clone(), "localhost").unwrap())
    };
    let [ann, bob] = SECRETS.map(|(name, secret)| ([("X-Vultrino-Credential", name)], format!("Bearer {secret}")));
    let mut open = tunnel("ann").unwrap();
    assert_eq!(open.handshake(), Some(HandshakeKind::Full));
    assert_eq!(open.ask("GET", "/", &ann.0).expect_origins(200).text(), ann.1);
    let with_her_ticket = || {
        let mut agent = tunnel("bob").unwrap();
        assert_eq!(agent.handshake(), Some(HandshakeKind::Resumed));
        assert_eq!(agent.ask("GET", "/", &bob.0).expect_origins(200).text(), bob.1);
        agent.ask("GET", "/", &ann.0).expect_refusal(403, "forbidden");
    };
    with_her_ticket();
    appliance.cli(&["key", "revoke", &appliance.key("ann")[..11]]).expect_success();
    let end = until("requests in her open tunnel are refused", || {
        let head = open.head("GET", "/", &ann.0);
        let answered = open.try_send(head).and_then(|()| open.try_answer("GET"));
        Some(answered).filter(|it| it.as_ref().is_ok_and(|it| it.status() != 200) || it.is_err())
    });
    // Refused, or closed before that.
    assert!(end.as_ref().map_or(true, |it| it.status() == 401), "{end:?}");
    tunnel("ann").err().expect("her ticket opens no tunnel").expect_refusal(407, "proxy_authentication_required");
    with_her_ticket();
}
