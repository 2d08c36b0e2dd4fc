//! Starting a Docker engine that is not running.

use crate::evidence::docker::FailedEngine;
use crate::report::Remedy;

/// The socket of the Docker that the system starts.
pub(crate) const SYSTEM_SOCKET: &str = "unix:///var/run/docker.sock";

/// The step that starts Docker. Docker Desktop and a rootless Docker have other sockets, and are not
/// services of the system.
pub(crate) fn start_docker(engine: &FailedEngine) -> Remedy {
    let docker = Remedy::safe("Start Docker (or open Docker Desktop)").step();
    if engine.address == SYSTEM_SOCKET { docker.run("sudo systemctl start docker") } else { docker }
}
