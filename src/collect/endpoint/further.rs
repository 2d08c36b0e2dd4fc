//! What is asked after the first look, or with it: the key again, a big body, another URL.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ::url::Url;
use reqwest::header::HeaderMap;

use super::probe::{ProbePlan, ProbeRoute};
use super::tls::Recorder;
use super::url::{self, Typed};
use super::{CHECK, NEIGHBOUR, ProbeRequest, agent, authorization, observed, proxy, recorder};
use crate::evidence::Observation;
use crate::evidence::endpoint::{Answer, AskedOrigin, EndpointFacts, Reach};

/// Sends back what it is sent, and stores nothing.
const ECHO: &str = "/echo";
/// More than nginx takes by default (1 MiB), and less than many a push.
const BIG_BODY: usize = 4 * 1024 * 1024;

/// Asks `check_admin_key` once more, under another nonce; for when the first time was 401.
pub async fn retry_key(request: &ProbeRequest<'_>) -> Observation<Answer> {
    let Ok(typed) = url::read(request.url) else {
        return Observation::unavailable("the URL cannot be used");
    };
    let headers = match request.key.map(authorization) {
        None => return Observation::unavailable("there is no key to send"),
        Some(Err(reason)) => return Observation::unavailable(reason),
        Some(Ok(headers)) => headers,
    };
    let proxy = proxy::for_url(&typed, request.env).map(|(_, value)| value);
    let agent = request.agent();
    let plan =
        ProbePlan { proxy, host: None, connects: false, timeout: request.timeout, agent: &agent };
    let got = match ProbeRoute::new(&recorder(&typed, proxy, request.env), &plan) {
        Ok(route) => route.get(typed.at(CHECK), CHECK, headers).await,
        Err(reach) => Err(reach),
    };
    observed(got).0
}

/// Asks `check_admin_key` one after the other, after [`retry_key`]: whether one backend is
/// there or several, whose answers come and go. Three that are alike end it, as do two changes.
pub async fn try_more(request: &ProbeRequest<'_>, facts: &mut EndpointFacts) {
    const MOST: usize = 5;
    let first = facts.key.first_call.seen().ok().and_then(Answer::takes_key);
    loop {
        let verdicts = facts.verdicts();
        let said: Option<Vec<bool>> = verdicts.iter().copied().collect();
        // What is silent, or says something else, is not asked over and over.
        let Some(said) = said else { return };
        let alike = facts.changes() == 0 && first.is_none_or(|first| said.contains(&first));
        if said.len() >= MOST || said.len() >= 3 && alike || facts.changes() >= 2 {
            return;
        }
        facts.key.more_tries.push(retry_key(request).await);
    }
}

/// Sends a backend a body of 4 MiB, to the path that echoes, without any key; `--deep` only. Who is
/// no Convex backend is sent nothing.
pub async fn push(request: &ProbeRequest<'_>, facts: &EndpointFacts) -> Observation<Answer> {
    let Some(typed) = url::read(request.url).ok().filter(|_| facts.is_convex_api()) else {
        return Observation::unavailable("no Convex backend answers at the URL");
    };
    let proxy = proxy::for_url(&typed, request.env).map(|(_, value)| value);
    let agent = request.agent();
    let plan =
        ProbePlan { proxy, host: None, connects: false, timeout: request.timeout, agent: &agent };
    let limit = request.timeout * 4;
    let got = match ProbeRoute::new(&recorder(&typed, proxy, request.env), &plan) {
        Ok(route) => route.post(typed.at(ECHO), ECHO, vec![b' '; BIG_BODY], limit).await,
        Err(reach) => Err(reach),
    };
    observed(got).0
}

/// GETs a page on this machine, without any key.
pub async fn page(url: &str, timeout: Duration, nonce: &str) -> Observation<Answer> {
    match url::read(url) {
        Ok(typed) => aside(&typed, "/", &Recorder::refusing(), timeout, nonce).await,
        Err(_) => Observation::unavailable("the URL cannot be used"),
    }
}

/// The instance that answers at another URL than the selected one, directly as a browser would ask,
/// without any key; `None` where it is the same origin, no URL at all, or one of Convex Cloud.
pub async fn instance_elsewhere(
    url: &str,
    selected: &str,
    env: &BTreeMap<String, String>,
    timeout: Duration,
    nonce: &str,
) -> Option<Observation<Answer>> {
    let typed = elsewhere(url, selected)?;
    let recorder = recorder(&typed, None, env);
    Some(aside(&typed, "/instance_name", &recorder, timeout, nonce).await)
}

/// What answers at an address that the deployment names for clients, asked directly as a browser
/// would, without any key.
pub async fn named(
    url: &str,
    env: &BTreeMap<String, String>,
    timeout: Duration,
    nonce: &str,
) -> AskedOrigin {
    let path = "/instance_name";
    let below = format!("{}{path}", url.trim_end_matches('/'));
    let got = match (url::read(url), Url::parse(&below)) {
        (Ok(typed), Ok(below)) => {
            let agent = agent(nonce);
            let plan =
                ProbePlan { proxy: None, host: None, connects: false, timeout, agent: &agent };
            match ProbeRoute::new(&recorder(&typed, None, env), &plan) {
                Ok(route) => route.get(below, path, HeaderMap::new()).await,
                Err(reach) => Err(reach),
            }
        }
        _ => Err(Reach::Other { error: "the URL cannot be used".to_owned() }),
    };
    let reach = got.as_ref().map_or_else(Clone::clone, |_| Reach::Answered);
    AskedOrigin { url: crate::foreign::url(url), reach, answer: observed(got).0 }
}

/// `url`, where it is one of another origin that may be a self-hosted backend's.
pub fn elsewhere(url: &str, selected: &str) -> Option<Typed> {
    let typed = url::read(url).ok()?;
    let same = url::read(selected).is_ok_and(|it| it.origin.origin() == typed.origin.origin());
    let cloud = typed.host.ends_with(".convex.cloud") || typed.host.ends_with(".convex.site");
    (!same && !cloud).then_some(typed)
}

/// One GET in addition to the selected URL's, within a second.
async fn aside(
    typed: &Typed,
    path: &str,
    recorder: &Arc<Recorder>,
    timeout: Duration,
    nonce: &str,
) -> Observation<Answer> {
    let agent = agent(nonce);
    let timeout = timeout.min(NEIGHBOUR);
    let plan = ProbePlan { proxy: None, host: None, connects: false, timeout, agent: &agent };
    let got = match ProbeRoute::new(recorder, &plan) {
        Ok(route) => route.get(typed.at(path), path, HeaderMap::new()).await,
        Err(reach) => Err(reach),
    };
    observed(got).0
}
