//! The project in the shape of `docker compose config --format json`, for the fields this module
//! resolves.
//!
//! Unlike there, a `$` is not escaped.

use serde_json::{Map, Value as Json, json};

use super::model::{Mount, Port, Project, Service, Variable, Volume};

/// The shape of `docker compose config --format json`: name, services (image, build, entrypoint,
/// command, environment, volumes, ports, `network_mode`, profiles, labels, `depends_on`,
/// healthcheck) and volumes (name, external, driver, `driver_opts`, labels).
///
/// Each value of an environment and of build arguments passes `redact` with its name; a variable
/// that is not set is null.
pub fn to_json(project: &Project, redact: &dyn Fn(&str, &str) -> Json) -> Json {
    let services = project
        .services
        .iter()
        .map(|(name, it)| (name.clone(), service(it, redact)))
        .collect::<Map<_, _>>();
    let volumes =
        project.volumes.iter().map(|(key, it)| (key.clone(), volume(it))).collect::<Map<_, _>>();
    let mut shown = Map::new();
    shown.insert("name".to_owned(), json!(project.name.value));
    shown.insert("services".to_owned(), Json::Object(services));
    if !volumes.is_empty() {
        shown.insert("volumes".to_owned(), Json::Object(volumes));
    }
    Json::Object(shown)
}

fn service(service: &Service, redact: &dyn Fn(&str, &str) -> Json) -> Json {
    let mut shown = Map::new();
    let mut put = |key: &str, value: Json| {
        shown.insert(key.to_owned(), value);
    };
    let variables = |variables: &std::collections::BTreeMap<String, Variable>| -> Json {
        variables
            .iter()
            .map(|(name, variable)| {
                let value = variable.value.as_deref();
                (name.clone(), value.map_or(Json::Null, |value| redact(name, value)))
            })
            .collect()
    };
    put("command", json!(service.command.as_ref().map(|command| &command.value)));
    put("entrypoint", json!(service.entrypoint.as_ref().map(|entrypoint| &entrypoint.value)));
    if let Some(image) = &service.image {
        put("image", json!(image.value));
    }
    if let Some(build) = &service.build {
        let mut build = build.value.clone();
        if !service.build_args.is_empty() {
            build.insert("args".to_owned(), variables(&service.build_args));
        }
        build.retain(|_, value| !value.is_null());
        put("build", Json::Object(build));
    }
    if !service.environment.is_empty() {
        put("environment", variables(&service.environment));
    }
    if !service.volumes.is_empty() {
        put("volumes", service.volumes.iter().map(mount).collect());
    }
    if !service.ports.is_empty() {
        put("ports", service.ports.iter().map(port).collect());
    }
    if let Some(mode) = &service.network_mode {
        put("network_mode", json!(mode.value));
    }
    if !service.profiles.is_empty() {
        put("profiles", json!(service.profiles));
    }
    if !service.labels.is_empty() {
        let labels = service.labels.iter();
        put("labels", labels.map(|(key, value)| (key.clone(), json!(value.value))).collect());
    }
    if !service.depends_on.is_empty() {
        let waits = service.depends_on.iter().map(|(name, dependency)| {
            let mut shown = Map::new();
            shown.insert("condition".to_owned(), json!(dependency.condition));
            if dependency.restart {
                shown.insert("restart".to_owned(), json!(true));
            }
            shown.insert("required".to_owned(), json!(dependency.required));
            (name.clone(), Json::Object(shown))
        });
        put("depends_on", waits.collect());
    }
    if let Some(check) = &service.healthcheck {
        let fields = [
            ("test", json!(check.test)),
            ("timeout", json!(check.timeout)),
            ("interval", json!(check.interval)),
            ("retries", json!(check.retries)),
            ("start_period", json!(check.start_period)),
            ("start_interval", json!(check.start_interval)),
            ("disable", json!(check.disable.then_some(true))),
        ];
        put("healthcheck", present(fields));
    }
    Json::Object(shown)
}

/// An object of the fields that are not null.
fn present<const N: usize>(fields: [(&str, Json); N]) -> Json {
    let fields = fields.into_iter().filter(|(_, value)| !value.is_null());
    fields.map(|(key, value)| (key.to_owned(), value)).collect()
}

fn mount(mount: &Mount) -> Json {
    let mut shown = present([
        ("type", json!(mount.kind.as_str())),
        ("source", json!(mount.source)),
        ("target", json!(mount.target)),
        ("read_only", json!(mount.read_only.then_some(true))),
    ]);
    if let Json::Object(shown) = &mut shown {
        shown.extend(mount.options.clone());
    }
    shown
}

fn port(port: &Port) -> Json {
    present([
        ("name", json!(port.name)),
        ("mode", json!((!port.mode.is_empty()).then_some(&port.mode))),
        ("host_ip", json!(port.host_ip)),
        ("target", json!(port.target)),
        ("published", json!(port.published)),
        ("protocol", json!((!port.protocol.is_empty()).then_some(&port.protocol))),
        ("app_protocol", json!(port.app_protocol)),
    ])
}

fn volume(volume: &Volume) -> Json {
    present([
        ("name", json!((!volume.name.value.is_empty()).then_some(&volume.name.value))),
        ("driver", json!(volume.driver)),
        ("driver_opts", json!((!volume.driver_opts.is_empty()).then_some(&volume.driver_opts))),
        ("external", json!(volume.external.then_some(true))),
        ("labels", json!((!volume.labels.is_empty()).then_some(&volume.labels))),
    ])
}
