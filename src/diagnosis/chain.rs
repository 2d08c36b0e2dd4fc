//! The chain of custody: from the key, through the secret and the volume that keeps it, to the
//! container, the port and the URL.
//!
//! Eight links, each judged from the evidence alone (`links`). On top of that stand the root
//! causes: a proven error about a link breaks it, so that the picture and the report never tell two
//! stories. A link that was not checked is `unknown`.

mod links;
#[cfg(test)]
mod tests;

use crate::checks;
use crate::deployment::container::key_subject;
use crate::deployment::container::running_secret;
use crate::deployment::endpoint::is_engine_host;
use crate::deployment::endpoint::selected_endpoint;
use crate::deployment::key::is_not_a_key;
use crate::deployment::key::key_in_words;
use crate::deployment::key::key_is_accepted;
use crate::deployment::key::selected_key;
use crate::evidence::docker::{Container, DockerFacts, Mount, MountKind};
use crate::evidence::selection::{DefinitionFacts, PackageJsonState, SelectionFacts, ValueSource};
use crate::evidence::{ComposeFacts, EndpointFacts, Evidence, KeyFacts};
use crate::names::API_PORT;
use crate::report::{Certainty, ChainLink, Finding, Level, Link, LinkState, RuleLink, ShortChain};
use crate::secret::Fingerprint;

/// The links, in the order of the picture: the arrows of all but the first point back to the
const PLACES: [ChainLink; 8] = [
    ChainLink::Key,
    ChainLink::Secret,
    ChainLink::File,
    ChainLink::Volume,
    ChainLink::Mount,
    ChainLink::Port,
    ChainLink::Url,
    ChainLink::Source,
];

/// What one link stands at, and why.
struct Judged {
    state: LinkState,
    why: String,
}

/// Draws the chain. `roots` are the root causes among all findings, chosen for showing or not. Both
/// are empty where nothing self-hosted is selected and no backend was seen.
pub(super) fn draw(evidence: &Evidence, roots: &[Finding]) -> (Vec<Link>, Option<ShortChain>) {
    let scene = Scene::of(evidence, roots);
    if !scene.is_there() {
        return (Vec::new(), None);
    }
    let mut judged: Vec<Judged> = Vec::new();
    for place in PLACES {
        let own = match place {
            ChainLink::Key => links::key(&scene),
            ChainLink::Secret => links::secret(&scene),
            ChainLink::File => links::file(&scene),
            ChainLink::Volume => links::volume(&scene),
            ChainLink::Mount => links::mount(&scene),
            ChainLink::Port => links::port(&scene),
            // A container that does not run explains a port at which nothing is listening.
            ChainLink::Url => links::url(&scene, judged.last().map(|port| port.state)),
            ChainLink::Source => links::source(&scene),
        };
        judged.push(heed(own, place, &scene, roots));
    }
    let short = short(&scene, &judged);
    let links = PLACES.into_iter().zip(judged).map(|(place, judged)| {
        let (from, relation, to) = scene.ends(place);
        Link { from, to, relation: relation.to_owned(), state: judged.state, why: judged.why }
    });
    (links.collect(), short)
}

/// Lets a root cause about the link speak: proven, it breaks it; less sure, it says why the link is
/// unknown.
fn heed(own: Judged, place: ChainLink, scene: &Scene<'_>, roots: &[Finding]) -> Judged {
    let about = |finding: &&Finding| {
        finding.level == Level::Error && of_finding(scene, &finding.id) == Some(place)
    };
    match roots.iter().find(about) {
        Some(root) if root.certainty == Certainty::Proven => {
            Judged { state: LinkState::Broken, why: root.detail.to_string() }
        }
        Some(root) if own.state == LinkState::Unknown => {
            Judged { why: format!("{}; {}: {}", own.why, root.certainty, root.title), ..own }
        }
        _ => own,
    }
}

/// The link that a cause is about.
fn of_finding(scene: &Scene<'_>, id: &str) -> Option<ChainLink> {
    match checks::link(id) {
        RuleLink::Always(link) => Some(link),
        RuleLink::None => None,
        RuleLink::UnlessUnpublished(_, link) if scene.published.is_none() => Some(link),
        RuleLink::IfElsewhere(_, link) if !scene.leads_elsewhere() => Some(link),
        RuleLink::UnlessOnlyUrlMissing(_, link) if scene.lacks_url_alone() => Some(link),
        RuleLink::UnlessUnpublished(link, _)
        | RuleLink::IfElsewhere(link, _)
        | RuleLink::UnlessOnlyUrlMissing(link, _) => Some(link),
    }
}

/// What the chain speaks of.
struct Scene<'a> {
    evidence: &'a Evidence,
    /// The key in use; where the CLI uses something else, the one that its variable has.
    key: Option<&'a KeyFacts>,
    /// The URL, likewise: its text and its place.
    url: Option<(&'a str, &'a ValueSource)>,
    compose: Option<&'a ComposeFacts>,
    docker: Option<&'a DockerFacts>,
    endpoint: Option<&'a EndpointFacts>,
    /// The container that answers; the one that Compose would run here where another one answers in
    /// its place.
    container: Option<&'a Container>,
    /// Whether the container is the one that was found to answer.
    answers: bool,
    /// Whether another backend answers in its place.
    usurped: bool,
    /// Another container that answers at the URL.
    other: Option<&'a Container>,
    /// The secret in use; where that was not seen, the one of the next start.
    secret: Option<(&'a Fingerprint, Certainty)>,
    /// What is mounted over the credentials.
    held: Option<&'a Mount>,
    /// The port of the host at which the container publishes its API.
    published: Option<u16>,
}

impl<'a> Scene<'a> {
    fn of(evidence: &'a Evidence, roots: &[Finding]) -> Self {
        let docker = evidence.docker.seen().ok();
        let endpoint = selected_endpoint(evidence).ok().flatten();
        let subject = key_subject(evidence);
        let expected = docker.and_then(DockerFacts::expected);
        let usurped = roots
            .iter()
            .any(|root| checks::rule(&root.id).is_some_and(|rule| rule.another_answers));
        let answering = docker.and_then(DockerFacts::answering).map(|(container, _)| container);
        let container = if usurped { expected } else { subject.map(|it| it.container) };
        let is_it = |one: &Container| container.is_some_and(|container| container.name == one.name);
        let answers = !usurped && answering.is_some_and(is_it);
        let published = container.and_then(|container| {
            let host = |inside| {
                container
                    .net
                    .ports
                    .iter()
                    .find(|port| port.container == inside && port.host.is_some())
            };
            let selected = endpoint.map(|endpoint| endpoint.target.port).filter(|port| {
                // The API listens on another port inside.
                answers
                    && endpoint.is_some_and(EndpointFacts::is_convex_api)
                    && container.net.ports.iter().any(|one| one.host == Some(*port))
            });
            selected.or_else(|| host(API_PORT)?.host)
        });
        Self {
            evidence,
            key: selected_key(evidence).or_else(|| {
                let written = written(&evidence.selection, KEY_VARIABLE)?;
                evidence.keys.iter().find(|key| key.source == written.source)
            }),
            url: match &evidence.selection.url {
                Some(url) => Some((url.text.as_str(), &url.source)),
                None => written(&evidence.selection, URL_VARIABLE)
                    .and_then(|written| Some((written.text.as_deref()?, &written.source))),
            },
            compose: evidence.compose.seen().ok().and_then(Option::as_ref),
            docker,
            endpoint,
            container,
            answers,
            usurped,
            other: answering.filter(|one| !is_it(one)),
            secret: container.and_then(running_secret),
            held: container
                .and_then(|container| container.mount_over(&container.storage.credentials_dir)),
            published,
        }
    }

    /// Whether there is anything to draw.
    fn is_there(&self) -> bool {
        self.key.is_some()
            || self.url.is_some()
            || self.container.is_some()
            || self.compose.is_some_and(|compose| compose.backend().is_some())
    }

    /// Whether the project is an app, so that a value that is nowhere is missed.
    fn is_app(&self) -> bool {
        self.evidence.selection.package_json == PackageJsonState::WithConvex
    }

    /// Whether a fault of the selection is about the URL and not about the key.
    fn lacks_url_alone(&self) -> bool {
        let url = self.url.is_none() || self.endpoint.is_some_and(|it| it.target.invalid.is_some());
        url && self.key.is_some_and(|key| !is_not_a_key(key))
    }

    /// Whether the URL names another port than the one at which the container is to be found.
    fn leads_elsewhere(&self) -> bool {
        let port = self.endpoint.map(|endpoint| endpoint.target.port);
        self.container.is_some_and(Container::is_running)
            && self.published.is_some()
            && self.published != port
    }

    /// Whether the URL means a port of the machine on which the engine runs.
    fn is_on_engine(&self) -> bool {
        self.endpoint.is_some_and(|it| is_engine_host(self.evidence, it).unwrap_or(false))
    }

    /// The number of the port: what the container publishes, what the compose file says, what the
    /// URL says.
    fn port(&self) -> Option<u16> {
        let declared = || {
            let ports = &self.compose?.backend()?.ports;
            let port = ports.iter().find(|port| port.container == API_PORT)?;
            port.published.as_deref()?.parse().ok()
        };
        let selected =
            || self.endpoint.map(|endpoint| endpoint.target.port).filter(|port| *port != 0);
        match self.container {
            Some(_) => self.published.or_else(selected),
            // What takes the key is the one, whatever else was meant to be there.
            None if key_is_accepted(self.evidence) => selected(),
            None => declared().or_else(selected),
        }
    }

    /// The two ends of a link, as the arrow of the picture points, and what joins them.
    fn ends(&self, place: ChainLink) -> (String, &'static str, String) {
        let file = || "credentials file".to_owned();
        match place {
            ChainLink::Key => (self.key_node(), "name & shape", self.secret_node()),
            ChainLink::Secret => (file(), "holds", self.secret_node()),
            ChainLink::File => (self.volume_node(), "keeps", file()),
            ChainLink::Volume => (self.mount_node(), "brings in", self.volume_node()),
            ChainLink::Mount => (self.container_node(), "has", self.mount_node()),
            ChainLink::Port => (self.port_node(), "leads to", self.container_node()),
            ChainLink::Url => (self.url_node(), "leads to", self.port_node()),
            ChainLink::Source => (self.source_node(), "names", self.url_node()),
        }
    }

    fn key_node(&self) -> String {
        match self.key {
            Some(key) => format!("{} ({})", key.source, key_in_words(key)),
            None => KEY_VARIABLE.to_owned(),
        }
    }

    fn secret_node(&self) -> String {
        self.secret.map_or_else(|| "secret".to_owned(), |(secret, _)| format!("secret {secret}"))
    }

    fn volume_node(&self) -> String {
        match self.held {
            Some(mount) if mount.kind == MountKind::Bind => format!("directory {}", self.volume()),
            Some(mount) if mount.kind == MountKind::Tmpfs => self.volume(),
            _ => match self.volume().as_str() {
                bare @ ("volume" | "no volume") => bare.to_owned(),
                name => format!("volume {name}"),
            },
        }
    }

    /// The bare name of what is mounted, or would be by the compose file.
    fn volume(&self) -> String {
        let declared = || {
            let compose = self.compose.filter(|_| self.container.is_none())?;
            let service = compose.backend()?;
            let source = service.mount_over(&service.credentials_dir)?.source.as_deref()?;
            let volume = compose.volumes.iter().find(|volume| volume.key == source);
            Some(volume.map_or(source, |volume| volume.name.as_str()).to_owned())
        };
        let name = || Some(self.held?.source.as_deref()?.to_owned());
        match self.held.map(|mount| mount.kind) {
            Some(MountKind::Anonymous) => {
                format!("{}…", name().unwrap_or_default().chars().take(12).collect::<String>())
            }
            Some(MountKind::Tmpfs) => "memory".to_owned(),
            _ => name().or_else(declared).unwrap_or_else(|| {
                if self.container.is_some() { "no volume".to_owned() } else { "volume".to_owned() }
            }),
        }
    }

    fn mount_node(&self) -> String {
        let declared = || {
            let service = self.compose?.backend()?;
            Some(service.mount_over(&service.credentials_dir)?.target.as_str())
        };
        let wanted = self.container.map(|container| container.storage.credentials_dir.as_str());
        let target = self.held.map(|mount| mount.target.as_str()).or(wanted).or_else(declared);
        target.map_or_else(|| "mount".to_owned(), |target| format!("mount {target}"))
    }

    fn container_node(&self) -> String {
        let service = || self.compose.and_then(ComposeFacts::backend);
        match (self.container, service()) {
            (Some(container), _) => format!("container {}", container.name),
            (None, Some(service)) => format!("container of service {}", service.name),
            (None, None) => "container".to_owned(),
        }
    }

    fn port_node(&self) -> String {
        self.port().map_or_else(|| "port".to_owned(), |port| format!("port {port}"))
    }

    fn url_node(&self) -> String {
        self.url.map_or_else(|| "URL".to_owned(), |(text, _)| format!("URL {text}"))
    }

    fn source_node(&self) -> String {
        self.url.map_or_else(|| URL_VARIABLE.to_owned(), |(_, source)| source.to_string())
    }
}

const KEY_VARIABLE: &str = "CONVEX_SELF_HOSTED_ADMIN_KEY";
const URL_VARIABLE: &str = "CONVEX_SELF_HOSTED_URL";

/// The definition of a variable that counts, where it says anything.
fn written<'a>(selection: &'a SelectionFacts, name: &str) -> Option<&'a DefinitionFacts> {
    selection.definitions(name).iter().find(|one| one.wins && !one.empty)
}

/// Where a value is set, in a word.
fn spot(source: &ValueSource) -> String {
    match source {
        ValueSource::Env { .. } => "shell".to_owned(),
        other => other.to_string(),
    }
}

/// The chain in one line: the links inside of the container's custody are drawn as one, and each
/// has the worst state of its own. `None` where an end has no place to name, where nothing is
/// amiss, and where more than one link is not known: such a line says nothing.
fn short(scene: &Scene<'_>, judged: &[Judged]) -> Option<ShortChain> {
    let worst = |places: &[ChainLink]| {
        let states = places.iter().filter_map(|place| judged.get(*place as usize));
        states.map(|judged| judged.state).max_by_key(|state| match state {
            LinkState::Holds => 0,
            LinkState::Unknown => 1,
            LinkState::Broken => 2,
        })
    };
    let step =
        |places: &[ChainLink], label: String| (worst(places).unwrap_or(LinkState::Unknown), label);
    let key = scene.key?;
    let (_, source) = scene.url?;
    let port = scene.port().map_or_else(|| "port".to_owned(), |port| format!(":{port}"));
    let container = scene.container.map_or("container", |container| container.name.as_str());
    let steps = vec![
        step(&[ChainLink::Source, ChainLink::Url], port),
        step(&[ChainLink::Port], container.to_owned()),
        step(&[ChainLink::Mount, ChainLink::Volume], scene.volume()),
        step(&[ChainLink::File, ChainLink::Secret], "secret".to_owned()),
        step(&[ChainLink::Key], format!("key {}", spot(&key.source))),
    ];
    let unknown = steps.iter().filter(|(state, _)| *state == LinkState::Unknown).count();
    let broken = steps.iter().any(|(state, _)| *state == LinkState::Broken);
    let first = format!("URL {}", spot(source));
    (broken && unknown < 2).then_some(ShortChain { first, steps })
}
