//! The world of every fixture with secrets where an engine, a container and a server say something:
//! what they say goes through the collectors, over real sockets.

use serde_json::{Value, json};

use super::secrets::{ALL, FORMS, IN_NAMES, Kind, NAMES, Planted, Rng, Search, UNNAMED};
use super::{all, cases, none, seed};
use crate::support::{self, Fixture};

/// A sentence in which a program says a secret.
fn sentence(x: &str, rng: &mut Rng) -> String {
    match rng.below(12) {
        0 => format!("2026-11-30T11:37:01.727571Z ERROR common: cannot use {x}"),
        1 => format!("password: {x}"),
        2 => format!("{{\"password\":\"{x}\",\"a\":\"b\"}}"),
        3 => format!("INSTANCE_SECRET: {x}"),
        4 => format!("api_key={x}&a=b"),
        5 => format!("Authorization: Bearer {x}"),
        6 => format!("Basic {x}"),
        7 => format!("exec: \"--password {x}\": executable file not found in $PATH: unknown"),
        8 => format!("error connecting to postgres://u:{x}@db:5432/app"),
        9 => format!("Caught error error: db error: FATAL: password authentication failed for {x}"),
        10 => format!("thread 'main' panicked at crates/x.rs:1:2: {x}"),
        _ => x.to_owned(),
    }
}

type Put = fn(&mut Value, &str, &mut Rng);

/// Puts something into each container.
fn containers(world: &mut Value, change: impl Fn(&mut Value)) {
    let list = world.pointer_mut("/engine/containers").and_then(Value::as_array_mut);
    list.into_iter().flatten().for_each(change);
}

fn push(value: &mut Value, field: &str, one: Value) {
    if !value[field].is_array() {
        value[field] = json!([]);
    }
    value[field].as_array_mut().unwrap().push(one);
}

fn servers(world: &mut Value, mut change: impl FnMut(&mut Value)) {
    let map = world["servers"].as_object_mut();
    map.into_iter().flat_map(|map| map.values_mut()).for_each(&mut change);
}

/// Where secrets of these kinds are put: what it is called, and how.
const PLACES: &[(&str, &[Kind], Put)] = &[
    ("the log of a container", ALL, |world, x, rng| {
        let line = sentence(x, rng);
        containers(world, |one| {
            push(one, "log", line.as_str().into());
            one["log"].as_array_mut().unwrap().reverse();
        });
    }),
    ("the log of a container that died", ALL, |world, x, rng| {
        let line = sentence(x, rng);
        containers(world, |one| {
            push(one, "log", line.as_str().into());
            one["state"] = "exited".into();
            one["exit_code"] = 1.into();
        });
    }),
    ("the error of a start", ALL, |world, x, rng| {
        let line = sentence(x, rng);
        containers(world, |one| {
            one["state"] = "exited".into();
            one["exit_code"] = 127.into();
            one["error"] = line.as_str().into();
        });
    }),
    ("the output of a health check", ALL, |world, x, rng| {
        let line = sentence(x, rng);
        containers(world, |one| {
            one["health"] = "unhealthy".into();
            push(one, "health_log", line.as_str().into());
        });
    }),
    ("the environment of a container", ALL, |world, x, rng| {
        let entry = match rng.below(5) {
            0 => format!("DB_PASSWORD={x}"),
            1 => format!("POSTGRES_URL=postgres://u:{x}@db.example/app"),
            2 => x.to_owned(),
            3 => format!("INSTANCE_SECRET={x}"),
            _ => format!("{x}=a"),
        };
        containers(world, |one| push(one, "environment", entry.as_str().into()));
    }),
    ("what a container names openly", FORMS, |world, x, rng| {
        let name = rng.pick(&["CONVEX_CLOUD_ORIGIN", "CONVEX_SITE_ORIGIN", "INSTANCE_NAME", "FOO"]);
        let url = if name.ends_with("ORIGIN") { "http://127.0.0.1:9/" } else { "" };
        let entry = format!("{name}={url}{x}");
        containers(world, |one| push(one, "environment", entry.as_str().into()));
    }),
    ("a label", UNNAMED, |world, x, rng| {
        let name = rng.pick(&[
            "my.label",
            "coolify.name",
            "com.docker.compose.project.config_files",
            "traefik.http.middlewares.a.basicauth.users",
        ]);
        containers(world, |one| {
            if !one["labels"].is_object() {
                one["labels"] = json!({});
            }
            one["labels"][name] = x.into();
        });
    }),
    ("an entrypoint", UNNAMED, |world, x, rng| {
        let flag = rng.pick(&["--password", "--instance-secret", "-x"]);
        containers(world, |one| one["entrypoint"] = json!(["./run_backend.sh", flag, x]));
    }),
    ("an image", NAMES, |world, x, _| {
        containers(world, |one| {
            one["image"] = format!("registry.example/convex-backend:{x}").into();
        });
    }),
    ("a mount", NAMES, |world, x, rng| {
        let kind = rng.pick(&["bind", "volume"]);
        let source = if kind == "bind" { format!("/srv/{x}") } else { format!("app_{x}") };
        containers(world, |one| {
            push(one, "mounts", json!({"type": kind, "source": source, "target": "/more"}));
        });
    }),
    ("a container beside it", NAMES, |world, x, rng| {
        let line = sentence(x, rng);
        if let Some(engine) = world.get_mut("engine").filter(|engine| engine.is_object()) {
            push(
                engine,
                "containers",
                json!({
                    "name": format!("app-{x}"), "companion": true, "image": format!("postgres:{x}"),
                    "project": "app", "service": x, "state": "exited", "error": line, "exit_code": 1,
                }),
            );
            push(
                engine,
                "volumes",
                json!({"name": format!("other_{x}"), "project": "app", "key": x}),
            );
        }
    }),
    ("an event", NAMES, |world, x, _| {
        if let Some(engine) = world.get_mut("engine").filter(|engine| engine.is_object()) {
            for (kind, action) in
                [("container", "die"), ("container", "destroy"), ("volume", "destroy")]
            {
                push(
                    engine,
                    "events",
                    json!({
                        "seconds_ago": 60, "type": kind, "action": action, "name": format!("app-{x}"),
                        "attributes": {"exitCode": "1", "com.docker.compose.project": "app", "note": x},
                    }),
                );
            }
        }
    }),
    ("the page of a server", ALL, |world, x, rng| {
        let body = match rng.below(4) {
            0 => format!("{{\"code\":\"BadAdminKey\",\"message\":\"{x} is bad\"}}"),
            1 => format!("<html><head><title>{x}</title></head><body>{x}</body></html>"),
            2 => format!("{{\"code\":\"{x}\",\"message\":\"x\"}}"),
            _ => sentence(x, rng),
        };
        let status = rng.pick(&[200, 401, 403, 404, 500, 502]);
        let kind = rng.pick(&["application/json", "text/html", "text/plain"]);
        servers(world, |one| {
            *one = json!({"is": "page", "status": status, "headers": {"content-type": kind}, "body": body});
        });
    }),
    ("a header", FORMS, |world, x, rng| {
        let name = rng.pick(&["server", "content-type", "location", "www-authenticate", "via"]);
        let value = if name == "location" {
            format!("http://127.0.0.1:9/{x}?token={x}")
        } else {
            x.to_owned()
        };
        let status = rng.pick(&[200, 301, 401, 502]);
        servers(world, |one| {
            *one = json!({"is": "page", "status": status, "headers": {name: value}, "body": ""});
        });
    }),
    ("what a backend says of itself", IN_NAMES, |world, x, rng| {
        let field = rng.pick(&["instance_name", "cloud_origin", "site_origin"]);
        let value = if field.ends_with("origin") {
            format!("http://127.0.0.1:9/{x}")
        } else {
            x.to_owned()
        };
        servers(world, |one| {
            if one["is"] == "convex" {
                one[field] = value.as_str().into();
            }
        });
    }),
    ("a variable of the process", FORMS, |world, x, rng| {
        let name = rng.pick(&[
            "CONVEX_DEPLOYMENT",
            "CONVEX_SELF_HOSTED_URL",
            "CONVEX_SELF_HOSTED_ADMIN_KEY",
            "HTTPS_PROXY",
            "COMPOSE_PROFILES",
        ]);
        world["environment"][name] = x.into();
    }),
];

const COMMANDS: &[&[&str]] = &[
    &["-v", "--format", "text"],
    &["fix"],
    &["inspect", "instances"],
    &["inspect", "instances", "--format", "json"],
    &["run", "--", "false"],
    &["persistence"],
    &["key", "inspect"],
];

fn judge(fixtures: &[Fixture], case: u64) -> Vec<String> {
    let mut rng = Rng::new(seed(), 2_000_000 + case);
    let fixture = &fixtures[rng.below(fixtures.len())];
    let mut planted = Vec::new();
    let first = usize::try_from(case).unwrap() % PLACES.len();
    let places = [first, rng.below(PLACES.len()), rng.below(PLACES.len())];
    let fixture = fixture.in_world(&format!("case {case}"), |world| {
        for (name, kinds, put) in places[..=rng.below(3)].iter().map(|place| PLACES[*place]) {
            let secret = Planted::of(kinds, name, &mut rng);
            put(world, &secret.text, &mut rng);
            planted.push(secret);
        }
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let runs = runtime.block_on(async {
        let stage = fixture.raise().await;
        let (main, mut runs) = support::all_machine_formats(&stage).await;
        let command = rng.pick(COMMANDS);
        runs.push(main);
        runs.push(support::run(&stage, "text", &[]).await);
        runs.push(support::run(&stage, "another command", command).await);
        runs
    });
    let search = Search::new(&planted);
    let mut found = Vec::new();
    for run in &runs {
        for text in [&run.stdout, &run.stderr] {
            let leaks = search.leaks(text);
            found
                .extend(leaks.iter().map(|leak| format!("{}, {}: {leak}", fixture.name, run.what)));
        }
    }
    found
}

#[test]
fn no_place_of_a_recorded_world_shows_a_secret() {
    let fixtures = support::fixtures();
    none(&all(cases(48), |case| judge(&fixtures, case)));
}
