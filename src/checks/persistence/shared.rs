//! Two running backends write to one data directory: neither knows of the other, and together they
//! corrupt the database.

use crate::checks::Check;
use crate::deployment::container::all_inspected;
use crate::deployment::data::is_persistent;
use crate::evidence::{Evidence, Unseen};
use crate::report::{Certainty, Command, Finding, Location, Remedy, Rule, Text};

/// Two running backends on one volume.
pub static DATA_VOLUME_SHARED: Rule =
    rule!("data-volume-shared", Error, "two running backends use the same data directory");

/// Compares the mounts of the running backends.
pub static CHECK: Check = Check { rules: &[&DATA_VOLUME_SHARED], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let docker = evidence.docker.seen()?;
    let ours = [docker.expected(), docker.answering().map(|(container, _)| container)];
    let mut seen = Vec::new();
    for (one, other) in
        docker.backends.iter().enumerate().flat_map(|(index, one)| {
            docker.backends[index + 1..].iter().map(move |other| (one, other))
        })
    {
        let concerns_us = ours.iter().flatten().any(|c| c.name == one.name || c.name == other.name);
        let (Some(mine), Some(its)) =
            (one.mount_over(&one.storage.data_dir), other.mount_over(&other.storage.data_dir))
        else {
            continue;
        };
        let Some(source) = mine.source.as_ref().filter(|_| mine.source == its.source) else {
            continue;
        };
        // One directory mounted at two paths is shared only if the data is at the same place in it.
        let place_in = |target: &str, data: &str| {
            data.strip_prefix(target.trim_end_matches('/')).map(str::to_owned)
        };
        let same_place = place_in(&mine.target, &one.storage.data_dir)
            == place_in(&its.target, &other.storage.data_dir);
        if concerns_us
            && same_place
            && is_persistent(mine)
            && one.is_running()
            && other.is_running()
        {
            let mounts =
                |target: &str| Text::from(format!("Mounts {source} at {target}")).volume(source);
            let stranger = stranger(docker.expected.as_deref(), &one.name, &other.name);
            let stop = Remedy::careful(format!("Stop {stranger}, if it is not the one you need"))
                .run(Command::docker(["stop", stranger]));
            let separate =
                Remedy::careful("Give the stopped one its own volume before it starts again");
            seen.push(
                DATA_VOLUME_SHARED
                    .finding(
                        Certainty::Proven,
                        Text::from(format!(
                            "{} and {} both use {source}. SQLite does not prevent this, and \
                             neither backend sees what the other one writes.",
                            one.name, other.name
                        ))
                        .volume(source),
                    )
                    .because(mounts(&mine.target), one.name.clone())
                    .because(mounts(&its.target), other.name.clone())
                    .at(Location::container(&one.name))
                    .at(Location::container(&other.name))
                    .remedy(stop.step())
                    .remedy(separate.step()),
            );
        }
    }
    if seen.is_empty() {
        all_inspected(docker)?;
    }
    Ok(seen)
}

/// The one of the two that is not this project's.
fn stranger<'a>(expected: Option<&str>, one: &'a str, other: &'a str) -> &'a str {
    if expected == Some(other) { one } else { other }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key::{self as build, container, mount};
    use crate::evidence::docker::MountKind;

    #[test]
    fn two_running_backends_on_one_volume() {
        for (case, volume, state, expected) in [
            ("its own", "other_data", "running", 0),
            ("shared", "app_data", "running", 1),
            ("the other is stopped", "app_data", "exited", 0),
        ] {
            let mut evidence = build::healthy();
            let mut other = container("other", "theirs");
            other.storage.mounts = vec![mount(MountKind::Named, Some(volume), "/convex/data")];
            other.life.state = state.into();
            build::docker(&mut evidence).backends.push(other);
            assert_eq!(run(&evidence).unwrap().len(), expected, "{case}");
        }
        assert_eq!(run(&build::healthy()), Ok(vec![]));
        assert!(run(&Evidence::default()).is_err());
    }
}
