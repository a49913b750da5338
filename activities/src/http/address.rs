//! Which addresses are on the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// IPv4 networks that are not public: the special-purpose registry (RFC 6890 and its updates), multicast and what is reserved, as
/// (network, prefix length).
const NOT_PUBLIC_V4: &[([u8; 4], u32)] = &[
    ([0, 0, 0, 0], 8),
    ([10, 0, 0, 0], 8),
    ([100, 64, 0, 0], 10),
    ([127, 0, 0, 0], 8),
    // Link-local, where most clouds keep their metadata service.
    ([169, 254, 0, 0], 16),
    ([172, 16, 0, 0], 12),
    ([192, 0, 0, 0], 24),
    ([192, 0, 2, 0], 24),
    ([192, 88, 99, 0], 24),
    ([192, 168, 0, 0], 16),
    ([198, 18, 0, 0], 15),
    ([198, 51, 100, 0], 24),
    ([203, 0, 113, 0], 24),
    ([224, 0, 0, 0], 4),
    ([240, 0, 0, 0], 4),
    // Azure's platform service: a public address that is answered from inside the host.
    ([168, 63, 129, 16], 32),
];

/// IPv6 networks inside 2000::/3 that are not public: protocol assignments with Teredo, documentation, 6to4.
const NOT_PUBLIC_V6: &[([u16; 8], u32)] = &[
    ([0x2001, 0, 0, 0, 0, 0, 0, 0], 23),
    ([0x2001, 0xdb8, 0, 0, 0, 0, 0, 0], 32),
    ([0x2002, 0, 0, 0, 0, 0, 0, 0], 16),
    ([0x3fff, 0, 0, 0, 0, 0, 0, 0], 20),
];

/// Whether an address is on the public internet. IPv4 addresses inside IPv6 ones (mapped, NAT64) are judged as what they stand for.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(ip) => is_public_v4(ip),
        IpAddr::V6(ip) => is_public_v6(ip),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let bits = u32::from(ip);
    !NOT_PUBLIC_V4.iter().any(|(network, prefix)| (bits ^ u32::from(Ipv4Addr::from(*network))) >> (32 - prefix) == 0)
}

fn is_public_v6(ip: Ipv6Addr) -> bool {
    if let Some(mapped) = ip.to_ipv4_mapped() {
        return is_public_v4(mapped);
    }
    let bits = u128::from(ip);
    // NAT64's well-known prefix, 64:ff9b::/96: the last four bytes are the IPv4 address that is reached.
    if bits >> 32 == u128::from(Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, 0, 0)) >> 32 {
        #[expect(clippy::cast_possible_truncation, reason = "the last 32 bits are what is wanted")]
        return is_public_v4(Ipv4Addr::from(bits as u32));
    }
    bits >> 125 == 1 && !NOT_PUBLIC_V6.iter().any(|(network, prefix)| (bits ^ u128::from(Ipv6Addr::from(*network))) >> (128 - prefix) == 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn public(text: &str) -> bool {
        is_public(text.parse().unwrap())
    }

    #[test]
    fn the_edges_of_every_network_are_where_they_should_be() {
        for (inside, outside) in [
            ("0.255.255.255", "1.0.0.0"),
            ("10.0.0.0", "9.255.255.255"),
            ("10.255.255.255", "11.0.0.0"),
            ("100.64.0.0", "100.63.255.255"),
            ("100.127.255.255", "100.128.0.0"),
            ("127.255.255.255", "128.0.0.0"),
            ("169.254.169.254", "169.253.255.255"),
            ("172.16.0.0", "172.15.255.255"),
            ("172.31.255.255", "172.32.0.0"),
            ("192.0.0.192", "192.0.1.0"),
            ("192.168.255.255", "192.169.0.0"),
            ("198.19.255.255", "198.20.0.0"),
            ("224.0.0.1", "223.255.255.255"),
            ("255.255.255.255", "8.8.8.8"),
            ("168.63.129.16", "168.63.129.17"),
            ("::1", "2606:4700::1111"),
            ("::", "2a00:1450::1"),
            ("fd00:ec2::254", "2620:fe::fe"),
            ("fe80::1", "2001:4860:4860::8888"),
            ("fec0::1", "2400::1"),
            ("ff02::1", "2001:200::1"),
            ("2001::1", "2001:db9::1"),
            ("2001:db8::1", "2003::1"),
            ("2002:7f00:1::", "2001:470::1"),
            ("3fff::1", "3fff:1000::1"),
            ("::ffff:127.0.0.1", "::ffff:8.8.8.8"),
            ("64:ff9b::a00:1", "64:ff9b::808:808"),
            ("64:ff9b:1::1", "2001:200::"),
            ("::7f00:1", "2000::1"),
        ] {
            assert!(!public(inside), "{inside} is not public");
            assert!(public(outside), "{outside} is public");
        }
    }

    proptest! {
        // The standard library's own predicates, where they are stable, must never be contradicted.
        #[test]
        fn nothing_that_the_standard_library_calls_local_is_public(bits in any::<u32>(), network in 0..NOT_PUBLIC_V4.len()) {
            let (start, prefix) = NOT_PUBLIC_V4[network];
            let host_bits = if prefix == 32 { 0 } else { bits & (u32::MAX >> prefix) };
            prop_assert!(!is_public_v4(Ipv4Addr::from(u32::from(Ipv4Addr::from(start)) | host_bits)));
            let ip = Ipv4Addr::from(bits);
            if ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_multicast() || ip.is_broadcast() || ip.is_documentation() || ip.is_unspecified() {
                prop_assert!(!is_public_v4(ip));
            }
            prop_assert_eq!(is_public(IpAddr::V6(ip.to_ipv6_mapped())), is_public_v4(ip));
        }

        #[test]
        fn no_ipv6_outside_the_global_range_is_public(bits in any::<u128>()) {
            let ip = Ipv6Addr::from(bits);
            if ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local() || ip.is_multicast() || ip.is_unspecified() {
                prop_assert!(!is_public_v6(ip));
            }
            prop_assert!(!is_public_v6(Ipv6Addr::from(bits >> 7 | 0xfc << 120)), "unique local");
            prop_assert!(!is_public_v6(Ipv6Addr::from(bits >> 10 | 0xfe80 << 112)), "link local");
        }
    }
}
