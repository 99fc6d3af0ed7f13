//! What the simulated disk does that a real one only does on its worst day.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use storage::io::sim::{PowerLoss, SECTOR, SimConfig, SimDisk};
use storage::io::{AlignedBuf, BLOCK, Io, IoCompletion, IoFile, IoOp, IoOpKind, OpenOptions};

const SEEDS: u64 = 300;
const EIO: i32 = 5;
const CREATE: OpenOptions = OpenOptions {
    create: true,
    create_new: false,
    truncate: false,
    read_only: false,
    durable: true,
};

struct Machine {
    disk: SimDisk,
    io: Arc<dyn Io>,
}

impl Machine {
    fn new(seed: u64) -> Machine {
        Machine::with(seed, SimConfig::default())
    }

    fn with(seed: u64, config: SimConfig) -> Machine {
        let disk = SimDisk::new(seed, config);
        let io = disk.io();
        Machine { disk, io }
    }

    fn open(&self, name: &str) -> Arc<dyn IoFile> {
        self.io.open(Path::new(name), CREATE).expect("open")
    }

    /// A file whose name and contents are durable.
    fn durable_file(&self, name: &str, bytes: &[u8]) -> Arc<dyn IoFile> {
        let file = self.open(name);
        file.write_all_at(&[bytes], 0).expect("write");
        file.sync().expect("sync");
        self.io.sync_dir(Path::new("/")).expect("sync_dir");
        file
    }

    fn bytes(&self, name: &str) -> Option<Vec<u8>> {
        self.disk.image().remove(&Path::new("/").join(name))
    }
}

fn write_op(token: u64, file: &Arc<dyn IoFile>, offset: u64, fill: u8, blocks: usize) -> IoOp {
    let mut buf = AlignedBuf::with_capacity(blocks * BLOCK);
    buf.extend_from_slice(&vec![fill; blocks * BLOCK]);
    IoOp {
        token,
        kind: IoOpKind::WriteDurable,
        file: Arc::clone(file),
        offset,
        buf,
    }
}

fn write_durable(machine: &Machine, op: IoOp) -> IoCompletion {
    let mut queue = machine.io.queue(1).expect("queue");
    let mut completions = Vec::new();
    queue.submit(op);
    queue.wait(1, &mut completions).expect("wait");
    completions.pop().expect("waited for")
}

fn is_power_loss<T>(outcome: io::Result<T>) -> bool {
    matches!(outcome, Err(error) if PowerLoss::is(&error))
}

#[test]
fn unsynced_writes_survive_by_sector_or_not_at_all() {
    let (mut all, mut none, mut some) = (0, 0, 0);
    for seed in 0..SEEDS {
        let machine = Machine::new(seed);
        let file = machine.durable_file("file", &[1; 4 * BLOCK]);
        file.write_all_at(&[&[2; 3 * SECTOR + 10]], 100)
            .expect("write");
        assert_eq!(
            machine.bytes("file").expect("there")[100],
            2,
            "reads see it at once"
        );
        machine.disk.crash();

        let bytes = machine.bytes("file").expect("its name was durable");
        assert_eq!(bytes.len(), 4 * BLOCK);
        let survived: Vec<bool> = bytes[..4 * SECTOR]
            .chunks(SECTOR)
            .map(|sector| sector.contains(&2))
            .collect();
        for (index, byte) in bytes.iter().enumerate() {
            let written = (100..100 + 3 * SECTOR + 10).contains(&index);
            let lives = written && survived[index / SECTOR];
            assert_eq!(
                *byte,
                if lives { 2 } else { 1 },
                "seed {seed}, byte {index}"
            );
        }
        match survived.iter().filter(|lives| **lives).count() {
            0 => none += 1,
            4 => all += 1,
            _ => some += 1,
        }
    }
    assert!(all > 20 && none > 20 && some > 20, "{all} {none} {some}");
}

#[test]
fn a_sector_written_twice_survives_in_any_version() {
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let machine = Machine::new(seed);
        let file = machine.durable_file("file", &[1; SECTOR]);
        file.write_all_at(&[&[2; SECTOR]], 0).expect("write");
        file.write_all_at(&[&[3; SECTOR]], 0).expect("write");
        machine.disk.crash();
        seen.insert(machine.bytes("file").expect("there")[0]);
    }
    assert_eq!(seen, BTreeSet::from([1, 2, 3]));
}

#[test]
fn lengths_survive_in_order_and_without_old_bytes() {
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let machine = Machine::new(seed);
        let file = machine.durable_file("file", &[1; 2 * BLOCK]);
        file.set_len(BLOCK as u64).expect("cut");
        file.set_len(3 * BLOCK as u64).expect("extend");
        machine.disk.crash();
        let bytes = machine.bytes("file").expect("there");
        assert!(bytes[..BLOCK].iter().all(|byte| *byte == 1));
        if bytes.len() == 3 * BLOCK {
            assert!(
                bytes[BLOCK..].iter().all(|byte| *byte == 0),
                "what was cut stays cut"
            );
        }
        seen.insert(bytes.len() / BLOCK);
    }
    assert_eq!(seen, BTreeSet::from([1, 2, 3]));
}

#[test]
fn what_was_synced_or_written_durably_survives_every_crash() {
    for direct in [true, false] {
        for seed in 0..SEEDS {
            let machine = Machine::with(
                seed,
                SimConfig {
                    direct,
                    ..SimConfig::default()
                },
            );
            let file = machine.durable_file("file", &[1; BLOCK]);
            // Unsynced changes around and below must not take the durable write with them.
            file.write_all_at(&[&[2; 2 * BLOCK]], 0).expect("write");
            let op = write_op(1, &file, BLOCK as u64, 3, 2);
            write_durable(&machine, op).result.expect("written");
            file.write_all_at(&[&[4; BLOCK]], 3 * BLOCK as u64)
                .expect("write");
            // A durable write into a length that is not durable takes the length along.
            let op = write_op(2, &file, 3 * BLOCK as u64, 5, 1);
            write_durable(&machine, op).result.expect("written");
            machine.disk.crash();
            let bytes = machine.bytes("file").expect("there");
            assert_eq!(bytes[BLOCK..3 * BLOCK], [3; 2 * BLOCK], "seed {seed}");
            assert_eq!(bytes[3 * BLOCK..], [5; BLOCK], "seed {seed}");
        }
    }
}

#[test]
fn a_durable_write_in_flight_is_torn_between_sectors() {
    let mut counts = BTreeSet::new();
    for seed in 0..SEEDS {
        let machine = Machine::new(seed);
        let file = machine.durable_file("file", &[1; BLOCK]);
        let mut queue = machine.io.queue(2).expect("queue");
        queue.submit(write_op(1, &file, 0, 2, 1));
        machine.disk.crash();

        let mut completions = Vec::new();
        queue.wait(1, &mut completions).expect("wait");
        let completion = completions.pop().expect("its buffer comes back");
        assert!(is_power_loss(completion.result));
        assert_eq!(completion.buf.as_slice(), [2; BLOCK]);

        let bytes = machine.bytes("file").expect("there");
        for sector in bytes.chunks(SECTOR) {
            assert!(
                sector.iter().all(|byte| *byte == sector[0]),
                "a sector is written whole"
            );
        }
        counts.insert(bytes.chunks(SECTOR).filter(|sector| sector[0] == 2).count());
    }
    assert_eq!(counts.len(), BLOCK / SECTOR + 1, "{counts:?}");
}

#[test]
fn later_durable_writes_survive_earlier_ones_that_did_not() {
    let mut gaps = 0;
    for seed in 0..SEEDS {
        let machine = Machine::new(seed);
        let file = machine.durable_file("file", &[0; 2 * BLOCK]);
        let mut queue = machine.io.queue(2).expect("queue");
        queue.submit(write_op(1, &file, 0, 1, 1));
        queue.submit(write_op(2, &file, BLOCK as u64, 2, 1));
        let mut completions = Vec::new();
        queue.wait(1, &mut completions).expect("wait");
        machine.disk.crash();
        let bytes = machine.bytes("file").expect("there");
        for completion in &completions {
            let start = (completion.token as usize - 1) * BLOCK;
            assert_eq!(bytes[start..start + BLOCK], [completion.token as u8; BLOCK]);
        }
        let torn = bytes[..BLOCK].contains(&0);
        gaps += usize::from(torn && completions.iter().any(|done| done.token == 2));
    }
    assert!(gaps > 10, "{gaps}");
}

#[test]
fn names_survive_only_a_sync_of_their_directory() {
    let (mut kept, mut lost) = (0, 0);
    for seed in 0..SEEDS {
        let machine = Machine::new(seed);
        machine.durable_file("old", b"old");
        let file = machine.open("new");
        file.write_all_at(&[b"new"], 0).expect("write");
        file.sync().expect("sync");
        machine.disk.crash();
        assert_eq!(machine.bytes("old").expect("durable"), b"old");
        match machine.bytes("new") {
            Some(bytes) => {
                assert_eq!(bytes, b"new", "the contents were synced");
                kept += 1;
            }
            None => lost += 1,
        }
    }
    assert!(kept > 20 && lost > 20, "{kept} {lost}");
}

#[test]
fn a_replacing_rename_leaves_the_old_or_the_new() {
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let machine = Machine::new(seed);
        machine.durable_file("file", b"old");
        let temporary = machine.open("file.tmp");
        temporary.write_all_at(&[b"new"], 0).expect("write");
        temporary.sync().expect("sync");
        machine
            .io
            .rename(Path::new("file.tmp"), Path::new("file"))
            .expect("rename");
        machine.disk.crash();
        let file = machine.bytes("file").expect("never neither");
        assert!(file == b"old" || file == b"new");
        seen.insert((file, machine.bytes("file.tmp").is_some()));
    }
    let (old, new) = (b"old".to_vec(), b"new".to_vec());
    assert_eq!(
        seen,
        BTreeSet::from([(old.clone(), false), (old, true), (new, false)])
    );
}

#[test]
fn what_was_durable_is_never_lost_or_doubled_by_being_moved() {
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let machine = Machine::new(seed);
        machine.durable_file("a", b"bytes");
        machine.io.create_dir_all(Path::new("dir")).expect("create");
        for (from, to) in [("a", "b"), ("b", "dir/c"), ("dir/c", "dir/d")] {
            machine
                .io
                .rename(Path::new(from), Path::new(to))
                .expect("rename");
        }
        machine.disk.crash();
        let image = machine.disk.image();
        assert_eq!(image.len(), 1, "seed {seed}: {image:?}");
        seen.extend(image.into_keys());
    }
    assert_eq!(
        seen,
        ["/a", "/b", "/dir/c", "/dir/d"].map(PathBuf::from).into()
    );
}

#[test]
fn unsynced_removals_and_directories_may_come_back_or_vanish() {
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let machine = Machine::new(seed);
        machine.durable_file("gone", b"bytes");
        machine.io.create_dir_all(Path::new("a/b")).expect("create");
        let file = machine.open("a/b/file");
        machine.io.sync_dir(Path::new("a/b")).expect("sync_dir");
        machine.io.remove_file(Path::new("gone")).expect("remove");
        drop(file);
        machine.disk.crash();
        let there = |name: &str| machine.io.exists(Path::new(name)).expect("exists");
        if there("a/b") {
            assert!(there("a/b/file"), "its directory was synced");
        }
        if there("gone") {
            assert_eq!(machine.bytes("gone").expect("there"), b"bytes");
        }
        seen.insert((there("gone"), there("a"), there("a/b")));
    }
    assert_eq!(seen.len(), 6, "{seen:?}");
}

#[test]
fn a_synced_directory_keeps_its_changes() {
    for seed in 0..SEEDS {
        let machine = Machine::new(seed);
        machine.durable_file("removed", b"1");
        machine.durable_file("renamed", b"2");
        machine.io.create_dir_all(Path::new("dir")).expect("create");
        machine
            .io
            .rename(Path::new("renamed"), Path::new("dir/moved"))
            .expect("rename");
        machine
            .io
            .remove_file(Path::new("removed"))
            .expect("remove");
        machine.io.sync_dir(Path::new("/")).expect("sync_dir");
        machine.disk.crash();
        let names: Vec<PathBuf> = machine.disk.image().into_keys().collect();
        assert_eq!(names, [PathBuf::from("/dir/moved")]);
    }
}

#[test]
fn handles_from_before_a_power_loss_are_dead() {
    let machine = Machine::new(1);
    let file = machine.durable_file("file", &[1; BLOCK]);
    assert!(file.try_lock().expect("lock"));
    let mut queue = machine.io.queue(2).expect("queue");
    machine.disk.crash();
    assert!(is_power_loss(file.len()));
    assert!(is_power_loss(file.read_at(&mut [0], 0)));
    assert!(is_power_loss(file.write_all_at(&[b"x"], 0)));
    assert!(is_power_loss(file.sync()));
    let mut completions = Vec::new();
    let again = machine.open("file");
    queue.submit(write_op(1, &again, 0, 9, 1));
    queue.wait(1, &mut completions).expect("wait");
    assert!(is_power_loss(completions.pop().expect("one").result));
    assert!(
        again.try_lock().expect("lock"),
        "the lock died with its holder"
    );
    drop(file);
    assert!(
        !machine.open("file").try_lock().expect("lock"),
        "the old handle frees nothing"
    );
    assert_eq!(machine.bytes("file").expect("there"), [1; BLOCK]);
}

#[test]
fn a_killed_process_leaves_the_page_cache() {
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let machine = Machine::new(seed);
        let file = machine.durable_file("file", &[1; BLOCK]);
        assert!(file.try_lock().expect("lock"));
        file.write_all_at(&[b"cached"], 0).expect("write");
        machine.open("unsynced");
        let mut queue = machine.io.queue(1).expect("queue");
        queue.submit(write_op(1, &file, BLOCK as u64, 2, 2));
        machine.disk.kill();
        assert!(is_power_loss(file.len()));
        assert!(machine.open("file").try_lock().expect("lock"));
        assert!(machine.io.exists(Path::new("unsynced")).expect("exists"));
        let bytes = machine.bytes("file").expect("there");
        assert_eq!(bytes[..6], *b"cached");
        assert!(bytes[BLOCK..].iter().all(|byte| *byte == 2));
        seen.insert((bytes.len() - BLOCK) / SECTOR);
    }
    assert!(
        seen.contains(&0) && seen.contains(&16) && seen.len() > 3,
        "{seen:?}"
    );

    let lost = (0..SEEDS).filter(|seed| {
        let machine = Machine::new(*seed);
        let file = machine.durable_file("file", &[1; BLOCK]);
        file.write_all_at(&[b"cached"], 0).expect("write");
        machine.disk.kill();
        machine.disk.crash();
        machine.bytes("file").expect("there") == [1; BLOCK]
    });
    assert!(lost.count() > 20, "a kill makes nothing durable");
}

#[test]
fn rot_flips_bits_for_readers_and_for_the_medium() {
    let machine = Machine::new(1);
    let file = machine.durable_file("file", &[0b1010; 100]);
    machine
        .disk
        .rot(Path::new("file"), 42, 0b0110)
        .expect("rot");
    let mut byte = [0];
    file.read_at(&mut byte, 42).expect("read");
    assert_eq!(byte, [0b1100]);
    machine.disk.crash();
    let bytes = machine.bytes("file").expect("there");
    assert_eq!((bytes[41], bytes[42], bytes[43]), (0b1010, 0b1100, 0b1010));
    assert!(machine.disk.rot(Path::new("file"), 100, 1).is_err());
    assert!(machine.disk.rot(Path::new("missing"), 0, 1).is_err());
}

#[test]
fn a_full_disk_refuses_growth_and_takes_overwrites() {
    let machine = Machine::new(1);
    machine.disk.set_capacity(8 * BLOCK as u64);
    let file = machine.durable_file("file", &[1; 6 * BLOCK]);
    let full = |outcome: io::Result<()>| {
        assert_eq!(
            outcome.expect_err("full").kind(),
            io::ErrorKind::StorageFull
        );
    };
    full(write_durable(&machine, write_op(1, &file, 6 * BLOCK as u64, 2, 4)).result);
    full(file.write_all_at(&[&[2; 4 * BLOCK]], 6 * BLOCK as u64));
    let space = machine.io.disk_space(Path::new("/")).expect("space");
    assert_eq!(
        (space.total, space.available),
        (8 * BLOCK as u64, 0),
        "a part was written"
    );
    full(machine.io.open(Path::new("other"), CREATE).map(drop));
    full(machine.io.create_dir_all(Path::new("dir")));

    file.write_all_at(&[&[3; 6 * BLOCK]], 0)
        .expect("over what is there");
    write_durable(&machine, write_op(1, &file, 0, 4, 6))
        .result
        .expect("over what is there");
    file.set_len(100 * BLOCK as u64)
        .expect("a hole takes no space");
    full(file.write_all_at(&[b"x"], 50 * BLOCK as u64));
    full(file.allocate(101 * BLOCK as u64));
    file.set_len(7 * BLOCK as u64).expect("cut");
    file.sync().expect("sync");
    machine
        .open("other")
        .write_all_at(&[&[5; BLOCK]], 0)
        .expect("there is room again");
    machine.io.remove_file(Path::new("file")).expect("remove");
    full(machine.open("other").write_all_at(&[&[5; 4 * BLOCK]], 0));
    drop(file);
    machine
        .open("other")
        .write_all_at(&[&[5; 4 * BLOCK]], 0)
        .expect("freed with the last handle");
}

#[test]
fn asked_for_failures_happen_once_and_where_they_were_asked_for() {
    let machine = Machine::new(1);
    let (file, other) = (machine.open("file"), machine.open("other"));
    let errno = |outcome: io::Result<()>| outcome.expect_err("asked for").raw_os_error();
    machine.disk.fail_next_write("file", EIO);
    other.write_all_at(&[b"x"], 0).expect("not asked for");
    assert_eq!(errno(file.write_all_at(&[b"x"], 0)), Some(EIO));
    file.write_all_at(&[b"x"], 0).expect("once");

    machine.disk.fail_next_write("file", EIO);
    assert_eq!(
        errno(write_durable(&machine, write_op(1, &file, 0, 1, 1)).result),
        Some(EIO)
    );
    machine.disk.fail_next_read("file", EIO);
    assert_eq!(errno(file.read_at(&mut [0], 0).map(drop)), Some(EIO));
    machine.disk.fail_next_sync("file", EIO);
    assert_eq!(errno(file.sync()), Some(EIO));
    machine.disk.fail_next_sync("/", EIO);
    assert_eq!(errno(machine.io.sync_dir(Path::new("/"))), Some(EIO));
    machine.disk.fail_next_sync("file", EIO);
    machine.disk.clear_faults();
    file.sync().expect("cleared");
}

#[test]
fn after_a_failed_sync_the_next_one_lies() {
    let lost = (0..SEEDS).filter(|seed| {
        let machine = Machine::new(*seed);
        let file = machine.durable_file("file", &[1; BLOCK]);
        file.write_all_at(&[&[2; BLOCK]], 0).expect("write");
        machine.disk.fail_next_sync("file", EIO);
        assert!(file.sync().is_err());
        assert_eq!(
            machine.bytes("file").expect("there"),
            [2; BLOCK],
            "reads still see it"
        );
        file.sync().expect("succeeds, having written nothing");
        machine.disk.crash();
        machine.bytes("file").expect("there").contains(&1)
    });
    assert!(lost.count() > 100);
}

#[test]
fn errors_by_chance_happen_at_about_their_rate() {
    let config = SimConfig {
        write_errors_per_million: 100_000,
        ..SimConfig::default()
    };
    let machine = Machine::with(1, config);
    let file = machine.open("file");
    let failed = (0..1_000)
        .filter(|_| file.write_all_at(&[b"x"], 0).is_err())
        .count();
    assert!((50..200).contains(&failed), "{failed}");
    file.sync().expect("no chance was given to this");
}

#[test]
fn a_disk_that_lies_about_syncs_loses_what_it_promised() {
    let (mut durable, mut synced) = (0, 0);
    for seed in 0..SEEDS {
        let machine = Machine::new(seed);
        let journal = machine.durable_file("journal", &[0; BLOCK]);
        let file = machine.durable_file("file", &[0; BLOCK]);
        machine.disk.lie_about_sync(true);
        write_durable(&machine, write_op(1, &journal, 0, 1, 1))
            .result
            .expect("it says");
        file.write_all_at(&[&[1; BLOCK]], 0).expect("write");
        file.sync().expect("it says");
        assert_eq!(machine.bytes("journal").expect("there"), [1; BLOCK]);
        machine.disk.crash();
        durable += usize::from(machine.bytes("journal").expect("there").contains(&0));
        synced += usize::from(machine.bytes("file").expect("there").contains(&0));
    }
    assert!(durable > 100 && synced > 100, "{durable} {synced}");
}

/// A program with every kind of call, which reports what was promised to it.
fn program(machine: &Machine) -> io::Result<Vec<(&'static str, u8)>> {
    let mut promised = Vec::new();
    let outcome = run_program(machine, &mut promised);
    match outcome {
        Err(error) if !PowerLoss::is(&error) => Err(error),
        _ => Ok(promised),
    }
}

fn run_program(machine: &Machine, promised: &mut Vec<(&'static str, u8)>) -> io::Result<()> {
    let io = &machine.io;
    io.create_dir_all(Path::new("data"))?;
    io.sync_dir(Path::new("/"))?;
    let journal = io.open(Path::new("data/journal"), CREATE)?;
    journal.write_all_at(&[&[0; 8 * BLOCK]], 0)?;
    journal.sync()?;
    io.sync_dir(Path::new("data"))?;
    let mut queue = io.queue(4)?;
    let mut completions = Vec::new();
    for round in 1..=6 {
        queue.submit(write_op(
            round,
            &journal,
            (round - 1) * BLOCK as u64,
            round as u8,
            1,
        ));
        queue.wait(usize::from(queue.in_flight() == 4), &mut completions)?;
        for done in completions.drain(..) {
            done.result?;
            promised.push(("data/journal", done.token as u8));
        }
    }
    let temporary = io.open(Path::new("data/side.tmp"), CREATE)?;
    temporary.write_all_at(&[&[7; 600]], 0)?;
    temporary.set_len(590)?;
    temporary.sync()?;
    io.rename(Path::new("data/side.tmp"), Path::new("data/side"))?;
    io.sync_dir(Path::new("data"))?;
    promised.push(("data/side", 7));
    let in_flight = queue.in_flight();
    queue.wait(in_flight, &mut completions)?;
    for done in completions.drain(..) {
        done.result?;
        promised.push(("data/journal", done.token as u8));
    }
    // A removal that fails halfway may have happened.
    promised.retain(|(name, _)| *name != "data/side");
    io.remove_file(Path::new("data/side"))?;
    promised.clear();
    io.remove_dir_all(Path::new("data"))
}

#[test]
fn a_power_loss_at_every_operation_keeps_every_promise() {
    let whole = Machine::new(0);
    program(&whole).expect("runs");
    let mutations = whole.disk.mutations();
    assert!(mutations > 25, "{mutations}");
    let mut promises = 0;
    for seed in 0..60 {
        for after in 0..mutations {
            let machine = Machine::new(seed);
            machine.disk.crash_after(after);
            let promised = program(&machine).expect("only the power fails");
            assert!(machine.disk.is_down(), "seed {seed}, after {after}");
            assert_eq!(machine.disk.mutations(), after + 1);
            assert!(is_power_loss(machine.io.exists(Path::new("data"))));
            assert!(is_power_loss(machine.io.open(Path::new("x"), CREATE)));
            machine.disk.restart();
            promises += promised.len();
            for (name, fill) in promised {
                let bytes = machine.bytes(name);
                let bytes = bytes.unwrap_or_else(|| panic!("{name}, seed {seed}, after {after}"));
                if name == "data/side" {
                    assert_eq!(bytes, [fill; 590], "seed {seed}, after {after}");
                } else {
                    let start = (usize::from(fill) - 1) * BLOCK;
                    assert_eq!(
                        bytes[start..start + BLOCK],
                        [fill; BLOCK],
                        "seed {seed} {after}"
                    );
                }
            }
            machine
                .io
                .create_dir_all(Path::new("data"))
                .expect("it runs again");
        }
    }
    assert!(promises > 1_000, "{promises}");
}

fn replay(seed: u64) -> (BTreeMap<PathBuf, Vec<u8>>, Vec<String>, u64) {
    let config = SimConfig {
        write_errors_per_million: 1_000,
        trace_len_max: 1_000,
        ..SimConfig::default()
    };
    let machine = Machine::with(seed, config);
    for round in 0..8 {
        machine.disk.crash_after(round * 3);
        // Errors by chance are part of what must replay.
        let _ = program(&machine);
        if round % 3 == 0 {
            machine.disk.kill();
        } else {
            machine.disk.crash();
        }
    }
    (
        machine.disk.image(),
        machine.disk.trace(),
        machine.disk.mutations(),
    )
}

#[test]
fn one_seed_gives_the_same_bytes_twice() {
    let mut images = BTreeSet::new();
    for seed in 0..50 {
        let first = replay(seed);
        assert!(
            first.1.iter().any(|line| line.contains("sync_dir data")),
            "{:?}",
            first.1
        );
        assert!(first == replay(seed), "seed {seed}");
        images.insert(first.0);
    }
    assert!(images.len() > 5, "different seeds differ");
}
