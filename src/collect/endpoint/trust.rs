//! Which certificates Node trusts, which is what the CLI connects with: Node's own bundled roots
//! (Mozilla's) and NODE_EXTRA_CA_CERTS. The system's store counts only with NODE_USE_SYSTEM_CA=1 or
//! `--use-system-ca`, and instead of the bundled roots with `--use-openssl-ca`; SSL_CERT_FILE is
//! read for these two alone (docs/facts.md, node-certificates).
//!
//! Node verifies with OpenSSL, which takes certificates that `webpki` does not know how to judge:
//! those without alternative names, of version 1, or marked as an authority's. Such a one is
//! accepted here only if NODE_EXTRA_CA_CERTS holds its issuer or itself.
#![allow(clippy::disallowed_methods, reason = "reads the files with certificates")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use crate::budget::PEM_BYTES;
use crate::collect::{files, roots};
use crate::evidence::endpoint::TrustFacts;
use rustls::client::danger::ServerCertVerifier;
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// What Node trusts in an environment.
#[derive(Debug)]
pub(super) struct Trust {
    roots: RootCertStore,
    /// Certificates that lead to a root and are not.
    between: Vec<CertificateDer<'static>>,
    /// Those that NODE_EXTRA_CA_CERTS adds.
    extra: Vec<CertificateDer<'static>>,
    /// The system's store, where Node reads it.
    system: Option<Arc<dyn ServerCertVerifier>>,
    provider: Arc<CryptoProvider>,
}

impl Trust {
    /// What Node trusts with these variables.
    pub(super) fn of(env: &BTreeMap<String, String>, provider: &Arc<CryptoProvider>) -> Self {
        let stores = Stores::of(env);
        let mut roots = RootCertStore::empty();
        if stores.bundled {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        let mut system = None;
        if stores.system {
            // OpenSSL reads this file instead of its own.
            match env.get("SSL_CERT_FILE").filter(|path| !path.is_empty()) {
                Some(path) => drop(roots.add_parsable_certificates(certificates(path))),
                None => system = roots::verifier(Arc::clone(provider)).ok(),
            }
        }
        let extra = env.get("NODE_EXTRA_CA_CERTS").filter(|path| !path.is_empty());
        let extra = extra.map(|path| certificates(path)).unwrap_or_default();
        let mut between = Vec::new();
        for certificate in &extra {
            // For OpenSSL a chain ends at a certificate that is signed by itself.
            if is_self_signed(certificate) {
                // What is no authority is looked for by itself.
                let _unusable = roots.add(certificate.clone());
            } else {
                between.push(certificate.clone());
            }
        }
        Self { roots, between, extra, system, provider: Arc::clone(provider) }
    }

    /// Whether there is nothing to trust at all.
    pub(super) fn is_empty(&self) -> bool {
        self.roots.is_empty() && self.system.is_none() && self.extra.is_empty()
    }

    /// Judges a server's certificate as Node would.
    pub(super) fn verify(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let all: Vec<CertificateDer<'_>> =
            intermediates.iter().chain(&self.between).cloned().collect();
        let mut outcome = self.verify_by_roots(leaf, &all, name, now);
        if outcome.is_err()
            && let Some(system) = &self.system
        {
            let by_system = system.verify_server_cert(leaf, &all, name, &[], now);
            outcome = by_system.map(drop).or_else(|error| name_or(error, leaf, name));
        }
        outcome.or_else(|error| {
            if self.verify_by_extra(leaf, name, now) {
                return Ok(());
            }
            let knows = !all.is_empty() || self.knows_issuer(leaf);
            Err(if knows { error } else { CertificateError::UnknownIssuer.into() })
        })
    }

    /// Whether a certificate could be signed by something that is trusted, by the issuer's name.
    fn knows_issuer(&self, leaf: &CertificateDer<'_>) -> bool {
        let Some(leaf) = parse(leaf) else { return true };
        let issuer = leaf.issuer().as_raw();
        let is_added = |der: &CertificateDer<'_>| {
            parse(der).is_some_and(|one| one.subject().as_raw() == issuer)
        };
        // An anchor has the name without the header of its sequence.
        self.system.is_some()
            || self.extra.iter().any(is_added)
            || self.roots.roots.iter().any(|root| issuer.ends_with(&root.subject))
    }

    fn verify_by_roots(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let algorithms = self.provider.signature_verification_algorithms.all;
        let parsed = ParsedCertificate::try_from(leaf)?;
        verify_server_cert_signed_by_trust_anchor(
            &parsed,
            &self.roots,
            intermediates,
            now,
            algorithms,
        )?;
        verify_server_name(&parsed, name).or_else(|error| name_or(error, leaf, name))
    }

    /// Whether one of the added certificates signed this one, or is this one: dates, signature and
    /// name are right.
    fn verify_by_extra(
        &self,
        leaf: &CertificateDer<'_>,
        name: &ServerName<'_>,
        now: UnixTime,
    ) -> bool {
        let Some(certificate) = parse(leaf) else { return false };
        let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
        let is_now = |one: &X509Certificate<'_>| {
            let validity = one.validity();
            (validity.not_before.timestamp()..=validity.not_after.timestamp()).contains(&now)
        };
        let signed = |der: &CertificateDer<'_>| {
            let Some(issuer) = parse(der) else { return false };
            let is_itself = der.as_ref() == leaf.as_ref();
            // Version 1 has no mark for authorities.
            let is_authority = issuer.version().0 == 0 || issuer.is_ca();
            is_self_signed(der)
                && (is_itself || is_authority)
                && is_now(&issuer)
                && certificate.issuer().as_raw() == issuer.subject().as_raw()
                && certificate.verify_signature(Some(issuer.public_key())).is_ok()
        };
        let serves = certificate.extended_key_usage().is_ok_and(|usage| {
            usage.is_none_or(|usage| usage.value.server_auth || usage.value.any)
        });
        is_now(&certificate)
            && serves
            && takes_name(&certificate, name)
            && self.extra.iter().any(signed)
    }
}

/// Whether this machine's own store trusts a certificate that Node does not.
pub(super) fn system_trusts(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    name: &ServerName<'_>,
    now: UnixTime,
    provider: &Arc<CryptoProvider>,
) -> bool {
    let Ok(system) = roots::verifier(Arc::clone(provider)) else { return false };
    let outcome = system.verify_server_cert(leaf, intermediates, name, &[], now);
    outcome.map(drop).or_else(|error| name_or(error, leaf, name)).is_ok()
}

/// Which stores Node reads.
#[derive(Debug, PartialEq, Eq)]
struct Stores {
    bundled: bool,
    system: bool,
}

impl Stores {
    fn of(env: &BTreeMap<String, String>) -> Self {
        let options = env.get("NODE_OPTIONS").map(String::as_str).unwrap_or_default();
        let last = |name: &str| {
            options.split_whitespace().rev().find_map(|word| {
                let word = word.trim_matches('"').replace('_', "-");
                let word = word.strip_prefix("--")?;
                match word.strip_prefix("no-") {
                    Some(word) => (word == name).then_some(false),
                    None => (word == name).then_some(true),
                }
            })
        };
        let openssl = last("use-openssl-ca") == Some(true) && last("use-bundled-ca") != Some(true);
        let by_variable = env.get("NODE_USE_SYSTEM_CA").is_some_and(|value| value == "1");
        let system = openssl || last("use-system-ca").unwrap_or(by_variable);
        Self { bundled: !openssl, system }
    }
}

/// What the environment says of it; which Node there is and what env files say is added later.
pub(super) fn facts(env: &BTreeMap<String, String>) -> TrustFacts {
    let extra = env.get("NODE_EXTRA_CA_CERTS").filter(|path| !path.is_empty());
    let options = env.get("NODE_OPTIONS").map(|options| options.replace('_', "-"));
    TrustFacts {
        extra: extra.map(|path| crate::secret::sanitize(path)),
        extra_fault: extra.and_then(|path| no_certificate(path)),
        system: Stores::of(env).system,
        system_off: options.is_some_and(|options| options.contains("--no-use-system-ca")),
        ..TrustFacts::default()
    }
}

/// Why a file gives no certificate.
fn no_certificate(path: &str) -> Option<String> {
    match std::fs::metadata(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Some("it does not exist".to_owned());
        }
        Err(_) => return Some("it cannot be read".to_owned()),
        Ok(data) if !data.is_file() => return Some("it is not a file".to_owned()),
        Ok(_) => {}
    }
    match files::read_bytes_within(Path::new(path), PEM_BYTES) {
        Err(reason) if reason == "permission denied" => Some("it cannot be read".to_owned()),
        Err(reason) => Some(reason),
        // One is enough: a system's whole store has two hundred.
        Ok(pem) => (!CertificateDer::pem_slice_iter(&pem).any(|one| one.is_ok()))
            .then(|| "there is no certificate in PEM in it".to_owned()),
    }
}

/// Whether the environment turns the verification off (`NODE_TLS_REJECT_UNAUTHORIZED=0`).
pub(super) fn is_off(env: &BTreeMap<String, String>) -> bool {
    env.get("NODE_TLS_REJECT_UNAUTHORIZED").is_some_and(|value| value == "0")
}

/// The certificates of a file in PEM; none where it cannot be read.
fn certificates(path: &str) -> Vec<CertificateDer<'static>> {
    read_certificates(path).unwrap_or_default()
}

fn read_certificates(path: &str) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = files::read_bytes_within(Path::new(path), PEM_BYTES)?;
    Ok(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect())
}

fn parse<'a>(der: &'a CertificateDer<'_>) -> Option<X509Certificate<'a>> {
    X509Certificate::from_der(der).ok().map(|(_, certificate)| certificate)
}

fn is_self_signed(der: &CertificateDer<'_>) -> bool {
    parse(der).is_some_and(|one| one.issuer().as_raw() == one.subject().as_raw())
}

/// The error, unless it is about the name and Node takes the name.
fn name_or(error: Error, leaf: &CertificateDer<'_>, name: &ServerName<'_>) -> Result<(), Error> {
    let is_about_name = matches!(
        error,
        Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
        )
    );
    if is_about_name && parse(leaf).is_some_and(|leaf| takes_name(&leaf, name)) {
        return Ok(());
    }
    Err(error)
}

/// Whether Node takes the certificate for the host (`tls.checkServerIdentity`): by the alternative
/// names; for a host name without any of them, by the common name.
pub(super) fn takes_name(certificate: &X509Certificate<'_>, name: &ServerName<'_>) -> bool {
    let names = certificate.subject_alternative_name().ok().flatten();
    let names = names.map(|extension| &extension.value.general_names[..]).unwrap_or_default();
    match name {
        ServerName::IpAddress(address) => {
            let address = std::net::IpAddr::from(*address);
            let bytes = match address {
                std::net::IpAddr::V4(address) => address.octets().to_vec(),
                std::net::IpAddr::V6(address) => address.octets().to_vec(),
            };
            names.iter().any(|name| matches!(name, GeneralName::IPAddress(one) if *one == bytes))
        }
        ServerName::DnsName(host) => {
            let host = host.as_ref().trim_end_matches('.').to_ascii_lowercase();
            let mut named = names.iter().filter_map(|name| match name {
                GeneralName::DNSName(name) => Some(*name),
                _ => None,
            });
            let has_names = named.clone().next().is_some();
            let by_common = || common_name(certificate).is_some_and(|name| is_for(name, &host));
            if has_names { named.any(|name| is_for(name, &host)) } else { by_common() }
        }
        _ => false,
    }
}

/// The common name of the subject.
pub(super) fn common_name<'a>(certificate: &'a X509Certificate<'_>) -> Option<&'a str> {
    certificate.subject().iter_common_name().last()?.as_str().ok()
}

/// Whether a name of a certificate, perhaps `*.example.com`, is the host's.
fn is_for(name: &str, host: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    match name.strip_prefix("*.") {
        Some(rest) => {
            let is_under = host.split_once('.').is_some_and(|(_, under)| under == rest);
            rest.contains('.') && is_under
        }
        None => name == host,
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{
        BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
    };

    use super::*;

    #[test]
    fn node_reads_the_stores_that_it_is_told_to() {
        let usual = Stores { bundled: true, system: false };
        let both = || Stores { bundled: true, system: true };
        let openssl = Stores { bundled: false, system: true };
        for (env, expected) in [
            (&[][..], usual),
            (&[("SSL_CERT_FILE", "/x.pem")], Stores { bundled: true, system: false }),
            (&[("NODE_USE_SYSTEM_CA", "1")], both()),
            (&[("NODE_USE_SYSTEM_CA", "0")], Stores { bundled: true, system: false }),
            (&[("NODE_OPTIONS", "--max-old-space-size=4096 --use-system-ca")], both()),
            (&[("NODE_OPTIONS", "--use_system_ca")], both()),
            (
                &[("NODE_OPTIONS", "--no-use-system-ca"), ("NODE_USE_SYSTEM_CA", "1")],
                Stores { bundled: true, system: false },
            ),
            (&[("NODE_OPTIONS", "--use-openssl-ca")], openssl),
        ] {
            let env = env.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            assert_eq!(Stores::of(&env), expected, "{env:?}");
        }
    }

    #[test]
    fn an_unreadable_file_of_roots_adds_none() {
        for path in ["/nowhere/at/all.pem", "/dev/null", "/"] {
            assert!(certificates(path).is_empty(), "{path}");
        }
    }

    #[test]
    fn names_are_matched_as_node_does() {
        for (name, host, expected) in [
            ("a.example.com", "a.example.com", true),
            ("A.Example.com", "a.example.com", true),
            ("*.example.com", "a.example.com", true),
            ("*.example.com", "a.b.example.com", false),
            ("*.example.com", "example.com", false),
            ("*.com", "example.com", false),
            ("localhost", "localhost", true),
            ("other", "localhost", false),
        ] {
            assert_eq!(is_for(name, host), expected, "{name} {host}");
        }
    }

    /// Made with `openssl x509 -req -days 36500`; each for `localhost`.
    #[test]
    fn curves_and_hashes_that_only_openssl_has_are_verified() {
        let judged = |leaf: &str, authority: &str| {
            let file = tempfile::NamedTempFile::new().unwrap();
            std::fs::write(file.path(), authority).unwrap();
            let path = file.path().display().to_string();
            let env = BTreeMap::from([("NODE_EXTRA_CA_CERTS".to_owned(), path)]);
            let trust = Trust::of(&env, &crate::collect::endpoint::curves::provider());
            let leaf = CertificateDer::from_pem_slice(leaf.as_bytes()).unwrap();
            let name = ServerName::try_from("localhost").unwrap();
            trust.verify(&leaf, &[], &name, UnixTime::now())
        };
        let (p256, p384, p521) = (
            include_str!("certificates/ca256.pem"),
            include_str!("certificates/ca384.pem"),
            include_str!("certificates/ca521.pem"),
        );
        for (case, leaf, authority, other) in [
            ("P-384, SHA-512", include_str!("certificates/by384.pem"), p384, p521),
            ("P-521, SHA-256", include_str!("certificates/by521.pem"), p521, p384),
            ("P-521, SHA-512", include_str!("certificates/p521.pem"), p521, p384),
            ("P-256, SHA-512", include_str!("certificates/by256.pem"), p256, p384),
            ("version 1, no names", include_str!("certificates/v1.pem"), p256, p384),
        ] {
            assert_eq!(judged(leaf, authority), Ok(()), "{case}");
            assert!(judged(leaf, other).is_err(), "{case}");
            let unknown = Error::InvalidCertificate(CertificateError::UnknownIssuer);
            assert_eq!(judged(leaf, ""), Err(unknown), "{case}");
        }
        // A byte of the signature differs.
        let der = CertificateDer::from_pem_slice(p521.as_bytes()).unwrap();
        let mut broken = der.to_vec();
        *broken.last_mut().unwrap() ^= 1;
        let provider = crate::collect::endpoint::curves::provider();
        let trust = Trust { extra: vec![der.clone()], ..Trust::of(&BTreeMap::new(), &provider) };
        let name = ServerName::try_from("localhost").unwrap();
        assert!(trust.verify(&broken.into(), &[], &name, UnixTime::now()).is_err());
    }

    /// What is said of a certificate for `host`, with the authority or the certificate itself in
    /// NODE_EXTRA_CA_CERTS.
    fn judged(params: &CertificateParams, host: &str, added: &str) -> Result<(), String> {
        let mut authority = CertificateParams::new(Vec::new()).unwrap();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.distinguished_name.push(DnType::CommonName, "Test Authority");
        let authority =
            CertifiedIssuer::self_signed(authority, KeyPair::generate().unwrap()).unwrap();
        let key = KeyPair::generate().unwrap();
        let (leaf, pem) = match added {
            "itself" => {
                let leaf = params.self_signed(&key).unwrap();
                (leaf.der().clone(), leaf.pem())
            }
            _ => (params.signed_by(&key, &authority).unwrap().der().clone(), authority.pem()),
        };
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), if added == "nothing" { "" } else { &pem }).unwrap();
        let path = file.path().display().to_string();
        let env = BTreeMap::from([("NODE_EXTRA_CA_CERTS".to_owned(), path)]);
        let trust = Trust::of(&env, &crate::collect::endpoint::curves::provider());
        let name = ServerName::try_from(host.to_owned()).unwrap();
        let verdict = trust.verify(&leaf, &[], &name, UnixTime::now());
        verdict.map_err(|error| error.to_string())
    }

    #[test]
    fn what_openssl_takes_is_taken() {
        let of = |names: &[&str], common: &str, is_authority: bool| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let mut params = CertificateParams::new(names).unwrap();
            params.distinguished_name = rcgen::DistinguishedName::new();
            params.distinguished_name.push(DnType::CommonName, common);
            if is_authority {
                params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            }
            params
        };
        for (case, params, host, added, expected) in [
            ("usual", of(&["a.example"], "x", false), "a.example", "authority", true),
            ("nothing added", of(&["a.example"], "x", false), "a.example", "nothing", false),
            ("common name alone", of(&[], "a.example", false), "a.example", "authority", true),
            (
                "next to a name",
                of(&["b.example"], "a.example", false),
                "a.example",
                "authority",
                false,
            ),
            ("an address", of(&["127.0.0.1"], "x", false), "127.0.0.1", "authority", true),
            ("an address by name", of(&[], "127.0.0.1", false), "127.0.0.1", "authority", false),
            ("another name", of(&[], "b.example", false), "a.example", "authority", false),
            ("authority's mark", of(&["a.example"], "x", true), "a.example", "authority", true),
            ("itself", of(&["a.example"], "x", false), "a.example", "itself", true),
            ("itself, marked", of(&["a.example"], "x", true), "a.example", "itself", true),
            ("itself, other name", of(&["b.example"], "x", true), "a.example", "itself", false),
        ] {
            let verdict = judged(&params, host, added);
            assert_eq!(verdict.is_ok(), expected, "{case}: {verdict:?}");
        }
        let mut expired = of(&["a.example"], "x", true);
        (expired.not_before, expired.not_after) =
            (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
        assert!(judged(&expired, "a.example", "itself").is_err());
    }
}
