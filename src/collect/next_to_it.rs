//! What is asked in addition to the selected URL, and never with the key: the project's dashboards,
//! and the URLs that the app is configured with.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Clock, Request, docker, endpoint, nonce, surroundings};
use crate::evidence::Observation;
use crate::evidence::endpoint::DashboardPage;
use crate::evidence::surroundings::AppUrl;

/// The pages of the project's dashboards, asked during the engine's second wave.
pub(super) async fn dashboards(
    clock: &Clock,
    request: &Request,
    environment: &BTreeMap<String, String>,
    listing: &docker::Listing,
    wanted: &docker::Wanted<'_>,
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
    Observation::Seen(clock.timed("dashboard", pages).await)
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
