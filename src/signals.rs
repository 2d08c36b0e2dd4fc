//! Signals that the process has from its parent.
#![cfg(unix)]

use rustix::process::Signal;
use tokio::signal::unix::{SignalKind, signal};

/// Makes a file that may not grow (`ulimit -f`) an error of the write, as a full disk is: by itself the
/// signal SIGXFSZ would end the process without a word. A program that is started has it as it was.
pub fn outlive_full_files() {
    if is_ignored(Signal::XFSZ) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build();
    if let Ok(runtime) = runtime {
        // The handler stays when the listener is gone.
        let _inside = runtime.enter();
        drop(signal(SignalKind::from_raw(Signal::XFSZ.as_raw())));
    }
}

/// Whether the process ignores a signal: nohup has HUP so for all under it.
pub(crate) fn is_ignored(signal: Signal) -> bool {
    let status = crate::files::of_the_kernel("/proc/self/status");
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let ignored = ignored.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0);
    ignored & (1 << (signal.as_raw() - 1)) != 0
}
