//! Clients that speak HTTP/2 inside their tunnels: what crosses is the same as over HTTP/1, whatever the origin server speaks.

mod conformance;
mod endings;
mod exchange;
mod floods;
mod hostile;
mod limits;
