//! A small Compose: `up` with what it carries over from the old container, `down`, and edits of the
//! file.
//!
//! As measured with Compose 2.40 and as its `pkg/compose/create.go` (`buildContainerMountOptions`)
//! has it.

use super::model::{
    Attached, BackendInstance, Backing, ComposePlan, Pin, PlaceKind, PlaceState, Planned,
    PlannedSource, PlannedVolume, Source, StartFailure, Up,
};
use super::world::SimulatedWorld;
use crate::names::DATA_DIR;

impl SimulatedWorld {
    /// `docker compose down`.
    pub(super) fn down(&mut self, project: &str, volumes: bool) {
        self.remove(volumes, |instance| instance.project.as_deref() == Some(project));
        if !volumes {
            return;
        }
        let Some(plan) = &self.plan else {
            // The declared volumes that are not external are not known: the file was not found.
            for index in 0..self.records.len() {
                let record = &self.records[index];
                let place = record.content.0;
                if !record.anonymous
                    && record.backing == Backing::WithEngine
                    && self.is_free(&record.name)
                    && self.places[place].state == PlaceState::There
                {
                    self.places[place].state =
                        PlaceState::Perhaps("not known whether the compose file declares it");
                }
            }
            return;
        };
        let is_ours = project == plan.project;
        let ours = plan.volumes.iter().filter(|volume| volume.used && !volume.external);
        for name in ours.map(|volume| volume.name(project)).collect::<Vec<_>>() {
            if self.record(&name).is_some() {
                self.remove_volume(&name, "`-v` deletes it");
            } else if is_ours {
                // Another service's: not looked at, and deleted all the same.
                self.swept.push(format!("volume {name}"));
            }
        }
    }

    /// `docker compose up -d`.
    pub(super) fn up(&mut self, up: &Up) {
        let Some(plan) = self.plan.clone() else {
            self.trouble = Some(StartFailure::NotSeen(self.no_plan.clone()));
            return;
        };
        let project = up.project.clone().unwrap_or_else(|| plan.project.clone());
        let is_it = |one: &BackendInstance| {
            one.project.as_deref() == Some(&project)
                && one.service.as_deref() == Some(&plan.service)
        };
        let old = self.instances.iter().find(|one| is_it(one)).cloned();
        let recreate = match &old {
            None => true,
            Some(_) if up.keep => false,
            Some(old) => up.renew || up.force || self.changed || self.differs(&plan, &project, old),
        };
        if let Some(old) = old.as_ref().filter(|_| !recreate) {
            self.current = Some(old.name.clone());
            self.start(is_it);
            return;
        }
        match self.create(&plan, &project, old.as_ref().filter(|_| !up.renew)) {
            Err(reason) => self.trouble = Some(StartFailure::Fails(reason)),
            Ok(mut new) => {
                self.remove(false, is_it);
                if up.remove_orphans {
                    self.remove(false, |one| one.project.as_deref() == Some(&project));
                }
                if let Some(reason) = self.missing_device(&new.mounts) {
                    self.trouble = Some(StartFailure::Fails(reason));
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

    /// Whether `up` would recreate the container without an option for it: as far as mounts and the
    /// secret go.
    fn differs(&self, plan: &ComposePlan, project: &str, instance: &BackendInstance) -> bool {
        let at = |target: &str| instance.mounts.iter().find(|mount| mount.target == target);
        let mounted = |planned: &Planned| match (&planned.source, at(&planned.target)) {
            (PlannedSource::Volume(key), Some(mount)) => {
                let declared = plan.volumes.iter().find(|volume| volume.key == *key);
                let name = declared.map(|volume| volume.name(project));
                matches!(&mount.source, Source::Volume { name: other, .. } if Some(other) == name.as_ref())
            }
            (source @ PlannedSource::Directory { .. }, Some(mount)) => {
                let now = source.directory(project).and_then(|path| self.directory(&path));
                matches!(mount.source, Source::Directory(id) if now == Some(id))
            }
            (PlannedSource::Anonymous, Some(mount)) => {
                matches!(mount.source, Source::Volume { .. })
            }
            (PlannedSource::Memory, Some(mount)) => matches!(mount.source, Source::Memory(_)),
            (_, None) => false,
        };
        let planned = |mount: &Attached| {
            mount.target == DATA_DIR
                || plan.mounts.iter().any(|planned| planned.target == mount.target)
        };
        let is_set = |pin: &Pin| *pin != Pin::No;
        !plan.mounts.iter().all(mounted)
            || !instance.mounts.iter().all(planned)
            || is_set(&plan.settings.pin) != is_set(&instance.settings.pin)
    }

    /// The container that Compose would make; from an `old` one it takes over what is mounted where
    /// the image has a volume, or where the file has an entry without a source.
    fn create(
        &mut self,
        plan: &ComposePlan,
        project: &str,
        old: Option<&BackendInstance>,
    ) -> Result<BackendInstance, String> {
        let number = self.instances.len() + self.places.len();
        let name = match old {
            Some(old) => old.name.clone(),
            None => format!("{project}-{}-1", plan.service),
        };
        let is_image_volume = |target: &str| self.assumed.image_volume && target == DATA_DIR;
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
            let directory = planned.source.directory(project).unwrap_or_default();
            let source = match planned.source {
                PlannedSource::Memory => {
                    Source::Memory(self.place(PlaceKind::Memory(name.clone())))
                }
                PlannedSource::Anonymous => {
                    let volume = format!("new-{number}-{index}");
                    self.new_record(&volume, true, false, Backing::WithEngine);
                    Source::Volume { name: volume, by_name: false }
                }
                PlannedSource::Directory { made, .. } => match self.directory(&directory) {
                    Some(id) => Source::Directory(id),
                    None if made => Source::Directory(self.directory_or_new(&directory)),
                    None => return Err(format!("directory {directory} does not exist")),
                },
                PlannedSource::Volume(key) => {
                    let declared = plan.volumes.iter().find(|volume| volume.key == key);
                    let Some(declared) = declared else {
                        return Err(format!("volume {key} is not declared"));
                    };
                    let volume = declared.name(project);
                    if self.record(&volume).is_none() {
                        if declared.external {
                            return Err(format!("the external volume {volume} does not exist"));
                        }
                        if let Backing::At(path) = &declared.backing
                            && self.directory(path).is_none()
                        {
                            return Err(format!("directory {path} of the volume does not exist"));
                        }
                        self.new_record(&volume, false, false, declared.backing.clone());
                    }
                    Source::Volume { name: volume, by_name: true }
                }
            };
            mounts.retain(|mount| mount.target != planned.target);
            mounts.push(Attached { target: planned.target, source, read_only: planned.read_only });
        }
        if self.assumed.image_volume && !mounts.iter().any(|mount| mount.target == DATA_DIR) {
            let volume = format!("new-{number}");
            self.new_record(&volume, true, !self.assumed.prunes_named, Backing::WithEngine);
            let source = Source::Volume { name: volume, by_name: false };
            let target = DATA_DIR.to_owned();
            mounts.push(Attached { target, source, read_only: false });
        }
        Ok(BackendInstance {
            layer: self.place(PlaceKind::Layer(name.clone())),
            name,
            id: String::new(),
            project: Some(project.to_owned()),
            service: Some(plan.service.clone()),
            running: true,
            auto_remove: false,
            mounts,
            settings: plan.settings.clone(),
        })
    }

    /// The project's directory gets another name; its contents move along.
    pub(super) fn rename_directory(&mut self) {
        let Some(plan) = &mut self.plan else { return };
        let old = plan.directory.trim_end_matches('/').to_owned();
        let new = format!("{old}-renamed");
        let moved = |path: &str| {
            let rest = path.strip_prefix(&old)?;
            (rest.is_empty() || rest.starts_with('/')).then(|| format!("{new}{rest}"))
        };
        for mount in &mut plan.mounts {
            if let PlannedSource::Directory { path, by_project, relative: true, .. } =
                &mut mount.source
                && let Some(other) = moved(path)
            {
                *path = other;
                *by_project = by_project.as_deref().and_then(&moved);
                self.changed = true;
            }
        }
        for volume in &mut plan.volumes {
            if let (true, Backing::At(path)) = (volume.relative, &mut volume.backing)
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
            if let PlaceKind::Directory(path) = &mut place.kind
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

    /// Another named volume is mounted at the image's own path, in place of what the file mounts
    /// there.
    pub(super) fn add_named_volume(&mut self) {
        let Some(plan) = &mut self.plan else { return };
        let key = "another".to_owned();
        plan.mounts.retain(|mount| mount.target != DATA_DIR);
        plan.mounts.push(Planned {
            target: DATA_DIR.to_owned(),
            source: PlannedSource::Volume(key.clone()),
            read_only: false,
        });
        plan.volumes.push(PlannedVolume {
            key,
            by_project: None,
            fixed: None,
            external: false,
            used: true,
            backing: Backing::WithEngine,
            relative: false,
        });
        self.changed = true;
    }

    /// The service's `volumes:` are deleted from the file.
    pub(super) fn delete_entries(&mut self) {
        let Some(plan) = &mut self.plan else { return };
        // A file without any is not another file then.
        self.changed |= !plan.mounts.is_empty();
        plan.mounts.clear();
        for volume in &mut plan.volumes {
            volume.used = false;
        }
    }
}
