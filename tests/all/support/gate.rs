//! A gate before the engine: it holds the program at one of its requests, so that a test acts at
//! that very moment and not at a time that was guessed.

#![allow(clippy::unwrap_used, reason = "a test may fail")]

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, watch};

/// Whether the request of that number, from 1, is the one to hold.
type Holds = Box<dyn FnMut(usize) -> bool + Send>;

/// A socket in front of an engine's.
pub(crate) struct Gate {
    socket: PathBuf,
    reached: Arc<Notify>,
    opened: watch::Sender<bool>,
    _directory: tempfile::TempDir,
}

impl Gate {
    /// In front of the engine at `host` (`unix:///…`); `holds` is asked before each request is
    /// handed on. After the first that is held, none is held any more.
    pub(crate) fn before(host: &str, holds: impl FnMut(usize) -> bool + Send + 'static) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("gate.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        let engine = PathBuf::from(host.strip_prefix("unix://").unwrap());
        let (opened, open) = watch::channel(false);
        let reached = Arc::new(Notify::new());
        let state: Arc<Mutex<(usize, Option<Holds>)>> =
            Arc::new(Mutex::new((0, Some(Box::new(holds)))));
        let notify = Arc::clone(&reached);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(engine) = UnixStream::connect(&engine).await else { return };
                let (from_program, to_program) = stream.into_split();
                let (from_engine, to_engine) = engine.into_split();
                let connection = Connection {
                    state: Arc::clone(&state),
                    reached: Arc::clone(&notify),
                    open: open.clone(),
                };
                tokio::spawn(connection.ask(from_program, to_engine));
                tokio::spawn(answer(from_engine, to_program));
            }
        });
        Self { socket, reached, opened, _directory: directory }
    }

    /// Its socket.
    pub(crate) fn socket(&self) -> &Path {
        &self.socket
    }

    /// Ends when the program stands at the gate.
    pub(crate) async fn reached(&self) {
        self.reached.notified().await;
    }

    /// Lets it go on.
    pub(crate) fn open(&self) {
        self.opened.send_replace(true);
    }
}

struct Connection {
    state: Arc<Mutex<(usize, Option<Holds>)>>,
    reached: Arc<Notify>,
    open: watch::Receiver<bool>,
}

impl Connection {
    /// Hands the requests on.
    async fn ask(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut chunk = vec![0; 65536];
        while let Ok(count @ 1..) = from.read(&mut chunk).await {
            let is_head = chunk[..count].windows(11).any(|part| part == b" HTTP/1.1\r\n");
            if is_head && self.is_held() {
                self.reached.notify_one();
                if self.open.wait_for(|open| *open).await.is_err() {
                    return;
                }
            }
            if to.write_all(&chunk[..count]).await.is_err() {
                return;
            }
        }
    }

    fn is_held(&self) -> bool {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.0 += 1;
        let number = state.0;
        let is_held = state.1.as_mut().is_some_and(|holds| holds(number));
        if is_held {
            state.1 = None;
        }
        is_held
    }
}

async fn answer(mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
    let _closed = tokio::io::copy(&mut from, &mut to).await;
}
