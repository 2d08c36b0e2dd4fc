//! What the dashboard's own page contains: the URL that browsers connect to, and a key that does
//! not belong there.

use url::Url;

use super::asked::{There, not_asked, what_answers};
use super::origins::{self, host};
use crate::checks::Check;
use crate::deployment::container::claims_port;
use crate::deployment::endpoint::{is_loopback, selected_endpoint};
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::endpoint::{Answer, Body};
use crate::evidence::{Evidence, Unseen};
use crate::names::API_PORT;
use crate::remedies::command::{doctor, up};
use crate::report::{Certainty, Finding, Level, Location, Remedy, Rule};

static DASHBOARD_URL_MISMATCH: Rule = rule!(
    "dashboard-url-mismatch",
    Warning,
    "the dashboard points browsers to the wrong backend URL"
);

static DASHBOARD_KEY_EXPOSED: Rule =
    rule!("dashboard-key-exposed", Error, "the dashboard page exposes an admin key");

pub(super) static URL: Check = Check { rules: &[&DASHBOARD_URL_MISMATCH], run: mismatch };
pub(super) static KEY: Check = Check { rules: &[&DASHBOARD_KEY_EXPOSED], run: exposed };

/// A dashboard's page that was read.
struct Page<'a> {
    url: &'a str,
    /// The container, if the page was found through it.
    container: Option<&'a str>,
    /// `deploymentUrl` in its data.
    deployment_url: Option<&'a str>,
    /// Whether it contains an admin key.
    holds_key: bool,
}

/// The pages of this project's dashboards, and the one behind the selected URL, if that is one.
fn pages(evidence: &Evidence) -> (Vec<Page<'_>>, Result<(), Unseen>) {
    fn page<'a>(url: &'a str, container: Option<&'a str>, answer: &'a Answer) -> Option<Page<'a>> {
        let Body::Dashboard { deployment_url, holds_key } = &answer.body else { return None };
        let (deployment_url, holds_key) = (deployment_url.as_deref(), *holds_key);
        Some(Page { url, container, deployment_url, holds_key })
    }
    let mut unseen = Ok(());
    let mut found = Vec::new();
    match evidence.dashboards.seen() {
        Err(reason) => unseen = Err(reason),
        Ok(dashboards) => {
            for one in dashboards {
                match one.page.seen() {
                    Ok(answer) => match page(&one.url, Some(&one.container), answer) {
                        Some(page) => found.push(page),
                        None => {
                            unseen = Err(Unseen::new(format!(
                                "{} answers {}, and not with the page of a dashboard",
                                one.container, answer.status
                            )));
                        }
                    },
                    Err(reason) => unseen = Err(reason),
                }
            }
        }
    }
    if let Ok(Some(endpoint)) = selected_endpoint(evidence)
        && let Ok(answer) = endpoint.server.root.seen()
        && !found.iter().any(|page| page.url == endpoint.target.url)
    {
        found.extend(page(&endpoint.target.url, None, answer));
    }
    (found, unseen)
}

fn mismatch(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let (pages, mut unseen) = pages(evidence);
    let mut findings = Vec::new();
    for page in &pages {
        let Some(target) = page.deployment_url else { continue };
        match judge(evidence, target) {
            Ok(None) => {}
            Ok(Some((certainty, why))) => {
                findings.push(finding(evidence, page, target, certainty, &why));
            }
            Err(reason) => unseen = Err(reason),
        }
    }
    match unseen {
        Err(unseen) if findings.is_empty() => Err(unseen),
        _ => Ok(findings),
    }
}

fn finding(
    evidence: &Evidence,
    page: &Page<'_>,
    target: &str,
    certainty: Certainty,
    why: &str,
) -> Finding {
    let fails = if certainty == Certainty::Proven { "fails" } else { "probably fails" };
    let detail = format!("The dashboard login {fails}: browsers connect to {target}. {why}.");
    let mut finding = DASHBOARD_URL_MISMATCH
        .finding(certainty, detail)
        .because(format!("deploymentUrl is {target}"), page.url)
        .at(Location::url(page.url));
    if let Some(container) = page.container {
        finding = finding.at(Location::container(container));
    }
    finding
        .remedy(
            Remedy::careful(format!(
                "Set NEXT_PUBLIC_DEPLOYMENT_URL to the URL of port {API_PORT} for browsers"
            ))
            .step(),
        )
        .remedy(Remedy::careful("Recreate the dashboard's container").run(up(evidence)).step())
}

/// Why a browser does not reach the backend that the CLI uses through `target`, as a sentence
/// without its full stop. It is never proven if the same backend could have another name.
fn judge(evidence: &Evidence, target: &str) -> Result<Option<(Certainty, String)>, Unseen> {
    let Some(url) = Url::parse(target).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
    else {
        return Ok(Some((Certainty::Likely, "That is not a valid URL".to_owned())));
    };
    let name = host(&url);
    if name.ends_with(".convex.cloud") {
        return Ok(Some((Certainty::Proven, "That is Convex Cloud".to_owned())));
    }
    let endpoint = selected_endpoint(evidence)?;
    let port = url.port_or_known_default().unwrap_or_default();
    if let Some(endpoint) = endpoint.filter(|endpoint| endpoint.target.port == port)
        && (endpoint.target.host == name || is_loopback(&endpoint.target.host) && is_loopback(name))
    {
        return Ok(None);
    }
    let is_local = is_loopback(name);
    if !is_local && endpoint.is_none_or(|endpoint| endpoint.target.host != name) {
        let project = evidence.compose.seen().ok().and_then(Option::as_ref);
        let is_service = project.is_some_and(|it| it.services.iter().any(|one| one == name));
        if is_service {
            let why = format!("Only containers can resolve the service name `{name}`");
            return Ok(Some((Certainty::Likely, why)));
        }
    }
    if let Some(endpoint) = endpoint.filter(|it| is_local && !is_loopback(&it.target.host)) {
        let why = format!(
            "That is the browser's own machine, but the backend is at {}",
            endpoint.target.url
        );
        return Ok(Some((Certainty::Likely, why)));
    }
    let Some(there) = what_answers(evidence, target)? else {
        if is_local {
            evidence.docker.seen()?;
        }
        let why = holder(evidence, port).filter(|_| is_local);
        return why
            .map(|why| Some((Certainty::Likely, why)))
            .ok_or_else(|| not_asked(evidence, target));
    };
    let likely = |why: String| Ok(Some((Certainty::Likely, why)));
    match there {
        There::OwnApi => Ok(None),
        There::Dead(certainty, why) => Ok(Some((certainty, why))),
        There::Site => likely("That is the port of HTTP actions, not the API".to_owned()),
        There::Other(why) => likely(holder(evidence, port).unwrap_or(why)),
        There::Server(status) => Err(Unseen::new(format!(
            "what answers {status} at {target} was not recognised as a Convex API"
        ))),
    }
}

/// What the port of this machine belongs to, by the list of containers, if it is not the backend.
fn holder(evidence: &Evidence, port: u16) -> Option<String> {
    let container = origins::container(evidence).ok().flatten()?;
    if claims_port(container, port) {
        return None;
    }
    let docker = evidence.docker.seen().ok()?;
    Some(match docker.published.iter().find(|it| it.host_port == port) {
        Some(other) => {
            format!("That is {}, but the backend is {}", other.container, container.name)
        }
        None => format!("{} does not publish port {port}", container.name),
    })
}

fn exposed(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let (pages, unseen) = pages(evidence);
    let findings: Vec<_> = pages
        .iter()
        .filter(|page| page.holds_key)
        .map(|page| {
            let on_loopback = page.container.is_some_and(|name| only_on_loopback(evidence, name));
            let level = if on_loopback { Level::Warning } else { Level::Error };
            let detail = "Anyone who can load the page gets an admin key with full access, without \
                          a login.";
            let mut finding = DASHBOARD_KEY_EXPOSED
                .finding(Certainty::Proven, detail)
                .level(level)
                .because("adminKey in the page's data is not empty", page.url)
                .at(Location::url(page.url));
            if let Some(container) = page.container {
                finding = finding.at(Location::container(container));
            }
            let variable = "Remove NEXT_PUBLIC_ADMIN_KEY from the dashboard's environment";
            let secret = "Set a new INSTANCE_SECRET if strangers saw the page (ends all keys)";
            let key = doctor(evidence, ["key", "mint", "--write"]);
            let finding = finding
                .remedy(Remedy::careful(variable).step())
                .remedy(Remedy::careful(secret).step())
                .remedy(Remedy::careful("Recreate the containers").run(up(evidence)).step())
                .remedy(Remedy::careful("Generate a key if the secret is new").run(key).step());
            cap_if_cli_works(evidence, finding)
        })
        .collect();
    match unseen {
        Err(unseen) if findings.is_empty() => Err(unseen),
        _ => Ok(findings),
    }
}

/// Whether the container publishes nothing beyond loopback.
fn only_on_loopback(evidence: &Evidence, container: &str) -> bool {
    let Ok(docker) = evidence.docker.seen() else { return false };
    let mut own = docker.published.iter().filter(|it| it.container == container).peekable();
    own.peek().is_some() && own.all(|it| is_loopback(&it.host_ip) && it.host_ip != "0.0.0.0")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::build::endpoint::told;
    use crate::evidence::endpoint::{AskedOrigin, DashboardPage, Reach};

    fn world(deployment_url: &str, holds_key: bool) -> Evidence {
        let mut evidence = build::healthy();
        let deployment_url = Some(deployment_url.to_owned()).filter(|url| !url.is_empty());
        evidence.dashboards = Observation::Seen(vec![DashboardPage {
            container: "app-dashboard-1".to_owned(),
            url: "http://127.0.0.1:6791".to_owned(),
            page: build::answer(200, Body::Dashboard { deployment_url, holds_key }),
        }]);
        build::docker(&mut evidence).published.push(build::published("other-backend-1", 3220));
        evidence
    }

    #[test]
    fn where_the_page_sends_browsers() {
        let proven = "dashboard-url-mismatch warning proven http://127.0.0.1:6791";
        let likely = "dashboard-url-mismatch warning likely http://127.0.0.1:6791";
        for (url, expected) in [
            ("http://127.0.0.1:3210", None),
            ("http://localhost:3210", None),
            ("https://api.example.com", Some("unknown")),
            ("http://192.0.2.1:3210", Some("unknown")),
            ("", None),
            ("http://127.0.0.1:3220", Some(likely)),
            ("http://127.0.0.1:4000", Some(likely)),
            ("http://backend:3210", Some(likely)),
            ("127.0.0.1:3210", Some(likely)),
            ("https://happy-animal-123.convex.cloud", Some(proven)),
        ] {
            let expected: Vec<_> = expected.into_iter().collect();
            assert_eq!(told(mismatch(&world(url, false))), expected, "{url}");
        }
        let mut remote = world("http://127.0.0.1:3210", false);
        build::endpoint(&mut remote).target.host = "api.example.com".to_owned();
        assert_eq!(told(mismatch(&remote)), [likely]);
        let mut evidence = world("http://127.0.0.1:3220", false);
        build::no_docker(&mut evidence);
        assert_eq!(told(mismatch(&evidence)), ["unknown"]);
    }

    #[test]
    fn the_address_in_the_page_is_asked() {
        let name = |name: &str| build::answer(200, Body::InstanceName { name: name.to_owned() });
        let none = || Observation::unavailable("x");
        for (case, reach, answer, expected) in [
            ("the backend", Reach::Answered, name("convex-self-hosted"), None),
            ("another one", Reach::Answered, name("other"), Some("warning likely")),
            ("dead", Reach::Refused, none(), Some("warning proven")),
            ("silent", Reach::ConnectTimeout, none(), Some("warning likely")),
            (
                "HTTP actions",
                Reach::Answered,
                build::answer(404, Body::SiteProxy),
                Some("warning likely"),
            ),
        ] {
            let target = "http://localhost:4000";
            let mut evidence = world(target, false);
            let url = target.to_owned();
            evidence.origins = Observation::Seen(vec![AskedOrigin { url, reach, answer }]);
            let found = told(mismatch(&evidence));
            let id = |it| format!("dashboard-url-mismatch {it} http://127.0.0.1:6791");
            assert_eq!(found, expected.map(id).into_iter().collect::<Vec<_>>(), "{case}");
        }
    }

    #[test]
    fn a_page_that_is_not_a_dashboard_s_shows_nothing() {
        for page in [build::page(500, "Internal"), build::page(200, "Welcome to nginx")] {
            let mut evidence = world("", false);
            evidence.dashboards = Observation::Seen(vec![DashboardPage {
                container: "app-dashboard-1".to_owned(),
                url: "http://127.0.0.1:6791".to_owned(),
                page,
            }]);
            assert_eq!(told(mismatch(&evidence)), ["unknown"]);
            assert_eq!(told(exposed(&evidence)), ["unknown"]);
        }
    }

    #[test]
    fn a_key_in_the_page() {
        let place = "http://127.0.0.1:6791";
        assert_eq!(exposed(&world("", false)), Ok(vec![]));
        let mut evidence = world("", true);
        assert_eq!(
            told(exposed(&evidence)),
            [format!("dashboard-key-exposed warning proven {place}")]
        );
        build::endpoint(&mut evidence).key.check_admin_key = build::refusal(401, "BadAdminKey");
        assert_eq!(
            told(exposed(&evidence)),
            [format!("dashboard-key-exposed error proven {place}")]
        );
        let mut port = build::published("app-dashboard-1", 6791);
        port.host_ip = "127.0.0.1".to_owned();
        build::docker(&mut evidence).published.push(port);
        assert_eq!(
            told(exposed(&evidence)),
            [format!("dashboard-key-exposed warning proven {place}")]
        );
        evidence.dashboards = Observation::unavailable("x");
        assert_eq!(told(exposed(&evidence)), ["unknown"]);
    }
}
