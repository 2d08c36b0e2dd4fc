//! A small Compose: `up` with what it carries over from the old container, `down`, and edits of the
//! file.
//!
//! As measured with Compose 2.40 and as its `pkg/compose/create.go` (`buildContainerMountOptions`)
//! has it.

use super::model::{
    Attached, Instance, Kind, Lives, Pin, Plan, Planned, PlannedSource, PlannedVolume, Source,
    State, Trouble,
};
use super::world::World;
use crate::names::DATA_DIR;

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

impl World {
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

    /// Whether `up` would make the container anew without being told to: as far as mounts and the
    /// secret go.
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
        plan: &Plan,
        project: &str,
        old: Option<&Instance>,
    ) -> Result<Instance, String> {
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
        if self.assumed.image_volume && !mounts.iter().any(|mount| mount.target == DATA_DIR) {
            let volume = format!("new-{number}");
            self.new_record(&volume, true, !self.assumed.prunes_named, Lives::WithEngine);
            let source = Source::Volume { name: volume, by_name: false };
            let target = DATA_DIR.to_owned();
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
