//! Something answers at the URL, but it is not the Convex API: the site port, the dashboard, or
//! anything else.

use crate::checks::Check;
use crate::deployment::answers::{all, is_gateway_error, is_login_wall, is_redirect, seen};
use crate::deployment::endpoint::{convex_answers, published_url, selected_endpoint, url_location};
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::endpoint::{Body, Reach};
use crate::evidence::{EndpointFacts, Evidence, Unseen};
use crate::names::{API_PORT, SITE_PORT, URL};
use crate::remedies::env_file::set_url;
use crate::report::{Certainty, Finding, Remedy, Rule};

static URL_IS_SITE_PROXY: Rule =
    rule!("url-is-site-proxy", Error, "the URL points to the HTTP actions port, not the API")
        .cause(&[]);

static URL_IS_DASHBOARD: Rule =
    rule!("url-is-dashboard", Error, "the URL is the Convex dashboard, not the API").cause(&[]);

static URL_IS_NOT_CONVEX: Rule =
    rule!("url-is-not-convex", Error, "the server at the URL is not a Convex backend").cause(&[]);

pub(super) static SITE_PROXY: Check = Check { rules: &[&URL_IS_SITE_PROXY], run: site_proxy };
pub(super) static DASHBOARD: Check = Check { rules: &[&URL_IS_DASHBOARD], run: dashboard };
pub(super) static NOT_CONVEX: Check = Check { rules: &[&URL_IS_NOT_CONVEX], run: not_convex };

fn site_proxy(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    let sentence = seen(endpoint).into_iter().find(|(_, a)| a.body == Body::SiteProxy);
    let (certainty, text, path) = match sentence {
        Some((path, _)) => (Certainty::Proven, "Answers like the HTTP actions port", path),
        None => {
            if convex_answers(endpoint)? {
                return Ok(vec![]);
            }
            let name = endpoint.server.instance_name.seen()?;
            if name.status != 404 || endpoint.server.api_elsewhere.is_empty() {
                return Ok(vec![]);
            }
            // The site port is the only one that answers `/version` but not `/instance_name`.
            let version = endpoint.server.version.seen().is_ok_and(|answer| {
                answer.status == 200 && matches!(answer.body, Body::Text { .. })
            });
            let certainty = if version { Certainty::Proven } else { Certainty::Likely };
            (certainty, "Answers 404, which an API port never does", "/instance_name")
        }
    };
    let leads = if certainty == Certainty::Proven { "leads" } else { "probably leads" };
    let detail = format!(
        "The CLI gets only 404: the URL {leads} to port {SITE_PORT} of the container. The API is \
         on port {API_PORT}."
    );
    let mut finding = URL_IS_SITE_PROXY
        .finding(certainty, detail)
        .because(text, format!("{}{path}", endpoint.target.url));
    for other in &endpoint.server.api_elsewhere {
        finding = finding.because("Answers like a Convex API", other.clone());
    }
    let finding = finding.at(url_location(evidence)).remedy(point_to_api(evidence, endpoint));
    Ok(vec![cap_if_cli_works(evidence, finding)])
}

fn dashboard(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    let pages = seen(endpoint);
    let Some((path, _)) = pages.iter().find(|(_, a)| matches!(a.body, Body::Dashboard { .. }))
    else {
        return if convex_answers(endpoint)? {
            Ok(vec![])
        } else {
            endpoint.server.root.seen().map(|_| vec![])
        };
    };
    let detail = "The dashboard is a web page: it does not answer the CLI's requests. The CLI \
                  needs the backend itself.";
    let finding = URL_IS_DASHBOARD
        .finding(Certainty::Proven, detail)
        .because(
            "Answers with the page of the Convex dashboard",
            format!("{}{path}", endpoint.target.url),
        )
        .at(url_location(evidence))
        .remedy(point_to_api(evidence, endpoint));
    Ok(vec![cap_if_cli_works(evidence, finding)])
}

fn not_convex(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    if endpoint.route.reach != Reach::NotHttp {
        if convex_answers(endpoint)? || endpoint.route.reach != Reach::Answered {
            return Ok(vec![]);
        }
        let has_its_own_id = all(endpoint)?.into_iter().any(|(path, answer)| {
            matches!(
                answer.body,
                Body::SiteProxy | Body::Dashboard { .. } | Body::ConvexError { .. }
            ) || is_redirect(answer)
                || is_gateway_error(answer)
                || is_login_wall(path, answer).is_some()
        });
        if has_its_own_id {
            return Ok(vec![]);
        }
    }
    let mut finding = URL_IS_NOT_CONVEX.finding(
        Certainty::Proven,
        "Another program uses this address: none of its answers comes from a Convex backend.",
    );
    if endpoint.route.reach == Reach::NotHttp {
        finding = finding.showing("Answers, but not in HTTP", endpoint.target.url.clone());
    }
    for (path, answer) in seen(endpoint).into_iter().filter(|(path, _)| *path == "/") {
        let what = match &answer.body {
            Body::Html { title: Some(title) } => format!(", a page with the title \"{title}\""),
            Body::Html { .. } => ", a web page".to_owned(),
            Body::Text { line } => format!(", \"{line}\""),
            Body::Json => ", JSON".to_owned(),
            _ => String::new(),
        };
        let server = answer.server.as_ref().map(|name| format!(", server {name}"));
        finding = finding.showing(
            format!("Answers {}{what}{}", answer.status, server.unwrap_or_default()),
            format!("{}{path}", endpoint.target.url.trim_end_matches('/')),
        );
    }
    let finding = finding.at(url_location(evidence)).remedy(point_to_api(evidence, endpoint));
    Ok(vec![cap_if_cli_works(evidence, finding)])
}

fn point_to_api(evidence: &Evidence, endpoint: &EndpointFacts) -> Remedy {
    let known = match endpoint.server.api_elsewhere.first() {
        Some(port) if port.parse::<u16>().is_ok() => {
            Some(format!("{}://{}:{port}", endpoint.target.scheme, endpoint.target.host))
        }
        Some(url) => Some(url.clone()),
        None => published_url(evidence).filter(|url| *url != endpoint.target.url),
    };
    match known {
        Some(url) => set_url(&evidence.selection, &url, ""),
        None => Remedy::safe(format!("Set {URL} to the backend's API port (usually {API_PORT})")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;

    fn ids(evidence: &Evidence) -> Vec<String> {
        let checks = [&SITE_PROXY, &DASHBOARD, &NOT_CONVEX];
        checks.iter().flat_map(|check| build::told((check.run)(evidence))).collect()
    }

    #[test]
    fn tells_what_answers() {
        let dashboard = Body::Dashboard { deployment_url: None, holds_key: false };
        let place = "http://127.0.0.1:3210";
        for (answer, expected) in [
            (build::answer(404, Body::SiteProxy), vec!["url-is-site-proxy error proven"]),
            (build::answer(200, dashboard), vec!["url-is-dashboard error proven"]),
            (build::page(200, "Welcome to nginx!"), vec!["url-is-not-convex error proven"]),
            (build::page(502, "502 Bad Gateway"), vec![]),
            (build::redirect("https://example.com/"), vec![]),
            (build::refusal(401, "BadAdminKey"), vec![]),
        ] {
            let mut evidence = build::healthy();
            build::everywhere(&mut evidence, &answer);
            let expected: Vec<_> = expected.iter().map(|it| format!("{it} {place}")).collect();
            assert_eq!(ids(&evidence), expected);
        }
        assert!(ids(&build::healthy()).is_empty());
    }

    #[test]
    fn an_api_on_the_next_port_tells_the_site_port() {
        let mut evidence = build::healthy();
        build::everywhere(&mut evidence, &build::answer(404, Body::Empty));
        let endpoint = build::endpoint(&mut evidence);
        endpoint.server.api_elsewhere = vec!["http://127.0.0.1:3212".to_owned()];
        assert!(ids(&evidence)[0].starts_with("url-is-site-proxy error likely"));
        build::endpoint(&mut evidence).server.version =
            build::answer(200, Body::Text { line: "unknown".to_owned() });
        assert!(ids(&evidence)[0].starts_with("url-is-site-proxy error proven"));
    }

    #[test]
    fn what_was_not_asked_is_unknown() {
        let mut evidence = build::healthy();
        build::silence(build::endpoint(&mut evidence));
        assert_eq!(ids(&evidence), ["unknown", "unknown", "unknown"]);
    }
}
