//! Clients that want too much, too slowly or too often: the broker's memory stays bounded, and a
//! producer and consumer beside them goes on being served.
//!
//! Memory is the most the process ever had. It is bounded by what it takes to serve at all, and the
//! budget (`queued.max.request.bytes`) with its reserve; where requests of the largest size come,
//! one of them may run into the budget's overdraft.

use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::Duration;

use bytes::{BufMut, BytesMut};
use protocol::batch::{Compression, compress};
use protocol::messages::{
    ApiVersionsRequest, FetchRequest, ListOffsetsRequest,
    list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
};
use protocol::wire::encode_request_frame;

use crate::support::topics::{FETCH, Topic, topic_name};
use crate::support::{Bystander, Node, NodeConfig, Random, batch};

/// Code, threads and their buffers, what the allocator keeps, the journal's buffers.
const SERVING_BYTES_MAX: u64 = 96 << 20;
const BUDGET_BYTES: u64 = 112 << 20;
const RESERVE_BYTES: u64 = BUDGET_BYTES / 16;
const REQUEST_BYTES_MAX: u64 = 100 << 20;
/// What the bystander has to get done while the others are there.
const ROUNDS: usize = 20;

fn start() -> Node {
    let config = NodeConfig::new()
        .set("queued.max.request.bytes", &BUDGET_BYTES.to_string())
        .set("socket.request.max.bytes", &REQUEST_BYTES_MAX.to_string());
    Node::start(config)
}

/// `overdraft` is what one frame may have beyond the budget.
#[track_caller]
fn memory_is_bounded(node: &Node, overdraft: u64) {
    let peak = node.peak_resident_bytes();
    let bound = SERVING_BYTES_MAX + BUDGET_BYTES + RESERVE_BYTES + overdraft;
    println!("peak {} MiB of {} MiB", peak >> 20, bound >> 20);
    assert!(peak < bound, "{peak} bytes, {bound} are allowed");
}

fn connect(node: &Node) -> TcpStream {
    let stream = TcpStream::connect(node.kafka()).expect("the broker accepts");
    stream.set_nodelay(true).expect("a socket");
    stream
}

/// Writes what the system takes without waiting. The broker may have had enough of it.
fn push(stream: &mut TcpStream, bytes: &[u8]) -> usize {
    stream.set_nonblocking(true).expect("a socket");
    let mut written = 0;
    while written < bytes.len() {
        match stream.write(&bytes[written..]) {
            Ok(more) => written += more,
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            Err(_) => break,
        }
    }
    stream.set_nonblocking(false).expect("a socket");
    written
}

/// A topic with so many MiB in batches of 1 MiB or so, which do not compress.
fn filled(node: &Node, name: &str, mebibytes: usize) -> Topic {
    let mut client = node.client();
    let topic = client.create_topic(name, 1, &[("max.message.bytes", "2000000")]);
    let value = Random::new(1).bytes(1 << 20);
    for _ in 0..mebibytes {
        client.append(&topic, 0, batch(&[&value]));
    }
    topic
}

/// As many bytes as fit, from the front.
fn greedy(topic: &Topic) -> FetchRequest {
    let mut request = topic.fetch(0, 0).with_max_bytes(55 << 20);
    request.topics[0].partitions[0].partition_max_bytes = 55 << 20;
    request
}

fn frame(request: &FetchRequest) -> BytesMut {
    encode_request_frame(FETCH, 1, Some("siege"), request).expect("it can be encoded")
}

#[test]
fn requests_that_come_a_byte_at_a_time_are_answered_and_hold_nobody_up() {
    const SENDERS: usize = 200;
    let node = start();
    let bystander = Bystander::start(&node);
    let request = encode_request_frame(0, 7, Some("siege"), &ApiVersionsRequest::default());
    let request = request.expect("it can be encoded");
    let mut senders: Vec<TcpStream> = (0..SENDERS).map(|_| connect(&node)).collect();
    for byte in request.chunks(1) {
        for sender in &mut senders {
            sender.write_all(byte).expect("the broker reads");
        }
        bystander.is_served(1);
    }
    for mut sender in senders {
        let mut answer = [0; 10];
        sender.read_exact(&mut answer).expect("it is answered");
        assert_eq!(answer[4..8], 7_i32.to_be_bytes());
    }
    memory_is_bounded(&node, 0);
    bystander.finish();
}

#[test]
fn answers_that_are_read_a_byte_at_a_time_hold_nobody_up() {
    let node = start();
    let topic = filled(&node, "much", 8);
    let bystander = Bystander::start(&node);
    let request = frame(&greedy(&topic));
    let mut readers: Vec<TcpStream> = (0..30).map(|_| connect(&node)).collect();
    for reader in &mut readers {
        reader.write_all(&request).expect("the broker reads");
    }
    let mut answers = vec![Vec::new(); readers.len()];
    for _ in 0..100 {
        for (reader, answer) in readers.iter_mut().zip(&mut answers) {
            let mut byte = [0];
            reader.read_exact(&mut byte).expect("an answer");
            answer.extend_from_slice(&byte);
        }
    }
    bystander.is_served(ROUNDS);
    memory_is_bounded(&node, 0);
    // All of it is there for who reads on.
    let size = u32::from_be_bytes(*answers[0].first_chunk().expect("it was read"));
    let mut rest = vec![0; size as usize + 4 - answers[0].len()];
    readers[0].read_exact(&mut rest).expect("the rest");
    bystander.finish();
}

#[test]
fn who_never_reads_its_answers_holds_nobody_up() {
    let mut node = start();
    let topic = filled(&node, "much", 64);
    // From files, and from what is in memory.
    node.stop();
    node.restart();
    let bystander = Bystander::start(&node);
    let request = frame(&greedy(&topic)).repeat(20);
    let readers: Vec<TcpStream> = (0..100)
        .map(|_| {
            let mut reader = connect(&node);
            push(&mut reader, &request);
            reader
        })
        .collect();
    bystander.is_served(ROUNDS);
    // Who wants the same, and takes it, gets it: those who do not are not waited for.
    let answer = node.client().fetch(&topic, 0, 0);
    assert!(
        answer
            .records
            .is_some_and(|records| records.len() > 1 << 20)
    );
    bystander.is_served(ROUNDS);
    memory_is_bounded(&node, 0);
    drop(readers);
    bystander.finish();
}

#[test]
fn thousands_that_do_nothing_cost_little() {
    const IDLE: usize = 3000;
    const BYTES_EACH_MAX: u64 = 16 << 10;
    allow_descriptors();
    let node = start();
    let bystander = Bystander::start(&node);
    let request = encode_request_frame(0, 7, Some("siege"), &ApiVersionsRequest::default());
    let request = request.expect("it can be encoded");
    let before = node.resident_bytes();
    let mut idle = Vec::with_capacity(IDLE);
    for _ in 0..IDLE {
        let mut client = connect(&node);
        client.write_all(&request).expect("the broker reads");
        let mut answer = [0; 10];
        client.read_exact(&mut answer).expect("it is answered");
        idle.push(client);
    }
    bystander.is_served(ROUNDS);
    let each = (node.resident_bytes().saturating_sub(before)) / IDLE as u64;
    println!("{each} bytes each");
    assert!(each < BYTES_EACH_MAX, "{each} bytes each");
    memory_is_bounded(&node, 0);
    drop(idle);
    bystander.finish();
}

/// A descriptor for each connection here, and one in the broker's process, which inherits the limit.
fn allow_descriptors() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let limit = rustix::process::Rlimit {
        current: limit.maximum,
        maximum: limit.maximum,
    };
    rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).expect("up to the hard");
}

#[test]
fn connections_that_come_and_go_all_the_time_hold_nobody_up() {
    const STORM: usize = 4;
    const CONNECTIONS: usize = 1000;
    let node = start();
    let bystander = Bystander::start(&node);
    let address = node.kafka();
    let storms: Vec<_> = (0..STORM)
        .map(|storm| {
            thread::spawn(move || {
                for at in 0..CONNECTIONS {
                    let Ok(mut stream) = TcpStream::connect(address) else {
                        continue;
                    };
                    // Some say something, a part of something, or nothing at all.
                    let _ = match (storm + at) % 3 {
                        0 => stream.write_all(&[0, 0, 0, 100, 0]),
                        1 => stream.write_all(&[0xff; 9]),
                        _ => Ok(()),
                    };
                }
            })
        })
        .collect();
    bystander.is_served(ROUNDS);
    for storm in storms {
        storm.join().expect("it only connects");
    }
    bystander.is_served(ROUNDS);
    memory_is_bounded(&node, 0);
    bystander.finish();
}

#[test]
fn the_largest_requests_that_never_end_hold_nobody_up() {
    const SENDERS: usize = 12;
    let node = start();
    let bystander = Bystander::start(&node);
    let piece = vec![0x55; 1 << 20];
    let mut senders: Vec<TcpStream> = (0..SENDERS).map(|_| connect(&node)).collect();
    for sender in &mut senders {
        let mut prefix = BytesMut::new();
        prefix.put_i32((REQUEST_BYTES_MAX - 1000) as i32);
        prefix.put_slice(&[0, 0, 0, 9]);
        push(sender, &prefix);
    }
    // Each goes on for as long as the broker takes more.
    for _ in 0..2000 {
        let written: usize = senders.iter_mut().map(|sender| push(sender, &piece)).sum();
        if written == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
    bystander.is_served(ROUNDS);
    // A request of a size that is usual, too.
    let mut client = node.client();
    let topic = client.create_topic("usual", 1, &[]);
    client.append(&topic, 0, batch(&[vec![7; 1_000_000]]));
    bystander.is_served(ROUNDS);
    memory_is_bounded(&node, REQUEST_BYTES_MAX);
    drop(senders);
    bystander.finish();
}

#[test]
fn batches_that_become_a_thousand_times_larger_hold_nobody_up() {
    const SEARCHES: usize = 60;
    const DECOMPRESSED: usize = 64 << 20;
    let node = start();
    let mut client = node.client();
    let topic = client.create_topic("bombs", 1, &[]);
    let values = vec![0; DECOMPRESSED / 2];
    let bomb = batch(&[&values[..], &values[..]]);
    for codec in [Compression::Gzip, Compression::Zstd] {
        let compressed = compress(&bomb, codec, 0).expect("a batch");
        assert!(compressed.len() < 1 << 20, "{} bytes", compressed.len());
        client.append(&topic, 0, compressed);
    }
    drop((values, bomb));
    let bystander = Bystander::start(&node);
    let searches: Vec<_> = (0..SEARCHES)
        .map(|at| {
            let request = search(
                &topic,
                crate::support::batches::BASE_TIMESTAMP + (at as i64 % 2),
            );
            let mut client = node.client();
            client.send(9, &request);
            client
        })
        .collect();
    bystander.is_served(ROUNDS);
    for mut client in searches {
        let answer = client.receive::<ListOffsetsRequest>();
        assert_eq!(answer.topics[0].partitions[0].error_code, 0);
    }
    memory_is_bounded(&node, 0);
    bystander.finish();
}

fn search(topic: &Topic, timestamp: i64) -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default()
        .with_partition_index(0)
        .with_current_leader_epoch(-1)
        .with_timestamp(timestamp);
    let topic = ListOffsetsTopic::default()
        .with_name(topic_name(&topic.name))
        .with_partitions(vec![partition]);
    ListOffsetsRequest::default()
        .with_replica_id((-1).into())
        .with_topics(vec![topic])
}
