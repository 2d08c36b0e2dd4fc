//! Replaces a container: a new one is created like the old one except for a change, under a name of
//! its own; the old one is stopped and set aside; the new one gets the name and is started. The old
//! container is complete after each of these steps, and the labels of the new one say which
//! container it replaces.

use std::fmt;
use std::time::Duration;

use bollard::errors::Error;
use bollard::models::{
    ContainerInspectResponse, ContainerUpdateBody, EndpointSettings, NetworkConnectRequest,
    RestartPolicy, RestartPolicyNameEnum,
};
use bollard::query_parameters::{
    CreateContainerOptions, ListContainersOptions, RemoveVolumeOptions, RenameContainerOptions,
};

use super::alike::{self, Alike, alike};
use super::change::ContainerChange;
use super::judge::{self, name_of};
use super::{Engine, EngineFailure, KEPT, NEW, SET_ASIDE, begin, found};
use crate::docker::interrupt::Interrupt;
use crate::docker::{helper, words};
use crate::names::is_anonymous_volume;
use crate::secret::{Secret, sanitize};

/// The label of a container that was put in another's place; its value names the process that made
/// it.
pub(super) const FIX: &str = "convex-doctor.fix";

/// The id of the container that it replaces.
pub(super) const REPLACES: &str = "convex-doctor.fix.replaces";

/// Whether that one ran: `true` or `false`.
const RAN: &str = "convex-doctor.fix.ran";

/// A container in the place of another, which is set aside until [`Replaced::keep`] or
/// [`Replaced::undo`]. Dropped without either, the old one stays set aside, and [`Engine::recover`]
/// brings this back.
#[must_use = "the old container stays set aside until it is kept or undone"]
pub struct Replaced<'a> {
    pub(super) swap: Swap<'a>,
    notes: Vec<String>,
}

/// What became of the old container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It is removed; its volumes are all there.
    Removed,
    /// The container itself holds data, so it was not removed. It still has the labels of its
    /// Compose project: `docker compose down` or `up` removes it.
    SetAside {
        /// What it is called now.
        container: String,
        /// Why: what it holds, or why that could not be read.
        why: String,
    },
}

/// The two containers and what has to be known to change back.
pub(super) struct Swap<'a> {
    pub(super) engine: &'a Engine,
    /// The name that they share.
    pub(super) name: String,
    /// The id of the old one.
    pub(super) old: String,
    /// The id of the new one, as soon as it is known.
    pub(super) new: Option<String>,
    /// Whether the old one ran.
    pub(super) ran: bool,
    /// When the engine restarts it.
    pub(super) restart: Option<RestartPolicy>,
}

/// Without what a container is made of: its variables are secrets.
impl fmt::Debug for Replaced<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replaced").field("name", &self.swap.name).finish_non_exhaustive()
    }
}

impl Engine {
    /// Puts in the place of `container` one that is made alike but for `change`, and starts it,
    /// also where the old one did not run. The old one is kept, stopped, as `<name>` +
    /// [`SET_ASIDE`]; the engine does not restart it meanwhile.
    ///
    /// # Errors
    /// Refused, with nothing changed: Podman's engine, a container that others keep (Swarm,
    /// Kubernetes), that `--rm` or memory would lose, whose network another one shares, whose image
    /// is gone; a volume or a network that is not there. Else, with everything put back, what the
    /// engine says: a port in use, a mount that fails.
    pub async fn replace(
        &self,
        container: &str,
        change: &ContainerChange,
    ) -> Result<Replaced<'_>, EngineFailure> {
        let (interrupt, hold) = begin()?;
        if let Some(fault) = change.fault() {
            return Err(EngineFailure::Refused(fault));
        }
        let old = self.inspect(container).await?;
        let name = name_of(&old).to_owned();
        self.may_be_replaced(&old, change).await?;
        let mut notes = Vec::new();
        let image = self.image_of(&old, &mut notes).await?;
        let ran = judge::runs(&old);
        let id = old.id.clone().unwrap_or_default();
        let labels = [(FIX, helper::maker()), (REPLACES, id.clone()), (RAN, ran.to_string())];
        let plan = alike(&old, &image, change, &labels);
        let restart = old.host_config.as_ref().and_then(|host| host.restart_policy.clone());
        let mut swap = Swap { engine: self, name, old: id, new: None, ran, restart };
        let hide = Hidden::of(&old, change);
        let result = match swap.forward(plan, &old, &hide, &mut notes, &interrupt).await {
            Ok(()) => Ok(Replaced { swap, notes }),
            Err(trouble) => Err(trouble.after(swap.back().await)),
        };
        drop(hold);
        interrupt.end_here().await;
        result
    }

    /// Looks whether it may be replaced; changes nothing.
    async fn may_be_replaced(
        &self,
        old: &ContainerInspectResponse,
        change: &ContainerChange,
    ) -> Result<(), EngineFailure> {
        let refuse = |why: String| Err(EngineFailure::Refused(why));
        let shown = sanitize(name_of(old));
        let failed = |what: &str, error: &Error| {
            EngineFailure::Failed(format!("{what}: {}: nothing was changed", words(error)))
        };
        self.must_be_docker().await?;
        if let Some(why) = judge::refusal(old) {
            return refuse(format!("{shown} {why}"));
        }
        for suffix in [NEW, SET_ASIDE] {
            let other = format!("{}{suffix}", name_of(old));
            match self.find(&other).await {
                Ok(None) => {}
                Ok(Some(_)) => {
                    return refuse(format!(
                        "{} exists: another fix is running, or one was interrupted",
                        sanitize(&other)
                    ));
                }
                Err(error) => return Err(failed(&sanitize(&other), &error)),
            }
        }
        for (volume, _) in &change.mounts {
            match found(self.call(self.client.inspect_volume(volume)).await) {
                Ok(Some(_)) => {}
                // The engine would make it.
                Ok(None) => return refuse(format!("volume {} does not exist", sanitize(volume))),
                Err(error) => return Err(failed(&sanitize(volume), &error)),
            }
        }
        let all = ListContainersOptions { all: true, ..ListContainersOptions::default() };
        let listed = self.call(self.client.list_containers(Some(all))).await;
        let listed = listed.map_err(|error| failed("the list of containers", &error))?;
        let joined = format!("container:{}", old.id.as_deref().unwrap_or_default());
        let guest = listed.iter().find(|other| {
            let mode = other.host_config.as_ref().and_then(|host| host.network_mode.as_deref());
            mode == Some(joined.as_str())
        });
        match guest {
            Some(guest) => refuse(format!(
                "{} shares the network of {shown} and would lose it",
                judge::shown_name(guest)
            )),
            None => Ok(()),
        }
    }

    /// The image that the container was made from, by its name where that still means the same one.
    async fn image_of(
        &self,
        old: &ContainerInspectResponse,
        notes: &mut Vec<String>,
    ) -> Result<alike::Image, EngineFailure> {
        let id = old.image.clone().unwrap_or_default();
        let name = old.config.as_ref().and_then(|config| config.image.clone());
        let name = name.unwrap_or_else(|| id.clone());
        for reference in [&name, &id] {
            let image = found(self.call(self.client.inspect_image(reference)).await);
            let image = image.map_err(|error| {
                EngineFailure::Failed(format!(
                    "the image {}: {}",
                    sanitize(reference),
                    words(&error)
                ))
            })?;
            let Some(image) = image.filter(|image| image.id.as_ref() == Some(&id)) else {
                continue;
            };
            if *reference != name {
                notes.push(format!(
                    "{} is a different image now: the container was recreated from the image it had",
                    sanitize(&name)
                ));
            }
            let environment = image.config.and_then(|config| config.env).unwrap_or_default();
            return Ok(alike::Image { reference: reference.clone(), environment });
        }
        Err(EngineFailure::Refused(format!(
            "the engine no longer has the image of {} ({})",
            sanitize(name_of(old)),
            sanitize(&name)
        )))
    }
}

impl Replaced<'_> {
    /// The name of the container.
    pub fn name(&self) -> &str {
        &self.swap.name
    }

    /// What the old container is called meanwhile.
    pub fn set_aside(&self) -> String {
        self.swap.name_with(SET_ASIDE)
    }

    /// How long ago the new container was created. Since then data may have been written that
    /// the old one does not have.
    ///
    /// # Errors
    /// It cannot be looked at.
    pub async fn age(&self) -> Result<Duration, EngineFailure> {
        let new = self.swap.engine.inspect(self.name()).await?;
        let made: Option<jiff::Timestamp> = new.created.and_then(|made| made.parse().ok());
        let age = made.map(|made| jiff::Timestamp::now().duration_since(made));
        Ok(age.map_or(Duration::MAX, jiff::SignedDuration::unsigned_abs))
    }

    /// What a person should know of how it was made.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Removes the old container, and none of its volumes. If the container itself holds data
    /// (or that is not known), it is not removed but renamed to `<name>` + [`KEPT`], for good.
    ///
    /// # Errors
    /// What the engine says; then the old one is still set aside.
    pub async fn keep(self) -> Result<Kept, EngineFailure> {
        let (interrupt, hold) = begin()?;
        let result = self.swap.keep().await;
        drop(hold);
        interrupt.end_here().await;
        result
    }

    /// Puts the old container back in its place, starts it if it ran, and removes the new one, but
    /// none of its volumes.
    ///
    /// # Errors
    /// What could not be done; [`Engine::recover`] tries again.
    pub async fn undo(self) -> Result<(), EngineFailure> {
        let (interrupt, hold) = begin()?;
        let result = self.swap.back().await.map_err(|left| EngineFailure::Unfinished {
            what: format!("{} could not be restored", sanitize(&self.swap.name)),
            left,
        });
        drop(hold);
        interrupt.end_here().await;
        result
    }
}

impl<'a> Swap<'a> {
    /// The replacement that the labels of its new container describe.
    pub(super) fn read(engine: &'a Engine, new: &ContainerInspectResponse) -> Option<Self> {
        let labels = new.config.as_ref()?.labels.as_ref()?;
        let name = name_of(new);
        Some(Self {
            engine,
            name: name.strip_suffix(NEW).unwrap_or(name).to_owned(),
            old: labels.get(REPLACES)?.clone(),
            new: new.id.clone(),
            ran: labels.get(RAN).is_some_and(|ran| ran == "true"),
            restart: new.host_config.as_ref().and_then(|host| host.restart_policy.clone()),
        })
    }

    /// The same, with nothing to say of how it was made.
    pub(super) fn replaced(self) -> Replaced<'a> {
        Replaced { swap: self, notes: Vec::new() }
    }

    /// The name with a suffix.
    pub(super) fn name_with(&self, suffix: &str) -> String {
        format!("{}{suffix}", self.name)
    }

    async fn forward(
        &mut self,
        plan: Alike,
        old: &ContainerInspectResponse,
        hide: &Hidden,
        notes: &mut Vec<String>,
        interrupt: &Interrupt,
    ) -> Result<(), EngineFailure> {
        let engine = self.engine;
        let shown = sanitize(&self.name);
        let fail = |what: String, error: &Error| {
            EngineFailure::Failed(format!("{what}: {}", hide.in_text(&words(error))))
        };
        let go_on = || if interrupt.came() { Err(EngineFailure::Interrupted) } else { Ok(()) };
        engine.step("replace: nothing is there").await;

        let options = CreateContainerOptions {
            name: Some(self.name_with(NEW)),
            ..CreateContainerOptions::default()
        };
        let made = engine.client.create_container(Some(options), plan.body);
        let made = engine.call_for(engine.timeout + engine.standstill, made).await;
        let made =
            made.map_err(|error| fail(format!("cannot create a copy of {shown}"), &error))?;
        notes.extend(made.warnings.iter().map(|warning| hide.in_text(&sanitize(warning))));
        self.new = Some(made.id.clone());
        engine.step("replace: the new one is there").await;
        for (network, endpoint) in plan.networks {
            self.connect(&made.id, &network, endpoint)
                .await
                .map_err(|error| fail(format!("the network {}", sanitize(&network)), &error))?;
        }
        go_on()?;

        engine.step("replace: the old one is still up").await;
        if self.ran {
            let stopped = engine.stopped(old).await;
            stopped.map_err(|error| fail(format!("{shown} does not stop"), &error))?;
        }
        go_on()?;
        engine.step("replace: the old one is stopped").await;
        // Else the engine starts it next to the new one when it starts itself.
        self.restarts(Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }))
        .await
        .map_err(|error| fail(format!("the restart policy of {shown}"), &error))?;
        engine.step("replace: the old one is not restarted").await;
        self.rename(&self.old, &self.name_with(SET_ASIDE))
            .await
            .map_err(|error| fail(format!("{shown} cannot be renamed"), &error))?;
        engine.step("replace: the old one is set aside").await;
        self.rename(&made.id, &self.name)
            .await
            .map_err(|error| fail(format!("the new {shown} cannot be renamed"), &error))?;
        go_on()?;
        engine.step("replace: the new one has the name").await;
        engine
            .started(&made.id)
            .await
            .map_err(|error| fail(format!("the new {shown} does not start"), &error))?;
        go_on()?;
        engine.step("replace: the new one runs").await;
        Ok(())
    }

    async fn keep(&self) -> Result<Kept, EngineFailure> {
        let engine = self.engine;
        let aside = self.name_with(SET_ASIDE);
        let fail = |what: &str, error: &Error| {
            EngineFailure::Failed(format!("{} {what}: {}", sanitize(&aside), words(error)))
        };
        let old = engine.find(&self.old).await.map_err(|error| fail("", &error))?;
        let Some(old) = old else { return Ok(Kept::Removed) };
        let changes = engine.client.container_changes(&self.old);
        let why = match engine.call_for(engine.timeout + engine.standstill, changes).await {
            Ok(changes) => judge::in_layer(&old, &changes.unwrap_or_default())
                .map(|path| format!("{} is not in a volume", sanitize(&path))),
            Err(error) => Some(format!("its contents could not be read: {}", words(&error))),
        };
        let Some(why) = why else {
            let removed = engine.removed(&self.old).await;
            removed.map_err(|error| fail("cannot be removed", &error))?;
            return Ok(Kept::Removed);
        };
        for number in 1..10 {
            let number = if number == 1 { String::new() } else { format!("-{number}") };
            let container = format!("{}{number}", self.name_with(KEPT));
            match self.rename(&self.old, &container).await {
                Ok(()) => return Ok(Kept::SetAside { container, why }),
                Err(Error::DockerResponseServerError { status_code: 409, .. }) => {}
                Err(error) => return Err(fail("cannot be renamed", &error)),
            }
        }
        Ok(Kept::SetAside { container: aside, why })
    }

    /// Restores everything, from any point; a second call does nothing more.
    pub(super) async fn back(&self) -> Result<(), String> {
        let engine = self.engine;
        let shown = sanitize(&self.name);
        let fail = |what: &str, error: &Error| format!("{what}: {}", words(error));
        let new = self.find_new().await.map_err(|error| fail(&shown, &error))?;
        let old = engine.find(&self.old).await.map_err(|error| fail(&shown, &error))?;
        let old = old.ok_or_else(|| format!("the old container of {shown} is gone"))?;
        if let Some(new) = &new {
            let id = new.id.as_deref().unwrap_or_default();
            if judge::runs(new) {
                let stopped = engine.stopped(new).await;
                stopped.map_err(|error| fail(&format!("the new {shown} does not stop"), &error))?;
            }
            engine.step("undo: the new one is stopped").await;
            if name_of(new) == self.name {
                let renamed = self.rename(id, &self.name_with(NEW)).await;
                renamed.map_err(|error| fail(&format!("the new {shown}"), &error))?;
            }
        }
        engine.step("undo: the name is free").await;
        if name_of(&old) != self.name {
            let renamed = self.rename(&self.old, &self.name).await;
            renamed.map_err(|error| fail(&sanitize(name_of(&old)), &error))?;
        }
        engine.step("undo: the old one has the name").await;
        let restart = old.host_config.as_ref().and_then(|host| host.restart_policy.clone());
        if restart != self.restart {
            let restored = self.restarts(self.restart.clone()).await;
            restored.map_err(|error| fail(&format!("the restart policy of {shown}"), &error))?;
        }
        if self.ran && !judge::runs(&old) {
            let started = engine.started(&self.old).await;
            started.map_err(|error| fail(&format!("{shown} does not start again"), &error))?;
        }
        engine.step("undo: the old one runs").await;
        if let Some(new) = &new {
            let id = new.id.as_deref().unwrap_or_default();
            let removed = engine.removed(id).await;
            removed.map_err(|error| fail(&format!("the new {shown} is left behind"), &error))?;
            for volume in never_used(new, &old) {
                let options = None::<RemoveVolumeOptions>;
                let _in_use = engine.call(engine.client.remove_volume(&volume, options)).await;
            }
        }
        Ok(())
    }

    /// The new container: by its id, or, where the engine has not answered, by its name and its
    /// labels: another doctor's has the name too.
    async fn find_new(&self) -> Result<Option<ContainerInspectResponse>, Error> {
        if let Some(new) = &self.new {
            return self.engine.find(new).await;
        }
        let is_ours = |new: &ContainerInspectResponse| {
            let labels = new.config.as_ref().and_then(|config| config.labels.as_ref());
            let label = |name: &str| labels.and_then(|labels| labels.get(name)).cloned();
            label(REPLACES).as_ref() == Some(&self.old) && label(FIX) == Some(helper::maker())
        };
        // What the engine has not answered for may still come to be.
        for wait in [0, 100, 300] {
            tokio::time::sleep(Duration::from_millis(wait)).await;
            if let Some(new) = self.engine.find(&self.name_with(NEW)).await? {
                return Ok(Some(new).filter(is_ours));
            }
        }
        Ok(None)
    }

    async fn connect(
        &self,
        container: &str,
        network: &str,
        endpoint: EndpointSettings,
    ) -> Result<(), Error> {
        let request = NetworkConnectRequest {
            container: container.to_owned(),
            endpoint_config: Some(endpoint),
        };
        self.engine.call(self.engine.client.connect_network(network, request)).await
    }

    async fn rename(&self, container: &str, name: &str) -> Result<(), Error> {
        let options = RenameContainerOptions { name: name.to_owned() };
        self.engine.call(self.engine.client.rename_container(container, options)).await
    }

    /// Sets when the engine restarts the old container.
    async fn restarts(&self, policy: Option<RestartPolicy>) -> Result<(), Error> {
        let named = |policy: &RestartPolicy| {
            policy.name.is_some_and(|name| name != RestartPolicyNameEnum::EMPTY)
        };
        // What never had one is never restarted.
        if self.restart.as_ref().is_none_or(|policy| !named(policy)) {
            return Ok(());
        }
        let update = ContainerUpdateBody { restart_policy: policy, ..Default::default() };
        self.engine.call(self.engine.client.update_container(&self.old, update)).await
    }
}

/// The anonymous volumes that the engine created for a container that was never started: nothing
/// was ever written to them.
fn never_used(new: &ContainerInspectResponse, old: &ContainerInspectResponse) -> Vec<String> {
    if judge::ran(new) {
        return Vec::new();
    }
    let host = new.host_config.as_ref();
    let asked = |volume: &str| {
        let mut mounts = host.and_then(|host| host.mounts.as_ref()).into_iter().flatten();
        let mut binds = host.and_then(|host| host.binds.as_ref()).into_iter().flatten();
        let mut of_old = old.mounts.iter().flatten();
        mounts.any(|mount| mount.source.as_deref() == Some(volume))
            || binds.any(|bind| bind.split(':').next() == Some(volume))
            || of_old.any(|mount| mount.name.as_deref() == Some(volume))
    };
    let volumes =
        new.mounts.iter().flatten().filter(|mount| mount.typ.as_deref() == Some("volume"));
    let volumes = volumes.filter_map(|mount| mount.name.clone());
    volumes.filter(|volume| is_anonymous_volume(volume) && !asked(volume)).collect()
}

/// The values of variables, which an engine may quote when it refuses them.
struct Hidden(Vec<zeroize::Zeroizing<String>>);

impl Hidden {
    /// Shorter values are not secrets, and cutting them out would only blacken the text.
    const SHORTEST: usize = 6;

    fn of(old: &ContainerInspectResponse, change: &ContainerChange) -> Self {
        let entries = old.config.as_ref().and_then(|config| config.env.as_deref());
        let known = entries.unwrap_or_default().iter().filter_map(|entry| entry.split_once('='));
        let new = change.environment.iter().filter_map(|(_, value)| value.as_ref());
        let mut values: Vec<_> = known
            .map(|(_, value)| value)
            .chain(new.map(Secret::expose))
            .filter(|value| value.len() >= Self::SHORTEST)
            .map(|value| zeroize::Zeroizing::new(value.to_owned()))
            .collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        Self(values)
    }

    fn in_text(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, value| text.replace(value.as_str(), "***"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_that_quotes_a_variable_gives_nothing_away() {
        let old: ContainerInspectResponse = serde_json::from_value(serde_json::json!({
            "Config": {"Env": ["PASSWORD=swordfish", "NAME", "DEBUG=1", "LONG=swordfish-again"]}
        }))
        .unwrap();
        let secret = Some(Secret::new("s3cret-value"));
        let change = ContainerChange {
            environment: vec![("NEW".to_owned(), secret)],
            ..ContainerChange::default()
        };
        let hidden = Hidden::of(&old, &change);
        let said = hidden.in_text("bad: swordfish-again, swordfish, s3cret-value, 1");
        assert_eq!(said, "bad: ***, ***, ***, 1");
    }

    #[test]
    fn only_volumes_that_the_engine_made_for_a_container_that_never_ran_go_with_it() {
        let (own, carried, given) = ("a".repeat(64), "b".repeat(64), "c".repeat(64));
        let mount = |name: &str| serde_json::json!({"Type": "volume", "Name": name});
        let new = |started: &str| -> ContainerInspectResponse {
            serde_json::from_value(serde_json::json!({
                "State": {"StartedAt": started},
                "HostConfig": {"Mounts": [{"Type": "volume", "Source": given}],
                    "Binds": [format!("{}:/x", "d".repeat(64))]},
                "Mounts": [mount(&own), mount(&carried), mount(&given), mount("named"),
                    mount(&"d".repeat(64))]
            }))
            .unwrap()
        };
        let old: ContainerInspectResponse =
            serde_json::from_value(serde_json::json!({"Mounts": [mount(&carried)]})).unwrap();
        assert_eq!(never_used(&new("0001-01-01T00:00:00Z"), &old), [own.as_str()]);
        assert_eq!(never_used(&new("2026-11-27T15:22:11Z"), &old), [""; 0]);
    }
}
