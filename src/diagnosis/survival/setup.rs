//! From evidence to a [`SimulatedWorld`]: the container that is there with what is mounted into it
//! now, the compose file for what comes after a recreate, and what could not be checked.

use super::fate::Documents;
use super::model::{
    Assumed, Attached, BackendInstance, BackendSettings, Backing, ComposePlan, EMPTIED, Others,
    PlaceKind, PlaceState, Planned, PlannedSource, PlannedVolume, Question, Source, Up,
};
use super::pin::{pinned_by_file, pinned_now};
use super::world::SimulatedWorld;
use crate::deployment::compose::declared_backend;
use crate::deployment::container::{CredentialsFile, credentials_file, inspected};
use crate::deployment::data::{declares_s3, declares_sql};
use crate::evidence::Evidence;
use crate::evidence::compose::{BackendService, ComposeFacts, DeclaredMountKind};
use crate::evidence::docker::{Container, DockerFacts, MountKind, Volume, VolumeBacking};

/// Something that is known, or why it is not.
type Answered = Result<bool, String>;

/// The deployment that is predicted: its container, its compose file, or both.
#[derive(Clone, Copy)]
pub(super) struct Deployment<'a> {
    evidence: &'a Evidence,
    pub(super) container: Option<&'a Container>,
    pub(super) compose: Option<(&'a ComposeFacts, &'a BackendService)>,
}

impl<'a> Deployment<'a> {
    /// The backend of the compose project, else the container behind the URL; `None` where no
    /// backend was found.
    pub(super) fn of(evidence: &'a Evidence) -> Option<Self> {
        let compose = declared_backend(evidence).ok().flatten();
        let docker = evidence.docker.seen().ok();
        let container = match compose {
            Some(_) => docker.and_then(DockerFacts::expected),
            None => docker.and_then(DockerFacts::answering).map(|(container, _)| container),
        };
        (container.is_some() || compose.is_some()).then_some(Self { evidence, container, compose })
    }

    fn docker(&self) -> Option<&'a DockerFacts> {
        self.evidence.docker.seen().ok()
    }

    fn volume(&self, name: &str) -> Option<&'a Volume> {
        self.docker()?.volumes.seen().ok()?.iter().find(|volume| volume.name == name)
    }

    /// Whether Compose runs it, as far as its file or its labels tell.
    pub(super) fn is_run_by_compose(&self) -> bool {
        self.compose.is_some() || self.container.is_some_and(|one| one.labels.project.is_some())
    }

    /// The name of the container that is, or would be.
    pub(super) fn container_name(&self) -> String {
        match (self.container, self.compose) {
            (Some(container), _) => container.name.clone(),
            (None, Some((compose, service))) => format!("{}-{}-1", compose.project, service.name),
            (None, None) => "backend".to_owned(),
        }
    }

    /// What the documents are kept in.
    pub(super) fn documents(&self) -> Documents {
        let (uses, url) = match (self.container, self.compose) {
            (Some(container), _) => {
                (container.storage.uses_sql, container.storage.sql_url.as_ref())
            }
            (None, Some((compose, service))) => {
                let mut urls = compose.sql_urls.iter().filter(|one| one.service == service.name);
                (declares_sql(service), urls.next().map(|one| &one.url))
            }
            (None, None) => (false, None),
        };
        let Some(host) = url.filter(|_| uses).and_then(|url| url.host.as_deref()) else {
            return if uses { Documents::NotSeen } else { Documents::Here };
        };
        let services = self.compose.map(|(compose, _)| compose.services.as_slice());
        let is_companion = |docker: &DockerFacts| {
            docker
                .companions
                .iter()
                .any(|one| one.name == host || one.service.as_deref() == Some(host))
        };
        if services.unwrap_or_default().iter().any(|service| service == host)
            || self.docker().is_some_and(is_companion)
        {
            return Documents::Service(host.to_owned());
        }
        // Without a dot it is a name of some Docker network, unless it is this machine: of another
        // project, where this one has no service that could go by it.
        let is_outside = host.contains('.') || host.contains(':') || host == "localhost";
        if is_outside || services.is_some_and(|_| self.has_no_other_service()) {
            Documents::Elsewhere
        } else {
            Documents::NotSeen
        }
    }

    /// Whether the project is backends and dashboards only.
    fn has_no_other_service(&self) -> bool {
        let Some((compose, _)) = self.compose else { return false };
        let mut others = compose.services.iter().filter(|name| {
            !compose.dashboards.iter().any(|dashboard| dashboard.name == **name)
                && !compose.backends.iter().any(|backend| backend.name == **name)
        });
        others.next().is_none()
    }

    /// Why nothing can be said of it, if so: the engine only listed the container, or did not say
    /// whether the external volumes exist.
    pub(super) fn seen(&self) -> Result<(), String> {
        if let Some(Err(unseen)) = self.container.map(inspected) {
            return Err(format!(
                "the mounts of the container were not checked ({})",
                unseen.reason
            ));
        }
        let is_external = |(compose, _): (&ComposeFacts, _)| {
            compose.volumes.iter().any(|volume| volume.external && volume.used)
        };
        match self.docker().map(|docker| docker.volumes.seen()) {
            Some(Err(unseen))
                if self.container.is_none() && self.compose.is_some_and(is_external) =>
            {
                Err(format!("the volumes were not checked ({})", unseen.reason))
            }
            _ => Ok(()),
        }
    }

    /// The file that the keys depend on; without a container, nothing but the compose file counts.
    pub(super) fn credentials(&self) -> CredentialsFile {
        self.container.map_or(CredentialsFile::There, credentials_file)
    }

    /// Whether stored files are kept in S3.
    pub(super) fn files_elsewhere(&self) -> bool {
        match (self.container, self.compose) {
            (Some(container), _) => container.storage.uses_s3,
            (None, Some((_, service))) => declares_s3(service),
            (None, None) => false,
        }
    }

    /// What can decide an outcome, as far as it is known.
    pub(super) fn questions(&self) -> [Question; 5] {
        let engine = match self.evidence.docker.seen() {
            Ok(docker) => docker.engine.seen(),
            Err(unseen) => Err(unseen),
        };
        let podman = engine.as_ref().is_ok_and(|engine| engine.podman);
        let prunes_named = match engine {
            Err(unseen) => Err(format!("the engine's version was not checked ({})", unseen.reason)),
            Ok(engine) => engine.prunes_named_volumes().ok_or_else(|| {
                format!("not known which volumes a prune deletes on engine {}", engine.version)
            }),
        };
        let by_name = if podman {
            Err("not known how Podman identifies anonymous volumes".to_owned())
        } else {
            Ok(false)
        };
        [
            Question { answer: prunes_named, field: |it| &mut it.prunes_named },
            Question { answer: self.image_volume(), field: |it| &mut it.image_volume },
            Question { answer: self.prunable(), field: |it| &mut it.prunable },
            Question { answer: self.content_stays(), field: |it| &mut it.content_stays },
            Question { answer: by_name, field: |it| &mut it.by_name },
        ]
    }

    /// The image declares its data directory a volume. A container without a mount there shows that
    /// its image does not.
    fn image_volume(&self) -> Answered {
        if let Some(container) = self.container {
            let at = |path: &str| container.storage.mounts.iter().any(|mount| mount.target == path);
            if !at(crate::names::DATA_DIR) {
                return Ok(false);
            }
        }
        let image = match (self.container, self.compose) {
            (Some(container), _) => Some(container.software.image.as_str()),
            (None, Some((_, service))) => service.image.as_deref(),
            (None, None) => None,
        };
        let upstream = image.is_some_and(|image| image.contains("convex-backend"))
            || self.container.is_some_and(|container| container.software.upstream_entrypoint);
        if upstream {
            return Ok(true);
        }
        Err("not known whether the image declares a volume for the data directory".to_owned())
    }

    fn prunable(&self) -> Answered {
        let mut unlisted =
            self.container.into_iter().flat_map(|one| &one.storage.mounts).filter(|mount| {
                mount.kind == MountKind::Anonymous
                    && mount.source.as_deref().is_none_or(|name| self.volume(name).is_none())
            });
        match unlisted.next() {
            None => Ok(false),
            Some(_) => Err("the label of its volume was not checked".to_owned()),
        }
    }

    fn content_stays(&self) -> Answered {
        let mut named: Vec<String> = self
            .container
            .into_iter()
            .flat_map(|container| &container.storage.mounts)
            .filter(|mount| mount.kind == MountKind::Named)
            .filter_map(|mount| mount.source.clone())
            .collect();
        if let Some((compose, _)) = self.compose {
            let external = compose.volumes.iter().filter(|volume| volume.external && volume.used);
            named.extend(external.map(|volume| volume.name.clone()));
        }
        for name in named {
            match self.volume(&name).map(|volume| &volume.backing) {
                None => return Err(format!("volume {name} was not checked")),
                Some(VolumeBacking::Driver(driver)) => {
                    return Err(format!(
                        "not known what the driver {driver} of volume {name} keeps"
                    ));
                }
                Some(_) => {}
            }
        }
        let by_driver = |backing: &VolumeBacking| matches!(backing, VolumeBacking::Driver(_));
        match self.compose.and_then(|(compose, _)| {
            compose.volumes.iter().find(|volume| volume.used && by_driver(&volume.backing))
        }) {
            None => Ok(false),
            Some(volume) => {
                Err(format!("not known what the driver of volume {} keeps", volume.name))
            }
        }
    }

    /// The world under these assumptions, with the container up.
    pub(super) fn raise(&self, assumed: Assumed) -> SimulatedWorld {
        let mut world = SimulatedWorld {
            assumed,
            places: Vec::new(),
            records: Vec::new(),
            instances: Vec::new(),
            plan: self.plan(),
            unseen: self.evidence.docker.seen().err().map(|unseen| unseen.reason),
            no_plan: self.no_plan(),
            changed: false,
            current: None,
            trouble: None,
            started: Vec::new(),
            swept: Vec::new(),
            notes: Vec::new(),
        };
        self.list_volumes(&mut world);
        list_directories(&mut world);
        match self.container {
            Some(container) => {
                let instance = instance(container, &mut world);
                world.current = Some(instance.name.clone());
                world.instances.push(instance);
            }
            None => world.up(&Up::default()),
        }
        world.started.clear();
        world
    }

    fn no_plan(&self) -> String {
        match (
            self.evidence.compose.seen(),
            self.container.and_then(|one| one.labels.project.as_ref()),
        ) {
            (Err(unseen), _) => format!("the compose file was not checked ({})", unseen.reason),
            (Ok(Some(compose)), _) if !compose.errors.is_empty() => {
                "Compose cannot read the project".to_owned()
            }
            (Ok(_), Some(project)) => {
                format!("the compose file of project {project} was not found")
            }
            (Ok(_), None) => {
                "Compose does not run this container, so it is not known how it is started again"
                    .to_owned()
            }
        }
    }

    fn list_volumes(&self, world: &mut SimulatedWorld) {
        let seen = self.docker().and_then(|docker| Some((docker, docker.volumes.seen().ok()?)));
        if let Some((docker, volumes)) = seen {
            self.list_seen(docker, volumes, world);
        }
        // An external volume exists, unless the engine says that it does not.
        let absent = seen.map(|(docker, _)| docker.absent_volumes.as_slice()).unwrap_or_default();
        let external = world.plan.iter().flat_map(|plan| &plan.volumes);
        let external: Vec<String> = external
            .filter(|volume| volume.external && volume.used)
            .filter_map(|volume| volume.fixed.clone())
            .filter(|name| world.record(name).is_none() && !absent.contains(name))
            .collect();
        for name in external {
            world.new_record(&name, false, false, Backing::NotSeen);
        }
    }

    fn list_seen(&self, docker: &DockerFacts, volumes: &[Volume], world: &mut SimulatedWorld) {
        let project = match (self.container, self.compose) {
            (Some(container), _) => container.labels.project.as_deref(),
            (None, compose) => compose.map(|(compose, _)| compose.project.as_str()),
        };
        for volume in volumes {
            let mut others = Others::No;
            for name in &volume.attached_to {
                let backend = docker.backend(name);
                let companion = docker.companions.iter().find(|one| one.name == *name);
                let is_ours = self.container.is_some_and(|container| container.name == *name)
                    || backend.is_some_and(|one| project.is_some() && one.labels.project.as_deref() == project)
                    // Companions are the project's, and dashboards, which have no volumes.
                    || companion.is_some();
                if !is_ours && others != Others::Running {
                    others = if backend.is_some_and(Container::is_running) {
                        Others::Running
                    } else {
                        Others::Perhaps
                    };
                }
            }
            world.new_record(
                &volume.name,
                volume.anonymous,
                volume.prunable,
                backing(&volume.backing),
            );
            if let Some(record) = world.records.last_mut() {
                record.others = others;
            }
        }
    }

    fn plan(&self) -> Option<ComposePlan> {
        let (compose, service) = self.compose?;
        let mounts = service.mounts.iter().map(|mount| Planned {
            target: trimmed(&mount.target),
            source: match (&mount.kind, &mount.source) {
                (DeclaredMountKind::Tmpfs, _) => PlannedSource::Memory,
                (DeclaredMountKind::Volume, Some(key)) => PlannedSource::Volume(key.clone()),
                (_, Some(path)) => PlannedSource::Directory {
                    path: path.clone(),
                    by_project: mount.by_project.clone(),
                    relative: mount.relative,
                    made: mount.create_host_path,
                },
                (_, None) => PlannedSource::Anonymous,
            },
            read_only: mount.read_only,
        });
        let volumes = compose.volumes.iter().map(|volume| PlannedVolume {
            key: volume.key.clone(),
            by_project: volume.by_project.clone(),
            fixed: (volume.external || volume.fixed_name).then(|| volume.name.clone()),
            external: volume.external,
            used: volume.used,
            backing: backing(&volume.backing),
            relative: matches!(volume.backing, VolumeBacking::Device { relative: true, .. }),
        });
        Some(ComposePlan {
            project: compose.project.clone(),
            own_name: compose.own_name.clone().unwrap_or_else(|| compose.project.clone()),
            plain: compose.plain_project.clone(),
            here: match self.evidence.surroundings.directory.as_str() {
                "" => compose.directory.clone(),
                here => here.to_owned(),
            },
            name_from_directory: compose.name_from_directory,
            directory: compose.directory.clone(),
            files: compose.files.clone(),
            flags: compose.flags.clone(),
            service: service.name.clone(),
            mounts: mounts.collect(),
            volumes: volumes.collect(),
            settings: BackendSettings {
                data_dir: service.data_dir.clone(),
                credentials_dir: service.credentials_dir.clone(),
                pin: pinned_by_file(self.container, service),
            },
        })
    }
}

/// The container as it is.
fn instance(container: &Container, world: &mut SimulatedWorld) -> BackendInstance {
    let running = !container.is_stopped();
    let mut mounts = Vec::new();
    for mount in &container.storage.mounts {
        let name = mount.source.clone().unwrap_or_default();
        let source = match mount.kind {
            MountKind::Tmpfs => {
                let id = world.place(PlaceKind::Memory(container.name.clone()));
                if !running {
                    world.places[id.0].state = PlaceState::Gone(EMPTIED);
                }
                Source::Memory(id)
            }
            MountKind::Bind => Source::Directory(world.directory_or_new(&name)),
            MountKind::Named | MountKind::Anonymous => {
                let anonymous = mount.kind == MountKind::Anonymous;
                if world.record(&name).is_none() {
                    let backing = if anonymous { Backing::WithEngine } else { Backing::NotSeen };
                    let prunable = world.assumed.prunable;
                    world.new_record(&name, anonymous, prunable, backing);
                }
                let by_name = !anonymous
                    || world.assumed.by_name
                    || container.storage.volumes_by_name.contains(&mount.target);
                Source::Volume { name, by_name }
            }
        };
        let target = mount.target.clone();
        mounts.push(Attached { target, source, read_only: !mount.writable });
    }
    BackendInstance {
        name: container.name.clone(),
        id: container.id.clone(),
        project: container.labels.project.clone(),
        service: container.labels.service.clone(),
        running,
        auto_remove: container.life.auto_remove,
        mounts,
        layer: world.place(PlaceKind::Layer(container.name.clone())),
        settings: BackendSettings {
            data_dir: container.storage.data_dir.clone(),
            credentials_dir: container.storage.credentials_dir.clone(),
            pin: pinned_now(container),
        },
    }
}

/// The directories that the file mounts exist.
fn list_directories(world: &mut SimulatedWorld) {
    let Some(plan) = &world.plan else { return };
    let binds = plan.mounts.iter().filter_map(|mount| match &mount.source {
        PlannedSource::Directory { path, .. } => Some(path.clone()),
        _ => None,
    });
    let devices = plan.volumes.iter().filter_map(|volume| match &volume.backing {
        Backing::At(path) => Some(path.clone()),
        _ => None,
    });
    for path in binds.chain(devices).collect::<Vec<_>>() {
        world.directory_or_new(&path);
    }
}

fn backing(backing: &VolumeBacking) -> Backing {
    match backing {
        VolumeBacking::Engine => Backing::WithEngine,
        VolumeBacking::Device { path, .. } => Backing::At(path.clone()),
        VolumeBacking::Memory => Backing::InMemory,
        VolumeBacking::Driver(_) => Backing::NotSeen,
    }
}

fn trimmed(path: &str) -> String {
    let short = path.trim_end_matches('/');
    if short.is_empty() { "/".to_owned() } else { short.to_owned() }
}
