//! The sync WebSocket, as far as it judges a key: the handshake needs none, the first Authenticate
//! message does.

use hyper::header::HeaderMap;
use hyper::{Request, StatusCode, body::Incoming};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::Backend;
use super::answer::Answer;
use super::authorization::{self, BAD_JWT, Refusal};
use super::encoding::{base64, sha1};

/// RFC 6455's constant.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Longer messages end the connection: a key is short.
const LONGEST_MESSAGE: usize = 1 << 20;

const TEXT: u8 = 1;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

/// Answers the handshake and, if it succeeds, continues in the background.
pub(super) fn handshake(backend: &Backend, request: &mut Request<Incoming>) -> Answer {
    let refuse =
        |code, message| Refusal::new(StatusCode::BAD_REQUEST, code, message).answer(backend);
    let headers = request.headers();
    if !says(headers, "connection", "upgrade") {
        return refuse("InvalidConnectionHeader", "Connection header did not include upgrade");
    }
    if !says(headers, "upgrade", "websocket") {
        return refuse("InvalidUpgradeHeader", "Upgrade header did not include websocket");
    }
    let Some(key) = headers.get("sec-websocket-key").and_then(|key| key.to_str().ok()) else {
        return refuse("InvalidConnectionHeader", "Connection header did not include upgrade");
    };
    let accept = base64(&sha1(format!("{key}{GUID}").as_bytes()));
    let backend = backend.clone();
    let upgrade = hyper::upgrade::on(request);
    tokio::spawn(async move {
        if let Ok(upgraded) = upgrade.await {
            // A client that goes away in the middle of a frame is not reported.
            drop(talk(&backend, TokioIo::new(upgraded)).await);
        }
    });
    Answer::empty(StatusCode::SWITCHING_PROTOCOLS)
        .header("connection", "upgrade")
        .header("upgrade", "websocket")
        .header("sec-websocket-accept", &accept)
}

/// Whether one of the comma-separated words of a header is `word`.
fn says(headers: &HeaderMap, name: &str, word: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|part| part.trim().eq_ignore_ascii_case(word))
}

/// What a client may say; everything but Authenticate passes unheard.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all_fields = "camelCase")]
enum Message {
    Authenticate {
        #[serde(default)]
        base_version: u64,
        token_type: String,
        #[serde(default)]
        value: String,
    },
    #[serde(other)]
    Other,
}

async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    backend: &Backend,
    mut stream: S,
) -> std::io::Result<()> {
    send(&mut stream, PING, b"").await?;
    let mut message = Vec::new();
    loop {
        let (last, opcode, payload) = receive(&mut stream).await?;
        match opcode {
            CLOSE => return send(&mut stream, CLOSE, b"").await,
            PING => send(&mut stream, PONG, &payload).await?,
            PONG => {}
            _ => {
                message.extend_from_slice(&payload);
                if last {
                    if let Some(end) = hear(backend, &mut stream, &message).await? {
                        send(&mut stream, TEXT, end.as_bytes()).await?;
                        send(&mut stream, CLOSE, b"").await?;
                        return stream.shutdown().await;
                    }
                    message.clear();
                }
            }
        }
    }
}

/// Answers one message; `Some` is the last word.
async fn hear<S: AsyncWrite + Unpin>(
    backend: &Backend,
    stream: &mut S,
    message: &[u8],
) -> std::io::Result<Option<String>> {
    let message = match serde_json::from_slice(message) {
        Ok(message) => message,
        Err(error) => {
            let error = format!("Received Invalid JSON on websocket: {error}");
            return Ok(Some(json!({"type": "FatalError", "error": error}).to_string()));
        }
    };
    let Message::Authenticate { base_version, token_type, value } = message else {
        return Ok(None);
    };
    let refusal = match token_type.as_str() {
        "Admin" => authorization::of_key(backend, &value).err().map(|refusal| {
            refusal.log(backend);
            refusal.message().to_owned()
        }),
        "User" => Some(BAD_JWT.to_owned()),
        _ => None,
    };
    if let Some(error) = refusal {
        let answer = format!(
            r#"{{"type":"AuthError","error":{},"baseVersion":{base_version},"authUpdateAttempted":true}}"#,
            json!(error)
        );
        return Ok(Some(answer));
    }
    let transition = json!({
        "type": "Transition",
        "startVersion": {"querySet": 0, "identity": base_version, "ts": "AAAAAAAAAAA="},
        "endVersion": {"querySet": 0, "identity": base_version + 1, "ts": backend.timestamp()},
        "modifications": [],
    });
    send(stream, TEXT, transition.to_string().as_bytes()).await?;
    Ok(None)
}

/// One frame: whether it is the last of its message, its opcode, its payload without the mask.
async fn receive<S: AsyncRead + Unpin>(stream: &mut S) -> std::io::Result<(bool, u8, Vec<u8>)> {
    let mut head = [0; 2];
    stream.read_exact(&mut head).await?;
    let length = match head[1] & 0x7f {
        126 => usize::from(stream.read_u16().await?),
        127 => usize::try_from(stream.read_u64().await?).unwrap_or(usize::MAX),
        short => usize::from(short),
    };
    if length > LONGEST_MESSAGE {
        return Err(std::io::ErrorKind::InvalidData.into());
    }
    let mut mask = [0; 4];
    if head[1] & 0x80 != 0 {
        stream.read_exact(&mut mask).await?;
    }
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    for (byte, mask) in payload.iter_mut().zip(mask.iter().cycle()) {
        *byte ^= mask;
    }
    Ok((head[0] & 0x80 != 0, head[0] & 0x0f, payload))
}

async fn send<S: AsyncWrite + Unpin>(
    stream: &mut S,
    opcode: u8,
    payload: &[u8],
) -> std::io::Result<()> {
    let mut frame = vec![0x80 | opcode];
    match u8::try_from(payload.len()) {
        Ok(length) if length < 126 => frame.push(length),
        _ => {
            frame.push(126);
            let length = u16::try_from(payload.len()).map_err(std::io::Error::other)?;
            frame.extend_from_slice(&length.to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    stream.write_all(&frame).await?;
    stream.flush().await
}
