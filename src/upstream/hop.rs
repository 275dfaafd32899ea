//! The hop to a parent proxy: which hosts lie behind it, and how a tunnel through it is asked for.

use std::sync::Arc;

use http::Method;
use rustls::ClientConfig;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

use crate::{
    base::{
        fields::Fields,
        head::{AnswerHead, Framing},
        host::{Authority, Host, Scheme},
    },
    http1::{
        head,
        scan::Scan,
        wire::{Socket, Stream},
        write::{self, Ending},
    },
    upstream::{
        bypass::Bypass,
        connect::{DialError, server_name},
        parent::Parent,
        pseudonym::Pseudonym,
    },
};

/// Most interim answers before the parent's final one.
const MOST_INTERIM: usize = 16;

/// A parent proxy and what leads through it. All workers share it.
#[derive(Debug)]
pub struct Hop {
    parent: Arc<Parent>,
    bypass: Vec<Bypass>,
    tls: Arc<ClientConfig>,
    pseudonym: Pseudonym,
    fields: Fields,
}

impl Hop {
    /// A hop that all hosts but these lie behind; `tls` says whom to trust.
    pub fn new(parent: Arc<Parent>, bypass: Vec<Bypass>, tls: &ClientConfig) -> Self {
        let pseudonym = Pseudonym::random();
        let mut fields = Fields::default();
        fields.append("Via", pseudonym.member().as_bytes());
        parent.authorize(&mut fields);
        let mut tls = tls.clone();
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { parent, bypass, tls: Arc::new(tls), pseudonym, fields }
    }

    /// Where the parent listens.
    pub fn authority(&self) -> &Authority {
        &self.parent.authority
    }

    /// Whether this host lies behind it. The parent is another machine, so what is loopback here is not there.
    pub fn leads_to(&self, host: &Host) -> bool {
        !host.is_loopback() && !self.bypass.iter().any(|it| it.is_for(host))
    }

    /// Whether a request with these fields has taken it before.
    pub fn is_behind(&self, fields: &Fields) -> bool {
        self.pseudonym.is_in(fields)
    }

    /// What a request to the parent carries besides its own fields: `Via`, and who we are.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Starts what the parent speaks on a connection to it.
    ///
    /// # Errors
    /// Its certificate proves nothing.
    pub async fn start(&self, tcp: TcpStream) -> Result<Socket, DialError> {
        match self.parent.scheme {
            Scheme::Http => Ok(Socket::new(Stream::Tcp(tcp))),
            Scheme::Https => {
                let name = server_name(&self.parent.authority.host)?;
                let connector = TlsConnector::from(Arc::clone(&self.tls));
                Ok(Socket::within(connector.connect(name, tcp).await.map_err(DialError::Tls)?))
            }
        }
    }

    /// Asks the parent for a tunnel (RFC 9110 section 9.3.6); `via` is what the request has come through.
    ///
    /// # Errors
    /// It answers with anything but 2xx.
    pub async fn tunnel(&self, mut socket: Socket, to: &Authority, via: &[&[u8]]) -> Result<Socket, DialError> {
        let mut passed = Fields::default();
        for member in via {
            passed.append("Via", member);
        }
        let authority = to.to_string();
        let head = write::request(
            &Method::CONNECT,
            &authority,
            &authority,
            [&passed, &self.fields],
            Framing::None,
            Ending::default(),
        );
        socket.write_all(&Zeroizing::new(head)).await.map_err(DialError::Connect)?;
        socket.flush().await.map_err(DialError::Connect)?;
        for _ in 0..=MOST_INTERIM {
            match read_head(&mut socket).await?.status {
                ..200 => {}
                200..300 => return Ok(socket),
                status => return Err(DialError::ParentRefused(status)),
            }
        }
        Err(DialError::ParentRefused(100))
    }
}

/// Byte by byte: what follows is the tunnel's, and the other end may speak first.
async fn read_head(socket: &mut Socket) -> Result<AnswerHead, DialError> {
    let (mut bytes, mut scan) = (Vec::new(), Scan::default());
    loop {
        bytes.push(socket.read_u8().await.map_err(DialError::Connect)?);
        if scan.advance(&bytes)?.is_some() {
            return Ok(head::answer(bytes)?);
        }
    }
}
