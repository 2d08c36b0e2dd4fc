//! What is asked in addition to the selected URL, and never with the key: the project's dashboards,
//! the URLs that the app is configured with, and the addresses that the deployment names for
//! clients.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Clock, Request, docker, endpoint, nonce, surroundings};
use crate::budget::OVER;
use crate::evidence::endpoint::{AskedOrigin, Body, DashboardPage};
use crate::evidence::surroundings::AppUrl;
use crate::evidence::{EndpointFacts, Evidence, Observation};

/// The pages of the project's dashboards, asked during the engine's second wave.
pub(super) async fn dashboards(
    clock: &Clock,
    request: &Request,
    environment: &BTreeMap<String, String>,
    listing: &docker::Listing,
    wanted: &docker::WantedObjects<'_>,
) -> Observation<Vec<DashboardPage>> {
    let found = docker::dashboards(listing, wanted);
    // In a container, or with another machine's engine, what they publish is published elsewhere.
    let here = listing.target().local && !surroundings::in_container(environment);
    if found.is_empty() || !here {
        return Observation::Seen(Vec::new());
    }
    if request.no_network {
        return Observation::unavailable("--no-network was given");
    }
    let (timeout, nonce) = (request.timeout(), nonce());
    let pages = found.into_iter().take(4).map(|(container, port)| {
        let nonce = &nonce;
        async move {
            let url = format!("http://127.0.0.1:{port}");
            let page = endpoint::page(&url, timeout, nonce).await;
            DashboardPage { container, url, page }
        }
    });
    let pages = futures_util::future::join_all(pages);
    let pages = clock.within("dashboard", pages).await;
    pages.map_or_else(|| Observation::unavailable(OVER), Observation::Seen)
}

/// Asks who answers at the URLs that the app is configured with, where those have another origin
/// than the selected one: in the first wave, at the same time, and without the key.
pub(super) async fn app_urls(
    urls: &mut [AppUrl],
    selected: &str,
    allowed: bool,
    environment: &BTreeMap<String, String>,
    timeout: Duration,
) {
    const MOST: usize = 4;
    let nonce = nonce();
    let asked = urls.iter_mut().take(MOST).map(|app| {
        let nonce = &nonce;
        async move {
            if !allowed {
                let reason = || "--no-network was given".to_owned();
                app.unanswered = endpoint::elsewhere(&app.url, selected).map(|_| reason());
                return;
            }
            match endpoint::instance_elsewhere(&app.url, selected, environment, timeout, nonce)
                .await
            {
                Some(Observation::Seen(answer)) => {
                    app.instance_name = answer.instance_name().map(str::to_owned);
                }
                Some(Observation::Unavailable { reason }) => app.unanswered = Some(reason),
                None => {}
            }
        }
    });
    futures_util::future::join_all(asked).await;
}

/// The addresses that the deployment names for clients and that may be asked: at this machine, or at
/// the host of the selected URL. What is at another host is not asked, because a file of the project
/// may have named it.
pub(super) fn named(evidence: &Evidence) -> Vec<String> {
    const MOST: usize = 6;
    let endpoint = evidence.endpoint.seen().ok().and_then(Option::as_ref);
    // Where the backend itself does not answer, its other addresses show nothing more.
    if endpoint.is_some_and(|endpoint| !endpoint.is_convex_api()) {
        return Vec::new();
    }
    let mut urls: Vec<String> = endpoint.into_iter().flat_map(announced).collect();
    if let Ok(docker) = evidence.docker.seen()
        && let Some(container) = docker.expected()
    {
        urls.extend(
            [&container.cloud_origin, &container.site_origin].into_iter().flatten().cloned(),
        );
    }
    let pages = evidence.dashboards.seen().ok().into_iter().flatten().map(|one| &one.page);
    let page = endpoint.map(|endpoint| &endpoint.server.root);
    urls.extend(pages.chain(page).filter_map(|page| match &page.seen().ok()?.body {
        Body::Dashboard { deployment_url, .. } => deployment_url.clone(),
        _ => None,
    }));
    let in_container = evidence.surroundings.in_container;
    let is_own = |url: &String| {
        let Ok(typed) = endpoint::url::read(url) else { return false };
        let selected = endpoint.map(|it| &it.target);
        let is_selected = selected.is_some_and(|it| {
            it.scheme == typed.scheme && it.host == typed.host && it.port == typed.port
        });
        let same_host = selected.is_some_and(|it| it.host == typed.host);
        // In a container, loopback is the container, where a URL of that kind means to be.
        let by_url = selected.and_then(|it| endpoint::url::read(&it.url).ok());
        let here = !in_container || by_url.is_some_and(|it| it.is_loopback());
        let is_root = typed.path.trim_end_matches('/').is_empty();
        (same_host || typed.is_loopback() && here) && !(is_selected && is_root)
    };
    urls.retain(is_own);
    let mut seen = std::collections::BTreeSet::new();
    urls.retain(|url| seen.insert(url.clone()));
    urls.truncate(MOST);
    urls
}

/// The origins in the answer to the CLI's first call.
fn announced(endpoint: &EndpointFacts) -> Vec<String> {
    match endpoint.key.first_call.seen().map(|answer| &answer.body) {
        Ok(Body::CanonicalUrls { cloud, site }) => vec![cloud.clone(), site.clone()],
        _ => Vec::new(),
    }
}

/// Asks these addresses, at the same time.
pub(super) async fn ask_named(
    urls: Vec<String>,
    environment: BTreeMap<String, String>,
    timeout: Duration,
) -> Vec<AskedOrigin> {
    let nonce = nonce();
    let asked = urls.iter().map(|url| endpoint::named(url, &environment, timeout, &nonce));
    futures_util::future::join_all(asked).await
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::endpoint as build;
    use crate::evidence::endpoint::{KeyProbes, ServerAnswers};

    /// What a file of the project may name is not contacted at any other host.
    #[test]
    fn only_this_machine_and_the_host_of_the_url_are_asked() {
        let urls = |cloud: &str, site: &str| Body::CanonicalUrls {
            cloud: cloud.to_owned(),
            site: site.to_owned(),
        };
        let (api, actions) = ("http://127.0.0.1:3210", "http://localhost:3211");
        for (host, cloud, site, in_container, expected) in [
            ("127.0.0.1", api, actions, false, vec![actions]),
            ("127.0.0.1", api, actions, true, vec![actions]),
            ("api.example.com", api, actions, true, vec![]),
            (
                "127.0.0.1",
                "http://127.0.0.1:3210/http",
                api,
                false,
                vec!["http://127.0.0.1:3210/http"],
            ),
            ("127.0.0.1", "http://192.0.2.7:3210", "https://evil.example", false, vec![]),
            (
                "api.example.com",
                "https://api.example.com",
                "https://site.example.com",
                false,
                vec!["https://api.example.com"],
            ),
            ("127.0.0.1", "file:///etc/passwd", "http://u:p@127.0.0.1:1", false, vec![]),
            ("127.0.0.1", "", "x", false, vec![]),
        ] {
            let mut evidence = build::healthy();
            let endpoint = build::endpoint(&mut evidence);
            host.clone_into(&mut endpoint.target.host);
            endpoint.target.url = format!("http://{host}:3210");
            endpoint.key.first_call = build::answer(200, urls(cloud, site));
            evidence.surroundings.in_container = in_container;
            assert_eq!(named(&evidence), expected, "{host} {cloud} {site}");
            build::endpoint(&mut evidence).server = ServerAnswers::default();
            build::endpoint(&mut evidence).key = KeyProbes::default();
            assert!(named(&evidence).is_empty(), "no Convex API answers");
        }
    }
}
