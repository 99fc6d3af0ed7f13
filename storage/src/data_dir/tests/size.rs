//! The journal on disks of all sizes.

use crate::data_dir::DataDirConfig;
use crate::fixture::node;

const MIB: u64 = 1 << 20;

/// The broker's defaults.
fn config() -> DataDirConfig {
    DataDirConfig {
        journal_file_bytes: 64 * MIB,
        journal_files: 16,
        journal_first_file_bytes: 16 * MIB,
        ..node().config
    }
}

#[test]
fn a_journal_and_a_reserve_of_its_size_take_a_tenth_of_a_small_disk() {
    for (disk_mib, files) in [(400, 5), (700, 8), (1024, 12), (4096, 16), (10_000, 16)] {
        let fitted = config().fit_to_disk(disk_mib * MIB, MIB);
        assert_eq!(fitted.journal_files, files, "{disk_mib} MiB");
        let journal = u64::from(fitted.journal_files) * fitted.journal_file_bytes;
        assert!(journal * 2 <= disk_mib * MIB / 10);
        assert!(fitted.journal_first_file_bytes <= fitted.journal_file_bytes);
        assert!(fitted.writer.commit_bytes_max as u64 * 2 <= fitted.journal_file_bytes);
    }
}

#[test]
fn a_large_disk_changes_nothing_and_a_tiny_one_still_takes_the_largest_batch() {
    let of = |config: DataDirConfig| (config.journal_files, config.journal_file_bytes);
    assert_eq!(of(config().fit_to_disk(100 << 30, MIB)), of(config()));
    let tiny = config().fit_to_disk(10 * MIB, 9 * MIB);
    assert!(tiny.journal_file_bytes > 9 * MIB);
    assert_eq!(
        tiny.journal_files, 4,
        "one is written, one is freed, one is kept"
    );
    let two = DataDirConfig {
        journal_files: 2,
        ..config()
    };
    assert_eq!(two.fit_to_disk(10 * MIB, MIB).journal_files, 2);
}
