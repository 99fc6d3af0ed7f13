//! How many connections there may be, in all and from one address.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use super::CloseReason;

/// Counts connections over all listeners.
#[derive(Debug)]
pub struct Admission {
    counts: Mutex<Counts>,
}

#[derive(Debug)]
struct Counts {
    connections_possible: usize,
    connections_max: usize,
    connections_per_ip_max: usize,
    total: usize,
    /// Only addresses that are connected now.
    by_ip: HashMap<IpAddr, usize>,
}

impl Admission {
    /// Limits in all and per address, of which the first is never over what is possible.
    pub fn new(
        connections_possible: usize,
        connections_max: usize,
        connections_per_ip_max: usize,
    ) -> Arc<Admission> {
        let counts = Mutex::new(Counts {
            connections_possible,
            connections_max: connections_max.min(connections_possible),
            connections_per_ip_max,
            total: 0,
            by_ip: HashMap::new(),
        });
        Arc::new(Admission { counts })
    }

    /// Changes the limits. Connections that are there stay.
    pub fn set_limits(&self, connections_max: usize, connections_per_ip_max: usize) {
        let mut counts = self.counts.lock();
        counts.connections_max = connections_max.min(counts.connections_possible);
        counts.connections_per_ip_max = connections_per_ip_max;
    }

    /// A place for a connection from `ip`, or the limit that says no. An IPv4 address that came
    /// through an IPv6 socket is the same address.
    pub fn admit(self: &Arc<Self>, ip: IpAddr) -> Result<Admitted, CloseReason> {
        let ip = ip.to_canonical();
        let mut counts = self.counts.lock();
        if counts.total >= counts.connections_max {
            return Err(CloseReason::TooManyConnections);
        }
        let from_ip = counts.by_ip.get(&ip).copied().unwrap_or(0);
        if from_ip >= counts.connections_per_ip_max {
            return Err(CloseReason::TooManyConnectionsFromIp);
        }
        counts.total += 1;
        counts.by_ip.insert(ip, from_ip + 1);
        Ok(Admitted {
            admission: self.clone(),
            ip,
        })
    }

    /// Connections now.
    pub fn connections(&self) -> usize {
        self.counts.lock().total
    }
}

/// The place of one connection, given back when this is dropped.
#[derive(Debug)]
pub struct Admitted {
    admission: Arc<Admission>,
    ip: IpAddr,
}

impl Drop for Admitted {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock();
        counts.total -= 1;
        match counts.by_ip.get_mut(&self.ip) {
            Some(count) if *count > 1 => *count -= 1,
            _ => _ = counts.by_ip.remove(&self.ip),
        }
    }
}
