//! DescribeLogDirs. What is expected here is what Apache Kafka 4.3.1 answers.

use protocol::ErrorCode;
use protocol::batch::BatchBuilder;
use protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use protocol::messages::describe_log_dirs_response::DescribeLogDirsResult;
use protocol::messages::{DescribeLogDirsRequest, DescribeLogDirsResponse};

use super::super::topics::text;
use super::create;
use super::produced::{append, batch};
use crate::testing::TestBroker;

/// Topics, or all.
type Asked<'a> = Option<&'a [(&'a str, &'a [i32])]>;

async fn describe(
    broker: &mut TestBroker,
    version: i16,
    topics: Asked<'_>,
) -> DescribeLogDirsResult {
    let mut results = describe_all(broker, version, topics).await;
    assert_eq!(results.len(), 1);
    results.remove(0)
}

async fn describe_all(
    broker: &mut TestBroker,
    version: i16,
    topics: Asked<'_>,
) -> Vec<DescribeLogDirsResult> {
    let topic = |(name, partitions): &(&str, &[i32])| {
        DescribableLogDirTopic::default()
            .with_topic(text(*name).into())
            .with_partitions(partitions.to_vec())
    };
    let topics = topics.map(|topics| topics.iter().map(topic).collect());
    let request = DescribeLogDirsRequest::default().with_topics(topics);
    let response: DescribeLogDirsResponse = broker.ask(version, &request).await;
    assert_eq!(response.error_code, 0);
    response.results
}

/// Topic, partition and size.
type Size<'a> = (&'a str, i32, i64);

fn sizes(result: &DescribeLogDirsResult) -> Vec<Size<'_>> {
    let topics = result.topics.iter();
    let partitions = topics.flat_map(|topic| {
        topic.partitions.iter().map(|partition| {
            assert_eq!((partition.offset_lag, partition.is_future_key), (0, false));
            let name = topic.name.as_str();
            (name, partition.partition_index, partition.partition_size)
        })
    });
    partitions.collect()
}

#[tokio::test]
async fn every_version_tells_sizes() {
    let mut broker = TestBroker::start(&[]).await;
    let topic = create(&mut broker, "t", 2).await;
    create(&mut broker, "e", 1).await;
    let records = batch(BatchBuilder::new(), &[1000, 2000]);
    let size = i64::try_from(records.len()).expect("small");
    for round in 1..=2 {
        append(&broker, topic, 1, records.clone()).await;
        let expected = [("e", 0, 0), ("t", 0, 0), ("t", 1, round * size)];
        for version in 1..=5 {
            let result = describe(&mut broker, version, None).await;
            assert_eq!(sizes(&result), expected, "version {version}");
            assert_eq!((result.error_code, result.is_cordoned), (0, false));
            let data_dir = broker.data_dir();
            let path = data_dir.path();
            assert!(path.is_absolute(), "the test's own");
            assert_eq!(result.log_dir.as_str(), path.to_string_lossy());
            if version >= 4 {
                let space = data_dir.disk_space().expect("a file system");
                assert_eq!(u64::try_from(result.total_bytes), Ok(space.total));
                assert!((1..=result.total_bytes).contains(&result.usable_bytes));
            } else {
                assert_eq!((result.total_bytes, result.usable_bytes), (-1, -1));
            }
        }
        // What is written behind is counted once.
        broker.data_dir().checkpoint(None).expect("a good disk");
        let result = describe(&mut broker, 5, None).await;
        assert_eq!(sizes(&result), expected);
    }
}

#[tokio::test]
async fn partitions_are_told_as_asked_and_once() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "t", 2).await;
    create(&mut broker, "z", 2).await;
    let cases: [(Asked<'_>, &[Size<'_>]); 8] = [
        (Some(&[]), &[]),
        (Some(&[("t", &[])]), &[]),
        (Some(&[("t", &[1, 0])]), &[("t", 0, 0), ("t", 1, 0)]),
        (Some(&[("t", &[0, 9, -1, 0])]), &[("t", 0, 0)]),
        (
            Some(&[("z", &[1]), ("t", &[0])]),
            &[("t", 0, 0), ("z", 1, 0)],
        ),
        (
            Some(&[("t", &[0]), ("t", &[1, 0])]),
            &[("t", 0, 0), ("t", 1, 0)],
        ),
        (Some(&[("none", &[0])]), &[]),
        (Some(&[("__cluster_metadata", &[0])]), &[]),
    ];
    for (asked, expected) in cases {
        let result = describe(&mut broker, 5, asked).await;
        assert_eq!(sizes(&result), expected, "{asked:?}");
        assert_eq!(result.error_code, 0);
    }
}

#[tokio::test]
async fn a_directory_that_is_offline_says_so() {
    let mut broker = TestBroker::start(&[]).await;
    create(&mut broker, "t", 1).await;
    let path = broker.data_dir().path().to_owned();
    broker.fail_disk().await;
    let result = describe(&mut broker, 5, None).await;
    assert_eq!(result.error_code, ErrorCode::KafkaStorageError.code());
    assert!(result.topics.is_empty());
    assert_eq!(result.log_dir.as_str(), path.to_string_lossy());
}

#[tokio::test]
async fn each_directory_tells_its_own_partitions() {
    let temporary = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
    let paths = temporary
        .each_ref()
        .map(|directory| directory.path().to_string_lossy());
    let mut broker = TestBroker::start(&[("log.dirs", &paths.join(","))]).await;
    create(&mut broker, "t", 2).await;
    let results = describe_all(&mut broker, 5, None).await;
    let dirs = results.iter().map(|result| result.log_dir.as_str());
    assert_eq!(dirs.collect::<Vec<_>>(), paths);
    let [first, second] = [&results[0], &results[1]].map(sizes);
    assert_eq!((first.len(), second.len()), (1, 1), "one for each");
    let mut all = [first, second.clone()].concat();
    all.sort_unstable();
    assert_eq!(all, [("t", 0, 0), ("t", 1, 0)]);

    // One that fails does not take along the other.
    let failed = broker.data_dir();
    assert_eq!(failed.path().to_string_lossy(), paths[0]);
    broker.fail(&failed).await;
    let after = describe_all(&mut broker, 5, None).await;
    let codes = [&after[0], &after[1]].map(|result| result.error_code);
    assert_eq!(codes, [ErrorCode::KafkaStorageError.code(), 0]);
    assert_eq!(sizes(&after[0]), []);
    assert_eq!(sizes(&after[1]), second);
}
