//! The URL redirects: the CLI follows, but it does not send its key to another origin.

use crate::checks::Check;
use crate::deployment::answers::{is_login_wall, is_redirect, needed, seen};
use crate::deployment::endpoint::{convex_answers, selected_endpoint, url_location};
use crate::deployment::weight::cap_if_cli_works;
use crate::evidence::endpoint::Reach;
use crate::evidence::{EndpointFacts, Evidence, Unseen};
use crate::names::URL;
use crate::remedies::env_file::set_url;
use crate::report::{Certainty, Finding, Level, Remedy, Rule};

static URL_REDIRECTS: Rule =
    rule!("url-redirects", Error, "the URL redirects to another address").cause(&[]);

pub(super) static CHECK: Check = Check { rules: &[&URL_REDIRECTS], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    let redirect = seen(endpoint).into_iter().find(|(path, answer)| {
        // A `/` that redirects to a web page is not a fault.
        !matches!(*path, "/" | "/version")
            && is_redirect(answer)
            && is_login_wall(path, answer).is_none()
    });
    let Some((path, answer)) = redirect else {
        match endpoint.route.reach {
            Reach::Answered => drop(needed(endpoint)?),
            _ => drop(convex_answers(endpoint)?),
        }
        return Ok(vec![]);
    };
    let location = answer.location.clone().unwrap_or_default();
    let target = url::Url::parse(&location).ok().map(|url| url.origin().ascii_serialization());
    let same = target.as_deref().is_none_or(|target| Some(target) == origin(endpoint).as_deref());
    let (level, detail) = if same {
        (Level::Warning, "Each request is sent twice: the URL redirects within the same host.")
    } else {
        (
            Level::Error,
            "The key does not arrive: the CLI follows the redirect, but it does not send the key \
             to another origin.",
        )
    };
    let remedy = match (same, target) {
        (false, Some(target)) if only_to_https(endpoint, path, &location) => {
            set_url(&evidence.selection, &target, "")
        }
        (false, Some(target)) => {
            Remedy::safe(format!("Set {URL} to {target}, if that is your backend"))
        }
        _ => Remedy::safe("Remove the redirect for the backend's host from the proxy"),
    };
    let finding = URL_REDIRECTS
        .finding(Certainty::Proven, detail)
        .level(level)
        .showing(
            format!("Answers {} and redirects to {location}", answer.status),
            format!("{}{path}", endpoint.target.url),
        )
        .at(url_location(evidence))
        .remedy(remedy);
    Ok(vec![cap_if_cli_works(evidence, finding)])
}

/// Whether the target differs from the request only by TLS, and perhaps the port.
fn only_to_https(endpoint: &EndpointFacts, path: &str, location: &str) -> bool {
    let Ok(target) = url::Url::parse(location) else { return false };
    let host = target.host_str().map(|host| host.trim_matches(['[', ']']));
    endpoint.target.scheme == "http"
        && target.scheme() == "https"
        && host == Some(endpoint.target.host.as_str())
        && target.path() == path
        && target.query().is_none()
}

fn origin(endpoint: &EndpointFacts) -> Option<String> {
    let host = &endpoint.target.host;
    let host = if host.contains(':') { format!("[{host}]") } else { host.clone() };
    let text = format!("{}://{host}:{}", endpoint.target.scheme, endpoint.target.port);
    Some(url::Url::parse(&text).ok()?.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;

    #[test]
    fn across_origins_the_key_is_lost() {
        assert_eq!(run(&build::healthy()), Ok(vec![]));
        for (location, expected) in [
            ("https://api.example.com/instance_name", vec!["error"]),
            ("https://127.0.0.1:3210/instance_name", vec!["error"]),
            ("http://127.0.0.1:3210/x/instance_name", vec!["warning"]),
            ("/x/instance_name", vec!["warning"]),
            ("https://team.cloudflareaccess.com/cdn-cgi/access/login", vec![]),
        ] {
            let mut evidence = build::healthy();
            build::everywhere(&mut evidence, &build::redirect(location));
            let expected: Vec<_> = expected
                .iter()
                .map(|level| format!("url-redirects {level} proven http://127.0.0.1:3210"))
                .collect();
            assert_eq!(build::told(run(&evidence)), expected, "{location}");
        }
    }

    #[test]
    fn the_url_is_set_where_only_tls_is_asked_for() {
        for (host, location, expected) in [
            ("api.example.com", "https://api.example.com/instance_name", true),
            ("api.example.com", "https://api.example.com:8443/instance_name", true),
            ("api.example.com", "https://api.example.com/x/instance_name", false),
            ("api.example.com", "https://www.example.com/instance_name", false),
            ("api.example.com", "http://api.example.com/instance_name", false),
        ] {
            let mut evidence = build::healthy();
            let line = format!("CONVEX_SELF_HOSTED_URL=http://{host}:8080\n");
            evidence.selection =
                crate::evidence::build::selection::evidence(&[], &line, "").selection;
            let endpoint = build::endpoint(&mut evidence);
            endpoint.target.url = format!("http://{host}:8080");
            (endpoint.target.host, endpoint.target.port) = (host.to_owned(), 8080);
            build::everywhere(&mut evidence, &build::redirect(location));
            let found = run(&evidence).unwrap();
            let edits = &found[0].remedies[0].edits;
            assert_eq!(!edits.is_empty(), expected, "{location}");
        }
    }

    #[test]
    fn a_front_page_may_redirect() {
        let mut evidence = build::healthy();
        build::endpoint(&mut evidence).server.root = build::redirect("https://example.com/");
        assert_eq!(run(&evidence), Ok(vec![]));
        build::endpoint(&mut evidence).server.instance_name =
            crate::evidence::Observation::unavailable("x");
        assert_eq!(build::told(run(&evidence)), ["unknown"]);
    }
}
