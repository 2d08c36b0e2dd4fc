//! The command `convex-doctor`: arguments in, exit code out.
#![allow(clippy::disallowed_methods, reason = "the arguments and the crypto provider belong here")]

use std::process::ExitCode;

use convex_doctor::budget::STACK_BYTES;

#[cfg(target_env = "musl")]
#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

fn main() -> ExitCode {
    convex_doctor::output::install_panic_hook();
    #[cfg(unix)]
    convex_doctor::signals::outlive_full_files();
    let run = || convex_doctor::cli::run(std::env::args_os());
    // The stack of the first thread is as large as the caller's limit, which may be small.
    let apart = std::thread::Builder::new().stack_size(STACK_BYTES).spawn(run);
    let exit = match apart {
        Ok(apart) => apart.join(),
        Err(_) => std::panic::catch_unwind(run),
    };
    ExitCode::from(exit.map_or(3, convex_doctor::cli::Exit::code))
}
