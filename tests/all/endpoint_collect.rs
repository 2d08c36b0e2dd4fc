//! The endpoint collector against real sockets on loopback: every way of failing is told apart,
//! everything foreign is bounded, and the key goes nowhere but to the selected origin.
#![allow(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::unwrap_used,
    reason = "tests open sockets, read clocks and end on what they did not expect"
)]

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::held_port;
use convex_doctor::collect::endpoint::{
    ProbeRequest, ensure_crypto_provider, look, push, retry_key, try_more,
};
use convex_doctor::evidence::Observation;
use convex_doctor::evidence::endpoint::{Answer, Body, EndpointFacts, Reach, TlsFault, UrlFault};
use convex_doctor::secret::Secret;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const KEY: &str = "convex-self-hosted|01ac4b324c21e8226af016efb84a5e0389b37a97c3b1793cf20f0f4f7a09";
/// For servers that answer: on a busy machine, too.
const TIMEOUT: Duration = Duration::from_secs(20);
/// For servers that never come to an end.
const SHORT: Duration = Duration::from_millis(800);

/// A server on loopback, and every request head that it has read.
struct Server {
    port: u16,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Server {
    fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    fn saw_key(&self) -> bool {
        self.heads().iter().any(|head| head.to_lowercase().contains("01ac4b324c21"))
    }
}

/// Runs `serve` on each connection.
async fn raw<F, R>(serve: F) -> Server
where
    F: Fn(TcpStream) -> R + 'static,
    R: Future<Output = ()> + Send + 'static,
    F: Send,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
    Server { port, heads: Arc::default() }
}

/// Answers each request by its head (`GET /path HTTP/1.1` and the rest).
async fn http(answer: impl Fn(&str) -> String + Send + Sync + 'static) -> Server {
    let heads: Arc<Mutex<Vec<String>>> = Arc::default();
    let (seen, answer) = (Arc::clone(&heads), Arc::new(answer));
    let server = raw(move |stream| {
        let (seen, answer) = (Arc::clone(&seen), Arc::clone(&answer));
        async move { exchange(stream, &seen, answer.as_ref()).await }
    })
    .await;
    Server { heads, ..server }
}

async fn exchange<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    seen: &Mutex<Vec<String>>,
    answer: &(impl Fn(&str) -> String + ?Sized),
) {
    let Some(head) = head(&mut stream).await else { return };
    let answer = answer(&head);
    seen.lock().unwrap().push(head);
    let _ = stream.write_all(answer.as_bytes()).await;
    let _ = stream.shutdown().await;
}

async fn head<S: AsyncRead + Unpin>(stream: &mut S) -> Option<String> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        let byte = stream.read_u8().await.ok()?;
        bytes.push(byte);
        if bytes.len() > 65536 {
            return None;
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

fn answer(status: u16, kind: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A backend as the real one answers; it knows [`KEY`].
fn convex(head: &str) -> String {
    let path = head.split(' ').nth(1).unwrap();
    let plain = |body| answer(200, "text/plain; charset=utf-8", body);
    let json = |status, body| answer(status, "application/json", body);
    let given = head.contains(&format!("authorization: Convex {KEY}\r\n"));
    match path {
        "/" => plain("This Convex deployment is running. See https://docs.convex.dev/."),
        "/version" => plain("unknown"),
        "/instance_name" => plain("convex-self-hosted"),
        "/api/1.48.0/sync" => {
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n"
                .to_owned()
        }
        "/api/check_admin_key" if given => {
            json(200, r#"{"success":true,"allowedOps":[],"isReadOnly":false}"#)
        }
        "/api/v1/get_canonical_urls" if given => json(
            200,
            r#"{"convexCloudUrl":"http://127.0.0.1:3210","convexSiteUrl":"http://127.0.0.1:3211"}"#,
        ),
        "/api/check_admin_key" | "/api/v1/get_canonical_urls"
            if head.contains("authorization:") =>
        {
            json(
                401,
                r#"{"code":"BadAdminKey","message":"The provided admin key was invalid for this instance"}"#,
            )
        }
        "/api/check_admin_key" => {
            json(403, r#"{"code":"BadDeployKey","message":"The provided deploy key was invalid."}"#)
        }
        _ => "HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".to_owned(),
    }
}

async fn look_at(url: &str, key: Option<&str>, env: &[(&str, &str)]) -> EndpointFacts {
    look_within(TIMEOUT, url, key, env).await
}

async fn look_within(
    timeout: Duration,
    url: &str,
    key: Option<&str>,
    env: &[(&str, &str)],
) -> EndpointFacts {
    let env: BTreeMap<_, _> =
        env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let key = key.map(Secret::new);
    let request = ProbeRequest { url, key: key.as_ref(), env: &env, timeout, nonce: "nonce-1" };
    let looked = tokio::time::timeout(Duration::from_mins(2), look(&request)).await;
    let facts = looked.unwrap_or_else(|_| panic!("{url}: no end within the deadline"));
    let json = serde_json::to_string(&facts).unwrap();
    assert!(!json.contains("01ac4b324c21"), "a key in the evidence: {json}");
    facts
}

fn seen(answer: &Observation<Answer>) -> (u16, &Body) {
    let answer = answer.seen().unwrap();
    (answer.status, &answer.body)
}

fn reason(answer: &Observation<Answer>) -> String {
    answer.seen().unwrap_err().reason
}

#[tokio::test]
async fn a_backend_is_recognised_and_takes_the_key() {
    let server = http(convex).await;
    let facts = look_at(&server.url(), Some(KEY), &[]).await;
    assert_eq!(facts.route.reach, Reach::Answered);
    assert_eq!(facts.answering_name(), Some("convex-self-hosted"));
    assert_eq!(seen(&facts.server.root), (200, &Body::ConvexRoot));
    assert_eq!(
        seen(&facts.key.check_admin_key),
        (200, &Body::KeyAccepted { read_only: Some(false) })
    );
    assert!(matches!(seen(&facts.key.first_call), (200, Body::CanonicalUrls { .. })));
    assert_eq!(seen(&facts.key.without_key).0, 403);
    assert_eq!(seen(&facts.server.websocket).0, 101);
    assert_eq!(facts.route.addresses, Observation::Seen(vec!["127.0.0.1".to_owned()]));
    assert_eq!((facts.key.refusals, facts.route.proxy, facts.route.direct), (0, None, None));
    assert!(facts.route.connect_ms.is_some() && facts.server.api_elsewhere.is_empty());
    let heads = server.heads();
    assert_eq!(heads.len(), 7);
    for head in heads {
        assert!(head.contains("user-agent: convex-doctor/0.1.0 (nonce-1)\r\n"), "{head}");
        assert!(head.contains(&format!("host: 127.0.0.1:{}\r\n", server.port)));
        let first = head.lines().next().unwrap();
        assert!(!first.contains("01ac"), "{first}");
        assert_eq!(head.contains("convex-client: npm-cli-1.48.0"), first.contains("canonical"));
    }
}

#[tokio::test]
async fn a_refused_key_is_counted_and_can_be_tried_again() {
    let server = http(convex).await;
    let other = KEY.replace("7a09", "7a08");
    let facts = look_at(&server.url(), Some(&other.replace("01ac4b", "01ac4c")), &[]).await;
    assert_eq!((seen(&facts.key.check_admin_key).0, facts.key.refusals), (401, 1));
    let key = Secret::new(other);
    let (env, url) = (BTreeMap::new(), server.url());
    let again =
        ProbeRequest { url: &url, key: Some(&key), env: &env, timeout: TIMEOUT, nonce: "two" };
    assert_eq!(seen(&retry_key(&again).await).0, 401);
    assert!(server.heads().last().unwrap().contains("(two)"));
}

#[tokio::test]
async fn answers_that_come_and_go_are_tried_until_they_have_changed_twice() {
    for (keyed, expected) in [
        // Each check with the key, in order, beginning with the first wave's.
        (vec![401, 200, 401, 200], vec![Some(false), Some(true), Some(false)]),
        (vec![401, 401, 401, 200], vec![Some(false); 3]),
        (vec![401, 200, 200, 200, 200, 401], [vec![Some(false)], vec![Some(true); 4]].concat()),
        (vec![401, 502, 401], vec![Some(false), None]),
    ] {
        let turn = std::sync::atomic::AtomicUsize::new(0);
        let server = http(move |head| {
            let checked = head.contains("/api/check_admin_key") && head.contains("authorization:");
            if !checked {
                return convex(&head.replace("authorization:", "x:"));
            }
            let status = keyed[turn.fetch_add(1, std::sync::atomic::Ordering::SeqCst)];
            let (bad, good) = (r#"{"code":"BadAdminKey","message":"x"}"#, r#"{"success":true}"#);
            answer(status, "application/json", if status == 200 { good } else { bad })
        })
        .await;
        let (env, url, key) = (BTreeMap::new(), server.url(), Secret::new(KEY));
        let request =
            ProbeRequest { url: &url, key: Some(&key), env: &env, timeout: TIMEOUT, nonce: "n" };
        let mut facts = look(&request).await;
        facts.key.check_again = retry_key(&request).await;
        try_more(&request, &mut facts).await;
        assert_eq!(facts.verdicts(), expected);
    }
}

#[tokio::test]
async fn without_a_key_none_is_sent() {
    let server = http(convex).await;
    let facts = look_at(&server.url(), None, &[]).await;
    assert!(facts.is_convex_api());
    assert_eq!(reason(&facts.key.check_admin_key), "there is no key to send");
    assert!(!server.heads().iter().any(|head| head.contains("authorization")));
}

#[tokio::test]
async fn a_key_that_no_header_carries_stays_here() {
    let server = http(convex).await;
    let facts = look_at(&server.url(), Some(&KEY.replace("|01ac", "|\n01ac")), &[]).await;
    assert!(reason(&facts.key.check_admin_key).contains("a header cannot carry"));
    assert!(facts.is_convex_api() && !server.saw_key());
    let facts = look_at(&server.url(), Some(&format!("{KEY} \r\n")), &[]).await;
    assert_eq!(seen(&facts.key.check_admin_key).0, 200);
}

#[tokio::test]
async fn the_first_call_is_made_where_the_cli_makes_it() {
    let server = http(convex).await;
    for (suffix, path) in
        [("/", "//api/v1/get_canonical_urls"), ("/api", "/api/api/v1/get_canonical_urls")]
    {
        let facts = look_at(&format!("{}{suffix}", server.url()), Some(KEY), &[]).await;
        assert_eq!(facts.target.path, suffix);
        assert_eq!(seen(&facts.key.first_call), (404, &Body::Empty));
        assert_eq!(seen(&facts.key.check_admin_key).0, 200);
        assert!(server.heads().iter().any(|head| head.starts_with(&format!("GET {path} "))));
    }
}

#[tokio::test]
async fn a_redirect_is_recorded_and_never_followed() {
    let other = http(convex).await;
    let target = other.url();
    let server = http(move |head| {
        let path = head.split(' ').nth(1).unwrap();
        format!("HTTP/1.1 301 Moved\r\nlocation: {target}{path}?token=1\r\nserver: nginx\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
    })
    .await;
    let facts = look_at(&server.url(), Some(KEY), &[]).await;
    let answer = facts.key.check_admin_key.seen().unwrap();
    assert_eq!(answer.status, 301);
    assert_eq!(answer.server.as_deref(), Some("nginx"));
    assert_eq!(answer.location, Some(format!("{}/api/check_admin_key", other.url())));
    assert!(server.saw_key());
    assert!(other.heads().iter().all(|head| !head.to_lowercase().contains("authorization")));
    assert!(other.heads().iter().all(|head| head.starts_with("GET /instance_name ")));
}

#[tokio::test]
async fn an_address_of_version_6_and_a_name_with_two_are_reached() {
    let Ok(listener) = TcpListener::bind("[::1]:0").await else { return }; // no IPv6 here
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            exchange(stream, &Mutex::default(), &convex).await;
        }
    });
    let facts = look_at(&format!("http://[::1]:{port}"), Some(KEY), &[]).await;
    assert_eq!((facts.target.host.as_str(), seen(&facts.key.check_admin_key).0), ("::1", 200));
    assert_eq!(facts.route.addresses, Observation::Seen(vec!["::1".to_owned()]));

    // Whichever of its addresses comes first.
    let server = http(convex).await;
    let facts = look_at(&server.url().replace("127.0.0.1", "localhost"), Some(KEY), &[]).await;
    assert_eq!(seen(&facts.key.check_admin_key).0, 200);
    // Each address of `localhost` by itself, where it has several: the server is at 127.0.0.1
    // alone.
    let addresses = facts.route.addresses.seen().unwrap();
    let expected = if addresses.len() > 1 { addresses.len() } else { 0 };
    assert_eq!(facts.route.connections.len(), expected);
    for one in &facts.route.connections {
        assert_eq!(one.connected, one.address == "127.0.0.1", "{one:?}");
    }
}

#[tokio::test]
async fn a_login_in_front_is_seen() {
    let server = http(|_| {
        let page = answer(401, "text/html", "<title>401</title>");
        page.replace(
            "connection:",
            "www-authenticate: Basic realm=\"x\"\r\nserver: Caddy\r\nconnection:",
        )
    })
    .await;
    let facts = look_at(&server.url(), Some(KEY), &[]).await;
    assert_eq!(facts.server.login.as_deref(), Some("Basic"));
    assert!(!facts.is_convex_api());
}

#[tokio::test]
async fn a_server_that_echoes_the_key_does_not_bring_it_into_the_evidence() {
    let text = http(|head| answer(400, "text/plain", head.rsplit(": ").next().unwrap())).await;
    look_at(&text.url(), Some(KEY), &[]).await; // looks for the key itself
    let json = http(|head| {
        let key = head.split("Convex ").nth(1).and_then(|rest| rest.split('\r').next());
        let body = format!(
            r#"{{"convexCloudUrl":"http://{0}","convexSiteUrl":"","code":"A","message":"{0}"}}"#,
            key.unwrap_or_default()
        );
        let reply = answer(302, "application/json", &body);
        let header = format!("location: /{0}\r\nserver: {0}\r\nconnection:", key.unwrap_or("x"));
        reply.replace("connection:", &header)
    })
    .await;
    let facts = look_at(&json.url(), Some(KEY), &[]).await;
    assert!(json.saw_key());
    let answer = facts.key.first_call.seen().unwrap();
    assert_eq!(answer.server.as_deref(), Some("***"));
    assert_eq!(answer.location, Some(format!("{}/***", json.url())));
}

#[tokio::test]
async fn packed_bodies_stay_packed() {
    let packed = "HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-type: text/plain\r\ncontent-length: 4\r\nconnection: close\r\n\r\n\u{1f}abc";
    let server = http(move |_| packed.to_owned()).await;
    let facts = look_at(&server.url(), None, &[]).await;
    assert_eq!(seen(&facts.server.root).1, &Body::Text { line: "\\u001fabc".to_owned() });
    assert!(server.heads().iter().all(|head| !head.contains("accept-encoding")));
}

#[tokio::test]
async fn nobody_listens() {
    let (_held, port) = held_port();
    let facts = look_at(&format!("http://127.0.0.1:{port}"), Some(KEY), &[]).await;
    assert_eq!(facts.route.reach, Reach::Refused);
    assert_eq!(reason(&facts.server.root), "the connection was refused");
}

#[tokio::test]
async fn a_name_that_does_not_resolve() {
    let facts = look_at("http://backend.invalid:3210", Some(KEY), &[]).await;
    assert!(matches!(facts.route.reach, Reach::NoSuchHost { .. }), "{:?}", facts.route.reach);
    assert!(facts.route.addresses.seen().is_err());
}

#[tokio::test]
async fn a_url_that_is_none_is_not_asked() {
    let facts = look_at("http://me:hunter22@127.0.0.1:3210", Some(KEY), &[]).await;
    assert_eq!(facts.target.invalid, Some(UrlFault::UserInfo));
    assert_eq!(
        (facts.target.url.as_str(), facts.route.reach),
        ("http://me:***@127.0.0.1:3210", Reach::NotTried)
    );
}

#[tokio::test]
async fn silences_and_hang_ups_are_told_apart() {
    let hung = raw(|stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    for url in [hung.url(), hung.url().replace("http:", "https:")] {
        let facts = look_within(SHORT, &url, Some(KEY), &[]).await;
        assert_eq!(facts.route.reach, Reach::AnswerTimeout, "{url}");
    }

    let closing = raw(|stream| async move { drop(stream) }).await;
    assert_eq!(look_at(&closing.url(), Some(KEY), &[]).await.route.reach, Reach::Closed);

    let read_then_close = raw(|mut stream| async move {
        let _ = head(&mut stream).await;
    })
    .await;
    assert_eq!(look_at(&read_then_close.url(), Some(KEY), &[]).await.route.reach, Reach::Closed);

    let ssh = raw(|mut stream| async move {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9.2\r\n").await;
        let _ = head(&mut stream).await;
    })
    .await;
    assert_eq!(look_at(&ssh.url(), Some(KEY), &[]).await.route.reach, Reach::NotHttp);
}

#[tokio::test]
async fn answers_without_an_end_are_cut() {
    let endless = raw(|mut stream| async move {
        let _ = head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\n\r\n").await;
        while stream.write_all(&[b'x'; 16384]).await.is_ok() {}
    })
    .await;
    let facts = look_at(&endless.url(), None, &[]).await;
    assert_eq!(facts.route.reach, Reach::Answered);
    let Body::Text { line } = seen(&facts.server.root).1 else { panic!("{:?}", facts.server.root) };
    assert_eq!(line.len(), 120);

    let dripping = raw(|mut stream| async move {
        let _ = head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 9999\r\n\r\n").await;
        while stream.write_all(b"y").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    let facts = look_within(SHORT, &dripping.url(), None, &[]).await;
    assert!(
        matches!(seen(&facts.server.root), (200, Body::Text { .. })),
        "{:?}",
        facts.server.root
    );

    let never_final = raw(|mut stream| async move {
        let _ = head(&mut stream).await;
        while stream.write_all(b"HTTP/1.1 103 Early Hints\r\n\r\n").await.is_ok() {}
    })
    .await;
    let facts = look_within(SHORT, &never_final.url(), None, &[]).await;
    assert_eq!(facts.route.reach, Reach::AnswerTimeout);

    let headers = raw(|mut stream| async move {
        let _ = head(&mut stream).await;
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"x-a: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n").await.is_ok()
        {
        }
    })
    .await;
    let facts = look_within(SHORT, &headers.url(), None, &[]).await;
    assert!(
        matches!(facts.route.reach, Reach::Other { .. } | Reach::NotHttp | Reach::AnswerTimeout),
        "{:?}",
        facts.route.reach
    );
}

#[tokio::test]
async fn the_api_is_found_beside_the_site_port() {
    // Two neighbouring ports; a few tries, since anybody may take one.
    let (api, site) = loop {
        let api = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = api.local_addr().unwrap().port();
        if let Ok(site) = TcpListener::bind(("127.0.0.1", port.saturating_add(1))).await {
            break (api, site);
        }
    };
    let (api_port, site_port) =
        (api.local_addr().unwrap().port(), site.local_addr().unwrap().port());
    for (listener, is_api) in [(api, true), (site, false)] {
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let reply = move |head: &str| {
                    let none = "This Convex deployment does not have HTTP actions enabled.";
                    if is_api { convex(head) } else { answer(404, "text/plain", none) }
                };
                exchange(stream, &Mutex::default(), &reply).await;
            }
        });
    }
    let facts = look_at(&format!("http://127.0.0.1:{site_port}"), Some(KEY), &[]).await;
    assert_eq!(seen(&facts.server.instance_name), (404, &Body::SiteProxy));
    assert!(facts.server.api_elsewhere.contains(&format!("http://127.0.0.1:{api_port}")));
}

#[tokio::test]
async fn the_same_line_for_everything_is_no_name() {
    let server = http(|_| answer(200, "text/plain", "OK")).await;
    let facts = look_at(&server.url(), Some(KEY), &[]).await;
    assert!(facts.answering_name().is_none() && !facts.is_convex_api());
}

#[tokio::test]
async fn a_proxy_between_is_used_and_gone_round() {
    let server = http(convex).await;
    let proxy = http(|_| answer(502, "text/html", "<title>Bad Gateway</title>")).await;
    let with_password = proxy.url().replace("http://", "http://me:hunter23@");
    let facts = look_at(&server.url(), Some(KEY), &[("HTTP_PROXY", &with_password)]).await;
    assert_eq!(facts.route.proxy, Some(proxy.url().replace("http://", "http://me:***@")));
    assert_eq!(
        (facts.route.reach.clone(), facts.route.direct.clone()),
        (Reach::Answered, Some(Reach::Answered))
    );
    assert_eq!(seen(&facts.key.check_admin_key).0, 502);
    let straight = facts.route.direct_answer.as_ref().and_then(Answer::instance_name);
    assert_eq!(straight, Some("convex-self-hosted"));
    assert!(!server.saw_key());

    let direct = look_at(
        &server.url(),
        Some(KEY),
        &[("HTTP_PROXY", &proxy.url()), ("NO_PROXY", "127.0.0.1")],
    )
    .await;
    assert_eq!((direct.route.proxy, seen(&direct.key.check_admin_key).0), (None, 200));
}

#[tokio::test]
async fn a_big_body_is_answered_also_by_who_does_not_read_it() {
    // As careless as a server can be: the answer, and then a reset.
    let careless = http(|head| {
        let refuses = head.starts_with("POST ");
        if refuses { answer(413, "text/html", "<title>413</title>") } else { convex(head) }
    })
    .await;
    let takes_all = raw(|mut stream| async move {
        let Some(head) = head(&mut stream).await else { return };
        if head.starts_with("POST ") {
            let mut body = vec![0; 4 * 1024 * 1024];
            let whole = stream.read_exact(&mut body).await.is_ok();
            let status =
                if whole && !head.to_lowercase().contains("authorization") { 200 } else { 400 };
            let _ = stream.write_all(answer(status, "text/plain", "").as_bytes()).await;
        } else {
            let _ = stream.write_all(convex(&head).as_bytes()).await;
        }
    })
    .await;
    let stranger = http(|_| answer(200, "text/html", "<title>Welcome</title>")).await;
    for (server, expected) in [(&careless, Some(413)), (&takes_all, Some(200)), (&stranger, None)] {
        let (env, url, key) = (BTreeMap::new(), server.url(), Secret::new(KEY));
        let request =
            ProbeRequest { url: &url, key: Some(&key), env: &env, timeout: TIMEOUT, nonce: "n" };
        let facts = look(&request).await;
        let answer = push(&request, &facts).await;
        assert_eq!(answer.seen().ok().map(|answer| answer.status), expected, "{answer:?}");
    }
    assert!(stranger.heads().iter().all(|head| head.starts_with("GET ")));
}

/// Certificates for TLS servers, and what a client needs to trust them.
mod tls {
    use super::*;
    use rcgen::{CertificateParams, CertifiedIssuer, KeyPair, date_time_ymd};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};

    fn authority() -> CertifiedIssuer<'static, KeyPair> {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Doctor Test Authority");
        CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
    }

    async fn server(certificate: CertificateDer<'static>, key: &KeyPair) -> Server {
        ensure_crypto_provider();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = rustls::ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let heads: Arc<Mutex<Vec<String>>> = Arc::default();
        let seen = Arc::clone(&heads);
        let server = raw(move |stream| {
            let (acceptor, seen) = (acceptor.clone(), Arc::clone(&seen));
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    exchange(stream, &seen, &convex).await;
                }
            }
        })
        .await;
        Server { heads, ..server }
    }

    fn https(server: &Server) -> String {
        format!("https://localhost:{}", server.port)
    }

    #[tokio::test]
    async fn a_bad_certificate_is_named_and_the_key_stays_here() {
        let authority = authority();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), authority.pem()).unwrap();
        let trust = [("NODE_EXTRA_CA_CERTS", file.path().to_str().unwrap())];
        let key = KeyPair::generate().unwrap();
        let params = |name: &str| CertificateParams::new(vec![name.to_owned()]).unwrap();
        let issued =
            |params: CertificateParams| params.signed_by(&key, &authority).unwrap().der().clone();

        let good = server(issued(params("localhost")), &key).await;
        let facts = look_at(&https(&good), Some(KEY), &trust).await;
        assert_eq!((facts.route.reach.clone(), good.saw_key()), (Reach::Answered, true));
        assert_eq!(seen(&facts.key.check_admin_key).0, 200);
        let certificate = facts.route.certificate.unwrap();
        assert_eq!(certificate.names, ["localhost"]);
        assert!(certificate.issuer.contains("Doctor Test Authority"));

        let mut expired = params("localhost");
        (expired.not_before, expired.not_after) =
            (date_time_ymd(2019, 1, 1), date_time_ymd(2020, 1, 1));
        let mut early = params("localhost");
        early.not_before = date_time_ymd(2090, 1, 1);
        let self_signed = params("localhost").self_signed(&key).unwrap().der().clone();
        let cases = [
            (issued(expired), true, TlsFault::Expired("2020-01-01T00:00:00Z".to_owned())),
            (issued(early), true, TlsFault::NotYetValid("2090-01-01T00:00:00Z".to_owned())),
            (
                issued(params("other.example")),
                true,
                TlsFault::WrongName(vec!["other.example".to_owned()]),
            ),
            (self_signed, true, TlsFault::SelfSigned),
            (issued(params("localhost")), false, TlsFault::UnknownIssuer(certificate.issuer)),
        ];
        for (certificate, trusting, fault) in cases {
            let server = server(certificate, &key).await;
            let trust: &[_] = if trusting { &trust } else { &[] };
            let facts = look_at(&https(&server), Some(KEY), trust).await;
            // A machine without roots says so of every issuer.
            if facts.route.reach != (Reach::Tls { fault: TlsFault::NoRoots }) || trusting {
                assert_eq!(facts.route.reach, Reach::Tls { fault });
            }
            assert!(facts.route.certificate.is_some());
            assert!(server.heads().is_empty(), "{:?}", server.heads());
        }
    }

    #[tokio::test]
    async fn the_other_scheme_is_found() {
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let secure = server(own.self_signed(&key).unwrap().der().clone(), &key).await;
        let facts = look_at(&secure.url(), Some(KEY), &[]).await;
        assert_eq!(facts.route.reach, Reach::PlainToTls);
        assert_eq!(facts.route.certificate.unwrap().names, ["localhost"]);
        assert!(secure.heads().is_empty());

        // A backend answers a TLS greeting with a plain 400, as nginx does.
        let plain = raw(|mut stream| async move {
            let mut start = [0; 1];
            let _ = stream.peek(&mut start).await;
            if start == [22] {
                let mut greeting = [0; 4096];
                let _ = stream.read(&mut greeting).await;
                let _ = stream
                    .write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")
                    .await;
            } else {
                exchange(stream, &Mutex::default(), &convex).await;
            }
        })
        .await;
        let facts = look_at(&https(&plain), Some(KEY), &[]).await;
        assert_eq!(facts.route.reach, Reach::TlsToPlain);
        assert_eq!(facts.server.api_elsewhere, [format!("http://localhost:{}", plain.port)]);
    }

    #[tokio::test]
    async fn a_plain_complaint_on_a_tls_port_is_understood() {
        let key = KeyPair::generate().unwrap();
        let own = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        let secure = server(own.self_signed(&key).unwrap().der().clone(), &key).await;
        let port = secure.port;
        let nginx = raw(move |mut stream| async move {
            let mut start = [0; 1];
            let _ = stream.peek(&mut start).await;
            if start == [22] {
                let Ok(mut inner) = TcpStream::connect(("127.0.0.1", port)).await else { return };
                let _ = tokio::io::copy_bidirectional(&mut stream, &mut inner).await;
            } else {
                let _ = head(&mut stream).await;
                let page = "<title>400 The plain HTTP request was sent to HTTPS port</title>";
                let _ = stream.write_all(answer(400, "text/html", page).as_bytes()).await;
            }
        })
        .await;
        let facts = look_at(&nginx.url(), None, &[]).await;
        assert_eq!(facts.route.reach, Reach::PlainToTls);
        assert!(secure.heads().is_empty());
    }
}
