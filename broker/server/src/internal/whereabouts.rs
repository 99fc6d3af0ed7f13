//! From where brokers have called.
//!
//! A broker that comes back may have another address, as a pod has, and for as long as name servers remember the former one (30 s with CoreDNS as Kubernetes comes) nobody would
//! reach it by its name. But it calls the others, and an address that it calls from is one at which it most likely answers. Nothing is believed because of that: who
//! answers there has to be that broker ([`Peer`](super::Peer)), and the name is asked as well.

use std::collections::BTreeMap;
use std::net::IpAddr;

use parking_lot::Mutex;
use protocol::model::BrokerId;
use tokio::sync::watch;

/// So many brokers are noted, since whoever calls may say to be any. A cluster has fewer.
const BROKERS_MAX: usize = 1_024;

/// From where each broker has called last.
#[derive(Debug, Default)]
pub struct Whereabouts {
    last: Mutex<BTreeMap<BrokerId, watch::Sender<Option<IpAddr>>>>,
}

impl Whereabouts {
    /// One that says to be this broker has called from `ip`.
    pub fn on_call(&self, id: BrokerId, ip: IpAddr) {
        // A listener for both families names an IPv4 address by one of IPv6.
        let ip = Some(ip.to_canonical());
        let mut last = self.last.lock();
        if last.len() >= BROKERS_MAX && !last.contains_key(&id) {
            return;
        }
        let known = last.entry(id).or_default();
        known.send_if_modified(|known| std::mem::replace(known, ip) != ip);
    }

    /// From where a broker has called last, and hears when it calls from elsewhere; `None` before it calls.
    pub fn of(&self, id: BrokerId) -> watch::Receiver<Option<IpAddr>> {
        self.last.lock().entry(id).or_default().subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    #[test]
    fn only_another_address_is_news() {
        let whereabouts = Whereabouts::default();
        let id = BrokerId::new(1);
        let mut last = whereabouts.of(id);
        assert_eq!(*last.borrow_and_update(), None);
        whereabouts.on_call(id, ip("10.0.0.1"));
        assert!(last.has_changed().expect("it is there"));
        assert_eq!(*last.borrow_and_update(), Some(ip("10.0.0.1")));
        whereabouts.on_call(id, ip("::ffff:10.0.0.1"));
        whereabouts.on_call(BrokerId::new(2), ip("10.0.0.2"));
        assert!(!last.has_changed().expect("it is there"));
        whereabouts.on_call(id, ip("10.0.0.3"));
        assert_eq!(*last.borrow_and_update(), Some(ip("10.0.0.3")));
    }

    #[test]
    fn whoever_claims_many_names_fills_nothing() {
        let whereabouts = Whereabouts::default();
        let known = whereabouts.of(BrokerId::new(7));
        for id in 0..2 * BROKERS_MAX {
            let id = i32::try_from(id).expect("it is small");
            whereabouts.on_call(BrokerId::new(id), ip("10.0.0.1"));
        }
        assert_eq!(whereabouts.last.lock().len(), BROKERS_MAX);
        assert_eq!(*known.borrow(), Some(ip("10.0.0.1")));
    }
}
