//! A project whose files are made here, with secrets wherever a value can stand, and every command
//! that reads files, in every format.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

use super::secrets::{ALL, FORMS, IN_NAMES, Kind, NAMES, PASSWORDS, Planted, Rng, Search, UNNAMED};
use super::{all, cases, none, seed};

/// Names that say of a value that it is secret.
const SECRET_NAMES: &[&str] = &[
    "DB_PASSWORD",
    "MYSQL_PWD",
    "API_KEY",
    "SESSION_SECRET",
    "SENTRY_DSN",
    "INSTANCE_SECRET",
    "AWS_SECRET_ACCESS_KEY",
    "TOKEN2",
    "dbPassword",
];

/// The project before it is written.
#[derive(Default)]
struct Project {
    /// Lines above `services:`.
    head: String,
    /// Lines of the service, four blanks before each.
    service: String,
    /// Lines of its environment.
    environment: String,
    /// Whether that is a list.
    is_list: bool,
    /// Lines after the services.
    tail: String,
    /// Other files: name and text.
    files: BTreeMap<String, String>,
    /// `.env.local`, which has the pair.
    selected: String,
    /// Variables of the process.
    variables: BTreeMap<String, String>,
    /// Arguments of every command that takes a project.
    arguments: Vec<String>,
}

impl Project {
    fn add(&mut self, file: &str, text: &str) {
        self.files.entry(file.to_owned()).or_default().push_str(text);
    }

    fn set(&mut self, name: &str, value: &str) {
        let line = if self.is_list {
            format!("      - {}\n", quoted(&format!("{name}={value}")))
        } else {
            format!("      {name}: {}\n", quoted(value))
        };
        self.environment.push_str(&line);
    }

    fn compose(&self) -> String {
        let environment = if self.environment.is_empty() {
            String::new()
        } else {
            format!("    environment:\n{}", self.environment)
        };
        format!(
            "{}services:\n  backend:\n    image: ghcr.io/get-convex/convex-backend:8d1b3e0\n    \
             volumes: [data:/convex/data]\n{}{environment}volumes:\n  data:\n{}",
            self.head, self.service, self.tail
        )
    }

    fn write(&self, directory: &Path) {
        let write = |name: &str, text: &str| {
            let path = directory.join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("package.json", "{\"name\": \"app\", \"dependencies\": {\"convex\": \"1.48.0\"}}\n");
        write("docker-compose.yml", &self.compose());
        let key = format!("convex-self-hosted|01{}", "5c".repeat(38));
        let pair = format!(
            "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:9\nCONVEX_SELF_HOSTED_ADMIN_KEY={key}\n{}",
            self.selected
        );
        write(".env.local", &pair);
        for (name, text) in &self.files {
            write(name, text);
        }
    }
}

/// A value of YAML in single quotes, in which Compose replaces nothing.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''").replace('$', "$$"))
}

/// What the child of `run` says.
struct Child(Vec<String>);

type Put = fn(&mut Project, &str, &mut Rng);

/// Where secrets of these kinds are put: what it is called, and how.
const PLACES: &[(&str, &[Kind], Put)] = &[
    ("a variable that names a secret", ALL, |it, x, rng| it.set(rng.pick(SECRET_NAMES), x)),
    ("a variable that names none", UNNAMED, |it, x, _| it.set("FOO", x)),
    ("a variable in another", FORMS, |it, x, _| it.set("FLAGS", &format!("-a {x} -b"))),
    ("an assignment in a variable", ALL, |it, x, _| {
        it.set("DATABASE", &format!("host=h password={x} user=u"));
    }),
    ("a name in the environment", ALL, |it, x, _| {
        let line = if it.is_list {
            format!("      - {}\n", quoted(x))
        } else {
            format!("      {}: a\n", quoted(x))
        };
        it.environment.push_str(&line);
    }),
    ("the default of a variable", ALL, |it, x, _| {
        let value = format!("'${{NOPE:-{}}}'", x.replace('\'', "''").replace('$', "$$"));
        let line = if it.is_list {
            format!("      - 'DB_PASSWORD={}\n", &value[1..])
        } else {
            format!("      DB_PASSWORD: {value}\n")
        };
        it.environment.push_str(&line);
    }),
    ("the origin", FORMS, |it, x, rng| {
        let url = address(x, rng);
        it.set("CONVEX_CLOUD_ORIGIN", &url);
    }),
    ("the name of the instance", IN_NAMES, |it, x, _| it.set("INSTANCE_NAME", x)),
    ("the message of a variable that is required", ALL, |it, x, _| {
        it.service.push_str(&format!(
            "    hostname: \"${{NOPE:?{}}}\"\n",
            x.replace(['"', '\\', '}', '$'], "-")
        ));
    }),
    ("a slip: a dollar in a password", &[Kind::Long], |it, x, rng| {
        let name = rng.pick(SECRET_NAMES);
        let value = format!("Abc${x}");
        match rng.below(4) {
            0 => it.environment.push_str(&if it.is_list {
                format!("      - {name}={value}\n")
            } else {
                format!("      {name}: {value}\n")
            }),
            1 => it.add(".env", &format!("{name}={value}\n")),
            2 => it.selected.push_str(&format!("{name}={value}\n")),
            _ => {
                it.service.push_str("    env_file: [more.env]\n");
                it.add("more.env", &format!("{name}={value}\n"));
            }
        }
    }),
    ("a command", ALL, |it, x, rng| {
        let line = command(x, rng);
        it.service.push_str(&format!("    command: {}\n", quoted(&line)));
    }),
    ("the words of a command", UNNAMED, |it, x, rng| {
        let flag = rng.pick(&["--password", "--admin-key", "run", "-x"]);
        it.service.push_str(&format!("    entrypoint: [run, {flag}, {}]\n", quoted(x)));
    }),
    ("a health check", ALL, |it, x, rng| {
        let line = command(x, rng);
        it.service.push_str(&format!("    healthcheck: {{test: {}}}\n", quoted(&line)));
    }),
    ("a label", UNNAMED, |it, x, rng| {
        let line = match rng.below(3) {
            0 => format!("    labels: {{my.label: {}}}\n", quoted(x)),
            1 => format!("    labels: [{}]\n", quoted(&format!("my.label={x}"))),
            _ => format!("    labels: [{}]\n", quoted(&format!("a.basicauth.users=admin:{x}"))),
        };
        it.service.push_str(&line);
    }),
    ("a label that names a secret", ALL, |it, x, _| {
        it.service.push_str(&format!("    labels: {{my.password: {}}}\n", quoted(x)));
    }),
    ("an argument of the build", ALL, |it, x, _| {
        it.service
            .push_str(&format!("    build: {{context: ., args: {{API_TOKEN: {}}}}}\n", quoted(x)));
    }),
    ("an option of a driver", ALL, |it, x, _| {
        it.tail.push_str(&format!(
            "    driver_opts: {{type: cifs, device: //h/x, o: {}}}\n",
            quoted(&format!("username=u,password={x}"))
        ));
    }),
    ("an extension", ALL, |it, x, _| {
        it.head.push_str(&format!("x-app: {{password: {}, other: [{}]}}\n", quoted(x), quoted(x)));
    }),
    ("the content of a config", ALL, |it, x, _| {
        it.tail.push_str(&format!(
            "configs:\n  c:\n    content: {}\n",
            quoted(&format!("a=1\npassword={x}"))
        ));
    }),
    ("a value that Compose refuses", ALL, |it, x, rng| {
        let line = rng.pick(&[
            "    stop_grace_period: X\n",
            "    healthcheck: {interval: X}\n",
            "    extra_hosts: [X]\n",
            "    ports: [X]\n",
            "    depends_on: [X]\n",
            "    secrets: [X]\n",
            "    configs: [X]\n",
            "    restart: X\n",
            "    pull_policy: X\n",
            "    mem_limit: X\n",
            "    ulimits: {nofile: X}\n",
            "    volumes_from: [X]\n",
            "    volumes: [{type: X, source: a, target: /b}]\n",
            "    networks: [X]\n",
            "    tty: X\n",
            "    X: a\n",
            "    build: {X: a}\n",
            "    deploy: {resources: {limits: {memory: X}}}\n",
            "    extends: {service: X}\n",
            "    gpus: X\n",
            "    expose: [X]\n",
        ]);
        it.service.push_str(&line.replace('X', &quoted(x)));
    }),
    ("a top-level key", ALL, |it, x, _| it.tail.push_str(&format!("{}: a\n", quoted(x)))),
    (
        "an anchor, a tag",
        &[Kind::Long, Kind::KeyDigits, Kind::PrefixedHex, Kind::Hex],
        |it, x, rng| {
            let line = rng.pick(&[
                "    command: *X\n",
                "    command: !X a\n",
                "    command: !<X a\n",
                "    <<: *X\n",
            ]);
            it.service.push_str(&line.replace('X', x));
        },
    ),
    ("a line that is no YAML", ALL, |it, x, rng| {
        let line = rng.pick(&[
            "    environment:\n\tDSN: X\n",
            "    environment:\n\t- DSN=X\n",
            "    command:\n    - --password\n    - X: [\n",
            "    command: [a, X, {\n",
            "    command: \"X\n",
            "    command: [a # X\n",
            "    labels:\n        a: X\n      b: X\n",
            "    environment: {A: X: y\n",
            "    entrypoint: |\n      a\n   X: x\n",
            "    image: a:b: X\n",
            "    ports:\n      - X: [\n",
            "    container_name: X: a\n",
            "    - X\n",
            "    ? X\n",
            "   X\n",
            "    volumes: X: {\n",
            "    build: {context: X\n",
            "    depends_on: {X\n",
        ]);
        it.service.push_str(&line.replace('X', x));
    }),
    ("beside a line that is no YAML", ALL, |it, x, rng| {
        let line = rng.pick(&[
            "    environment:\n      DSN: X\n    command: [\n",
            "    # X\n    command: {\n",
            "    command: X\n    labels: {\n",
            "    labels: {\n      a: X\n",
        ]);
        it.service.push_str(
            &line.replace('X', &if line.contains('#') { x.to_owned() } else { quoted(x) }),
        );
    }),
    ("a comment", ALL, |it, x, _| {
        it.service.push_str(&format!("    # {x}\n"));
        it.add(".env", &format!("# {x}\nA=b # {x}\n"));
        it.selected.push_str(&format!("# CONVEX_SELF_HOSTED_ADMIN_KEY={x}\n"));
    }),
    ("the tag of an image", FORMS, |it, x, _| {
        it.service.push_str("    platform: 'linux/${MY_TOKEN}'\n    image: 'x:${MY_TOKEN}'\n");
        it.variables.insert("MY_TOKEN".to_owned(), x.to_owned());
    }),
    (
        "a variable that names a secret, in a name",
        &[Kind::Long, Kind::Service, Kind::Hex],
        |it, x, rng| {
            let line = rng.pick(&[
                "    image: 'x:${MY_TOKEN}'\n",
                "    container_name: ${MY_TOKEN}\n",
                "    ports: ['${MY_TOKEN}:3210']\n",
                "    profiles: ['${MY_TOKEN}']\n",
                "    build: ./${MY_TOKEN}\n",
                "    volumes: ['./${MY_TOKEN}:/convex/data']\n",
                "    env_file: ['${MY_TOKEN}.env']\n",
                "    restart: '${MY_TOKEN}'\n",
            ]);
            it.service.push_str(line);
            if rng.chance(50) {
                it.add(".env", &format!("MY_TOKEN={x}\n"));
            } else {
                it.variables.insert("MY_TOKEN".to_owned(), x.to_owned());
            }
        },
    ),
    ("a name of Docker", NAMES, |it, x, rng| {
        let line = rng.pick(&[
            "    container_name: X\n",
            "    hostname: X\n",
            "    network_mode: X\n",
            "    profiles: [X]\n",
            "    image: 'a/X:1'\n",
            "    volumes: ['./X:/convex/data']\n",
            "    networks: {default: {aliases: [X]}}\n",
        ]);
        it.service.push_str(&line.replace('X', x));
    }),
    ("the name of a volume", NAMES, |it, x, _| it.tail.push_str(&format!("    name: {x}\n"))),
    ("the name of a service", NAMES, |it, x, _| {
        it.head = format!("{}include: [other.yml]\n", it.head)
            + &{
                it.add("other.yml", &format!("services:\n  {x}:\n    image: postgres\n"));
                String::new()
            }
    }),
    ("the name of the project", &[Kind::KeyDigits, Kind::PrefixedHex], |it, x, rng| {
        match rng.below(3) {
            0 => it.head.push_str(&format!("name: {}\n", x.to_lowercase())),
            1 => {
                it.variables.insert("COMPOSE_PROJECT_NAME".to_owned(), x.to_lowercase());
            }
            _ => it.add(".env", &format!("COMPOSE_PROJECT_NAME={}\n", x.to_lowercase())),
        }
    }),
    ("a file that is named", NAMES, |it, x, rng| match rng.below(5) {
        0 => it.service.push_str(&format!("    env_file: [{x}.env]\n")),
        1 => it.head.push_str(&format!("include: [{x}.yml]\n")),
        2 => it.service.push_str(&format!("    extends: {{file: {x}.yml, service: a}}\n")),
        3 => {
            it.variables.insert("COMPOSE_FILE".to_owned(), format!("{x}.yml"));
        }
        _ => it.arguments.extend(["--file".to_owned(), format!("{x}.yml")]),
    }),
    ("a file that is there", NAMES, |it, x, rng| match rng.below(3) {
        0 => it.add(&format!(".env.{x}"), "CONVEX_SELF_HOSTED_URL=http://127.0.0.1:9\n"),
        1 => it.add(&format!("docker-compose.{x}.yml"), "services: {backend: {image: x}}\n"),
        _ => it.add(
            &format!("{x}/docker-compose.yml"),
            "services: {backend: {image: ghcr.io/get-convex/convex-backend}}\n",
        ),
    }),
    (".env", ALL, |it, x, rng| {
        let name = rng.pick(SECRET_NAMES);
        let line = variable(name, x, rng);
        it.add(".env", &line);
    }),
    ("a file of variables", ALL, |it, x, rng| {
        let name = rng.pick(SECRET_NAMES);
        let line = variable(name, x, rng);
        it.service.push_str("    env_file: [./vars.env]\n");
        it.add("vars.env", &line);
    }),
    (".env.local", ALL, |it, x, rng| {
        let name = rng.pick(SECRET_NAMES);
        let line = variable(name, x, rng);
        it.selected.push_str(&line);
    }),
    ("the admin key", ALL, |it, x, rng| {
        let name = rng.pick(&[
            "CONVEX_SELF_HOSTED_ADMIN_KEY",
            "CONVEX_DEPLOY_KEY",
            "CONVEX_ADMIN_KEY",
            "CONVEX_SELF_HOSTED_ADMIN_KEYS",
        ]);
        if rng.chance(50) {
            let line = variable(name, x, rng);
            it.selected.push_str(&line);
        } else {
            it.variables.insert(name.to_owned(), x.to_owned());
        }
    }),
    ("the deployment", FORMS, |it, x, rng| {
        let name = rng.pick(&["CONVEX_DEPLOYMENT", "CONVEX_URL"]);
        it.selected.push_str(&format!("{name}='{x}'\n"));
    }),
    ("the URL", ALL, |it, x, rng| {
        let name =
            rng.pick(&["CONVEX_SELF_HOSTED_URL", "NEXT_PUBLIC_CONVEX_URL", "VITE_CONVEX_URL"]);
        let url = address(x, rng);
        match rng.below(3) {
            0 => {
                it.variables.insert(name.to_owned(), url);
            }
            1 if name.starts_with("CONVEX") => it.arguments.extend(["--url".to_owned(), url]),
            _ => it.selected.push_str(&format!("{name}='{url}'\n")),
        }
    }),
    ("package.json", FORMS, |it, x, rng| {
        let text = rng.pick(&[
            r#"{"name": "X", "dependencies": {"convex": "1.48.0"}}"#,
            r#"{"dependencies": {"convex": "X"}}"#,
            r#"{"dependencies": {"convex": "1.48.0"}, "scripts": {"dev": "convex dev --admin-key X --url http://127.0.0.1:9"}}"#,
            r#"{"dependencies": {"convex": "1.48.0"}, "scripts": {"dev": "CONVEX_SELF_HOSTED_ADMIN_KEY=X convex dev"}}"#,
            r#"{"dependencies": {"convex": "1.48.0"}, "packageManager": "X"}"#,
            r#"{"dependencies": {"convex": "1.48.0"}, "engines": {"node": "X"}}"#,
            r#"{"dependencies": {"convex": "1.48.0"}, X}"#,
            r#"{"dependencies": {"convex": "1.48.0"}, "X"#,
        ]);
        it.files.insert("package.json".to_owned(), text.replace('X', x));
    }),
    ("the settings", ALL, |it, x, rng| {
        let text = rng.pick(&[
            "[self-hosted]\ntimeout = \"X\"\n",
            "[self-hosted]\nformat = \"X\"\n",
            "[self-hosted]\nservice = [\"X\"]\n",
            "[self-hosted]\n\"X\" = 1\n",
            "[self-hosted]\nfail-on = X\n",
            "[self-hosted]\nignore = [{id = \"X\", reason = \"a\"}]\n",
            "[self-hosted]\nignore = [{id = \"image-unpinned\", X = 1}]\n",
            "[self-hosted]\nonly = [\"X\"]\n",
            "[self-hosted]\nurl = \"X\"\n",
            "[self-hosted\nX\n",
        ]);
        it.add("convex-doctor.toml", &text.replace('X', x));
    }),
    ("a place in the settings", IN_NAMES, |it, x, _| {
        let ignored = format!("{{id = \"image-unpinned\", reason = \"a\", where = \"{x}\"}}");
        it.add("convex-doctor.toml", &format!("[self-hosted]\nignore = [{ignored}]\n"));
    }),
    ("a comment that suppresses", FORMS, |it, x, rng| {
        let line = rng.pick(&[
            "# convex-doctor: ignore[X] a\n",
            "# convex-doctor: ignore[image-unpinned] X\n",
            "# convex-doctor: ignore[image-unpinned] until=X a\n",
        ]);
        let line = line.replace('X', x);
        if rng.chance(50) {
            it.selected.push_str(&line);
        } else {
            it.head.push_str(&line);
        }
    }),
    ("the address of Docker", FORMS, |it, x, rng| {
        let (name, value) = match rng.below(4) {
            0 => ("DOCKER_HOST", format!("tcp://u:{x}@127.0.0.1:9")),
            1 => ("DOCKER_HOST", x.to_owned()),
            2 => ("DOCKER_CONTEXT", x.to_owned()),
            _ => ("DOCKER_CONFIG", format!("/nope/{x}")),
        };
        it.variables.insert(name.to_owned(), value);
    }),
    ("a proxy", FORMS, |it, x, _| {
        it.variables.insert("HTTP_PROXY".to_owned(), format!("http://u:{x}@127.0.0.1:9"));
        it.variables.insert("NODE_EXTRA_CA_CERTS".to_owned(), format!("/nope/{x}.pem"));
    }),
    ("an argument", IN_NAMES, |it, x, rng| {
        let flag = rng.pick(&[
            "--service",
            "--profile",
            "--project-name",
            "--env-file",
            "--only",
            "--ignore",
            "--timeout",
        ]);
        it.arguments.extend([flag.to_owned(), x.to_owned()]);
    }),
];

/// A URL that holds the secret.
fn address(secret: &str, rng: &mut Rng) -> String {
    match rng.below(8) {
        0 => format!("http://{secret}@127.0.0.1:9"),
        1 => format!("http://u:{secret}@127.0.0.1:9/x"),
        2 => format!("http://127.0.0.1:9?key={secret}"),
        3 => format!("http://127.0.0.1:9/#{secret}"),
        4 => format!("http://127.0.0.1:9/{secret}/x"),
        5 => format!("http:/u:{secret}@127.0.0.1:9"),
        6 => format!("u:{secret}@127.0.0.1:9"),
        _ => format!("http://127.0.0.1:9/api?a=b&token={secret}#x"),
    }
}

/// A command line that holds the secret, where a reader knows it to be one.
fn command(secret: &str, rng: &mut Rng) -> String {
    match rng.below(8) {
        0 => format!("run --password {secret} x"),
        1 => format!("run --token={secret}"),
        2 => format!("sh -c \"DB_PASSWORD={secret} run\""),
        3 => format!("curl -H 'Authorization: Bearer {secret}' http://127.0.0.1"),
        4 => format!("curl -u admin:{secret} http://127.0.0.1"),
        5 => format!("redis --requirepass {secret}"),
        6 => format!("run --instance-secret {secret} --instance-name a"),
        _ => format!("export PGPASSWORD={secret} && psql"),
    }
}

/// A line of a file of variables.
fn variable(name: &str, secret: &str, rng: &mut Rng) -> String {
    match rng.below(10) {
        0 => format!("{name}=\"{secret}\n"),
        1 => format!("export {name}='{secret}'\n"),
        2 => format!("{name} = {secret}\n"),
        3 => format!("{name}: {secret}\n"),
        4 => format!("{secret}\n"),
        5 => format!("{secret}=a\n"),
        6 => format!("{name}='{secret}\nB=c\n"),
        7 => format!("{name}='{secret}' and more\n"),
        _ => format!("{name}={secret}\n"),
    }
}

impl Child {
    fn new(planted: &mut Vec<Planted>, rng: &mut Rng) -> Self {
        let mut lines = Vec::new();
        for _ in 0..3 {
            let secret = Planted::of(ALL, "what the child said", rng);
            let x = &secret.text;
            lines.push(match rng.below(9) {
                0 => format!("BadAdminKey {x}"),
                1 => format!("✖ Error: token {x} was refused"),
                2 => format!("Error: fetch failed: http://u:{x}@127.0.0.1:9"),
                3 => format!("{{\"code\":\"BadAdminKey\",\"message\":\"The key '{x}' is bad\"}}"),
                4 => format!("INSTANCE_SECRET={x}"),
                5 => format!("401 Unauthorized: {x}"),
                6 => format!("Authorization: Bearer {x}"),
                7 => format!("✖ Please set CONVEX_DEPLOYMENT, not {x}"),
                _ => format!("✖ Error: Couldn't connect to {x}"),
            });
            planted.push(secret);
        }
        Self(lines)
    }
}

/// The commands, each with what it is called.
const COMMANDS: &[&[&str]] = &[
    &["inspect", "compose"],
    &["inspect", "compose", "--format", "json"],
    &["inspect", "selection"],
    &["inspect", "selection", "--format", "json"],
    &["persistence"],
    &["persistence", "--format", "json"],
    &["fix"],
    &["fix", "--format", "json"],
    &["--color", "always"],
    &["inspect", "instances"],
    &["key", "inspect"],
    &["--version", "-v"],
];

const FORMATS: &[&str] =
    &["text", "json", "markdown", "sarif", "junit", "github", "gitlab", "html"];

/// Runs the program; everything that it wrote to standard output and standard error.
fn run(
    project: &Project,
    directory: &Path,
    words: &[&str],
    variables: &[(&str, &str)],
) -> (String, String) {
    let ended = Command::new(env!("CARGO_BIN_EXE_convex-doctor"))
        .args(words)
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap())
        .env("HOME", directory)
        .env("LANG", "C.UTF-8")
        .env("DOCKER_HOST", format!("unix://{}/no.sock", directory.display()))
        .envs(&project.variables)
        .envs(variables.iter().copied())
        .current_dir(directory)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(ended.stdout), text(ended.stderr))
}

/// One project, and what its outputs give away.
fn judge(case: u64) -> Vec<String> {
    let mut rng = Rng::new(seed(), 1_000_000 + case);
    let mut project = Project { is_list: rng.chance(40), ..Project::default() };
    let mut planted = Vec::new();
    // Each place has had its turn when all have; the others are by chance.
    let first = usize::try_from(case).unwrap() % PLACES.len();
    let more = if rng.chance(50) { 0 } else { 1 + rng.below(3) };
    let chosen = std::iter::once(first).chain((0..more).map(|_| rng.below(PLACES.len())));
    for (name, kinds, put) in chosen.map(|place| PLACES[place]).collect::<Vec<_>>() {
        let secret = Planted::of(kinds, name, &mut rng);
        put(&mut project, &secret.text, &mut rng);
        planted.push(secret);
    }
    let place = tempfile::tempdir().unwrap();
    let directory = place.path().join("app");
    std::fs::create_dir(&directory).unwrap();
    project.write(&directory);
    let arguments: Vec<&str> = project.arguments.iter().map(String::as_str).collect();
    let quiet = ["--no-docker", "--no-network"];
    let mut outputs: Vec<(String, String)> = Vec::new();
    // Every format at once, to files.
    let paths: Vec<String> =
        FORMATS.iter().map(|format| place.path().join(format).display().to_string()).collect();
    let mut words = quiet.to_vec();
    if rng.chance(50) {
        words.push("-v");
    }
    for (format, path) in FORMATS.iter().zip(&paths) {
        words.extend(["--format", format, "-o", path]);
    }
    words.extend(&arguments);
    let summary = place.path().join("summary").display().to_string();
    let (stdout, stderr) = run(&project, &directory, &words, &[("GITHUB_STEP_SUMMARY", &summary)]);
    outputs.push(("stdout".to_owned(), stdout));
    outputs.push(("stderr".to_owned(), stderr));
    for path in paths.iter().chain([&summary]) {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        outputs.push((path.rsplit('/').next().unwrap_or(path).to_owned(), text));
    }
    // Some of the other commands; each has had its turn after a few cases.
    for turn in 0..3 {
        let at = usize::try_from(case).unwrap() * 3 + turn;
        let command = COMMANDS[at % COMMANDS.len()];
        let words = [command, &quiet, &arguments].concat();
        let (stdout, stderr) = run(&project, &directory, &words, &[]);
        outputs.push((command.join(" "), stdout + &stderr));
    }
    let what = Planted::of(IN_NAMES, "what is to be explained", &mut rng);
    if case.is_multiple_of(7) {
        let (stdout, stderr) = run(&project, &directory, &["explain", &what.text], &[]);
        outputs.push(("explain".to_owned(), stdout + &stderr));
        planted.push(what);
    } else if case.is_multiple_of(3) {
        let child = Child::new(&mut planted, &mut rng);
        let typed = Planted::of(FORMS, "the command line of the child", &mut rng);
        let said = child.0.join("\n");
        let path = place.path().join("run").display().to_string();
        let script = "printf '%s\\n' \"$SAID\"; exit 1";
        let words = [
            &quiet[..],
            &["run", "--format", "json", "-o", &path],
            &arguments,
            &["--", "sh", "-c", script, "sh", &typed.text],
        ]
        .concat();
        let (_, stderr) = run(&project, &directory, &words, &[("SAID", &said)]);
        outputs.push(("run, stderr".to_owned(), stderr));
        outputs.push(("run, json".to_owned(), std::fs::read_to_string(&path).unwrap_or_default()));
        planted.push(typed);
    }
    let search = Search::new(&planted);
    let mut found = Vec::new();
    for (what, text) in &outputs {
        for crash in ["panicked at", "internal error"] {
            if text.contains(crash) {
                found.push(format!("case {case}, {what}: {crash}"));
            }
        }
        // The directory's own name is no secret's.
        found.extend(search.leaks(text).iter().map(|leak| format!("case {case}, {what}: {leak}")));
    }
    found
}

#[test]
fn no_place_of_a_project_shows_a_secret() {
    none(&all(cases(160), judge));
}

/// The places with a password alone have one.
#[test]
fn every_kind_is_put_somewhere() {
    for kind in ALL.iter().chain(PASSWORDS) {
        assert!(PLACES.iter().any(|(_, kinds, _)| kinds.contains(kind)), "{kind:?}");
    }
}
