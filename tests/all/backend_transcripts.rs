//! The recorded backend against what a real one answered: every exchange of
//! `fixtures/http-transcripts.json`, over a real socket, byte for byte but for the date: status,
//! all headers (doubled ones too), body, WebSocket messages.
#![allow(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test may talk to the server it started, and fails by a panic"
)]

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use convex_doctor::demo::backend::Backend;
use convex_doctor::demo::backend::log::Log;
use convex_doctor::secret::Secret;
use jiff::civil::date;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

/// Upstream's public development secret.
const CARNITAS: &str = "4361726e697461732c206c69746572616c6c79206d65616e696e6720226c6974";
/// The second secret of the recorded keys, made for them.
const SECOND: &str = "0f1e2d3c4b5a69788796a5b4c3d2e1f00112233445566778899aabbccddeeff0";

/// The exchanges that agree in everything; the others are named in [`part`].
const AGREE_FULLY: usize = 357;

#[derive(Deserialize)]
struct Exchange {
    title: String,
    port: u16,
    request: Request,
    response: Response,
    websocket: Option<Dialogue>,
}

#[derive(Deserialize)]
struct Request {
    method: String,
    path: String,
    headers: Vec<(String, String)>,
    #[serde(default)]
    body: String,
}

#[derive(Clone, Deserialize, Debug, PartialEq)]
struct Response {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

#[derive(Deserialize)]
struct Dialogue {
    sent: Vec<String>,
    received: Vec<Value>,
}

/// Why an exchange is compared in status and headers, but not in its body.
fn part(title: &str) -> Option<&'static str> {
    if title.contains("openapi.json") {
        return Some("the record holds the beginning of a document; ours has only its paths");
    }
    if title.contains("GET /metrics") && !title.contains("=true") {
        return Some("the record holds the first lines of 150 KB of Prometheus text");
    }
    title.starts_with("POST /echo, 5 MiB").then_some("the record leaves the 5 MiB out")
}

/// The name and the secret of the instance that a title speaks of.
fn instance(title: &str) -> (String, &'static str) {
    if title.contains("carnitas")
        || title.contains("upstream-dev-system")
        || title.contains("upstream dev/admin_key.txt")
    {
        return ("carnitas".to_owned(), CARNITAS);
    }
    let second =
        ["(instance convex-self-hosted)", "siv-admin-2", "legacy-read-only", "legacy-system"];
    if second.iter().any(|words| title.contains(words)) {
        return ("convex-self-hosted".to_owned(), SECOND);
    }
    if title.contains("ends in a CR") {
        return ("name\r".to_owned(), CARNITAS);
    }
    (quoted(title, "instance name").unwrap_or_else(|| "convex-self-hosted".to_owned()), CARNITAS)
}

/// The value in single quotes after `name`.
fn quoted(title: &str, name: &str) -> Option<String> {
    let rest = title.split_once(name)?.1.trim_start_matches(['=', ' ']);
    Some(rest.strip_prefix('\'')?.split_once('\'')?.0.replace("\\r", "\r"))
}

/// The backend that a title asks for, behind two free ports.
fn serve(exchange: &Exchange) -> (SocketAddr, SocketAddr) {
    open(configured(exchange))
}

fn configured(exchange: &Exchange) -> Backend {
    let title = &exchange.title;
    let (name, secret) = instance(title);
    let log = Log::in_memory();
    let mut backend = Backend::new(&name, &Secret::new(secret), log).expect("a valid secret");
    backend.metrics = !title.contains("DISABLE_METRICS_ENDPOINT=true");
    backend.release = quoted(title, "CONVEX_RELEASE_VERSION_DEV");
    if let (Some(api), Some(site)) =
        (quoted(title, "--convex-origin"), quoted(title, "--convex-site"))
    {
        backend = backend.with_origins(&api, &site);
    }
    if title.contains("after an update_canonical_url")
        || title.starts_with("GET /api/v1/update_canonical_url")
    {
        backend = backend.with_origins("https://api.example.com", "http://127.0.0.1:3211");
    }
    if let Some(timestamp) = timestamp(&exchange.response.body) {
        backend.timestamp_ns = timestamp;
    }
    backend
}

fn open(backend: Backend) -> (SocketAddr, SocketAddr) {
    let (send, receive) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let api = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let site = TcpListener::bind("127.0.0.1:0").await.unwrap();
            send.send((api.local_addr().unwrap(), site.local_addr().unwrap())).unwrap();
            drop(backend.serve(api, site).await);
        });
    });
    receive.recv().unwrap()
}

/// The database time of a recorded body: 8 bytes in base64, the smallest first.
fn timestamp(body: &str) -> Option<u64> {
    let text = body.strip_prefix(r#"{"ts":""#)?.strip_suffix(r#"="}"#)?;
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = text.chars().fold(0_u128, |bits, c| bits << 6 | digits.find(c).unwrap() as u128);
    Some(u64::try_from(bits >> 2).unwrap().swap_bytes())
}

/// The length of a request's body that the record abbreviates as `(N bytes)`.
fn abbreviated(body: &str) -> Option<usize> {
    body.strip_prefix('(')?.strip_suffix(" bytes)")?.parse().ok()
}

/// The bytes of a request. Header texts are recorded as Latin-1, one character for each byte.
fn bytes(exchange: &Exchange) -> Vec<u8> {
    let Request { method, path, headers, body } = &exchange.request;
    let body = abbreviated(body).map_or_else(|| body.clone(), |length| "a".repeat(length));
    let mut text = format!("{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:3210\r\n");
    for (name, value) in headers {
        text += name;
        text += ": ";
        text += value;
        text += "\r\n";
    }
    let says = |name: &str| headers.iter().any(|(n, _)| n.eq_ignore_ascii_case(name));
    let closes = |(n, v): &(String, String)| n == "connection" && v == "close";
    if exchange.response.headers.iter().any(closes) && !says("connection") {
        text += "Connection: close\r\n";
    }
    text += "\r\n";
    text += &body;
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}

/// Status and headers, and what came after them so far.
fn ask(exchange: &Exchange, stream: &mut TcpStream) -> Result<(Response, Vec<u8>), String> {
    let request = bytes(exchange);
    let mut writer = stream.try_clone().unwrap();
    let writing = std::thread::spawn(move || drop(writer.write_all(&request)));
    let mut answer = Vec::new();
    let end = loop {
        more(stream, &mut answer)?;
        if let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    writing.join().unwrap();
    let rest = answer.split_off(end);
    let head = String::from_utf8(answer).unwrap();
    let mut lines = head.trim_end().split("\r\n");
    let status = lines.next().unwrap().split(' ').nth(1).unwrap().parse().unwrap();
    let headers = lines
        .map(|line| line.split_once(':').unwrap())
        .map(|(name, value)| (name.to_ascii_lowercase(), value.trim_start().to_owned()))
        .filter(|(name, _)| name != "date")
        .collect();
    Ok((Response { status, headers, body: String::new() }, rest))
}

fn more(stream: &mut TcpStream, bytes: &mut Vec<u8>) -> Result<(), String> {
    let mut buffer = [0; 4096];
    let count = stream.read(&mut buffer).map_err(|error| format!("no answer: {error}"))?;
    bytes.extend_from_slice(&buffer[..count]);
    if count == 0 {
        Err(format!("cut short: {:?}", String::from_utf8_lossy(bytes)))
    } else {
        Ok(())
    }
}

/// The body by the framing that the headers announce.
fn body(
    method: &str,
    head: &Response,
    mut bytes: Vec<u8>,
    stream: &mut TcpStream,
) -> Result<String, String> {
    let header = |name| head.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    if method == "HEAD" {
        return Ok(String::new());
    }
    if header("transfer-encoding") == Some("chunked") {
        while !bytes.ends_with(b"0\r\n\r\n") {
            more(stream, &mut bytes)?;
        }
        let text = String::from_utf8(bytes).unwrap();
        let (length, rest) = text.split_once("\r\n").unwrap();
        return Ok(rest[..usize::from_str_radix(length, 16).unwrap()].to_owned());
    }
    let length: usize = header("content-length").map_or(0, |length| length.parse().unwrap());
    while bytes.len() < length {
        more(stream, &mut bytes)?;
    }
    Ok(String::from_utf8(bytes).unwrap())
}

/// So long is listened for what should not come.
const MOMENT: Duration = Duration::from_millis(300);

/// Sends the client's messages, masked, and gathers what comes back until silence or the end.
fn converse(dialogue: &Dialogue, mut bytes: Vec<u8>, stream: &mut TcpStream) -> Vec<Value> {
    for message in &dialogue.sent {
        let mut frame = vec![0x81];
        match u8::try_from(message.len()) {
            Ok(length) if length < 126 => frame.push(0x80 | length),
            _ => {
                frame.push(0x80 | 0x7e);
                frame.extend(u16::try_from(message.len()).unwrap().to_be_bytes());
            }
        }
        let mask = [1, 2, 3, 4];
        frame.extend(mask);
        frame.extend(message.bytes().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        stream.write_all(&frame).unwrap();
    }
    let expected = essence(&dialogue.received).len();
    let mut closed = false;
    let read = |stream: &mut TcpStream, bytes: &mut Vec<u8>| {
        let mut buffer = [0; 4096];
        let count = stream.read(&mut buffer).ok()?;
        bytes.extend_from_slice(&buffer[..count]);
        Some(count == 0)
    };
    // What is expected is waited for, on a busy machine too; what should not come, for a moment.
    for (longest, enough) in [(Duration::from_secs(30), expected), (MOMENT, usize::MAX)] {
        stream.set_read_timeout(Some(longest)).unwrap();
        while !closed && essence(&messages(&bytes, closed)).len() < enough {
            let Some(ended) = read(stream, &mut bytes) else { break };
            closed = ended;
        }
    }
    messages(&bytes, closed)
}

/// The messages in what the server sent, as far as they are complete.
fn messages(bytes: &[u8], closed: bool) -> Vec<Value> {
    let mut received = Vec::new();
    let mut rest = bytes;
    while let [first, length, tail @ ..] = rest {
        let (length, tail) = match (length, tail) {
            (126, [high, low, tail @ ..]) => (usize::from(u16::from_be_bytes([*high, *low])), tail),
            (126, _) => break,
            (short, tail) => (usize::from(*short), tail),
        };
        let Some((text, after)) = tail.split_at_checked(length) else { break };
        let text = std::str::from_utf8(text).unwrap();
        received.push(match first & 0x0f {
            1 => json!({ "text": text }),
            8 => json!({"close": {"code": null, "reason": ""}}),
            _ => json!({ "ping": text }),
        });
        rest = after;
    }
    if closed {
        received.push(json!({"tcp": "closed by the server"}));
    }
    received
}

/// Messages without pings, which come when they like, and without clocks.
fn essence(received: &[Value]) -> Vec<Value> {
    let without_clock = |message: &Value| {
        let Some(text) = message["text"].as_str() else { return message.clone() };
        let mut message: Value = serde_json::from_str(text).unwrap();
        if message["type"] == "Transition" {
            message["endVersion"]["ts"] = "clock".into();
            message
                .as_object_mut()
                .unwrap()
                .retain(|name, _| !["clientClockSkew", "serverTs"].contains(&name.as_str()));
        }
        message
    };
    received.iter().filter(|message| message.get("ping").is_none()).map(without_clock).collect()
}

/// Whether one exchange agrees in everything (or in part, where no more is asked); else why not.
fn compare(exchange: &Exchange) -> Result<bool, String> {
    let (api, site) = serve(exchange);
    let address = if exchange.port == 3211 { site } else { api };
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
    let (mut have, rest) = ask(exchange, &mut stream)?;
    let mut want = exchange.response.clone();
    let mut received = Vec::new();
    if let Some(dialogue) = exchange.websocket.as_ref().filter(|_| have.status == 101) {
        received = converse(dialogue, rest, &mut stream);
    } else if have.status != 101 {
        have.body = body(&exchange.request.method, &have, rest, &mut stream)?;
    }
    if let Some(length) = abbreviated(&exchange.request.body) {
        assert_eq!(have.body.len(), length, "the echo is complete");
    }
    let partly = part(&exchange.title).is_some();
    for response in [&mut want, &mut have] {
        if partly {
            response.headers.retain(|(name, _)| name != "content-length");
            response.body.clear();
        }
        response.headers.sort();
    }
    if have != want {
        return Err(format!("\n  want {want:?}\n  have {have:?}"));
    }
    if let Some(dialogue) = &exchange.websocket {
        let (want, have) = (essence(&dialogue.received), essence(&received));
        if want != have {
            return Err(format!("\n  want {want:?}\n  have {have:?}"));
        }
    }
    Ok(!partly)
}

#[test]
fn answers_as_the_real_backend_did() {
    let exchanges: Vec<Exchange> =
        serde_json::from_str(include_str!("../../fixtures/http-transcripts.json")).unwrap();
    assert_eq!(exchanges.len(), 366, "the record itself has changed");
    let mut full = 0;
    let mut wrong = Vec::new();
    for exchange in &exchanges {
        match compare(exchange) {
            Ok(agrees) => full += usize::from(agrees),
            Err(why) => wrong.push(format!("{}: {why}", exchange.title)),
        }
    }
    assert!(wrong.is_empty(), "{} of 366 differ:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(full, AGREE_FULLY, "exchanges that agree in everything");
}

/// What the log says to a header, without colours and time: the lines of the record, for the same
/// kinds of key.
#[test]
fn log_tells_what_the_answer_does_not() {
    let caught = |kind, words| {
        format!(
            "WARN common::errors: Caught {kind} error (RUST_BACKTRACE=1 RUST_LOG=info,common::errors=debug \
             for full trace): {words}"
        )
    };
    let bad = |rest| {
        let words = "The provided admin key was invalid for this instance";
        caught("unauthenticated_error", format!("{words}{rest}"))
    };
    let good = "ac4b324c21e8226af016efb84a5e0389b37a97c3b1793cf20f0f4f7a091538dba73eb4fa";
    let accepted = "INFO keybroker::broker: Admin key accepted from MemberId(0) at \
                    Some(2025-06-15T15:06:40Z) for convex-self-hosted";
    let cases = [
        (format!("Convex convex-self-hosted|01{good}"), 200, accepted.to_owned()),
        (format!("Convex convex-self-hosted|01{}", good.replace("ac4", "ad4")), 401, bad("")),
        ("Convex <your admin key>".to_owned(), 401, bad("")),
        (format!("Convex renamed|01{good}"), 401, bad(": Key is for invalid instance renamed")),
        (format!("Convex 01{good}"), 401, bad(": Invalid admin key format")),
        (
            format!("convex-self-hosted|01{good}"),
            400,
            caught("developer_error", "Invalid admin key".to_owned()),
        ),
    ];
    let colours = regex::Regex::new("\u{1b}\\[[0-9]*m").unwrap();
    for (header, status, expected) in cases {
        let log = Log::in_memory();
        let secret = Secret::new(CARNITAS);
        let backend = Backend::new("convex-self-hosted", &secret, log.clone()).unwrap();
        let (api, _) = open(backend);
        let mut stream = TcpStream::connect(api).unwrap();
        let request = format!(
            "GET /api/check_admin_key HTTP/1.1\r\nHost: x\r\nUser-Agent: doctor/nonce\r\n\
             Authorization: {header}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
        let lines: Vec<_> =
            log.lines().iter().map(|l| colours.replace_all(&l.text, "").into_owned()).collect();
        let [.., about_key, access] = lines.as_slice() else { panic!("no lines: {lines:?}") };
        assert!(about_key.ends_with(&expected), "{about_key}");
        let asked = format!(
            r#""GET /api/check_admin_key HTTP/1.1" {status} "-" "doctor/nonce" application/json - "#
        );
        assert!(
            access.contains(" INFO convex-cloud-http: [] 127.0.0.1:") && access.contains(&asked),
            "{access}"
        );
    }
}

/// Older images, by the dates of upstream's commits: which endpoints they lack and what they say
/// less.
#[test]
fn older_images_know_less() {
    let full = "convex-self-hosted|01ac4b324c21e8226af016efb84a5e0389b37a97c3b1793cf20f0f4f7a091538dba73eb4fa";
    let read_only = "convex-self-hosted|0137fb70ec8b255d67c0d4c6912176176ab015e7e3f1d010f691a84154400ee2e837d2b14e3ff6";
    let check = "/api/check_admin_key";
    let urls = "/api/v1/get_canonical_urls";
    let info = "/api/v1/deployment_info";
    let cases = [
        (date(2025, 3, 17), check, full, 404, ""),
        (date(2025, 3, 18), check, full, 200, r#"{"success":true}"#),
        (date(2026, 4, 5), check, read_only, 403, "ReadOnlyAdminKey"),
        (date(2026, 4, 15), check, read_only, 200, r#"{"success":true}"#),
        (date(2026, 4, 16), check, full, 200, r#""allowedOps":[],"isReadOnly":false"#),
        (date(2025, 10, 9), urls, full, 404, ""),
        (date(2025, 10, 10), urls, full, 200, "convexCloudUrl"),
        (date(2026, 3, 29), info, full, 404, ""),
        (date(2026, 3, 30), info, full, 200, "selfHosted"),
    ];
    for (built, path, key, status, words) in cases {
        let secret = Secret::new(CARNITAS);
        let mut backend = Backend::new("convex-self-hosted", &secret, Log::in_memory()).unwrap();
        backend.built = built;
        let (api, _) = open(backend);
        let mut stream = TcpStream::connect(api).unwrap();
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Convex {key}\r\nConnection: close\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{built} {path}: {answer}");
        assert!(answer.contains(words), "{built} {path}: {answer}");
    }
}
