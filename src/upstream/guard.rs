//! Which addresses may be dialled (D-17): decided on the address itself, after resolution, whatever its name was.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use ipnet::IpNet;
use smallvec::SmallVec;

use crate::base::host::{Authority, Host};

/// What `localhost` stands for.
pub const LOOPBACK: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];

/// The check that every outbound address passes.
#[derive(Clone, Debug, Default)]
pub struct Guard {
    allowed: Vec<IpNet>,
    own: Vec<SocketAddr>,
}

impl Guard {
    /// Opens `allowed` ranges; `own` are the addresses that Vultrino listens on.
    pub fn new(allowed: Vec<IpNet>, own: Vec<SocketAddr>) -> Self {
        Self { allowed, own }
    }

    /// Whether this address may be dialled.
    pub fn permits(&self, address: SocketAddr) -> bool {
        self.permits_parent(address)
            && match address.ip().to_canonical() {
                ip @ IpAddr::V4(_) => self.opens(ip),
                IpAddr::V6(ip) => {
                    (stands_for_ipv4(ip) || self.opens(ip.into()))
                        && embedded(ip).iter().all(|it| self.opens((*it).into()))
                }
            }
    }

    /// Whether the parent proxy may be dialled at this address: whoever configured it meant it, wherever it is.
    pub fn permits_parent(&self, address: SocketAddr) -> bool {
        let ip = address.ip().to_canonical();
        let meant = |ip| !is_metadata(ip) && !self.is_own(SocketAddr::new(ip, address.port()));
        meant(ip) && !matches!(ip, IpAddr::V6(it) if embedded(it).iter().any(|it| !meant((*it).into())))
    }

    /// Whether this address is public, or in an allowed range.
    fn opens(&self, ip: IpAddr) -> bool {
        is_public(ip) || self.allowed.iter().any(|net| net.contains(&ip))
    }

    /// Whether nothing that this can stand for may be dialled, as far as that is known without asking a name service.
    pub fn forbids(&self, authority: &Authority) -> bool {
        let Authority { host, port } = authority;
        let address = host.address();
        let known = if address.is_none() && host.is_loopback() { &LOOPBACK[..] } else { address.as_slice() };
        let forbidden = known.iter().all(|ip| !self.permits(SocketAddr::new(*ip, *port)));
        !Self::permits_name(host) || (forbidden && !known.is_empty())
    }

    /// Whether this host may be asked for at all. The name under which a cloud hands out credentials may resolve
    /// anywhere.
    pub fn permits_name(host: &Host) -> bool {
        !matches!(host, Host::Name(name) if &**name == "metadata.google.internal")
    }

    fn is_own(&self, address: SocketAddr) -> bool {
        self.own.iter().any(|own| {
            let same_host = own.ip() == address.ip()
                || own.ip().is_unspecified()
                || (own.ip().is_loopback() && address.ip().is_loopback())
                || address.ip().is_unspecified();
            own.port() == address.port() && same_host
        })
    }
}

/// Addresses at which clouds hand out credentials. No range opens them.
fn is_metadata(ip: IpAddr) -> bool {
    const V4: [Ipv4Addr; 5] = [
        Ipv4Addr::new(169, 254, 169, 254),
        Ipv4Addr::new(169, 254, 170, 2),
        Ipv4Addr::new(100, 100, 100, 200),
        Ipv4Addr::new(192, 0, 0, 192),
        Ipv4Addr::new(168, 63, 129, 16),
    ];
    const V6: [Ipv6Addr; 2] =
        [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];
    match ip {
        IpAddr::V4(it) => V4.contains(&it),
        // A network may translate to IPv4 under a prefix of its own (RFC 6052 section 2.2): nobody but the network knows it.
        IpAddr::V6(it) => V6.contains(&it) || V4.contains(&low(it)),
    }
}

fn is_public(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(it) => is_public_v4(it),
        IpAddr::V6(it) => is_public_v6(it),
    }
}

fn is_public_v4(ip: Ipv4Addr) -> bool {
    let [a, b, c, _] = ip.octets();
    let special = match a {
        0 | 10 | 127 | 224..=255 => true,
        100 => (64..128).contains(&b),
        169 => b == 254,
        172 => (16..32).contains(&b),
        192 => b == 168 || (b == 0 && (c == 0 || c == 2)),
        198 => b == 18 || b == 19 || (b == 51 && c == 100),
        203 => b == 0 && c == 113,
        _ => false,
    };
    !special
}

/// Global unicast (`2000::/3`) without documentation, benchmarking and Teredo.
fn is_public_v6(ip: Ipv6Addr) -> bool {
    match ip.segments() {
        [0x2001, second, ..] => !matches!(second, 0x0000..=0x01ff | 0x0db8),
        [first, ..] => first & 0xe000 == 0x2000 && first != 0x3fff,
    }
}

/// Whether the IPv4 address inside it alone says where it leads: 6to4 (`2002::/16`), NAT64 (`64:ff9b::/96`) and the
/// deprecated compatible form (`::/96`).
fn stands_for_ipv4(ip: Ipv6Addr) -> bool {
    matches!(ip.segments(), [0x2002, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..])
        || matches!(ip.segments(), [0, 0, 0, 0, 0, 0, high, _] if high != 0)
}

/// Every IPv4 address that a packet to this one may end at.
fn embedded(ip: Ipv6Addr) -> SmallVec<[Ipv4Addr; 4]> {
    let from = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    let segments = ip.segments();
    let mut inner = SmallVec::new();
    match segments {
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => inner.push(from(high, low)),
        // Teredo (RFC 4380): its server, and the client with all bits turned.
        [0x2001, 0, high, low, _, _, high_turned, low_turned] => {
            inner.extend([from(high, low), from(!high_turned, !low_turned)]);
        }
        // NAT64 (RFC 6052) under the well-known prefix, and IPv4-translated (RFC 2765).
        [0x64, 0xff9b, 0, 0, 0, 0, ..] | [0, 0, 0, 0, 0xffff, 0, ..] => inner.push(low(ip)),
        // NAT64 under the prefix for local use (RFC 8215), which a network divides as it likes: the address may begin
        // behind 48, 56, 64 or 96 bits, and the ninth byte is not part of it.
        [0x64, 0xff9b, 1, ..] => {
            let octets = ip.octets();
            let at = |places: [usize; 4]| Ipv4Addr::from(places.map(|it| octets[it]));
            inner.extend([at([6, 7, 9, 10]), at([7, 9, 10, 11]), at([9, 10, 11, 12]), low(ip)]);
        }
        // IPv4-compatible (RFC 4291 section 2.5.5.1).
        [0, 0, 0, 0, 0, 0, high, _] if high != 0 => inner.push(low(ip)),
        _ => {}
    }
    // ISATAP (RFC 5214) under any prefix; two bits say whether the address is unique, and whether it is a group's.
    if segments[4] & !0x0300 == 0 && segments[5] == 0x5efe {
        inner.push(low(ip));
    }
    inner
}

/// The last 32 bits.
fn low(ip: Ipv6Addr) -> Ipv4Addr {
    let [.., a, b, c, d] = ip.octets();
    Ipv4Addr::new(a, b, c, d)
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, SocketAddr};

    use crate::upstream::Guard;

    fn permits(guard: &Guard, ip: &str) -> bool {
        guard.permits(SocketAddr::new(ip.parse::<IpAddr>().unwrap(), 443))
    }

    #[test]
    fn only_public_addresses_are_dialled_by_default() {
        let guard = Guard::default();
        for ip in [
            "127.0.0.1",
            "10.1.2.3",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.1.1",
            "100.64.0.1",
            "169.254.1.1",
            "192.0.0.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "0.0.0.0",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "fe80::1",
            "fec0::1",
            "fc00::1",
            "fd12::1",
            "ff02::1",
            "2001:db8::1",
            "100::1",
            "2001::1",
            // Embedded in what else is public, and private around what is public.
            "2001:470:1::5efe:10.0.0.1",
            "2001:470:1:0:200:5efe:127.0.0.1",
            "2001:470:1:0:100:5efe:127.0.0.1",
            "fe80::5efe:1.1.1.1",
            "fd00::200:5efe:1.1.1.1",
            "2001:0:101:101:0:0:f5ff:fffe",
            "::ffff:0:127.0.0.1",
            "64:ff9b::10.0.0.1",
            "2002:a00:1::",
        ] {
            assert!(!permits(&guard, ip), "{ip}");
        }
        for ip in [
            "1.1.1.1",
            "172.32.0.1",
            "100.128.0.1",
            "2606:4700::1111",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2002:101:101::",
            "2001:470:1::5efe:1.1.1.1",
        ] {
            assert!(permits(&guard, ip), "{ip}");
        }
    }

    #[test]
    fn metadata_and_ourselves_stay_closed_whatever_is_opened() {
        let own = SocketAddr::from(([127, 0, 0, 1], 443));
        let open = ["0.0.0.0/0", "::/0"].map(|it| it.parse().unwrap()).to_vec();
        let guard = Guard::new(open, vec![own]);
        for ip in [
            "169.254.169.254",
            "169.254.170.2",
            "100.100.100.200",
            "192.0.0.192",
            "168.63.129.16",
            "fd00:ec2::254",
            "fd20:ce::254",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::",
            "::169.254.169.254",
            "::ffff:0:169.254.169.254",
            "64:ff9b:1::169.254.169.254",
            "64:ff9b:1:a9fe:a9:fe00::",
            "64:ff9b:1:a9:fe:a9fe::",
            "64:ff9b:1:0:a9:fea9:fe00:0",
            "fe80::5efe:169.254.169.254",
            "2001:470:1::200:5efe:169.254.169.254",
            "2001:0:101:101::5601:5601",
            "2001:0:a9fe:a9fe::",
            "fd64::169.254.169.254",
            "64:ff9b::7f00:1",
            "127.0.0.1",
            "127.0.0.2",
            "::1",
            "0.0.0.0",
        ] {
            assert!(!permits(&guard, ip), "{ip}");
        }
        assert!(permits(&guard, "10.0.0.1"));
    }

    #[test]
    fn a_range_opens_itself_alone() {
        let guard = Guard::new(vec!["10.1.2.0/24".parse().unwrap()], Vec::new());
        assert!(permits(&guard, "10.1.2.3"));
        assert!(permits(&guard, "::ffff:10.1.2.3"));
        assert!(!permits(&guard, "10.1.3.3"));
        assert!(permits(&guard, "64:ff9b::10.1.2.3"));
        assert!(!permits(&guard, "64:ff9b::10.1.3.3"));
        assert!(!permits(&guard, "127.0.0.1"));
    }
}
