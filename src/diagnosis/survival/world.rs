//! A small engine: where bytes are, what mounts them, and what each command does to both.
//!
//! Only what decides whether bytes survive is modelled, as it was measured on engines 20.10 and
//! 26.1 (docs/facts.md, docker-survival) and as the engine's `daemon/mounts.go`
//! (`removeMountPoints`) has it. What Compose does is in [`super::compose`].

use super::model::{
    Assumed, Attached, BackendInstance, Backing, ComposePlan, DataPlace, EMPTIED, Id, Others,
    PlaceKind, PlaceState, Record, Source, StartFailure,
};

/// The engine, the project's containers and its file.
#[derive(Clone, Debug)]
pub(super) struct SimulatedWorld {
    pub(super) assumed: Assumed,
    pub(super) places: Vec<DataPlace>,
    pub(super) records: Vec<Record>,
    pub(super) instances: Vec<BackendInstance>,
    pub(super) plan: Option<ComposePlan>,
    /// Why the engine was not asked, if so.
    pub(super) unseen: Option<String>,
    /// Why there is no plan.
    pub(super) no_plan: String,
    /// The file or the image has changed since the container was made.
    pub(super) changed: bool,
    /// The container that is the deployment's backend now.
    pub(super) current: Option<String>,
    pub(super) trouble: Option<StartFailure>,
    /// The containers whose entrypoint has run since the beginning.
    pub(super) started: Vec<String>,
    /// The volumes that were deleted.
    pub(super) swept: Vec<String>,
    /// What the engine refused, for the reader.
    pub(super) notes: Vec<String>,
}

impl SimulatedWorld {
    pub(super) fn place(&mut self, kind: PlaceKind) -> Id {
        self.places.push(DataPlace { kind, state: PlaceState::There });
        Id(self.places.len() - 1)
    }

    pub(super) fn state(&self, id: Id) -> PlaceState {
        self.places[id.0].state
    }

    /// The directory at that path of the host, where one is known.
    pub(super) fn directory(&self, path: &str) -> Option<Id> {
        let at = |place: &DataPlace| place.kind == PlaceKind::Directory(path.to_owned());
        self.places.iter().position(at).map(Id)
    }

    pub(super) fn directory_or_new(&mut self, path: &str) -> Id {
        self.directory(path).unwrap_or_else(|| self.place(PlaceKind::Directory(path.to_owned())))
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
        backing: Backing,
    ) -> Id {
        let content = match &backing {
            Backing::At(path) => self.directory_or_new(path),
            _ => self.place(PlaceKind::Volume { name: name.to_owned(), anonymous }),
        };
        self.records.push(Record {
            name: name.to_owned(),
            anonymous,
            prunable,
            content,
            backing,
            others: Others::No,
        });
        content
    }

    pub(super) fn instance(&self, name: &str) -> Option<&BackendInstance> {
        self.instances.iter().find(|instance| instance.name == name)
    }

    pub(super) fn current(&self) -> Option<&BackendInstance> {
        self.instance(self.current.as_deref()?)
    }

    /// What is mounted at a path of a container: the mount with the longest target over it, or the
    /// container's own layer.
    pub(super) fn behind(&self, instance: &BackendInstance, path: &str) -> Id {
        let Some(mount) = over(&instance.mounts, path) else { return instance.layer };
        match &mount.source {
            Source::Directory(id) | Source::Memory(id) => *id,
            Source::Volume { name, .. } => {
                self.record(name).map_or(instance.layer, |record| record.content)
            }
        }
    }

    fn is_used(&self, volume: &str, by: impl Fn(&BackendInstance) -> bool) -> bool {
        self.instances.iter().filter(|instance| by(instance)).any(|instance| {
            instance
                .mounts
                .iter()
                .any(|mount| matches!(&mount.source, Source::Volume { name, .. } if name == volume))
        })
    }

    fn lose(&mut self, id: Id, by: &'static str) {
        if self.places[id.0].state == PlaceState::There {
            self.places[id.0].state = PlaceState::Gone(by);
        }
    }

    /// Memory volumes that no running container uses are emptied.
    fn release_memory(&mut self) {
        for index in 0..self.records.len() {
            let record = &self.records[index];
            if record.backing == Backing::InMemory
                && record.others == Others::No
                && !self.is_used(&record.name, |instance| instance.running)
            {
                let (name, content) = (record.name.clone(), record.content);
                self.lose(content, EMPTIED);
                self.records[index].content =
                    self.place(PlaceKind::Volume { name, anonymous: false });
            }
        }
    }

    /// `stop` or `kill` of the containers that `which` picks. The engine removes one of `--rm` then,
    /// with the volumes that it made for it (moby `daemon/monitor.go`, `autoRemove`).
    pub(super) fn stop(&mut self, which: impl Fn(&BackendInstance) -> bool) {
        let ends: Vec<String> = self
            .instances
            .iter()
            .filter(|one| one.auto_remove && one.running && which(one))
            .map(|one| one.name.clone())
            .collect();
        self.halt(which);
        if !ends.is_empty() {
            self.take_away("`--rm` deletes it when the container stops", true, |one| {
                ends.contains(&one.name)
            });
        }
    }

    /// `restart`, which keeps even a container of `--rm`.
    pub(super) fn restart(&mut self, which: impl Fn(&BackendInstance) -> bool) {
        self.halt(&which);
        self.start(which);
    }

    /// Ends the processes of the containers that `which` picks.
    fn halt(&mut self, which: impl Fn(&BackendInstance) -> bool) {
        for index in 0..self.instances.len() {
            if !which(&self.instances[index]) || !self.instances[index].running {
                continue;
            }
            self.instances[index].running = false;
            let name = self.instances[index].name.clone();
            for at in 0..self.instances[index].mounts.len() {
                if let Source::Memory(id) = self.instances[index].mounts[at].source {
                    self.lose(id, EMPTIED);
                    let new = self.place(PlaceKind::Memory(name.clone()));
                    self.instances[index].mounts[at].source = Source::Memory(new);
                }
            }
        }
        self.release_memory();
    }

    /// `start`.
    pub(super) fn start(&mut self, which: impl Fn(&BackendInstance) -> bool) {
        for index in 0..self.instances.len() {
            if which(&self.instances[index]) && !self.instances[index].running {
                match self.missing_device(&self.instances[index].mounts) {
                    Some(reason) => self.trouble = Some(StartFailure::Fails(reason)),
                    None => {
                        self.instances[index].running = true;
                        self.started.push(self.instances[index].name.clone());
                    }
                }
            }
        }
    }

    /// Removes the containers that `which` picks, with `volumes` also the volumes that the engine
    /// made for them.
    pub(super) fn remove(&mut self, volumes: bool, which: impl Fn(&BackendInstance) -> bool) {
        self.halt(&which);
        self.take_away("`-v` deletes it with its container", volumes, which);
    }

    /// Deletes containers that have stopped, with `volumes` also their volumes, which go `by` that.
    fn take_away(
        &mut self,
        by: &'static str,
        volumes: bool,
        which: impl Fn(&BackendInstance) -> bool,
    ) {
        let (gone, kept): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.instances).into_iter().partition(|one| which(one));
        self.instances = kept;
        for instance in gone {
            self.lose(instance.layer, "it is deleted with its container");
            for mount in instance.mounts {
                match mount.source {
                    Source::Memory(id) => self.lose(id, "it is deleted with its container"),
                    Source::Volume { name, by_name: false }
                        if volumes && self.record(&name).is_some_and(|one| one.anonymous) =>
                    {
                        self.remove_volume(&name, by);
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
        let kind = PlaceKind::Volume { name: record.name, anonymous: record.anonymous };
        self.swept.push(kind.describe());
        let stays = match record.backing {
            Backing::WithEngine | Backing::InMemory => false,
            Backing::At(_) => true,
            Backing::NotSeen => self.assumed.content_stays,
        };
        if !stays {
            self.lose(record.content, by);
        }
        true
    }

    /// `docker volume prune`, with `all` also of those with a name.
    pub(super) fn prune_volumes(&mut self, all: bool) {
        let all = all || self.assumed.prunes_named;
        let wanted = |record: &&Record| all || record.anonymous && record.prunable;
        let names: Vec<_> =
            self.records.iter().filter(wanted).map(|record| record.name.clone()).collect();
        for name in names {
            self.remove_volume(&name, "the prune deletes it, because no container uses it");
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
                        self.places[content].state = PlaceState::Perhaps(
                            "another container uses it; if that is stopped, the prune removes it first",
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

    /// The first volume whose directory is no longer where the volume's options say.
    pub(super) fn missing_device(&self, mounts: &[Attached]) -> Option<String> {
        mounts.iter().find_map(|mount| {
            let Source::Volume { name, .. } = &mount.source else { return None };
            let Backing::At(path) = &self.record(name)?.backing else { return None };
            self.directory(path)
                .is_none()
                .then(|| format!("directory {path} of volume {name} does not exist"))
        })
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
