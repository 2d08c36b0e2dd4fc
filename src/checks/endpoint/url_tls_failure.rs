//! The TLS handshake fails: what the certificate shows, and how to fix it.

use crate::evidence::endpoint::TlsFault;
use crate::evidence::{EndpointFacts, Evidence};
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

pub(super) static URL_TLS_FAILURE: Rule =
    rule!("url-tls-failure", Error, "the TLS connection to the server fails").cause(&[]);

/// How much a fault weighs. OpenSSL, which Node has, knows more algorithms than convex-doctor: where
/// that may be all, the CLI may work.
fn weight(fault: &TlsFault) -> (Level, Certainty) {
    match fault {
        TlsFault::Unverified(_) | TlsFault::Other(_) => (Level::Warning, Certainty::Possible),
        TlsFault::Alert(words) if words == HANDSHAKE_FAILURE => {
            (Level::Warning, Certainty::Possible)
        }
        TlsFault::Alert(_) => (Level::Error, Certainty::Likely),
        _ => (Level::Error, Certainty::Proven),
    }
}

/// Whether Node may be one of a distribution that is built to use the system's list.
fn may_use_system(evidence: &Evidence) -> bool {
    let around = &evidence.surroundings;
    let program = around.node_found.seen().ok().and_then(Option::as_deref);
    around.node_own_roots.is_none()
        && program.is_some_and(|program| program.starts_with("/usr/bin/"))
}

/// What a server says that has no algorithm in common with its client.
const HANDSHAKE_FAILURE: &str = "handshake failure";

/// For which names the certificate is, as Node reads them.
fn wrong_name(host: &str, names: &[String]) -> String {
    match names {
        [] => format!("The certificate does not name any host, so it is not for {host}."),
        // Only an address: for a host name, the common name counts.
        names if names.iter().any(|name| name == host) => format!(
            "The certificate has {host} only as its common name (CN), which does not count for an \
             address."
        ),
        names => format!("The certificate is for {}, not for {host}.", names.join(", ")),
    }
}

/// How to ask Node, whose answer counts.
fn ask_node(endpoint: &EndpointFacts) -> Remedy {
    let target = &endpoint.target;
    let host =
        if target.host.contains(':') { format!("[{}]", target.host) } else { target.host.clone() };
    let script = format!(
        "fetch('{}://{host}:{}/version').then(it => console.log(it.status), it => \
         console.log(it.cause))",
        target.scheme, target.port
    );
    Remedy::safe("See what Node says to it: a number means that the connection works")
        .run(format!("node -e {}", quoted(&script)))
}

/// In double quotes, as every shell takes them; the text holds none.
fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// The finding for a failed handshake.
pub(super) fn finding(evidence: &Evidence, endpoint: &EndpointFacts, fault: &TlsFault) -> Finding {
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
            wrong_name(host, names),
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
            format!("The certificate of {host} is signed by {issuer}, which Node does not trust."),
            vec![
                Remedy::safe("Set NODE_EXTRA_CA_CERTS to the file with the issuer's certificate"),
                Remedy::safe("Let the proxy send the missing intermediate certificates"),
            ],
        ),
        TlsFault::NoRoots => (
            "This machine does not have any root certificates.".to_owned(),
            vec![Remedy::safe("Install the package `ca-certificates`")],
        ),
        TlsFault::OnlySystem(issuer) => (
            format!(
                "The certificate of {host} is signed by {issuer}. This machine trusts it, but Node \
                 {} does not: it has its own list.",
                if may_use_system(evidence) { "probably" } else { "itself" }
            ),
            vec![
                Remedy::safe("Let Node trust what this machine trusts (Node 22.19 and later)")
                    .run("export NODE_USE_SYSTEM_CA=1"),
                Remedy::safe("Set NODE_EXTRA_CA_CERTS to the file with the issuer's certificate"),
            ],
        ),
        TlsFault::Unverified(why) => (
            format!(
                "convex-doctor cannot verify the certificate of {host}: {why}. Node may accept it."
            ),
            vec![ask_node(endpoint)],
        ),
        TlsFault::Alert(words) => (
            format!("{host} ends the TLS handshake ({words})."),
            vec![
                ask_node(endpoint),
                Remedy::safe("Check the TLS settings of the proxy in front of the backend"),
            ],
        ),
        TlsFault::NotTls => (
            format!("The server at {host} does not use TLS, but the URL says https."),
            vec![Remedy::safe("Use http in the URL, or set up TLS at the server")],
        ),
        TlsFault::Other(error) => (
            format!("The TLS handshake with {host} fails: {error}."),
            vec![
                ask_node(endpoint),
                Remedy::safe("Check the TLS settings of the proxy in front of the backend"),
            ],
        ),
    };
    let (level, certainty) = match fault {
        TlsFault::OnlySystem(_) if may_use_system(evidence) => (Level::Error, Certainty::Likely),
        _ => weight(fault),
    };
    let by_certificate =
        !matches!(fault, TlsFault::Alert(_) | TlsFault::NotTls | TlsFault::Other(_));
    let (level, detail) = if endpoint.route.unverified && by_certificate {
        let accepts = "NODE_TLS_REJECT_UNAUTHORIZED=0 makes the CLI accept it, and the key can be \
                       stolen.";
        (Level::Warning, format!("{detail} {accepts}"))
    } else {
        (level, detail)
    };
    let mut finding = URL_TLS_FAILURE.finding(certainty, detail).level(level);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;

    #[test]
    fn what_only_the_library_refuses_is_no_proof() {
        use TlsFault::*;
        let text = || String::from("x");
        for (fault, off, expected) in [
            (SelfSigned, false, (Level::Error, Certainty::Proven)),
            (UnknownIssuer(text()), false, (Level::Error, Certainty::Proven)),
            (OnlySystem(text()), false, (Level::Error, Certainty::Proven)),
            (Expired(text()), false, (Level::Error, Certainty::Proven)),
            (WrongName(vec![]), false, (Level::Error, Certainty::Proven)),
            (Unverified(text()), false, (Level::Warning, Certainty::Possible)),
            (Alert("handshake failure".to_owned()), false, (Level::Warning, Certainty::Possible)),
            (Alert("certificate required".to_owned()), false, (Level::Error, Certainty::Likely)),
            (Other(text()), false, (Level::Warning, Certainty::Possible)),
            (SelfSigned, true, (Level::Warning, Certainty::Proven)),
        ] {
            let mut evidence = build::healthy();
            build::endpoint(&mut evidence).route.unverified = off;
            let finding = of(&evidence, &fault);
            assert_eq!((finding.level, finding.certainty), expected, "{fault:?}");
        }
    }

    fn of(evidence: &Evidence, fault: &TlsFault) -> Finding {
        finding(evidence, evidence.endpoint.seen().unwrap().as_ref().unwrap(), fault)
    }

    #[test]
    fn the_node_of_a_distribution_may_trust_what_the_system_trusts() {
        for (program, own, expected) in [
            ("/usr/bin/node", None, Certainty::Likely),
            ("/usr/bin/node", Some(true), Certainty::Proven),
            ("/usr/local/bin/node", None, Certainty::Proven),
        ] {
            let mut evidence = build::healthy();
            let around = &mut evidence.surroundings;
            around.node_found = crate::evidence::Observation::Seen(Some(program.to_owned()));
            around.node_own_roots = own;
            let finding = of(&evidence, &TlsFault::OnlySystem("A".to_owned()));
            assert_eq!(finding.certainty, expected, "{program} {own:?}");
        }
    }
}
