//! The platform that runs the backend: Compose, a panel, a cluster, a cloud.
//!
//! A platform is recognised only by a mark of its own: a label or a path of the container, a
//! variable in the compose file, the host name or a header of its proxy. Without a mark the
//! remedies are those for Compose.

use crate::evidence::Evidence;
use crate::evidence::docker::Container;
use crate::evidence::endpoint::{Answer, EndpointFacts};

/// Who runs the container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Platform {
    /// `docker compose` itself, by the container's labels: its commands work.
    Compose,
    /// <https://github.com/coollabsio/coolify>, `bootstrap/helpers/docker.php` (`defaultLabels`).
    Coolify,
    /// <https://docs.dokploy.com/docs/core/docker-compose>: its files are in `/etc/dokploy`.
    Dokploy,
    /// <https://caprover.com>: a Swarm service `srv-captain--NAME`.
    CapRover,
    /// <https://docs.portainer.io>: the files of a stack are in `/data/compose/NUMBER`.
    Portainer,
    /// A service of a Swarm.
    Swarm {
        /// Label `com.docker.swarm.service.name`.
        service: String,
    },
    /// A pod of Kubernetes.
    Kubernetes {
        /// Its namespace and its name, if the container was seen.
        pod: Option<(String, String)>,
    },
    /// <https://docs.railway.com>
    Railway,
    /// <https://fly.io/docs>
    Fly {
        /// The app, from `APP.fly.dev`.
        app: Option<String>,
    },
}

/// The platform of the backend behind the selected URL.
pub(crate) fn behind_url(evidence: &Evidence) -> Option<Platform> {
    let docker = evidence.docker.seen().ok();
    if let Some((container, _)) = docker.and_then(|docker| docker.answering()) {
        return of_container(container);
    }
    of_endpoint(evidence.endpoint.seen().ok()?.as_ref()?)
}

/// The platform of this project's backend: that of the container, else of the compose file; without
/// both, the backend is the one behind the URL.
pub(crate) fn of_project(evidence: &Evidence) -> Option<Platform> {
    let docker = evidence.docker.seen().ok();
    if let Some(container) = docker.and_then(|docker| docker.expected()) {
        return of_container(container);
    }
    match evidence.compose.seen().ok()? {
        Some(project) if !project.panel_marks.is_empty() => {
            let mark = project.panel_marks.first()?;
            Some(if mark.starts_with("SERVICE_") { Platform::Coolify } else { Platform::Dokploy })
        }
        Some(project) if project.backend().is_some() || !project.errors.is_empty() => None,
        _ => behind_url(evidence),
    }
}

/// Whether `docker compose` runs this container, as far as is known: else its commands have no
/// effect.
pub(crate) fn is_run_by_compose(container: &Container) -> bool {
    of_container(container).is_none_or(|platform| platform == Platform::Compose)
}

/// By the container's labels and paths.
fn of_container(container: &Container) -> Option<Platform> {
    let label = |name: &str| container.labels.managed_by.get(name).cloned();
    if let Some(pod) = label("io.kubernetes.pod.name") {
        let namespace =
            label("io.kubernetes.pod.namespace").unwrap_or_else(|| "default".to_owned());
        return Some(Platform::Kubernetes { pod: Some((namespace, pod)) });
    }
    let directory = container.labels.working_dir.as_deref().unwrap_or_default();
    let is_stack = |rest: &str| !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit());
    if container.labels.managed_by.keys().any(|name| name.starts_with("coolify."))
        || directory.starts_with("/data/coolify/")
    {
        return Some(Platform::Coolify);
    }
    if directory.starts_with("/etc/dokploy/") {
        return Some(Platform::Dokploy);
    }
    if directory.strip_prefix("/data/compose/").is_some_and(is_stack) {
        return Some(Platform::Portainer);
    }
    if let Some(service) = label("com.docker.swarm.service.name") {
        return Some(if service.starts_with("srv-captain--") {
            Platform::CapRover
        } else if container.net.networks.iter().any(|network| network == "dokploy-network") {
            Platform::Dokploy
        } else {
            Platform::Swarm { service }
        });
    }
    container.labels.service.is_some().then_some(Platform::Compose)
}

/// By the host name, and by the headers of the platform's proxy.
fn of_endpoint(endpoint: &EndpointFacts) -> Option<Platform> {
    let host = endpoint.target.host.trim_end_matches('.').to_ascii_lowercase();
    let app = host.strip_suffix(".fly.dev").map(str::to_owned);
    let answers = [
        &endpoint.server.root,
        &endpoint.server.instance_name,
        &endpoint.server.version,
        &endpoint.key.without_key,
        &endpoint.key.check_admin_key,
    ];
    let server = |wanted: &dyn Fn(&str) -> bool| {
        answers
            .into_iter()
            .filter_map(|answer| {
                answer.seen().ok().and_then(|Answer { server, .. }| server.as_deref())
            })
            .any(|server| wanted(&server.to_ascii_lowercase()))
    };
    let header =
        |prefix: &str| endpoint.server.edge_headers.iter().any(|name| name.starts_with(prefix));
    if app.is_some() || header("fly-") || server(&|it| it.starts_with("fly/")) {
        return Some(Platform::Fly { app });
    }
    let of_railway = |it: &str| matches!(it, "railway-edge" | "railway-hikari");
    if host.ends_with(".up.railway.app") || header("x-railway-") || server(&of_railway) {
        return Some(Platform::Railway);
    }
    host.ends_with(".svc.cluster.local").then_some(Platform::Kubernetes { pod: None })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::Observation;
    use crate::evidence::docker::{ContainerLabels, ContainerNetwork};
    use crate::evidence::endpoint::{EndpointTarget, ServerAnswers};

    fn labelled(labels: &[(&str, &str)], directory: Option<&str>, network: &str) -> Container {
        Container {
            labels: ContainerLabels {
                service: directory.map(|_| "backend".to_owned()),
                working_dir: directory.map(str::to_owned),
                managed_by: labels
                    .iter()
                    .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
                    .collect(),
                ..ContainerLabels::default()
            },
            net: ContainerNetwork {
                networks: vec![network.to_owned()],
                ..ContainerNetwork::default()
            },
            ..Container::default()
        }
    }

    #[test]
    fn a_container_shows_its_platform_and_a_look_alike_does_not() {
        let swarm = |service: &str| Some(Platform::Swarm { service: service.to_owned() });
        let pod = Some(("prod".to_owned(), "convex-0".to_owned()));
        let task = [("com.docker.swarm.service.name", "app_backend")];
        let captain = [("com.docker.swarm.service.name", "srv-captain--convex")];
        let in_pod =
            [("io.kubernetes.pod.name", "convex-0"), ("io.kubernetes.pod.namespace", "prod")];
        for (case, container, expected) in [
            (
                "coolify's label",
                labelled(&[("coolify.managed", "true")], Some("/x"), "k8cw"),
                Some(Platform::Coolify),
            ),
            (
                "its directory",
                labelled(&[], Some("/data/coolify/services/k8cw"), "k8cw"),
                Some(Platform::Coolify),
            ),
            (
                "a directory like it",
                labelled(&[], Some("/home/me/data/coolify/x"), "x"),
                Some(Platform::Compose),
            ),
            (
                "dokploy's directory",
                labelled(&[], Some("/etc/dokploy/compose/app-x1/code"), "d"),
                Some(Platform::Dokploy),
            ),
            (
                "its network by hand",
                labelled(&[], Some("/srv/app"), "dokploy-network"),
                Some(Platform::Compose),
            ),
            ("its application", labelled(&task, None, "dokploy-network"), Some(Platform::Dokploy)),
            (
                "a stack of Portainer's",
                labelled(&[], Some("/data/compose/12"), "b"),
                Some(Platform::Portainer),
            ),
            (
                "a directory like it",
                labelled(&[], Some("/data/compose/app"), "b"),
                Some(Platform::Compose),
            ),
            (
                "caprover",
                labelled(&captain, None, "captain-overlay-network"),
                Some(Platform::CapRover),
            ),
            ("a task of a swarm", labelled(&task, None, "app_default"), swarm("app_backend")),
            ("a pod", labelled(&in_pod, None, "none"), Some(Platform::Kubernetes { pod })),
            ("compose", labelled(&[], Some("/srv/app"), "app_default"), Some(Platform::Compose)),
            ("docker run", labelled(&[], None, "bridge"), None),
        ] {
            assert_eq!(of_container(&container), expected, "{case}");
        }
    }

    #[test]
    fn a_url_shows_its_platform_and_a_look_alike_does_not() {
        let answer = |server: &str| Answer {
            status: 200,
            content_type: None,
            server: Some(server.to_owned()),
            location: None,
            body: crate::evidence::endpoint::Body::ConvexRoot,
            ms: 1,
        };
        let fly = |app: Option<&str>| Some(Platform::Fly { app: app.map(str::to_owned) });
        let cluster = Some(Platform::Kubernetes { pod: None });
        for (host, server, header, expected) in [
            ("my-app.fly.dev", "", "", fly(Some("my-app"))),
            ("convex.example.com", "Fly/0bc70000 (2026-08-16)", "", fly(None)),
            ("convex.example.com", "cloudflare", "fly-request-id", fly(None)),
            ("backend-production.up.railway.app", "", "", Some(Platform::Railway)),
            ("convex.example.com", "railway-edge", "", Some(Platform::Railway)),
            ("convex.example.com", "cloudflare", "x-railway-edge", Some(Platform::Railway)),
            ("convex.prod.svc.cluster.local", "", "", cluster),
            ("fly.dev.example.com", "", "", None),
            ("notfly.dev", "", "", None),
            ("railway.app.example.com", "nginx", "", None),
            ("fly.example.com", "flyway/1", "", None),
            ("127.0.0.1", "", "", None),
        ] {
            let endpoint = EndpointFacts {
                target: EndpointTarget { host: host.to_owned(), ..EndpointTarget::default() },
                server: ServerAnswers {
                    root: if server.is_empty() {
                        Observation::unavailable("not asked")
                    } else {
                        Observation::Seen(answer(server))
                    },
                    edge_headers: Some(header.to_owned())
                        .filter(|it| !it.is_empty())
                        .into_iter()
                        .collect(),
                    ..ServerAnswers::default()
                },
                ..EndpointFacts::default()
            };
            assert_eq!(of_endpoint(&endpoint), expected, "{host} {server} {header}");
        }
    }
}
