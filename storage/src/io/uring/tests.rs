//! What follows from each result of the ring, without a ring: short transfers and errors cannot be
//! had on demand from a real disk.

use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread;

use rustix::fs::MemfdFlags;

use super::ring::RingQueue;
use super::slots::{Next, Slot, Slots};
use crate::io::files::DiskFile;
use crate::io::{AlignedBuf, BLOCK, IoFile, IoOp, IoOpKind, IoQueue};

fn memory_file(direct: bool) -> Arc<dyn IoFile> {
    let memory = || {
        rustix::fs::memfd_create("test", MemfdFlags::CLOEXEC)
            .expect("memfd")
            .into()
    };
    let second = direct.then(memory);
    Arc::new(DiskFile::from_parts(
        PathBuf::from("memory"),
        memory(),
        second,
    ))
}

fn op(kind: IoOpKind, file: &Arc<dyn IoFile>, blocks: usize) -> IoOp {
    let mut buf = AlignedBuf::with_capacity(blocks * BLOCK);
    if kind == IoOpKind::WriteDurable {
        buf.set_len(blocks * BLOCK);
    }
    IoOp {
        token: 7,
        kind,
        file: Arc::clone(file),
        offset: 0,
        buf,
    }
}

fn slot(kind: IoOpKind, file: &Arc<dyn IoFile>, blocks: usize) -> Slot {
    Slot::new(op(kind, file, blocks))
}

/// `None` for another entry, else the end.
fn step(slot: &mut Slot, result: i32) -> Option<io::Result<()>> {
    match slot.on_result(result) {
        Next::Submit => None,
        Next::Complete(result) => Some(result),
        Next::AwaitSync | Next::Synced(_) => panic!("a sync"),
    }
}

#[test]
fn a_short_write_goes_on_and_only_the_full_length_is_synced() {
    let mut slot = slot(IoOpKind::WriteDurable, &memory_file(false), 2);
    assert!(step(&mut slot, 100).is_none());
    assert_eq!(slot.done(), 100);
    assert!(
        step(&mut slot, 2 * BLOCK as i32 - 101).is_none(),
        "one byte is missing"
    );
    assert!(matches!(slot.on_result(1), Next::AwaitSync));
}

#[test]
fn a_direct_write_ends_without_a_sync_and_goes_on_at_whole_blocks() {
    let mut slot = slot(IoOpKind::WriteDurable, &memory_file(true), 2);
    assert!(step(&mut slot, BLOCK as i32 + 512).is_none());
    assert_eq!(slot.done(), BLOCK);
    assert!(step(&mut slot, BLOCK as i32).expect("ends").is_ok());
}

#[test]
fn a_write_that_moves_nothing_is_an_error() {
    for (direct, written) in [(false, 0), (true, 0), (true, 512)] {
        let mut slot = slot(IoOpKind::WriteDurable, &memory_file(direct), 1);
        let error = step(&mut slot, written).expect("ends").expect_err("fails");
        assert_eq!(error.kind(), io::ErrorKind::WriteZero);
    }
}

#[test]
fn interrupted_transfers_are_tried_again_and_others_reported() {
    for kind in [IoOpKind::Read, IoOpKind::WriteDurable] {
        for errno in [libc::EINTR, libc::EAGAIN] {
            assert!(step(&mut slot(kind, &memory_file(false), 1), -errno).is_none());
        }
        for errno in [libc::EIO, libc::ENOSPC] {
            let end = step(&mut slot(kind, &memory_file(false), 1), -errno).expect("ends");
            assert_eq!(end.expect_err("fails").raw_os_error(), Some(errno));
        }
    }
}

/// Slots whose writes are done, in one slab.
fn written(files: &[&Arc<dyn IoFile>]) -> Slots {
    let mut slots = Slots::default();
    for (index, file) in files.iter().enumerate() {
        assert_eq!(slots.insert(op(IoOpKind::WriteDurable, file, 1)), index);
        assert!(matches!(
            slots.get_mut(index).on_result(BLOCK as i32),
            Next::AwaitSync
        ));
    }
    slots
}

#[test]
fn one_sync_of_a_file_at_a_time_covers_what_was_written_before_it() {
    let (file, other) = (memory_file(false), memory_file(false));
    let mut slots = written(&[&file, &file, &other]);
    assert!(slots.begin_sync(0));
    assert!(slots.begin_sync(2), "another file syncs beside it");
    let late = slots.insert(op(IoOpKind::WriteDurable, &file, 1));
    assert!(matches!(
        slots.get_mut(late).on_result(BLOCK as i32),
        Next::AwaitSync
    ));
    assert!(
        !slots.begin_sync(late),
        "written after the sync began, so not covered by it"
    );

    assert!(matches!(
        slots.get_mut(0).on_result(0),
        Next::Synced(Ok(()))
    ));
    let ended = slots.end_sync(0);
    assert_eq!(ended.len(), 2);
    assert_eq!(slots.awaiting_sync(&ended[0]), [late]);
    assert!(slots.begin_sync(late));
    assert_eq!(slots.end_sync(late).len(), 1);
    assert_eq!(slots.end_sync(2).len(), 1);
    assert_eq!(slots.used(), 0);
}

#[test]
fn a_failed_sync_is_never_repeated() {
    let file = memory_file(false);
    let mut slots = written(&[&file, &file]);
    assert!(slots.begin_sync(0));
    let outcome = slots.get_mut(0).on_result(-libc::EINTR);
    assert!(matches!(outcome, Next::Synced(Err(libc::EINTR))));
    assert!(slots.get_mut(1).check_sync_allowed().is_err());
    assert!(file.sync().is_err());
}

#[test]
fn reads_end_at_the_end_of_the_file() {
    let mut slot = slot(IoOpKind::Read, &memory_file(false), 2);
    assert!(step(&mut slot, 5000).is_none());
    assert!(step(&mut slot, 0).expect("ends").is_ok());
    assert_eq!(slot.complete(Ok(())).buf.len(), 5000);
}

/// A pipe keeps a read in flight for as long as the test likes.
#[test]
fn a_queue_that_changes_threads_with_operations_in_flight_is_refused() {
    if let Err(error) = super::probe() {
        eprintln!("not run: {error}");
        return;
    }
    let (reader, mut writer) = io::pipe().expect("pipe");
    let reader = OwnedFd::from(reader).into();
    let file: Arc<dyn IoFile> = Arc::new(DiskFile::from_parts(PathBuf::from("pipe"), reader, None));
    let mut queue = RingQueue::new(1);
    queue.submit(op(IoOpKind::Read, &file, 1));
    queue.wait(0, &mut Vec::new()).expect("starts");
    assert_eq!(queue.in_flight(), 1);
    let elsewhere = thread::spawn(move || {
        assert!(queue.wait(1, &mut Vec::new()).is_err());
        // Its buffer is leaked: waiting is not possible here, and freeing it would hand the kernel
        // memory of somebody else.
        drop(queue);
    });
    elsewhere.join().expect("no panic, and no waiting for ever");
    assert_eq!(Arc::strong_count(&file), 2, "the operation is leaked whole");
    writer.write_all(b"late").expect("the reading end is open");
}
