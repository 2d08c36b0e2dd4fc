//! What answers at an address that the deployment names for clients, if it was asked. Equal ports
//! and names prove nothing: a proxy or another backend may be there.

use super::origins;
use crate::deployment::answers::is_gateway_error;
use crate::deployment::endpoint::{is_loopback, selected_endpoint};
use crate::evidence::endpoint::{Answer, AskedOrigin, Body, Reach};
use crate::evidence::{Evidence, Unseen};
use crate::report::Certainty;

/// What is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum There {
    /// Nothing that serves: how it shows, as a sentence without its full stop.
    Dead(Certainty, String),
    /// The API of the backend that the CLI uses.
    OwnApi,
    /// Another backend: how it shows, as a sentence without its full stop.
    Other(String),
    /// The port of HTTP actions.
    Site,
    /// A server that is not known by its answer: a user's own HTTP action, or anything else.
    Server(u16),
}

/// What answers at `url`; `Ok(None)` if it was not asked, `Err` if its answer shows nothing.
pub(super) fn what_answers(evidence: &Evidence, url: &str) -> Result<Option<There>, Unseen> {
    let parsed = |text: &str| url::Url::parse(text.trim_end_matches('/')).ok();
    let wanted = parsed(url);
    let is_it =
        |one: &&AskedOrigin| one.url == url || wanted.is_some() && parsed(&one.url) == wanted;
    let Some(one) = evidence.origins.seen().ok().and_then(|asked| asked.iter().find(is_it)) else {
        return Ok(None);
    };
    match one.answer.seen() {
        Ok(answer) => Ok(Some(match (answered(evidence, answer), of_another(evidence, url)) {
            // Most instances have the same name, and all ports of HTTP actions say the same.
            (There::OwnApi | There::Site, Some(why)) => There::Other(why),
            (there, _) => there,
        })),
        Err(unseen) => silent(one).map(Some).ok_or(unseen),
    }
}

/// Whether the engine says that another backend publishes the port of that address, and in words.
pub(super) fn of_another(evidence: &Evidence, url: &str) -> Option<String> {
    let url = url::Url::parse(url).ok()?;
    let docker = evidence.docker.seen().ok().filter(|docker| docker.local)?;
    let port = url.port_or_known_default()?;
    if evidence.surroundings.in_container || !is_loopback(origins::host(&url)) {
        return None;
    }
    let own = origins::container(evidence).ok().flatten()?;
    let holder = docker.published.iter().find(|one| one.host_port == port)?;
    let is_other = holder.container != own.name && docker.backend(&holder.container).is_some();
    is_other.then(|| format!("That is {}, but the backend is {}", holder.container, own.name))
}

/// Why nothing is known of an address that was not asked.
pub(super) fn not_asked(evidence: &Evidence, url: &str) -> Unseen {
    match evidence.origins.seen() {
        Err(unseen) => unseen,
        Ok(_) => Unseen::new(format!(
            "{url} was not contacted: it is neither on this machine nor at the host of the URL"
        )),
    }
}

fn answered(evidence: &Evidence, answer: &Answer) -> There {
    if is_gateway_error(answer) {
        let why = format!("A proxy there answers {}: it does not reach the backend", answer.status);
        return There::Dead(Certainty::Proven, why);
    }
    let own = selected_endpoint(evidence).ok().flatten().and_then(|it| it.answering_name());
    match (&answer.body, answer.instance_name()) {
        (Body::SiteProxy, _) => There::Site,
        // A user's HTTP action may say a short line, too.
        (_, Some(name)) if own.is_none_or(|own| own == name) => There::OwnApi,
        (_, Some(name)) => There::Other(format!("That is another backend, of instance {name}")),
        _ => There::Server(answer.status),
    }
}

/// Why nothing answers, if that is a fault of the address: a certificate that is not trusted here
/// may be trusted by a browser.
fn silent(one: &AskedOrigin) -> Option<There> {
    let url = url::Url::parse(&one.url).ok()?;
    // From outside, another way may lead to the same host.
    let here = is_loopback(origins::host(&url));
    let certainty = if here { Certainty::Proven } else { Certainty::Likely };
    let (certainty, why) = match one.reach {
        Reach::Refused => (certainty, "Nothing is listening there"),
        Reach::Closed => (certainty, "The connection is closed there without an answer"),
        Reach::ConnectTimeout | Reach::AnswerTimeout => {
            (Certainty::Likely, "Nothing answers there in time")
        }
        Reach::NotHttp => (certainty, "What answers there is not HTTP"),
        _ => return None,
    };
    Some(There::Dead(certainty, why.to_owned()))
}
