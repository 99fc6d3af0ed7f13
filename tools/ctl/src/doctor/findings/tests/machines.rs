//! Disks, clocks, versions, admin ports, and groups.

use crate::groups::{Described, GroupOffset, Member};

use super::*;

#[test]
fn groups_read_what_there_is() {
    let group = |committed: i64, end: i64, members: usize| {
        let member = Member {
            id: "m".to_owned(),
            client_id: "c".to_owned(),
            host: "/10.0.0.9".to_owned(),
            partitions: None,
        };
        let group = Described {
            group: "readers".to_owned(),
            state: "Stable".to_owned(),
            coordinator: 1,
            lag: (end - committed).max(0),
            members: vec![member; members],
            offsets: vec![GroupOffset {
                topic: "orders".to_owned(),
                partition: 0,
                committed,
                end: Some(end),
                lag: Some((end - committed).max(0)),
            }],
        };
        with(|snapshot| {
            snapshot.groups = Some(GroupsLook {
                groups: vec![group],
                left_out: 0,
            });
        })
    };
    assert_eq!(group(90, 100, 1), NONE);
    assert_eq!(group(0, 100_001, 1), [("group-behind", Severity::Note)]);
    assert_eq!(group(100, 100, 0), [("group-idle", Severity::Note)]);
    let beyond = [("group-beyond-end", Severity::Warning)];
    assert_eq!(group(101, 100, 1), beyond);
}

#[test]
fn brokers_are_of_one_version() {
    let other = with(|snapshot| {
        let look = snapshot.brokers.get_mut(&3).expect("a broker");
        look.versions.insert(0, VersionRange::new(0, 12));
    });
    assert_eq!(other, [("versions", Severity::Warning)]);
    let mut snapshot = well();
    let look = snapshot.brokers.get_mut(&3).expect("a broker");
    look.versions.insert(0, VersionRange::new(0, 12));
    let seen = findings(&snapshot).remove(0).seen;
    assert_eq!(seen, "brokers [1, 2], [3] have other versions of Produce");
}

#[test]
fn clocks_are_compared_with_each_other_and_with_the_one_here() {
    let clocks = |ahead_ms: &[i64]| {
        with(|snapshot| {
            let clocks = ahead_ms.iter().map(|ahead_ms| Clock {
                of: "a broker".to_owned(),
                ahead_ms: *ahead_ms,
            });
            snapshot.clocks = clocks.collect();
        })
    };
    assert_eq!(clocks(&[]), NONE);
    assert_eq!(clocks(&[-900, 900]), NONE);
    assert_eq!(clocks(&[-900, 60_000]), [("clocks", Severity::Warning)]);
    assert_eq!(clocks(&[60_000, 60_100]), [("clocks", Severity::Note)]);
}

#[test]
fn disks_have_space_and_work() {
    let directory = |change: fn(&mut DirectoryFacts)| {
        with_facts(|facts| change(&mut facts.brokers[1].directories[0]))
    };
    let full = directory(|it| it.usable_bytes = Some(100));
    assert_eq!(full, [("disk-filling", Severity::Warning)]);
    let failed = directory(|it| it.error = Some("KAFKA_STORAGE_ERROR".to_owned()));
    assert_eq!(failed, [("directory-failed", Severity::Error)]);
    assert_eq!(directory(|it| it.total_bytes = None), NONE);
}

#[test]
fn admin_ports_show_what_brokers_do_not_tell() {
    let admin = |change: fn(&mut AdminLook)| with(|snapshot| change(&mut snapshot.admins[0]));
    let silent = admin(|it| it.error = Some("refused".to_owned()));
    assert_eq!(silent, [("admin-silent", Severity::Warning)]);
    let recovering = admin(|it| it.not_ready = Some("recovering".to_owned()));
    assert_eq!(recovering, [("not-ready", Severity::Error)]);
    let threads = admin(|it| {
        let line = "holdfast_io_engine{engine=\"threads\",fallback_reason=\"EPERM\"} 1\n";
        it.metrics = line.to_owned();
    });
    assert_eq!(threads, [("io-engine", Severity::Note)]);
    let alarms = admin(|it| {
        let lines = [
            "holdfast_disk_refusing{directory=\"/a\"} 0",
            "holdfast_disk_refusing{directory=\"/b\"} 1",
            "holdfast_journal_bytes_capacity{directory=\"/b\"} 1000",
            "holdfast_journal_bytes_used{directory=\"/b\"} 900",
            "holdfast_retention_paused{directory=\"/b\"} 1",
            "",
        ];
        it.metrics = lines.join("\n");
    });
    let expected = [
        ("disk-refusing", Severity::Error),
        ("retention-paused", Severity::Warning),
        ("journal-filling", Severity::Warning),
    ];
    assert_eq!(alarms, expected);
    let builds = with(|snapshot| {
        let build = |version: &str| AdminLook {
            metrics: format!("holdfast_build_info{{version=\"{version}\"}} 1\n"),
            ..AdminLook::default()
        };
        snapshot.admins = vec![build("0.1.0"), build("0.2.0")];
    });
    assert_eq!(builds, [("builds", Severity::Warning)]);
}
