//! The table of versions, aligned for a paste.

use unicode_width::UnicodeWidthStr as _;

use crate::evidence::Observation;
use crate::evidence::versions::{BackendImage, Installed, Versions};
use crate::secret::sanitize;

/// Name, version, and where it was found.
type Row = [String; 3];

/// The table.
pub fn text(versions: &Versions) -> String {
    let mut rows = vec![
        row("convex-doctor", &versions.doctor, ""),
        program("Convex CLI", &versions.cli),
        program("Node", &versions.node),
        engine(versions),
        program("Compose", &versions.compose),
    ];
    rows.extend(backends(&versions.backends));
    let system = &versions.system;
    let mut more: Vec<&str> = system.name.as_deref().into_iter().collect();
    if system.in_container {
        more.push("in a container");
    }
    rows.push(row("system", &format!("{} {}", system.os, system.arch), &more.join(", ")));
    align(&rows)
}

fn row(name: &str, version: &str, more: &str) -> Row {
    [name.to_owned(), sanitize(version), sanitize(more)]
}

fn unseen(name: &str, reason: &str) -> Row {
    row(name, &format!("not checked ({reason})"), "")
}

fn program(name: &str, seen: &Observation<Option<Installed>>) -> Row {
    match seen {
        Observation::Seen(Some(Installed { version, found })) => {
            row(name, version.as_deref().unwrap_or("version not known"), found)
        }
        Observation::Seen(None) => row(name, "not found", ""),
        Observation::Unavailable { reason } => unseen(name, reason),
    }
}

fn engine(versions: &Versions) -> Row {
    let name = "Docker engine";
    match &versions.engine {
        Observation::Seen(engine) => {
            let version = engine.version.as_deref().unwrap_or("version not known");
            let api = engine.api.as_deref().map(|api| format!(", API {api}")).unwrap_or_default();
            let context = engine.context.as_deref().map(|name| format!(", context {name}"));
            let address = format!("{}{}", engine.address, context.unwrap_or_default());
            row(name, &format!("{version}{api}"), &address)
        }
        Observation::Unavailable { reason } => unseen(name, reason),
    }
}

fn backends(seen: &Observation<Vec<BackendImage>>) -> Vec<Row> {
    let name = "backend";
    match seen {
        Observation::Seen(backends) if backends.is_empty() => vec![row(name, "not found", "")],
        Observation::Seen(backends) => backends.iter().map(backend).collect(),
        Observation::Unavailable { reason } => vec![unseen(name, reason)],
    }
}

/// The image's last part and the beginning of its commit: whole, they are in the JSON.
fn backend(backend: &BackendImage) -> Row {
    let image = match backend.image.rsplit_once('/') {
        // An image without a tag of its own any more is a digest.
        None => backend.image.chars().take(19).collect(),
        Some((_, last)) => last.to_owned(),
    };
    let revision = match &backend.revision {
        Some(revision) => revision.chars().take(12).collect(),
        None => "revision not known".to_owned(),
    };
    let more = format!("{}, {}", backend.container, backend.state);
    row("backend", &format!("{image} {revision}"), &more)
}

/// Columns two blanks apart. What was not seen has no third column and does not widen the second.
fn align(rows: &[Row]) -> String {
    let width = |column: usize| {
        let counted = rows.iter().filter(|row| column == 0 || !row[2].is_empty());
        counted.map(|row| row[column].width()).max().unwrap_or(0)
    };
    let widths = [width(0), width(1)];
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line.push_str(cell);
            line.push_str(&" ".repeat(width.saturating_sub(cell.width()) + 2));
        }
        line.push_str(&row[2]);
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::evidence::versions::{EngineVersion, System};

    fn versions() -> Versions {
        let installed = |version: &str, found: &str| {
            let version = Some(version.to_owned());
            Observation::Seen(Some(Installed { version, found: found.to_owned() }))
        };
        Versions {
            doctor: "0.1.0".to_owned(),
            cli: installed("1.48.0", "node_modules/convex/package.json"),
            node: installed("20.20.2", "/usr/bin/node"),
            engine: Observation::Seen(EngineVersion {
                version: Some("28.2.2".to_owned()),
                api: Some("1.50".to_owned()),
                address: "unix:///var/run/docker.sock".to_owned(),
                context: Some("colima".to_owned()),
            }),
            compose: installed("2.40.3", "docker compose version"),
            backends: Observation::Seen(vec![BackendImage {
                container: "app-backend-1".to_owned(),
                state: "running".into(),
                image: "ghcr.io/get-convex/convex-backend:latest".to_owned(),
                revision: Some("94a42c3db8d7ba6d9fe36f2698f9d9d9daaac731".to_owned()),
            }]),
            system: System {
                os: "linux".to_owned(),
                arch: "x86_64".to_owned(),
                name: Some("Debian GNU/Linux 12 (bookworm)".to_owned()),
                in_container: true,
            },
        }
    }

    #[test]
    fn everything_is_there() {
        let expected = "\
convex-doctor  0.1.0
Convex CLI     1.48.0                              node_modules/convex/package.json
Node           20.20.2                             /usr/bin/node
Docker engine  28.2.2, API 1.50                    unix:///var/run/docker.sock, context colima
Compose        2.40.3                              docker compose version
backend        convex-backend:latest 94a42c3db8d7  app-backend-1, running
system         linux x86_64                        Debian GNU/Linux 12 (bookworm), in a container
";
        assert_eq!(text(&versions()), expected);
    }

    #[test]
    fn what_is_not_there_is_said() {
        let nothing = Versions {
            cli: Observation::Seen(None),
            node: Observation::Seen(Some(Installed {
                version: None,
                found: "/usr/bin/node".to_owned(),
            })),
            engine: Observation::unavailable("nothing is listening on unix:///x.sock"),
            compose: Observation::Seen(None),
            backends: Observation::Seen(Vec::new()),
            system: System { name: None, in_container: false, ..versions().system },
            ..versions()
        };
        let expected = "\
convex-doctor  0.1.0
Convex CLI     not found
Node           version not known  /usr/bin/node
Docker engine  not checked (nothing is listening on unix:///x.sock)
Compose        not found
backend        not found
system         linux x86_64
";
        assert_eq!(text(&nothing), expected);
        let unseen = Versions { backends: Observation::unavailable("not asked"), ..nothing };
        assert!(text(&unseen).contains("\nbackend        not checked (not asked)\n"));
    }
}
