//! Of the ids about a refused key, which one is it? One judgement for all five, so that exactly one
//! of them is said.

use crate::admin_key::Claims;
use crate::deployment::container::{KeySubject, key_subject, running_secret};
use crate::deployment::key::{KeyAnswer, is_not_a_key, key_answer, selected_key, trial_of};
use crate::evidence::docker::{Container, LoggedRefusal};
use crate::evidence::key::SecretPlace;
use crate::evidence::{Evidence, KeyFacts, Unseen};
use crate::report::Certainty;

/// Why the key does not go through.
pub(crate) enum KeyFault<'a> {
    /// It opens with a secret that another instance has.
    AnotherInstance {
        key: &'a KeyFacts,
        place: &'a SecretPlace,
        claims: &'a Claims,
        certainty: Certainty,
    },
    /// It opens with a secret that lies in a volume of no running backend.
    DetachedVolume {
        key: &'a KeyFacts,
        volume: &'a str,
        /// The stopped container that has it; `None` where it was looked into itself.
        holder: Option<&'a str>,
        claims: &'a Claims,
        certainty: Certainty,
    },
    /// It opens with nothing that counts here.
    Foreign { key: &'a KeyFacts, certainty: Certainty },
    /// The secret is right, the name is not.
    NameMismatch { key: &'a KeyFacts, name: Option<String>, certainty: Certainty },
    /// It is refused, and nothing that was seen says why.
    Rejected { key: &'a KeyFacts, certainty: Certainty, reason: String },
}

/// Whether the selected key is that of a volume which no running backend has.
pub(crate) fn is_of_unused_volume(evidence: &Evidence) -> bool {
    matches!(key_fault(evidence), Ok(Some(KeyFault::DetachedVolume { .. })))
}

/// What is wrong with the selected key. `Ok(None)` only where it was seen to go through, where
/// there is no key, or where the text is no key, which other ids say.
pub(crate) fn key_fault(evidence: &Evidence) -> Result<Option<KeyFault<'_>>, Unseen> {
    let Some(key) = selected_key(evidence) else { return Ok(None) };
    let (refused, untried) = match key_answer(evidence) {
        KeyAnswer::Rejected => (true, String::new()),
        KeyAnswer::Untested { reason, .. } => (false, reason),
        KeyAnswer::NotAdmin => (false, "check_admin_key answered as if no key had come".to_owned()),
        KeyAnswer::Accepted { .. } | KeyAnswer::ReadOnly => return Ok(None),
    };
    if is_not_a_key(key) {
        return Ok(None);
    }
    let subject = key_subject(evidence);
    // Without the refusal seen, nothing is proven (another backend may answer).
    let ceiling = subject
        .as_ref()
        .map_or(Certainty::Likely, |subject| subject.certainty)
        .min(if refused { Certainty::Proven } else { Certainty::Likely });

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
                            "it opens with the secret of the container that seems to answer, so \
                             another backend answers, or another secret was in force",
                        );
                    }
                    _ => {}
                }
            }
        }
    }
    if !refused {
        // Not seen to be refused, and nothing speaks against it: that is not a pass.
        let case = elsewhere(evidence, key, subject.as_ref()).filter(|_| tried.is_none());
        return match case.map(|case| case(Certainty::Possible)) {
            // With nobody known to be meant, the instance that has the secret may be that very one:
            // so it is in a healthy deployment.
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
                // The line says the name that the key bears; the running one is what to write.
                let name = running_name(evidence, subject.as_ref());
                return Ok(Some(KeyFault::NameMismatch { key, name, certainty }));
            }
            LoggedRefusal::Undecodable => {
                return Ok(Some(by_other_secrets(evidence, key, subject.as_ref(), certainty)));
            }
            LoggedRefusal::NoName => {
                contradiction = Some("the backend's log says that it names no instance");
            }
        }
    }
    let likely = ceiling.min(Certainty::Likely);
    let running = running_name(evidence, subject.as_ref());
    let misnamed = running.filter(|name| key.shape.name.as_ref().is_some_and(|own| own != name));
    // With nobody known to answer, the container whose secret opens the key may be that very one:
    // then the name tells.
    match elsewhere(evidence, key, subject.as_ref()) {
        Some(case) if subject.is_some() || misnamed.is_none() => return Ok(Some(case(likely))),
        _ => {}
    }
    if misnamed.is_some() {
        return Ok(Some(KeyFault::NameMismatch { key, name: misnamed, certainty: likely }));
    }
    let reason = contradiction
        .unwrap_or("neither the secret of the backend that answers nor its log could be read");
    Ok(Some(KeyFault::Rejected { key, certainty: ceiling, reason: reason.to_owned() }))
}

/// The answer of a check whose id did not win: a pass only where the one that won was seen to be
/// the cause.
pub(crate) fn superseded<T>(case: &KeyFault<'_>) -> Result<Vec<T>, Unseen> {
    match case {
        KeyFault::Rejected { reason, .. } => Err(Unseen::new(reason.as_str())),
        // With another name before it, the hex may be another instance's all the same.
        KeyFault::NameMismatch { certainty, .. } if *certainty < Certainty::Proven => Err(
            Unseen::new("only the name was seen to differ; whether the hex part is good was not"),
        ),
        _ => Ok(vec![]),
    }
}

/// It does not open with what is in force: is there a secret that opens it?
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

/// The instance, or the volume, whose secret opens the key and which is not the one that answers.
fn elsewhere<'a>(
    evidence: &'a Evidence,
    key: &'a KeyFacts,
    subject: Option<&KeySubject<'a>>,
) -> Option<impl FnOnce(Certainty) -> KeyFault<'a> + use<'a>> {
    let docker = evidence.docker.seen().ok();
    // This project's own backend has the secret: the key is at home, and what answers is not.
    let expected = docker.and_then(|docker| docker.expected.as_deref());
    let at_home = key.trials.iter().filter(|trial| trial.opened.is_some()).any(|trial| {
        trial.places.iter().any(|place| match place {
            SecretPlace::Process { container }
            | SecretPlace::Environment { container }
            | SecretPlace::File { container, .. } => Some(container.as_str()) == expected,
            _ => false,
        })
    });
    if at_home {
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
                if !is_own(name) && !own.is_some_and(|own| holds(own, volume)) =>
            {
                Some((Some(name.as_str()), volume.as_str(), claims))
            }
            SecretPlace::Volume { volume } if !own.is_some_and(|own| holds(own, volume)) => {
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
        Some((place, claims)) => Ok((place, claims)),
        None => match in_volume() {
            Some(found) => Err(found),
            None => Ok(otherwise()?),
        },
    };
    Some(move |certainty| match found {
        Ok((place, claims)) => KeyFault::AnotherInstance { key, place, claims, certainty },
        Err((holder, volume, claims)) => {
            KeyFault::DetachedVolume { key, volume, holder, claims, certainty }
        }
    })
}

fn holds(container: &Container, volume: &str) -> bool {
    container.mounts.iter().any(|mount| mount.source.as_deref() == Some(volume))
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
