use std::collections::HashSet;

use super::*;

#[test]
fn claimed_ports_are_distinct_and_can_be_bound() {
    let ports: Vec<Port> = (0..20).map(|_| Port::claim().unwrap()).collect();
    let numbers: HashSet<u16> = ports.iter().map(|port| port.number).collect();
    assert_eq!(numbers.len(), 20);
    for port in &ports {
        TcpListener::bind(port.address()).unwrap();
    }
}

#[test]
fn a_claim_keeps_others_away_until_it_is_dropped() {
    let port = Port::claim().unwrap();
    let path = home().unwrap().join("ports").join(port.number.to_string());
    let other = File::create(path).unwrap();
    assert!(other.try_lock().is_err());
    drop(port);
    // Not at once: a process that another thread is starting has the claim too until its program begins.
    other.lock().unwrap();
}
