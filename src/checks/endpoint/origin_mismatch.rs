//! The backend announces another address than the one it is reached at: clients that use it do not
//! reach the backend.

use url::Url;

use super::origins::{self, Origin, Which, host};
use crate::checks::Check;
use crate::deployment::endpoint::{is_loopback, selected_endpoint};
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::{EndpointFacts, Evidence, Unseen};
use crate::report::{Certainty, Finding, Rule};

pub(super) static ORIGIN_MISMATCH: Rule =
    rule!("origin-mismatch", Warning, "the backend announces an address clients cannot reach");
static SITE_ORIGIN_MISMATCH: Rule =
    rule!("site-origin-mismatch", Warning, "CONVEX_SITE_ORIGIN does not lead to the HTTP actions");

pub(super) static CLOUD: Check = Check { rules: &[&ORIGIN_MISMATCH], run: cloud };
pub(super) static SITE: Check = Check { rules: &[&SITE_ORIGIN_MISMATCH], run: site };

fn cloud(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    run(evidence, &ORIGIN_MISMATCH, Which::Cloud)
}

fn site(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    run(evidence, &SITE_ORIGIN_MISMATCH, Which::Site)
}

fn run(evidence: &Evidence, rule: &'static Rule, which: Which) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    let Some(origin) = origins::current(evidence, which)? else { return Ok(vec![]) };
    // What is not a URL is `origin-invalid`.
    let Some(url) = origin.url() else { return Ok(vec![]) };
    let Some((certainty, why)) = judge(evidence, endpoint, which, &url)? else {
        return Ok(vec![]);
    };
    let users = match which {
        Which::Cloud => "Uploads, file URLs and Node actions",
        Which::Site => "HTTP actions, and logins through them,",
    };
    let Origin { text, proof, certainty: sure } = origin;
    let detail = format!("{users} use {text} ({}). {why}.", which.variable());
    let finding = rule
        .finding(certainty.min(sure), detail)
        .because(proof.0, proof.1)
        .because("The URL that the CLI uses", endpoint.target.url.clone())
        .at(origins::location(evidence, which));
    Ok(vec![cap_if_cli_works(evidence, origins::with_remedies(evidence, finding, which))])
}

/// Why the origin does not lead where the URL does, as a sentence without its full stop. A public
/// origin behind a loopback URL is a CLI on the server, which is correct.
fn judge(
    evidence: &Evidence,
    endpoint: &EndpointFacts,
    which: Which,
    origin: &Url,
) -> Result<Option<(Certainty, String)>, Unseen> {
    if which == Which::Site
        && let Some(cloud) = origins::current(evidence, Which::Cloud)?.and_then(|it| it.url())
        && cloud.origin() == origin.origin()
        && origin.path() == "/"
    {
        let why = "That is the API, which serves HTTP actions only below /http/".to_owned();
        return Ok(Some((Certainty::Likely, why)));
    }
    let name = host(origin);
    match (is_loopback(name), is_loopback(&endpoint.target.host)) {
        (true, false) => Ok(elsewhere(evidence, endpoint).map(|certainty| {
            (certainty, "On any other machine, that address is the machine itself".to_owned())
        })),
        (true, true) => remapped(evidence, endpoint, which, origin.port_or_known_default()),
        (false, _) if is_service(evidence, name) && name != endpoint.target.host => {
            let why = format!("Only containers can resolve the service name `{name}`");
            Ok(Some((Certainty::Likely, why)))
        }
        (false, _) if which == Which::Cloud && name == endpoint.target.host => {
            let mixed = endpoint.target.scheme == "https" && origin.scheme() == "http";
            let why = "A page loaded over https cannot load from http".to_owned();
            Ok(mixed.then_some((Certainty::Likely, why)))
        }
        (false, _) => Ok(None),
    }
}

/// Whether the URL's host is another machine than this one, so that loopback is something else
/// there. A container's own address, or a name that only containers resolve, is on the backend's
/// machine.
fn elsewhere(evidence: &Evidence, endpoint: &EndpointFacts) -> Option<Certainty> {
    let host = &endpoint.target.host;
    match host.parse::<std::net::IpAddr>() {
        Ok(_) => {
            let docker = evidence.docker.seen().ok();
            let backends = docker.map_or(&[][..], |docker| &docker.backends);
            let own = backends.iter().any(|container| container.net.addresses.contains(host));
            (!own).then_some(Certainty::Likely)
        }
        Err(_) => (host.contains('.') && !host.ends_with(".internal")).then_some(Certainty::Proven),
    }
}

/// On this machine: whether the container publishes the port under another number than the origin
/// has.
fn remapped(
    evidence: &Evidence,
    endpoint: &EndpointFacts,
    which: Which,
    port: Option<u16>,
) -> Result<Option<(Certainty, String)>, Unseen> {
    if which == Which::Cloud && port == Some(endpoint.target.port)
        || evidence.surroundings.in_container
    {
        return Ok(None);
    }
    if !evidence.docker.seen()?.local {
        return Ok(None);
    }
    let Some(container) = origins::container(evidence)? else { return Ok(None) };
    let inside = which.port();
    let published: Vec<u16> = container
        .net
        .ports
        .iter()
        .filter(|it| it.container == inside)
        .filter_map(|it| it.host)
        .collect();
    match published.first() {
        Some(first) if !published.contains(&port.unwrap_or_default()) => {
            let why = format!("{} publishes port {inside} as {first}", container.name);
            Ok(Some((Certainty::Likely, why)))
        }
        _ => Ok(None),
    }
}

fn is_service(evidence: &Evidence, name: &str) -> bool {
    let project = evidence.compose.seen().ok().and_then(Option::as_ref);
    project.is_some_and(|project| project.services.iter().any(|service| service == name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::build::endpoint::told;
    use crate::evidence::docker::Port;
    use crate::evidence::endpoint::Body;

    fn world(url: &str, cloud: &str, site: &str) -> Evidence {
        let mut evidence = build::healthy();
        let parsed = Url::parse(url).unwrap();
        let endpoint = build::endpoint(&mut evidence);
        endpoint.target.url = url.to_owned();
        endpoint.target.scheme = parsed.scheme().to_owned();
        endpoint.target.host = host(&parsed).to_owned();
        endpoint.target.port = parsed.port_or_known_default().unwrap();
        let urls = Body::CanonicalUrls { cloud: cloud.to_owned(), site: site.to_owned() };
        endpoint.key.first_call = build::answer(200, urls);
        build::expected(&mut evidence).net.ports = [(3210, 3210), (3211, 3211)]
            .map(|(container, host)| Port { container, host: Some(host), host_ip: String::new() })
            .to_vec();
        evidence
    }

    #[test]
    fn an_origin_is_weighed_against_the_url() {
        const API: &str = "http://127.0.0.1:3210";
        const SITE_URL: &str = "http://127.0.0.1:3211";
        for (url, cloud_url, site_url, expected) in [
            (API, API, SITE_URL, [None, None]),
            ("http://localhost:3210", API, SITE_URL, [None, None]),
            // The CLI on the server.
            (API, "https://api.example.com", "https://site.example.com", [None, None]),
            ("https://api.example.com", API, SITE_URL, [Some("proven"), Some("proven")]),
            ("http://10.0.0.9:3210", API, SITE_URL, [Some("likely"), Some("likely")]),
            ("http://backend:3210", API, SITE_URL, [None, None]),
            ("http://host.docker.internal:3210", API, SITE_URL, [None, None]),
            (API, "http://127.0.0.1:9777", SITE_URL, [Some("likely"), None]),
            (API, API, "http://127.0.0.1:9778", [None, Some("likely")]),
            (API, API, API, [None, Some("likely")]),
            (API, API, "http://127.0.0.1:3210/http", [None, Some("likely")]),
            ("https://x.io", "https://x.io", "https://x.io", [None, Some("likely")]),
            ("https://x.io", "https://x.io", "https://x.io/http", [None, None]),
            ("https://x.io", "http://x.io", "https://s.x.io", [Some("likely"), None]),
            ("http://x.io", "https://x.io", "https://s.x.io", [None, None]),
            (API, "http://backend:3210", SITE_URL, [Some("likely"), None]),
            (API, "", "", [None, None]),
        ] {
            let evidence = world(url, cloud_url, site_url);
            let certainty = |found: Result<Vec<Finding>, Unseen>| {
                found.unwrap().first().map(|it| it.certainty.to_string())
            };
            let found = [certainty(cloud(&evidence)), certainty(site(&evidence))];
            let found = found.each_ref().map(Option::as_deref);
            assert_eq!(found, expected, "{url} {cloud_url} {site_url}");
        }
    }

    #[test]
    fn without_an_answer_the_environment_counts_and_nothing_passes() {
        let mut evidence = world("https://api.example.com", "", "");
        build::endpoint(&mut evidence).key.first_call = build::refusal(401, "BadAdminKey");
        assert_eq!(cloud(&evidence), Ok(vec![]));
        build::expected(&mut evidence).cloud_origin = Some("http://127.0.0.1:3210".to_owned());
        assert_eq!(told(cloud(&evidence)), ["origin-mismatch warning likely app-backend-1"]);
        build::no_docker(&mut evidence);
        assert_eq!(told(cloud(&evidence)), ["unknown"]);

        let mut evidence = world("http://127.0.0.1:3210", "http://127.0.0.1:9777", "");
        assert_eq!(cloud(&evidence).unwrap().len(), 1);
        build::no_docker(&mut evidence);
        assert_eq!(told(cloud(&evidence)), ["unknown"]);

        let mut evidence = world("https://api.example.com", "http://127.0.0.1:3210", "");
        build::endpoint(&mut evidence).key.first_call = Observation::unavailable("x");
        assert_eq!(told(cloud(&evidence)), ["unknown"]);
    }
}
