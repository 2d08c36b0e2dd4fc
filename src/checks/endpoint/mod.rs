//! Whether the selected URL leads to a Convex API, and what prevents it if not.
//!
//! What several families ask about the endpoint is answered in `deployment::endpoint`.

#[cfg(test)]
mod ablation;
mod asked;
mod backend_age;
mod dashboard_error;
mod dashboards;
mod origin_invalid;
mod origin_mismatch;
mod origins;
mod proxies;
mod proxy_body_too_small;
mod proxy_no_websocket;
mod proxy_strips_authorization;
mod several_backends_behind_url;
mod url_has_path;
mod url_invalid;
mod url_is_other;
mod url_localhost_ipv6;
mod url_placement;
mod url_port_not_published;
mod url_reaches_another_backend;
mod url_redirects;
mod url_tls_failure;
mod url_unreached;
mod who_answers;

use super::Check;

/// The checks of this family.
pub static CHECKS: &[&Check] = &[
    &url_invalid::CHECK,
    &url_has_path::CHECK,
    &url_is_other::SITE_PROXY,
    &url_is_other::DASHBOARD,
    &url_is_other::NOT_CONVEX,
    &url_unreached::CHECK,
    &url_localhost_ipv6::CHECK,
    &url_placement::NETWORK_NAME,
    &url_placement::LOOPBACK,
    &url_port_not_published::CHECK,
    &url_redirects::CHECK,
    &url_reaches_another_backend::CHECK,
    &several_backends_behind_url::CHECK,
    &proxies::INTERCEPTS,
    &proxies::GATEWAY,
    &proxies::LOGIN,
    &proxy_strips_authorization::CHECK,
    &proxy_no_websocket::CHECK,
    &proxy_body_too_small::CHECK,
    &backend_age::TOO_OLD,
    &backend_age::SLOW,
    &origin_mismatch::CLOUD,
    &origin_mismatch::SITE,
    &origin_invalid::CHECK,
    &dashboard_error::CHECK,
    &dashboards::URL,
    &dashboards::KEY,
];
