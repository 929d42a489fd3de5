//! Resolves names to public addresses only. It sits inside the HTTP client, so what is checked is what is connected
//! to: a name that answers differently the second time gains nothing.

use std::net::SocketAddr;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::address::is_public;

/// The system's resolver without the addresses that are not public.
pub(super) struct PublicResolver;

/// A name has addresses, but none that may be reached.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` has no public address, and only those can be fetched")]
pub(super) struct NotPublic(String);

impl Resolve for PublicResolver {
    fn resolve(&self, name: Name) -> Resolving {
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let addresses: Addrs = Box::new(public_only(name.as_str(), found)?.into_iter());
            Ok(addresses)
        })
    }
}

fn public_only(name: &str, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, NotPublic> {
    let public: Vec<SocketAddr> = found.filter(|address| is_public(address.ip())).collect();
    if public.is_empty() { Err(NotPublic(name.to_owned())) } else { Ok(public) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(list: &[&str]) -> Vec<SocketAddr> {
        list.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0)).collect()
    }

    #[test]
    fn only_public_addresses_remain() {
        for (found, want) in [
            (vec!["8.8.8.8", "10.0.0.1", "2606:4700::1111"], Ok(vec!["8.8.8.8", "2606:4700::1111"])),
            (vec!["127.0.0.1", "::1"], Err(NotPublic("name".into()))),
            (vec![], Err(NotPublic("name".into()))),
        ] {
            let result = public_only("name", addresses(&found).into_iter());
            assert_eq!(result, want.map(|list| addresses(&list)), "{found:?}");
        }
    }

    #[tokio::test]
    async fn localhost_is_not_public() {
        let result = PublicResolver.resolve("localhost".parse().unwrap()).await;
        assert!(result.is_err_and(|error| error.is::<NotPublic>()));
    }
}
