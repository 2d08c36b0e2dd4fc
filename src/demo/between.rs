//! What is between a client and the recorded backends: a reverse proxy with its faults, before
//! one backend or several. One request per connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// The longest head that is taken.
const LONGEST_HEAD: usize = 65_536;

/// A reverse proxy.
#[derive(Clone, Debug)]
pub(super) struct Proxy {
    /// The ports behind it. Each check of a key goes to the next, everything else to the first: a
    /// run finds the same every time.
    pub(super) to: Vec<u16>,
    /// What it says it is.
    pub(super) server: Option<String>,
    /// Headers of requests, in small letters, that it does not hand on.
    pub(super) drops: Vec<String>,
    /// The largest body that it takes, in bytes.
    pub(super) largest_body: Option<usize>,
}

impl Proxy {
    /// Serves until the task is dropped.
    pub(super) fn serve(self, listener: TcpListener) {
        let proxy = Arc::new(self);
        let turn = Arc::new(AtomicUsize::new(0));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (proxy, turn) = (Arc::clone(&proxy), Arc::clone(&turn));
                tokio::spawn(async move {
                    // A client that goes away is not reported.
                    drop(proxy.hand_on(stream, &turn).await);
                });
            }
        });
    }

    async fn hand_on(&self, mut client: TcpStream, turn: &AtomicUsize) -> std::io::Result<()> {
        let (head, rest) = read_head(&mut client).await?;
        let length = header(&head, "content-length").and_then(|text| text.parse().ok());
        if self.largest_body.zip(length).is_some_and(|(most, length): (usize, usize)| length > most)
        {
            let page = "<html><head><title>413 Request Entity Too Large</title></head></html>";
            let answer = format!(
                "HTTP/1.1 413 Request Entity Too Large\r\n{}content-type: text/html\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}",
                self.server_line(),
                page.len()
            );
            client.write_all(answer.as_bytes()).await?;
            // As a careful server does: what still comes is taken, so that the answer is not lost
            // to a reset.
            client.shutdown().await?;
            tokio::io::copy(&mut client, &mut tokio::io::sink()).await?;
            return Ok(());
        }
        let goes_round = head.starts_with("GET /api/check_admin_key ")
            && header(&head, "authorization").is_some();
        let next = if goes_round { turn.fetch_add(1, Ordering::Relaxed) } else { 0 };
        let Some(port) = self.to.get(next % self.to.len().max(1)) else { return Ok(()) };
        let mut backend = TcpStream::connect(("127.0.0.1", *port)).await?;
        let kept = |line: &&str| {
            let name = line.split(':').next().unwrap_or_default().to_ascii_lowercase();
            !self.drops.contains(&name)
        };
        let lines: Vec<&str> = head.trim_end().lines().filter(kept).collect();
        backend.write_all(format!("{}\r\n\r\n", lines.join("\r\n")).as_bytes()).await?;
        backend.write_all(&rest).await?;
        let (mut from_client, mut to_client) = client.split();
        let (mut from_backend, mut to_backend) = backend.split();
        let answer = async {
            let (head, rest) = read_head(&mut from_backend).await?;
            let (status, headers) = head.split_once("\r\n").unwrap_or((&head, ""));
            let head = format!("{status}\r\n{}{headers}", self.server_line());
            to_client.write_all(head.as_bytes()).await?;
            to_client.write_all(&rest).await?;
            tokio::io::copy(&mut from_backend, &mut to_client).await
        };
        tokio::try_join!(tokio::io::copy(&mut from_client, &mut to_backend), answer)?;
        Ok(())
    }

    fn server_line(&self) -> String {
        self.server.as_ref().map_or_else(String::new, |name| format!("server: {name}\r\n"))
    }
}

/// The head, its empty line included, and what came after it.
async fn read_head(
    stream: &mut (impl tokio::io::AsyncRead + Unpin),
) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        if let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            let rest = bytes.split_off(end + 4);
            return Ok((String::from_utf8_lossy(&bytes).into_owned(), rest));
        }
        match stream.read(&mut chunk).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            _ if bytes.len() > LONGEST_HEAD => return Err(std::io::ErrorKind::InvalidData.into()),
            count => bytes.extend_from_slice(&chunk[..count]),
        }
    }
}

fn header(head: &str, wanted: &str) -> Option<String> {
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case(wanted).then(|| value.trim().to_owned())
    })
}
