//! Several faults at once, made from the fixtures of one. The most common combinations are fixtures
//! of their own (`fixtures/several-…`).

#[path = "deaths.rs"]
mod deaths;

use crate::support::Change;

/// A fixture with something else wrong as well: its name, what is done to it, what is the first
/// cause then, and how it is done.
pub(crate) type Variant = (&'static str, &'static str, &'static str, &'static [Change]);

const STALE: Change = (".env.local", "{{key:app:", "{{key:before:");
/// The URL leads to a proxy that cannot reach the backend.
const BAD_GATEWAY: Change = (
    "world.json",
    r#""is": "none""#,
    r#""is": "page", "status": 502, "headers": {"server": "nginx/1.27.0"}, "body": "<html><title>502 Bad Gateway</title></html>""#,
);
const SQL: Change = (
    "docker-compose.yml",
    "- INSTANCE_SECRET\n",
    "- INSTANCE_SECRET\n      - POSTGRES_URL=postgres://convex:{{literal:hunter2-hunter2}}@db:5432\n",
);
const CLOSES: Change = ("world.json", r#""is": "none""#, r#""is": "closes""#);
const SILENT: [Change; 2] = [
    ("world.json", r#""is": "none""#, r#""is": "silent""#),
    ("world.json", r#""engine""#, r#""arguments": ["--timeout", "400ms"], "engine""#),
];

/// Whom the proxy asks by turns.
const TURNS: &str = r#""to": [
        "other",
        "backend",
        "other"
      ]"#;

/// The text of the key in the shell, where the file's is good.
const fn shell(key: &'static str) -> Change {
    ("world.json", "{{key:before:convex-self-hosted}}", key)
}

/// Every variant.
pub(crate) fn all() -> impl Iterator<Item = &'static Variant> {
    VARIANTS.iter().chain(deaths::DEATHS.iter().copied().flatten())
}

/// Two and more faults at once, made from the fixtures of one: what is to be folded, and what is to
/// stand alone.
const VARIANTS: &[Variant] = &[
    // The container was made before the file was fixed; what it died of says more.
    (
        "backend-crash-explained",
        "and the file names another image since",
        "backend-crash-explained",
        &[("docker-compose.yml", "convex-backend:8d1b3e0", "convex-backend:3f5a0c1")],
    ),
    // It may get the lease yet: that it starts is surer.
    (
        "sql-lease-contended",
        "waits for the lease",
        "backend-starting",
        &[
            ("world.json", "exited", r#"running", "health": "starting"#),
            (
                "world.json",
                "ERROR common::shutdown: Received a fatal error. Shutting down immediately",
                "INFO postgres: attempting to acquire lease",
            ),
            CLOSES,
        ],
    ),
    (
        "docker-other-context",
        "made there and never started",
        "docker-other-context",
        &[("world.json", "exited", "created")],
    ),
    // The selection.
    (
        "empty-value-shadows",
        "both empty",
        "empty-value-shadows",
        &[(
            "world.json",
            r#""CONVEX_SELF_HOSTED_ADMIN_KEY": """#,
            r#""CONVEX_SELF_HOSTED_ADMIN_KEY": "", "CONVEX_SELF_HOSTED_URL": """#,
        )],
    ),
    (
        "misnamed-variable",
        "both misnamed",
        "misnamed-variable",
        &[(".env.local", "CONVEX_SELF_HOSTED_URL", "CONVEX_SELFHOSTED_URL")],
    ),
    (
        "line-misread",
        "a variable in place of the key",
        "line-misread",
        &[(".env.local", r#""{{key:app:convex-self-hosted}}"#, "${ADMIN_KEY}")],
    ),
    (
        "line-misread",
        "another product's key in nested quotes",
        "line-misread",
        &[(
            ".env.local",
            r#""{{key:app:convex-self-hosted}}"#,
            "'\"{{literal:sk_live_4eC39HqLyjWDarjtT1zdp7dc}}\"'",
        )],
    ),
    (
        "line-misread",
        "set in front of the key",
        "line-misread",
        &[(
            ".env.local",
            r#"CONVEX_SELF_HOSTED_ADMIN_KEY="{{key:app:convex-self-hosted}}"#,
            "set CONVEX_SELF_HOSTED_ADMIN_KEY={{key:app:convex-self-hosted}}",
        )],
    ),
    (
        "line-misread",
        "set in front of both",
        "line-misread",
        &[
            (
                ".env.local",
                r#"CONVEX_SELF_HOSTED_ADMIN_KEY="{{key:app:convex-self-hosted}}"#,
                "set CONVEX_SELF_HOSTED_ADMIN_KEY={{key:app:convex-self-hosted}}",
            ),
            (".env.local", "CONVEX_SELF_HOSTED_URL=", "set CONVEX_SELF_HOSTED_URL="),
        ],
    ),
    (
        "healthy",
        "a variable in the URL",
        "line-misread",
        &[(".env.local", "{{port:backend}}", "${PORT}")],
    ),
    // A shell's key over a good one of the file.
    (
        "key-from-another-instance",
        "in the shell",
        "shell-shadows-file",
        &[
            (".env.local", "{{key:other:", "{{key:app:"),
            (
                "world.json",
                r#""engine""#,
                r#""environment": {"CONVEX_SELF_HOSTED_ADMIN_KEY": "{{key:other:convex-self-hosted}}"}, "engine""#,
            ),
        ],
    ),
    (
        "key-from-detached-volume",
        "in the shell",
        "shell-shadows-file",
        &[
            (".env.local", "{{key:old:", "{{key:app:"),
            (
                "world.json",
                r#""engine""#,
                r#""environment": {"CONVEX_SELF_HOSTED_ADMIN_KEY": "{{key:old:convex-self-hosted}}"}, "engine""#,
            ),
        ],
    ),
    (
        "shell-shadows-file",
        "another name",
        "shell-shadows-file",
        &[shell("{{key:app:another-name}}")],
    ),
    (
        "shell-shadows-file",
        "read-only",
        "shell-shadows-file",
        &[shell("{{read-only-key:app:convex-self-hosted}}")],
    ),
    ("shell-shadows-file", "placeholder", "shell-shadows-file", &[shell("<your admin key>")]),
    (
        "shell-shadows-file",
        "mangled",
        "shell-shadows-file",
        &[shell("Admin key: {{key:before:convex-self-hosted}}")],
    ),
    (
        "shell-shadows-file",
        "chosen",
        "shell-shadows-file",
        &[shell("{{literal:sk_live_4eC39HqLyjWDarjtT1zdp7dc}}")],
    ),
    ("shell-shadows-file", "secret", "shell-shadows-file", &[shell("{{secret:app}}")]),
    (
        "shell-shadows-file",
        "cloud",
        "shell-shadows-file",
        &[shell(
            "prod:happy-animal-123|{{literal:eyJ2MiI6ImYxZTJkM2M0YjVhNjk3ODg3OTZhNWI0YzNkMmUxZjAwIn0=}}",
        )],
    ),
    (
        "shell-shadows-file",
        "prefix",
        "shell-shadows-file",
        &[shell("preview:{{key:app:convex-self-hosted}}")],
    ),
    (
        "shell-shadows-file",
        "no name",
        "shell-shadows-file",
        &[shell("{{key-hex:app:convex-self-hosted}}")],
    ),
    // A key that is cut, where nobody can look at the secret, and where one can.
    (
        "key-mangled",
        "cut",
        "key-mangled",
        &[(
            ".env.local",
            "Admin key: {{key:app:convex-self-hosted}}",
            "{{key:before:convex-self-hosted}}00",
        )],
    ),
    (
        "stale-key",
        "cut, and only the environment shows a secret",
        "key-mangled",
        &[
            (".env.local", "convex-self-hosted}}", "convex-self-hosted}}00"),
            (
                "world.json",
                "8d1b3e0\",\n        \"secret\": \"{{secret:app}}\",",
                "8d1b3e0\", \"environment\": [\"INSTANCE_SECRET={{secret:app}}\"],",
            ),
            ("world.json", ", \"container\": \"app-backend-1\"", ""),
        ],
    ),
    // The way to the backend.
    (
        "several-backends-on-port",
        "no Convex has it",
        "several-backends-on-port",
        &[(
            "world.json",
            "\"is\": \"convex\",\n      \"secret\": \"{{secret:other}}\",\n      \"container\": \"other-backend-1\"",
            "\"is\": \"closes\"",
        )],
    ),
    (
        "several-backend-elsewhere-and-stale-key",
        "the key of ours",
        "url-reaches-another-backend",
        &[(".env.local", "{{key:before:", "{{key:app:")],
    ),
    (
        "several-backend-elsewhere-and-stale-key",
        "the key of ours, no secret of theirs to be seen",
        "url-reaches-another-backend",
        &[
            (".env.local", "{{key:before:", "{{key:app:"),
            ("world.json", "\n        \"secret\": \"{{secret:other}}\",", ""),
            (
                "world.json",
                "\"container\": \"other-backend-1\"",
                "\"instance_name\": \"convex-self-hosted\"",
            ),
        ],
    ),
    (
        "several-backend-elsewhere-and-stale-key",
        "their secret, another name",
        "url-reaches-another-backend",
        &[(".env.local", "{{key:before:convex-self-hosted}}", "{{key:other:another-name}}")],
    ),
    (
        "several-backend-elsewhere-and-stale-key",
        "the key of a third one",
        "url-reaches-another-backend",
        &[
            (".env.local", "{{key:before:", "{{key:third:"),
            (
                "world.json",
                "\"containers\": [",
                "\"containers\": [{\"name\": \"third\", \"secret\": \"{{secret:third}}\", \"ports\": {\"3210\": \"{{port:third}}\"}},",
            ),
            ("world.json", "\"servers\": {", "\"servers\": {\"third\": {\"is\": \"nobody\"},"),
        ],
    ),
    (
        "several-backends-behind-url",
        "the key of the other one",
        "several-backends-behind-url",
        &[
            (".env.local", "{{key:app:", "{{key:other:"),
            ("world.json", TURNS, r#""to": ["backend", "other", "backend"]"#),
        ],
    ),
    (
        "several-backends-behind-url",
        "the key of the other one, which is on this engine",
        "several-backends-behind-url",
        &[
            (".env.local", "{{key:app:", "{{key:other:"),
            ("world.json", TURNS, r#""to": ["backend", "other", "backend"]"#),
            (
                "world.json",
                "\"containers\": [",
                "\"containers\": [{\"name\": \"old-backend-1\", \"project\": \"old\", \"secret\": \"{{secret:other}}\", \"ports\": {\"3210\": \"{{port:other}}\"}},",
            ),
        ],
    ),
    (
        "http-proxy-intercepts",
        "none",
        "http-proxy-intercepts",
        &[(
            "world.json",
            r#""proxy": {
      "is": "page",
      "status": 503,
      "headers": {
        "server": "squid/6.6"
      },
      "body": ""
    }"#,
            r#""proxy": {"is": "none"}"#,
        )],
    ),
    (
        "http-proxy-intercepts",
        "closes",
        "http-proxy-intercepts",
        &[(
            "world.json",
            r#""proxy": {
      "is": "page",
      "status": 503,
      "headers": {
        "server": "squid/6.6"
      },
      "body": ""
    }"#,
            r#""proxy": {"is": "closes"}"#,
        )],
    ),
    (
        "http-proxy-intercepts",
        "silent",
        "http-proxy-intercepts",
        &[
            (
                "world.json",
                r#""proxy": {
      "is": "page",
      "status": 503,
      "headers": {
        "server": "squid/6.6"
      },
      "body": ""
    }"#,
                r#""proxy": {"is": "silent"}"#,
            ),
            SILENT[1],
        ],
    ),
    (
        "http-proxy-intercepts",
        "overloaded",
        "http-proxy-intercepts",
        &[("world.json", "\"server\": \"squid/6.6\"", "\"x-proxy\": \"1\"")],
    ),
    (
        "http-proxy-intercepts",
        "a login",
        "http-proxy-intercepts",
        &[
            ("world.json", "503", "302"),
            (
                "world.json",
                "\"server\": \"squid/6.6\"",
                "\"location\": \"http://proxy.example/login\"",
            ),
        ],
    ),
    (
        "http-proxy-intercepts",
        "no such proxy",
        "http-proxy-intercepts",
        &[("world.json", "http://127.0.0.1:{{port:proxy}}", "http://proxy.invalid:3128")],
    ),
    ("backend-stopped", "a proxy in front", "backend-stopped", &[BAD_GATEWAY]),
    ("backend-stopped", "a tunnel that closes", "backend-stopped", &[CLOSES]),
    ("backend-stopped", "a proxy that waits", "backend-stopped", &SILENT),
    ("backend-restarting", "a proxy in front", "backend-restarting", &[BAD_GATEWAY]),
    ("backend-restarting", "between two starts", "backend-restarting", &[CLOSES]),
    ("backend-restarting", "a proxy that waits", "backend-restarting", &SILENT),
    ("backend-starting", "a proxy in front", "backend-starting", &[BAD_GATEWAY]),
    ("backend-starting", "docker-proxy before the process", "backend-starting", &[CLOSES]),
    ("backend-starting", "a proxy that waits", "backend-starting", &SILENT),
    (
        "backend-paused",
        "a proxy in front",
        "backend-paused",
        &[("world.json", r#""is": "silent""#, BAD_GATEWAY.2)],
    ),
    (
        "backend-out-of-memory",
        "again and again",
        "backend-out-of-memory",
        &[("world.json", "exited", "restarting")],
    ),
    (
        "backend-illegal-instruction",
        "again and again",
        "backend-illegal-instruction",
        &[("world.json", "exited", "restarting")],
    ),
    (
        "beacon-variable-empty",
        "restarts no more",
        "beacon-variable-empty",
        &[("world.json", "restarting", "exited")],
    ),
    // The identity.
    (
        "secret-invalid",
        "restarts no more",
        "secret-invalid",
        &[("world.json", "restarting", "exited")],
    ),
    ("secret-invalid", "between two starts", "secret-invalid", &[CLOSES]),
    (
        "stale-key",
        "minted with the next secret",
        "secret-drift",
        &[
            (
                "world.json",
                r#""secret": "{{secret:app}}","#,
                r#""secret": "{{secret:app}}", "file_secret": "{{secret:before}}","#,
            ),
            // Only the container has a file.
            (
                "world.json",
                r#""is": "convex", "secret": "{{secret:app}}", "file_secret": "{{secret:before}}","#,
                r#""is": "convex", "secret": "{{secret:app}}","#,
            ),
        ],
    ),
    (
        "key-name-mismatch",
        "minted with the next name",
        "name-drift",
        &[(
            "world.json",
            r#""name": "app-backend-1","#,
            r#""name": "app-backend-1", "file_name": "self-hosted-convex","#,
        )],
    ),
    (
        "instance-name-unusable",
        "a colon",
        "instance-name-unusable",
        &[
            ("world.json", "team|app", "team:app"),
            ("docker-compose.yml", "team|app", "team:app"),
            (".env.local", "{{key:app:team|app}}", "team:app|{{key-hex:app:team}}"),
        ],
    ),
    (
        "instance-name-unusable",
        "a stale key",
        "instance-name-unusable",
        &[
            ("world.json", "team|app", "team:app"),
            ("docker-compose.yml", "team|app", "team:app"),
            (".env.local", "{{key:app:team|app}}", "team:app|{{key-hex:before:team}}"),
        ],
    ),
    (
        "instance-name-unusable",
        "from the next start on",
        "instance-name-unusable",
        &[
            ("world.json", r#""instance_name": "team|app","#, ""),
            (".env.local", "team|app", "convex-self-hosted"),
        ],
    ),
    // A stale key on top of what loses keys.
    ("credentials-outside-volume", "a stale key", "credentials-outside-volume", &[STALE]),
    ("data-volume-missing", "a stale key", "data-volume-missing", &[STALE]),
    ("data-volume-anonymous", "a stale key", "data-volume-anonymous", &[STALE]),
    ("data-mount-wrong-path", "a stale key", "data-mount-wrong-path", &[STALE]),
    ("data-on-tmpfs", "a stale key", "data-on-tmpfs", &[STALE]),
    ("data-volume-not-attached", "a stale key", "data-volume-not-attached", &[STALE]),
    (
        "data-volume-not-attached",
        "a stale key, no secret to be seen",
        "data-volume-not-attached",
        &[
            STALE,
            ("world.json", "\n        \"secret\": \"{{secret:app}}\",", ""),
            ("world.json", ",\n      \"container\": \"app-backend-1\"", ""),
        ],
    ),
    ("data-volume-anonymous", "documents in SQL", "data-volume-anonymous", &[SQL]),
    ("data-mount-wrong-path", "documents in SQL", "data-mount-wrong-path", &[SQL]),
    ("data-on-tmpfs", "documents in SQL", "data-on-tmpfs", &[SQL]),
    ("credentials-outside-volume", "documents in SQL", "credentials-outside-volume", &[SQL]),
    ("sql-without-secret-persistence", "a stale key", "data-volume-missing", &[STALE]),
];
