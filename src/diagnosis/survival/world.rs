//! A small engine with a small Compose: where bytes are, what mounts them, and what each command does to both.
//!
//! Only what decides whether bytes survive is modelled, as it was measured on engines 20.10 and 26.1 with Compose 2.40
//! (`facts/docker.md` §0 and §1) and as Compose's `pkg/compose/create.go` (`buildContainerMountOptions`) and the engine's
//! `daemon/mounts.go` (`removeMountPoints`) have it.

use crate::checks::persistence::IMAGE_VOLUME;

/// What becomes of memory.
pub(super) const EMPTIED: &str = "memory is emptied when the container stops";

/// A place of bytes: an index into [`World::places`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Id(pub(super) usize);

/// A place where bytes are.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) kind: Kind,
    pub(super) state: State,
}

/// What kind of place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A volume, by its name, and whether the engine made that up.
    Volume { name: String, anonymous: bool },
    /// A directory of the host or a share.
    Directory(String),
    /// The writable layer of that container.
    Layer(String),
    /// Memory that is mounted into that container.
    Memory(String),
}

/// What became of a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// Its bytes are there.
    There,
    /// They are not; the text says what took them.
    Gone(&'static str),
    /// Nobody knows; the text says why.
    Perhaps(&'static str),
}

/// A volume's entry on the engine.
#[derive(Clone, Debug)]
pub(super) struct Record {
    pub(super) name: String,
    pub(super) anonymous: bool,
    /// Has the label by which newer engines prune.
    pub(super) prunable: bool,
    pub(super) content: Id,
    pub(super) lives: Lives,
    pub(super) others: Others,
}

/// Whether containers that are not of this project refer to a volume.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Others {
    No,
    Running,
    /// They may be stopped, so that `system prune` takes them away first.
    Perhaps,
}

/// What removing a volume does to its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Lives {
    /// It goes as well.
    WithEngine,
    /// It stays in that directory; the path as the volume's options have it.
    At(String),
    /// It is memory, and goes with the last container that uses it.
    InMemory,
    /// The driver decides, or nobody looked: [`Assumed::content_stays`].
    NotSeen,
}

/// What stands behind a path of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A volume; `by_name`: the container's definition names it, so that `rm -v` leaves it.
    Volume {
        name: String,
        by_name: bool,
    },
    Directory(Id),
    Memory(Id),
}

/// A mount of a container.
#[derive(Clone, Debug)]
pub(super) struct Attached {
    pub(super) target: String,
    pub(super) source: Source,
    pub(super) read_only: bool,
}

/// Where a backend keeps its things, and what its environment says of its secret.
#[derive(Clone, Debug)]
pub(super) struct Settings {
    pub(super) data_dir: String,
    pub(super) credentials_dir: String,
    pub(super) pin: Pin,
}

/// INSTANCE_SECRET in the environment, against the secret that is in force at first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Pin {
    /// It is not set: the credentials file counts.
    No,
    /// It is the secret in force, and stays so; the text says where it is set.
    Same(String),
    /// It is, as long as something else stays as well; the text says what.
    Partly(String),
    /// It is another one, and overwrites the file.
    Different(String),
    /// Nobody can say whether the backend would start or which secret it would use; the text says why.
    Unknown(String),
}

/// A container of the backend.
#[derive(Clone, Debug)]
pub(super) struct Instance {
    pub(super) name: String,
    /// The beginning of its id; empty for one that is only foreseen.
    pub(super) id: String,
    pub(super) project: Option<String>,
    pub(super) service: Option<String>,
    pub(super) running: bool,
    pub(super) mounts: Vec<Attached>,
    pub(super) layer: Id,
    pub(super) settings: Settings,
}

/// What the compose file mounts.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    pub(super) target: String,
    pub(super) source: PlannedSource,
    pub(super) read_only: bool,
}

/// The source of a mount of the compose file.
#[derive(Clone, Debug)]
pub(super) enum PlannedSource {
    /// The volume with that key.
    Volume(String),
    Anonymous,
    Directory {
        path: String,
        relative: bool,
        made: bool,
    },
    Memory,
}

/// A top-level volume of the compose file.
#[derive(Clone, Debug)]
pub(super) struct PlannedVolume {
    pub(super) key: String,
    /// Its name, where that is not made of the project's.
    pub(super) fixed: Option<String>,
    pub(super) external: bool,
    pub(super) used: bool,
    pub(super) lives: Lives,
    pub(super) relative: bool,
}

impl PlannedVolume {
    pub(super) fn name(&self, project: &str) -> String {
        self.fixed.clone().unwrap_or_else(|| format!("{project}_{}", self.key))
    }
}

/// The compose file.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) project: String,
    pub(super) name_from_directory: bool,
    pub(super) directory: String,
    pub(super) files: Vec<String>,
    pub(super) service: String,
    pub(super) mounts: Vec<Planned>,
    pub(super) volumes: Vec<PlannedVolume>,
    pub(super) settings: Settings,
}

/// What nobody could see is assumed, one way and the other: an outcome counts only where all ways lead to it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Assumed {
    /// `volume prune` deletes volumes with a name as well (before API 1.42).
    pub(super) prunes_named: bool,
    /// The image declares [`IMAGE_VOLUME`] as a volume.
    pub(super) image_volume: bool,
    /// A volume without a name that was not listed has the label by which newer engines prune.
    pub(super) prunable: bool,
    /// The content of a volume whose driver or options are not known stays when the volume is removed.
    pub(super) content_stays: bool,
    /// A volume without a name is mounted by that name.
    pub(super) by_name: bool,
}

/// Why the backend is not up again at the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The engine or Compose refuses.
    Fails(String),
    /// Nobody saw what would run.
    NotSeen(String),
}

/// What `up` is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Up {
    /// Another project than the file's.
    pub(super) project: Option<String>,
    /// `-V`.
    pub(super) renew: bool,
    /// `--force-recreate`.
    pub(super) force: bool,
    /// `--no-recreate`.
    pub(super) keep: bool,
    /// `--remove-orphans`.
    pub(super) remove_orphans: bool,
}

/// The engine, the project's containers and its file.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) assumed: Assumed,
    pub(super) places: Vec<Place>,
    pub(super) records: Vec<Record>,
    pub(super) instances: Vec<Instance>,
    pub(super) plan: Option<Plan>,
    /// Why there is no plan.
    pub(super) no_plan: String,
    /// The file or the image has changed since the container was made.
    pub(super) changed: bool,
    /// The container that stands for the deployment now.
    pub(super) current: Option<String>,
    pub(super) trouble: Option<Trouble>,
    /// The containers whose entrypoint has run since the beginning.
    pub(super) started: Vec<String>,
    /// The volumes that were deleted.
    pub(super) swept: Vec<String>,
    /// What the engine refused, for the reader.
    pub(super) notes: Vec<String>,
}

impl World {
    pub(super) fn place(&mut self, kind: Kind) -> Id {
        self.places.push(Place { kind, state: State::There });
        Id(self.places.len() - 1)
    }

    pub(super) fn state(&self, id: Id) -> State {
        self.places[id.0].state
    }

    /// The directory at that path of the host, where one is known.
    fn directory(&self, path: &str) -> Option<Id> {
        let at = |place: &Place| place.kind == Kind::Directory(path.to_owned());
        self.places.iter().position(at).map(Id)
    }

    pub(super) fn directory_or_new(&mut self, path: &str) -> Id {
        self.directory(path).unwrap_or_else(|| self.place(Kind::Directory(path.to_owned())))
    }

    pub(super) fn record(&self, name: &str) -> Option<&Record> {
        self.records.iter().find(|record| record.name == name)
    }

    /// A new volume; of one that only points somewhere, the content may be there already.
    pub(super) fn new_record(
        &mut self,
        name: &str,
        anonymous: bool,
        prunable: bool,
        lives: Lives,
    ) -> Id {
        let content = match &lives {
            Lives::At(path) => self.directory_or_new(path),
            _ => self.place(Kind::Volume { name: name.to_owned(), anonymous }),
        };
        self.records.push(Record {
            name: name.to_owned(),
            anonymous,
            prunable,
            content,
            lives,
            others: Others::No,
        });
        content
    }

    pub(super) fn instance(&self, name: &str) -> Option<&Instance> {
        self.instances.iter().find(|instance| instance.name == name)
    }

    pub(super) fn current(&self) -> Option<&Instance> {
        self.instance(self.current.as_deref()?)
    }

    /// What stands behind a path of a container: the mount with the longest target over it, or the container's own layer.
    pub(super) fn behind(&self, instance: &Instance, path: &str) -> Id {
        let Some(mount) = over(&instance.mounts, path) else { return instance.layer };
        match &mount.source {
            Source::Directory(id) | Source::Memory(id) => *id,
            Source::Volume { name, .. } => {
                self.record(name).map_or(instance.layer, |record| record.content)
            }
        }
    }

    fn is_used(&self, volume: &str, by: impl Fn(&Instance) -> bool) -> bool {
        self.instances.iter().filter(|instance| by(instance)).any(|instance| {
            instance
                .mounts
                .iter()
                .any(|mount| matches!(&mount.source, Source::Volume { name, .. } if name == volume))
        })
    }

    fn lose(&mut self, id: Id, by: &'static str) {
        if self.places[id.0].state == State::There {
            self.places[id.0].state = State::Gone(by);
        }
    }

    /// Memory volumes that no running container uses are emptied.
    fn release_memory(&mut self) {
        for index in 0..self.records.len() {
            let record = &self.records[index];
            if record.lives == Lives::InMemory
                && record.others == Others::No
                && !self.is_used(&record.name, |instance| instance.running)
            {
                let (name, content) = (record.name.clone(), record.content);
                self.lose(content, EMPTIED);
                self.records[index].content = self.place(Kind::Volume { name, anonymous: false });
            }
        }
    }

    /// `stop` or `kill` of the containers that `which` picks.
    pub(super) fn stop(&mut self, which: impl Fn(&Instance) -> bool) {
        for index in 0..self.instances.len() {
            if !which(&self.instances[index]) || !self.instances[index].running {
                continue;
            }
            self.instances[index].running = false;
            let name = self.instances[index].name.clone();
            for at in 0..self.instances[index].mounts.len() {
                if let Source::Memory(id) = self.instances[index].mounts[at].source {
                    self.lose(id, EMPTIED);
                    let new = self.place(Kind::Memory(name.clone()));
                    self.instances[index].mounts[at].source = Source::Memory(new);
                }
            }
        }
        self.release_memory();
    }

    /// `start`.
    pub(super) fn start(&mut self, which: impl Fn(&Instance) -> bool) {
        for index in 0..self.instances.len() {
            if which(&self.instances[index]) && !self.instances[index].running {
                match self.missing_device(&self.instances[index].mounts) {
                    Some(reason) => self.trouble = Some(Trouble::Fails(reason)),
                    None => {
                        self.instances[index].running = true;
                        self.started.push(self.instances[index].name.clone());
                    }
                }
            }
        }
    }

    /// Removes the containers that `which` picks, with `volumes` also the volumes that the engine made for them.
    pub(super) fn remove(&mut self, volumes: bool, which: impl Fn(&Instance) -> bool) {
        self.stop(&which);
        let (gone, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.instances).into_iter().partition(|one| which(one));
        self.instances = kept;
        for instance in gone {
            self.lose(instance.layer, "it goes with its container");
            for mount in instance.mounts {
                match mount.source {
                    Source::Memory(id) => self.lose(id, "it goes with its container"),
                    Source::Volume { name, by_name: false } if volumes => {
                        if self.record(&name).is_some_and(|record| record.anonymous) {
                            self.remove_volume(&name, "`-v` deletes it with its container");
                        }
                    }
                    _ => {}
                }
            }
            if self.current.as_ref() == Some(&instance.name) {
                self.current = None;
            }
        }
        self.release_memory();
    }

    /// Whether the engine would delete the volume: it refuses while any container refers to it.
    pub(super) fn is_free(&self, name: &str) -> bool {
        self.record(name).is_some_and(|record| record.others == Others::No)
            && !self.is_used(name, |_| true)
    }

    /// `docker volume rm`.
    pub(super) fn remove_volume(&mut self, name: &str, by: &'static str) -> bool {
        if !self.is_free(name) {
            return false;
        }
        let Some(at) = self.records.iter().position(|record| record.name == name) else {
            return false;
        };
        let record = self.records.remove(at);
        self.swept.push(super::fate::describe(&Kind::Volume {
            name: record.name,
            anonymous: record.anonymous,
        }));
        let stays = match record.lives {
            Lives::WithEngine | Lives::InMemory => false,
            Lives::At(_) => true,
            Lives::NotSeen => self.assumed.content_stays,
        };
        if !stays {
            self.lose(record.content, by);
        }
        true
    }

    /// `docker compose down`.
    pub(super) fn down(&mut self, project: &str, volumes: bool) {
        self.remove(volumes, |instance| instance.project.as_deref() == Some(project));
        if !volumes {
            return;
        }
        let Some(plan) = &self.plan else {
            // Which volumes are declared and not external stands in a file that nobody saw.
            for index in 0..self.records.len() {
                let record = &self.records[index];
                let place = record.content.0;
                if !record.anonymous
                    && record.lives == Lives::WithEngine
                    && self.is_free(&record.name)
                    && self.places[place].state == State::There
                {
                    self.places[place].state =
                        State::Perhaps("whether the compose file declares it was not seen");
                }
            }
            return;
        };
        let ours = plan.volumes.iter().filter(|volume| volume.used && !volume.external);
        for name in ours.map(|volume| volume.name(project)).collect::<Vec<_>>() {
            if self.record(&name).is_some() {
                self.remove_volume(&name, "`-v` deletes it");
            } else {
                // Another service's: not looked at, and deleted all the same.
                self.swept.push(format!("volume {name}"));
            }
        }
    }

    /// `docker volume prune`, with `all` also of those with a name.
    pub(super) fn prune_volumes(&mut self, all: bool) {
        let all = all || self.assumed.prunes_named;
        let wanted = |record: &&Record| all || record.anonymous && record.prunable;
        let names: Vec<_> =
            self.records.iter().filter(wanted).map(|record| record.name.clone()).collect();
        for name in names {
            self.remove_volume(&name, "the prune deletes it, as nothing is attached to it then");
        }
    }

    /// `docker system prune`, with `volumes` also of volumes.
    pub(super) fn prune_system(&mut self, volumes: bool) {
        self.prune_containers();
        if volumes {
            for index in 0..self.records.len() {
                if self.records[index].others == Others::Perhaps {
                    let record = &self.records[index];
                    let wanted = self.assumed.prunes_named || record.anonymous && record.prunable;
                    if wanted && !self.is_used(&record.name, |_| true) {
                        let content = record.content.0;
                        self.places[content].state = State::Perhaps(
                            "another container refers to it, and is pruned first if it is stopped",
                        );
                    }
                }
            }
            self.prune_volumes(false);
        }
    }

    /// `docker container prune`.
    pub(super) fn prune_containers(&mut self) {
        self.remove(false, |instance| !instance.running);
    }

    /// `docker compose up -d`.
    pub(super) fn up(&mut self, up: &Up) {
        let Some(plan) = self.plan.clone() else {
            self.trouble = Some(Trouble::NotSeen(self.no_plan.clone()));
            return;
        };
        let project = up.project.clone().unwrap_or_else(|| plan.project.clone());
        let is_it = |one: &Instance| {
            one.project.as_deref() == Some(&project)
                && one.service.as_deref() == Some(&plan.service)
        };
        let old = self.instances.iter().find(|one| is_it(one)).cloned();
        let anew = match &old {
            None => true,
            Some(_) if up.keep => false,
            Some(old) => up.renew || up.force || self.changed || self.differs(&plan, &project, old),
        };
        if let Some(old) = old.as_ref().filter(|_| !anew) {
            self.current = Some(old.name.clone());
            self.start(is_it);
            return;
        }
        match self.create(&plan, &project, old.as_ref().filter(|_| !up.renew)) {
            Err(reason) => self.trouble = Some(Trouble::Fails(reason)),
            Ok(mut new) => {
                self.remove(false, is_it);
                if up.remove_orphans {
                    self.remove(false, |one| one.project.as_deref() == Some(&project));
                }
                if let Some(reason) = self.missing_device(&new.mounts) {
                    self.trouble = Some(Trouble::Fails(reason));
                    new.running = false;
                } else {
                    self.changed = false;
                }
                self.current = Some(new.name.clone());
                self.started.push(new.name.clone());
                self.instances.push(new);
            }
        }
    }

    /// Whether `up` would make the container anew without being told to: as far as mounts and the secret go.
    fn differs(&self, plan: &Plan, project: &str, instance: &Instance) -> bool {
        let at = |target: &str| instance.mounts.iter().find(|mount| mount.target == target);
        let mounted = |planned: &Planned| match (&planned.source, at(&planned.target)) {
            (PlannedSource::Volume(key), Some(mount)) => {
                let declared = plan.volumes.iter().find(|volume| volume.key == *key);
                let name = declared.map(|volume| volume.name(project));
                matches!(&mount.source, Source::Volume { name: other, .. } if Some(other) == name.as_ref())
            }
            (PlannedSource::Directory { path, .. }, Some(mount)) => {
                matches!(mount.source, Source::Directory(id) if self.directory(path) == Some(id))
            }
            (PlannedSource::Anonymous, Some(mount)) => {
                matches!(mount.source, Source::Volume { .. })
            }
            (PlannedSource::Memory, Some(mount)) => matches!(mount.source, Source::Memory(_)),
            (_, None) => false,
        };
        let planned = |mount: &Attached| {
            mount.target == IMAGE_VOLUME
                || plan.mounts.iter().any(|planned| planned.target == mount.target)
        };
        let is_set = |pin: &Pin| *pin != Pin::No;
        !plan.mounts.iter().all(mounted)
            || !instance.mounts.iter().all(planned)
            || is_set(&plan.settings.pin) != is_set(&instance.settings.pin)
    }

    /// The container that Compose would make; from an `old` one it takes over what is mounted where the image has a volume, or
    /// where the file has an entry without a source.
    fn create(
        &mut self,
        plan: &Plan,
        project: &str,
        old: Option<&Instance>,
    ) -> Result<Instance, String> {
        let number = self.instances.len() + self.places.len();
        let name = match old {
            Some(old) => old.name.clone(),
            None => format!("{project}-{}-1", plan.service),
        };
        let is_image_volume = |target: &str| self.assumed.image_volume && target == IMAGE_VOLUME;
        let mut mounts: Vec<Attached> = Vec::new();
        let mut declared = plan.mounts.clone();
        for mount in old.into_iter().flat_map(|old| &old.mounts) {
            if matches!(mount.source, Source::Memory(_)) {
                continue;
            }
            let without_source = |planned: &Planned| {
                planned.target == mount.target && matches!(planned.source, PlannedSource::Anonymous)
            };
            let entry = declared.iter().position(without_source);
            if let Some(at) = entry {
                declared.remove(at);
            }
            if entry.is_some() || is_image_volume(&mount.target) {
                let mut taken = mount.clone();
                if let Source::Volume { by_name, .. } = &mut taken.source {
                    *by_name = true;
                }
                mounts.push(taken);
            }
        }
        for (index, planned) in declared.into_iter().enumerate() {
            let source = match planned.source {
                PlannedSource::Memory => Source::Memory(self.place(Kind::Memory(name.clone()))),
                PlannedSource::Anonymous => {
                    let volume = format!("new-{number}-{index}");
                    self.new_record(&volume, true, false, Lives::WithEngine);
                    Source::Volume { name: volume, by_name: false }
                }
                PlannedSource::Directory { path, made, .. } => match self.directory(&path) {
                    Some(id) => Source::Directory(id),
                    None if made => Source::Directory(self.directory_or_new(&path)),
                    None => return Err(format!("the directory {path} is not there")),
                },
                PlannedSource::Volume(key) => {
                    let declared = plan.volumes.iter().find(|volume| volume.key == key);
                    let Some(declared) = declared else {
                        return Err(format!("the volume {key} is not declared"));
                    };
                    let volume = declared.name(project);
                    if self.record(&volume).is_none() {
                        if declared.external {
                            return Err(format!("the external volume {volume} is not there"));
                        }
                        if let Lives::At(path) = &declared.lives
                            && self.directory(path).is_none()
                        {
                            return Err(format!("the directory {path} of the volume is not there"));
                        }
                        self.new_record(&volume, false, false, declared.lives.clone());
                    }
                    Source::Volume { name: volume, by_name: true }
                }
            };
            mounts.retain(|mount| mount.target != planned.target);
            mounts.push(Attached { target: planned.target, source, read_only: planned.read_only });
        }
        if self.assumed.image_volume && !mounts.iter().any(|mount| mount.target == IMAGE_VOLUME) {
            let volume = format!("new-{number}");
            self.new_record(&volume, true, !self.assumed.prunes_named, Lives::WithEngine);
            let source = Source::Volume { name: volume, by_name: false };
            let target = IMAGE_VOLUME.to_owned();
            mounts.push(Attached { target, source, read_only: false });
        }
        Ok(Instance {
            layer: self.place(Kind::Layer(name.clone())),
            name,
            id: String::new(),
            project: Some(project.to_owned()),
            service: Some(plan.service.clone()),
            running: true,
            mounts,
            settings: plan.settings.clone(),
        })
    }

    /// The first volume whose directory is no longer where the volume's options say.
    fn missing_device(&self, mounts: &[Attached]) -> Option<String> {
        mounts.iter().find_map(|mount| {
            let Source::Volume { name, .. } = &mount.source else { return None };
            let Lives::At(path) = &self.record(name)?.lives else { return None };
            self.directory(path)
                .is_none()
                .then(|| format!("the directory {path} of volume {name} is not there"))
        })
    }

    /// The project's directory gets another name; what lies in it moves along.
    pub(super) fn rename_directory(&mut self) {
        let Some(plan) = &mut self.plan else { return };
        let old = plan.directory.trim_end_matches('/').to_owned();
        let new = format!("{old}-renamed");
        let moved = |path: &str| {
            let rest = path.strip_prefix(&old)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{new}{rest}"))
        };
        for mount in &mut plan.mounts {
            if let PlannedSource::Directory { path, relative: true, .. } = &mut mount.source
                && let Some(other) = moved(path)
            {
                *path = other;
                self.changed = true;
            }
        }
        for volume in &mut plan.volumes {
            if let (true, Lives::At(path)) = (volume.relative, &mut volume.lives)
                && let Some(other) = moved(path)
            {
                *path = other;
            }
        }
        plan.directory.clone_from(&new);
        if plan.name_from_directory {
            plan.project.push_str("-renamed");
        }
        for place in &mut self.places {
            if let Kind::Directory(path) = &mut place.kind
                && let Some(other) = moved(path)
            {
                *path = other;
            }
        }
    }

    /// The service gets another name.
    pub(super) fn rename_service(&mut self) {
        if let Some(plan) = &mut self.plan {
            plan.service.push_str("-renamed");
        }
    }

    /// Another named volume is mounted at the image's own path, in place of what the file mounts there.
    pub(super) fn add_named_volume(&mut self) {
        let Some(plan) = &mut self.plan else { return };
        let key = "another".to_owned();
        plan.mounts.retain(|mount| mount.target != IMAGE_VOLUME);
        plan.mounts.push(Planned {
            target: IMAGE_VOLUME.to_owned(),
            source: PlannedSource::Volume(key.clone()),
            read_only: false,
        });
        plan.volumes.push(PlannedVolume {
            key,
            fixed: None,
            external: false,
            used: true,
            lives: Lives::WithEngine,
            relative: false,
        });
        self.changed = true;
    }

    /// The service's `volumes:` are deleted from the file.
    pub(super) fn delete_entries(&mut self) {
        let Some(plan) = &mut self.plan else { return };
        // A file without any is no other file then.
        self.changed |= !plan.mounts.is_empty();
        plan.mounts.clear();
        for volume in &mut plan.volumes {
            volume.used = false;
        }
    }
}

/// The mount with the longest target that is `path` or a parent of it.
pub(super) fn over<'a>(mounts: &'a [Attached], path: &str) -> Option<&'a Attached> {
    mounts
        .iter()
        .filter(|mount| {
            let target = mount.target.trim_end_matches('/');
            path.strip_prefix(target).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
        .max_by_key(|mount| mount.target.trim_end_matches('/').len())
}
