//! The key that a rotation is to end, tried once more when it should be dead: at the URL that was
//! selected with it, and nowhere else.

use std::time::Duration;

use super::texts::FileTexts;
use super::{Request, endpoint, nonce, runtime, selection};
use crate::evidence::Observation;
use crate::evidence::endpoint::Answer;
use crate::secret::Secret;

/// A key that is in use, with the URL that it is sent to.
pub struct OldKey {
    url: String,
    key: Secret,
    environment: std::collections::BTreeMap<String, String>,
    timeout: Duration,
    was_accepted: bool,
}

impl OldKey {
    /// The selected one, and whether it is accepted as yet; `None` where none is selected, or
    /// nothing may be asked.
    pub fn hold(request: &Request) -> anyhow::Result<Option<Self>> {
        if request.no_network {
            return Ok(None);
        }
        let environment = request.environment();
        let directory = request.directory()?;
        let texts = FileTexts::default();
        let cli = super::toolchain::cli(&directory, &environment).version;
        let cli = cli.as_deref();
        let selected = selection::select(request, &directory, &environment, &texts, cli).selection;
        let (Some((url, _)), Some(key)) = (selected.url, selected.admin_key) else {
            return Ok(None);
        };
        let timeout = request.timeout();
        let mut old = Self { url, key: key.as_sent, environment, timeout, was_accepted: false };
        old.was_accepted = old.ask()?.seen().ok().and_then(Answer::takes_key) == Some(true);
        Ok(Some(old))
    }

    /// What shows that it is dead, in words; else why it is not known to be.
    pub fn is_refused_now(&self) -> Result<String, String> {
        const TRIES: usize = 3;
        const PAUSE: Duration = Duration::from_millis(500);
        let mut why = String::new();
        for attempt in 0..TRIES {
            if attempt > 0 {
                std::thread::sleep(PAUSE);
            }
            let answer = self.ask().map_err(|error| error.to_string())?;
            match judged(&answer, self.was_accepted) {
                OldKeyVerdict::Dead(seen) => return Ok(seen),
                OldKeyVerdict::Alive => return Err("the old key is still accepted".to_owned()),
                OldKeyVerdict::Unknown(reason) => why = reason,
            }
        }
        let unseen = format!("whether the old key is rejected could not be checked: {why}");
        // What did not answer before need not answer now.
        if self.was_accepted { Err(unseen) } else { Ok(unseen) }
    }

    fn ask(&self) -> anyhow::Result<Observation<Answer>> {
        let runtime = runtime()?;
        let nonce = nonce();
        let request = endpoint::ProbeRequest {
            url: &self.url,
            key: Some(&self.key),
            env: &self.environment,
            timeout: self.timeout,
            nonce: &nonce,
        };
        let answer = runtime.block_on(endpoint::retry_key(&request));
        runtime.shutdown_background();
        Ok(answer)
    }
}

/// What an answer says of the key.
#[derive(Debug, PartialEq, Eq)]
enum OldKeyVerdict {
    Dead(String),
    Alive,
    Unknown(String),
}

fn judged(answer: &Observation<Answer>, was_accepted: bool) -> OldKeyVerdict {
    match answer {
        Observation::Seen(answer) => match answer.takes_key() {
            Some(true) => OldKeyVerdict::Alive,
            Some(false) => {
                let code = answer.code().unwrap_or_default();
                let too = if was_accepted { "" } else { ", as it was before" };
                OldKeyVerdict::Dead(format!(
                    "the old key is rejected: {} {code}{too}",
                    answer.status
                ))
            }
            None => OldKeyVerdict::Unknown(format!("the answer was {}", answer.status)),
        },
        Observation::Unavailable { reason } => OldKeyVerdict::Unknown(reason.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::endpoint::Body;

    #[test]
    fn only_a_backend_s_own_refusal_shows_that_a_key_is_dead() {
        let answer = |status: u16, body: Body| {
            Observation::Seen(Answer {
                status,
                content_type: None,
                server: None,
                location: None,
                body,
                ms: 1,
            })
        };
        let error =
            |code: &str| Body::ConvexError { code: code.to_owned(), message: String::new() };
        let accepted = Body::KeyAccepted { read_only: Some(false) };
        let dead = |text: &str| OldKeyVerdict::Dead(text.to_owned());
        let unknown = |text: &str| OldKeyVerdict::Unknown(text.to_owned());
        for (answer, was_accepted, expected) in [
            (
                answer(401, error("BadAdminKey")),
                true,
                dead("the old key is rejected: 401 BadAdminKey"),
            ),
            (
                answer(401, error("BadAdminKey")),
                false,
                dead("the old key is rejected: 401 BadAdminKey, as it was before"),
            ),
            (answer(200, accepted), true, OldKeyVerdict::Alive),
            // Of a proxy, of a gateway, of nothing.
            (answer(401, Body::Empty), true, unknown("the answer was 401")),
            (answer(502, Body::Empty), true, unknown("the answer was 502")),
            (Observation::unavailable("refused"), true, unknown("refused")),
        ] {
            assert_eq!(judged(&answer, was_accepted), expected);
        }
    }
}
