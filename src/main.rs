//! The command `convex-doctor`: arguments in, exit code out.
#![allow(clippy::disallowed_methods, reason = "the arguments and the crypto provider belong here")]

use std::process::ExitCode;

fn main() -> ExitCode {
    convex_doctor::output::install_panic_hook();
    let exit = std::panic::catch_unwind(|| convex_doctor::cli::run(std::env::args_os()));
    ExitCode::from(exit.map_or(3, convex_doctor::cli::Exit::code))
}
