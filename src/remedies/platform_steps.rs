//! What to do in each place: mint, deploy anew, keep a directory, read the log; in the words of its
//! own pages.

use crate::deployment::platform::Platform;
use crate::report::shell_word;

/// What every backend's image mints with.
pub(super) const SCRIPT: &str = "./generate_admin_key.sh";

/// One thing to do there: in words, and as a command where it may be run as it stands.
#[derive(PartialEq, Eq)]
pub(super) struct Step {
    pub(super) words: String,
    pub(super) command: Option<String>,
}

impl Step {
    pub(super) fn words(words: impl Into<String>) -> Self {
        Self { words: words.into(), command: None }
    }

    fn with(words: impl Into<String>, command: String) -> Self {
        Self { words: words.into(), command: Some(command) }
    }
}

/// How to mint a key there.
pub(super) fn mint(platform: &Platform) -> Option<Step> {
    Some(match platform {
        Platform::Compose => return None,
        Platform::Coolify => Step::words(format!(
            "in Coolify, the Terminal of the resource, container of the backend: `{SCRIPT}`"
        )),
        Platform::Dokploy => {
            Step::words(format!("in Dokploy, the terminal of the backend's container: `{SCRIPT}`"))
        }
        Platform::Portainer => {
            Step::words(format!("in Portainer, the Console of the backend's container: `{SCRIPT}`"))
        }
        Platform::CapRover => Step::words(format!(
            "on the server of CapRover, `docker exec` into the app's container: `{SCRIPT}`"
        )),
        Platform::Swarm { service } => Step::words(format!(
            "on the node that runs the task of {service}, `docker exec` into its container: `{SCRIPT}`"
        )),
        Platform::Kubernetes { pod: Some((namespace, pod)) } => Step::with(
            "in the pod",
            format!("kubectl exec -n {} {} -- {SCRIPT}", shell_word(namespace), shell_word(pod)),
        ),
        Platform::Kubernetes { pod: None } => Step::words(format!(
            "in the cluster: `kubectl exec deploy/NAME -- {SCRIPT}` with the backend's deployment"
        )),
        Platform::Railway => Step::words(format!(
            "on Railway: `railway ssh` into the backend's service, there `{SCRIPT}`"
        )),
        Platform::Fly { app: Some(app) } => {
            Step::with("on Fly", format!("fly ssh console -a {} -C {SCRIPT}", shell_word(app)))
        }
        Platform::Fly { app: None } => Step::words(format!(
            "on Fly: `fly ssh console -C {SCRIPT}`, with `-a` and the backend's app"
        )),
    })
}

/// How a change of its variables or its definition gets into force.
pub(super) fn redeploy(platform: &Platform) -> Option<Step> {
    Some(Step::words(match platform {
        Platform::Compose => return None,
        Platform::Coolify => {
            "in Coolify: variables under Environment Variables, then Redeploy (each deploy writes the files on the server anew)"
        }
        Platform::Dokploy => "in Dokploy: variables under Environment, then Deploy",
        Platform::Portainer => {
            "in Portainer: the stack's Editor (variables below it), then Update the stack"
        }
        Platform::CapRover => "in CapRover: the app's App Configs, then Save & Restart",
        Platform::Swarm { .. } => {
            "in the Swarm: `docker stack deploy -c FILE STACK`, which reads no .env: export its variables before"
        }
        Platform::Kubernetes { .. } => {
            "in the cluster: `kubectl apply` with the changed manifest, which starts a new pod"
        }
        Platform::Railway => "on Railway: the service's Variables, then Deploy",
        Platform::Fly { .. } => {
            "on Fly: `fly secrets set NAME=VALUE`, or [env] in fly.toml and `fly deploy`"
        }
    }))
}

/// How to keep a directory there.
pub(super) fn storage(platform: &Platform, directory: &str) -> Option<Step> {
    Some(Step::words(match platform {
        Platform::Compose => return None,
        Platform::Coolify => {
            format!(
                "in Coolify: a named volume at {directory} (compose file, or Persistent Storage)"
            )
        }
        Platform::Dokploy => {
            format!(
                "in Dokploy: a named volume at {directory} (compose file, or Advanced, Volumes)"
            )
        }
        Platform::Portainer => format!("in Portainer: a named volume at {directory} in the stack"),
        Platform::CapRover => format!(
            "in CapRover: a persistent directory at {directory}, of an app that was made with persistent data"
        ),
        Platform::Swarm { .. } => format!(
            "in the Swarm: a named volume at {directory}, and a placement constraint, for a local volume stays on its node"
        ),
        Platform::Kubernetes { .. } => {
            format!(
                "in the cluster: a PersistentVolumeClaim mounted at {directory}, and one replica"
            )
        }
        Platform::Railway => {
            format!("on Railway: a volume of the service with the mount path {directory}")
        }
        Platform::Fly { .. } => format!(
            "on Fly: [mounts] in fly.toml with the destination {directory}, and one machine, for each has its own volume"
        ),
    }))
}

/// Where its log is.
pub(super) fn logs(platform: &Platform) -> Option<Step> {
    Some(match platform {
        Platform::Compose => return None,
        Platform::Coolify => Step::words("in Coolify: the Logs of the resource"),
        Platform::Dokploy => Step::words("in Dokploy: the Logs of the backend"),
        Platform::Portainer => Step::words("in Portainer: the Logs of the container"),
        Platform::CapRover => Step::words("in CapRover: the app's logs"),
        Platform::Swarm { service } => Step::with(
            "in the Swarm",
            format!("docker service logs --tail 50 {}", shell_word(service)),
        ),
        Platform::Kubernetes { pod: Some((namespace, pod)) } => Step::with(
            "in the cluster",
            format!("kubectl logs -n {} {} --tail=50", shell_word(namespace), shell_word(pod)),
        ),
        Platform::Kubernetes { pod: None } => {
            Step::words("in the cluster: `kubectl get pods` and `kubectl logs` of the backend's")
        }
        Platform::Railway => {
            Step::words("on Railway: the backend's Deployments, or `railway logs`")
        }
        Platform::Fly { app: Some(app) } => {
            Step::with("on Fly", format!("fly logs --no-tail -a {}", shell_word(app)))
        }
        Platform::Fly { app: None } => Step::words("on Fly: `fly status` and `fly logs`"),
    })
}
