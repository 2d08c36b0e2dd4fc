//! The same compose file under another project name: Compose created new, empty volumes, and the
//! old ones are kept under the old name.
//!
//! Never if the key is accepted: every project with the official compose file has a volume `data`.

use crate::checks::Check;
use crate::deployment::candidates::{is_elsewhere, look_for_candidates};
use crate::deployment::compose::declared_backend;
use crate::deployment::container::key_subject;
use crate::deployment::key::{created_day, fits_untested, key_is_accepted, selected_key};
use crate::evidence::compose::ComposeFacts;
use crate::evidence::docker::Container;
use crate::evidence::key::SecretPlace;
use crate::evidence::{Evidence, Unseen};
use crate::remedies::mint::for_answering;
use crate::remedies::volumes::take_over;
use crate::remedies::way_back::bring_back;
use crate::report::{Certainty, ChainLink, Finding, FixPolicy, Level, Location, Rule, Text};

/// The project had another name.
pub static PROJECT_RENAMED: Rule =
    rule!("project-renamed", Error, "the project was renamed; its data is in the old volume")
        .cause(&["key-from-detached-volume"])
        .breaks(ChainLink::Key)
        .fix(FixPolicy::OlderData);

/// Whether the project was renamed.
pub static CHECK: Check = Check { rules: &[&PROJECT_RENAMED], run };

fn run(evidence: &Evidence) -> Result<Vec<Finding>, Unseen> {
    let Some((compose, service)) = declared_backend(evidence)? else { return Ok(vec![]) };
    if key_is_accepted(evidence) {
        return Ok(vec![]);
    }
    evidence.docker.seen()?;
    let ceiling = key_subject(evidence)
        .filter(|subject| !subject.assumed)
        .map_or(Certainty::Likely, |subject| subject.certainty);
    if let Some(old) = old_holder(evidence, compose) {
        let certainty = match old.relation {
            Relation::SameFile | Relation::Gone => Certainty::Proven,
            Relation::DirectoryRenamed => Certainty::Likely,
            Relation::Unknown => Certainty::Possible,
        };
        let level =
            if certainty == Certainty::Possible { Level::Warning } else { PROJECT_RENAMED.level };
        let finding = finding(compose, old.project, old.volume, certainty.min(ceiling))
            .level(level)
            .because(
                Text::from(format!(
                    "The key, created {}, matches the secret in {}",
                    old.created, old.source
                ))
                .volume(old.source),
                old.source.to_owned(),
            )
            .at(service.at.location());
        let held = old.volume.unwrap_or("the old volume");
        let mut keep_new = for_answering(
            evidence,
            format!("Keep the new, empty database and generate a new key ({held} is kept)"),
        );
        keep_new.title = keep_new.title.volume(held);
        let finding = with_way_back(evidence, finding, old.project, old.volume);
        return Ok(vec![finding.remedy(keep_new)]);
    }
    // By name and labels only, it is possible at most: another project can have such a volume.
    let candidates = look_for_candidates(evidence)?;
    match fits_untested(evidence) {
        Some(unasked) if !candidates.is_empty() => return Err(unasked),
        _ => {}
    }
    Ok(candidates
        .into_iter()
        .map(|candidate| {
            let (project, name) = (candidate.project, candidate.volume.name.as_str());
            let finding = finding(compose, project, Some(name), Certainty::Possible)
                .level(Level::Warning)
                .because("Is not used by a running backend", format!("volume {name}"));
            with_way_back(evidence, finding, project, Some(name))
        })
        .collect())
}

fn finding(
    compose: &ComposeFacts,
    project: &str,
    volume: Option<&str>,
    certainty: Certainty,
) -> Finding {
    let held = volume.map_or_else(|| "its volume".to_owned(), |volume| format!("volume {volume}"));
    let (is, was) = match certainty {
        Certainty::Proven => ("is", "was"),
        Certainty::Likely => ("is probably", "was probably"),
        Certainty::Possible => ("may be", "may have been"),
    };
    let detail = format!(
        "The older data {is} in {held} of project {project}. The project {was} renamed from \
         {project} to {}, and Compose created new volumes.",
        compose.project
    );
    let finding =
        PROJECT_RENAMED.finding(certainty, Text::from(detail).volume(volume.unwrap_or_default()));
    match volume {
        Some(volume) => finding.at(Location::volume(volume)),
        None => finding,
    }
}

fn with_way_back(
    evidence: &Evidence,
    finding: Finding,
    project: &str,
    volume: Option<&str>,
) -> Finding {
    let mut finding = finding;
    // The name alone is not enough to use the volume: it may belong to another project.
    if finding.certainty > Certainty::Possible
        && let Some(volume) = volume
    {
        finding.remedies.extend(take_over(evidence, volume, PROJECT_RENAMED.id));
    }
    finding.remedies.extend(bring_back(
        evidence,
        volume.unwrap_or("the old volume"),
        Some(project),
    ));
    finding
}

/// How the old project and this one belong together.
enum Relation {
    /// The same compose file, or the same directory.
    SameFile,
    /// The old project's files are gone from this machine: only this project can be its successor.
    Gone,
    /// Files of the same names in a directory next to this one.
    DirectoryRenamed,
    /// Nothing shows it.
    Unknown,
}

/// Another project's container or volume with the secret that the key matches.
struct Old<'a> {
    project: &'a str,
    volume: Option<&'a str>,
    source: &'a str,
    /// The day on which the key was created.
    created: String,
    relation: Relation,
}

fn old_holder<'a>(evidence: &'a Evidence, compose: &ComposeFacts) -> Option<Old<'a>> {
    let docker = evidence.docker.seen().ok()?;
    let volumes = docker.volumes.seen().map(Vec::as_slice).unwrap_or_default();
    let own = key_subject(evidence).map(|subject| subject.container.name.as_str());
    let opened = selected_key(evidence)?
        .trials
        .iter()
        .filter_map(|trial| Some((trial.opened.as_ref()?, &trial.places)));
    opened.flat_map(|(claims, places)| places.iter().map(move |it| (claims, it))).find_map(
        |(claims, place)| {
            let (container, volume) = match place {
                SecretPlace::File { container, volume: Some(volume) } => (Some(container), volume),
                SecretPlace::Volume { volume } => (None, volume),
                _ => return None,
            };
            let holder = container.and_then(|container| docker.backend(container));
            let is_own = container.is_some_and(|container| own == Some(container.as_str()));
            let is_elsewhere = holder.is_some_and(|it| is_elsewhere(it, &compose.directory));
            if is_own || is_elsewhere || holder.is_some_and(Container::is_running) {
                return None;
            }
            let of_volume = || volumes.iter().find(|seen| seen.name == *volume)?.project.as_deref();
            let project =
                holder.and_then(|holder| holder.labels.project.as_deref()).or_else(of_volume)?;
            (project != compose.project).then(|| Old {
                project,
                volume: Some(volume),
                source: container.unwrap_or(volume),
                created: created_day(claims),
                relation: holder.map_or(Relation::Unknown, |holder| relation(holder, compose)),
            })
        },
    )
}

fn relation(holder: &Container, compose: &ComposeFacts) -> Relation {
    let split = |path: &str| {
        let (directory, file) = path.rsplit_once('/').unwrap_or(("", path));
        let parent = directory.rsplit_once('/').map_or("", |(parent, _)| parent);
        (parent.to_owned(), file.to_owned())
    };
    let shares = |same: &dyn Fn(&str, &str) -> bool| {
        holder.labels.config_files.iter().any(|old| compose.files.iter().any(|new| same(old, new)))
    };
    if shares(&|old, new| old == new)
        || holder.labels.working_dir.as_deref() == Some(compose.directory.as_str())
    {
        Relation::SameFile
    } else if holder.labels.files_gone == Some(true) {
        Relation::Gone
    } else if shares(&|old, new| split(old) == split(new)) {
        Relation::DirectoryRenamed
    } else {
        Relation::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::build::key::{
        self as build, DIRECTORY, container, file, opened, unseen, volume,
    };
    use Certainty::{Likely, Possible, Proven};

    /// The old project's stopped container still has the volume with the secret of the key.
    fn renamed(config_file: &str) -> Evidence {
        let held = vec![file("old-backend-1", Some("old_data"))];
        let mut evidence = build::refused(&[opened("old", held)]);
        let mut old = container("old", "old");
        old.life.state = "exited".into();
        old.labels.working_dir = None;
        old.labels.config_files = vec![config_file.to_owned()];
        build::docker(&mut evidence).backends.push(old);
        build::volumes(&mut evidence).push(volume("old_data", "old", &["old-backend-1"]));
        evidence
    }

    #[test]
    fn the_old_container_proves_it() {
        type Change = fn(&mut Evidence);
        let same = &format!("{DIRECTORY}/docker-compose.yml");
        let cases: [(&str, &str, Change, Option<Certainty>); 8] = [
            (
                "another project, whose directory is there",
                "/srv/x/docker-compose.yml",
                |e| {
                    let labels = &mut build::docker(e).backends[1].labels;
                    labels.files_gone = Some(false);
                    labels.working_dir = Some("/srv/x".to_owned());
                },
                None,
            ),
            ("the same file", same, |_| {}, Some(Proven)),
            (
                "the directory had another name",
                "/home/u/old/docker-compose.yml",
                |_| {},
                Some(Likely),
            ),
            ("a project from elsewhere", "/srv/x/docker-compose.yml", |_| {}, Some(Possible)),
            (
                "its files are gone",
                "/srv/x/docker-compose.yml",
                |e| build::docker(e).backends[1].labels.files_gone = Some(true),
                Some(Proven),
            ),
            (
                "it is not known which container answers",
                same,
                |e| build::docker(e).answering = None,
                Some(Likely),
            ),
            (
                "it runs: another instance",
                same,
                |e| build::docker(e).backends[1].life.state = "running".into(),
                None,
            ),
            ("accepted", same, |e| e.endpoint = build::healthy().endpoint, None),
        ];
        for (case, config_file, change, expected) in cases {
            let mut evidence = renamed(config_file);
            change(&mut evidence);
            let found = run(&evidence).unwrap();
            assert_eq!(found.first().map(|finding| finding.certainty), expected, "{case}");
        }
    }

    #[test]
    fn without_the_container_a_name_is_possible() {
        let mut evidence = build::refused(&[]);
        assert_eq!(run(&evidence), Ok(vec![]));
        build::volumes(&mut evidence).push(volume("old_data", "old", &[]));
        let mut other_key = volume("old_postgres", "old", &[]);
        other_key.key = Some("postgres".to_owned());
        build::volumes(&mut evidence).push(other_key);
        let found = run(&evidence).unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].certainty, found[0].level), (Possible, Level::Warning));
        assert_eq!(found[0].locations, [Location::volume("old_data")]);
        build::docker(&mut evidence).volumes = unseen();
        assert!(run(&evidence).is_err());
    }

    /// Another project's volume can have such a name: while the key matches, it must be rejected
    /// first.
    #[test]
    fn a_name_proves_nothing_if_the_key_matches_and_the_url_was_not_asked() {
        let mut evidence = build::healthy();
        evidence.endpoint = unseen();
        assert_eq!(run(&evidence), Ok(vec![]), "no such volume");
        build::volumes(&mut evidence).push(volume("old_data", "old", &[]));
        assert!(run(&evidence).is_err());
        let key = &mut evidence.keys[0];
        key.trials.iter_mut().for_each(|trial| trial.opened = None);
        assert_eq!(run(&evidence).unwrap().len(), 1, "the key does not match");
    }
}
