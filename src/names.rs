//! What Convex, its image, Docker and Compose call things: variables, labels, ports and paths, each
//! written once.

/// The variable with the home directory, as Docker, Compose and Node read it
/// (<https://pkg.go.dev/os#UserHomeDir>).
pub const HOME: &str = if cfg!(windows) { "USERPROFILE" } else { "HOME" };

/// The URL of a self-hosted deployment.
pub const URL: &str = "CONVEX_SELF_HOSTED_URL";
/// Its admin key.
pub const ADMIN_KEY: &str = "CONVEX_SELF_HOSTED_ADMIN_KEY";
/// A deployment of Convex Cloud, or a local one of the CLI.
pub const DEPLOYMENT: &str = "CONVEX_DEPLOYMENT";
/// The deploy key of Convex Cloud, which overrides everything else in the environment.
pub const DEPLOY_KEY: &str = "CONVEX_DEPLOY_KEY";
/// Another name of [`DEPLOY_KEY`].
pub const DEPLOYMENT_TOKEN: &str = "CONVEX_DEPLOYMENT_TOKEN";
/// Both names, in the order in which the CLI asks for them.
pub const DEPLOY_KEYS: [&str; 2] = [DEPLOY_KEY, DEPLOYMENT_TOKEN];

/// The secret from which `run_backend.sh` lets the backend derive its keys.
pub const INSTANCE_SECRET: &str = "INSTANCE_SECRET";
/// The name that every key of the instance carries.
pub const INSTANCE_NAME: &str = "INSTANCE_NAME";
/// The name that the backend takes if nothing else has one.
pub const DEFAULT_INSTANCE_NAME: &str = "convex-self-hosted";
/// The backend's own address, as it tells clients.
pub const CLOUD_ORIGIN: &str = "CONVEX_CLOUD_ORIGIN";
/// The address of its HTTP actions.
pub const SITE_ORIGIN: &str = "CONVEX_SITE_ORIGIN";
/// The variables by which `run_backend.sh` takes the URL of a SQL server.
pub const SQL_URLS: [&str; 3] = ["POSTGRES_URL", "MYSQL_URL", "DATABASE_URL"];
/// The five variables without which the backend keeps files on disk.
pub const S3_BUCKETS: [&str; 5] = [
    "S3_STORAGE_EXPORTS_BUCKET",
    "S3_STORAGE_SNAPSHOT_IMPORTS_BUCKET",
    "S3_STORAGE_MODULES_BUCKET",
    "S3_STORAGE_FILES_BUCKET",
    "S3_STORAGE_SEARCH_BUCKET",
];

/// Where the official image keeps everything, and what it declares as a volume of its own.
pub const DATA_DIR: &str = "/convex/data";
/// The directory in which the official image runs its scripts: a relative path starts there
/// (`WORKDIR` in <https://github.com/get-convex/convex-backend>,
/// `self-hosted/docker-build/Dockerfile.backend`).
pub const WORKDIR: &str = "/convex";
/// The script of the official image that generates an admin key.
pub const KEY_SCRIPT: &str = "./generate_admin_key.sh";
/// The port of the Convex API inside the container, unless it is configured otherwise.
pub const API_PORT: u16 = 3210;
/// The port of HTTP actions inside the container.
pub const SITE_PORT: u16 = 3211;

/// Compose's label of a project.
pub const PROJECT_LABEL: &str = "com.docker.compose.project";
/// Compose's label of a service.
pub const SERVICE_LABEL: &str = "com.docker.compose.service";
/// Compose's label of a volume: its key in the compose file.
pub const VOLUME_LABEL: &str = "com.docker.compose.volume";
/// Compose's label of the project's directory.
pub const WORKING_DIR_LABEL: &str = "com.docker.compose.project.working_dir";
/// Compose's label of the files that made a container, separated by commas.
pub const CONFIG_FILES_LABEL: &str = "com.docker.compose.project.config_files";
/// The files of `--env-file` that it was made with, separated by commas (Compose v2.24 and later).
pub const ENVIRONMENT_FILE_LABEL: &str = "com.docker.compose.project.environment_file";

/// Whether Coolify sets a variable with this name when it deploys a compose file
/// (<https://coolify.io/docs/knowledge-base/docker/compose>): `SERVICE_FQDN_BACKEND_3210`,
/// `SERVICE_HEX_32_SECRET`.
pub fn is_set_by_coolify(name: &str) -> bool {
    const KINDS: [&str; 7] = ["FQDN", "URL", "USER", "PASSWORD", "BASE64", "HEX", "REALBASE64"];
    let kind = name.strip_prefix("SERVICE_").and_then(|rest| rest.split_once('_'));
    kind.is_some_and(|(kind, rest)| KINDS.contains(&kind) && !rest.is_empty())
}

/// Whether the engine made a volume's name: 64 hex digits. The label of newer engines does not
/// tell: the anonymous volumes that Compose creates lack it.
pub fn is_anonymous_volume(name: &str) -> bool {
    name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The variables by which Node trusts other certificates than its own list. Node reads them when it
/// starts, so not from an env file of the CLI.
pub const NODE_TRUST: [&str; 4] =
    ["NODE_EXTRA_CA_CERTS", "NODE_USE_SYSTEM_CA", "NODE_OPTIONS", "SSL_CERT_FILE"];
