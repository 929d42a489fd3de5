//! Whose request it is: the peer, or what trusted proxies say.

use std::net::IpAddr;

use http::HeaderMap;

use crate::Network;

/// The client's address: walking `X-Forwarded-For` from the nearest proxy outwards, the first address that is not a
/// trusted proxy. What stands further out was written by that client and proves nothing.
pub(super) fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[Network]) -> IpAddr {
    let mut client = peer.to_canonical();
    if !is_trusted(client, trusted) {
        return client;
    }
    let values = headers.get_all("x-forwarded-for").iter();
    let lines: Vec<&str> = values.filter_map(|value| value.to_str().ok()).collect();
    let hops = lines.iter().rev().flat_map(|line| line.rsplit(','));
    for hop in hops {
        let Ok(address) = hop.trim().parse::<IpAddr>() else { break };
        client = address.to_canonical();
        if !is_trusted(client, trusted) {
            break;
        }
    }
    client
}

fn is_trusted(address: IpAddr, trusted: &[Network]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn believes_trusted_proxies_only() {
        let trusted = ["10.0.0.0/8".parse().unwrap()];
        for (peer, forwarded, want) in [
            ("203.0.113.1", &["198.51.100.1"][..], "203.0.113.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["192.0.2.66, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["198.51.100.1", "10.0.0.2"], "198.51.100.1"),
            ("10.0.0.1", &["nonsense"], "10.0.0.1"),
            ("::ffff:10.0.0.1", &["2001:db8::1"], "2001:db8::1"),
        ] {
            let name = http::HeaderName::from_static("x-forwarded-for");
            let mut headers = HeaderMap::new();
            for hop in forwarded {
                headers.append(&name, hop.parse().unwrap());
            }
            let client = address(peer.parse().unwrap(), &headers, &trusted);
            assert_eq!(client, want.parse::<IpAddr>().unwrap(), "{peer} {forwarded:?}");
        }
    }
}
