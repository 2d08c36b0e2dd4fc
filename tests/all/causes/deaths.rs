//! The deaths of which a backend's log speaks, each in every state in which its container may be
//! seen then.

use super::{CLOSES, Variant};

/// What a backend dies of is the one cause in whatever state its container is seen: `$cause` in the
/// fixture `$base`, which shows it in the state `$state`.
macro_rules! dies {
    ($base:literal, $state:literal, $cause:literal) => {
        &[
            ($base, "restarts no more", $cause, &[("world.json", $state, "exited")]),
            ($base, "again and again", $cause, &[("world.json", $state, "restarting")]),
            (
                $base,
                "between two starts, behind docker-proxy",
                $cause,
                &[("world.json", $state, r#"running", "health": "starting"#), CLOSES],
            ),
        ]
    };
}

/// The deaths of which the log speaks.
pub(super) const DEATHS: &[&[Variant]] = &[
    dies!("backend-crash-explained", "restarting", "backend-crash-explained"),
    dies!("data-not-writable", "exited", "data-not-writable"),
    dies!("disk-full", "restarting", "disk-full"),
    dies!("origin-invalid--quotes", "restarting", "origin-invalid"),
    dies!("s3-incomplete--dies", "restarting", "s3-incomplete"),
    dies!("sql-database-missing", "restarting", "sql-database-missing"),
    dies!("sql-lease-contended", "exited", "sql-lease-contended"),
    dies!("sql-tls", "restarting", "sql-tls"),
    dies!("sql-url-has-path", "restarting", "sql-url-has-path"),
    dies!("storage-switched", "restarting", "storage-switched"),
    dies!("volume-corrupt", "restarting", "volume-corrupt"),
];
