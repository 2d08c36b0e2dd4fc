//! Changes as text: what a file contains afterwards, and the plan of a fix. Nothing is written
//! here.

pub mod compose_file;
pub mod env_file;
pub mod git_ignore;
pub mod lines;
pub mod placeholders;
pub mod plan;
pub mod show;

use compose_file::NoSafeEdit;

use crate::report::Action;

/// The text of a compose file after the action; or why there is no safe edit, and what to add
/// instead.
fn compose_edit(file: &str, text: &str, action: &Action) -> Result<String, String> {
    let in_words = |no: NoSafeEdit| no.in_words(file);
    match action {
        Action::PassVariable { service, name, .. } => {
            // A literal value goes where the variable comes from.
            compose_file::pass_variable(text, service, name)
                .or_else(|_| compose_file::interpolate_variable(text, service, name))
                .map_err(in_words)
        }
        Action::RemoveVariable { service, name, .. } => {
            compose_file::remove_variable(text, service, name).map_err(in_words)
        }
        Action::MountVolume { service, key, target, .. } => {
            compose_file::mount_volume(text, service, key, target).map_err(in_words)
        }
        Action::DeclareVolume { key, adopt, .. } => {
            compose_file::declare_volume(text, key, adopt.as_deref()).map_err(in_words)
        }
        _ => Err(format!("internal error: this action does not change {file}")),
    }
}
