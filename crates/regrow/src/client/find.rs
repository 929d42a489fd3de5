//! Where the gateways are, and the token that they ask for.

use std::time::Duration;

use crate::cli::Target;
use crate::config::Auth;
use crate::state::State;
use crate::store_url::StoreUrl;
use crate::wiring;

/// The token: the one that was given, the configured one, or the generated one.
pub(super) fn token(state: &State, target: &Target) -> anyhow::Result<Option<String>> {
    if let Some(token) = &target.token {
        return Ok(Some(token.clone()));
    }
    match state.config.gateway.auth.effective() {
        Auth::Token(secret) | Auth::Password(secret) => Ok(Some(secret.expose().to_owned())),
        Auth::None => state.present_token(),
    }
}

/// The configured address, and every replica that the store knows.
pub(super) async fn known(state: &State) -> Vec<String> {
    let mut urls = vec![format!("http://{}", local(state.config.gateway.listen_address()))];
    let present = state.store().is_ok_and(|url| match url {
        StoreUrl::Sqlite(path) => path.exists(),
        StoreUrl::Postgres(_) => true,
    });
    if present && let Ok(store) = wiring::store(state, Duration::ZERO).await {
        for replica in store.list_replicas().await.unwrap_or_default() {
            let url = format!("http://{}", replica.address);
            if !replica.address.is_empty() && !urls.contains(&url) {
                urls.push(url);
            }
        }
    }
    urls
}

/// An address to connect to for one to listen on.
pub(crate) fn local(mut address: std::net::SocketAddr) -> std::net::SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(std::net::Ipv4Addr::LOCALHOST.into());
    }
    address
}
