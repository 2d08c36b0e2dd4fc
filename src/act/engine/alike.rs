//! From a container as the engine shows it to the definition of one that is made alike. Pure.
//!
//! What the engine shows is what was asked for when the container was made, plus what it chose
//! itself (a short id as host name and alias, addresses, the names of anonymous volumes) and what
//! the image added. The first and the last are asked for again; of the second only the volumes,
//! which are carried over by name as Compose does. A MAC address is kept where the container runs
//! and it is not the one that follows from the IP address; engines before 25 do not take it back,
//! and may show one that the client does not read.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, EndpointIpamConfig, EndpointSettings,
    HostConfig, Mount, MountBindOptions, MountPoint, MountType, MountVolumeOptions,
    NetworkingConfig,
};

use super::change::ContainerChange;

/// The definition of a container that is like another but for a change.
pub(super) struct Alike {
    /// What the engine makes it from.
    pub(super) body: ContainerCreateBody,
    /// Further networks to connect it to before it starts: older engines take only one when a
    /// container is made.
    pub(super) networks: Vec<(String, EndpointSettings)>,
}

/// The image to make it from.
pub(super) struct Image {
    /// Its name as long as that still means the same image, else its id.
    pub(super) reference: String,
    /// The variables that it sets.
    pub(super) environment: Vec<String>,
}

/// Makes the definition; `labels` come on top of the old ones.
pub(super) fn alike(
    old: &ContainerInspectResponse,
    image: &Image,
    change: &ContainerChange,
    labels: &[(&str, String)],
) -> Alike {
    let config = old.config.clone().unwrap_or_default();
    let mut host = old.host_config.clone().unwrap_or_default();
    let volumes = config.volumes.unwrap_or_default();
    let volumes = volumes.into_iter().filter(|path| !gives_way(path, change)).collect();
    mount(&mut host, old.mounts.as_deref().unwrap_or_default(), change);
    host.links = host.links.map(|links| links.iter().map(|link| legacy_link(link)).collect());
    host.container_id_file = None;

    let (endpoints, networks) = network(&mut host, old);
    let mode = host.network_mode.as_deref().unwrap_or_default();
    let joins = mode.starts_with("container:");
    if joins {
        host.port_bindings = None;
    }
    // One that the engine made of the id, or that it refuses because another container has it.
    let own_host = config.hostname.filter(|name| {
        let shared = joins || host.uts_mode.as_deref() == Some("host");
        !shared && *name != short(old)
    });
    let mut all_labels = config.labels.unwrap_or_default();
    all_labels.extend(labels.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));

    let body = ContainerCreateBody {
        hostname: own_host,
        domainname: config.domainname,
        user: config.user,
        attach_stdin: config.attach_stdin,
        attach_stdout: config.attach_stdout,
        attach_stderr: config.attach_stderr,
        exposed_ports: config.exposed_ports.filter(|_| !joins),
        tty: config.tty,
        open_stdin: config.open_stdin,
        stdin_once: config.stdin_once,
        env: Some(environment(config.env.unwrap_or_default(), image, change)),
        cmd: config.cmd,
        healthcheck: config.healthcheck,
        args_escaped: config.args_escaped,
        image: Some(image.reference.clone()),
        volumes: Some(volumes),
        working_dir: config.working_dir,
        entrypoint: config.entrypoint,
        network_disabled: config.network_disabled,
        on_build: config.on_build,
        labels: Some(all_labels),
        stop_signal: config.stop_signal,
        stop_timeout: config.stop_timeout,
        shell: config.shell,
        host_config: Some(host),
        networking_config: endpoints
            .map(|endpoints| NetworkingConfig { endpoints_config: Some(endpoints) }),
    };
    Alike { body, networks }
}

/// The first 12 digits of its id, which the engine gives as host name and alias.
fn short(container: &ContainerInspectResponse) -> &str {
    let id = container.id.as_deref().unwrap_or_default();
    id.get(..12).unwrap_or(id)
}

/// The variables: a changed one in its old place, new ones at the end, in the order of the change.
fn environment(old: Vec<String>, image: &Image, change: &ContainerChange) -> Vec<String> {
    let name_of = |entry: &str| entry.split('=').next().unwrap_or_default().to_owned();
    let mut entries = old;
    for (name, value) in &change.environment {
        let first = entries.iter().position(|entry| name_of(entry) == *name);
        let at = first.unwrap_or(entries.len());
        entries.retain(|entry| name_of(entry) != *name);
        match value {
            Some(value) => entries.insert(at, format!("{name}={}", value.expose())),
            // The engine adds what the image sets, unless the bare name is there: then it is
            // not set.
            None if image.environment.iter().any(|entry| name_of(entry) == *name) => {
                entries.insert(at, name.clone());
            }
            None => {}
        }
    }
    entries
}

/// Whether what is mounted at `path` gives way to the change.
fn gives_way(path: &str, change: &ContainerChange) -> bool {
    change.mounts.iter().any(|(_, target)| is_at_or_under(path, target))
}

/// Whether `path` is `root` or below it.
pub(super) fn is_at_or_under(path: &str, root: &str) -> bool {
    let rest = trimmed(path).strip_prefix(trimmed(root));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn trimmed(path: &str) -> &str {
    path.trim_end_matches('/')
}

/// Puts the mounts into `host`: those asked for by name as they were, the anonymous ones and those
/// that came from another container by the name or the path that they got, and those of the change.
fn mount(host: &mut HostConfig, points: &[MountPoint], change: &ContainerChange) {
    let stays = |target: Option<&str>| target.is_some_and(|target| !gives_way(target, change));
    if let Some(binds) = &mut host.binds {
        binds.retain(|bind| stays(target_of_bind(bind)));
    }
    if let Some(tmpfs) = &mut host.tmpfs {
        tmpfs.retain(|target, _| stays(Some(target)));
    }
    let mut mounts = host.mounts.take().unwrap_or_default();
    let is_anonymous = |mount: &Mount| {
        mount.typ == Some(MountType::VOLUME) && mount.source.as_deref().is_none_or(str::is_empty)
    };
    mounts.retain(|mount| stays(mount.target.as_deref()) && !is_anonymous(mount));
    // The other container may be gone by now, and its mounts are in the list below.
    host.volumes_from = None;

    let asked: Vec<String> = host
        .binds
        .iter()
        .flatten()
        .filter_map(|bind| target_of_bind(bind))
        .chain(mounts.iter().filter_map(|mount| mount.target.as_deref()))
        .chain(host.tmpfs.iter().flatten().map(|(target, _)| target.as_str()))
        .map(|target| trimmed(target).to_owned())
        .collect();
    for point in points {
        let target = point.destination.as_deref().unwrap_or_default();
        if stays(Some(target)) && !asked.iter().any(|asked| asked == trimmed(target)) {
            mounts.extend(carried_over(point));
        }
    }
    for (volume, target) in &change.mounts {
        mounts.push(Mount {
            typ: Some(MountType::VOLUME),
            source: Some(volume.clone()),
            target: Some(trimmed(target).to_owned()),
            ..Mount::default()
        });
    }
    host.mounts = Some(mounts);
}

/// A mount as it is, by name.
fn carried_over(point: &MountPoint) -> Option<Mount> {
    let named = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    let (typ, source) = match point.typ.as_deref()? {
        "volume" => (MountType::VOLUME, named(&point.name)?),
        "bind" => (MountType::BIND, named(&point.source)?),
        _ => return None,
    };
    let is_volume = typ == MountType::VOLUME;
    let propagation = named(&point.propagation)
        .and_then(|mode| serde_json::from_value(serde_json::Value::String(mode)).ok());
    Some(Mount {
        typ: Some(typ),
        source: Some(source),
        target: point.destination.clone(),
        read_only: Some(point.rw == Some(false)),
        // It holds what it held: an empty one is not filled from the image again.
        volume_options: is_volume
            .then(|| MountVolumeOptions { no_copy: Some(true), ..MountVolumeOptions::default() }),
        bind_options: (!is_volume)
            .then(|| MountBindOptions { propagation, ..MountBindOptions::default() }),
        ..Mount::default()
    })
}

/// The target in `SOURCE:/target[:options]`. A source may be a Windows path with a colon of its
/// own.
fn target_of_bind(bind: &str) -> Option<&str> {
    bind.match_indices(':').find_map(|(at, _)| {
        let target = bind[at + 1..].split(':').next().unwrap_or_default();
        // `d:/convex/data` is a volume, `d:/convex/data:/target` a drive.
        let is_drive = at == 1 && bind[at + 1..].contains(":/");
        (target.starts_with('/') && !is_drive).then_some(target)
    })
}

/// The engine shows `/db:/web/alias` for what was asked for as `db:alias`.
fn legacy_link(link: &str) -> String {
    match link.split_once(':') {
        Some((container, alias)) => format!(
            "{}:{}",
            container.trim_start_matches('/'),
            alias.rsplit('/').next().unwrap_or(alias)
        ),
        None => link.trim_start_matches('/').to_owned(),
    }
}

type Endpoints = HashMap<String, EndpointSettings>;

/// The network that the container is made in (its endpoint, where that takes settings at all), and
/// the further ones.
fn network(
    host: &mut HostConfig,
    old: &ContainerInspectResponse,
) -> (Option<Endpoints>, Vec<(String, EndpointSettings)>) {
    let all = old.network_settings.as_ref().and_then(|settings| settings.networks.clone());
    let mut all: Vec<(String, EndpointSettings)> = all.unwrap_or_default().into_iter().collect();
    all.sort_by(|a, b| a.0.cmp(&b.0));
    let mode = host.network_mode.clone().unwrap_or_default();
    if mode.starts_with("container:") || matches!(mode.as_str(), "host" | "none") {
        return (None, Vec::new());
    }
    let called = |name: &str, settings: &EndpointSettings| {
        let default = matches!(mode.as_str(), "" | "default" | "bridge") && name == "bridge";
        default || name == mode || settings.network_id.as_deref() == Some(mode.as_str())
    };
    let primary = match all.iter().position(|(name, settings)| called(name, settings)) {
        Some(at) => at,
        // It was disconnected from the network that it was made in.
        None => match all.first() {
            Some((name, _)) => {
                host.network_mode = Some(name.clone());
                0
            }
            None => return (None, Vec::new()),
        },
    };
    let (name, settings) = all.remove(primary);
    let further =
        all.into_iter().map(|(name, settings)| (name, asked_for(settings, short(old)))).collect();
    // The default network takes neither aliases nor addresses.
    let endpoints =
        (name != "bridge").then(|| Endpoints::from([(name, asked_for(settings, short(old)))]));
    (endpoints, further)
}

/// What of an endpoint was asked for.
fn asked_for(settings: EndpointSettings, short: &str) -> EndpointSettings {
    let is_set = |ipam: &EndpointIpamConfig| {
        let set = |text: &Option<String>| text.as_deref().is_some_and(|text| !text.is_empty());
        set(&ipam.ipv4_address)
            || set(&ipam.ipv6_address)
            || ipam.link_local_ips.as_ref().is_some_and(|ips| !ips.is_empty())
    };
    let derived = settings.ip_address.as_deref().and_then(derived_mac_address);
    EndpointSettings {
        mac_address: settings
            .mac_address
            .filter(|address| !address.is_empty() && Some(address) != derived.as_ref()),
        ipam_config: settings.ipam_config.filter(is_set),
        links: settings.links,
        aliases: settings
            .aliases
            .map(|aliases| aliases.into_iter().filter(|alias| alias != short).collect()),
        driver_opts: settings.driver_opts,
        gw_priority: settings.gw_priority,
        ..EndpointSettings::default()
    }
}

/// The MAC address that the engine makes of an IP address where none was asked for (until Docker
/// 28).
fn derived_mac_address(ip: &str) -> Option<String> {
    let octets = ip.parse::<std::net::Ipv4Addr>().ok()?.octets();
    let octets: Vec<String> = octets.iter().map(|octet| format!("{octet:02x}")).collect();
    Some(format!("02:42:{}", octets.join(":")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value as Json, json};

    /// What Docker 20.10 showed of three containers: one of a Compose file that uses much, one with
    /// the volumes of another, one in the network of another.
    const INSPECTED: &str = include_str!("../../../fixtures/containers-inspected.json");

    fn inspected(name: &str) -> ContainerInspectResponse {
        let mut all: Json = serde_json::from_str(INSPECTED).unwrap();
        serde_json::from_value(all[name].take()).unwrap()
    }

    fn made(
        old: &ContainerInspectResponse,
        change: &ContainerChange,
    ) -> (Json, Vec<(String, Json)>) {
        let image = Image {
            reference: "ghcr.io/get-convex/convex-backend:latest".to_owned(),
            environment: vec!["PATH=/bin".to_owned()],
        };
        let alike = alike(old, &image, change, &[("fix", "1".to_owned())]);
        let further = alike.networks.into_iter();
        let further = further.map(|(name, it)| (name, serde_json::to_value(it).unwrap()));
        (serde_json::to_value(alike.body).unwrap(), further.collect())
    }

    /// By their targets.
    fn sorted(mounts: &mut Json) -> Json {
        let mounts = mounts.as_array_mut().unwrap();
        mounts.sort_by_key(|mount| mount["Target"].as_str().map(str::to_owned));
        mounts.clone().into()
    }

    fn mounts(change: &ContainerChange) -> Json {
        sorted(&mut made(&inspected("compose"), change).0["HostConfig"]["Mounts"])
    }

    #[test]
    fn without_a_change_everything_that_was_asked_for_is_asked_for_again() {
        let old = inspected("compose");
        let (mut body, further) = made(&old, &ContainerChange::default());
        let mut host = serde_json::to_value(&old.host_config).unwrap();
        host.as_object_mut().unwrap().remove("ContainerIDFile");
        // The anonymous volume is mounted by its name, and comes last.
        let anonymous = old
            .mounts
            .as_ref()
            .unwrap()
            .iter()
            .find(|mount| mount.destination.as_deref() == Some("/convex/data"));
        let mounts = host["Mounts"].as_array_mut().unwrap();
        mounts.retain(|mount| mount["Target"] != "/convex/data");
        mounts.push(json!({"Type": "volume", "Target": "/convex/data", "ReadOnly": false,
            "Source": anonymous.unwrap().name, "VolumeOptions": {"NoCopy": true}}));
        for host in [&mut host, &mut body["HostConfig"]] {
            host["Mounts"] = sorted(&mut host["Mounts"]);
        }
        assert_eq!(body["HostConfig"], host);

        let mut config = serde_json::to_value(&old.config).unwrap();
        config["Labels"]["fix"] = json!("1");
        let networks = body["NetworkingConfig"].take();
        let body = body.as_object_mut().unwrap();
        body.remove("HostConfig");
        body.remove("NetworkingConfig");
        assert_eq!(*body, *config.as_object().unwrap());

        let aliases = |own: &[&str]| json!([own, &["convex-host"]].concat());
        assert_eq!(
            networks,
            json!({"EndpointsConfig": {"rich_back": {
            "Aliases": aliases(&["rich-backend-1", "backend"])}}})
        );
        let front = json!({"IPAMConfig": {"IPv4Address": "10.99.7.10"},
            "Aliases": aliases(&["rich-backend-1", "backend", "convex", "api"])});
        assert_eq!(further, [("rich_front".to_owned(), front)]);
    }

    #[test]
    fn nothing_that_the_engine_shows_is_lost_on_the_way() {
        let all: Json = serde_json::from_str(INSPECTED).unwrap();
        let (body, _) = made(&inspected("compose"), &ContainerChange::default());
        let known = |what: &Json, ours: &Json, gone: &[&str]| {
            let shown = what.as_object().unwrap().iter();
            let lost = shown.filter(|(name, value)| !value.is_null() && ours.get(name).is_none());
            assert_eq!(lost.map(|(name, _)| name.as_str()).collect::<Vec<_>>(), gone);
        };
        known(&all["compose"]["Config"], &body, &[]);
        // Limits of the kernel's own memory: engines ignore them by now, and the file with the id
        // is the command's affair.
        let gone = ["ContainerIDFile", "KernelMemory", "KernelMemoryTCP"];
        known(&all["compose"]["HostConfig"], &body["HostConfig"], &gone);
    }

    #[test]
    fn a_mount_of_the_change_takes_the_place_of_whatever_is_there_or_below() {
        let to = |target: &str| ContainerChange {
            mounts: vec![("new".to_owned(), target.to_owned())],
            ..ContainerChange::default()
        };
        let new = |target: &str| json!({"Type": "volume", "Source": "new", "Target": target});
        let targets = |mounts: &Json| -> Vec<String> {
            let targets = mounts.as_array().unwrap().iter();
            targets.map(|mount| mount["Target"].as_str().unwrap().to_owned()).collect()
        };
        let found = mounts(&to("/convex/data/"));
        assert_eq!(
            targets(&found),
            ["/convex/data", "/opt/named", "/run/secrets/token", "/scratch"]
        );
        assert_eq!(found[0], new("/convex/data"));
        // A parent takes the children's places, one with the same beginning does not.
        let found = mounts(&to("/convex"));
        assert_eq!(targets(&found), ["/convex", "/opt/named", "/run/secrets/token", "/scratch"]);
        let found = mounts(&to("/convex/dat"));
        assert_eq!(targets(&found).len(), 5);
        // Binds and tmpfs give way too, and what the image declares is not asked for twice.
        let old = inspected("compose");
        let mut both = to("/run");
        both.mounts.extend(to("/etc/cfg").mounts);
        let (body, _) = made(&old, &both);
        assert_eq!(body["HostConfig"]["Binds"], json!([]));
        assert_eq!(body["HostConfig"]["Tmpfs"], json!({}));
        let (body, _) = made(&old, &to("/convex/data"));
        assert_eq!(body["Volumes"], json!({}));
    }

    #[test]
    fn variables_are_set_in_their_place_and_taken_away() {
        let secret = |text: &str| Some(crate::secret::Secret::new(text));
        let old = ["A=1", "BARE", "A=2", "PATH=/bin", "AB=3"].map(str::to_owned).to_vec();
        let image = Image { reference: String::new(), environment: vec!["PATH=/bin".to_owned()] };
        for (changes, expected) in [
            (vec![], "A=1 BARE A=2 PATH=/bin AB=3"),
            (vec![("A", secret("x"))], "A=x BARE PATH=/bin AB=3"),
            (vec![("A", None)], "BARE PATH=/bin AB=3"),
            (vec![("BARE", secret("s=t"))], "A=1 BARE=s=t A=2 PATH=/bin AB=3"),
            (
                vec![("NEW", secret("")), ("NEWER", secret("y"))],
                "A=1 BARE A=2 PATH=/bin AB=3 NEW= NEWER=y",
            ),
            (vec![("PATH", None)], "A=1 BARE A=2 PATH AB=3"),
            (vec![("GONE", None)], "A=1 BARE A=2 PATH=/bin AB=3"),
        ] {
            let environment =
                changes.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
            let change = ContainerChange { environment, ..ContainerChange::default() };
            assert_eq!(super::environment(old.clone(), &image, &change).join(" "), expected);
        }
    }

    #[test]
    fn mounts_of_another_container_are_asked_for_themselves() {
        let old = inspected("volumes-from");
        let (body, further) = made(&old, &ContainerChange::default());
        let host = &body["HostConfig"];
        assert_eq!(host["VolumesFrom"], Json::Null);
        let anonymous = old.mounts.unwrap().pop().unwrap().name;
        let volume = |source: Json, target: &str| {
            json!({"Type": "volume", "Source": source, "Target": target, "ReadOnly": true,
                "VolumeOptions": {"NoCopy": true}})
        };
        let bind = json!({"Type": "bind", "Source": "/srv/rich/cfg", "Target": "/cfg",
            "ReadOnly": true, "BindOptions": {"Propagation": "rprivate"}});
        let donated = volume(json!("donated"), "/donated");
        assert_eq!(
            host["Mounts"],
            json!([donated, bind, volume(json!(anonymous), "/convex/data")])
        );
        // The host name was the engine's own, and the default network takes no settings.
        assert_eq!(body.get("Hostname"), None);
        assert_eq!(body.get("NetworkingConfig"), None);
        assert_eq!(host["NetworkMode"], "default");
        assert_eq!(further, []);
    }

    #[test]
    fn who_is_in_the_network_of_another_has_no_names_and_ports_of_its_own() {
        let old = inspected("joined");
        let (body, further) = made(&old, &ContainerChange::default());
        assert!(body["HostConfig"]["NetworkMode"].as_str().unwrap().starts_with("container:"));
        for absent in ["Hostname", "ExposedPorts", "NetworkingConfig"] {
            assert_eq!(body.get(absent), None, "{absent}");
        }
        assert_eq!(body["HostConfig"].get("PortBindings"), None);
        assert_eq!(further, []);
    }

    #[test]
    fn a_network_that_it_was_disconnected_from_is_not_joined_again() {
        let mut old = inspected("compose");
        let networks = old.network_settings.as_mut().unwrap().networks.as_mut().unwrap();
        networks.remove("rich_back");
        let (body, further) = made(&old, &ContainerChange::default());
        assert_eq!(body["HostConfig"]["NetworkMode"], "rich_front");
        assert!(body["NetworkingConfig"]["EndpointsConfig"]["rich_front"].is_object());
        assert_eq!(further, []);
    }

    #[test]
    fn a_mac_address_is_kept_where_it_was_chosen() {
        for (shown, kept) in [
            ("02:42:ac:1f:00:03", None),
            ("02:11:22:33:44:55", Some("02:11:22:33:44:55")),
            ("", None),
        ] {
            let settings = json!({"MacAddress": shown, "IPAddress": "172.31.0.3"});
            let settings = serde_json::from_value(settings).unwrap();
            assert_eq!(asked_for(settings, "").mac_address.as_deref(), kept);
        }
    }

    #[test]
    fn odd_binds_and_links_are_understood() {
        for (bind, target) in [
            ("data:/convex/data", Some("/convex/data")),
            ("data:/convex/data:ro,nocopy", Some("/convex/data")),
            ("/srv/a:/convex/data:rw", Some("/convex/data")),
            ("d:/convex/data", Some("/convex/data")),
            ("d:/convex/data:rw", Some("/convex/data")),
            (r"C:\Users\x:/convex/data:rw", Some("/convex/data")),
            ("C:/Users/x:/convex/data:rw", Some("/convex/data")),
            ("nonsense", None),
        ] {
            assert_eq!(target_of_bind(bind), target, "{bind}");
        }
        assert_eq!(legacy_link("/db:/web/database"), "db:database");
        assert_eq!(legacy_link("db"), "db");
    }
}
