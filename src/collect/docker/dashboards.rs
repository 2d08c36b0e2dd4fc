//! Which dashboards belong to the project, by the list of containers alone.

use super::summary::{in_project, is_running, name_of, sight};
use super::{Listing, WantedObjects, container, recognise};

/// The port of a dashboard inside its container.
const DASHBOARD_PORT: u16 = 6791;

/// The running dashboards of the project that publish their page on all addresses or on loopback:
/// name and port.
pub fn dashboards(listing: &Listing, wanted: &WantedObjects<'_>) -> Vec<(String, u16)> {
    let ours = listing
        .containers
        .iter()
        .filter(|summary| is_running(summary) && in_project(summary, wanted))
        .filter(|summary| recognise::is_dashboard(sight(summary)));
    ours.filter_map(|summary| {
        let port = summary.ports.iter().flatten().find(|port| {
            let ip = container::host_ip(port.ip.as_deref());
            port.private_port == DASHBOARD_PORT
                && port.public_port.is_some()
                && matches!(ip.as_str(), "" | "0.0.0.0" | "127.0.0.1")
        })?;
        Some((name_of(summary), port.public_port?))
    })
    .collect()
}
