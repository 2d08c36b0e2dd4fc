//! Where an output is a terminal, the command gets a pseudo-terminal of its own, so that colours,
//! prompts and spinners stay; where it is a file or a pipe, a pipe. Bytes pass unchanged. Ctrl-C,
//! Ctrl-Z, the window's size and signals pass on.

use std::io::{self, IsTerminal, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};
use tokio::signal::unix::{SignalKind, signal};

use super::terminal::Terminal;
use super::{Ended, Heard, Invocation};
use crate::budget::{PATIENCE, QUIET};
use crate::signals::is_ignored;
use crate::transcript::Stream;

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
struct RunningChild {
    child: std::process::Child,
    /// The outputs that are passed on.
    pumps: Vec<Pump>,
    terminal: Option<Terminal>,
}

/// What ends the doctor while it passes the last output on. `None` for a signal that the doctor was
/// started to ignore (`nohup`, a job in the background of a script), as the command then does.
struct Signals {
    interrupt: Option<tokio::signal::unix::Signal>,
    quit: Option<tokio::signal::unix::Signal>,
    terminate: Option<tokio::signal::unix::Signal>,
    hangup: Option<tokio::signal::unix::Signal>,
}

impl Signals {
    fn listen() -> io::Result<Self> {
        let unless_ignored = |number: Signal| {
            if is_ignored(number) {
                return Ok(None);
            }
            signal(SignalKind::from_raw(number.as_raw())).map(Some)
        };
        Ok(Self {
            interrupt: unless_ignored(Signal::INT)?,
            quit: unless_ignored(Signal::QUIT)?,
            terminate: unless_ignored(Signal::TERM)?,
            hangup: unless_ignored(Signal::HUP)?,
        })
    }

    async fn next(&mut self) -> Signal {
        async fn of(signal: &mut Option<tokio::signal::unix::Signal>) {
            match signal {
                Some(signal) => drop(signal.recv().await),
                None => std::future::pending().await,
            }
        }
        tokio::select! {
            () = of(&mut self.interrupt) => Signal::INT,
            () = of(&mut self.quit) => Signal::QUIT,
            () = of(&mut self.terminate) => Signal::TERM,
            () = of(&mut self.hangup) => Signal::HUP,
        }
    }
}

/// Whether keys of a terminal reach the doctor's whole process group, the command in it as well: it
/// has a terminal, if only for its input, and is in the foreground there.
fn shares_a_terminal() -> bool {
    let Ok(terminal) = crate::files::terminal() else { return false };
    rustix::termios::tcgetpgrp(&terminal).is_ok_and(|group| group == rustix::process::getpgrp())
}

async fn conduct(
    invocation: &Invocation,
    heard: &Heard,
    live: &mut dyn FnMut(),
) -> io::Result<Ended> {
    // Before the command starts: a signal that comes in between must not end the doctor alone.
    let mut ended = signal(SignalKind::child())?;
    let mut signals = Signals::listen()?;
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
        tokio::select! {
            _ = ended.recv() => {}
            signal = signals.next() => {
                stopped = true;
                // A key of a terminal that both have reached the command already.
                let is_key = matches!(signal, Signal::INT | Signal::QUIT);
                if !is_key || running.terminal.is_some() || !shares_a_terminal() {
                    running.send(signal);
                }
            }
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
    // What it wrote has still to arrive: only then is the command over for its reader.
    let mut code = code(status);
    tokio::select! {
        () = running.drain() => {}
        signal = signals.next() => {
            stopped = true;
            code = 128 + signal.as_raw();
        }
    }
    if let Some(terminal) = &running.terminal {
        stopped |= terminal.was_interrupted();
    }
    drop(running);
    heard.lock().unwrap_or_else(PoisonError::into_inner).finish();
    Ok(Ended { code, stopped: stopped || status.signal().is_some() })
}

/// The exit code as a shell has it.
fn code(status: ExitStatus) -> i32 {
    status.code().or(status.signal().map(|signal| 128 + signal)).unwrap_or(1)
}

impl RunningChild {
    fn send(&self, signal: Signal) {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = pid {
            let _over = rustix::process::kill_process(pid, signal);
        }
    }

    /// Waits until all that the command wrote before it ended has reached its reader, however slow
    /// that one is. A process that it left behind may hold the pipe for ever: it is listened to for
    /// a while only.
    async fn drain(&self) {
        let end = Instant::now();
        while !self.pumps.iter().all(|pump| pump.is_over(end)) {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// A thread that passes one output on.
struct Pump {
    thread: std::thread::JoinHandle<()>,
    /// Where it reads. The thread alone keeps it open: with its end the command gets its SIGPIPE.
    from: Weak<OwnedFd>,
    /// Since when it waits for output; `None` while it has some to pass on.
    idle: Arc<Mutex<Option<Instant>>>,
}

impl Pump {
    fn start(from: OwnedFd, to: OwnedFd, stream: Stream, heard: &Heard) -> Self {
        let (from, idle) = (Arc::new(from), Arc::new(Mutex::new(None)));
        let (reads, heard, state) = (Arc::downgrade(&from), Arc::clone(heard), Arc::clone(&idle));
        let thread = std::thread::spawn(move || pass_on(&from, to, stream, &heard, &state));
        Self { thread, from: reads, idle }
    }

    /// Whether nothing more is to be expected of it after the command's `end`.
    fn is_over(&self, end: Instant) -> bool {
        if self.thread.is_finished() {
            return true;
        }
        let idle = *self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = |since: Instant| since.max(end).elapsed() > QUIET;
        // On a busy machine the thread may not have got round to what is there.
        idle.is_some_and(quiet)
            && !self.from.upgrade().is_some_and(|from| {
                rustix::io::ioctl_fionread(&from).is_ok_and(|waiting| waiting > 0)
            })
    }
}

fn start(invocation: &Invocation, heard: &Heard) -> io::Result<RunningChild> {
    let Some((program, arguments)) = invocation.words.split_first() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no command was given"));
    };
    let (out, err) = (io::stdout().is_terminal(), io::stderr().is_terminal());
    let mut pumps = Vec::new();
    let mut pump = |from: OwnedFd, to: OwnedFd, stream: Stream| {
        pumps.push(Pump::start(from, to, stream, heard));
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
        return Ok(RunningChild { child, pumps, terminal: None });
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
    Ok(RunningChild { child, pumps, terminal: Some(terminal) })
}

/// Copies bytes until the end of the pipe, to the output and to the transcript. A reader that went
/// away ends it, as it would end the command itself: with the next write the command gets its
/// SIGPIPE.
fn pass_on(
    from: &OwnedFd,
    to: OwnedFd,
    stream: Stream,
    heard: &Heard,
    idle: &Mutex<Option<Instant>>,
) {
    let mut to = std::fs::File::from(to);
    let mut buffer = vec![0; 64 * 1024];
    let waits = |since| *idle.lock().unwrap_or_else(PoisonError::into_inner) = since;
    loop {
        waits(Some(Instant::now()));
        let read = match rustix::io::read(from, &mut buffer) {
            Err(rustix::io::Errno::INTR) => continue,
            // A pseudo-terminal whose last user is gone answers EIO.
            Ok(0) | Err(_) => return,
            Ok(read) => read,
        };
        waits(None);
        if to.write_all(&buffer[..read]).is_err() {
            return;
        }
        heard.lock().unwrap_or_else(PoisonError::into_inner).feed(stream, &buffer[..read]);
    }
}
