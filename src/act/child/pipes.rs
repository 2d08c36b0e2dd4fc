//! Windows, without a pseudo-terminal: both outputs are pipes, and their bytes pass unchanged. The
//! command shares the console, which sends it Ctrl-C.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use super::{Ended, Heard, Invocation};
use crate::budget::{PATIENCE, QUIET};
use crate::transcript::Stream;

/// How often it is looked whether the command ended.
const TICK: Duration = Duration::from_millis(50);

/// Runs the command to its end. `heard` gets its output; `live` is called once when it failed and
/// goes on all the same.
///
/// # Errors
/// The command cannot be started.
pub fn run(invocation: &Invocation, heard: &Heard, live: &mut dyn FnMut()) -> io::Result<Ended> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ended = runtime.block_on(conduct(invocation, heard, live));
    runtime.shutdown_background();
    ended
}

async fn conduct(
    invocation: &Invocation,
    heard: &Heard,
    live: &mut dyn FnMut(),
) -> io::Result<Ended> {
    let Some((program, arguments)) = invocation.words.split_first() else {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "no command was given"));
    };
    let found =
        program.to_str().and_then(|name| crate::files::program(name, &path(), &extensions()));
    let mut command = Command::new(found.unwrap_or_else(|| PathBuf::from(program)));
    command.args(arguments).stdout(Stdio::piped()).stderr(Stdio::piped());
    if let Some(directory) = &invocation.directory {
        command.current_dir(directory);
    }
    let mut child = command.spawn()?;
    let pumps = [
        child.stdout.take().map(|from| pump(from, io::stdout(), Stream::Out, heard)),
        child.stderr.take().map(|from| pump(from, io::stderr(), Stream::Err, heard)),
    ];
    let (mut stopped, mut is_reported) = (false, false);
    let mut since_failure: Option<Instant> = None;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break status;
        }
        tokio::select! {
            // Heard, it does not end the doctor; the command has it from the console.
            _ = tokio::signal::ctrl_c() => stopped = true,
            () = tokio::time::sleep(TICK) => {}
        }
        let failed = heard.lock().unwrap_or_else(PoisonError::into_inner).failed();
        if failed && since_failure.is_none() {
            since_failure = Some(Instant::now());
        }
        if !is_reported && since_failure.is_some_and(|since| since.elapsed() >= PATIENCE) {
            is_reported = true;
            live();
        }
    };
    // A process that it left behind may hold the pipe for ever: it is listened to for a while only.
    let end = Instant::now();
    while pumps.iter().flatten().any(|pump| !pump.is_finished()) && end.elapsed() < QUIET {
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    heard.lock().unwrap_or_else(PoisonError::into_inner).finish();
    Ok(Ended { code: status.code().unwrap_or(1), stopped })
}

fn path() -> String {
    std::env::var("PATH").unwrap_or_default()
}

fn extensions() -> String {
    std::env::var("PATHEXT").unwrap_or_default()
}

/// Copies bytes until the end of the pipe, to the output and to the transcript.
fn pump(
    mut from: impl Read + Send + 'static,
    mut to: impl Write + Send + 'static,
    stream: Stream,
    heard: &Heard,
) -> std::thread::JoinHandle<()> {
    let heard = Arc::clone(heard);
    std::thread::spawn(move || {
        let mut buffer = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = from.read(&mut buffer) {
            if to.write_all(&buffer[..read]).and_then(|()| to.flush()).is_err() {
                return;
            }
            heard.lock().unwrap_or_else(PoisonError::into_inner).feed(stream, &buffer[..read]);
        }
    })
}
