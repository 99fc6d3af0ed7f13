use std::collections::HashSet;
use std::time::Duration;

use protocol::ErrorCode;

use super::*;

const APIS: &[(i16, &str)] = &[(0, "Produce"), (1, "Fetch"), (18, "ApiVersions")];

/// The value of a series, as it is written.
fn value<'a>(text: &'a str, series: &str) -> Option<&'a str> {
    text.lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '))
}

#[test]
fn requests_are_counted_by_api_and_error() {
    let metrics = Metrics::new(APIS);
    let produce = metrics.requests.api(0);
    produce.record(ErrorCode::None, Duration::from_millis(1));
    produce.record(ErrorCode::None, Duration::from_millis(3));
    produce.record(ErrorCode::UnknownServerError, Duration::from_secs(100));
    metrics
        .requests
        .api(18)
        .record(ErrorCode::UnsupportedVersion, Duration::ZERO);
    for unknown in [2, 99, -1, i16::MAX] {
        metrics
            .requests
            .api(unknown)
            .record(ErrorCode::None, Duration::ZERO);
    }
    let text = metrics.render();
    let count = |api: &str, error: &str| {
        value(
            &text,
            &format!("holdfast_requests_total{{api=\"{api}\",error=\"{error}\"}}"),
        )
    };
    assert_eq!(count("Produce", "NONE"), Some("2"));
    assert_eq!(count("Produce", "UNKNOWN_SERVER_ERROR"), Some("1"));
    assert_eq!(count("ApiVersions", "UNSUPPORTED_VERSION"), Some("1"));
    assert_eq!(count("unknown", "NONE"), Some("4"));
    assert_eq!(
        count("Fetch", "NONE"),
        None,
        "nothing is shown of what did not happen"
    );
    let bucket = |le: &str| {
        let labels = format!("{{api=\"Produce\",le=\"{le}\"}}");
        value(
            &text,
            &format!("holdfast_request_duration_seconds_bucket{labels}"),
        )
    };
    assert_eq!(
        (bucket("0.0007"), bucket("0.001"), bucket("0.003")),
        (Some("0"), Some("1"), Some("2"))
    );
    assert_eq!((bucket("10"), bucket("+Inf")), (Some("2"), Some("3")));
    assert_eq!(
        value(
            &text,
            "holdfast_request_duration_seconds_sum{api=\"Produce\"}"
        ),
        Some("100.004")
    );
    let p50 = "kafka_network_requestmetrics_totaltimems{request=\"Produce\",quantile=\"0.50\"}";
    let p50: f64 = value(&text, p50).expect("shown").parse().expect("a number");
    assert!((1.0..=3.0).contains(&p50), "{p50}");
}

#[test]
fn every_error_code_can_be_counted() {
    let metrics = Metrics::new(APIS);
    for code in ErrorCode::ALL {
        metrics.requests.api(1).record(*code, Duration::ZERO);
    }
    let text = metrics.render();
    let shown = text
        .lines()
        .filter(|line| line.starts_with("holdfast_requests_total{api=\"Fetch\""));
    assert_eq!(shown.count(), ErrorCode::ALL.len());
}

#[test]
fn quantiles_lie_in_their_bucket() {
    let histogram = Histogram::new(&[10, 20, 30], Unit::Plain);
    assert_eq!(histogram.snapshot().quantile(0.5), None);
    for value in [1, 10, 11, 20, 21, 1000] {
        histogram.observe(value);
    }
    let snapshot = histogram.snapshot();
    let cumulative: Vec<u64> = snapshot
        .cumulative
        .iter()
        .map(|(_, count)| *count)
        .collect();
    assert_eq!(cumulative, [2, 4, 5, 6]);
    assert_eq!((snapshot.count, snapshot.sum), (6, 1063.0));
    let quantile = |q| snapshot.quantile(q).expect("observed");
    assert!(quantile(0.0) <= 10.0);
    assert_eq!(quantile(2.0 / 6.0), 10.0);
    assert_eq!(quantile(0.5), 15.0);
    assert_eq!(quantile(1.0), 30.0, "beyond the bounds nothing is known");
}

#[test]
fn an_empty_bucket_between_does_not_count() {
    let histogram = Histogram::new(&[10, 20, 30], Unit::Plain);
    histogram.observe(1);
    histogram.observe(25);
    let quantile = histogram.snapshot().quantile(0.75).expect("observed");
    assert!((20.0..=30.0).contains(&quantile), "{quantile}");
}

#[test]
fn the_bounds_rise() {
    for bounds in [LATENCY_BOUNDS, BYTES_BOUNDS, COUNT_BOUNDS] {
        assert!(bounds.is_sorted_by(|a, b| a < b));
    }
}

#[test]
fn a_deleted_topic_stays_in_the_sum() {
    let metrics = Metrics::new(APIS);
    metrics.topics.topic("a").bytes_in.add(5);
    metrics.topics.topic("a").bytes_in.add(2);
    metrics.topics.topic("b").bytes_in.add(10);
    let shown = |labels: &str| {
        let name = format!("kafka_server_brokertopicmetrics_bytesin_total{labels}");
        value(&metrics.render(), &name).map(str::to_owned)
    };
    assert_eq!(shown("{topic=\"a\"}").as_deref(), Some("7"));
    assert_eq!(shown("").as_deref(), Some("17"));
    assert_eq!(metrics.topics.total(|it| &it.bytes_in), 17);
    metrics.topics.remove("a");
    metrics.topics.remove("never there");
    assert_eq!(shown("{topic=\"a\"}"), None);
    assert_eq!(shown("").as_deref(), Some("17"));
    assert_eq!(metrics.topics.total(|it| &it.bytes_in), 17);
}

#[test]
fn connections_are_counted_to_their_end() {
    let network = Metrics::new(APIS);
    network.network.on_open();
    network.network.on_open();
    network.network.on_close(crate::net::CloseReason::Malformed);
    let text = network.render();
    assert_eq!(value(&text, "holdfast_connections"), Some("1"));
    assert_eq!(value(&text, "holdfast_connections_opened_total"), Some("2"));
    let closed = |reason| {
        value(
            &text,
            &format!("holdfast_connections_closed_total{{reason=\"{reason}\"}}"),
        )
    };
    assert_eq!(
        (closed("malformed"), closed("idle")),
        (Some("1"), Some("0"))
    );
}

struct Hosted;

impl Scrape for Hosted {
    fn collect(&self, samples: &mut Samples) {
        let sample = PartitionSample {
            log_start_offset: 3,
            // The greatest up to which all whole numbers are exact.
            log_end_offset: 1 << 53,
            high_watermark: 7,
            size_bytes: 1000,
            segments: 2,
            leader: true,
            ..PartitionSample::default()
        };
        samples.partition("a", 0, sample);
        samples.partition(
            "a",
            1,
            PartitionSample {
                leader: false,
                under_min_isr: true,
                ..sample
            },
        );
        for (partition, lag) in [(2, 0), (3, 12)] {
            samples.followed(FollowedSample {
                topic: "a".into(),
                partition,
                leader: 4,
                lag,
            });
        }
        samples.stopped();
        for (partition, lag, in_sync) in [(0, 5, true), (1, 3, false)] {
            samples.follower(FollowerSample {
                topic: "a".into(),
                partition,
                follower: 2,
                lag,
                in_sync,
            });
        }
        let sample = StorageSample {
            journal_bytes_used: 9,
            bypassed_bytes: 7,
            refusing: true,
            ..Default::default()
        };
        samples.storage("/d1", Some(sample));
        samples.storage("/d2", None);
        samples.controller(ControllerSample {
            active: true,
            topics: 1,
            ..Default::default()
        });
    }
}

fn full() -> Metrics {
    let metrics = Metrics::new(APIS);
    metrics.register(Arc::new(Hosted));
    metrics
        .start
        .set_engine("threads", Some("EPERM: \"blocked\"\nhere"));
    metrics.start.on_recovered(StartReport {
        clean: false,
        recovery: Duration::from_millis(1500),
        records: 42,
        bytes: 4096,
    });
    metrics.journal.on_commit(8192, 3, 150_000);
    metrics.journal.on_durable(Duration::from_micros(400));
    metrics.topics.topic("a").messages_in.increment();
    metrics
        .requests
        .api(0)
        .record(ErrorCode::None, Duration::from_micros(500));
    metrics
}

#[test]
fn what_others_hold_is_asked_for() {
    let text = full().render();
    for (series, expected) in [
        (
            "kafka_log_log_logendoffset{topic=\"a\",partition=\"0\"}",
            "9007199254740992",
        ),
        (
            "kafka_log_log_logstartoffset{topic=\"a\",partition=\"1\"}",
            "3",
        ),
        ("kafka_log_log_size{topic=\"a\",partition=\"0\"}", "1000"),
        ("kafka_server_replicamanager_partitioncount", "2"),
        ("kafka_server_replicamanager_leadercount", "1"),
        ("kafka_server_replicamanager_underminisrpartitioncount", "1"),
        (
            "kafka_server_replicafetchermanager_maxlag{clientId=\"Replica\"}",
            "12",
        ),
        (
            "kafka_server_replicafetchermanager_failedpartitionscount{clientId=\"Replica\"}",
            "1",
        ),
        (
            "kafka_server_fetcherlagmetrics_consumerlag{clientId=\"ReplicaFetcherThread-0-4\",topic=\"a\",partition=\"3\"}",
            "12",
        ),
        ("holdfast_replication_follower_lag_max{follower=\"2\"}", "5"),
        (
            "holdfast_partition_follower_lag{topic=\"a\",partition=\"1\",follower=\"2\"}",
            "3",
        ),
        (
            "kafka_controller_kafkacontroller_activecontrollercount",
            "1",
        ),
        ("kafka_log_logmanager_offlinelogdirectorycount", "1"),
        (
            "kafka_log_logmanager_logdirectoryoffline{logDirectory=\"/d1\"}",
            "0",
        ),
        (
            "kafka_log_logmanager_logdirectoryoffline{logDirectory=\"/d2\"}",
            "1",
        ),
        ("holdfast_journal_bytes_used{directory=\"/d1\"}", "9"),
        (
            "holdfast_journal_bypassed_bytes_total{directory=\"/d1\"}",
            "7",
        ),
        ("holdfast_disk_refusing{directory=\"/d1\"}", "1"),
        (
            "holdfast_io_engine{engine=\"threads\",fallback_reason=\"EPERM: \\\"blocked\\\"\\nhere\"}",
            "1",
        ),
        ("holdfast_starts_total{last_stop=\"unclean\"}", "1"),
        ("holdfast_starts_total{last_stop=\"clean\"}", "0"),
        ("holdfast_recovery_seconds", "1.5"),
        ("holdfast_recovery_records", "42"),
        ("holdfast_journal_sync_seconds_bucket{le=\"0.0001\"}", "0"),
        ("holdfast_journal_sync_seconds_bucket{le=\"0.0002\"}", "1"),
        ("holdfast_journal_commit_seconds_count", "1"),
        ("holdfast_journal_commit_bytes_sum", "8192"),
        ("holdfast_journal_commit_entries_bucket{le=\"4\"}", "1"),
    ] {
        assert_eq!(value(&text, series), Some(expected), "{series}\n{text}");
    }
    for name in [
        "process_open_fds",
        "process_max_fds",
        "process_resident_memory_bytes",
    ] {
        let number: u64 = value(&text, name)
            .expect(name)
            .parse()
            .expect("a whole number");
        assert!(number > 0, "{name}");
    }
}

/// The rules of the text format that a scraper insists on.
#[test]
fn the_page_is_well_formed() {
    let text = full().render();
    assert!(text.ends_with('\n'));
    let mut families = HashSet::new();
    let mut series = HashSet::new();
    let mut family = "";
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').expect("name and type");
            assert!(families.insert(name), "{name} is there twice");
            assert!(["counter", "gauge", "histogram"].contains(&kind), "{line}");
            assert_eq!(kind == "counter", name.ends_with("_total"), "{line}");
            family = name;
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let (key, number) = line.rsplit_once(' ').expect("series and value");
        assert!(series.insert(key), "{key} is there twice");
        number.parse::<f64>().unwrap_or_else(|_| panic!("{line}"));
        let name = key.split('{').next().expect("a name");
        let suffix = name
            .strip_prefix(family)
            .unwrap_or_else(|| panic!("{line} in {family}"));
        assert!(
            ["", "_bucket", "_sum", "_count"].contains(&suffix),
            "{line}"
        );
        assert!(
            name.bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
        );
        assert_eq!(key.contains('{'), key.ends_with('}'), "{line}");
    }
    assert!(families.len() > 40, "{}", families.len());
}
