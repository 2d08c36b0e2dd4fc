//! `convex-doctor inspect`: what the doctor understood.

use serde_json::{Value, json};

use super::{Exit, Options};
use crate::collect;
use crate::evidence::selection::SelectionKind;
use crate::foreign::{is_key_or_secret, mask, names_a_secret, value, variable, words};
use crate::output;
use crate::render::inspect as text;
use crate::render::instances;
use crate::render::json;
use crate::secret::{Fingerprint, Secret, scrub};
use crate::selection::facts;

/// What to show.
#[derive(Clone, Copy, Debug, clap::Subcommand)]
#[command(after_help = "\
Examples:
  convex-doctor inspect selection
  eval \"$(convex-doctor inspect selection --format env --show-secrets)\"
  convex-doctor inspect compose -f compose.prod.yml
  convex-doctor inspect instances --format json")]
pub(super) enum Command {
    /// Show what `npx convex` uses, and where each value is set
    Selection {
        /// With --format env: print the key itself
        #[arg(long)]
        show_secrets: bool,
    },
    /// Show the compose project as Docker Compose resolves it
    Compose,
    /// Show every Convex backend on the Docker engine
    Instances,
}

/// Shows one of them. The exit code is 1 when the input is in error.
pub(super) fn run(command: &Command, options: &Options) -> anyhow::Result<Exit> {
    let mut request = options.request()?;
    match command {
        Command::Selection { show_secrets } if options.wants_env() => {
            super::env::selection(&request, *show_secrets)
        }
        Command::Selection { .. } => {
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
                    output::note(&format!("warning: {}", words(&warning.message)));
                }
                let mut value = crate::compose::to_json(&project, &hide);
                mask_words(&mut value);
                show(options, &value, &text::yaml(&value))?;
                Ok(Exit::Fine)
            }
            Err(refused) => {
                let first = refused.errors.first();
                let at = first.at.as_ref();
                let value = json!({"error": {
                    "message": words(&first.message),
                    "file": at.map(|at| at.file.display().to_string()),
                    "line": at.map(|at| at.line),
                    "column": at.map(|at| at.column),
                }});
                show(options, &value, &text::issues(&refused.issues, output::width()))?;
                Ok(Exit::Found)
            }
        },
        Command::Instances => {
            options.announce();
            request.docker.look_into_volumes = true;
            let evidence = collect::run(&request)?;
            let docker = match evidence.docker.seen() {
                Ok(docker) => docker,
                Err(unseen) => {
                    output::note(&format!("convex-doctor: {}", unseen.reason));
                    return Ok(Exit::Failed);
                }
            };
            let value = instances::json(docker, &evidence.keys);
            let text = instances::text(docker, &evidence.keys, output::width());
            show(options, &value, &text)?;
            Ok(Exit::Fine)
        }
    }
}

fn show(options: &Options, value: &Value, text: &str) -> anyhow::Result<()> {
    if options.wants_json() {
        output::print(&json::to_text(value))?;
    } else {
        output::show(text)?;
    }
    Ok(())
}

/// Masks what may be secret outside of environments: a password or a key that a command, a label or
/// a driver's option was given.
fn mask_words(project: &mut Value) {
    fn each(one: &mut Value) {
        match one {
            Value::String(text) => *text = value(text),
            Value::Array(list) => {
                // `["--password", "x"]`
                let mut is_secret = false;
                for one in list {
                    let flag = one.as_str().is_some_and(|text| text.starts_with('-'));
                    let names = flag && one.as_str().is_some_and(names_a_secret);
                    if is_secret
                        && !flag
                        && let Some(text) = one.as_str()
                    {
                        drop(Secret::new(text));
                        *one = Value::String("***".to_owned());
                    } else {
                        each(one);
                    }
                    is_secret = names;
                }
            }
            Value::Object(map) => {
                for (name, one) in map.iter_mut() {
                    match one.as_str() {
                        Some(text) if names_a_secret(name) && !text.is_empty() => {
                            drop(Secret::new(text));
                            *one = Value::String("***".to_owned());
                        }
                        _ => each(one),
                    }
                }
                hide_names(map);
            }
            _ => {}
        }
    }
    mask_all(project);
    let sections = [
        ("services", &["command", "entrypoint", "labels", "healthcheck"][..]),
        ("volumes", &["driver_opts"][..]),
    ];
    for (section, keys) in sections {
        let Some(map) = project.get_mut(section).and_then(Value::as_object_mut) else { continue };
        for one in map.values_mut() {
            for key in keys {
                if let Some(value) = one.get_mut(*key) {
                    each(value);
                }
            }
            if let Some(names) = one.get_mut("environment").and_then(Value::as_object_mut) {
                hide_names(names);
            }
        }
    }
}

/// Cuts out what is known as a secret, and masks what looks like one, wherever it stands. In this
/// order: of a secret that is masked in part, the scrubber does not know the rest.
fn mask_all(value: &mut Value) {
    match value {
        Value::String(text) => *text = mask(&scrub(text)),
        Value::Array(list) => list.iter_mut().for_each(mask_all),
        Value::Object(map) => map.values_mut().for_each(mask_all),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// A value that was put in a name's place is hidden.
fn hide_names(map: &mut serde_json::Map<String, Value>) {
    let shown = std::mem::take(map).into_iter().enumerate().map(|(index, (name, value))| {
        let shown = variable(&name);
        (if shown == name { name } else { format!("{shown} ({})", index + 1) }, value)
    });
    *map = shown.collect();
}

/// A value of a container's environment as it may be shown: a secret as its fingerprint, a password
/// in a URL masked.
fn hide(name: &str, text: &str) -> Value {
    let is_switch = matches!(text.to_ascii_lowercase().as_str(), "true" | "false" | "0" | "1");
    let is_named_so = names_a_secret(name) && !text.is_empty() && !is_switch;
    if !is_named_so && !is_key_or_secret(text) {
        return Value::String(value(text));
    }
    json!({ "fingerprint": fingerprint(&Secret::new(text)) })
}

fn fingerprint(secret: &Secret) -> Option<Fingerprint> {
    Fingerprint::of_instance_secret(secret).or_else(|| crate::admin_key::fingerprint(secret))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_that_may_be_secret_is_a_fingerprint() {
        let secret = "0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff1";
        for name in ["INSTANCE_SECRET", "POSTGRES_PASSWORD", "MY_API_KEY", "PGPASS"] {
            assert_eq!(hide(name, "some value"), json!({"fingerprint": null}));
        }
        assert!(hide("ANYTHING", secret)["fingerprint"].is_string());
        assert_eq!(hide("CHECK_TOKEN", "true"), json!("true"));
        assert_eq!(hide("INSTANCE_NAME", "app"), json!("app"));
    }
}
