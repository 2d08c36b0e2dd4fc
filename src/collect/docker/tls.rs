//! TLS to an engine, as docker does it: trusted is `ca.pem` and nothing else (this machine's roots
//! where there is none), and what proves us is `cert.pem` with `key.pem`. The certificate is always
//! verified, whatever a context says of it.
#![allow(clippy::disallowed_methods, reason = "collect/ is where the outside is looked at")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::budget::PEM_BYTES;
use crate::collect::{files, roots};
use crate::secret::sanitize;

/// One engine behind TLS.
pub(super) struct Tls {
    authority: String,
    name: ServerName<'static>,
    connector: TlsConnector,
}

impl Tls {
    /// Reads the certificates; an `Err` says what is wrong with them.
    pub(super) fn new(authority: &str, certificates: &Path) -> Result<Self, String> {
        let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        let name = ServerName::try_from(host.clone())
            .map_err(|_| format!("{host} is not a name that a certificate can have"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let ca = certificates.join("ca.pem");
        let builder = if ca.exists() {
            let mut roots = RootCertStore::empty();
            let (added, _) = roots.add_parsable_certificates(read_certificates(&ca)?);
            if added == 0 {
                return Err(format!("{} does not contain a certificate", ca.display()));
            }
            builder.with_root_certificates(roots)
        } else {
            let verifier = roots::verifier(provider)
                .map_err(|reason| format!("{} does not exist, and {reason}", ca.display()))?;
            builder.dangerous().with_custom_certificate_verifier(verifier)
        };
        let (cert, key) = (certificates.join("cert.pem"), certificates.join("key.pem"));
        let config = if cert.exists() || key.exists() {
            let chain = read_certificates(&cert)?;
            let text = read(&key)?;
            let secret = PrivateKeyDer::from_pem_slice(&text)
                .map_err(|_| format!("{} does not contain a private key", key.display()))?;
            builder.with_client_auth_cert(chain, secret).map_err(|error| {
                format!("{} and {} do not match: {error}", cert.display(), key.display())
            })?
        } else {
            builder.with_no_client_auth()
        };
        Ok(Self {
            authority: authority.to_owned(),
            name,
            connector: TlsConnector::from(Arc::new(config)),
        })
    }

    pub(super) async fn dial(&self) -> std::io::Result<TlsStream<TcpStream>> {
        let stream = TcpStream::connect(&self.authority).await?;
        self.connector.connect(self.name.clone(), stream).await
    }
}

fn read_certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    CertificateDer::pem_slice_iter(&read(path)?)
        .collect::<Result<_, _>>()
        .map_err(|_| format!("{} contains something other than certificates", path.display()))
}

fn read(path: &Path) -> Result<zeroize::Zeroizing<Vec<u8>>, String> {
    let cannot = |why: String| format!("{} cannot be read: {why}", path.display());
    let bytes = files::read_bytes_within(path, PEM_BYTES).map_err(cannot)?;
    Ok(zeroize::Zeroizing::new(bytes))
}

/// `x.example` of `DnsName("x.example")`, as the library writes a certificate's name.
fn plain(name: &str) -> String {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    sanitize(inside.unwrap_or(name).trim_matches('"'))
}

/// What a failed handshake means, in words that follow the engine's address.
pub(super) fn fault(error: &rustls::Error, certificates: &Path) -> String {
    let file = |name: &str| PathBuf::from(certificates).join(name).display().to_string();
    let day = |time: &UnixTime| {
        let at =
            i64::try_from(time.as_secs()).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
        at.map_or_else(|| "a day of its own".to_owned(), |at| at.strftime("%Y-%m-%d").to_string())
    };
    match error {
        rustls::Error::InvalidCertificate(reason) => match reason {
            CertificateError::ExpiredContext { not_after, .. } => {
                format!("its certificate expired on {}", day(not_after))
            }
            CertificateError::NotValidYetContext { not_before, .. } => {
                format!("its certificate is not valid before {}", day(not_before))
            }
            CertificateError::NotValidForNameContext { expected, presented } => {
                let own: Vec<String> = presented.iter().map(|name| plain(name)).collect();
                format!("its certificate is for {}, not for {}", own.join(", "), expected.to_str())
            }
            // A new authority with the old name is a different one.
            CertificateError::UnknownIssuer | CertificateError::BadSignature => {
                format!("its certificate was not issued by the authority in {}", file("ca.pem"))
            }
            reason => format!("its certificate is rejected: {reason}"),
        },
        rustls::Error::AlertReceived(alert) => match alert {
            AlertDescription::CertificateRequired => {
                format!("it needs a client certificate, and {} does not exist", file("cert.pem"))
            }
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::CertificateRevoked
            | AlertDescription::AccessDenied
            | AlertDescription::DecryptError => {
                format!("it rejects the client certificate {} ({alert:?})", file("cert.pem"))
            }
            alert => format!("it ends the handshake ({alert:?})"),
        },
        rustls::Error::InvalidMessage(_) => "it does not use TLS at that port".to_owned(),
        error => format!("TLS fails: {error}"),
    }
}
