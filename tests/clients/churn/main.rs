//! Groups that are never at rest: members join, leave, are killed and paused, the broker is killed and restarted, and all the time records are
//! written. In the end every group has read every record, and its committed offsets have never gone back.
//!
//! `HOLDFAST_CHURN_SECONDS` says for how long (default 20), `HOLDFAST_CHURN_SEED` repeats the choices of a run, though not its timing, and
//! `HOLDFAST_CHURN_APACHE=1` does the same to Apache Kafka.

mod group;
mod history;
mod load;
mod member;
mod watch;

use std::{
    env,
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant, SystemTime},
};

use client::{Connection, OffsetSpec, Topic};
use libtest_mimic::{Arguments, Failed, Trial};
use peer::{ApacheKafka, ApacheKafkaConfig, Cluster, Holdfast, HoldfastConfig};
use rand::{Rng, SeedableRng, rngs::SmallRng};

use group::{Group, Protocols};
use history::History;
use watch::Watch;

const TOPIC: &str = "churn";
const PARTITIONS: i32 = 12;
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long the groups have to read what is left, once they are left in peace.
const PATIENCE: Duration = Duration::from_secs(120);

/// Sessions so short that a pause of seconds ends them.
const SETTINGS: [(&str, &str); 9] = [
    ("group.initial.rebalance.delay.ms", "0"),
    ("group.min.session.timeout.ms", "1000"),
    ("group.consumer.min.session.timeout.ms", "1000"),
    ("group.consumer.session.timeout.ms", "3000"),
    ("group.consumer.min.heartbeat.interval.ms", "100"),
    ("group.consumer.heartbeat.interval.ms", "500"),
    ("offsets.topic.num.partitions", "5"),
    ("offsets.topic.replication.factor", "1"),
    ("num.partitions", "12"),
];

fn main() -> ExitCode {
    let args: Vec<String> = env::args().collect();
    if args.get(1).is_some_and(|arg| arg == member::COMMAND) {
        return member::run(&args[2..]);
    }
    let is_asked = env::var("HOLDFAST_CHURN_APACHE").is_ok_and(|text| text == "1");
    let trials = vec![
        Trial::test("churn::holdfast", || {
            let settings = SETTINGS.iter();
            let config = settings.fold(HoldfastConfig::default(), |config, (name, value)| {
                config.set(name, value)
            });
            churn(&mut Holdfast::start(config)?)
        }),
        Trial::test("churn::apache", || {
            let config = ApacheKafkaConfig {
                heap: "512m".to_owned(),
                properties: SETTINGS
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
                ..ApacheKafkaConfig::default()
            };
            churn(&mut ApacheKafka::start(config)?)
        })
        .with_ignored_flag(!is_asked),
    ];
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// A broker that can be killed.
trait Broker: Send {
    fn address(&self) -> String;
    fn kill9(&mut self);
    fn restart(&mut self) -> Result<(), Failed>;
}

impl Broker for Holdfast {
    fn address(&self) -> String {
        self.bootstrap()
    }

    fn kill9(&mut self) {
        Holdfast::kill9(self);
    }

    fn restart(&mut self) -> Result<(), Failed> {
        Ok(Holdfast::restart(self)?)
    }
}

impl Broker for ApacheKafka {
    fn address(&self) -> String {
        self.bootstrap()
    }

    fn kill9(&mut self) {
        ApacheKafka::kill9(self, 0);
    }

    fn restart(&mut self) -> Result<(), Failed> {
        Ok(ApacheKafka::restart(self, 0)?)
    }
}

fn number_from_env(name: &str) -> Option<u64> {
    let text = env::var(name).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().expect("a number"))
}

fn churn(broker: &mut dyn Broker) -> Result<(), Failed> {
    let seconds = number_from_env("HOLDFAST_CHURN_SECONDS").unwrap_or(20);
    let seed = number_from_env("HOLDFAST_CHURN_SEED").unwrap_or_else(|| {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.map_or(0, |since| u64::from(since.subsec_nanos()))
    });
    eprintln!("churn: {seconds} s from seed {seed}");
    let mut random = SmallRng::seed_from_u64(seed);
    let address = broker.address();
    let mut connection = Connection::connect(&address, "churn", SILENCE_MAX)?;
    connection.create_topic(TOPIC, PARTITIONS)?;
    let topic = connection.topic(TOPIC)?;
    let history = History::new();
    let mut groups = [
        Group::new("classic", Protocols::Classic, &history),
        Group::new("consumer", Protocols::Consumer, &history),
        Group::new("mixed", Protocols::Both, &history),
    ];
    let stop = AtomicBool::new(false);
    let ids: Vec<String> = groups.iter().map(|group| group.id().to_owned()).collect();
    let (written, watched, outcome) = thread::scope(|scope| {
        let writer = scope.spawn(|| load::write(&address, TOPIC, PARTITIONS, &stop));
        let watch = scope.spawn(|| {
            let watched = Watch::new(&address, &ids, &topic, &history).run(&stop);
            // What it has seen is not to be buried under more.
            stop.store(true, Ordering::SeqCst);
            watched
        });
        let outcome = disturb(broker, &mut groups, seconds, &mut random, &stop, &history);
        stop.store(true, Ordering::SeqCst);
        let written = writer.join().expect("the writer does not panic");
        (written, watch.join().expect("it does not panic"), outcome)
    });
    let crashes = outcome?;
    let looks = watched?;
    read_the_rest(&address, &topic, &mut groups, &history)?;
    let ends = ends(&address, &topic)?;
    let mut failures = Vec::new();
    for group in &mut groups {
        let summary = group.finish(&ends, &mut failures);
        eprintln!("churn: {summary}");
    }
    let total: i64 = ends.iter().sum();
    eprintln!(
        "churn: {total} records in the log, {written} acknowledged, {crashes} crashes of the broker, {looks} looks at committed offsets"
    );
    if (total.cast_unsigned()) < written {
        failures.push(format!(
            "{written} records were acknowledged, {total} are there"
        ));
    }
    match failures.is_empty() {
        true => Ok(()),
        false => Err(format!("seed {seed}:\n{}", failures.join("\n")).into()),
    }
}

/// Gives nobody any peace, until it is told to stop. Returns how often the broker was killed.
fn disturb(
    broker: &mut dyn Broker,
    groups: &mut [Group],
    seconds: u64,
    random: &mut SmallRng,
    stop: &AtomicBool,
    history: &History,
) -> Result<u32, Failed> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    let address = broker.address();
    let mut crashes = 0;
    let mut crash_at = Instant::now() + Duration::from_millis(random.random_range(3_000..10_000));
    while Instant::now() < deadline && !stop.load(Ordering::SeqCst) {
        for group in groups.iter_mut() {
            group.disturb(&address, random)?;
        }
        thread::sleep(Duration::from_millis(random.random_range(20..400)));
        if Instant::now() >= crash_at {
            broker.kill9();
            history.note(None, "the broker is killed".to_owned());
            crashes += 1;
            thread::sleep(Duration::from_millis(random.random_range(0..1_500)));
            broker.restart()?;
            history.note(None, "the broker is back".to_owned());
            crash_at = Instant::now() + Duration::from_millis(random.random_range(5_000..30_000));
        }
    }
    Ok(crashes)
}

/// Lets all groups read to the end, with members that nobody disturbs.
fn read_the_rest(
    address: &str,
    topic: &Topic,
    groups: &mut [Group],
    history: &History,
) -> Result<(), Failed> {
    for group in groups.iter_mut() {
        group.settle(address)?;
    }
    let ends = ends(address, topic)?;
    let deadline = Instant::now() + PATIENCE;
    let mut connection = Connection::connect(address, "churn", SILENCE_MAX)?;
    loop {
        let mut behind = Vec::new();
        let mut histories = String::new();
        for group in groups.iter() {
            let committed = match connection.committed_offsets(group.id(), topic) {
                Ok(committed) => committed,
                Err(error) if error.is_retriable() => Default::default(),
                Err(error) => return Err(error.into()),
            };
            let is_behind = |(partition, end): &(i32, &i64)| {
                committed.get(partition).copied().unwrap_or(0) < **end
            };
            let mut partitions = (0..PARTITIONS).zip(&ends).filter(is_behind).peekable();
            if partitions.peek().is_some() {
                histories.push_str(&history.of(group.id()));
            }
            behind.extend(partitions.map(|(partition, end)| {
                let at = committed.get(&partition).copied().unwrap_or(0);
                format!(
                    "{} is at {at} of {end} in partition {partition}",
                    group.id()
                )
            }));
        }
        if behind.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            let behind = behind.join("\n");
            return Err(
                format!("left in peace, and not at the end:\n{behind}\n{histories}").into(),
            );
        }
        thread::sleep(Duration::from_millis(100));
    }
}

fn ends(address: &str, topic: &Topic) -> Result<Vec<i64>, Failed> {
    let mut connection = Connection::connect(address, "churn", SILENCE_MAX)?;
    let end = |partition| connection.list_offset(topic, partition, OffsetSpec::Latest);
    let ends: Result<Vec<_>, _> = (0..PARTITIONS).map(end).collect();
    Ok(ends?.into_iter().map(|end| end.get()).collect())
}
