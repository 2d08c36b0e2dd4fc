//! The doctor's terminal while a command has one of its own: raw, so that every key reaches the
//! command, and given back as it was.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rustix::process::{Pid, Signal};
use rustix::termios::{
    LocalModes, OptionalActions, OutputModes, SpecialCodeIndex, Termios, tcgetattr, tcgetpgrp,
    tcgetwinsize, tcsetattr, tcsetwinsize,
};

/// The terminal, and the command's pseudo-terminal.
pub(super) struct Terminal {
    shared: Arc<Shared>,
}

struct Shared {
    /// Our side of the command's terminal.
    command: OwnedFd,
    /// What is seen.
    screen: OwnedFd,
    /// How the screen was.
    saved: Termios,
    /// Whether keys come from a terminal as well.
    keys: bool,
    interrupted: AtomicBool,
    /// The processes that were stopped with Ctrl-Z.
    asleep: Mutex<Option<Pid>>,
}

impl Terminal {
    /// Takes the terminal over: the command's gets its modes and its size.
    pub(super) fn take(command: OwnedFd, screen: OwnedFd) -> io::Result<Self> {
        let saved = tcgetattr(&screen)?;
        tcsetattr(&command, OptionalActions::Now, &saved)?;
        let keys = io::stdin().is_terminal();
        let shared = Arc::new(Shared {
            command,
            screen,
            saved,
            keys,
            interrupted: AtomicBool::new(false),
            asleep: Mutex::default(),
        });
        shared.resize();
        shared.take()?;
        Ok(Self { shared })
    }

    /// The command's size becomes the window's.
    pub(super) fn resize(&self) {
        self.shared.resize();
    }

    /// Takes the terminal again after a shell woke the doctor, and wakes the command.
    pub(super) fn wake(&self) {
        let _gone = self.shared.take();
        self.shared.resize();
        let asleep = self.shared.asleep.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(group) = asleep {
            let _over = rustix::process::kill_process_group(group, Signal::CONT);
        }
    }

    /// Where the command's output comes from, and where it goes.
    pub(super) fn output(&self) -> io::Result<(OwnedFd, OwnedFd)> {
        let command = self.shared.command.as_fd().try_clone_to_owned()?;
        Ok((command, self.shared.screen.as_fd().try_clone_to_owned()?))
    }

    /// Whether Ctrl-C was typed to the command.
    pub(super) fn was_interrupted(&self) -> bool {
        self.shared.interrupted.load(Ordering::Relaxed)
    }

    /// Gives the terminal back for a while: until the loan is dropped.
    pub(super) fn lend(&self) -> Loan {
        self.shared.give_back();
        Loan(Arc::clone(&self.shared))
    }

    /// Passes on what is typed, until convex-doctor ends; the thread is never joined.
    pub(super) fn listen(&self, command: u32) -> io::Result<()> {
        if !self.shared.keys {
            return Ok(());
        }
        let shared = Arc::clone(&self.shared);
        let input = io::stdin().as_fd().try_clone_to_owned()?;
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            loop {
                let read = match rustix::io::read(&input, &mut buffer) {
                    Err(rustix::io::Errno::INTR) => continue,
                    Ok(0) | Err(_) => return,
                    Ok(read) => read,
                };
                shared.typed(&buffer[..read], command);
            }
        });
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        self.shared.give_back();
    }
}

/// The terminal as it was, until this is dropped.
pub(super) struct Loan(Arc<Shared>);

impl Drop for Loan {
    fn drop(&mut self) {
        let _gone = self.0.take();
    }
}

impl Shared {
    fn take(&self) -> io::Result<()> {
        let mut modes = self.saved.clone();
        if self.keys {
            modes.make_raw();
        } else {
            // The command's terminal made its line ends already.
            modes.output_modes.remove(OutputModes::OPOST);
        }
        Ok(tcsetattr(&self.screen, OptionalActions::Now, &modes)?)
    }

    fn give_back(&self) {
        let _gone = tcsetattr(&self.screen, OptionalActions::Drain, &self.saved);
    }

    fn resize(&self) {
        if let Ok(size) = tcgetwinsize(&self.screen) {
            let _gone = tcsetwinsize(&self.command, size);
        }
    }

    /// Keys for the command. Its terminal makes signals of them, but for Ctrl-Z: a session of its
    /// own has no shell that could wake it, so the doctor goes to sleep with it.
    fn typed(&self, bytes: &[u8], command: u32) {
        let Ok(modes) = tcgetattr(&self.command) else { return };
        let signals = modes.local_modes.contains(LocalModes::ISIG);
        let (suspend, interrupt) = (
            modes.special_codes[SpecialCodeIndex::VSUSP],
            modes.special_codes[SpecialCodeIndex::VINTR],
        );
        let mut rest = bytes;
        while signals
            && let Some(at) = rest.iter().position(|byte| *byte == suspend && suspend != 0)
        {
            self.write(&rest[..at]);
            self.sleep(command);
            rest = &rest[at + 1..];
        }
        if signals && rest.contains(&interrupt) {
            self.interrupted.store(true, Ordering::Relaxed);
        }
        self.write(rest);
    }

    fn write(&self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match rustix::io::write(&self.command, bytes) {
                Ok(written) => bytes = &bytes[written..],
                Err(rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }

    /// Stops the command and the doctor, whom a shell wakes: see [`Terminal::wake`].
    fn sleep(&self, command: u32) {
        let leader = i32::try_from(command).ok().and_then(Pid::from_raw);
        let Some(group) = tcgetpgrp(&self.command).ok().or(leader) else { return };
        let send = |signal| {
            let _over = rustix::process::kill_process_group(group, signal);
        };
        // One that cares gets the chance to tidy the screen.
        send(Signal::TSTP);
        std::thread::sleep(Duration::from_millis(30));
        send(Signal::STOP);
        *self.asleep.lock().unwrap_or_else(PoisonError::into_inner) = Some(group);
        self.give_back();
        // The whole group, as the terminal does at Ctrl-Z: a program that started the doctor and
        // waits for it (npx, `sh -c`) is the one that the shell waits for. Another thread may take
        // the signal: this one goes on for a moment, and must not wake anybody.
        let _alive = rustix::process::kill_current_process_group(Signal::STOP);
    }
}
