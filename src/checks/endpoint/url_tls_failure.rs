//! The TLS handshake fails: what the certificate says, and what mends it.

use crate::evidence::EndpointFacts;
use crate::evidence::endpoint::TlsFault;
use crate::report::Level;
use crate::report::{Certainty, Finding, Remedy, Rule};

pub(super) static URL_TLS_FAILURE: Rule = Rule::new(
    "url-tls-failure",
    Level::Error,
    "the TLS connection to the server fails",
    include_str!("url-tls-failure.md"),
)
.cause(&[]);
/// What to say of the fault.
pub(super) fn finding(endpoint: &EndpointFacts, fault: &TlsFault) -> Finding {
    let host = &endpoint.host;
    let (why, remedy) = match fault {
        TlsFault::Expired(when) => (
            format!("The certificate of {host} ran out at {when}."),
            Remedy::safe("renew the certificate at the proxy that holds it"),
        ),
        TlsFault::NotYetValid(when) => (
            format!("The certificate of {host} is valid from {when} on."),
            Remedy::safe("set this machine's clock, if it is behind").run("date -u"),
        ),
        TlsFault::WrongName(names) => (
            format!("The certificate is for {}, not for {host}.", names.join(", ")),
            Remedy::safe("use a name of the certificate in the URL, or get one for this name"),
        ),
        TlsFault::SelfSigned => (
            format!("The certificate of {host} is signed by itself."),
            Remedy::safe("give Node the certificate: NODE_EXTRA_CA_CERTS=/path/to/certificate.pem"),
        ),
        TlsFault::UnknownIssuer(issuer) => (
            format!("The certificate of {host} is signed by {issuer}, unknown to this machine."),
            Remedy::safe(
                "give Node the authority's certificate: NODE_EXTRA_CA_CERTS=/path/to/ca.pem; a chain cut short is mended at the proxy",
            ),
        ),
        TlsFault::NoRoots => (
            "This machine has no root certificates at all.".to_owned(),
            Remedy::safe("install the package `ca-certificates` of this system"),
        ),
        TlsFault::Other(error) => (
            format!("The TLS handshake with {host} fails: {error}."),
            Remedy::safe("look at the TLS settings of the proxy in front of the backend"),
        ),
    };
    let mut finding = URL_TLS_FAILURE.finding(Certainty::Proven, why).remedy(remedy);
    if let Some(certificate) = &endpoint.certificate {
        finding = finding.because(
            format!(
                "certificate for {}, by {}, until {}",
                certificate.names.join(", "),
                certificate.issuer,
                certificate.not_after
            ),
            endpoint.url.clone(),
        );
    }
    finding
}
