//! A key for the instance of this deployment, made with the secret that its own container has in
//! force. The secret does not leave.

use anyhow::bail;

use super::run::{self, RunScope};
use super::texts::FileTexts;
use super::{Request, compose, docker, nonce_bytes, runtime};
use crate::admin_key::{self, Claims, InstanceSecret, KeyKind};
use crate::evidence::docker::Container;
use crate::evidence::key::SecretPlace;
use crate::names::API_PORT;
use crate::secret::{Fingerprint, Secret};

/// What kind of key is wanted.
#[derive(Clone, Copy, Debug, Default)]
pub struct MintOptions {
    /// A key that may only look.
    pub read_only: bool,
    /// The member it names; 0 in self-hosting, as `generate_admin_key.sh` has it.
    pub member_id: u64,
}

/// A key, and where it comes from.
pub struct Minted {
    /// The key.
    pub key: Secret,
    /// The instance it is for.
    pub instance_name: String,
    /// The secret it was made with.
    pub secret: Fingerprint,
    /// The container that has that secret; `None` when it was given.
    pub container: Option<String>,
    /// The API of that container as this machine reaches it, where it publishes one here.
    pub url: Option<String>,
    /// Whether the selected URL is known to lead to that container.
    pub answers: bool,
}

/// Makes a key with a secret that was given.
pub fn with_secret(
    secret: &Secret,
    instance_name: &str,
    wish: MintOptions,
) -> anyhow::Result<Minted> {
    let secret = match InstanceSecret::parse(secret) {
        Ok(secret) => secret,
        Err(fault) => bail!("that is not an instance secret: {fault}"),
    };
    make(&secret, instance_name, wish)
}

/// Makes a key for the backend behind the selected URL, or, where nothing is known of it, for the
/// one that Compose runs here.
pub fn with_docker(request: &Request, wish: MintOptions) -> anyhow::Result<Minted> {
    if request.docker.no_docker {
        bail!("without Docker, give the secret: --secret-file FILE --instance-name NAME");
    }
    let runtime = runtime()?;
    let minted = runtime.block_on(async {
        let evidence = run::collect(request, RunScope::All, request.look_deadline()).await?;
        let facts = match evidence.docker.seen() {
            Ok(facts) => facts,
            Err(unseen) => bail!(
                "{}; or give the secret: --secret-file FILE --instance-name NAME",
                unseen.reason
            ),
        };
        let declared = evidence.compose.seen().ok().and_then(Option::as_ref);
        let service = declared.and_then(|compose| compose.chosen.as_deref());
        let name = chosen(facts, evidence.endpoint.seen().is_ok_and(Option::is_some), service)?;
        let (container, secret) = container_and_secret(request, &name).await?;
        let container = &container;
        let names = &container.instance_name;
        let places = if container.is_running() {
            [&names.process, &names.process]
        } else {
            [&names.environment, &names.file]
        };
        let instance = places.into_iter().find_map(|place| place.seen().ok()?.clone());
        let Some(instance) = instance else {
            bail!("the instance name of {name} could not be read")
        };
        let mut minted = make(&secret, &instance, wish)?;
        minted.url = published(container, facts.local);
        minted.answers = facts.answering().is_some_and(|(answering, _)| answering.name == name);
        minted.container = Some(name);
        Ok(minted)
    });
    runtime.shutdown_background();
    minted
}

/// The secret that a container runs with, in the text form that INSTANCE_SECRET takes.
pub fn secret_in_force(request: &Request, container: &str) -> anyhow::Result<Secret> {
    let runtime = runtime()?;
    let found = runtime.block_on(container_and_secret(request, container));
    runtime.shutdown_background();
    Ok(found?.1.to_text())
}

/// A fresh secret, as the backend's own script draws one.
pub fn fresh_secret() -> anyhow::Result<Secret> {
    let mut bytes = zeroize::Zeroizing::new([0; 32]);
    getrandom::fill(&mut *bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    Ok(InstanceSecret::generate_from(*bytes).to_text())
}

/// A container and its secret. The evidence holds no secret: the engine is asked once more.
async fn container_and_secret(
    request: &Request,
    name: &str,
) -> anyhow::Result<(Container, InstanceSecret)> {
    let (directory, environment) = (request.directory()?, request.environment());
    let compose = compose::read(request, &directory, &environment, &FileTexts::default(), None);
    let listing = match docker::list(&request.docker_options(), &environment).await {
        Ok(listing) => listing,
        Err(unasked) => bail!("{}", unasked.reason),
    };
    let found = docker::inspect(&listing, &compose.wanted()).await;
    let Some(container) = found.facts.backend(name) else {
        bail!("{name} does not exist any more")
    };
    let Some(secret) = in_force(&found.secrets, container) else {
        bail!("the secret that {name} runs with could not be read");
    };
    Ok((container.clone(), secret))
}

/// The container to make a key for: one that is proven to answer, or likely to; without a URL, the
/// one that Compose runs here. A backend `service` of the compose file here that has no container is
/// never replaced by a container of another project.
fn chosen(
    facts: &crate::evidence::DockerFacts,
    url_is_selected: bool,
    service: Option<&str>,
) -> anyhow::Result<String> {
    let answering = facts.answering().map(|(container, _)| container.name.clone());
    match (answering, &facts.expected) {
        (Some(answering), Some(expected)) if answering != *expected => bail!(
            "the selected URL leads to {answering}, but the backend of this project is {expected}: \
             a key for one does not work for the other. Correct the URL, or choose with -p or --service"
        ),
        (Some(answering), _) => Ok(answering),
        // Whatever the URL leads to, a key is asked for this project's own backend.
        (None, Some(expected)) => Ok(expected.clone()),
        (None, None) if url_is_selected => {
            bail!("no container of this engine is known to answer at the selected URL")
        }
        (None, None) if service.is_some() => bail!(
            "this project's backend has no container yet: start it first (docker compose up -d {})",
            crate::report::shell_word(service.unwrap_or_default())
        ),
        (None, None) => match facts.backends.as_slice() {
            [only] => Ok(only.name.clone()),
            [] => bail!("there is no Convex backend on {}", facts.address),
            several => {
                let names: Vec<&str> = several.iter().map(|one| one.name.as_str()).collect();
                bail!(
                    "there are several backends ({}): run this in the project's directory",
                    names.join(", ")
                )
            }
        },
    }
}

/// The secret that a container runs with; that of its file where it does not run.
pub(super) fn in_force(
    secrets: &[(Secret, SecretPlace)],
    container: &Container,
) -> Option<InstanceSecret> {
    let of = |wanted: &dyn Fn(&SecretPlace) -> bool| {
        secrets
            .iter()
            .find(|(_, place)| wanted(place))
            .and_then(|(secret, _)| InstanceSecret::parse(secret).ok())
    };
    let name = container.name.as_str();
    if container.is_running() {
        return of(
            &|place| matches!(place, SecretPlace::Process { container } if container == name),
        );
    }
    of(&|place| matches!(place, SecretPlace::Environment { container } if container == name))
        .or_else(|| {
            of(&|place| matches!(place, SecretPlace::File { container, .. } if container == name))
        })
}

fn published(container: &Container, local: bool) -> Option<String> {
    let port = container.net.ports.iter().find(|port| port.container == API_PORT)?.host?;
    local.then(|| format!("http://127.0.0.1:{port}"))
}

fn make(secret: &InstanceSecret, instance_name: &str, wish: MintOptions) -> anyhow::Result<Minted> {
    if instance_name.contains([':', '|', '\r', '\n']) || instance_name.is_empty() {
        bail!(
            "the backend never accepts a key with the instance name {instance_name:?}: give the instance another name"
        );
    }
    let now = u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(1);
    let claims = Claims {
        member_id: Some(wish.member_id),
        kind: Some(if wish.read_only { KeyKind::ReadOnly } else { KeyKind::Admin }),
        ..Claims::of_member_zero(now, wish.read_only)
    };
    Ok(Minted {
        key: admin_key::mint_claims(secret, Some(instance_name), &claims, nonce_bytes()?),
        instance_name: instance_name.to_owned(),
        secret: secret.fingerprint(),
        container: None,
        url: None,
        answers: false,
    })
}
