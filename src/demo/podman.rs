//! The engine's answers as Podman 4.3.1 gives them through the Docker API (`podman system
//! service`): the same calls, other values in the places where the two were seen to differ.

use http_body_util::{BodyExt as _, Full};
use hyper::Response;
use hyper::body::Bytes;
use hyper::header::{CONTENT_LENGTH, HeaderValue};
use serde_json::{Value, json};

/// The answer that Podman would give where Docker gives `answer`. What is not JSON keeps its body.
pub(super) async fn translate(answer: Response<Full<Bytes>>) -> Response<Full<Bytes>> {
    let (mut head, body) = answer.into_parts();
    let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes);
    head.headers.insert("server", HeaderValue::from_static("Libpod/4.3.1 (linux)"));
    head.headers.insert("api-version", HeaderValue::from_static("1.41"));
    head.headers.insert("libpod-api-version", HeaderValue::from_static("4.3.1"));
    let Ok(mut value) = serde_json::from_slice::<Value>(&body) else {
        return Response::from_parts(head, Full::new(body));
    };
    if head.status.is_success() {
        reshape(&mut value);
    } else {
        value["cause"] = value["message"].clone();
        value["response"] = json!(head.status.as_u16());
    }
    head.headers.remove(CONTENT_LENGTH);
    Response::from_parts(head, Full::new(value.to_string().into()))
}

fn reshape(value: &mut Value) {
    if let Value::Array(listed) = value {
        listed.iter_mut().for_each(mounts);
    } else if value.get("ApiVersion").is_some() {
        *value = json!({
            "Version": "4.3.1", "ApiVersion": "1.41", "MinAPIVersion": "1.24", "Os": "linux", "Arch": "amd64",
            "Components": [{"Name": "Podman Engine", "Version": "4.3.1"}],
        });
    } else if let Some(Value::Array(volumes)) = value.get_mut("Volumes") {
        volumes.iter_mut().for_each(volume);
    } else if value.get("Mountpoint").is_some() {
        volume(value);
    } else if value.get("Titles").is_some() {
        value["Titles"] =
            json!(["USER", "PID", "PPID", "%CPU", "ELAPSED", "TTY", "TIME", "COMMAND"]);
    } else if value.get("HostConfig").is_some() {
        inspected(value);
    }
}

fn inspected(value: &mut Value) {
    mounts(value);
    let binds = value["Mounts"].as_array().into_iter().flatten().map(|mount| {
        let source = if mount["Type"] == "volume" { &mount["Name"] } else { &mount["Source"] };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        json!(format!(
            "{}:{}:rprivate,nosuid,nodev,rbind",
            text(source),
            text(&mount["Destination"])
        ))
    });
    value["HostConfig"]["Binds"] = binds.collect();
    if let Some(Value::Object(tmpfs)) = value["HostConfig"].get_mut("Tmpfs") {
        tmpfs.values_mut().for_each(|mount| *mount = json!("rw,rprivate,nosuid,nodev,tmpcopyup"));
    }
    if value["State"].get("Health").is_none() {
        value["State"]["Health"] = json!({"Status": "", "FailingStreak": 0, "Log": null});
    }
    let own = ["container=podman", "TERM=xterm", "HOME=/root", "HOSTNAME=0123456789ab"];
    let set = value["Config"]["Env"].as_array().into_iter().flatten();
    // An entry without a value is not listed.
    let set = set.filter(|entry| entry.as_str().is_some_and(|entry| entry.contains('='))).cloned();
    value["Config"]["Env"] = set.chain(own.map(|entry| json!(entry))).collect();
    value["Config"]["Volumes"] = Value::Null;
}

fn mounts(value: &mut Value) {
    for mount in value["Mounts"].as_array_mut().into_iter().flatten() {
        mount["Mode"] = json!("");
        mount["Propagation"] = json!("rprivate");
    }
}

fn volume(value: &mut Value) {
    if value["Labels"].is_null() {
        value["Labels"] = json!({});
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn translated(status: u16, body: &Value) -> (Response<()>, Value) {
        let mut answer = Response::new(Full::new(body.to_string().into()));
        *answer.status_mut() = status.try_into().unwrap();
        let (head, body) = translate(answer).await.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (Response::from_parts(head, ()), serde_json::from_slice(&body).unwrap())
    }

    #[tokio::test]
    async fn answers_differ_where_podman_does() {
        let (head, error) = translated(404, &json!({"message": "no such container"})).await;
        assert_eq!(head.headers()["server"], "Libpod/4.3.1 (linux)");
        assert_eq!(error["cause"], "no such container");
        assert_eq!(error["response"], 404);

        let mount = json!({"Type": "volume", "Name": "app_data", "Destination": "/convex/data", "Mode": "rw"});
        let docker = json!({
            "State": {"Status": "running"}, "HostConfig": {"Binds": null, "Tmpfs": {"/tmp": ""}},
            "Mounts": [mount], "Config": {"Env": ["A=1", "AWS_REGION"]},
        });
        let (_, podman) = translated(200, &docker).await;
        assert_eq!(podman["State"]["Health"]["Status"], "");
        assert_eq!(podman["Mounts"][0]["Mode"], "");
        assert_eq!(
            podman["HostConfig"]["Binds"][0],
            "app_data:/convex/data:rprivate,nosuid,nodev,rbind"
        );
        let environment = podman["Config"]["Env"].as_array().unwrap();
        assert!(
            environment.contains(&json!("A=1")) && environment.contains(&json!("container=podman"))
        );
        assert!(
            !environment.contains(&json!("AWS_REGION")),
            "an entry without a value is not listed"
        );

        let (_, volumes) =
            translated(200, &json!({"Volumes": [{"Name": "x", "Labels": null}]})).await;
        assert_eq!(volumes["Volumes"][0]["Labels"], json!({}));
    }
}
