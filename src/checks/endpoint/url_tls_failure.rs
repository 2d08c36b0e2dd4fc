//! The TLS handshake fails: what the certificate shows, and how to fix it.

use crate::evidence::endpoint::{TlsFault, TrustFacts};
use crate::evidence::{EndpointFacts, Evidence};
use crate::report::{Certainty, Finding, Level, Remedy, Rule, shell_word};

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

/// Whether another list of trusted certificates could help.
fn is_about_trust(fault: &TlsFault) -> bool {
    use TlsFault::{NoRoots, OnlySystem, SelfSigned, UnknownIssuer};
    matches!(fault, SelfSigned | UnknownIssuer(_) | OnlySystem(_) | NoRoots)
}

/// How Node comes to read the system's list, where it can.
fn system_list(trust: &TrustFacts) -> Option<Remedy> {
    if trust.system_off {
        return Some(Remedy::safe("Remove --no-use-system-ca from NODE_OPTIONS"));
    }
    let title = match trust.reads_variable {
        _ if trust.system => return None,
        Some(false) => return None,
        Some(true) => "Let Node trust what this machine trusts",
        None => "Let Node trust what this machine trusts (Node 22.19 and later)",
    };
    Some(Remedy::safe(title).run("export NODE_USE_SYSTEM_CA=1"))
}

/// How Node gets one more certificate.
fn extra(trust: &TrustFacts, what: &str) -> Remedy {
    Remedy::safe(match (&trust.extra, &trust.extra_fault) {
        (Some(file), None) => format!("Add the {what} to {file} (NODE_EXTRA_CA_CERTS)"),
        _ => format!("Set NODE_EXTRA_CA_CERTS in the shell to the file with the {what}"),
    })
}

/// Says which variable is set and has no effect, and why.
fn ineffective(mut finding: Finding, trust: &TrustFacts) -> Finding {
    if let (Some(file), Some(fault)) = (&trust.extra, &trust.extra_fault) {
        let proof = format!("NODE_EXTRA_CA_CERTS has no effect: {file}: {fault}");
        finding = finding.because(proof, "$NODE_EXTRA_CA_CERTS of the shell");
    }
    for one in &trust.in_files {
        let place = format!("{}:{}", one.file, one.line);
        let proof = format!("{} has no effect there: Node does not read it from a file", one.name);
        finding = finding.because(proof, place.clone());
        let title =
            format!("Set {} in the shell, not in {place}: Node does not read it there", one.name);
        finding.remedies.insert(0, Remedy::safe(title));
    }
    finding
}

/// A script may make Node trust the certificate; not the one that was run, which was heard.
fn unless_by_script(evidence: &Evidence, mut finding: Finding) -> Finding {
    let scripts = &evidence.surroundings.cli_scripts;
    let script = scripts.iter().find(|script| !script.trust.is_empty());
    let Some(script) = script.filter(|_| evidence.command.is_none()) else { return finding };
    let (name, variables) = (&script.name, script.trust.join(" and "));
    finding.certainty = finding.certainty.min(Certainty::Likely);
    finding = finding.because(format!("The script `{name}` sets {variables}"), "package.json");
    let remedy = Remedy::safe(format!("Use the script `{name}`: it sets {variables}"))
        .run(format!("npm run {}", shell_word(name)));
    finding.remedies.insert(0, remedy);
    finding
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
    let trust = &endpoint.route.trust;
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
            vec![extra(trust, "certificate")],
        ),
        TlsFault::UnknownIssuer(issuer) => (
            format!("The certificate of {host} is signed by {issuer}, which Node does not trust."),
            vec![
                extra(trust, "issuer's certificate"),
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
            system_list(trust).into_iter().chain([extra(trust, "issuer's certificate")]).collect(),
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
    if is_about_trust(fault) {
        finding = ineffective(finding, trust);
        finding = unless_by_script(evidence, finding);
    }
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

    #[test]
    fn only_what_helps_with_this_node_is_offered() {
        let system = "export NODE_USE_SYSTEM_CA=1";
        let known = |reads_variable| TrustFacts { reads_variable, ..TrustFacts::default() };
        let off = TrustFacts { system_off: true, ..known(Some(true)) };
        let on = TrustFacts { system: true, ..known(Some(true)) };
        for (trust, expected) in [
            (known(Some(true)), true),
            (known(None), true),
            (known(Some(false)), false),
            (off, false),
            (on, false),
        ] {
            let mut evidence = build::healthy();
            build::endpoint(&mut evidence).route.trust = trust.clone();
            let finding = of(&evidence, &TlsFault::OnlySystem("A".to_owned()));
            let mut commands = finding.remedies.iter().flat_map(|it| &it.commands);
            assert_eq!(commands.any(|it| *it == system), expected, "{trust:?}");
        }
    }

    #[test]
    fn a_variable_without_effect_is_named() {
        use crate::evidence::endpoint::VariableInFile;
        let mut evidence = build::healthy();
        build::endpoint(&mut evidence).route.trust = TrustFacts {
            extra: Some("/gone.crt".to_owned()),
            extra_fault: Some("it does not exist".to_owned()),
            in_files: vec![VariableInFile {
                name: "NODE_USE_SYSTEM_CA".to_owned(),
                file: ".env.local".to_owned(),
                line: 3,
            }],
            ..TrustFacts::default()
        };
        let count = |fault: &TlsFault| of(&evidence, fault).evidence.len();
        assert_eq!(count(&TlsFault::SelfSigned), count(&TlsFault::Expired("x".to_owned())) + 2);
    }

    #[test]
    fn a_script_may_bring_its_own_authority() {
        use crate::evidence::surroundings::CliScript;
        let script = |trust: &[&str]| CliScript {
            name: "dev".to_owned(),
            trust: trust.iter().map(|it| (*it).to_owned()).collect(),
            ..CliScript::default()
        };
        for (trust, fault, expected) in [
            (&["NODE_EXTRA_CA_CERTS"][..], TlsFault::SelfSigned, Certainty::Likely),
            (&[], TlsFault::SelfSigned, Certainty::Proven),
            (&["NODE_EXTRA_CA_CERTS"], TlsFault::Expired("x".to_owned()), Certainty::Proven),
        ] {
            let mut evidence = build::healthy();
            evidence.surroundings.cli_scripts = vec![script(trust)];
            let finding = of(&evidence, &fault);
            assert_eq!(finding.certainty, expected, "{fault:?}");
            let first = finding.remedies[0].commands.first().map(ToString::to_string);
            let is_named = first.as_deref() == Some("npm run dev");
            assert_eq!(is_named, expected == Certainty::Likely);
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
