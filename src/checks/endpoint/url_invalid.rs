//! The URL cannot be used as it is typed: nothing was sent to it.

use crate::checks::Check;
use crate::deployment::endpoint::{is_loopback, selected_endpoint, url_location};
use crate::deployment::selection::winner;
use crate::evidence::endpoint::UrlFault;
use crate::evidence::{Evidence, Unseen};
use crate::names::URL;
use crate::remedies::env_file::{set_open_url, set_url};
use crate::report::{Certainty, ChainLink, CliFailure, Finding, Remedy, Rule};

static URL_INVALID: Rule = rule!("url-invalid", Error, "the Convex CLI cannot use this URL")
    .cause(&[])
    .breaks(ChainLink::Source)
    .explains(&[CliFailure::UrlInvalid]);

pub(super) static CHECK: Check = Check { rules: &[&URL_INVALID], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some(endpoint) = selected_endpoint(evidence)? else { return Ok(vec![]) };
    let Some(fault) = &endpoint.target.invalid else { return Ok(vec![]) };
    let url = endpoint.target.url.trim();
    let detail = match fault {
        UrlFault::NoScheme => format!("`{url}` does not begin with http:// or https://."),
        UrlFault::OtherScheme(scheme) => {
            format!("The CLI cannot use `{scheme}:`. It uses http:// and https://.")
        }
        UrlFault::Quotes => "The value contains quotes: they are part of the URL.".to_owned(),
        UrlFault::Blanks => "The value contains a space or another invisible character.".to_owned(),
        UrlFault::UserInfo => {
            "The URL contains a user name or password before `@`. The CLI's `fetch` rejects it."
                .to_owned()
        }
        UrlFault::Variable => {
            "The value contains a variable: the CLI does not expand variables in env files."
                .to_owned()
        }
        UrlFault::Unparsable(error) => format!("The value cannot be parsed as a URL: {error}."),
    };
    let remedy = match meant(url, fault) {
        Some(meant) if *fault == UrlFault::NoScheme && !scheme_is_sure(url) => {
            Remedy::safe(format!("Set {URL} to {meant}"))
        }
        Some(meant) => set_url(&evidence.selection, &meant, ""),
        None => set_open_url(evidence, url).unwrap_or_else(|| {
            Remedy::safe(format!("Set {URL} to http://HOST:PORT, without a slash at the end"))
        }),
    };
    let source =
        winner(&evidence.selection, URL).map_or_else(|| URL.to_owned(), ToString::to_string);
    Ok(vec![
        URL_INVALID
            .finding(Certainty::Proven, detail)
            .because(format!("The value is `{}`", endpoint.target.url), source)
            .at(url_location(evidence))
            .remedy(remedy),
    ])
}

/// Whether the host shows the scheme: a port of its own, or a name in a local network, may be
/// served with TLS or without.
fn scheme_is_sure(url: &str) -> bool {
    let Ok(parsed) = url::Url::parse(&format!("http://{url}")) else { return false };
    match parsed.host() {
        Some(url::Host::Domain(host)) if !is_loopback(host) => {
            host.contains('.') && parsed.port().is_none_or(|port| port == 443)
        }
        host => host.is_some(),
    }
}

/// What was meant, if that is clear; without a slash at the end, which the CLI does not take.
fn meant(url: &str, fault: &UrlFault) -> Option<String> {
    let text = match fault {
        UrlFault::NoScheme => {
            let url = url.trim_start_matches('/');
            let parsed = url::Url::parse(&format!("http://{url}")).ok()?;
            let scheme = match parsed.host()? {
                url::Host::Domain(host) if !is_loopback(host) => "https",
                _ => "http",
            };
            Some(format!("{scheme}://{url}"))
        }
        UrlFault::Quotes => Some(url.replace(['"', '\'', '`'], "").trim().to_owned()),
        UrlFault::Blanks => Some(url.split_whitespace().collect()),
        UrlFault::UserInfo => {
            let mut parsed = url::Url::parse(url).ok()?;
            parsed.set_username("").ok()?;
            parsed.set_password(None).ok()?;
            Some(parsed.origin().ascii_serialization())
        }
        UrlFault::OtherScheme(scheme) => {
            let scheme = match scheme.as_str() {
                "ws" => "http",
                "wss" => "https",
                _ => return None,
            };
            let rest = url.split_once("://")?.1;
            Some(format!("{scheme}://{rest}"))
        }
        UrlFault::Variable | UrlFault::Unparsable(_) => None,
    };
    text.map(|text| text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;

    #[test]
    fn a_scheme_that_could_be_the_other_is_not_edited() {
        for (url, right, sure) in [
            ("127.0.0.1:3210", "http://127.0.0.1:3210", true),
            ("localhost:3210", "http://localhost:3210", true),
            ("[::1]:3210", "http://[::1]:3210", true),
            ("api.example.com", "https://api.example.com", true),
            ("api.example.com:443", "https://api.example.com:443", true),
            ("api.example.com:3210", "https://api.example.com:3210", false),
            ("backend:3210", "https://backend:3210", false),
        ] {
            let mut evidence = build::healthy();
            let line = format!("CONVEX_SELF_HOSTED_URL={url}\n");
            evidence.selection =
                crate::evidence::build::selection::evidence(&[], &line, "").selection;
            let endpoint = build::endpoint(&mut evidence);
            (endpoint.target.url, endpoint.target.invalid) =
                (url.to_owned(), Some(UrlFault::NoScheme));
            build::silence(endpoint);
            let found = run(&evidence).unwrap();
            let remedy = &found[0].remedies[0];
            assert!(remedy.title.ends_with(right), "{}", remedy.title);
            assert_eq!(!remedy.edits.is_empty(), sure, "{url}");
        }
    }

    #[test]
    fn every_fault_is_proven_and_a_good_url_is_silent() {
        assert_eq!(run(&build::healthy()), Ok(vec![]));
        for (url, fault, right) in [
            ("127.0.0.1:3210", UrlFault::NoScheme, Some("http://127.0.0.1:3210")),
            ("api.example.com", UrlFault::NoScheme, Some("https://api.example.com")),
            ("\"http://h:3210\"", UrlFault::Quotes, Some("http://h:3210")),
            ("http://h :3210", UrlFault::Blanks, Some("http://h:3210")),
            ("https://u:***@h/", UrlFault::UserInfo, Some("https://h")),
            ("http://h:${PORT}", UrlFault::Variable, None),
            ("127.0.0.1:3210/", UrlFault::NoScheme, Some("http://127.0.0.1:3210")),
            ("//127.0.0.1:3210", UrlFault::NoScheme, Some("http://127.0.0.1:3210")),
            ("\"http://h:3210/\"", UrlFault::Quotes, Some("http://h:3210")),
            ("http://h :3210/", UrlFault::Blanks, Some("http://h:3210")),
            ("wss://h/", UrlFault::OtherScheme("wss".to_owned()), Some("https://h")),
            ("tcp://h:3210", UrlFault::OtherScheme("tcp".to_owned()), None),
        ] {
            let mut evidence = build::healthy();
            let endpoint = build::endpoint(&mut evidence);
            endpoint.target.url = url.to_owned();
            endpoint.target.invalid = Some(fault.clone());
            build::silence(endpoint);
            let expected = format!("url-invalid error proven {url}");
            assert_eq!(build::told(run(&evidence)), [expected]);
            assert_eq!(meant(url, &fault).as_deref(), right);
        }
    }

    #[test]
    fn what_is_left_open_is_the_port_that_the_backend_publishes() {
        for (url, expected) in [
            ("http://127.0.0.1:${PORT}", Some("http://127.0.0.1:13210")),
            ("http://localhost:$PORT/", Some("http://127.0.0.1:13210")),
            ("http://localhost:${PORT:-3210}", Some("http://127.0.0.1:13210")),
            ("http://${HOST}:${PORT}", Some("http://127.0.0.1:13210")),
            ("${CONVEX_CLOUD_ORIGIN}", Some("http://127.0.0.1:13210")),
            ("https://api.example.com:${PORT}", None),
            ("https://api.${DOMAIN}", None),
        ] {
            let mut evidence = build::healthy();
            let line = format!("CONVEX_SELF_HOSTED_URL={url}\n");
            evidence.selection =
                crate::evidence::build::selection::evidence(&[], &line, "").selection;
            let endpoint = build::endpoint(&mut evidence);
            endpoint.target.url = url.to_owned();
            endpoint.target.invalid = Some(UrlFault::Variable);
            build::silence(endpoint);
            for port in &mut build::expected(&mut evidence).net.ports {
                port.host = port.host.map(|port| port + 10_000);
            }
            let found = run(&evidence).unwrap();
            let new = found[0].remedies[0].edits.first().and_then(|edit| edit.new.clone());
            let expected = expected.map(|url| format!("CONVEX_SELF_HOSTED_URL={url}"));
            assert_eq!(new, expected, "{url}");
        }
    }
}
