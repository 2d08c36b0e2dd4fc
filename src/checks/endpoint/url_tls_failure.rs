//! The TLS handshake fails: what the certificate shows, and how to fix it.

use crate::evidence::EndpointFacts;
use crate::evidence::endpoint::TlsFault;
use crate::report::{Certainty, Finding, Remedy, Rule};

pub(super) static URL_TLS_FAILURE: Rule =
    rule!("url-tls-failure", Error, "the TLS connection to the server fails").cause(&[]);

/// The finding for a failed handshake.
pub(super) fn finding(endpoint: &EndpointFacts, fault: &TlsFault) -> Finding {
    let host = &endpoint.target.host;
    let (detail, remedies) = match fault {
        TlsFault::Expired(when) => (
            format!("The certificate of {host} expired at {when}."),
            vec![Remedy::safe("Renew the certificate at the proxy that has it")],
        ),
        TlsFault::NotYetValid(when) => (
            format!("The certificate of {host} is not valid before {when}."),
            vec![Remedy::safe("Correct this machine's clock if it is behind").run("date -u")],
        ),
        TlsFault::WrongName(names) => (
            format!("The certificate is for {}, not for {host}.", names.join(", ")),
            vec![
                Remedy::safe("Use a host name of the certificate in the URL"),
                Remedy::safe(format!("Get a certificate for {host}")),
            ],
        ),
        TlsFault::SelfSigned => (
            format!("The certificate of {host} is self-signed, and Node does not trust it."),
            vec![Remedy::safe("Set NODE_EXTRA_CA_CERTS to the file with the certificate")],
        ),
        TlsFault::UnknownIssuer(issuer) => (
            format!(
                "The certificate of {host} is signed by {issuer}, which this machine does not know."
            ),
            vec![
                Remedy::safe("Set NODE_EXTRA_CA_CERTS to the file with the issuer's certificate"),
                Remedy::safe("Let the proxy send the missing intermediate certificates"),
            ],
        ),
        TlsFault::NoRoots => (
            "This machine does not have any root certificates.".to_owned(),
            vec![Remedy::safe("Install the package `ca-certificates`")],
        ),
        TlsFault::Other(error) => (
            format!("The TLS handshake with {host} fails: {error}."),
            vec![Remedy::safe("Check the TLS settings of the proxy in front of the backend")],
        ),
    };
    let mut finding = URL_TLS_FAILURE.finding(Certainty::Proven, detail);
    finding.remedies = remedies;
    if let Some(certificate) = &endpoint.route.certificate {
        finding = finding.because(
            format!(
                "Certificate for {}, issued by {}, valid until {}",
                certificate.names.join(", "),
                certificate.issuer,
                certificate.not_after
            ),
            endpoint.target.url.clone(),
        );
    }
    finding
}
