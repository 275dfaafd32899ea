//! A client that speaks HTTP/2 inside a tunnel: a connection for each request, so that none of them knows of another.

use std::sync::Arc;

use h2::RecvStream;
use http::{HeaderMap, Request, Response};
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::support::{Agent, Answer, Appliance, agent::trusting, wait::PATIENCE, wire::Message};

/// Opens a tunnel to this authority and sends one request without a body in it. The refusal of the tunnel is an answer, too.
#[track_caller]
pub(crate) fn ask(appliance: &Appliance, authority: &str, request: Request<()>) -> Answer {
    let mut agent = Agent::dial(appliance.address());
    if let Err(refused) = agent.connect(authority, &[]) {
        return *refused;
    }
    let socket = agent.into_socket();
    socket.set_nonblocking(true).unwrap();
    let mut config = trusting(&appliance.ca_file());
    config.alpn_protocols = vec![b"h2".to_vec()];
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host).trim_matches(['[', ']']).to_owned();
    let asking = async {
        let name = ServerName::try_from(host).unwrap();
        let socket = TcpStream::from_std(socket).unwrap();
        let tls = TlsConnector::from(Arc::new(config)).connect(name, socket).await.unwrap();
        let (mut requests, connection) = h2::client::handshake(tls).await.unwrap();
        let answering = async {
            let (response, _) = requests.send_request(request, true).unwrap();
            read(response.await.unwrap()).await
        };
        tokio::select! {
            answer = answering => answer,
            ended = connection => panic!("the connection ended before the answer: {ended:?}"),
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, asking).await }).expect("an answer in time")
}

/// As HTTP/1 would have it.
async fn read(response: Response<RecvStream>) -> Answer {
    let (parts, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.unwrap();
        stream.flow_control().release_capacity(data.len()).unwrap();
        body.extend_from_slice(&data);
    }
    let trailers = stream.trailers().await.unwrap().unwrap_or_default();
    let start = format!("HTTP/1.1 {}", parts.status);
    let message = Message { start, fields: listed(&parts.headers), body, trailers: listed(&trailers) };
    Answer { message, interim: vec![] }
}

fn listed(fields: &HeaderMap) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| bytes.iter().map(|it| char::from(*it)).collect();
    fields.iter().map(|(name, value)| (name.to_string(), text(value.as_bytes()))).collect()
}
