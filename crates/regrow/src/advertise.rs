//! Where peers reach this replica: what it writes into the store about itself. Live text of a run on another replica comes
//! from there.
//!
//! What is said counts: `--advertise`, `REGROW_ADVERTISE` or `regrow.advertise`. Otherwise it follows from where the replica
//! listens. A wrong address breaks no promise: whoever follows a run from elsewhere sees its text late.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// The variable by which Kubernetes can tell a pod its own address (`fieldRef: status.podIP`).
pub(crate) const POD_IP: &str = "POD_IP";

/// Addresses that are reserved for documentation: nobody is there, and the way to them is the way out.
const OUT: [(IpAddr, IpAddr); 2] = [
    (IpAddr::V4(Ipv4Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::new(203, 0, 113, 1))),
    (IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1))),
];

/// An address as somebody said it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advertised {
    /// A name or an address, as it stands in a URL.
    host: String,
    /// The port, if it is not the one that is listened on.
    port: Option<u16>,
}

impl Advertised {
    /// Reads `HOST` or `HOST:PORT`; the error says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, &'static str> {
        if let Ok(ip) = text.parse::<IpAddr>() {
            return Self::of_ip(ip, None);
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Self::of_ip(address.ip(), Some(address.port()));
        }
        let (host, port) = text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port)));
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
        let is_number = port.is_none_or(|port| port.bytes().all(|digit| digit.is_ascii_digit()));
        if host.is_empty() || !host.chars().all(is_name) || !is_number {
            return Err("expected a host and perhaps a port, such as \"10.0.0.7\" or \"replica-1:18789\"");
        }
        // A number that is too large is no port either.
        Self::new(host.to_owned(), port.map(|port| port.parse().unwrap_or(0)))
    }

    fn of_ip(ip: IpAddr, port: Option<u16>) -> Result<Self, &'static str> {
        match ip {
            _ if ip.is_unspecified() => Err("this means every interface; name the one that peers reach"),
            IpAddr::V4(ip) => Self::new(ip.to_string(), port),
            IpAddr::V6(ip) => Self::new(format!("[{ip}]"), port),
        }
    }

    fn new(host: String, port: Option<u16>) -> Result<Self, &'static str> {
        if port == Some(0) {
            return Err("the port must be from 1 to 65535");
        }
        Ok(Self { host, port })
    }
}

/// The address, for a replica that listens at `listening`: what was said, else the address that it listens at; if those are
/// all of the machine's, the pod's, else that of the interface on the way out, else the loopback.
pub(crate) fn address(
    said: Option<&Advertised>,
    listening: SocketAddr,
    pod_ip: Option<&str>,
    outward: impl FnOnce() -> Option<IpAddr>,
) -> String {
    if let Some(Advertised { host, port }) = said {
        return format!("{host}:{}", port.unwrap_or(listening.port()));
    }
    if !listening.ip().is_unspecified() {
        return listening.to_string();
    }
    let pod = pod_ip.and_then(|ip| ip.parse().ok()).filter(|ip: &IpAddr| !ip.is_unspecified());
    let ip = pod.or_else(outward).unwrap_or(Ipv4Addr::LOCALHOST.into());
    SocketAddr::new(ip, listening.port()).to_string()
}

/// The address of the interface on the way out of this machine. Nothing is sent: for UDP, connecting only looks up the way.
pub(crate) fn outward() -> Option<IpAddr> {
    let find = |(from, to): (IpAddr, IpAddr)| {
        let socket = UdpSocket::bind((from, 0)).ok()?;
        socket.connect((to, 9)).ok()?;
        Some(socket.local_addr().ok()?.ip()).filter(|ip| !ip.is_unspecified() && !ip.is_loopback())
    };
    OUT.into_iter().find_map(find)
}

/// Only this machine reaches this address.
pub(crate) fn is_loopback(address: &str) -> bool {
    let ip = address.parse().map(|address: SocketAddr| address.ip());
    ip.map_or_else(|_| address.split(':').next() == Some("localhost"), |ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTWARD: Option<IpAddr> = Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 7)));

    fn derived(said: Option<&str>, listening: &str, pod_ip: Option<&str>, outward: Option<IpAddr>) -> String {
        let said = said.map(|text| Advertised::parse(text).unwrap());
        address(said.as_ref(), listening.parse().unwrap(), pod_ip, || outward)
    }

    #[test]
    fn what_is_said_counts_and_its_port_is_the_listeners() {
        for (said, want) in [
            ("10.1.2.3", "10.1.2.3:80"),
            ("10.1.2.3:9", "10.1.2.3:9"),
            ("replica-1.svc", "replica-1.svc:80"),
            ("replica_1:65535", "replica_1:65535"),
            ("fd00::7", "[fd00::7]:80"),
            ("[fd00::7]:9", "[fd00::7]:9"),
        ] {
            for listening in ["0.0.0.0:80", "127.0.0.1:80", "[::]:80"] {
                assert_eq!(derived(Some(said), listening, Some("10.9.9.9"), OUTWARD), want);
            }
        }
    }

    #[test]
    fn otherwise_it_follows_from_where_the_replica_listens() {
        for (listening, pod_ip, outward, want) in [
            ("127.0.0.1:80", Some("10.9.9.9"), OUTWARD, "127.0.0.1:80"),
            ("192.0.2.5:80", Some("10.9.9.9"), OUTWARD, "192.0.2.5:80"),
            ("0.0.0.0:80", Some("10.9.9.9"), OUTWARD, "10.9.9.9:80"),
            ("0.0.0.0:80", Some("fd00::9"), OUTWARD, "[fd00::9]:80"),
            ("0.0.0.0:80", None, OUTWARD, "10.0.0.7:80"),
            ("[::]:80", Some("no address"), OUTWARD, "10.0.0.7:80"),
            ("0.0.0.0:80", Some("0.0.0.0"), None, "127.0.0.1:80"),
            ("[::]:80", None, None, "127.0.0.1:80"),
        ] {
            assert_eq!(derived(None, listening, pod_ip, outward), want, "{listening} {pod_ip:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in
            ["", ":80", "a b", "http://a", "a/b", "user@a", "a:0", "a:70000", "a:b:c", "0.0.0.0", "[::]:80"]
        {
            assert!(Advertised::parse(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn the_way_out_is_never_the_loopback() {
        assert!(outward().is_none_or(|ip| !ip.is_loopback() && !ip.is_unspecified()));
    }

    #[test]
    fn loopback_is_told_from_the_rest() {
        for (address, want) in [
            ("127.0.0.1:1", true),
            ("127.8.0.2:1", true),
            ("[::1]:1", true),
            ("localhost:1", true),
            ("10.0.0.7:1", false),
            ("replica-1:1", false),
            ("", false),
        ] {
            assert_eq!(is_loopback(address), want, "{address}");
        }
    }
}
