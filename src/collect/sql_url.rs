//! The URL of a SQL server, reduced to what checks ask: no user, no password.

use crate::evidence::compose::SqlUrl;
use crate::secret::sanitize;

/// Reads `scheme://user:password@host:port/path?query`. A `/` in a password that is not
/// percent-encoded ends the authority for the backend, too; what is left is then no host and no
/// path of anybody.
pub(super) fn read(variable: &str, value: &str) -> SqlUrl {
    let rest = value.trim().split_once("://").map_or("", |(_, rest)| rest);
    let rest = rest.split(['?', '#']).next().unwrap_or_default();
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let cut_password = path.contains('@');
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = match host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        Some((address, _)) => address,
        None => host.split(':').next().unwrap_or_default(),
    };
    SqlUrl {
        variable: variable.to_owned(),
        host: (!cut_password && !host.is_empty()).then(|| sanitize(host)),
        has_path: !cut_password && !path.trim_matches('/').is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_the_host_and_a_path_and_never_the_password() {
        for (value, host, has_path) in [
            ("postgres://u:p@db:5432", Some("db"), false),
            ("postgres://u:p@db:5432/", Some("db"), false),
            ("postgres://u:p@db:5432/app", Some("db"), true),
            ("postgres://u:p@db/app?sslmode=disable", Some("db"), true),
            ("postgres://u:p@db?options=a/b", Some("db"), false),
            ("postgres://u:p@[::1]:5432/x", Some("::1"), true),
            ("postgres://u:pa/ss@db:5432", None, false),
            ("postgres://u:p@ss@db:5432", Some("db"), false),
            ("db:5432", None, false),
            ("", None, false),
        ] {
            let url = read("POSTGRES_URL", value);
            assert_eq!((url.host.as_deref(), url.has_path), (host, has_path), "{value}");
        }
    }
}
