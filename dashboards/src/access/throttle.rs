//! Slows those who try tokens: after a few failures an address waits, each time twice as long. Says nothing to anybody.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// People paste the wrong one now and then.
const FREE: u32 = 5;
/// Nobody waits longer than this: behind a shared address there are others.
const LONGEST: Duration = Duration::from_secs(60);
/// A failure is forgotten after this.
const FORGET: Duration = Duration::from_secs(900);
/// Addresses that are remembered.
const MOST: usize = 10_000;

#[derive(Debug)]
struct Tries {
    failed: u32,
    last: Instant,
}

impl Tries {
    fn until(&self) -> Instant {
        let over = self.failed.saturating_sub(FREE);
        let wait = Duration::from_secs(1_u64.checked_shl(over).unwrap_or(u64::MAX).min(LONGEST.as_secs()));
        if over == 0 { self.last } else { self.last + wait }
    }
}

/// Failures by address.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    addresses: Mutex<HashMap<IpAddr, Tries>>,
}

/// Whoever has one address of IPv6 has its /64.
fn whole(address: Option<IpAddr>) -> IpAddr {
    match address {
        Some(IpAddr::V6(address)) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)))
        }
        Some(address) => address,
        None => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    }
}

impl Throttle {
    /// How long an address has to wait before it may try again.
    pub(crate) fn wait(&self, address: Option<IpAddr>, now: Instant) -> Option<Duration> {
        let addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let wait = addresses.get(&whole(address))?.until().saturating_duration_since(now);
        (!wait.is_zero()).then_some(wait)
    }

    /// A token was wrong.
    pub(crate) fn failed(&self, address: Option<IpAddr>, now: Instant) {
        let mut addresses = self.addresses.lock().unwrap_or_else(PoisonError::into_inner);
        let forgotten = |tries: &Tries| now.saturating_duration_since(tries.last) >= FORGET;
        let address = whole(address);
        if addresses.len() >= MOST && !addresses.contains_key(&address) {
            addresses.retain(|_, tries| !forgotten(tries));
        }
        if addresses.len() >= MOST
            && !addresses.contains_key(&address)
            && let Some(oldest) = addresses.iter().min_by_key(|(_, tries)| tries.last).map(|(at, _)| *at)
        {
            addresses.remove(&oldest);
        }
        let tries = addresses.entry(address).or_insert(Tries { failed: 0, last: now });
        if forgotten(tries) {
            tries.failed = 0;
        }
        tries.failed = tries.failed.saturating_add(1);
        tries.last = now;
    }

    /// A token was right.
    pub(crate) fn passed(&self, address: Option<IpAddr>) {
        self.addresses.lock().unwrap_or_else(PoisonError::into_inner).remove(&whole(address));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> Option<IpAddr> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn failures_cost_ever_more_time_up_to_a_minute() {
        let (throttle, mut now) = (Throttle::default(), Instant::now());
        let (here, there) = (ip("192.0.2.1"), ip("192.0.2.2"));
        for _ in 0..FREE {
            throttle.failed(here, now);
            assert_eq!(throttle.wait(here, now), None);
        }
        for seconds in [2, 4, 8, 16, 32, 60, 60] {
            throttle.failed(here, now);
            assert_eq!(throttle.wait(here, now), Some(Duration::from_secs(seconds)));
            assert_eq!(throttle.wait(there, now), None);
            now += Duration::from_secs(seconds);
            assert_eq!(throttle.wait(here, now), None);
        }
        throttle.failed(here, now + FORGET);
        assert_eq!(throttle.wait(here, now + FORGET), None, "what was long ago is forgotten");
        (0..80).for_each(|_| throttle.failed(here, now + FORGET));
        assert_eq!(throttle.wait(here, now + FORGET), Some(LONGEST), "no shift is too far");
        throttle.passed(here);
        assert_eq!(throttle.wait(here, now + FORGET), None);
    }

    #[test]
    fn a_network_of_ipv6_is_one_and_there_are_never_too_many() {
        let (throttle, now) = (Throttle::default(), Instant::now());
        (0..=FREE).for_each(|last| throttle.failed(ip(&format!("2001:db8::{last}")), now));
        assert!(throttle.wait(ip("2001:db8::ffff"), now).is_some());
        assert!(throttle.wait(ip("2001:db8:0:1::1"), now).is_none());
        for number in 0..u32::try_from(MOST).unwrap() + 10 {
            throttle.failed(Some(IpAddr::V4(number.into())), now + Duration::from_secs(1));
        }
        assert!(throttle.addresses.lock().unwrap().len() <= MOST);
    }
}
