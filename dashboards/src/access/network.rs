//! Addresses of machines: one, or a block of them.

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

/// `10.0.0.7`, `10.0.0.0/8`, `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network(IpNet);

/// Why a text is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkError {
    /// It is no address and no block.
    Unreadable,
    /// It is everybody.
    Everybody,
}

impl std::fmt::Display for NetworkError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "must be an address such as 10.0.0.7, or a block such as 10.0.0.0/8",
            Self::Everybody => "must not be everybody: whoever is trusted can be anybody",
        })
    }
}

impl std::error::Error for NetworkError {}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Self, NetworkError> {
        let text = text.trim();
        let address = || text.parse::<IpAddr>().map(|address| IpNet::from(address.to_canonical()));
        let network: IpNet =
            text.parse().or_else(|_no_block| address()).map_err(|_| NetworkError::Unreadable)?;
        if network.prefix_len() == 0 { Err(NetworkError::Everybody) } else { Ok(Self(network.trunc())) }
    }
}

impl Network {
    pub(super) fn contains(&self, address: IpAddr) -> bool {
        self.0.contains(&address.to_canonical())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_addresses() {
        let is_in = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        for (network, address, inside) in [
            ("10.0.0.7", "10.0.0.7", true),
            ("10.0.0.7", "10.0.0.8", false),
            ("10.0.0.0/8", "10.255.3.4", true),
            ("10.9.9.9/8", "10.1.1.1", true),
            ("10.0.0.0/8", "11.0.0.0", false),
            ("10.0.0.0/8", "::ffff:10.1.1.1", true),
            ("::1", "::1", true),
            ("fd00::/8", "fdff::1", true),
            ("fd00::/8", "fe80::1", false),
            ("fd00::/8", "10.0.0.1", false),
            ("::ffff:10.0.0.7", "10.0.0.7", true),
        ] {
            assert_eq!(is_in(network, address), inside, "{address} in {network}");
        }
        for text in ["", "proxy", "10.0.0.0/33", "10.0.0", "10.0.0.1-9", "::/129"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Unreadable), "{text}");
        }
        for text in ["0.0.0.0/0", "::/0", "10.0.0.0/0"] {
            assert_eq!(text.parse::<Network>(), Err(NetworkError::Everybody), "{text}");
        }
    }
}
