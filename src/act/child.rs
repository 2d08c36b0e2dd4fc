//! Runs a command as if nothing stood between it and the terminal, and listens.
//!
//! Where an output is a terminal, the command gets a pseudo-terminal of its own, so that colours,
//! prompts and spinners stay; where it is a file or a pipe, a pipe. Bytes pass unchanged. Ctrl-C,
//! Ctrl-Z, the window's size and signals pass on.

mod terminal;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tokio::signal::unix::{SignalKind, signal};

use crate::transcript::{Stream, Transcript};
use terminal::Terminal;

/// How long a command goes on after its first failure before it is taken for one that goes on: most
/// say why and end.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long to wait for output after the command's end: whatever it started may hold the pipe for
/// ever.
const QUIET: Duration = Duration::from_millis(200);

/// What to run.
pub struct Invocation {
    /// The program and its arguments.
    pub words: Vec<OsString>,
    /// Where; the doctor's own directory by default.
    pub directory: Option<PathBuf>,
}

/// How it ended.
pub struct Ended {
    /// The exit code as a shell has it: 128 and the number of the signal that ended it.
    pub code: i32,
    /// Whether it was stopped (Ctrl-C, a signal sent to it or to us).
    pub stopped: bool,
}

/// What is heard while the command runs, shared with the threads that pass its output on.
type Heard = Arc<Mutex<Transcript>>;

/// Runs the command to its end. `heard` gets its output; `live` is called once when it failed and
/// goes on all the same, with the terminal as a report needs it.
///
/// # Errors
/// The command cannot be started.
pub fn run(invocation: &Invocation, heard: &Heard, live: &mut dyn FnMut()) -> io::Result<Ended> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(conduct(invocation, heard, live));
    runtime.shutdown_background();
    ended
}

/// The parts of a running command.
struct Running {
    child: std::process::Child,
    /// The outputs that are passed on.
    pumps: Vec<std::thread::JoinHandle<()>>,
    /// Counts the pieces of output.
    moved: Arc<AtomicU64>,
    terminal: Option<Terminal>,
}

async fn conduct(
    invocation: &Invocation,
    heard: &Heard,
    live: &mut dyn FnMut(),
) -> io::Result<Ended> {
    // Before the command starts: a signal that comes in between must not end the doctor alone.
    let mut ended = signal(SignalKind::child())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut quit = signal(SignalKind::quit())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let mut resized = signal(SignalKind::window_change())?;
    let mut woken = signal(SignalKind::from_raw(Signal::CONT.as_raw()))?;
    let mut running = start(invocation, heard)?;
    let mut stopped = false;
    let mut since_failure: Option<Instant> = None;
    let mut is_reported = false;
    let status = loop {
        // A signal may have come before it was listened to, and one may mean several.
        if let Some(status) = running.child.try_wait()? {
            break status;
        }
        let tick =
            tokio::time::sleep(Duration::from_millis(if is_reported { 3_600_000 } else { 500 }));
        let own_session = running.terminal.is_some();
        tokio::select! {
            _ = ended.recv() => {}
            _ = interrupt.recv() => {
                stopped = true;
                // On the doctor's own terminal the command got it already.
                if own_session { running.send(Signal::INT) }
            }
            _ = quit.recv() => {
                stopped = true;
                if own_session { running.send(Signal::QUIT) }
            }
            _ = terminate.recv() => { stopped = true; running.send(Signal::TERM) }
            _ = hangup.recv() => { stopped = true; running.send(Signal::HUP) }
            _ = resized.recv() => {
                if let Some(terminal) = &running.terminal { terminal.resize() }
            }
            _ = woken.recv() => {
                if let Some(terminal) = &running.terminal { terminal.wake() }
            }
            () = tick => {
                let failed = heard.lock().unwrap_or_else(PoisonError::into_inner).failed();
                if failed && since_failure.is_none() { since_failure = Some(Instant::now()) }
                if !is_reported && since_failure.is_some_and(|since| since.elapsed() >= PATIENCE) {
                    is_reported = true;
                    let _cooked = running.terminal.as_ref().map(Terminal::lend);
                    live();
                }
            }
        }
    };
    running.drain();
    if let Some(terminal) = &running.terminal {
        stopped |= terminal.was_interrupted();
    }
    drop(running);
    heard.lock().unwrap_or_else(PoisonError::into_inner).finish();
    Ok(Ended { code: code(status), stopped: stopped || status.signal().is_some() })
}

/// The exit code as a shell has it.
fn code(status: ExitStatus) -> i32 {
    status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

impl Running {
    fn send(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _over = rustix::process::kill_process(pid, signal);
        }
    }

    /// Waits for what the command wrote before it ended.
    fn drain(&mut self) {
        let mut last = (self.moved.load(Ordering::Relaxed), Instant::now());
        while self.pumps.iter().any(|pump| !pump.is_finished()) {
            std::thread::sleep(Duration::from_millis(2));
            let moved = self.moved.load(Ordering::Relaxed);
            if moved != last.0 {
                last = (moved, Instant::now());
            } else if last.1.elapsed() > QUIET {
                return;
            }
        }
    }
}

fn start(invocation: &Invocation, heard: &Heard) -> io::Result<Running> {
    let Some((program, arguments)) = invocation.words.split_first() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no command was given"));
    };
    let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
    let moved = Arc::new(AtomicU64::new(0));
    let mut pumps = Vec::new();
    let mut pump = |from: OwnedFd, to: OwnedFd, stream: Stream| {
        let (heard, moved) = (Arc::clone(heard), Arc::clone(&moved));
        pumps.push(std::thread::spawn(move || pass_on(from, to, stream, &heard, &moved)));
    };
    if !(out || err) {
        let mut command = std::process::Command::new(program);
        command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Some(directory) = &invocation.directory {
            command.current_dir(directory);
        }
        let mut child = command.spawn()?;
        if let Some(from) = child.stdout.take() {
            pump(from.into(), io::stdout().as_fd().try_clone_to_owned()?, Stream::Out);
        }
        if let Some(from) = child.stderr.take() {
            pump(from.into(), io::stderr().as_fd().try_clone_to_owned()?, Stream::Err);
        }
        return Ok(Running { child, pumps, moved, terminal: None });
    }
    let (pty, pts) = pty_process::blocking::open().map_err(io::Error::other)?;
    let mut command = pty_process::blocking::Command::new(program).args(arguments);
    if let Some(directory) = &invocation.directory {
        command = command.current_dir(directory);
    }
    if !io::stdin().is_terminal() {
        command = command.stdin(Stdio::inherit());
    }
    if !out {
        command = command.stdout(Stdio::piped());
    }
    if !err {
        command = command.stderr(Stdio::piped());
    }
    let screen = if out {
        io::stdout().as_fd().try_clone_to_owned()?
    } else {
        io::stderr().as_fd().try_clone_to_owned()?
    };
    let terminal = Terminal::take(OwnedFd::from(pty), screen)?;
    let mut child = command.spawn(pts).map_err(|error| match error {
        pty_process::Error::Io(error) => error,
        error @ pty_process::Error::Rustix(_) => io::Error::other(error),
    })?;
    if let Some(from) = child.stdout.take() {
        pump(from.into(), io::stdout().as_fd().try_clone_to_owned()?, Stream::Out);
    }
    if let Some(from) = child.stderr.take() {
        pump(from.into(), io::stderr().as_fd().try_clone_to_owned()?, Stream::Err);
    }
    let (from, to) = terminal.output()?;
    pump(from, to, Stream::Err);
    terminal.listen(child.id())?;
    Ok(Running { child, pumps, moved, terminal: Some(terminal) })
}

/// Passes bytes on until there are no more, and lets the transcript hear them. A reader that went
/// away ends it, as it would end the command itself: with the next write the command gets its
/// SIGPIPE.
fn pass_on(from: OwnedFd, to: OwnedFd, stream: Stream, heard: &Heard, moved: &AtomicU64) {
    let (mut from, mut to) = (std::fs::File::from(from), std::fs::File::from(to));
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let read = match from.read(&mut buffer) {
            // A pseudo-terminal whose last user is gone answers EIO.
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        if to.write_all(&buffer[..read]).is_err() {
            return;
        }
        heard.lock().unwrap_or_else(PoisonError::into_inner).feed(stream, &buffer[..read]);
        moved.fetch_add(1, Ordering::Relaxed);
    }
}
