//! Looks at a cluster: what it says of itself, and how it is seen from here.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, ToSocketAddrs},
    thread,
    time::Duration,
};

use client::{ClientError, Connection};

use super::snapshot::{AdminLook, BrokerLook, Clock, GroupsLook, SeedLook, Snapshot, TopicLook};
use crate::{
    CtlError, Seeds, admin,
    clock::{ms_since_epoch, wall_clock_ms},
    cluster::{self, BrokerFacts, Unanswered},
    groups,
    seeds::CLIENT_ID,
};

/// A broker that takes longer for an answer is not waited for.
const SILENCE_MAX: Duration = Duration::from_secs(3);
/// So many are asked at once.
const AT_ONCE: usize = 16;
/// The kinds of groups that have members and committed offsets; brokers before KIP-848 do not tell any.
const COMMITTING: [&str; 3] = ["classic", "consumer", ""];
/// More groups are not looked at: each takes a few questions.
const GROUPS_MAX: usize = 100;
/// No page of metrics is larger.
const METRICS_BYTES_MAX: u64 = 64 << 20;
/// No other page is.
const PAGE_BYTES_MAX: u64 = 64 << 10;
/// HTTP's.
const OK: u16 = 200;
/// A clock that is read in more time is not known well enough.
const READ_MS_MAX: i64 = 2_000;

/// Looks. What cannot be asked for is left out, and said.
pub fn look(seeds: &Seeds, admins: &[String]) -> Snapshot {
    let mut snapshot = Snapshot {
        seeds: each(seeds.addresses(), |it| seed(it.as_str())),
        ..Snapshot::default()
    };
    for (admin, clock) in each(admins, |it| admin_port(it.as_str())) {
        snapshot.admins.push(admin);
        snapshot.clocks.extend(clock);
    }
    if snapshot.seeds.iter().any(|it| it.error.is_none()) {
        ask(seeds, &mut snapshot);
    }
    snapshot
}

/// Asks all at once, some at a time, and gives their answers in order.
fn each<T: Sync, R: Send>(items: &[T], ask: impl Fn(&T) -> R + Sync) -> Vec<R> {
    let ask = &ask;
    let mut answers = Vec::with_capacity(items.len());
    for items in items.chunks(AT_ONCE) {
        thread::scope(|scope| {
            let asked: Vec<_> = items
                .iter()
                .map(|item| scope.spawn(move || ask(item)))
                .collect();
            let joined = asked.into_iter().map(|it| it.join());
            answers.extend(joined.map(|it| it.expect("who asks does not panic")));
        });
    }
    answers
}

fn resolve(address: &str) -> Result<Vec<IpAddr>, String> {
    let resolved = address.to_socket_addrs();
    let resolved = resolved.map_err(|error| error.to_string())?;
    Ok(resolved.map(|it| it.ip()).collect())
}

fn seed(address: &str) -> SeedLook {
    let connected = Connection::connect(address, CLIENT_ID, SILENCE_MAX);
    SeedLook {
        address: address.to_owned(),
        addresses: resolve(address).unwrap_or_default(),
        error: connected.err().map(|error| error.to_string()),
    }
}

fn broker(broker: &BrokerFacts) -> BrokerLook {
    let resolved = resolve(&broker.address);
    let unresolved = resolved.as_ref().err().cloned();
    let connected = broker.answers.then(|| {
        let connection = Connection::connect(&broker.address, CLIENT_ID, SILENCE_MAX);
        connection.map(|it| it.versions().clone())
    });
    BrokerLook {
        addresses: resolved.unwrap_or_default(),
        unresolved,
        versions: connected.and_then(Result::ok).unwrap_or_default(),
    }
}

fn ask(seeds: &Seeds, snapshot: &mut Snapshot) {
    let facts = match cluster::ask(seeds) {
        Ok(facts) => facts,
        Err(error) => {
            snapshot.unanswered.push(unanswered("the cluster", &error));
            return;
        }
    };
    let looks = each(&facts.brokers, |it| (it.id, broker(it)));
    snapshot.brokers = looks.into_iter().collect();
    let names = facts.partitions.iter().map(|it| it.name.topic.as_str());
    let names: BTreeSet<&str> = names.collect();
    match topics(seeds, &names) {
        Ok(topics) => snapshot.topics = topics,
        Err(error) => snapshot
            .unanswered
            .push(unanswered("the settings of topics", &error)),
    }
    match groups::list(seeds) {
        Ok(listed) => ask_groups(seeds, listed, snapshot),
        Err(error) => snapshot.unanswered.push(unanswered("groups", &error)),
    }
    snapshot.clocks.extend(controllers_clock(seeds));
    snapshot.facts = Some(facts);
}

fn unanswered(what: &'static str, error: &CtlError) -> Unanswered {
    let why = error.to_string();
    Unanswered { what, why }
}

fn topics(seeds: &Seeds, names: &BTreeSet<&str>) -> Result<BTreeMap<String, TopicLook>, CtlError> {
    let list: Vec<&str> = names.iter().copied().collect();
    let (_, (durability, unclean)) = seeds.ask(SILENCE_MAX, |it| {
        let durability = it.topic_config(&list, "durability")?;
        let unclean = it.topic_config(&list, "unclean.leader.election.enable")?;
        Ok((durability, unclean))
    })?;
    let look = |name: &&str| TopicLook {
        durability: durability.get(*name).cloned(),
        is_unclean: unclean.get(*name).is_some_and(|it| it == "true"),
    };
    let topics = names.iter().map(|name| ((*name).to_owned(), look(name)));
    Ok(topics.collect())
}

/// Looks at the groups of the protocols that commit offsets.
fn ask_groups(seeds: &Seeds, mut listed: Vec<groups::Listed>, snapshot: &mut Snapshot) {
    listed.retain(|it| {
        COMMITTING
            .iter()
            .any(|kind| it.kind.eq_ignore_ascii_case(kind))
    });
    let mut look = GroupsLook {
        left_out: listed.len().saturating_sub(GROUPS_MAX),
        ..GroupsLook::default()
    };
    for it in listed.iter().take(GROUPS_MAX) {
        match groups::describe(seeds, &it.group) {
            Ok(group) => look.groups.push(group),
            Err(error) => {
                let why = format!("{}: {error}", it.group);
                let what = "a group";
                snapshot.unanswered.push(Unanswered { what, why });
            }
        }
    }
    snapshot.groups = Some(look);
}

/// Whoever leads the metadata quorum has all there is at this very moment, by its own clock.
fn controllers_clock(seeds: &Seeds) -> Option<Clock> {
    let asked = seeds.ask(SILENCE_MAX, |it| {
        let before_ms = wall_clock_ms();
        let quorum = match it.quorum() {
            Ok(quorum) => Some(quorum),
            Err(error @ ClientError::Io { .. }) => return Err(error),
            Err(_) => None,
        };
        Ok((quorum, before_ms, wall_clock_ms()))
    });
    let (_, (quorum, before_ms, after_ms)) = asked.ok()?;
    let quorum = quorum?;
    let leader = quorum.voters.iter().find(|it| it.id == quorum.leader)?;
    clock(
        format!("broker {}", quorum.leader),
        leader.last_caught_up_ms?,
        (before_ms, after_ms),
    )
}

/// A clock that showed something between two times of this machine.
fn clock(of: String, shown_ms: i64, (before_ms, after_ms): (i64, i64)) -> Option<Clock> {
    let is_known = (0..=READ_MS_MAX).contains(&(after_ms - before_ms));
    let ahead_ms = shown_ms - before_ms.midpoint(after_ms);
    is_known.then_some(Clock { of, ahead_ms })
}

fn admin_port(address: &str) -> (AdminLook, Option<Clock>) {
    let mut look = AdminLook {
        address: address.to_owned(),
        ..AdminLook::default()
    };
    let before_ms = wall_clock_ms();
    let ready = admin::get(address, "/readyz", PAGE_BYTES_MAX);
    let after_ms = wall_clock_ms();
    let ready = match ready {
        Ok(ready) => ready,
        Err(error) => {
            look.error = Some(error.to_string());
            return (look, None);
        }
    };
    if ready.status != OK {
        look.not_ready = Some(ready.body.trim().to_owned());
    }
    match admin::get(address, "/metrics", METRICS_BYTES_MAX) {
        Ok(page) => look.metrics = page.body,
        Err(error) => look.error = Some(error.to_string()),
    }
    // Whole seconds: half of one more is nearest.
    let shown_ms = ready.date.map(|date| ms_since_epoch(date) + 500);
    let clock = shown_ms.and_then(|ms| clock(address.to_owned(), ms, (before_ms, after_ms)));
    (look, clock)
}
