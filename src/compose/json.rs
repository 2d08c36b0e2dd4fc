//! The model in the shape of `docker compose config --format json`, for the fields that the model has, and un-escaped (`$`, not
//! `$$`).

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::model::{Healthcheck, Mount, Port, Project, Service, Variable, Volume};

/// The project as JSON. Every value of an environment or of build arguments passes `redact` with its name.
pub fn to_json(project: &Project, redact: &dyn Fn(&str, &str) -> Value) -> Value {
    let services: Map<String, Value> =
        project.services.iter().map(|(name, one)| (name.clone(), service(one, redact))).collect();
    let volumes: Map<String, Value> =
        project.volumes.iter().map(|(key, one)| (key.clone(), volume(one))).collect();
    let mut out = Map::new();
    out.insert("name".to_owned(), json!(project.name.value));
    out.insert("services".to_owned(), services.into());
    if !volumes.is_empty() {
        out.insert("volumes".to_owned(), volumes.into());
    }
    out.into()
}

fn service(service: &Service, redact: &dyn Fn(&str, &str) -> Value) -> Value {
    let mut out = Map::new();
    let mut put = |key: &str, value: Value| {
        out.insert(key.to_owned(), value);
    };
    put("command", json!(service.command.as_ref().map(|words| &words.value)));
    put("entrypoint", json!(service.entrypoint.as_ref().map(|words| &words.value)));
    if let Some(build) = &service.build {
        let mut build = build.value.clone();
        if !service.build_args.is_empty() {
            build.insert("args".to_owned(), variables(&service.build_args, redact));
        }
        put("build", build.into());
    }
    if let Some(image) = &service.image {
        put("image", json!(image.value));
    }
    if !service.environment.is_empty() {
        put("environment", variables(&service.environment, redact));
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
        let labels: BTreeMap<&String, &String> =
            service.labels.iter().map(|(key, label)| (key, &label.value)).collect();
        put("labels", json!(labels));
    }
    if !service.depends_on.is_empty() {
        let depends: Map<String, Value> = service
            .depends_on
            .iter()
            .map(|(name, one)| {
                let mut value = json!({"condition": one.condition, "required": one.required});
                if one.restart {
                    value["restart"] = json!(true);
                }
                (name.clone(), value)
            })
            .collect();
        put("depends_on", depends.into());
    }
    if let Some(check) = &service.healthcheck {
        put("healthcheck", healthcheck(check));
    }
    out.into()
}

fn variables(
    variables: &BTreeMap<String, Variable>,
    redact: &dyn Fn(&str, &str) -> Value,
) -> Value {
    variables
        .iter()
        .map(|(name, variable)| {
            let value = variable.value.as_ref().map_or(Value::Null, |value| redact(name, value));
            (name.clone(), value)
        })
        .collect::<Map<_, _>>()
        .into()
}

fn mount(mount: &Mount) -> Value {
    let mut out = mount.options.clone();
    out.insert("type".to_owned(), json!(mount.kind.as_str()));
    if let Some(source) = &mount.source {
        out.insert("source".to_owned(), json!(source));
    }
    out.insert("target".to_owned(), json!(mount.target));
    if mount.read_only {
        out.insert("read_only".to_owned(), json!(true));
    }
    out.into()
}

fn port(port: &Port) -> Value {
    let mut out = json!({"mode": port.mode, "target": port.target, "protocol": port.protocol});
    for (key, value) in [
        ("host_ip", &port.host_ip),
        ("published", &port.published),
        ("name", &port.name),
        ("app_protocol", &port.app_protocol),
    ] {
        if let Some(value) = value {
            out[key] = json!(value);
        }
    }
    out
}

fn healthcheck(check: &Healthcheck) -> Value {
    let mut out = Map::new();
    if let Some(test) = &check.test {
        out.insert("test".to_owned(), json!(test));
    }
    for (key, value) in [
        ("timeout", &check.timeout),
        ("interval", &check.interval),
        ("start_period", &check.start_period),
        ("start_interval", &check.start_interval),
    ] {
        if let Some(value) = value {
            out.insert(key.to_owned(), json!(value));
        }
    }
    if let Some(retries) = check.retries {
        out.insert("retries".to_owned(), json!(retries));
    }
    if check.disable {
        out.insert("disable".to_owned(), json!(true));
    }
    out.into()
}

fn volume(volume: &Volume) -> Value {
    let mut out = json!({"name": volume.name.value});
    if volume.external {
        out["external"] = json!(true);
    }
    if let Some(driver) = &volume.driver {
        out["driver"] = json!(driver);
    }
    if !volume.driver_opts.is_empty() {
        out["driver_opts"] = json!(volume.driver_opts);
    }
    if !volume.labels.is_empty() {
        out["labels"] = json!(volume.labels);
    }
    out
}
