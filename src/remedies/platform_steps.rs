//! The steps of each platform: generate a key, redeploy, keep a directory, read the log. The names
//! are those of its own pages.

use crate::deployment::platform::Platform;
use crate::report::shell_word;

/// Generates a key, in every backend's image.
const SCRIPT: &str = "./generate_admin_key.sh";

/// One thing to do on the platform. A word in capitals in a command is explained in the title.
#[derive(PartialEq, Eq)]
pub(super) struct Step {
    pub(super) title: String,
    pub(super) commands: Vec<String>,
}

impl Step {
    pub(super) fn words(title: impl Into<String>) -> Self {
        Self { title: title.into(), commands: vec![] }
    }

    pub(super) fn with(title: impl Into<String>, command: impl Into<String>) -> Self {
        Self { title: title.into(), commands: vec![command.into()] }
    }
}

/// Where a key is generated, as the end of a sentence, and with which commands.
pub(super) struct Terminal {
    pub(super) place: String,
    pub(super) commands: Vec<String>,
}

/// Where to generate a key.
pub(super) fn terminal(platform: &Platform) -> Option<Terminal> {
    let terminal = |place: &str, command: String| Terminal {
        place: place.to_owned(),
        commands: vec![command],
    };
    Some(match platform {
        Platform::Compose => return None,
        Platform::Coolify => {
            terminal("in Coolify's Terminal of the backend's container", SCRIPT.to_owned())
        }
        Platform::Dokploy => {
            terminal("in Dokploy's terminal of the backend's container", SCRIPT.to_owned())
        }
        Platform::Portainer => {
            terminal("in Portainer's Console of the backend's container", SCRIPT.to_owned())
        }
        Platform::CapRover => terminal(
            "on the CapRover server (CONTAINER: the app's container)",
            format!("docker exec CONTAINER {SCRIPT}"),
        ),
        Platform::Swarm { service } => terminal(
            &format!("on the node that runs {service} (CONTAINER: its container)"),
            format!("docker exec CONTAINER {SCRIPT}"),
        ),
        Platform::Kubernetes { pod: Some((namespace, pod)) } => terminal(
            "in the pod",
            format!("kubectl exec -n {} {} -- {SCRIPT}", shell_word(namespace), shell_word(pod)),
        ),
        Platform::Kubernetes { pod: None } => terminal(
            "in the cluster (NAME: the backend's deployment)",
            format!("kubectl exec deploy/NAME -- {SCRIPT}"),
        ),
        Platform::Railway => Terminal {
            place: "in a shell of the backend's service on Railway".to_owned(),
            commands: vec!["railway ssh".to_owned(), SCRIPT.to_owned()],
        },
        Platform::Fly { app: Some(app) } => {
            terminal("on Fly", format!("fly ssh console -a {} -C {SCRIPT}", shell_word(app)))
        }
        Platform::Fly { app: None } => terminal(
            "on Fly (APP: the backend's app)",
            format!("fly ssh console -a APP -C {SCRIPT}"),
        ),
    })
}

/// How to generate a key there.
pub(super) fn mint(platform: &Platform) -> Option<Step> {
    let Terminal { place, commands } = terminal(platform)?;
    Some(Step { title: format!("Generate a key {place}"), commands })
}

/// How a change of the variables or of the definition takes effect.
pub(super) fn redeploy(platform: &Platform) -> Option<Step> {
    Some(match platform {
        Platform::Compose => return None,
        Platform::Coolify => {
            Step::words("Redeploy in Coolify (change variables there, not in files on the server)")
        }
        Platform::Dokploy => Step::words("Deploy in Dokploy (variables are under Environment)"),
        Platform::Portainer => {
            Step::words("Update the stack in Portainer (variables are below the Editor)")
        }
        Platform::CapRover => {
            Step::words("Select Save & Restart in CapRover (variables are in App Configs)")
        }
        Platform::Swarm { .. } => Step::with(
            "Export the variables (.env is not read), and deploy the FILE of the STACK",
            "docker stack deploy -c FILE STACK",
        ),
        Platform::Kubernetes { .. } => Step::with(
            "Apply the changed manifest FILE, which starts a new pod",
            "kubectl apply -f FILE",
        ),
        Platform::Railway => Step::words("Deploy on Railway (variables are under Variables)"),
        Platform::Fly { .. } => {
            Step::with("Deploy to Fly (variables: [env] in fly.toml, or secrets)", "fly deploy")
        }
    })
}

/// How to keep a directory there.
pub(super) fn storage(platform: &Platform, directory: &str) -> Option<Step> {
    Some(Step::words(match platform {
        Platform::Compose => return None,
        Platform::Coolify => {
            format!("Add a named volume at {directory} in Coolify (Persistent Storage)")
        }
        Platform::Dokploy => {
            format!("Add a named volume at {directory} in Dokploy (Advanced, Volumes)")
        }
        Platform::Portainer => {
            format!("Add a named volume at {directory} to the stack in Portainer")
        }
        Platform::CapRover => format!(
            "Add a persistent directory at {directory} in CapRover. The app must have been created \
             with persistent data"
        ),
        Platform::Swarm { .. } => format!(
            "Add a named volume at {directory} and a placement constraint. A local volume stays on \
             its node"
        ),
        Platform::Kubernetes { .. } => {
            format!("Mount a PersistentVolumeClaim at {directory}, and use one replica only")
        }
        Platform::Railway => {
            format!("Add a volume to the service on Railway, with mount path {directory}")
        }
        Platform::Fly { .. } => format!(
            "Add [mounts] with destination {directory} to fly.toml. Use one machine only: each has \
             its own volume"
        ),
    }))
}

/// Where its log is.
pub(super) fn logs(platform: &Platform) -> Option<Step> {
    Some(match platform {
        Platform::Compose => return None,
        Platform::Coolify => Step::words("Read the backend's Logs in Coolify"),
        Platform::Dokploy => Step::words("Read the backend's Logs in Dokploy"),
        Platform::Portainer => Step::words("Read the container's Logs in Portainer"),
        Platform::CapRover => Step::words("Read the app's logs in CapRover"),
        Platform::Swarm { service } => Step::with(
            "Read the log of the service",
            format!("docker service logs --tail 50 {}", shell_word(service)),
        ),
        Platform::Kubernetes { pod: Some((namespace, pod)) } => Step::with(
            "Read the log of the pod",
            format!("kubectl logs -n {} {} --tail=50", shell_word(namespace), shell_word(pod)),
        ),
        Platform::Kubernetes { pod: None } => Step::with(
            "Read the log of the pod (NAME: the backend's deployment)",
            "kubectl logs deploy/NAME --tail=50",
        ),
        Platform::Railway => {
            Step::with("Read the log on Railway (or under Deployments)", "railway logs")
        }
        Platform::Fly { app: Some(app) } => {
            Step::with("Read the log on Fly", format!("fly logs --no-tail -a {}", shell_word(app)))
        }
        Platform::Fly { app: None } => {
            Step::with("Read the log on Fly (APP: the backend's app)", "fly logs --no-tail -a APP")
        }
    })
}
