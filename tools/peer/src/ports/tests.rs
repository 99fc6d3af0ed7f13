use std::{
    collections::HashSet,
    net::TcpListener,
    process::{Command, Stdio},
    sync::atomic::AtomicBool,
};

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

#[test]
fn processes_that_start_meanwhile_do_not_hold_a_claimed_port() {
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                let mut child = Command::new("true").stdout(Stdio::null()).spawn().unwrap();
                child.wait().unwrap();
            }
        });
        for _ in 0..500 {
            let port = Port::claim().unwrap();
            let bound = TcpListener::bind(port.address());
            if bound.is_err() {
                done.store(true, Ordering::Relaxed);
            }
            bound.unwrap();
        }
        done.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_port_that_is_listened_on_is_not_free() {
    for address in ["127.0.0.1:0", "0.0.0.0:0"] {
        let listener = TcpListener::bind(address).unwrap();
        assert!(!is_free(listener.local_addr().unwrap().port()), "{address}");
    }
}
