//! TLS as the doctor speaks it: verified as Node would ([`super::trust`]), and with the certificate
//! written down whatever the verdict.
//!
//! A handshake whose certificate is refused ends before anything is sent over it, the key above
//! all. The library says only `UnknownIssuer`; whether that is a self-signed certificate or a
//! private authority's is read from what was written down.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Once, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, SignatureScheme,
};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::classify::line;
use super::curves;
use super::trust::{self, Trust};
use crate::evidence::endpoint::{Certificate, TlsFault};

/// Chooses the TLS provider of this process, once. Both reqwest and bollard come without one.
pub fn ensure_crypto_provider() {
    static CHOSEN: Once = Once::new();
    CHOSEN.call_once(|| {
        // An error says that another caller chose before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Judges as Node would, and remembers what it was asked about.
#[derive(Debug)]
pub(super) struct Recorder {
    /// `None`: every certificate is refused.
    trust: Option<Trust>,
    /// Whether the machine's own store trusts what Node does not.
    system_trusts: AtomicBool,
    provider: Arc<CryptoProvider>,
    seen: Mutex<Option<Seen>>,
}

/// What a server showed.
#[derive(Debug)]
struct Seen {
    certificate: Vec<u8>,
    name: ServerName<'static>,
}

impl Recorder {
    /// Trusts what Node trusts in this environment.
    pub(super) fn trusting(env: &BTreeMap<String, String>) -> Arc<Self> {
        let provider = curves::provider();
        Self::new(Some(Trust::of(env, &provider)), provider)
    }

    fn new(trust: Option<Trust>, provider: Arc<CryptoProvider>) -> Arc<Self> {
        let system_trusts = AtomicBool::new(false);
        Arc::new(Self { trust, system_trusts, provider, seen: Mutex::default() })
    }

    /// Trusts no certificate: for finding out whether TLS is spoken at all. Nothing is ever sent
    /// after such a handshake.
    pub(super) fn refusing() -> Arc<Self> {
        Self::new(None, curves::provider())
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
        match error {
            rustls::Error::InvalidCertificate(reason) => self.certificate_fault(reason),
            rustls::Error::AlertReceived(alert) => TlsFault::Alert(alert_words(*alert)),
            rustls::Error::InvalidMessage(_) => TlsFault::NotTls,
            rustls::Error::PeerIncompatible(_) => TlsFault::Other(
                "the server offers no version or cipher that convex-doctor has".to_owned(),
            ),
            _ => TlsFault::Other("the server does not keep to the protocol".to_owned()),
        }
    }

    fn certificate_fault(&self, reason: &CertificateError) -> TlsFault {
        let date = |time: &UnixTime| rfc3339(i64::try_from(time.as_secs()).unwrap_or(i64::MAX));
        match reason {
            CertificateError::ExpiredContext { not_after, .. } => {
                return TlsFault::Expired(date(not_after));
            }
            CertificateError::NotValidYetContext { not_before, .. } => {
                return TlsFault::NotYetValid(date(not_before));
            }
            _ => {}
        }
        if let Some(fault) = self.read(out_of_date).flatten() {
            return fault;
        }
        let self_signed =
            self.read(|certificate| certificate.issuer() == certificate.subject()) == Some(true);
        let issuer =
            || self.certificate().map(|certificate| certificate.issuer).unwrap_or_default();
        match reason {
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
                TlsFault::WrongName(self.read(names).unwrap_or_default())
            }
            CertificateError::UnknownIssuer if self.trust.as_ref().is_some_and(Trust::is_empty) => {
                TlsFault::NoRoots
            }
            CertificateError::UnknownIssuer if self.system_trusts.load(Ordering::Relaxed) => {
                TlsFault::OnlySystem(issuer())
            }
            // A self-signed authority used as a server's own certificate fails for that use, not
            // for its issuer.
            _ if self_signed => TlsFault::SelfSigned,
            CertificateError::UnknownIssuer => TlsFault::UnknownIssuer(issuer()),
            // What follows is judged by what the library can do, and OpenSSL can do more.
            _ if self.has_other_name() => TlsFault::WrongName(self.read(names).unwrap_or_default()),
            CertificateError::UnsupportedSignatureAlgorithmContext { .. }
            | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
                TlsFault::Unverified(
                    "it is signed with an algorithm that is rarely used".to_owned(),
                )
            }
            CertificateError::BadSignature => {
                TlsFault::Unverified("its signature is not right".to_owned())
            }
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                TlsFault::Unverified("it is not made for servers".to_owned())
            }
            _ => TlsFault::Unverified("it has an unusual form".to_owned()),
        }
    }

    /// Whether the certificate is for another host, as Node judges that.
    fn has_other_name(&self) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.as_ref().is_some_and(|seen| {
            X509Certificate::from_der(&seen.certificate)
                .is_ok_and(|(_, certificate)| !trust::takes_name(&certificate, &seen.name))
        })
    }

    fn read<T>(&self, take: impl FnOnce(&X509Certificate<'_>) -> T) -> Option<T> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (_, certificate) = X509Certificate::from_der(&seen.as_ref()?.certificate).ok()?;
        Some(take(&certificate))
    }
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        *self.seen.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Seen { certificate: end_entity.to_vec(), name: server_name.to_owned() });
        let Some(trust) = &self.trust else {
            return Err(CertificateError::UnknownIssuer.into());
        };
        let verdict = trust.verify(end_entity, intermediates, server_name, now);
        if matches!(
            verdict,
            Err(rustls::Error::InvalidCertificate(CertificateError::UnknownIssuer))
        ) {
            let provider = &self.provider;
            let trusts =
                trust::system_trusts(end_entity, intermediates, server_name, now, provider);
            self.system_trusts.store(trusts, Ordering::Relaxed);
        }
        verdict.map(|()| ServerCertVerified::assertion())
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
        let verdict = rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms);
        // `webpki` does not read a certificate of version 1; its key is the same.
        let Err(rustls::Error::InvalidCertificate(CertificateError::Other(_))) = &verdict else {
            return verdict;
        };
        let Ok((_, certificate)) = X509Certificate::from_der(cert) else { return verdict };
        let key = SubjectPublicKeyInfoDer::from(certificate.public_key().raw);
        rustls::crypto::verify_tls13_signature_with_raw_key(message, &key, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider.signature_verification_algorithms.supported_schemes()
    }
}

/// Whether the certificate is out of its dates now.
fn out_of_date(certificate: &X509Certificate<'_>) -> Option<TlsFault> {
    let now = i64::try_from(UnixTime::now().as_secs()).unwrap_or(i64::MAX);
    let (from, to) = (certificate.validity().not_before, certificate.validity().not_after);
    if now > to.timestamp() {
        return Some(TlsFault::Expired(rfc3339(to.timestamp())));
    }
    (now < from.timestamp()).then(|| TlsFault::NotYetValid(rfc3339(from.timestamp())))
}

/// An alert in lower-case words: `handshake failure`.
fn alert_words(alert: AlertDescription) -> String {
    let name = format!("{alert:?}");
    let is_known = name.chars().all(|c| c.is_ascii_alphabetic());
    if !is_known {
        return format!("alert {}", u8::from(alert));
    }
    let mut words = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !words.is_empty() && !words.ends_with('C') {
            words.push(' ');
        }
        words.push(c);
    }
    words.to_ascii_lowercase()
}

/// The names a certificate is for: its alternative names, else its common name.
fn names(certificate: &X509Certificate<'_>) -> Vec<String> {
    let Ok(Some(extension)) = certificate.subject_alternative_name() else {
        return trust::common_name(certificate).map(line).into_iter().collect();
    };
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
        let none = Recorder::refusing();
        assert_eq!(none.fault(&unknown), TlsFault::UnknownIssuer(String::new()));
        let key = rcgen::KeyPair::generate().unwrap();
        let params = rcgen::CertificateParams::new(vec!["a.example".to_owned()]).unwrap();
        let show = |certificate: &[u8]| {
            let name = ServerName::try_from("a.example").unwrap();
            *none.seen.lock().unwrap() = Some(Seen { certificate: certificate.to_vec(), name });
        };
        show(params.self_signed(&key).unwrap().der());
        assert_eq!(none.fault(&unknown), TlsFault::SelfSigned);
        assert_eq!(none.certificate().unwrap().names, ["a.example"]);
        show(b"no certificate");
        assert_eq!(none.certificate(), None);
    }

    #[test]
    fn what_the_library_cannot_judge_is_said_in_words() {
        use rustls::{InvalidMessage, PeerIncompatible};
        let recorder = Recorder::refusing();
        for (error, expected) in [
            (
                rustls::Error::AlertReceived(AlertDescription::HandshakeFailure),
                TlsFault::Alert("handshake failure".to_owned()),
            ),
            (
                rustls::Error::AlertReceived(AlertDescription::UnknownCA),
                TlsFault::Alert("unknown ca".to_owned()),
            ),
            (rustls::Error::InvalidMessage(InvalidMessage::InvalidContentType), TlsFault::NotTls),
            (
                rustls::Error::PeerIncompatible(PeerIncompatible::NoCipherSuitesInCommon),
                TlsFault::Other(
                    "the server offers no version or cipher that convex-doctor has".to_owned(),
                ),
            ),
            (
                rustls::Error::InvalidCertificate(CertificateError::BadEncoding),
                TlsFault::Unverified("it has an unusual form".to_owned()),
            ),
        ] {
            assert_eq!(recorder.fault(&error), expected);
        }
    }
}
