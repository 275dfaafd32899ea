//! What the rows are measured on, and the way that the requests of each one take.

use std::cell::Cell;
use std::net::SocketAddr;
use std::rc::Rc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};
use thiserror::Error;

use crate::appliance::{Appliance, Use};
use crate::installation::BLIND;
use crate::origin::Origin;
use crate::route::{HOST, Hosts, Route, Work, trusting};
use crate::row::Row;

/// The origin, and which hosts were asked already.
pub(crate) struct Stage {
    pub(crate) origin: Origin,
    hosts: Rc<Cell<u32>>,
}

#[derive(Debug, Error)]
pub(crate) enum RouteError {
    #[error("this row needs a proxy")]
    NoProxy,
    #[error("cannot read the proxy's CA certificate")]
    Pem(#[from] pem::Error),
    #[error("cannot trust the certificate of the other side")]
    Tls(#[from] rustls::Error),
}

const LOCALHOST: Hosts = Hosts::One("localhost");

impl Stage {
    pub(crate) fn new(origin: Origin) -> Self {
        Self { origin, hosts: Rc::default() }
    }

    /// How requests of this row get to the origin.
    pub(crate) fn route(&self, row: Row, appliance: Option<&Appliance>) -> Result<Route, RouteError> {
        let origin = &self.origin;
        let (down, up) = (Work::Download(origin.bulk), Work::Upload(origin.bulk));
        let proxy = || appliance.ok_or(RouteError::NoProxy);
        match row {
            Row::Direct | Row::DirectOne => self.direct(Work::Ask),
            Row::DirectPlain => Ok(Route { tls: None, ..self.to(origin.plain, false, Work::Ask)? }),
            Row::DirectNew => Ok(Route { anew: true, ..self.direct(Work::Ask)? }),
            Row::DirectResumed => Ok(Route { anew: true, resumes: true, ..self.direct(Work::Ask)? }),
            Row::DirectHosts => Ok(Route { anew: true, hosts: self.new_hosts(), ..self.direct(Work::Ask)? }),
            Row::DirectHttp2 => self.to(origin.http2, true, Work::Ask),
            Row::DirectDown => self.direct(down),
            Row::DirectUp => self.direct(up),
            Row::Path => proxy().map(|it| self.path(it, &it.ruled())),
            Row::PathFree => proxy().map(|it| self.path(it, &it.unruled())),
            Row::PathOpen => proxy().map(|it| self.path(it, &Use::OPEN)),
            Row::Absolute => proxy().map(|it| self.absolute(it)),
            Row::InterceptOpen => {
                Ok(Route { tunnel: Some(tunnel(origin.tls, &Use::OPEN)), ..self.intercept(proxy()?, Work::Ask)? })
            }
            Row::InterceptNew => Ok(Route { anew: true, ..self.intercept(proxy()?, Work::Ask)? }),
            Row::InterceptResumed => Ok(Route { anew: true, resumes: true, ..self.intercept(proxy()?, Work::Ask)? }),
            Row::InterceptHosts => {
                Ok(Route { anew: true, hosts: self.new_hosts(), ..self.intercept(proxy()?, Work::Ask)? })
            }
            Row::InterceptHttp2 => through(proxy()?, origin.http2, true, Work::Ask),
            Row::InterceptHttp2To1 => through(proxy()?, origin.tls, true, Work::Ask),
            Row::InterceptPost => self.intercept(proxy()?, Work::Post),
            Row::InterceptPostTo2 => through(proxy()?, origin.http2, false, Work::Post),
            Row::InterceptDown => self.intercept(proxy()?, down),
            Row::InterceptUp => self.intercept(proxy()?, up),
            Row::BlindDown => self.blind(proxy()?, down),
            Row::BlindUp => self.blind(proxy()?, up),
            Row::Intercept
            | Row::InterceptOne
            | Row::Grown1
            | Row::Grown100
            | Row::Grown10000
            | Row::Idle
            | Row::Start => self.intercept(proxy()?, Work::Ask),
        }
    }

    fn new_hosts(&self) -> Hosts {
        Hosts::New(Rc::clone(&self.hosts))
    }

    fn direct(&self, work: Work) -> Result<Route, RouteError> {
        self.to(self.origin.tls, false, work)
    }

    /// Straight to one of the origin's addresses; the credential is the client's own.
    fn to(&self, address: SocketAddr, http2: bool, work: Work) -> Result<Route, RouteError> {
        let credential = format!("Authorization: {}\r\n", self.origin.authorization);
        Ok(Route {
            address,
            tunnel: None,
            tls: Some(trusting(self.origin.authority.clone(), http2)?),
            hosts: LOCALHOST,
            request: request(work, "", &at(address), &credential),
            work,
            anew: false,
            resumes: false,
            http2,
        })
    }

    /// A request that names its credential, since path style demands it.
    fn path(&self, appliance: &Appliance, with: &Use<'_>) -> Route {
        let key = with.key.map(|it| format!("Authorization: Bearer {it}\r\n")).unwrap_or_default();
        let credential = format!("X-Vultrino-Credential: {}\r\n{key}", with.alias);
        let before = format!("/https://{}", at(self.origin.tls));
        let request = request(Work::Ask, &before, &appliance.address().to_string(), &credential);
        clear(appliance.address(), request)
    }

    /// A request as any program with `HTTP_PROXY` sends it.
    fn absolute(&self, appliance: &Appliance) -> Route {
        let host = at(self.origin.plain);
        let request = request(Work::Ask, &format!("http://{host}"), &host, &shown(&appliance.ruled()));
        clear(appliance.address(), request)
    }

    /// Through a tunnel to the origin that speaks HTTP/1.1.
    fn intercept(&self, appliance: &Appliance, work: Work) -> Result<Route, RouteError> {
        through(appliance, self.origin.tls, false, work)
    }

    /// TLS through the proxy with the origin itself, and the client's own credential.
    fn blind(&self, appliance: &Appliance, work: Work) -> Result<Route, RouteError> {
        let tunnel = Some(tunnel(self.origin.tls, &appliance.ruled()));
        Ok(Route { address: appliance.address(), tunnel, hosts: Hosts::One(BLIND), ..self.direct(work)? })
    }
}

/// Requests as any program with `HTTPS_PROXY` sends them: who calls, and with which credential, is told by the user
/// information of the proxy's address.
fn through(appliance: &Appliance, to: SocketAddr, http2: bool, work: Work) -> Result<Route, RouteError> {
    let authority = CertificateDer::from_pem_slice(appliance.installation.ca_pem.as_bytes())?;
    Ok(Route {
        address: appliance.address(),
        tunnel: Some(tunnel(to, &appliance.ruled())),
        tls: Some(trusting(authority, http2)?),
        hosts: LOCALHOST,
        request: request(work, "", &at(to), ""),
        work,
        anew: false,
        resumes: false,
        http2,
    })
}

fn clear(address: SocketAddr, request: String) -> Route {
    Route {
        address,
        tunnel: None,
        tls: None,
        hosts: LOCALHOST,
        request,
        work: Work::Ask,
        anew: false,
        resumes: false,
        http2: false,
    }
}

fn at(address: SocketAddr) -> String {
    format!("{HOST}:{}", address.port())
}

fn tunnel(to: SocketAddr, with: &Use<'_>) -> String {
    format!("CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n{1}\r\n", at(to), shown(with))
}

/// User information of the proxy's address, as clients send it.
fn shown(with: &Use<'_>) -> String {
    let userinfo = STANDARD.encode(format!("{}:{}", with.alias, with.key.unwrap_or_default()));
    format!("Proxy-Authorization: Basic {userinfo}\r\n")
}

fn request(work: Work, before: &str, host: &str, fields: &str) -> String {
    let (method, path, framing) = work.line();
    format!(
        "{method} {before}{path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: vultrino-load\r\nAccept: application/json\r\n\
         {framing}{fields}\r\n"
    )
}
