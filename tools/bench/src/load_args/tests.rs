use std::io::Write;

use clap::Parser;
use tempfile::NamedTempFile;

use super::*;

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    load: LoadArgs,
}

fn load(flags: &[&str]) -> Result<Load, String> {
    let cli = Cli::try_parse_from(["it"].iter().chain(flags)).map_err(|it| it.to_string())?;
    cli.load.load().map_err(|error| error.to_string())
}

fn file(text: &str) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(text.as_bytes()).unwrap();
    file
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

#[test]
fn flags_override_a_file() {
    let file = file("partitions: 12\nrate: 5k\ntopic_configs: {a: '1', b: '2'}\n");
    let load = load(&[
        "--workload",
        path(&file),
        "--rate",
        "50k",
        "--topic-config",
        "b=3",
        "--size",
        "1KiB",
    ]);
    let [workload] = load.unwrap().workloads.try_into().unwrap();
    assert_eq!((workload.partitions, workload.rate), (12, Rate(50_000.0)));
    assert_eq!(workload.topic_configs["a"], "1");
    assert_eq!(workload.topic_configs["b"], "3");
    assert_eq!(workload.size, Size(1024));
    assert_eq!(workload.name, "run");
}

#[test]
fn what_is_none_is_refused_by_the_flag() {
    for wrong in [
        ["--rate", "fast"],
        ["--keys", "many"],
        ["--acks", "0"],
        ["--sweep", "rate"],
        ["--sweep", "seed=1,2"],
        ["--omb-workload", "one"],
    ] {
        assert!(
            Cli::try_parse_from(["it", wrong[0], wrong[1]]).is_err(),
            "{wrong:?}"
        );
    }
}

#[test]
fn a_sweep_has_a_workload_of_each_combination() {
    let load = load(&[
        "--name",
        "it",
        "--sweep",
        "rate=1k,2k",
        "--sweep",
        "size=100,1KiB",
    ]);
    let workloads = load.unwrap().workloads;
    let names: Vec<&str> = workloads.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "it rate=1k size=100",
            "it rate=1k size=1KiB",
            "it rate=2k size=100",
            "it rate=2k size=1KiB",
        ]
    );
    assert_eq!(workloads[2].rate, Rate(2_000.0));
    assert_eq!(workloads[2].size, Size(100));
    assert!(workloads.iter().all(|it| it.sweep.is_empty()));
}

#[test]
fn flags_override_a_files_sweep() {
    let file = file("sweep:\n  rate: [1k, 2k]\n  size: [100, 200]\n  window: [1, 2]\n");
    let load = load(&[
        "--workload",
        path(&file),
        "--size",
        "300",
        "--sweep",
        "rate=5k",
    ]);
    let workloads = load.unwrap().workloads;
    let names: Vec<&str> = workloads.iter().map(|it| it.name.as_str()).collect();
    assert_eq!(names, ["run window=1 rate=5k", "run window=2 rate=5k"]);
    assert!(workloads.iter().all(|it| it.size == Size(300)));
}

#[test]
fn a_run_of_a_sweep_that_cannot_be_done_is_named() {
    let error = load(&["--sweep", "size=1,200MiB"]).unwrap_err();
    assert!(error.contains("size=200MiB: size: at most"), "{error}");
    let error = load(&["--rate", "5", "--sweep", "rate=1,2"]).unwrap_err();
    assert!(error.contains("rate has a value, and is swept"), "{error}");
    let error = load(&["--sweep", "rate=1", "--sweep", "rate=2"]).unwrap_err();
    assert!(error.contains("swept twice"), "{error}");
    // A value that only a sweep takes away is no error.
    let file = file("partitions: 0\n");
    load(&["--workload", path(&file), "--sweep", "partitions=1,2"]).unwrap();
    assert!(load(&["--workload", path(&file)]).is_err());
}

const OMB_WORKLOAD: &str = "
name: omb
topics: 1
partitionsPerTopic: 10
messageSize: 1000
producersPerTopic: 2
producerRate: 100000
testDurationMinutes: 1
";
const OMB_DRIVER: &str = "
driverClass: io.openmessaging.benchmark.driver.kafka.KafkaBenchmarkDriver
commonConfig: bootstrap.servers=one:9092
producerConfig: |
  linger.ms=5
  batch.size=131072
";

#[test]
fn batches_of_omb_follow_the_rate_that_flags_give() {
    let (workload, driver) = (file(OMB_WORKLOAD), file(OMB_DRIVER));
    let with = |flags: &[&str]| {
        let files = [
            "--omb-workload",
            path(&workload),
            "--omb-driver",
            path(&driver),
        ];
        load(&[&files, flags].concat()).unwrap()
    };
    let batches =
        |load: &Load| -> Vec<usize> { load.workloads.iter().map(|it| it.batch_records).collect() };
    let plain = with(&[]);
    assert_eq!(plain.bootstrap.as_deref(), Some("one:9092"));
    assert_eq!(batches(&plain), [25]);
    assert_eq!(plain.workloads[0].window, 50);
    assert!(
        plain.notes.iter().any(|it| it.contains("25 records")),
        "{:?}",
        plain.notes
    );
    assert_eq!(batches(&with(&["--rate", "40k"])), [10]);
    assert_eq!(batches(&with(&["--batch-records", "7"])), [7]);
    assert_eq!(batches(&with(&["--sweep", "rate=4k,8k"])), [1, 2]);
    assert_eq!(batches(&with(&["--sweep", "batch-records=3,4"])), [3, 4]);
    assert_eq!(
        with(&["--window", "9", "--sweep", "partitions=1,2"]).workloads[1].window,
        9
    );
}

#[test]
fn files_of_omb_are_not_mixed_with_others() {
    let (workload, driver) = (file(OMB_WORKLOAD), file(OMB_DRIVER));
    let files = [
        "--omb-workload",
        path(&workload),
        "--omb-driver",
        path(&driver),
    ];
    assert!(load(&[&files[..], &["--workload", "other"]].concat()).is_err());
    let error = load(&["--omb-workload", "/nowhere", "--omb-driver", path(&driver)]);
    assert!(error.unwrap_err().contains("/nowhere"));
}
