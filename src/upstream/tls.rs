//! What origin servers must prove: a certificate under the system's roots or the configured ones. Nothing turns it off.

use std::{path::Path, sync::Arc};

use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem, pem::PemObject as _},
};
use thiserror::Error;

use crate::base::trusted;

/// Why TLS towards origin servers cannot be set up.
#[derive(Debug, Error)]
pub enum TlsError {
    /// `[upstream] ca_file`
    #[error("[upstream] ca_file {path} holds no readable certificate")]
    CaFile {
        /// As configured.
        path: String,
        /// What the PEM reader says.
        #[source]
        source: pem::Error,
    },
    /// A certificate that is none.
    #[error("[upstream] ca_file {path} holds a certificate that cannot be used")]
    Certificate {
        /// As configured.
        path: String,
        /// What rustls says.
        #[source]
        source: rustls::Error,
    },
}

/// The configuration of TLS connections to origin servers, which may choose HTTP/2 or HTTP/1.1.
///
/// # Errors
/// A `ca_file` that cannot be read. Missing system roots are a warning: every handshake then fails.
pub fn client_config(ca_file: Option<&Path>) -> Result<Arc<ClientConfig>, TlsError> {
    let mut roots = RootCertStore::empty();
    let native = rustls_native_certs::load_native_certs();
    for error in &native.errors {
        tracing::warn!(%error, "a system root certificate cannot be read");
    }
    roots.add_parsable_certificates(native.certs);
    if let Some(path) = ca_file {
        add_file(&mut roots, path)?;
    }
    if roots.is_empty() {
        tracing::warn!("no trusted root certificates: install ca-certificates or set [upstream] ca_file");
    }
    let mut config = ClientConfig::builder().with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// The same for connections that must speak HTTP/1.1.
pub fn http1_only(config: &ClientConfig) -> Arc<ClientConfig> {
    let mut config = config.clone();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Arc::new(config)
}

fn add_file(roots: &mut RootCertStore, path: &Path) -> Result<(), TlsError> {
    let shown = || path.display().to_string();
    let certificates = trusted::open_given(path)
        .map_err(pem::Error::Io)
        .and_then(|file| CertificateDer::pem_reader_iter(file).collect::<Result<Vec<_>, _>>())
        .map_err(|source| TlsError::CaFile { path: shown(), source })?;
    if certificates.is_empty() {
        return Err(TlsError::CaFile { path: shown(), source: pem::Error::NoItemsFound });
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|source| TlsError::Certificate { path: shown(), source })?;
    }
    Ok(())
}
