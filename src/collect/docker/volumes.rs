//! Which of the engine's volumes may belong to a Convex instance. Pure.

use std::collections::{BTreeMap, BTreeSet};

use bollard::models::{ContainerSummary, Volume as Listed};

use super::WantedObjects;
use super::container::seconds;
use crate::docker::helper::COPY_OF;
use crate::evidence::Observation;
use crate::evidence::docker::{Container, MountKind, Volume, VolumeBacking};
use crate::names::{PROJECT_LABEL, VOLUME_LABEL, is_anonymous_volume};
use crate::secret::{sanitize, scrub};

/// How many unattached volumes without a name are kept: the latest.
const DANGLING_KEPT: usize = 50;

/// The volumes attached to a backend, and the unattached ones that look like a Convex data volume,
/// latest first; and a note where some were left out.
pub(super) fn reduce(
    listed: &[Listed],
    containers: &[ContainerSummary],
    backends: &[Container],
    wanted: &WantedObjects<'_>,
) -> (Vec<Volume>, Option<String>) {
    let attached = attachments(containers, backends);
    let backend_names: BTreeSet<&str> = backends.iter().map(|c| c.name.as_str()).collect();
    let own = |name: &str| {
        attached
            .get(name)
            .is_some_and(|names| names.iter().any(|name| backend_names.contains(name.as_str())))
    };
    // The key of a data volume in the compose file, from the file itself and from what is mounted
    // now.
    let mounted: BTreeSet<&str> = backends
        .iter()
        .filter_map(|backend| backend.mount_over(&backend.storage.data_dir))
        .filter(|mount| mount.kind == MountKind::Named)
        .filter_map(|mount| mount.source.as_deref())
        .collect();
    let mut keys: BTreeSet<&str> = wanted.data_volume_keys.iter().map(String::as_str).collect();
    keys.extend(
        listed
            .iter()
            .filter(|volume| mounted.contains(volume.name.as_str()))
            .filter_map(|volume| volume.labels.get(VOLUME_LABEL))
            .map(String::as_str),
    );

    let mut kept: Vec<Volume> = listed
        .iter()
        .filter(|volume| {
            let key = volume.labels.get(VOLUME_LABEL).map(String::as_str);
            let name = volume.name.as_str();
            let convex = name.to_ascii_lowercase().contains("convex");
            let free = !attached.contains_key(name);
            own(name)
                || convex
                || wanted.declared_volumes.iter().any(|declared| declared == name)
                || free
                    && (is_anonymous_volume(name)
                        || name.ends_with("_data")
                        || key.is_some_and(|key| keys.contains(key)))
        })
        .map(|volume| Volume {
            name: volume.name.clone(),
            project: volume.labels.get(PROJECT_LABEL).cloned(),
            key: volume.labels.get(VOLUME_LABEL).cloned(),
            changed_at: volume.created_at.as_deref().and_then(seconds),
            attached_to: attached
                .get(volume.name.as_str())
                .map(|names| names.iter().cloned().collect())
                .unwrap_or_default(),
            anonymous: is_anonymous_volume(&volume.name),
            prunable: volume.labels.contains_key("com.docker.volume.anonymous"),
            copy_of: volume.labels.get(COPY_OF).cloned(),
            backing: backing(volume),
            content: Observation::default(),
        })
        .collect();
    kept.sort_by(|a, b| b.changed_at.cmp(&a.changed_at).then_with(|| a.name.cmp(&b.name)));

    let mut dangling = 0;
    kept.retain(|volume| {
        if !(volume.anonymous && volume.attached_to.is_empty()) {
            return true;
        }
        dangling += 1;
        dangling <= DANGLING_KEPT
    });
    let note = (dangling > DANGLING_KEPT).then(|| {
        format!(
            "{dangling} anonymous volumes are unused; the {DANGLING_KEPT} last changed are listed"
        )
    });
    (kept, note)
}

fn backing(volume: &Listed) -> VolumeBacking {
    let option = |name: &str| volume.options.get(name).map_or("", String::as_str);
    let device = sanitize(&scrub(option("device")));
    VolumeBacking::of(&sanitize(&volume.driver), option("type"), &device, false)
}

/// The declared volumes that the engine does not have.
pub(super) fn absent(listed: &[Listed], declared: &[String]) -> Vec<String> {
    let has = |name: &&String| listed.iter().any(|volume| volume.name == **name);
    declared.iter().filter(|name| !has(name)).cloned().collect()
}

/// Who refers to a volume, running or not.
fn attachments(
    containers: &[ContainerSummary],
    backends: &[Container],
) -> BTreeMap<String, BTreeSet<String>> {
    let mut attached: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for container in containers {
        for mount in container.mounts.iter().flatten() {
            if let Some(volume) = mount.name.as_deref().filter(|name| !name.is_empty()) {
                attached
                    .entry(volume.to_owned())
                    .or_default()
                    .insert(super::summary::name_of(container));
            }
        }
    }
    for backend in backends {
        for mount in &backend.storage.mounts {
            if let (MountKind::Named | MountKind::Anonymous, Some(volume)) =
                (mount.kind, mount.source.as_ref())
            {
                attached.entry(volume.clone()).or_default().insert(backend.name.clone());
            }
        }
    }
    attached
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::docker::ContainerStorage;

    fn listed(name: &str, key: &str, at: &str) -> Listed {
        let mut volume = Listed { name: name.to_owned(), ..Listed::default() };
        if !key.is_empty() {
            volume.labels.insert("com.docker.compose.volume".to_owned(), key.to_owned());
        }
        volume.created_at = Some(at.to_owned());
        volume
    }

    fn summary(name: &str, volume: &str) -> ContainerSummary {
        serde_json::from_value(serde_json::json!({
            "Names": [format!("/{name}")], "Mounts": [{"Type": "volume", "Name": volume}]
        }))
        .unwrap()
    }

    #[test]
    fn keeps_what_may_be_convex_and_says_who_refers_to_it() {
        let at = "2026-01-02T03:04:05Z";
        let volumes = [
            listed("app_store", "store", at),
            listed("old_store", "store", "2026-01-01T00:00:00+02:00"),
            listed("pg_data", "data", at),
            listed("free_data", "data", at),
            listed("my-Convex", "", at),
            listed("cache", "cache", at),
            listed(&"0f".repeat(32), "", "not a date"),
        ];
        let backend: Container = Container {
            name: "app-backend-1".to_owned(),
            storage: ContainerStorage {
                data_dir: "/convex/data".to_owned(),
                mounts: vec![crate::evidence::docker::Mount {
                    kind: MountKind::Named,
                    target: "/convex/data".to_owned(),
                    source: Some("app_store".to_owned()),
                    writable: true,
                }],
                ..ContainerStorage::default()
            },
            ..Container::default()
        };
        let declared = ["cache".to_owned(), "gone".to_owned()];
        let wanted =
            WantedObjects { declared_volumes: declared[1..].to_vec(), ..WantedObjects::default() };
        let of = |wanted: &WantedObjects<'_>| {
            reduce(&volumes, &[summary("pg", "pg_data")], std::slice::from_ref(&backend), wanted)
        };
        let (kept, note) = of(&wanted);
        let names: Vec<_> = kept.iter().map(|volume| volume.name.as_str()).collect();
        let anonymous = "0f".repeat(32);
        assert_eq!(names, ["app_store", "free_data", "my-Convex", "old_store", &anonymous]);
        assert_eq!(kept[0].attached_to, ["app-backend-1"]);
        assert!(kept[4].anonymous && kept[4].changed_at.is_none());
        assert_eq!(note, None);
        let (with_declared, _) =
            of(&WantedObjects { declared_volumes: declared.to_vec(), ..WantedObjects::default() });
        assert!(with_declared.iter().any(|volume| volume.name == "cache"));
        assert_eq!(absent(&volumes, &declared), ["gone"]);
    }

    #[test]
    fn a_thousand_unnamed_volumes_are_counted_not_listed() {
        let many: Vec<_> =
            (0..1000).map(|i| listed(&format!("{i:064x}"), "", "2026-01-02T03:04:05Z")).collect();
        let (kept, note) = reduce(&many, &[], &[], &WantedObjects::default());
        assert_eq!(kept.len(), DANGLING_KEPT);
        assert!(note.unwrap().starts_with("1000 "));
    }
}
