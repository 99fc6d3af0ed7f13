//! Clusters that are set to lose records, and a checker that has to say so.

use std::{sync::mpsc, thread, time::Duration};

use client::Connection;
use ctl::verify::{Outcome, Stop};
use libtest_mimic::Failed;
use peer::{Cluster, HoldfastCluster};

use crate::{
    NODES, PARTITIONS, RECOVERY_MAX, VERIFIED_TOPIC, ground::Ground, network::Network, verified,
};

/// What is on its way to a disk comes there by chance.
const CUTS_MAX: u64 = 5;
/// How long records are written before the power is cut, and after.
const WRITTEN: Duration = Duration::from_millis(1_500);

/// How the checker calls what was acknowledged and is gone: with something written behind it, or nothing.
const IS_LOST: [&str; 2] = ["lost-write", "unseen"];
/// What is lost is waited for so long.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is set, to lose records by it.
#[derive(Clone, Copy)]
pub struct Lossy {
    /// In a word.
    pub name: &'static str,
    /// Of the brokers.
    broker: Option<(&'static str, &'static str)>,
    /// Of the topic.
    topic: Option<(&'static str, &'static str)>,
}

/// All there is.
pub const LOSSY: [Lossy; 2] = [
    Lossy {
        name: "pages_that_were_not_synced",
        broker: None,
        topic: Some(("durability", "os")),
    },
    Lossy {
        name: "a_journal_that_is_not_synced",
        broker: Some(("journal.unsafe.no.sync", "true")),
        topic: None,
    },
];

/// Cuts the power of all brokers, until records are lost by it.
pub fn loses(lossy: Lossy, network: Option<Network>) -> Result<(), Failed> {
    let name = lossy.name;
    let config = match lossy.broker {
        Some((setting, value)) => crate::config().set(setting, value),
        None => crate::config(),
    };
    let mut others = Vec::new();
    for cut in 1..=CUTS_MAX {
        let mut ground = Ground::find(network, false)?;
        if !ground.has_disks() {
            return Ok(());
        }
        let mut cluster = ground.start(&config)?;
        let outcome = cut_once(&mut ground, &mut cluster, lossy)?;
        let groups = outcome.verdict.anomalies;
        if let Some(lost) = groups.iter().find(|it| IS_LOST.contains(&it.name)) {
            let (name_of, count, example) = (lost.name, lost.count, &lost.examples[0]);
            eprintln!("{name}: cut {cut}: {name_of}: {count} batches, as {example}");
            return Ok(());
        }
        others.push(format!("{groups:?}"));
    }
    Err(format!("no record was lost: {}", others.join("\n")).into())
}

fn cut_once(
    ground: &mut Ground,
    cluster: &mut HoldfastCluster,
    lossy: Lossy,
) -> Result<Outcome, Failed> {
    let bootstrap = cluster.bootstrap();
    let address = cluster.node(0).bootstrap();
    let mut connection = Connection::connect(&address, "loses", RECOVERY_MAX)?;
    let settings = lossy
        .topic
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
    connection.create_topic_with(VERIFIED_TOPIC, PARTITIONS, settings.as_slice())?;
    // The files themselves are there afterwards, so that brokers start.
    ground.sync()?;
    let (stop, name) = (Stop::default(), format!("loses-{}", lossy.name));
    let (begun, has_begun) = mpsc::channel();
    thread::scope(|scope| {
        let verifying =
            scope.spawn(|| verified::verify(&bootstrap, &name, PATIENCE, &begun, &stop));
        // If it does not begin, that is what its outcome says.
        let _ = has_begun.recv_timeout(RECOVERY_MAX);
        thread::sleep(WRITTEN);
        let all: Vec<usize> = (0..NODES).collect();
        let outcome = ground.cut_power(cluster, &all).and_then(|()| {
            for at in &all {
                cluster.node(*at).relaunch()?;
            }
            for at in &all {
                cluster.node(*at).wait_ready()?;
            }
            thread::sleep(WRITTEN);
            Ok(())
        });
        stop.set();
        let verified = verifying.join().expect("the verifier does not panic");
        outcome.and(verified)
    })
}
