use protocol::{
    batch::{BatchBuilder, NewRecord},
    model::Offset,
};
use tempfile::TempDir;

use super::*;
use crate::verify::{
    check::Verdict,
    history::{Begin, History},
};

/// Ten batches of two records, in segments of five.
struct Replicas(TempDir);

impl Replicas {
    fn new(count: usize) -> Replicas {
        let replicas = Replicas(TempDir::new().expect("a directory"));
        for replica in 0..count {
            let directory = replicas.directory(replica).join("t-0");
            fs::create_dir_all(&directory).expect("a directory");
            fs::write(directory.join("leader-epoch-checkpoint"), "0\n0\n").expect("written");
            for segment in 0..2 {
                let bytes: Vec<u8> = (0..5).flat_map(|it| batch(segment * 10 + it * 2)).collect();
                fs::write(replicas.segment(replica, segment * 10), bytes).expect("written");
            }
        }
        replicas
    }

    fn directory(&self, replica: usize) -> PathBuf {
        self.0.path().join(format!("data-{replica}"))
    }

    fn segment(&self, replica: usize, base: i64) -> PathBuf {
        self.directory(replica).join(format!("t-0/{base:020}.log"))
    }

    fn change(&self, replica: usize, base: i64, change: impl FnOnce(&mut Vec<u8>)) {
        let path = self.segment(replica, base);
        let mut bytes = fs::read(&path).expect("read");
        change(&mut bytes);
        fs::write(path, bytes).expect("written");
    }

    fn config(&self) -> FilesConfig {
        FilesConfig {
            topic: "t".to_owned(),
            directories: (0..3).map(|it| self.directory(it)).collect(),
            ends: BTreeMap::new(),
        }
    }

    fn compare(&self) -> PartitionFiles {
        let mut report = compare(&self.config()).expect("a report");
        assert_eq!(report.partitions.len(), 1);
        report.partitions.remove(0)
    }
}

fn batch(base: i64) -> Vec<u8> {
    let mut builder = BatchBuilder::new().base_offset(Offset::new(base));
    for value in [b"one", b"two"] {
        builder.push(&NewRecord {
            value: Some(value),
            ..NewRecord::default()
        });
    }
    builder.build().to_vec()
}

fn problems(partition: &PartitionFiles) -> Vec<&str> {
    let replicas = partition.replicas.iter().map(|it| &it.problems);
    replicas.flatten().map(String::as_str).collect()
}

#[test]
fn the_same_bytes_are_alike() {
    let partition = Replicas::new(3).compare();
    assert_eq!(problems(&partition), Vec::<&str>::new());
    assert_eq!(
        (partition.start, partition.end, partition.batches),
        (0, 20, 10)
    );
    let mut replicas = partition.replicas.iter();
    assert!(replicas.all(|it| it.digest == partition.replicas[0].digest));
}

#[test]
fn one_byte_is_enough() {
    let replicas = Replicas::new(3);
    // A byte of the leader epoch, which no checksum covers.
    replicas.change(2, 10, |bytes| bytes[batch(0).len() + 15] ^= 1);
    let partition = replicas.compare();
    let [problem] = problems(&partition)[..] else {
        panic!("{partition:#?}");
    };
    assert!(
        problem.starts_with("byte 15 of the batch at offset 12 is not as in "),
        "{problem}"
    );
    assert_eq!(partition.batches, 6);
    let digest = |at: usize| &partition.replicas[at].digest;
    assert_eq!(digest(0), digest(1));
    assert_ne!(digest(0), digest(2));
}

#[test]
fn a_flipped_bit_in_a_record_fails_the_checksum_too() {
    let replicas = Replicas::new(3);
    replicas.change(1, 0, |bytes| bytes[70] ^= 1);
    let partition = replicas.compare();
    let [checksum, differs] = problems(&partition)[..] else {
        panic!("{partition:#?}");
    };
    assert_eq!(checksum, "the batch at offset 0 has a wrong checksum");
    assert!(
        differs.starts_with("byte 70 of the batch at offset 0"),
        "{differs}"
    );
}

#[test]
fn what_lies_behind_the_end_does_not_count() {
    let replicas = Replicas::new(3);
    replicas.change(1, 10, |bytes| bytes.truncate(2 * batch(0).len()));
    replicas.change(2, 10, |bytes| bytes[3 * batch(0).len() + 15] ^= 1);
    let partition = replicas.compare();
    assert_eq!(problems(&partition), Vec::<&str>::new());
    assert_eq!((partition.end, partition.batches), (14, 7));
    let ends: Vec<i64> = partition.replicas.iter().map(|it| it.end).collect();
    assert_eq!(ends, [20, 14, 20]);
    // Unless somebody knows better.
    let mut config = replicas.config();
    config.ends.insert(0, 20);
    let report = compare(&config).expect("a report");
    let found = problems(&report.partitions[0]);
    assert_eq!(found.len(), 3, "{found:#?}");
    assert_eq!(found[0], "it ends at 14, before 20");
    assert!(
        found[1].starts_with("no batch at offset 14"),
        "{}",
        found[1]
    );
    assert!(
        found[2].starts_with("byte 15 of the batch at offset 16"),
        "{}",
        found[2]
    );
}

#[test]
fn what_was_deleted_is_not_compared() {
    let replicas = Replicas::new(3);
    fs::remove_file(replicas.segment(1, 0)).expect("removed");
    replicas.change(2, 0, |bytes| bytes[15] ^= 1);
    let partition = replicas.compare();
    assert_eq!(problems(&partition), Vec::<&str>::new());
    assert_eq!((partition.start, partition.batches), (10, 5));
}

#[test]
fn a_torn_end_is_told_of() {
    let replicas = Replicas::new(3);
    replicas.change(0, 10, |bytes| {
        bytes.pop();
    });
    let partition = replicas.compare();
    assert_eq!(partition.end, 18);
    let [problem] = problems(&partition)[..] else {
        panic!("{partition:#?}");
    };
    assert!(problem.contains("are left"), "{problem}");
    // What was only made room for is no batch, and no damage.
    let replicas = Replicas::new(3);
    replicas.change(0, 10, |bytes| bytes.extend([0; 100]));
    assert_eq!(problems(&replicas.compare()), Vec::<&str>::new());
}

#[test]
fn batches_that_are_not_there_are_told_of() {
    let replicas = Replicas::new(3);
    replicas.change(0, 0, |bytes| {
        bytes.drain(..batch(0).len());
    });
    replicas.change(0, 10, |bytes| {
        bytes.drain(..batch(0).len());
    });
    let partition = replicas.compare();
    assert_eq!(partition.start, 2);
    let found = problems(&partition);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(
        found[0].starts_with("a batch at offset 10 where "),
        "{}",
        found[0]
    );
}

#[test]
fn without_anything_to_compare_it_is_refused() {
    let replicas = Replicas::new(3);
    let mut config = replicas.config();
    config.topic = "other".to_owned();
    assert!(compare(&config).is_err());
    config.directories.push(replicas.0.path().join("nowhere"));
    assert!(compare(&config).is_err());
}

#[test]
fn a_history_takes_it_in() {
    let replicas = Replicas::new(3);
    replicas.change(1, 0, |bytes| bytes[15] ^= 1);
    let report = compare(&replicas.config()).expect("a report");
    let history = History {
        begin: Begin::default(),
        events: report.events().collect(),
    };
    let verdict = Verdict::of(&history);
    let [group] = verdict.anomalies.as_slice() else {
        panic!("{verdict:#?}");
    };
    assert_eq!((group.name, group.count), ("replicas-differ", 1));
}
