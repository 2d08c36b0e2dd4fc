//! `convex-doctor inspect`: what the doctor understood.

use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Value, json};

use super::{Exit, Options};
use crate::collect;
use crate::evidence::selection::SelectionKind;
use crate::output;
use crate::render::inspect as text;
use crate::render::instances;
use crate::render::json;
use crate::secret::{Fingerprint, Secret};
use crate::selection::facts;

/// What to show.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
pub(super) enum Command {
    /// The deployment that `npx convex` would use, and where each value comes from
    Selection,
    /// The compose project as Docker Compose resolves it
    Compose,
    /// Every Convex instance on the Docker engine
    Instances,
}

/// Shows one of them. The exit code is 1 when the input is in error.
pub(super) fn run(command: &Command, options: &Options) -> anyhow::Result<Exit> {
    let request = options.request()?;
    match command {
        Command::Selection => {
            let evidence = collect::run_files_only(&request)?;
            let value = facts::inspect_json(&evidence.selection);
            let text = text::selection(&evidence.selection);
            show(options, &value, &text)?;
            Ok(match evidence.selection.kind {
                SelectionKind::Error => Exit::Found,
                _ => Exit::Fine,
            })
        }
        Command::Compose => match collect::compose(&request)? {
            Ok(project) => {
                for warning in &project.warnings {
                    output::note(&format!("warning: {}", warning.message));
                }
                let mut value = crate::compose::to_json(&project, &hide);
                mask_words(&mut value);
                show(options, &value, &text::yaml(&value))?;
                Ok(Exit::Fine)
            }
            Err(errors) => {
                let first = errors.first();
                let at = first.at.as_ref();
                let value = json!({"error": {
                    "message": first.message,
                    "file": at.map(|at| at.file.display().to_string()),
                    "line": at.map(|at| at.line),
                    "column": at.map(|at| at.column),
                }});
                let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
                show(options, &value, &format!("{}\n", all.join("\n")))?;
                Ok(Exit::Found)
            }
        },
        Command::Instances => {
            options.announce();
            let request = collect::Request { look_into_volumes: true, ..request };
            let evidence = collect::run(&request)?;
            let docker = match evidence.docker.seen() {
                Ok(docker) => docker,
                Err(unseen) => {
                    output::note(&format!("convex-doctor: {}", unseen.reason));
                    return Ok(Exit::Failed);
                }
            };
            let value = instances::json(docker, &evidence.keys);
            show(options, &value, &instances::text(docker, &evidence.keys))?;
            Ok(Exit::Fine)
        }
    }
}

fn show(options: &Options, value: &Value, text: &str) -> anyhow::Result<()> {
    if options.wants_json() {
        output::print(&json::to_text(value))?;
    } else {
        output::print(text)?;
    }
    Ok(())
}

/// Masks what may be secret outside of environments: a password or a key that a command, a label or a driver's option was given.
fn mask_words(project: &mut Value) {
    fn mask(value: &mut Value) {
        match value {
            Value::String(text) => *text = masked(text),
            Value::Array(list) => list.iter_mut().for_each(mask),
            Value::Object(map) => map.values_mut().for_each(mask),
            _ => {}
        }
    }
    let sections = [
        ("services", &["command", "entrypoint", "labels", "healthcheck"][..]),
        ("volumes", &["driver_opts"][..]),
    ];
    for (section, keys) in sections {
        let Some(map) = project.get_mut(section).and_then(Value::as_object_mut) else { continue };
        for one in map.values_mut() {
            for key in keys {
                if let Some(value) = one.get_mut(*key) {
                    mask(value);
                }
            }
        }
    }
}

/// A value of a container's environment as it may be shown: a secret as its fingerprint, a password in a URL masked.
fn hide(name: &str, value: &str) -> Value {
    let is_switch = matches!(value.to_ascii_lowercase().as_str(), "true" | "false" | "0" | "1");
    let is_named_so = may_be_secret(name) && !value.is_empty() && !is_switch;
    if !is_named_so && !is_key_or_secret(value) {
        return Value::String(masked(value));
    }
    json!({ "fingerprint": fingerprint(&Secret::new(value)) })
}

fn fingerprint(secret: &Secret) -> Option<Fingerprint> {
    Fingerprint::of_instance_secret(secret).or_else(|| crate::admin_key::fingerprint(secret))
}

/// Whether a variable's name says that its value may be secret: one of its words, not a part of one (`TOKENIZERS_…`).
fn may_be_secret(name: &str) -> bool {
    const ENDS: &[&str] = &["SECRET", "PASSWORD", "PASSWD", "PASSPHRASE", "TOKEN", "APIKEY"];
    name.to_ascii_uppercase().split(['_', '-', '.']).any(|word| {
        let one = word.strip_suffix('S').unwrap_or(word);
        matches!(one, "KEY" | "CREDENTIAL")
            || matches!(word, "PASS" | "PGPASS")
            || ENDS.iter().any(|end| one.ends_with(end))
    })
}

/// Whether a whole text is an admin key or an instance secret.
fn is_key_or_secret(text: &str) -> bool {
    let is_hex = |text: &str| text.bytes().all(|byte| byte.is_ascii_hexdigit());
    (text.len() == 64 && is_hex(text))
        || text.split_once("|01").is_some_and(|(_, rest)| rest.len() >= 40 && is_hex(rest))
}

/// Masks what a text holds of secrets: passwords in URLs, admin keys, and 64 hex digits that are no digest. A `||` of a shell or a
/// router rule, and a commit's 40 digits, stay as they are.
fn masked(text: &str) -> String {
    static SECRETS: LazyLock<Regex> = LazyLock::new(|| {
        Regex::new(r"(://[^\s:/@]*:)([^\s/@]+)(@)|(\|)(01[0-9a-fA-F]{40,})|(sha256:)?\b([0-9a-fA-F]{64})\b")
            .expect("a pattern of this file is valid")
    });
    SECRETS
        .replace_all(text, |found: &regex::Captures<'_>| {
            let part = |index: usize| found.get(index).map_or("", |part| part.as_str());
            if !part(6).is_empty() {
                return found[0].to_owned();
            }
            for secret in [part(2), part(5), part(7)].iter().filter(|part| !part.is_empty()) {
                drop(Secret::new(*secret));
            }
            format!("{}***{}", [part(1), part(4)].concat(), part(3))
        })
        .into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff1";

    #[test]
    fn what_is_no_secret_stays_as_docker_compose_has_it() {
        for text in [
            "curl -f http://localhost:3210/version || exit 1",
            "PathPrefix(`/a`) || Host(`b`)",
            "8d1b3e0aa8d1b3e0aa8d1b3e0aa8d1b3e0aa8d1b",
            "info|warn",
            &format!("image@sha256:{SECRET}"),
        ] {
            assert_eq!(masked(text), text);
        }
        for name in ["TOKENIZERS_PARALLELISM", "MY_KEYBOARD", "COMPASS", "INSTANCE_NAME"] {
            assert!(!may_be_secret(name), "{name}");
        }
    }

    #[test]
    fn secrets_are_masked_wherever_they_stand() {
        assert_eq!(masked("postgres://u:hunter22@h/db"), "postgres://u:***@h/db");
        assert_eq!(masked(&format!("--instance-secret {SECRET} x")), "--instance-secret *** x");
        assert_eq!(masked(&format!("a|01{}", "ab".repeat(36))), "a|***");
        for name in ["INSTANCE_SECRET", "POSTGRES_PASSWORD", "MY_API_KEY", "PGPASS", "SECRETS"] {
            assert!(may_be_secret(name), "{name}");
            assert!(hide(name, "some value").is_object());
        }
        assert!(hide("ANYTHING", SECRET).is_object());
        assert_eq!(hide("CHECK_TOKEN", "true"), json!("true"));
    }
}
