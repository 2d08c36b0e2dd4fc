//! Which of the five ids about a rejected key is it? One judgement for all, because exactly one of
//! them is reported.

use crate::admin_key::{Claims, ShapeFault};
use crate::deployment::container::{KeySubject, key_subject, running_secret, stopped_holder};
use crate::deployment::data::declared_volume;
use crate::deployment::key::{KeyAnswer, is_not_a_key, key_answer, selected_key, trial_of};
use crate::evidence::docker::{Container, LoggedRefusal};
use crate::evidence::key::SecretPlace;
use crate::evidence::{Evidence, KeyFacts, Unseen};
use crate::report::Certainty;

/// Why the backend does not accept the key.
pub(crate) enum KeyFault<'a> {
    /// It matches the secret of another instance.
    AnotherInstance {
        key: &'a KeyFacts,
        place: &'a SecretPlace,
        claims: &'a Claims,
        certainty: Certainty,
    },
    /// It matches a secret in a volume that no running backend uses.
    UnusedVolume {
        key: &'a KeyFacts,
        volume: &'a str,
        /// The stopped container that uses it; `None` if the volume itself was read.
        user: Option<&'a str>,
        claims: &'a Claims,
        certainty: Certainty,
    },
    /// It matches no secret that counts here.
    Foreign { key: &'a KeyFacts, certainty: Certainty },
    /// The secret is right, the name is not.
    NameMismatch { key: &'a KeyFacts, name: Option<String>, certainty: Certainty },
    /// It is rejected, and nothing that was seen shows why.
    Rejected {
        key: &'a KeyFacts,
        certainty: Certainty,
        /// What contradicts the rejection; `None` if neither secret nor log could be read.
        contradiction: Option<&'static str>,
    },
}

/// Whether the selected key belongs to a volume that no running backend uses.
pub(crate) fn is_of_unused_volume(evidence: &Evidence) -> bool {
    matches!(key_fault(evidence), Ok(Some(KeyFault::UnusedVolume { .. })))
}

/// What is wrong with the selected key. `Ok(None)` only if the backend accepts it, if there is no
/// key, or if the text is not a key, which other ids report.
pub(crate) fn key_fault(evidence: &Evidence) -> Result<Option<KeyFault<'_>>, Unseen> {
    let Some(key) = selected_key(evidence) else { return Ok(None) };
    let (rejected, untried) = match key_answer(evidence) {
        KeyAnswer::Rejected => (true, String::new()),
        KeyAnswer::Untested { reason, .. } => (false, reason),
        KeyAnswer::NotAdmin => (false, "check_admin_key answered as if it got no key".to_owned()),
        KeyAnswer::Accepted { .. } | KeyAnswer::ReadOnly => return Ok(None),
    };
    if is_not_a_key(key) {
        return Ok(None);
    }
    let subject = key_subject(evidence);
    // If the rejection was not seen, nothing is proven (another backend may answer).
    let ceiling = subject
        .as_ref()
        .map_or(Certainty::Likely, |subject| subject.certainty)
        .min(if rejected { Certainty::Proven } else { Certainty::Likely });
    // A key of a length that no key has is damaged, which a secret cannot tell from a foreign one.
    let is_damaged = key.shape.faults.contains(&ShapeFault::UnusualLength);
    let ceiling = if is_damaged { ceiling.min(Certainty::Likely) } else { ceiling };

    let of_subject = subject.as_ref().and_then(|subject| running_secret(subject.container));
    let tried = of_subject.and_then(|(secret, how)| Some((trial_of(key, secret)?, how)));
    let mut contradiction = None;
    if let Some((trial, how)) = tried {
        match &trial.opened {
            None => {
                return Ok(Some(by_other_secrets(
                    evidence,
                    key,
                    subject.as_ref(),
                    ceiling.min(how),
                )));
            }
            Some(claims) => {
                let running = running_name(evidence, subject.as_ref());
                let wanted = key.shape.name.as_deref().or(claims.inner_name.as_deref());
                match running {
                    Some(name) if wanted.is_some_and(|wanted| wanted != name) => {
                        let (name, certainty) = (Some(name), ceiling.min(how));
                        return Ok(Some(KeyFault::NameMismatch { key, name, certainty }));
                    }
                    _ if how == Certainty::Proven => {
                        contradiction = Some(
                            "the key matches the secret of the container that seems to answer, so \
                             another backend may answer",
                        );
                    }
                    _ => {}
                }
            }
        }
    }
    if !rejected {
        // Not seen to be rejected, and nothing is against it: that is not a pass.
        let case = elsewhere(evidence, key, subject.as_ref()).filter(|_| tried.is_none());
        return match case.map(|case| case(Certainty::Possible)) {
            // If the backend at the URL is not known, it may be the instance that has the secret,
            // as in a healthy deployment.
            Some(KeyFault::AnotherInstance { .. }) if subject.is_none() => {
                Err(Unseen::new(untried))
            }
            Some(case) => Ok(Some(case)),
            None => Err(Unseen::new(untried)),
        };
    }
    let log = subject.as_ref().and_then(|subject| subject.container.log.seen().ok());
    if let Some((log, refusal)) = log.and_then(|log| Some((log, log.refusal.as_ref()?))) {
        let certainty =
            ceiling.min(if log.refusal_adjacent { Certainty::Proven } else { Certainty::Likely });
        match refusal {
            LoggedRefusal::WrongName(_) => {
                // The line has the name in the key; the running name is what to write.
                let name = running_name(evidence, subject.as_ref());
                return Ok(Some(KeyFault::NameMismatch { key, name, certainty }));
            }
            LoggedRefusal::Undecodable => {
                return Ok(Some(by_other_secrets(evidence, key, subject.as_ref(), certainty)));
            }
            LoggedRefusal::NoName => {
                contradiction = Some("the backend's log says that the key has no instance name");
            }
        }
    }
    let likely = ceiling.min(Certainty::Likely);
    let running = running_name(evidence, subject.as_ref());
    let misnamed = running.filter(|name| key.shape.name.as_ref().is_some_and(|own| own != name));
    // If the backend at the URL is not known, it may be the container whose secret matches the key:
    // then the name decides.
    match elsewhere(evidence, key, subject.as_ref()) {
        Some(case) if subject.is_some() || misnamed.is_none() => return Ok(Some(case(likely))),
        _ => {}
    }
    if misnamed.is_some() {
        return Ok(Some(KeyFault::NameMismatch { key, name: misnamed, certainty: likely }));
    }
    Ok(Some(KeyFault::Rejected { key, certainty: ceiling, contradiction }))
}

/// The answer of a check whose id did not win: a pass only if the one that won was seen to be the
/// cause.
pub(crate) fn superseded<T>(case: &KeyFault<'_>) -> Result<Vec<T>, Unseen> {
    match case {
        KeyFault::Rejected { contradiction, .. } => Err(Unseen::new(
            contradiction.unwrap_or("the backend's secret and its log could not be read"),
        )),
        // With another name before it, the hex part may be another instance's as well.
        KeyFault::NameMismatch { certainty, .. } if *certainty < Certainty::Proven => {
            Err(Unseen::new("the instance name differs; the part after the | was not checked"))
        }
        _ => Ok(vec![]),
    }
}

/// It does not match the running secret: is there another that it matches?
fn by_other_secrets<'a>(
    evidence: &'a Evidence,
    key: &'a KeyFacts,
    subject: Option<&KeySubject<'a>>,
    certainty: Certainty,
) -> KeyFault<'a> {
    match elsewhere(evidence, key, subject) {
        Some(case) => case(certainty),
        None => KeyFault::Foreign { key, certainty },
    }
}

/// What has the secret that the key matches.
enum Owner<'a> {
    Instance(&'a SecretPlace, &'a Claims),
    /// Its stopped container, the volume, and what the key says.
    Volume(Option<&'a str>, &'a str, &'a Claims),
}

/// The other instance, or the unused volume, whose secret the key matches.
fn elsewhere<'a>(
    evidence: &'a Evidence,
    key: &'a KeyFacts,
    subject: Option<&KeySubject<'a>>,
) -> Option<impl FnOnce(Certainty) -> KeyFault<'a> + use<'a>> {
    let docker = evidence.docker.seen().ok();
    // This project's own backend has the secret: the key is right, and another backend answers.
    let expected = docker.and_then(|docker| docker.expected.as_deref());
    // Before it has a container: what the compose file mounts, or the container that has the URL's
    // port when it runs.
    let own_container = expected.or_else(|| {
        let stopped = evidence.compose.seen().ok().filter(|project| project.is_none());
        let holder = stopped.and(stopped_holder(evidence)).filter(|_| subject.is_none());
        holder.map(|container| container.name.as_str())
    });
    let own_volume = declared_volume(evidence).filter(|_| subject.is_none());
    let is_own_key = key.trials.iter().filter(|trial| trial.opened.is_some()).any(|trial| {
        trial.places.iter().any(|place| match place {
            SecretPlace::Process { container }
            | SecretPlace::Environment { container }
            | SecretPlace::File { container, .. } => Some(container.as_str()) == own_container,
            SecretPlace::Volume { volume } => expected.is_none() && own_volume == Some(volume),
            _ => false,
        })
    });
    if is_own_key {
        return None;
    }
    let own = subject.map(|subject| subject.container);
    let container = |name: &str| docker.and_then(|docker| docker.backend(name));
    let is_own = |name: &str| own.is_some_and(|own| own.name == name);
    let opened = || {
        key.trials
            .iter()
            .filter_map(|trial| Some((trial, trial.opened.as_ref()?)))
            .flat_map(|(trial, claims)| trial.places.iter().map(move |place| (place, claims)))
    };
    let running = opened().find(|(place, _)| match place {
        SecretPlace::Process { container: name } => !is_own(name),
        SecretPlace::Environment { container: name }
        | SecretPlace::File { container: name, .. } => {
            !is_own(name) && container(name).is_some_and(Container::is_running)
        }
        _ => false,
    });
    let in_volume = || {
        opened().find_map(|(place, claims)| match place {
            SecretPlace::File { container: name, volume: Some(volume) }
                if !is_own(name) && !own.is_some_and(|own| uses(own, volume)) =>
            {
                Some((Some(name.as_str()), volume.as_str(), claims))
            }
            SecretPlace::Volume { volume } if !own.is_some_and(|own| uses(own, volume)) => {
                Some((None, volume.as_str(), claims))
            }
            _ => None,
        })
    };
    let otherwise = || {
        opened().find(|(place, _)| match place {
            SecretPlace::Environment { container: name }
            | SecretPlace::File { container: name, .. } => !is_own(name),
            SecretPlace::PublicDevelopment => true,
            _ => false,
        })
    };
    let found = match running {
        Some((place, claims)) => Owner::Instance(place, claims),
        None => match in_volume() {
            Some((user, volume, claims)) => Owner::Volume(user, volume, claims),
            None => otherwise().map(|(place, claims)| Owner::Instance(place, claims))?,
        },
    };
    Some(move |certainty| match found {
        Owner::Instance(place, claims) => {
            KeyFault::AnotherInstance { key, place, claims, certainty }
        }
        Owner::Volume(user, volume, claims) => {
            KeyFault::UnusedVolume { key, volume, user, claims, certainty }
        }
    })
}

fn uses(container: &Container, volume: &str) -> bool {
    container.storage.mounts.iter().any(|mount| mount.source.as_deref() == Some(volume))
}

/// The name of the instance that answers: by its own answer, or by the container's process.
fn running_name(evidence: &Evidence, subject: Option<&KeySubject<'_>>) -> Option<String> {
    let endpoint = evidence.endpoint.seen().ok().and_then(Option::as_ref);
    let answered = endpoint.and_then(|endpoint| endpoint.answering_name());
    let of_process = || {
        let subject = subject?;
        subject.container.instance_name.process.seen().ok()?.as_deref()
    };
    answered.or_else(of_process).map(str::to_owned)
}
