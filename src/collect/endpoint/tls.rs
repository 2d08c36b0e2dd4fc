//! TLS as the doctor speaks it: verified with this machine's roots, and with the certificate
//! written down whatever the verdict.
//!
//! A handshake whose certificate is refused ends before anything is sent over it, the key above
//! all. The library says only `UnknownIssuer`; whether that is a self-signed certificate or a
//! private authority's is read from what was written down.
#![allow(clippy::disallowed_methods, reason = "reads the file that NODE_EXTRA_CA_CERTS names")]

use std::collections::BTreeMap;
use std::io::Read;
use std::sync::{Arc, Mutex, Once, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::classify::line;
use crate::evidence::endpoint::{Certificate, TlsFault};

/// The most that is read of a file with certificates.
const LARGEST_PEM: u64 = 1024 * 1024;

/// Chooses the TLS provider of this process, once. Both reqwest and bollard come without one.
pub fn ensure_crypto_provider() {
    static CHOSEN: Once = Once::new();
    CHOSEN.call_once(|| {
        // An error says that another caller chose before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Asks the platform's verifier, and remembers what it was asked about.
#[derive(Debug)]
pub(super) struct Recorder {
    /// `None`: every certificate is refused.
    verifier: Option<rustls_platform_verifier::Verifier>,
    /// Whether there is none because this machine has no roots.
    no_roots: bool,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<Vec<u8>>>,
}

impl Recorder {
    /// Trusts what this machine trusts and what NODE_EXTRA_CA_CERTS adds, which Node reads too.
    pub(super) fn trusting(env: &BTreeMap<String, String>) -> Arc<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let extra = extra_roots(env);
        // A broken file must not take the machine's own roots away: Node warns of it and goes on.
        let verifier =
            rustls_platform_verifier::Verifier::new_with_extra_roots(extra, Arc::clone(&provider))
                .or_else(|_| rustls_platform_verifier::Verifier::new(Arc::clone(&provider)))
                .ok();
        Arc::new(Self { no_roots: verifier.is_none(), verifier, provider, seen: Mutex::default() })
    }

    /// Trusts no certificate: for finding out whether TLS is spoken at all. Nothing is ever sent
    /// after such a handshake.
    pub(super) fn refusing() -> Arc<Self> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        Arc::new(Self { verifier: None, no_roots: false, provider, seen: Mutex::default() })
    }

    /// The configuration that asks this verifier; `None` only if the provider knew no protocol
    /// version.
    pub(super) fn config(self: &Arc<Self>) -> Option<ClientConfig> {
        let verifier: Arc<dyn ServerCertVerifier> = Arc::clone(self) as _;
        Some(
            ClientConfig::builder_with_provider(Arc::clone(&self.provider))
                .with_safe_default_protocol_versions()
                .ok()?
                .dangerous()
                .with_custom_certificate_verifier(verifier)
                .with_no_client_auth(),
        )
    }

    /// Whether a server showed a certificate.
    pub(super) fn met(&self) -> bool {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    /// The last certificate seen.
    pub(super) fn certificate(&self) -> Option<Certificate> {
        self.read(|certificate| Certificate {
            names: names(certificate),
            issuer: line(&certificate.issuer().to_string()),
            not_after: rfc3339(certificate.validity().not_after.timestamp()),
        })
    }

    /// Why the handshake failed.
    pub(super) fn fault(&self, error: &rustls::Error) -> TlsFault {
        let rustls::Error::InvalidCertificate(reason) = error else {
            return TlsFault::Other(line(&error.to_string()));
        };
        let date = |time: &UnixTime| rfc3339(i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
        let own = |bound: fn(&X509Certificate<'_>) -> i64| {
            self.read(|certificate| rfc3339(bound(certificate))).unwrap_or_default()
        };
        let self_signed =
            self.read(|certificate| certificate.issuer() == certificate.subject()) == Some(true);
        match reason {
            CertificateError::ExpiredContext { not_after, .. } => {
                TlsFault::Expired(date(not_after))
            }
            CertificateError::Expired => {
                TlsFault::Expired(own(|certificate| certificate.validity().not_after.timestamp()))
            }
            CertificateError::NotValidYetContext { not_before, .. } => {
                TlsFault::NotYetValid(date(not_before))
            }
            CertificateError::NotValidYet => TlsFault::NotYetValid(own(|certificate| {
                certificate.validity().not_before.timestamp()
            })),
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsFault::WrongName(self.read(names).unwrap_or_default())
            }
            CertificateError::UnknownIssuer if self.no_roots => TlsFault::NoRoots,
            // A self-signed authority used as a server's own certificate fails for that use, not
            // for its issuer.
            CertificateError::UnknownIssuer | CertificateError::Other(_) if self_signed => {
                TlsFault::SelfSigned
            }
            CertificateError::UnknownIssuer => TlsFault::UnknownIssuer(
                self.certificate().map(|certificate| certificate.issuer).unwrap_or_default(),
            ),
            _ => TlsFault::Other(line(&error.to_string())),
        }
    }

    fn read<T>(&self, take: impl FnOnce(&X509Certificate<'_>) -> T) -> Option<T> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, certificate) = X509Certificate::from_der(seen.as_ref()?).ok()?;
        Some(take(&certificate))
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) = Some(end_entity.to_vec());
        match &self.verifier {
            Some(verifier) => verifier.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            ),
            None => Err(CertificateError::UnknownIssuer.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// The certificates of the file that NODE_EXTRA_CA_CERTS names; none where it cannot be read.
fn extra_roots(env: &BTreeMap<String, String>) -> Vec<CertificateDer<'static>> {
    let Some(path) = env.get("NODE_EXTRA_CA_CERTS").filter(|path| !path.is_empty()) else {
        return Vec::new();
    };
    // A pipe or a device would hold the run up.
    if !std::fs::metadata(path).is_ok_and(|data| data.is_file()) {
        return Vec::new();
    }
    let mut pem = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(LARGEST_PEM).read_to_end(&mut pem));
    match read {
        Ok(_) => CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect(),
        Err(_) => Vec::new(),
    }
}

/// The names a certificate is for: its alternative names, which are all that clients look at.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else { return Vec::new() };
    let names = extension.value.general_names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(line(name)),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| std::net::IpAddr::from(b).to_string()),
            16 => <[u8; 16]>::try_from(*bytes).ok().map(|b| std::net::IpAddr::from(b).to_string()),
            _ => None,
        },
        _ => None,
    });
    names.take(100).collect()
}

fn rfc3339(seconds: i64) -> String {
    jiff::Timestamp::from_second(seconds).map(|time| time.to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_by_what_this_machine_knows() {
        let unknown = rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer);
        let recorder = |no_roots| Recorder {
            verifier: None,
            no_roots,
            provider: Arc::new(rustls::crypto::ring::default_provider()),
            seen: Mutex::default(),
        };
        assert_eq!(recorder(true).fault(&unknown), TlsFault::NoRoots);
        assert_eq!(recorder(false).fault(&unknown), TlsFault::UnknownIssuer(String::new()));
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let own = recorder(false);
        *own.seen.lock().unwrap() = Some(params.self_signed(&key).unwrap().der().to_vec());
        assert_eq!(own.fault(&unknown), TlsFault::SelfSigned);
        assert_eq!(own.certificate().unwrap().names, ["a.example"]);
        *own.seen.lock().unwrap() = Some(b"no certificate".to_vec());
        assert_eq!(own.certificate(), None);
    }

    #[test]
    fn an_unreadable_file_of_roots_adds_none() {
        for path in ["", "/nowhere/at/all.pem", "/dev/null", "/"] {
            let env = BTreeMap::from([("NODE_EXTRA_CA_CERTS".to_owned(), path.to_owned())]);
            assert!(extra_roots(&env).is_empty(), "{path}");
        }
    }
}
