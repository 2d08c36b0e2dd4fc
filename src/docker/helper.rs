//! The recipe of a helper container: made, never started, looked into or written to through the
//! engine's archive, removed.
//!
//! What was measured on Docker 20.10, 26.1 and Podman 4.3: an image that is there already serves;
//! without `nocopy` the engine would fill an empty volume from the image, even a read-only one;
//! something has to be mounted at every path that the image declares as a volume, or the engine
//! would make one; only volumes that exist may be named, or the engine would make those too. Never
//! removed with `v=1`: Podman then deletes every anonymous volume of the container, those among
//! them that it was made to look into (Docker spares what was given by name).
#![allow(
    clippy::disallowed_methods,
    reason = "a helper bears the name of the process that made it"
)]

use std::collections::HashMap;

use bollard::models::{ContainerCreateBody, ContainerSummary, HostConfig};

/// The label of every helper container; its value names the process that made it ([`maker`]).
pub const LABEL: &str = "convex-doctor.helper";

/// The further label of a helper through which a volume is copied; its value is the name of the new
/// volume. Removing such a helper alone would leave half a copy behind that nothing refers to.
pub const COPIES_INTO: &str = "convex-doctor.copies-into";

/// The label of a volume that was made by copying; its value is the name of the one that it was
/// copied from.
pub const COPY_OF: &str = "convex-doctor.copy-of";

/// The label of such a volume that a compose file declared before it was made: a user who runs
/// `docker compose up` has started a backend with it, be it half a copy.
pub const DECLARED: &str = "convex-doctor.copy-declared";

/// What stands as its entrypoint: no such program, so that it is not started by mistake.
const ENTRYPOINT: &str = "/convex-doctor-helper-is-never-started";

/// What was left behind is taken for abandoned at this age in seconds, where it is not known
/// whether its maker still runs: no look takes longer.
pub const LOOKS_AT_MOST: i64 = 300;

/// The same for whatever changes something: the copy of a big volume takes its time.
pub const CHANGES_AT_MOST: i64 = 24 * 3600;

/// The body of a helper made from `image`, with `binds` as the engine takes them
/// (`VOLUME:/path:ro,nocopy`), and further labels.
pub fn body(image: &str, binds: Vec<String>, labels: &[(&str, &str)]) -> ContainerCreateBody {
    let mut all = HashMap::from([(LABEL.to_owned(), maker())]);
    all.extend(labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(vec![ENTRYPOINT.to_owned()]),
        cmd: Some(Vec::new()),
        labels: Some(all),
        network_disabled: Some(true),
        host_config: Some(HostConfig {
            binds: Some(binds),
            network_mode: Some("none".to_owned()),
            readonly_rootfs: Some(true),
            cap_drop: Some(vec!["ALL".to_owned()]),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

/// Whether nothing uses it any more: the process that made it, named by `label`, is
/// gone from this machine, or it is old. `now` is in seconds since 1970, `at_most` in seconds.
pub fn is_abandoned(thing: &ContainerSummary, label: &str, now: i64, at_most: i64) -> bool {
    let old = thing.created.is_some_and(|created| now - created > at_most);
    let maker = thing.labels.as_ref().and_then(|labels| labels.get(label));
    let dead = maker.and_then(|maker| maker.rsplit_once('/')).is_some_and(|(machine, process)| {
        machine == this_machine() && process.parse().is_ok_and(|process| !is_alive(process))
    });
    old || dead
}

/// `MACHINE/PROCESS`: this process, as it is written in labels.
pub fn maker() -> String {
    format!("{}/{}", this_machine(), std::process::id())
}

#[cfg(unix)]
fn this_machine() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(unix)]
fn is_alive(process: i32) -> bool {
    let dead = Err(rustix::io::Errno::SRCH);
    rustix::process::Pid::from_raw(process)
        .is_none_or(|process| rustix::process::test_kill_process(process) != dead)
}

#[cfg(not(unix))]
fn this_machine() -> String {
    "unknown".to_owned()
}

/// Not known: then its age tells.
#[cfg(not(unix))]
fn is_alive(_: i32) -> bool {
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_abandoned_when_its_process_is_gone_or_it_is_old() {
        let me = maker();
        let gone = format!("{}/{}", this_machine(), i32::MAX);
        for (case, label, age, expected) in [
            ("my own", me.as_str(), 10, false),
            ("of a process that is gone", &gone, 10, cfg!(unix)),
            ("of another machine", "elsewhere/1", 10, false),
            ("old", "elsewhere/1", 1000, true),
        ] {
            let helper = serde_json::from_value(serde_json::json!({
                "Labels": {LABEL: label}, "State": "created", "Created": 5000 - age
            }))
            .unwrap();
            assert_eq!(is_abandoned(&helper, LABEL, 5000, LOOKS_AT_MOST), expected, "{case}");
        }
    }
}
