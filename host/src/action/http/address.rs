//! Which addresses a name may lead to.
//!
//! Promises: pure; an address that carries another one inside (mapped, translated) is judged by that one; what this table does not know as
//! public is not public. The tables are IANA's special-purpose registries for IPv4 and IPv6, and what clouds answer for metadata.

use crate::handler::manifest::{
    HttpGrant,
    url::{Host, Url},
};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How far away an address is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Anywhere in the internet.
    Public,
    /// This host, this site, this cluster.
    Private,
    /// This link, or the cloud's metadata, whose answers are credentials: only by its literal address.
    Link,
    /// Nowhere a request could sensibly go: unspecified (which is this host), multicast, reserved.
    Nowhere,
}

/// Metadata services at addresses that look like others: Azure's, Alibaba's, Oracle's old one.
const METADATA: [Ipv4Addr; 3] =
    [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];
/// The prefix of addresses that translators make of IPv4 ones (RFC 6052).
const TRANSLATED: [u16; 6] = [0x64, 0xff9b, 0, 0, 0, 0];
/// AWS' metadata service over IPv6.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254);

/// How far away `address` is.
pub(super) fn reach(address: IpAddr) -> Reach {
    match address {
        IpAddr::V4(address) => reach_v4(address),
        IpAddr::V6(address) => reach_v6(address),
    }
}

/// Whether `grant` lets a request to `url` connect to `address`; else why not.
pub(super) fn check(grant: &HttpGrant, url: &Url, address: IpAddr) -> Result<(), &'static str> {
    let reach = reach(address);
    match &url.host {
        _ if reach == Reach::Nowhere => Err("is an address that no server can have"),
        // The grant covers the URL, so it names this very address.
        Host::Address(_) => Ok(()),
        Host::Name(_) if reach == Reach::Public => Ok(()),
        Host::Name(_) if reach == Reach::Link => {
            Err("is an address of this link or of a cloud's metadata; grant it as a literal address if it is meant")
        }
        Host::Name(name) if name == "localhost" && address.is_loopback() => Ok(()),
        Host::Name(_) if grant.private => Ok(()),
        Host::Name(_) => Err("is a private address; write the grant as { url: …, private: true } if it is meant"),
    }
}

fn reach_v4(address: Ipv4Addr) -> Reach {
    match address.octets() {
        _ if METADATA.contains(&address) => Reach::Link,
        [169, 254, ..] => Reach::Link,
        [0 | 224..=255, ..] => Reach::Nowhere,
        [10, ..] | [127, ..] | [192, 168, ..] | [172, 16..=31, ..] | [100, 64..=127, ..] => Reach::Private,
        // Protocol assignments, documentation, the old 6to4 relay, benchmarks.
        [192, 0, 0 | 2, _] | [192, 88, 99, _] | [198, 18..=19, ..] | [198, 51, 100, _] | [203, 0, 113, _] => {
            Reach::Private
        }
        _ => Reach::Public,
    }
}

fn reach_v6(address: Ipv6Addr) -> Reach {
    if let Some(inner) = address.to_ipv4_mapped() {
        return reach_v4(inner);
    }
    let parts = address.segments();
    if parts[..6] == TRANSLATED {
        let [.., a, b, c, d] = address.octets();
        return reach_v4(Ipv4Addr::new(a, b, c, d));
    }
    match parts {
        _ if address == METADATA_V6 => Reach::Link,
        _ if address.is_unspecified() => Reach::Nowhere,
        [0xff00..=0xffff, ..] => Reach::Nowhere,
        [0xfe80..=0xfebf, ..] => Reach::Link,
        // Documentation, protocol assignments with Teredo, and 6to4, which carries an IPv4 address that nobody checks.
        [0x2001, 0xdb8, ..] | [0x2001, 0..=0x1ff, ..] | [0x2002, ..] | [0x3fff, 0..=0xfff, ..] => Reach::Private,
        [0x2000..=0x3fff, ..] => Reach::Public,
        // Loopback, unique local, and all that has not been handed out yet.
        _ => Reach::Private,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_that_is_not_public_is_known() {
        for (addresses, expected) in [
            (
                "1.1.1.1 9.255.255.255 172.15.0.1 172.32.0.1 100.63.0.1 100.128.0.1 223.255.255.1 2606:4700::1 2a00::1",
                Reach::Public,
            ),
            ("::ffff:1.1.1.1 64:ff9b::101:101", Reach::Public),
            (
                "10.0.0.1 127.0.0.1 127.255.0.1 172.16.0.1 172.31.255.255 192.168.0.1 100.64.0.1 192.0.2.1 198.18.0.1",
                Reach::Private,
            ),
            (
                "::1 fc00::1 fdff::1 fec0::1 ::ffff:10.0.0.1 ::ffff:127.0.0.1 64:ff9b::7f00:1 64:ff9b:1::1 ::7f00:1",
                Reach::Private,
            ),
            ("2001:db8::1 2001::1 2002:7f00:1::1 3fff::1 100::1 4000::1", Reach::Private),
            ("169.254.169.254 169.254.0.1 168.63.129.16 100.100.100.200 192.0.0.192 fe80::1 febf::1", Reach::Link),
            ("fd00:ec2::254 ::ffff:169.254.169.254 64:ff9b::a9fe:a9fe", Reach::Link),
            ("0.0.0.0 0.1.2.3 224.0.0.1 240.0.0.1 255.255.255.255 :: ff02::1 ::ffff:0.0.0.0", Reach::Nowhere),
        ] {
            for address in addresses.split(' ') {
                assert_eq!(reach(address.parse().unwrap()), expected, "{address}");
            }
        }
    }

    #[test]
    fn a_private_address_needs_a_grant_that_says_so_and_a_link_local_one_its_own_name() {
        let allowed = |url: &str, private: bool, address: &str| {
            let grant = HttpGrant { private, ..HttpGrant::plain(url).unwrap() };
            check(&grant, &Url::parse(url).unwrap(), address.parse().unwrap()).is_ok()
        };
        assert!(allowed("https://a.example/", false, "1.1.1.1"));
        for address in ["10.0.0.1", "127.0.0.1", "::1", "::ffff:10.0.0.1", "fd00::1"] {
            assert!(!allowed("https://a.example/", false, address), "{address}");
            assert!(allowed("https://a.example/", true, address), "{address}");
        }
        for address in ["169.254.169.254", "fe80::1", "::ffff:169.254.169.254", "fd00:ec2::254", "0.0.0.0"] {
            assert!(!allowed("https://a.example/", true, address), "{address}");
        }
        assert!(
            allowed("http://10.0.0.1/", false, "10.0.0.1")
                && allowed("http://169.254.169.254/", false, "169.254.169.254")
        );
        assert!(!allowed("http://0.0.0.0/", true, "0.0.0.0") && !allowed("http://[::]/", true, "::"));
        assert!(allowed("http://localhost/", false, "127.0.0.1") && !allowed("http://localhost/", false, "10.0.0.1"));
    }
}
