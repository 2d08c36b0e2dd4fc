//! Changes as text: what a file should hold afterwards, and the plan of a fix. Nothing is written
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

/// The text of a compose file with what the action wants of it; why there is no safe edit, with
/// what to write by hand.
fn compose_edit(file: &str, text: &str, action: &Action) -> Result<String, String> {
    let told = |no: NoSafeEdit| no.told(file);
    match action {
        Action::PassVariable { service, name, .. } => {
            // A literal value goes where the variable comes from.
            compose_file::pass_variable(text, service, name)
                .or_else(|_| compose_file::interpolate_variable(text, service, name))
                .map_err(told)
        }
        Action::RemoveVariable { service, name, .. } => {
            compose_file::remove_variable(text, service, name).map_err(told)
        }
        Action::MountVolume { service, key, target, .. } => {
            compose_file::mount_volume(text, service, key, target).map_err(told)
        }
        Action::DeclareVolume { key, adopt, .. } => {
            compose_file::declare_volume(text, key, adopt.as_deref()).map_err(told)
        }
        _ => Err(format!("internal error: this action does not change {file}")),
    }
}
