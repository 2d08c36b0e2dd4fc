//! The backend announces another address than the one it is reached at: clients that use it do not
//! reach the backend.

use url::Url;

use super::asked::{There, not_asked, of_another, what_answers};
use super::origins::{self, Origin, Which, host};
use crate::checks::Check;
use crate::deployment::endpoint::{is_loopback, selected_endpoint};
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::endpoint::Body;
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

/// Why an address does not lead where it should, as a sentence without its full stop, and how surely;
/// `None` if it does.
type Verdict = Option<(Certainty, String)>;

/// Why the origin does not lead where the URL does: by what answers there, else by comparing. A
/// public origin behind a loopback URL is a CLI on the server, which may be correct.
fn judge(
    evidence: &Evidence,
    endpoint: &EndpointFacts,
    which: Which,
    origin: &Url,
) -> Result<Verdict, Unseen> {
    if which == Which::Site
        && let Some(cloud) = origins::current(evidence, Which::Cloud)?.and_then(|it| it.url())
        && cloud.origin() == origin.origin()
        && origin.path() == "/"
        && !serves_actions(endpoint)
    {
        let why = "That is the API, which serves HTTP actions only below /http/".to_owned();
        return Ok(Some((Certainty::Likely, why)));
    }
    let name = host(origin);
    match (is_loopback(name), is_loopback(&endpoint.target.host)) {
        (true, false) => Ok(elsewhere(evidence, endpoint).map(|certainty| {
            (certainty, "On any other machine, that address is the machine itself".to_owned())
        })),
        (false, _) if is_service(evidence, name) && name != endpoint.target.host => {
            let why = format!("Only containers can resolve the service name `{name}`");
            Ok(Some((Certainty::Likely, why)))
        }
        (false, _)
            if which == Which::Cloud
                && name == endpoint.target.host
                && endpoint.target.scheme == "https"
                && origin.scheme() == "http" =>
        {
            let why = "A page loaded over https cannot load from http".to_owned();
            Ok(Some((Certainty::Likely, why)))
        }
        _ if is_selected(endpoint, origin)
            && (which == Which::Cloud || serves_actions(endpoint)) =>
        {
            Ok(None)
        }
        (is_local, _) => match what_answers(evidence, origin.as_str())? {
            Some(there) => by_answer(evidence, which, origin, there),
            None => {
                let port = origin.port_or_known_default();
                let compared =
                    if is_local { remapped(evidence, endpoint, which, port)? } else { None };
                match compared {
                    Some(found) => Ok(Some(found)),
                    None => Err(not_asked(evidence, origin.as_str())),
                }
            }
        },
    }
}

/// Whether a proxy at the selected URL sends what is not the API's to the HTTP actions.
fn serves_actions(endpoint: &EndpointFacts) -> bool {
    endpoint.server.root.seen().is_ok_and(|answer| answer.body == Body::SiteProxy)
}

/// Whether the origin is that of the selected URL, which was asked already.
fn is_selected(endpoint: &EndpointFacts, origin: &Url) -> bool {
    origin.scheme() == endpoint.target.scheme
        && host(origin) == endpoint.target.host
        && origin.port_or_known_default() == Some(endpoint.target.port)
        && origin.path() == "/"
}

/// What answers at the origin, against what should.
fn by_answer(
    evidence: &Evidence,
    which: Which,
    origin: &Url,
    there: There,
) -> Result<Verdict, Unseen> {
    let likely = |why: String| Ok(Some((Certainty::Likely, why)));
    match (which, there) {
        (_, There::Dead(certainty, why)) => Ok(Some((certainty, why))),
        (Which::Cloud, There::OwnApi) | (Which::Site, There::Site) => Ok(None),
        (Which::Cloud, There::Site) => {
            likely("That is the port of HTTP actions, not the API".to_owned())
        }
        (Which::Site, There::OwnApi) => {
            likely("That is the API, which serves HTTP actions only below /http/".to_owned())
        }
        (Which::Cloud, There::Other(why)) => likely(why),
        // An HTTP action of the user may answer there with anything.
        (Which::Site, There::Other(_) | There::Server(_)) if publishes(evidence, which, origin) => {
            Ok(None)
        }
        (Which::Cloud, There::Server(status)) => Err(Unseen::new(format!(
            "what answers {status} at {origin} was not recognised as a Convex API"
        ))),
        (Which::Site, There::Other(why)) if of_another(evidence, origin.as_str()).is_some() => {
            likely(why)
        }
        (Which::Site, There::Other(_) | There::Server(_)) => Err(Unseen::new(format!(
            "what answers at {origin} was not recognised as the HTTP actions"
        ))),
    }
}

/// Whether the backend's container publishes its port as the one of the origin.
fn publishes(evidence: &Evidence, which: Which, origin: &Url) -> bool {
    let Ok(Some(container)) = origins::container(evidence) else { return false };
    let port = origin.port_or_known_default();
    container.net.ports.iter().any(|it| it.container == which.port() && it.host == port)
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
) -> Result<Verdict, Unseen> {
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
    use crate::evidence::endpoint::{AskedOrigin, Body, Reach, TlsFault};

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
        const UNKNOWN: Option<&str> = Some("unknown");
        for (url, cloud_url, site_url, expected) in [
            (API, API, SITE_URL, [None, None]),
            ("http://localhost:3210", API, SITE_URL, [UNKNOWN, None]),
            // The CLI on the server.
            (API, "https://api.example.com", "https://site.example.com", [UNKNOWN, UNKNOWN]),
            ("https://api.example.com", API, SITE_URL, [Some("proven"), Some("proven")]),
            ("http://10.0.0.9:3210", API, SITE_URL, [Some("likely"), Some("likely")]),
            ("http://backend:3210", API, SITE_URL, [None, None]),
            ("http://host.docker.internal:3210", API, SITE_URL, [None, None]),
            (API, "http://127.0.0.1:9777", SITE_URL, [Some("likely"), None]),
            (API, API, "http://127.0.0.1:9778", [None, Some("likely")]),
            (API, API, API, [None, Some("likely")]),
            (API, API, "http://127.0.0.1:3210/http", [None, Some("likely")]),
            ("https://x.io", "https://x.io", "https://x.io", [None, Some("likely")]),
            ("https://x.io", "https://x.io", "https://x.io/http", [None, UNKNOWN]),
            ("https://x.io", "http://x.io", "https://s.x.io", [Some("likely"), UNKNOWN]),
            ("http://x.io", "https://x.io", "https://s.x.io", [UNKNOWN, UNKNOWN]),
            (API, "http://backend:3210", SITE_URL, [Some("likely"), None]),
            (API, "", "", [None, None]),
        ] {
            let evidence = world(url, cloud_url, site_url);
            let found = [cloud(&evidence), site(&evidence)].map(certainty);
            let found = found.each_ref().map(Option::as_deref);
            assert_eq!(found, expected, "{url} {cloud_url} {site_url}");
        }
    }

    /// What comes of a check: its certainty, or that it is unknown.
    fn certainty(found: Result<Vec<Finding>, Unseen>) -> Option<String> {
        match found {
            Ok(found) => found.first().map(|it| it.certainty.to_string()),
            Err(_) => Some("unknown".to_owned()),
        }
    }

    /// Every port of HTTP actions says the same sentence.
    #[test]
    fn the_actions_of_another_backend_are_not_ours() {
        let asked = AskedOrigin {
            url: "http://127.0.0.1:9211".to_owned(),
            reach: Reach::Answered,
            answer: build::answer(404, Body::SiteProxy),
        };
        for (holder, expected) in
            [("other-backend-1", Some("likely")), ("app-proxy-1", None), ("app-backend-1", None)]
        {
            let mut evidence = world("http://127.0.0.1:3210", "http://127.0.0.1:3210", &asked.url);
            evidence.origins = Observation::Seen(vec![asked.clone()]);
            let docker = build::docker(&mut evidence);
            docker.backends.push(build::container("other-backend-1", "other", 9210));
            docker.published.push(build::published(holder, 9211));
            assert_eq!(certainty(site(&evidence)).as_deref(), expected, "{holder}");
        }
    }

    /// The origin was asked: what answers counts, and not its port.
    #[test]
    fn an_answer_counts_more_than_a_port() {
        const ELSEWHERE: &str = "https://localhost:8443";
        const PUBLISHED: &str = "http://127.0.0.1:3211";
        const API: &str = "http://127.0.0.1:3210";
        let name = |name: &str| build::answer(200, Body::InstanceName { name: name.to_owned() });
        let (own, other) = (name("convex-self-hosted"), name("other"));
        let actions = build::answer(404, Body::SiteProxy);
        let gateway = build::page(502, "502 Bad Gateway");
        let text = build::answer(200, Body::Text { line: "hello".to_owned() });
        let none = || Observation::unavailable("x");
        let tls = Reach::Tls { fault: TlsFault::SelfSigned };
        for (case, origin, reach, answer, expected) in [
            (
                "a proxy before the actions",
                ELSEWHERE,
                Reach::Answered,
                actions,
                [Some("likely"), None],
            ),
            ("a proxy before the API", ELSEWHERE, Reach::Answered, own, [None, Some("likely")]),
            (
                "another backend",
                ELSEWHERE,
                Reach::Answered,
                other,
                [Some("likely"), Some("unknown")],
            ),
            ("a dead proxy", ELSEWHERE, Reach::Answered, gateway, [Some("proven"); 2]),
            ("nothing there", PUBLISHED, Reach::Refused, none(), [Some("proven"); 2]),
            ("it closes", PUBLISHED, Reach::Closed, none(), [Some("proven"); 2]),
            ("it is silent", PUBLISHED, Reach::AnswerTimeout, none(), [Some("likely"); 2]),
            (
                "an action of the user",
                PUBLISHED,
                Reach::Answered,
                text.clone(),
                [Some("unknown"), None],
            ),
            ("any server", ELSEWHERE, Reach::Answered, text, [Some("unknown"); 2]),
        ] {
            let asked = AskedOrigin { url: origin.to_owned(), reach, answer };
            let mut evidence = world(API, origin, "");
            evidence.origins = Observation::Seen(vec![asked.clone()]);
            let of_cloud = certainty(cloud(&evidence));
            let mut evidence = world(API, API, origin);
            evidence.origins = Observation::Seen(vec![asked]);
            let found = [of_cloud, certainty(site(&evidence))];
            let found = found.each_ref().map(Option::as_deref);
            assert_eq!(found, expected, "{case}");
        }
        // A browser may trust the certificate.
        let mut evidence = world(API, API, PUBLISHED);
        let asked = AskedOrigin { url: PUBLISHED.to_owned(), reach: tls, answer: none() };
        evidence.origins = Observation::Seen(vec![asked]);
        assert_eq!(certainty(site(&evidence)).as_deref(), Some("unknown"));
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
