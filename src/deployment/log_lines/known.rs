//! The table itself: the texts, what they mean, the finding that each proves, and how to fix it.

/// What a line shows about the present.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// The start, or the process, ended with it.
    Ends,
    /// If it is the last line of all, the backend waits there.
    Waits,
    /// The process keeps running, but part of it does not work.
    Fails,
    /// A remark that is true as long as the container exists: its environment cannot change.
    Remarks,
}

/// A known line.
#[derive(Debug)]
pub(crate) struct Known {
    /// Texts that are all in it.
    pub(crate) holds: &'static [&'static str],
    /// The finding that it proves.
    pub(crate) id: &'static str,
    /// When it counts.
    pub(crate) when: When,
    /// What it means.
    pub(crate) means: &'static str,
    /// How to fix it: one of these.
    pub(crate) fixes: &'static [&'static str],
    /// The line as a backend prints it.
    pub(crate) example: &'static str,
}

/// The generic id: a line without a finding of its own.
pub(crate) const EXPLAINED: &str = "backend-crash-explained";

const fn ends(
    id: &'static str,
    holds: &'static [&'static str],
    means: &'static str,
    fixes: &'static [&'static str],
    example: &'static str,
) -> Known {
    Known { holds, id, when: When::Ends, means, fixes, example }
}

/// A line of a backend that keeps running; no id but the generic one is about those.
const fn fails(
    holds: &'static [&'static str],
    means: &'static str,
    fixes: &'static [&'static str],
    example: &'static str,
) -> Known {
    Known { holds, id: EXPLAINED, when: When::Fails, means, fixes, example }
}

/// What to do about an INSTANCE_SECRET that is not valid.
const VALID_SECRET: &[&str] =
    &["Set INSTANCE_SECRET to 64 hex digits (a new secret ends all keys)"];

/// What to do if the SQL server does not offer TLS.
const NO_TLS: &[&str] = &[
    "Set DO_NOT_REQUIRE_SSL=1 for the backend, in a private network only",
    "Turn on TLS in the SQL server",
];

/// What to do if the certificate of the SQL server is not trusted.
const TRUSTED: &[&str] = &[
    "Give the SQL server a trusted certificate for the host name in the URL",
    "Set DO_NOT_REQUIRE_SSL=1 for the backend, in a private network only",
];

/// What to do if the SQL server cannot be reached.
const REACHABLE: &[&str] = &[
    "Check that the database is running and healthy",
    "Make the backend wait for it (`condition: service_healthy`)",
];

/// What a URL of Postgres looks like.
const POSTGRES_URL: &str = "Write postgres://USER:PASSWORD@HOST:5432 as the database URL";

/// What to do if an upload fails without a reason that is known.
const S3_UPLOAD: &[&str] = &[
    "Check the S3 variables of the backend: endpoint, region, buckets and credentials",
    "Set AWS_S3_DISABLE_CHECKSUMS=true if the object storage is not Amazon's",
];

/// The error of a running backend that no entry of the table knows.
pub(crate) static UNKNOWN_ERROR: Known = Known {
    holds: &["Caught error error"],
    id: EXPLAINED,
    when: When::Fails,
    means: "The backend answered with an internal error (500). This is the last error in its log.",
    fixes: &["Read the lines before it in the backend's log"],
    example: "ERROR common::errors: Caught error error (x): something failed",
};

/// Every known line. The first that matches counts, so special lines come before general ones.
pub(crate) static KNOWN: &[Known] = &[
    fails(
        &["Failed to create multipart upload", "dns error"],
        "The backend cannot resolve the host name of its object storage, so uploads fail.",
        &["Correct the host in S3_ENDPOINT_URL: it must resolve inside the backend's container"],
        "ERROR common::errors: Caught error error (x): Failed to create multipart upload: dispatch failure: dns error: failed to lookup address information",
    ),
    fails(
        &["Failed to create multipart upload", "invalid peer certificate"],
        "The backend does not trust the certificate of its object storage, so uploads fail.",
        &["Give the object storage a trusted certificate"],
        "ERROR common::errors: Caught error error (x): Failed to create multipart upload: dispatch failure: invalid peer certificate: UnknownIssuer",
    ),
    fails(
        &["Failed to create multipart upload"],
        "The object storage rejects uploads.",
        S3_UPLOAD,
        "ERROR common::errors: Caught error error (x): Failed to create multipart upload: service error: InvalidRequest",
    ),
    ends(
        "secret-invalid",
        &["Couldn't hexdecode key"],
        "INSTANCE_SECRET is not hexadecimal.",
        VALID_SECRET,
        "ERROR common::errors: Caught error error (x): Couldn't hexdecode key: odd number of digits",
    ),
    ends(
        "secret-invalid",
        &["Hex-decoded key was ", " bytes, not 32"],
        "INSTANCE_SECRET does not have 64 hex digits.",
        VALID_SECRET,
        "ERROR common::errors: Caught error error (x): Hex-decoded key was 16 bytes, not 32",
    ),
    ends(
        EXPLAINED,
        &["--instance-secret is required"],
        "The backend was started without an instance name and an instance secret.",
        &["Start it through run_backend.sh", "Pass --instance-name and --instance-secret"],
        "Error: --instance-secret is required. Generate one with openssl rand -hex 32",
    ),
    ends(
        EXPLAINED,
        &["the following required arguments were not provided"],
        "The backend got only one of two arguments that belong together.",
        &[
            "Set both INSTANCE_NAME and INSTANCE_SECRET",
            "Set both CONVEX_CLOUD_ORIGIN and CONVEX_SITE_ORIGIN",
        ],
        "error: the following required arguments were not provided:",
    ),
    ends(
        "beacon-variable-empty",
        &["invalid value ''", "--disable-beacon"],
        "DISABLE_BEACON is set to an empty value.",
        &["Delete the line of DISABLE_BEACON", "Set DISABLE_BEACON to `true`"],
        "error: invalid value '' for '--disable-beacon': value was not a boolean",
    ),
    ends(
        EXPLAINED,
        &["the argument '--s3-storage' cannot be used with '--local-storage"],
        "`command:` of the service adds an argument that run_backend.sh also passes.",
        &["Delete `command:` of the service: the S3 variables select the storage"],
        "error: the argument '--s3-storage' cannot be used with '--local-storage <LOCAL_STORAGE>'",
    ),
    ends(
        "origin-invalid",
        &["Origin url should start with https:// or http://"],
        "CONVEX_CLOUD_ORIGIN does not start with http:// or https://. It has no scheme, or has \
         quotes around it.",
        &[],
        "ERROR common::errors: Caught error error (x): Origin url should start with https:// or http:// but got 'api.example.com'",
    ),
    ends(
        "origin-invalid",
        &["Site url should start with https:// or http://"],
        "CONVEX_SITE_ORIGIN does not start with http:// or https://. It has no scheme, or has \
         quotes around it.",
        &[],
        "ERROR common::errors: Caught error error (x): Site url should start with https:// or http:// but got 'example.com'",
    ),
    ends(
        EXPLAINED,
        &["Address already in use (os error 98)"],
        "A port of the backend is already in use: by another backend in the same network \
         namespace, or by a second process in the container.",
        &["Stop the other process", "Give one of the two another port"],
        "ERROR common::errors: Caught error error (x): Address already in use (os error 98)",
    ),
    ends(
        "disk-full",
        &["No space left on device"],
        "The disk with the backend's data is full.",
        &[],
        "ERROR common::errors: Caught error error (x): No space left on device (os error 28)",
    ),
    ends(
        "disk-full",
        &["database or disk is full"],
        "The disk with the backend's database is full.",
        &[],
        "ERROR common::errors: Caught error error (x): database or disk is full",
    ),
    ends(
        "data-not-writable",
        &["Read-only file system"],
        "The backend cannot write to its data directory: the file system is read-only.",
        &[],
        "mkdir: cannot create directory '/convex/data/tmp': Read-only file system",
    ),
    ends(
        "data-not-writable",
        &["attempt to write a readonly database"],
        "The database is read-only.",
        &[],
        "ERROR common::errors: Caught error error (x): attempt to write a readonly database",
    ),
    ends(
        "data-not-writable",
        &["create directory", "Permission denied"],
        "The backend has no permission to write to its data directory.",
        &[],
        "mkdir: cannot create directory '/convex/data/tmp': Permission denied",
    ),
    ends(
        "data-not-writable",
        &["instance_secret: Permission denied"],
        "The backend has no permission to write its credentials.",
        &[],
        "./read_credentials.sh: line 20: /convex/data/credentials/instance_secret: Permission denied",
    ),
    ends(
        "data-not-writable",
        &["Caught error error", "Permission denied (os error 13)"],
        "The backend has no permission to use one of its own files.",
        &[],
        "ERROR common::errors: Caught error error (x): Permission denied (os error 13)",
    ),
    ends(
        EXPLAINED,
        &["unable to open database file: postgres"],
        "The backend opens the URL of a Postgres database as a SQLite file: the argument --db \
         postgres-v5 is missing.",
        &["Set POSTGRES_URL, and start the backend through run_backend.sh"],
        "ERROR common::errors: Caught error error (x): unable to open database file: postgres://u:***@db:5432",
    ),
    ends(
        EXPLAINED,
        &["unable to open database file"],
        "The backend cannot open the database file: a directory has its name, its parent is \
         missing, or the permission is missing.",
        &["Check what is mounted at the data directory, and who owns it"],
        "ERROR common::errors: Caught error error (x): unable to open database file: /convex/data/db.sqlite3",
    ),
    ends(
        "volume-corrupt",
        &["file is not a database"],
        "The database file is not a SQLite file.",
        &[],
        "ERROR common::errors: Caught error error (x): file is not a database",
    ),
    ends(
        "volume-corrupt",
        &["database disk image is malformed"],
        "The SQLite file is damaged.",
        &[],
        "ERROR common::errors: Caught error error (x): database disk image is malformed",
    ),
    ends(
        "volume-corrupt",
        &["missing _tables.by_id global"],
        "The database was never set up completely, or its file is empty.",
        &[],
        "ERROR common::errors: Caught error error (x): missing _tables.by_id global",
    ),
    ends(
        "volume-corrupt",
        &["missing _index.by_id global"],
        "The database is missing the index of its own indexes.",
        &[],
        "ERROR common::errors: Caught error error (x): missing _index.by_id global",
    ),
    ends(
        "volume-corrupt",
        &["has no `_index` document"],
        "The database is missing a document that every start needs.",
        &[],
        "ERROR common::errors: Caught error error (x): bootstrap index by_id has no `_index` document",
    ),
    ends(
        "sql-url-has-path",
        &["cluster url already contains db name"],
        "The database URL includes a database name. The backend selects the database itself.",
        &[],
        "ERROR common::errors: Caught error error (x): cluster url already contains db name: /app",
    ),
    ends(
        EXPLAINED,
        &["cluster url username must be set"],
        "The database URL has no user name.",
        &[POSTGRES_URL],
        "ERROR common::errors: Caught error error (x): cluster url username must be set",
    ),
    ends(
        EXPLAINED,
        &["relative URL without a base"],
        "The database URL is not a valid URL: it is empty, in quotes, or has no scheme.",
        &[POSTGRES_URL],
        "ERROR common::errors: Caught error error (x): relative URL without a base",
    ),
    ends(
        EXPLAINED,
        &["invalid postgres connection url"],
        "POSTGRES_URL is not a Postgres URL.",
        &[POSTGRES_URL, "Use MYSQL_URL instead, for a MySQL database"],
        "ERROR common::errors: Caught error error (x): invalid postgres connection url",
    ),
    ends(
        "sql-database-missing",
        &["database \"", "\" does not exist"],
        "The database for this instance does not exist. Its name is the instance name with `_` \
         instead of `-`.",
        &[],
        "ERROR common::errors: Caught error error (x): db error: FATAL: database \"convex_self_hosted\" does not exist",
    ),
    ends(
        "sql-database-missing",
        &["Unknown database '"],
        "The database for this instance does not exist. Its name is the instance name with `_` \
         instead of `-`.",
        &[],
        "ERROR common::errors: Caught error error (x): ERROR 42000 (1049): Unknown database 'convex_self_hosted'",
    ),
    ends(
        EXPLAINED,
        &["password authentication failed for user"],
        "The SQL server rejects the password. A password that was set after the server's first \
         start has no effect.",
        &[
            "Use the password that the SQL server was first started with, percent-encoded",
            "Change the password on the server (ALTER USER)",
        ],
        "ERROR common::errors: Caught error error (x): db error: FATAL: password authentication failed for user \"postgres\"",
    ),
    ends(
        EXPLAINED,
        &["invalid configuration: password missing"],
        "The database URL has no password, but the SQL server requires one.",
        &[POSTGRES_URL],
        "ERROR common::errors: Caught error error (x): invalid configuration: password missing",
    ),
    ends(
        EXPLAINED,
        &["permission denied for schema public"],
        "The database user cannot create tables. Since Postgres 15, only the owner of the \
         database can.",
        &["Make the user the owner of the database (ALTER DATABASE … OWNER TO …)"],
        "ERROR common::errors: Caught error error (x): db error: ERROR: permission denied for schema public",
    ),
    ends(
        "sql-tls",
        &["error performing TLS handshake", "server does not support TLS"],
        "The backend requires TLS, but the SQL server does not offer it.",
        NO_TLS,
        "ERROR common::errors: Caught error error (x): error performing TLS handshake: server does not support TLS",
    ),
    ends(
        "sql-tls",
        &["error performing TLS handshake", "certificate"],
        "The certificate of the SQL server is not trusted, or is for another name.",
        TRUSTED,
        "ERROR common::errors: Caught error error (x): error performing TLS handshake: invalid peer certificate: UnknownIssuer",
    ),
    ends(
        "sql-tls",
        &["error performing TLS handshake"],
        "The TLS handshake with the SQL server fails: it does not offer TLS, or its \
         certificate is not trusted.",
        TRUSTED,
        "Error: error performing TLS handshake",
    ),
    ends(
        "sql-tls",
        &["certificate verify failed"],
        "The certificate of the SQL server is not trusted, or is for another name.",
        TRUSTED,
        "ERROR common::errors: Caught error error (x): certificate verify failed (hostname mismatch)",
    ),
    ends(
        EXPLAINED,
        &["Caught error error", "invalid peer certificate"],
        "The backend does not trust the certificate of a server that it needs (the SQL server \
         or S3).",
        &["Give that server a trusted certificate for the host name in its URL"],
        "ERROR common::errors: Caught error error (x): dispatch failure: invalid peer certificate: UnknownIssuer",
    ),
    ends(
        EXPLAINED,
        &["error connecting to server: failed to lookup address information"],
        "The backend cannot resolve the host name of the SQL server.",
        &["Write the database's service name as the host, with both in one network"],
        "ERROR common::errors: Caught error error (x): error connecting to server: failed to lookup address information: Name or service not known",
    ),
    ends(
        EXPLAINED,
        &["error connecting to server"],
        "The SQL server does not accept the connection: it is down, still starting, or uses \
         another port.",
        REACHABLE,
        "ERROR common::errors: Caught error error (x): error connecting to server: Connection refused (os error 111)",
    ),
    ends(
        EXPLAINED,
        &["Input/output error", "Connection refused (os error 111)"],
        "The MySQL server does not accept the connection: it is down, still starting, or uses \
         another port.",
        REACHABLE,
        "ERROR common::errors: Caught error error (x): Your request couldn't be completed. Try again later.: Input/output error: Input/output error: Connection refused (os error 111)",
    ),
    fails(
        &["postgres::connection", "connection error: connection closed"],
        "The backend lost its connection to the SQL server. Reads still work from memory, but \
         writes fail.",
        &["Check that the database is running"],
        "ERROR postgres::connection: connection error: connection closed",
    ),
    ends(
        "sql-lease-contended",
        &["Lease Lost"],
        "Another backend took over the database, so this one stopped (exit code 0).",
        &[],
        "ERROR common::errors: Caught error error (x): Lease Lost",
    ),
    ends(
        "sql-lease-contended",
        &["Postgres timeout"],
        "The database did not answer in time when the backend requested its lease.",
        &[],
        "ERROR common::errors: Caught error error (x): Postgres timeout",
    ),
    Known {
        holds: &["attempting to acquire lease"],
        id: "sql-lease-contended",
        when: When::Waits,
        means: "The backend waits for the lease of the database. Another backend still holds it, or one that crashed did.",
        fixes: &[],
        example: "INFO postgres: attempting to acquire lease",
    },
    ends(
        "storage-switched",
        &["Database was initialized with ", "but backend started up with"],
        "The database was set up with files on disk, but the backend now starts with S3, or \
         the reverse.",
        &[],
        "ERROR common::errors: Caught error error (x): Database was initialized with Some(Local { dir: \"/convex/data/storage\" }), but backend started up with S3.",
    ),
    ends(
        EXPLAINED,
        &["Cannot use s3 storage path"],
        "INSTANCE_NAME was changed, but the files in S3 are stored under the old name.",
        &["Set INSTANCE_NAME back to the name before the `-` in that line"],
        "ERROR common::errors: Caught error error (x): Cannot use s3 storage path app-0b0f/ with renamed",
    ),
    ends(
        "s3-incomplete",
        &["env variable is required when using S3 storage"],
        "The backend uses S3 for its files, but the variable of a bucket is missing.",
        &[],
        "ERROR common::errors: Caught error error (x): S3_STORAGE_FILES_BUCKET env variable is required when using S3 storage",
    ),
    ends(
        "s3-incomplete",
        &["AWS env variables are required when using S3 storage"],
        "The backend uses S3 for its files, but its AWS variables are missing.",
        &[],
        "ERROR common::errors: Caught error error (x): AWS env variables are required when using S3 storage: AWS_REGION",
    ),
    Known {
        holds: &["Some AWS/S3 environment variables are missing. Falling back to local storage"],
        id: "s3-incomplete",
        when: When::Remarks,
        means: "Some S3 variables are set and others are not, so files stay on disk.",
        fixes: &[],
        example: "Warning: Some AWS/S3 environment variables are missing. Falling back to local storage.",
    },
    Known {
        holds: &["Connected to SQLite at "],
        id: "sql-url-not-passed",
        when: When::Remarks,
        means: "The documents are stored in SQLite.",
        fixes: &[],
        example: "INFO db_connection: Connected to SQLite at /convex/data/db.sqlite3",
    },
];
