//! The programs of the lab's containers, told apart by the name they are called by:
//! `convex-local-backend`, `generate_key` and `dashboard`. The first two take upstream's arguments
//! and fail with upstream's words.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a program of its own, for containers"
)]

use std::io::Read as _;
use std::net::SocketAddr;
use std::process::ExitCode;

use anyhow::{anyhow, bail};
use clap::builder::BoolishValueParser;
use clap::{Parser, Subcommand};
use convex_doctor::demo::backend::Backend;
use convex_doctor::demo::backend::log::{Log, LogLevel};
use convex_doctor::secret::Secret;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

fn main() -> anyhow::Result<ExitCode> {
    let called = std::env::args().next().unwrap_or_default();
    match called.rsplit('/').next() {
        Some("generate_key") => generate_key(),
        Some("dashboard") => on_one_thread(dashboard()),
        _ => backend(),
    }
}

fn on_one_thread(
    future: impl Future<Output = anyhow::Result<ExitCode>>,
) -> anyhow::Result<ExitCode> {
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(future)
}

/// The arguments of `convex-local-backend` that its entrypoint gives, and a few more.
#[derive(Parser)]
#[command(name = "convex-local-backend")]
struct Arguments {
    #[arg(long, requires = "instance_secret")]
    instance_name: Option<String>,
    #[arg(long, requires = "instance_name")]
    instance_secret: Option<String>,
    #[arg(long, default_value = "0.0.0.0")]
    interface: String,
    #[arg(long, default_value_t = 3210)]
    port: u16,
    #[arg(long, default_value_t = 3211)]
    site_proxy_port: u16,
    #[arg(long, requires = "convex_site")]
    convex_origin: Option<String>,
    #[arg(long, requires = "convex_origin")]
    convex_site: Option<String>,
    #[arg(long)]
    beacon_tag: Option<String>,
    #[arg(long, env = "DISABLE_BEACON", value_parser = BoolishValueParser::new())]
    disable_beacon: bool,
    #[arg(long)]
    redact_logs_to_client: bool,
    #[arg(long)]
    do_not_require_ssl: bool,
    #[arg(long)]
    local_storage: Option<String>,
    #[arg(long, default_value = "sqlite", value_parser = ["sqlite", "mysql-v5", "mysql-v5-multitenant", "postgres-v5"])]
    db: String,
    #[arg(default_value = "convex_local_backend.sqlite3")]
    db_spec: String,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Makes keys
    Keygen {
        #[command(subcommand)]
        kind: Keygen,
    },
}

#[derive(Subcommand)]
enum Keygen {
    /// Prints a key of the instance
    AdminKey {
        #[arg(long)]
        instance_name: String,
        #[arg(long)]
        instance_secret: String,
    },
}

fn backend() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    if let Some(Command::Keygen { kind: Keygen::AdminKey { instance_name, instance_secret } }) =
        &arguments.command
    {
        println!("{}", mint(instance_name, instance_secret, false)?.expose());
        return Ok(ExitCode::SUCCESS);
    }
    let log = Log::to_stdout(std::env::var_os("NO_COLOR").is_none());
    match on_one_thread(serve(&arguments, log.clone())) {
        Ok(code) => Ok(code),
        // The whole chain goes to the log, the outermost text alone to stderr.
        Err(error) => {
            log.caught(LogLevel::Error, "error error", &format!("{error:#}"));
            eprintln!("Error: {error}");
            Ok(ExitCode::FAILURE)
        }
    }
}

async fn serve(arguments: &Arguments, log: Log) -> anyhow::Result<ExitCode> {
    let database = &arguments.db_spec;
    if arguments.db == "sqlite" {
        std::fs::File::options().append(true).create(true).open(database)?;
    }
    log.write(LogLevel::Info, "db_connection", &format!("Connected to SQLite at {database}"));
    let (Some(name), Some(secret)) = (&arguments.instance_name, &arguments.instance_secret) else {
        bail!("--instance-secret is required. Generate one with `openssl rand -hex 32`");
    };
    let mut backend = instance(name, secret, log.clone())?;
    if let (Some(api), Some(site)) = (&arguments.convex_origin, &arguments.convex_site) {
        for (what, url) in [("Origin", api), ("Site", site)] {
            if !url.starts_with("http://") && !url.starts_with("https://") {
                bail!("{what} url should start with https:// or http:// but got '{url}'");
            }
        }
        backend = backend.with_origins(api, site);
    }
    backend.metrics = std::env::var("DISABLE_METRICS_ENDPOINT").as_deref() != Ok("true");
    backend.release = std::env::var("CONVEX_RELEASE_VERSION_DEV").ok();
    // A big database is read for a while before anybody listens.
    if let Some(seconds) = std::env::var("LAB_START_DELAY").ok().and_then(|it| it.parse().ok()) {
        tokio::time::sleep(std::time::Duration::from_secs(seconds)).await;
    }
    let address = |port| format!("{}:{port}", arguments.interface);
    let api = TcpListener::bind(address(arguments.port)).await?;
    let site = TcpListener::bind(address(arguments.site_proxy_port)).await?;
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        ended = backend.serve(api, site) => match ended? {},
        _ = interrupt.recv() => Ok(ExitCode::SUCCESS),
        _ = terminate.recv() => Ok(ExitCode::from(143)),
    }
}

/// An instance; a bad secret is refused in upstream's words, the cause apart where upstream has it
/// apart.
fn instance(name: &str, secret: &str, log: Log) -> anyhow::Result<Backend> {
    Backend::new(name, &Secret::new(secret), log).map_err(|fault| {
        let words = fault.to_string();
        match words.split_once(": ") {
            Some((outermost, cause)) => anyhow!(cause.to_owned()).context(outermost.to_owned()),
            None => anyhow!(words),
        }
    })
}

fn mint(name: &str, secret: &str, read_only: bool) -> anyhow::Result<Secret> {
    let backend = instance(name, secret, Log::in_memory())?;
    let mut nonce = [0; 12];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut nonce)?;
    let now = u64::try_from(jiff::Timestamp::now().as_second())?;
    Ok(backend.mint(now, nonce, read_only))
}

/// The arguments of `generate_key`.
#[derive(Parser)]
#[command(name = "generate_key")]
struct KeyArguments {
    instance_name: String,
    instance_secret: String,
    #[arg(long)]
    read_only: bool,
}

fn generate_key() -> anyhow::Result<ExitCode> {
    let arguments = KeyArguments::parse();
    let key = mint(&arguments.instance_name, &arguments.instance_secret, arguments.read_only)?;
    eprintln!("Admin key:");
    println!("{}", key.expose());
    Ok(ExitCode::SUCCESS)
}

/// One page for `/`, Next.js' 404 for the rest.
async fn dashboard() -> anyhow::Result<ExitCode> {
    let listener = TcpListener::bind(SocketAddr::from(([0, 0, 0, 0], 6791))).await?;
    let variable = |name| std::env::var(name).unwrap_or_default();
    let data = serde_json::json!({"props": {"pageProps": {
        "deploymentUrl": variable("NEXT_PUBLIC_DEPLOYMENT_URL"),
        "adminKey": std::env::var("NEXT_PUBLIC_ADMIN_KEY").ok(),
    }}, "page": "/", "query": {}});
    let page = format!(
        "<!DOCTYPE html><html><head><title>Convex Dashboard</title></head><body><div id=\"__next\">\
         </div><script id=\"__NEXT_DATA__\" type=\"application/json\">{data}</script></body></html>"
    );
    let missing = "<!DOCTYPE html><html><head><title>404: This page could not be found</title>\
                   </head><body></body></html>";
    let (mut interrupt, mut terminate) =
        (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    loop {
        let mut stream = tokio::select! {
            accepted = listener.accept() => accepted?.0,
            _ = interrupt.recv() => return Ok(ExitCode::SUCCESS),
            _ = terminate.recv() => return Ok(ExitCode::from(143)),
        };
        let mut request = vec![0; 8192];
        let length = stream.read(&mut request).await.unwrap_or(0);
        let request = String::from_utf8_lossy(&request[..length]);
        let root =
            request.split(' ').nth(1).is_some_and(|path| path.split('?').next() == Some("/"));
        let (status, page) =
            if root { ("200 OK", page.as_str()) } else { ("404 Not Found", missing) };
        let answer = format!(
            "HTTP/1.1 {status}\r\nx-powered-by: Next.js\r\nx-frame-options: SAMEORIGIN\r\n\
             content-type: text/html; charset=utf-8\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{page}",
            page.len()
        );
        // A browser that has gone is no reason to stop.
        drop(stream.write_all(answer.as_bytes()).await);
    }
}
