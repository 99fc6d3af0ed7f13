//! What brokers are held against, under the load generator's own load: the null server as a process of its own, and what it writes and sends.

use std::path::Path;
use std::time::Duration;

use bench::interrupt::Interrupt;
use bench::measure::{self, Target, Topics};
use bench::null_server::NullServer;
use bench::round::Round;
use bench::stub::Stub;
use bench::workload::Workload;
use bench::workload::quantity::{Size, Span};
use bytes::Bytes;
use client::{Connection, PartitionBatch};
use protocol::ErrorCode;
use protocol::batch::{BatchBuilder, NewRecord, batches, verify_crc};
use protocol::model::Offset;

fn load() -> Workload {
    Workload {
        batch_records: 20,
        partitions: 3,
        warm_up: Span(Duration::ZERO),
        duration: Span(Duration::from_millis(1)),
        bytes: Size(20 << 20),
        ..Workload::default()
    }
}

fn loaded(address: &str, pids: &[u32]) -> Round {
    let target = Target {
        bootstrap: address.to_owned(),
        pids: pids.to_vec(),
    };
    let topics = Topics::Temporary("bare".to_owned());
    measure::round(&target, &load(), &topics, &|_| {}, &Interrupt::default()).unwrap()
}

fn program() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_holdfast-bench"))
}

#[test]
fn the_file_has_what_was_acknowledged() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("batches");
    let stub = Stub::start_writing("127.0.0.1:0", &path).unwrap();
    // The second begins anew.
    for _ in 0..2 {
        let round = loaded(&stub.address(), &[]);
        assert_eq!(round.ended_by, None);
        let written = std::fs::read(&path).unwrap();
        let mut records = 0;
        for batch in batches(&written) {
            let (header, batch) = batch.unwrap();
            assert!(verify_crc(batch));
            records += u64::from(header.record_count.unsigned_abs());
        }
        assert_eq!(records, round.produce.records);
        assert!(records * 1_024 >= 20 << 20);
    }
}

#[test]
fn a_damaged_batch_is_refused_and_not_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("batches");
    let stub = Stub::start_writing("127.0.0.1:0", &path).unwrap();
    let silence_max = Duration::from_secs(10);
    let mut connection = Connection::connect(&stub.address(), "it", silence_max).unwrap();
    connection.create_topic("it", 1).unwrap();
    let topic = connection.topic("it").unwrap();
    let mut batch = BatchBuilder::new();
    batch.push(&NewRecord {
        value: Some(b"value"),
        ..NewRecord::default()
    });
    let intact = batch.build().to_vec();
    let mut damaged = intact.clone();
    *damaged.last_mut().unwrap() ^= 1;
    let mut outcome = |batch: &[u8]| {
        let batch = PartitionBatch {
            topic: &topic,
            partition: 0,
            batch: Bytes::copy_from_slice(batch),
        };
        connection.send_produce(&[batch]).unwrap();
        connection.receive_produced(&[(&topic, 0)]).unwrap()[0].outcome
    };
    assert_eq!(outcome(&damaged), Err(ErrorCode::CorruptMessage));
    assert_eq!(outcome(b""), Err(ErrorCode::CorruptMessage));
    assert_eq!(std::fs::read(&path).unwrap(), b"");
    assert_eq!(outcome(&intact), Ok(Offset::ZERO));
    assert_eq!(std::fs::read(&path).unwrap(), intact);
}

#[test]
fn a_process_that_writes_is_read_back_by_sendfile() {
    let server = NullServer::start_writing(program()).unwrap();
    let round = loaded(server.address(), &[server.pid()]);
    assert!(round.broker.unwrap().cpu_seconds > 0.0);
    let interrupt = Interrupt::default();
    let (read, used) = server.read_back(&interrupt).unwrap().unwrap();
    assert!(read.bytes > round.produce.bytes);
    let round = round.with_read_back(&read, used);
    let names: Vec<String> = round.figures().into_iter().map(|it| it.0).collect();
    let read_back = names.iter().filter(|it| it.starts_with("read back "));
    let mut read_back: Vec<&str> = read_back.map(String::as_str).collect();
    // A few megabytes may cost less than the system's clock shows.
    read_back.retain(|it| *it != "read back broker CPU s/GB");
    assert_eq!(read_back, ["read back MB/s"]);
    let directory = server.directory().to_owned();
    drop(server);
    assert!(!directory.exists());
}

#[test]
fn one_that_only_acknowledges_has_nothing_to_read_back() {
    let server = NullServer::start(program()).unwrap();
    loaded(server.address(), &[]);
    let read = server.read_back(&Interrupt::default()).unwrap();
    assert!(read.is_none());
}

#[test]
fn one_that_cannot_serve_is_an_error() {
    assert!(NullServer::start(Path::new("/nowhere/holdfast-bench")).is_err());
    let error = NullServer::start(Path::new("/bin/false")).unwrap_err();
    assert_eq!(error.to_string(), "a null server ended by itself");
}
