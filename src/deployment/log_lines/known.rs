//! The table itself: the texts, what they mean, the finding that each proves, and what mends it.

/// When a line says something about now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// The start, or the process, ended with it.
    Dies,
    /// The last line of all: it waits there.
    Waits,
    /// The process goes on, and something of it does not work.
    Ails,
    /// A remark that holds for the life of the container: its environment cannot change.
    Remarks,
}

/// A line that is known.
#[derive(Debug)]
pub(crate) struct Known {
    /// Texts that all stand in it.
    pub(crate) holds: &'static [&'static str],
    /// The finding that it proves.
    pub(crate) id: &'static str,
    /// When it counts.
    pub(crate) when: When,
    /// What it means.
    pub(crate) means: &'static str,
    /// What mends it.
    pub(crate) remedy: &'static str,
    /// The line as a backend prints it.
    #[cfg_attr(
        not(test),
        expect(dead_code, reason = "the tests of both ends take the line from here")
    )]
    pub(crate) example: &'static str,
}

/// The generic id: a line that no finding of its own speaks of.
pub(crate) const EXPLAINED: &str = "backend-crash-explained";

const fn dies(
    id: &'static str,
    holds: &'static [&'static str],
    means: &'static str,
    remedy: &'static str,
    example: &'static str,
) -> Known {
    Known { holds, id, when: When::Dies, means, remedy, example }
}

/// What to do where the SQL server offers no TLS.
const NO_TLS: &str = "set DO_NOT_REQUIRE_SSL=1 in the backend's environment if the database is in the same private network; \
     `?sslmode=disable` in the URL does not turn TLS off";

/// What to do where it has a certificate that nobody vouches for.
const TRUSTED: &str = "give the server a certificate of a public authority for the name in the URL; in a private network \
     DO_NOT_REQUIRE_SSL=1 in the backend's environment does without TLS";

/// Every line that is known. The first that fits counts, so special lines stand before general
/// ones.
pub(crate) static KNOWN: &[Known] = &[
    dies(
        "secret-invalid",
        &["Couldn't hexdecode key"],
        "INSTANCE_SECRET is not hexadecimal.",
        "set INSTANCE_SECRET to 64 hex digits; the old secret keeps the keys valid, a new one needs new keys",
        "ERROR common::errors: Caught error error (x): Couldn't hexdecode key: odd number of digits",
    ),
    dies(
        "secret-invalid",
        &["Hex-decoded key was ", " bytes, not 32"],
        "INSTANCE_SECRET does not have 64 hex digits.",
        "set INSTANCE_SECRET to 64 hex digits; the old secret keeps the keys valid, a new one needs new keys",
        "ERROR common::errors: Caught error error (x): Hex-decoded key was 16 bytes, not 32",
    ),
    dies(
        EXPLAINED,
        &["--instance-secret is required"],
        "The backend was started by hand, without a name and without a secret.",
        "start it through upstream's run_backend.sh, or give it --instance-name and --instance-secret",
        "Error: --instance-secret is required. Generate one with openssl rand -hex 32",
    ),
    dies(
        EXPLAINED,
        &["the following required arguments were not provided"],
        "Of two arguments that belong together (name and secret, both origins) the backend got one.",
        "set both: INSTANCE_NAME and INSTANCE_SECRET, CONVEX_CLOUD_ORIGIN and CONVEX_SITE_ORIGIN",
        "error: the following required arguments were not provided:",
    ),
    dies(
        "beacon-variable-empty",
        &["invalid value ''", "--disable-beacon"],
        "DISABLE_BEACON is set, and empty.",
        "delete the line, or write DISABLE_BEACON=true",
        "error: invalid value '' for '--disable-beacon': value was not a boolean",
    ),
    dies(
        EXPLAINED,
        &["the argument '--s3-storage' cannot be used with '--local-storage"],
        "`command:` of the service adds an argument that run_backend.sh gives as well.",
        "delete `command:`; run_backend.sh chooses the storage by the S3 variables",
        "error: the argument '--s3-storage' cannot be used with '--local-storage <LOCAL_STORAGE>'",
    ),
    dies(
        "origin-invalid",
        &["Origin url should start with https:// or http://"],
        "CONVEX_CLOUD_ORIGIN does not begin with http:// or https://: it has no scheme, or quotes round it.",
        "",
        "ERROR common::errors: Caught error error (x): Origin url should start with https:// or http:// but got 'api.example.com'",
    ),
    dies(
        "origin-invalid",
        &["Site url should start with https:// or http://"],
        "CONVEX_SITE_ORIGIN does not begin with http:// or https://: it has no scheme, or quotes round it.",
        "",
        "ERROR common::errors: Caught error error (x): Site url should start with https:// or http:// but got 'example.com'",
    ),
    dies(
        EXPLAINED,
        &["Address already in use (os error 98)"],
        "A port that the backend listens on is taken where it runs: another backend in the same network namespace (network_mode: \
         host, a second process in the container).",
        "stop the other process, or give one of them another port",
        "ERROR common::errors: Caught error error (x): Address already in use (os error 98)",
    ),
    dies(
        "disk-full",
        &["No space left on device"],
        "The disk that holds its data is full.",
        "",
        "ERROR common::errors: Caught error error (x): No space left on device (os error 28)",
    ),
    dies(
        "disk-full",
        &["database or disk is full"],
        "The disk that holds its database is full.",
        "",
        "ERROR common::errors: Caught error error (x): database or disk is full",
    ),
    dies(
        "data-not-writable",
        &["Read-only file system"],
        "It cannot write to its data directory: the file system is read-only.",
        "",
        "mkdir: cannot create directory '/convex/data/tmp': Read-only file system",
    ),
    dies(
        "data-not-writable",
        &["attempt to write a readonly database"],
        "It may read its database and not write it.",
        "",
        "ERROR common::errors: Caught error error (x): attempt to write a readonly database",
    ),
    dies(
        "data-not-writable",
        &["create directory", "Permission denied"],
        "It may not write to its data directory.",
        "",
        "mkdir: cannot create directory '/convex/data/tmp': Permission denied",
    ),
    dies(
        "data-not-writable",
        &["instance_secret: Permission denied"],
        "It may not write its credentials.",
        "",
        "./read_credentials.sh: line 20: /convex/data/credentials/instance_secret: Permission denied",
    ),
    dies(
        "data-not-writable",
        &["Caught error error", "Permission denied (os error 13)"],
        "The system refuses it a file of its own.",
        "",
        "ERROR common::errors: Caught error error (x): Permission denied (os error 13)",
    ),
    dies(
        EXPLAINED,
        &["unable to open database file: postgres"],
        "The SQLite driver got the URL of a Postgres database: the arguments name no --db postgres-v5.",
        "set POSTGRES_URL and start the backend through run_backend.sh, without arguments of your own",
        "ERROR common::errors: Caught error error (x): unable to open database file: postgres://u:***@db:5432",
    ),
    dies(
        EXPLAINED,
        &["unable to open database file"],
        "The database file cannot be opened: a directory stands in its place, its parent is missing, or it may not be read.",
        "see what is mounted over the data directory, and who owns it",
        "ERROR common::errors: Caught error error (x): unable to open database file: /convex/data/db.sqlite3",
    ),
    dies(
        "volume-corrupt",
        &["file is not a database"],
        "What lies in place of the database is no SQLite file.",
        "",
        "ERROR common::errors: Caught error error (x): file is not a database",
    ),
    dies(
        "volume-corrupt",
        &["database disk image is malformed"],
        "The SQLite file is damaged.",
        "",
        "ERROR common::errors: Caught error error (x): database disk image is malformed",
    ),
    dies(
        "volume-corrupt",
        &["missing _tables.by_id global"],
        "The database was never set up to its end, or is empty (a file of no bytes says the same).",
        "",
        "ERROR common::errors: Caught error error (x): missing _tables.by_id global",
    ),
    dies(
        "volume-corrupt",
        &["missing _index.by_id global"],
        "The database lacks the index of its own indexes.",
        "",
        "ERROR common::errors: Caught error error (x): missing _index.by_id global",
    ),
    dies(
        "volume-corrupt",
        &["has no `_index` document"],
        "The database lacks a document that every start needs.",
        "",
        "ERROR common::errors: Caught error error (x): bootstrap index by_id has no `_index` document",
    ),
    dies(
        "sql-url-has-path",
        &["cluster url already contains db name"],
        "The URL of the SQL server has a database name behind the host; the backend chooses the name itself.",
        "",
        "ERROR common::errors: Caught error error (x): cluster url already contains db name: /app",
    ),
    dies(
        EXPLAINED,
        &["cluster url username must be set"],
        "The URL of the SQL server names no user.",
        "write postgres://USER:PASSWORD@HOST:5432, without a database name behind it",
        "ERROR common::errors: Caught error error (x): cluster url username must be set",
    ),
    dies(
        EXPLAINED,
        &["relative URL without a base"],
        "The URL of the SQL server is no URL: empty, in quotes, or HOST:PORT without a scheme.",
        "write postgres://USER:PASSWORD@HOST:5432 without quotes",
        "ERROR common::errors: Caught error error (x): relative URL without a base",
    ),
    dies(
        EXPLAINED,
        &["invalid postgres connection url"],
        "POSTGRES_URL holds something else than a Postgres URL.",
        "write postgres://USER:PASSWORD@HOST:5432; a MySQL URL belongs into MYSQL_URL",
        "ERROR common::errors: Caught error error (x): invalid postgres connection url",
    ),
    dies(
        "sql-database-missing",
        &["database \"", "\" does not exist"],
        "The SQL server has no database of the name that the backend looks for: the instance name with `_` in place of `-`.",
        "",
        "ERROR common::errors: Caught error error (x): db error: FATAL: database \"convex_self_hosted\" does not exist",
    ),
    dies(
        "sql-database-missing",
        &["Unknown database '"],
        "The SQL server has no database of the name that the backend looks for: the instance name with `_` in place of `-`.",
        "",
        "ERROR common::errors: Caught error error (x): ERROR 42000 (1049): Unknown database 'convex_self_hosted'",
    ),
    dies(
        EXPLAINED,
        &["password authentication failed for user"],
        "The SQL server refuses the password. A password set after its first start does not count: the old one lies in its volume.",
        "write the password that the database was set up with, percent-encoded, or change it there (ALTER USER)",
        "ERROR common::errors: Caught error error (x): db error: FATAL: password authentication failed for user \"postgres\"",
    ),
    dies(
        EXPLAINED,
        &["invalid configuration: password missing"],
        "The URL of the SQL server has no password, and the server wants one.",
        "write postgres://USER:PASSWORD@HOST:5432",
        "ERROR common::errors: Caught error error (x): invalid configuration: password missing",
    ),
    dies(
        EXPLAINED,
        &["permission denied for schema public"],
        "The database user may not create tables (Postgres 15 and later give that right to the owner only).",
        "make the user the owner of the database: ALTER DATABASE … OWNER TO …",
        "ERROR common::errors: Caught error error (x): db error: ERROR: permission denied for schema public",
    ),
    dies(
        "sql-tls",
        &["error performing TLS handshake", "server does not support TLS"],
        "The backend wants TLS, and the SQL server offers none.",
        NO_TLS,
        "ERROR common::errors: Caught error error (x): error performing TLS handshake: server does not support TLS",
    ),
    dies(
        "sql-tls",
        &["error performing TLS handshake", "certificate"],
        "The certificate of the SQL server is not trusted, or is for another name.",
        TRUSTED,
        "ERROR common::errors: Caught error error (x): error performing TLS handshake: invalid peer certificate: UnknownIssuer",
    ),
    dies(
        "sql-tls",
        &["error performing TLS handshake"],
        "The TLS handshake with the SQL server failed: it offers no TLS, or its certificate is not trusted.",
        TRUSTED,
        "Error: error performing TLS handshake",
    ),
    dies(
        "sql-tls",
        &["certificate verify failed"],
        "The certificate of the SQL server is not trusted, or is for another name.",
        TRUSTED,
        "ERROR common::errors: Caught error error (x): certificate verify failed (hostname mismatch)",
    ),
    dies(
        EXPLAINED,
        &["Caught error error", "invalid peer certificate"],
        "A server that the backend depends on (SQL, or the S3 endpoint) has a certificate that it does not trust.",
        "give that server a certificate of a public authority for the name in its URL",
        "ERROR common::errors: Caught error error (x): dispatch failure: invalid peer certificate: UnknownIssuer",
    ),
    dies(
        EXPLAINED,
        &["error connecting to server: failed to lookup address information"],
        "The host name of the SQL server means nothing where the backend runs.",
        "write the name of the database's service, and see that both are in one network",
        "ERROR common::errors: Caught error error (x): error connecting to server: failed to lookup address information: Name or service not known",
    ),
    dies(
        EXPLAINED,
        &["error connecting to server"],
        "The SQL server does not take the connection: it is down, still starting, or at another port.",
        "see whether the database runs and is healthy; make the backend wait for it (depends_on, condition: service_healthy)",
        "ERROR common::errors: Caught error error (x): error connecting to server: Connection refused (os error 111)",
    ),
    dies(
        EXPLAINED,
        &["Input/output error", "Connection refused (os error 111)"],
        "The MySQL server does not take the connection: it is down, still starting, or at another port.",
        "see whether the database runs and is healthy; make the backend wait for it (depends_on, condition: service_healthy)",
        "ERROR common::errors: Caught error error (x): Your request couldn't be completed. Try again later.: Input/output error: Input/output error: Connection refused (os error 111)",
    ),
    Known {
        holds: &["postgres::connection", "connection error: connection closed"],
        id: EXPLAINED,
        when: When::Ails,
        means: "The SQL server went away while the backend ran. Reading goes on from memory, and HTTP answers as ever; writing fails.",
        remedy: "see whether the database runs",
        example: "ERROR postgres::connection: connection error: connection closed",
    },
    dies(
        "sql-lease-contended",
        &["Lease Lost"],
        "A second backend on the same database took over, and this one gave way (exit code 0).",
        "",
        "ERROR common::errors: Caught error error (x): Lease Lost",
    ),
    dies(
        "sql-lease-contended",
        &["Postgres timeout"],
        "The database did not answer in time while the backend wanted its lease.",
        "",
        "ERROR common::errors: Caught error error (x): Postgres timeout",
    ),
    Known {
        holds: &["attempting to acquire lease"],
        id: "sql-lease-contended",
        when: When::Waits,
        means: "It waits for the lease of the database, which a second backend, or one that crashed, still holds.",
        remedy: "",
        example: "INFO postgres: attempting to acquire lease",
    },
    dies(
        "storage-switched",
        &["Database was initialized with ", "but backend started up with"],
        "The database was set up with files on disk and the backend now starts with S3, or the reverse.",
        "",
        "ERROR common::errors: Caught error error (x): Database was initialized with Some(Local { dir: \"/convex/data/storage\" }), but backend started up with S3.",
    ),
    dies(
        EXPLAINED,
        &["Cannot use s3 storage path"],
        "INSTANCE_NAME was changed, and the files in S3 lie under the old name.",
        "set INSTANCE_NAME back to the name that stands in that line before the `-`",
        "ERROR common::errors: Caught error error (x): Cannot use s3 storage path app-0b0f/ with renamed",
    ),
    dies(
        "s3-incomplete",
        &["env variable is required when using S3 storage"],
        "The backend is to keep files in S3, and a bucket's variable is missing.",
        "",
        "ERROR common::errors: Caught error error (x): S3_STORAGE_FILES_BUCKET env variable is required when using S3 storage",
    ),
    dies(
        "s3-incomplete",
        &["AWS env variables are required when using S3 storage"],
        "The backend is to keep files in S3, and its AWS variables are missing.",
        "",
        "ERROR common::errors: Caught error error (x): AWS env variables are required when using S3 storage: AWS_REGION",
    ),
    Known {
        holds: &["Some AWS/S3 environment variables are missing. Falling back to local storage"],
        id: "s3-incomplete",
        when: When::Remarks,
        means: "Some of the S3 variables are set and others are not: files are kept on disk.",
        remedy: "",
        example: "Warning: Some AWS/S3 environment variables are missing. Falling back to local storage.",
    },
    Known {
        holds: &["Connected to SQLite at "],
        id: "sql-url-not-passed",
        when: When::Remarks,
        means: "The documents lie in SQLite.",
        remedy: "",
        example: "INFO db_connection: Connected to SQLite at /convex/data/db.sqlite3",
    },
];
