//! Which containers are left alone, and where one keeps its data. Pure.

use bollard::models::{
    ChangeType, ContainerInspectResponse, ContainerStateStatusEnum as Status, ContainerSummary,
    FilesystemChange,
};

use super::alike::is_at_or_under;
use super::{NEW, SET_ASIDE};
use crate::docker::helper;
use crate::secret::sanitize;

/// Where upstream's scripts keep everything unless DATA_DIR says otherwise.
const DATA_DIR: &str = "/convex/data";

/// Labels, by their beginning, of those who replace a container that is not as they made it.
const KEEPERS: [(&str, &str); 4] = [
    ("com.docker.swarm.", "belongs to a Docker Swarm service"),
    ("com.docker.stack.", "belongs to a Docker Swarm stack"),
    ("io.kubernetes.", "belongs to a Kubernetes pod"),
    ("annotation.io.kubernetes.", "belongs to a Kubernetes pod"),
];

/// Why a container must not be stopped: it, or what it holds, would be gone.
pub(super) fn would_be_lost(container: &ContainerInspectResponse) -> Option<String> {
    let host = container.host_config.as_ref()?;
    if host.auto_remove == Some(true) {
        return Some(
            "was started with --rm: stopping it deletes it and its anonymous volumes".to_owned(),
        );
    }
    let long =
        container.mounts.iter().flatten().filter(|mount| mount.typ.as_deref() == Some("tmpfs"));
    let in_memory = host
        .tmpfs
        .iter()
        .flatten()
        .map(|(target, _)| target.as_str())
        .chain(long.filter_map(|mount| mount.destination.as_deref()));
    let directories = data_directories(container);
    for target in in_memory {
        let holds = |directory: &String| {
            // `tmp` holds nothing that has to last.
            let scratch = is_at_or_under(target, &format!("{directory}/tmp"));
            (is_at_or_under(directory, target) || is_at_or_under(target, directory)) && !scratch
        };
        // Something else may be mounted between the two: then the data is there.
        let covered = |directory: &String| {
            container.mounts.iter().flatten().any(|mount| {
                let between = mount.destination.as_deref().unwrap_or_default();
                mount.typ.as_deref() != Some("tmpfs")
                    && is_at_or_under(directory, between)
                    && is_at_or_under(between, target)
            })
        };
        if directories.iter().any(|directory| holds(directory) && !covered(directory)) {
            return Some(format!(
                "keeps data in memory (tmpfs at {target}): stopping it loses that for good"
            ));
        }
    }
    None
}

/// Why a container must not be replaced.
pub(super) fn refusal(container: &ContainerInspectResponse) -> Option<String> {
    let labels = container.config.as_ref().and_then(|config| config.labels.as_ref());
    for (label, _) in labels.into_iter().flatten() {
        if let Some((_, whose)) = KEEPERS.iter().find(|(start, _)| label.starts_with(start)) {
            return Some(format!("{whose}, which recreates its containers: change it there"));
        }
        if label == helper::LABEL {
            return Some("is a helper container of convex-doctor".to_owned());
        }
    }
    if [NEW, SET_ASIDE].iter().any(|suffix| name_of(container).ends_with(suffix)) {
        return Some("is left from an earlier fix".to_owned());
    }
    match container.state.as_ref().and_then(|state| state.status) {
        Some(Status::PAUSED) => return Some("is paused: run docker unpause first".to_owned()),
        Some(Status::REMOVING | Status::DEAD) => return Some("is being removed".to_owned()),
        _ => {}
    }
    would_be_lost(container)
}

/// Its name without the slash.
pub(super) fn name_of(container: &ContainerInspectResponse) -> &str {
    container.name.as_deref().unwrap_or_default().trim_start_matches('/')
}

/// Whether it runs, or is about to again.
pub(super) fn runs(container: &ContainerInspectResponse) -> bool {
    let state = container.state.as_ref();
    state.is_some_and(|state| state.running == Some(true) || state.restarting == Some(true))
}

/// Whether it is frozen.
pub(super) fn is_paused(container: &ContainerInspectResponse) -> bool {
    container.state.as_ref().is_some_and(|state| state.paused == Some(true))
}

/// Whether it was ever started: the engine writes the year 1 for never.
pub(super) fn ran(container: &ContainerInspectResponse) -> bool {
    let started = container.state.as_ref().and_then(|state| state.started_at.as_deref());
    started.is_some_and(|at| !at.is_empty() && !at.starts_with("0001-"))
}

/// The first path with data in the container's own layer, which is deleted with it.
pub(super) fn in_layer(
    container: &ContainerInspectResponse,
    changes: &[FilesystemChange],
) -> Option<String> {
    let directories = data_directories(container);
    let mounts: Vec<&str> = container
        .mounts
        .iter()
        .flatten()
        .filter_map(|mount| mount.destination.as_deref())
        .collect();
    let holds_data = |change: &&FilesystemChange| {
        let path = &change.path;
        let inside = directories
            .iter()
            .any(|directory| path != directory && is_at_or_under(path, directory));
        // The engine makes the directories that it mounts on, and shows them as added.
        let of_a_mount =
            mounts.iter().any(|mount| is_at_or_under(path, mount) || is_at_or_under(mount, path));
        change.kind != ChangeType::_2 && inside && !of_a_mount
    };
    changes.iter().find(holds_data).map(|change| change.path.clone())
}

/// Where it keeps its data and its credentials.
fn data_directories(container: &ContainerInspectResponse) -> Vec<String> {
    let entries = container.config.as_ref().and_then(|config| config.env.as_deref());
    let set = |name: &str| {
        let values = entries.unwrap_or_default().iter().filter_map(|entry| entry.split_once('='));
        let mut values = values.filter(|(known, value)| *known == name && value.starts_with('/'));
        values.next_back().map(|(_, value)| value.trim_end_matches('/').to_owned())
    };
    let data = set("DATA_DIR").unwrap_or_else(|| DATA_DIR.to_owned());
    [Some(data), set("CREDENTIALS_DIR")].into_iter().flatten().collect()
}

/// The name of a listed container, safe to show.
pub(super) fn shown_name(container: &ContainerSummary) -> String {
    let first = container.names.as_ref().and_then(|names| names.first());
    sanitize(first.map(String::as_str).unwrap_or_default().trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn container(fields: Value) -> ContainerInspectResponse {
        serde_json::from_value(fields).unwrap()
    }

    #[test]
    fn whom_others_keep_and_what_stopping_would_lose_is_left_alone() {
        let labelled = |label: &str| json!({"Config": {"Labels": {label: "x"}}, "HostConfig": {}});
        let state = |status: &str| json!({"State": {"Status": status}, "HostConfig": {}});
        let tmpfs = |target: &str| json!({"HostConfig": {"Tmpfs": {target: ""}}});
        let long = |target: &str| json!({"HostConfig": {}, "Mounts": [{"Type": "tmpfs", "Destination": target}]});
        let over_tmpfs = json!({"HostConfig": {"Tmpfs": {"/convex": ""}}, "Mounts": [
            {"Type": "volume", "Name": "v", "Destination": "/convex/data"}]});
        let elsewhere = json!({"HostConfig": {"Tmpfs": {"/srv": ""}},
            "Config": {"Env": ["DATA_DIR=/srv/cx/"]}});
        for (fields, said) in [
            (labelled("com.docker.swarm.service.id"), "Swarm"),
            (labelled("io.kubernetes.pod.name"), "Kubernetes"),
            (labelled("com.docker.compose.project"), ""),
            (labelled(helper::LABEL), "helper"),
            (json!({"HostConfig": {"AutoRemove": true}}), "--rm"),
            (json!({"Name": "/x.before-convex-doctor", "HostConfig": {}}), "earlier fix"),
            (state("paused"), "unpause"),
            (state("dead"), "being removed"),
            (state("running"), ""),
            (tmpfs("/convex/data"), "in memory"),
            (tmpfs("/convex"), "in memory"),
            (tmpfs("/convex/data/storage/"), "in memory"),
            (tmpfs("/convex/data/tmp"), ""),
            (tmpfs("/convex/database"), ""),
            (tmpfs("/tmp"), ""),
            (long("/convex/data"), "in memory"),
            (long("/tmp"), ""),
            (over_tmpfs, ""),
            (elsewhere, "in memory"),
        ] {
            let found = refusal(&container(fields.clone()));
            assert_eq!(found.is_some(), !said.is_empty(), "{fields}: {found:?}");
            assert!(found.as_deref().unwrap_or_default().contains(said), "{fields}: {found:?}");
        }
    }

    #[test]
    fn data_in_the_layer_is_told_from_the_places_of_mounts() {
        let volume = json!([{"Type": "volume", "Name": "v", "Destination": "/convex/data"}]);
        let nested = json!([{"Type": "volume", "Name": "v", "Destination": "/srv/cx/credentials"}]);
        for (env, mounts, changes, expected) in [
            ("A=b", &volume, &[("/convex", 0), ("/convex/data", 1)][..], None),
            ("A=b", &volume, &[("/convex/notes", 1), ("/tmp/x", 1)], None),
            (
                "A=b",
                &json!([]),
                &[("/convex/data", 1), ("/convex/data/db.sqlite3", 1)],
                Some("/convex/data/db.sqlite3"),
            ),
            ("A=b", &json!([]), &[("/convex/data/db.sqlite3", 2)], None),
            (
                "DATA_DIR=/srv/cx",
                &volume,
                &[("/srv", 1), ("/srv/cx", 1), ("/srv/cx/db", 0)],
                Some("/srv/cx/db"),
            ),
            ("DATA_DIR=/srv/cx", &nested, &[("/srv/cx/credentials", 1)], None),
            ("DATA_DIR=/srv/cx", &nested, &[("/srv/cx/storage/a", 1)], Some("/srv/cx/storage/a")),
            (
                "CREDENTIALS_DIR=/keys",
                &volume,
                &[("/keys/instance_secret", 1)],
                Some("/keys/instance_secret"),
            ),
        ] {
            let container = container(json!({"Config": {"Env": [env]}, "Mounts": mounts}));
            let changes: Vec<FilesystemChange> = changes
                .iter()
                .map(|(path, kind)| json!({"Path": path, "Kind": kind}))
                .map(|change| serde_json::from_value(change).unwrap())
                .collect();
            let found = in_layer(&container, &changes);
            assert_eq!(found.as_deref(), expected, "{env} {mounts} {changes:?}");
        }
    }
}
