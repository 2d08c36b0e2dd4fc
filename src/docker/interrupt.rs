//! Ctrl-C while something of ours is on the engine: that is taken away first, and then the
//! process ends as the signal wants.
//!
//! Watched only by runs that put something there (`--deep`, `fix --apply`); every other run dies at
//! once, as it should.
#![allow(clippy::disallowed_methods, reason = "signals end the process")]

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

/// How long the signal waits for what is to be taken away; a second signal does not.
const PATIENCE: Duration = Duration::from_mins(1);

/// Not every program that starts the doctor leaves Ctrl-C to the terminal: one that passes it on
/// makes it arrive twice. What comes so soon is the same signal.
const SAME: Duration = Duration::from_millis(300);

/// The one watch of this process; once there, it stays (the signals' old handlers do not come
/// back).
static WATCH: OnceLock<Interrupt> = OnceLock::new();

/// Whether a signal came, and how much is still to be taken away.
#[derive(Clone)]
pub struct Interrupt {
    came: Arc<tokio::sync::watch::Sender<bool>>,
    held: Arc<Mutex<usize>>,
}

/// Something that has to be taken away; dropped when it is.
pub struct Hold(Interrupt);

impl Interrupt {
    /// Watches from now on. When this returns, the signals are in its hands.
    pub fn watch() -> Self {
        let start = || {
            let new = Self {
                came: Arc::new(tokio::sync::watch::Sender::new(false)),
                held: Arc::default(),
            };
            let (watch, (ready, is_ready)) = (new.clone(), std::sync::mpsc::channel());
            std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
                if let Ok(runtime) = runtime {
                    runtime.block_on(watch.wait(&ready));
                }
            });
            let _late = is_ready.recv_timeout(Duration::from_secs(1));
            new
        };
        WATCH.get_or_init(start).clone()
    }

    /// Announces something that will have to be taken away; `None` when a signal came, and nothing
    /// may be begun any more. What is held already goes on: removing is work, too.
    pub fn hold(&self) -> Option<Hold> {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if *self.came.borrow() && *held == 0 {
            return None;
        }
        *held += 1;
        Some(Hold(self.clone()))
    }

    /// Ends when a signal comes.
    pub async fn happened(&self) {
        let mut came = self.came.subscribe();
        let _never_closed = came.wait_for(|came| *came).await;
    }

    /// Whether a signal came.
    pub fn came(&self) -> bool {
        *self.came.borrow()
    }

    /// Goes no further when a signal came and nothing is held: the watch is about to end the
    /// process.
    pub async fn end_here(&self) {
        let is_held = *self.held.lock().unwrap_or_else(PoisonError::into_inner) > 0;
        if *self.came.borrow() && !is_held {
            std::future::pending::<()>().await;
        }
    }

    /// The same where nothing else is waited for.
    pub fn end(&self) {
        let is_held = || *self.held.lock().unwrap_or_else(PoisonError::into_inner) > 0;
        while self.came() && !is_held() {
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    async fn wait(&self, ready: &std::sync::mpsc::Sender<()>) {
        let Ok(mut signals) = Signals::install() else { return };
        let _unless_gone = ready.send(());
        let code = signals.next().await;
        {
            // Under the lock: a hold that begins after this sees the signal.
            let _held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            self.came.send_replace(true);
        }
        let first = Instant::now();
        let end = first + PATIENCE;
        while *self.held.lock().unwrap_or_else(PoisonError::into_inner) > 0 && Instant::now() < end
        {
            tokio::select! {
                _ = signals.next() => if first.elapsed() > SAME { break },
                () = tokio::time::sleep(Duration::from_millis(20)) => {}
            }
        }
        std::process::exit(code);
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        *self.0.held.lock().unwrap_or_else(PoisonError::into_inner) -= 1;
    }
}

/// The signals by which a user ends a program.
#[cfg(unix)]
struct Signals([tokio::signal::unix::Signal; 3]);

#[cfg(unix)]
impl Signals {
    fn install() -> std::io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self([
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ]))
    }

    /// The exit code that belongs to the next one.
    async fn next(&mut self) -> i32 {
        let [interrupt, terminate, hangup] = &mut self.0;
        tokio::select! {
            _ = interrupt.recv() => 130,
            _ = terminate.recv() => 143,
            _ = hangup.recv() => 129,
        }
    }
}

#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn install() -> std::io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> i32 {
        let _unheard = tokio::signal::ctrl_c().await;
        130
    }
}
