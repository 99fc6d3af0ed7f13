//! Frames come out as they went in, however they arrive; and bad sizes harm nobody else.

use rand::rngs::SmallRng;
use rand::{Rng, RngCore, SeedableRng};

use super::frame_reader::{FrameReader, Step};
use super::*;

#[test]
fn frames_survive_any_cut_of_the_stream() {
    const SIZES: [usize; 11] = [
        0,
        1,
        3,
        4,
        4096,
        65_531,
        65_536,
        70_000,
        1 << 20,
        (1 << 20) + 1,
        5_000_000,
    ];
    let budget = MemoryBudget::new(64 << 20);
    for seed in 0..40 {
        let mut rng = SmallRng::seed_from_u64(seed);
        let mut frames = Vec::new();
        let mut stream = Vec::new();
        for _ in 0..6 {
            let mut body = vec![0; SIZES[rng.random_range(0..SIZES.len())]];
            rng.fill_bytes(&mut body);
            stream.extend_from_slice(&framed(&body));
            frames.push(body);
        }
        let read_max = [1 + stream.len() / 5000, 1000, 65_536][seed as usize % 3];
        let mut reader = FrameReader::default();
        let mut received = Vec::new();
        let mut at = 0;
        while received.len() < frames.len() {
            let bytes = rng.random_range(1..=read_max).min(stream.len() - at);
            let mut input = &stream[at..at + bytes];
            if let Some(mut room) = reader.direct() {
                let direct = bytes.min(room.remaining_mut());
                room.put_slice(&input[..direct]);
                input = &input[direct..];
            }
            at += bytes;
            loop {
                match reader.next_frame(&mut input, usize::MAX, &budget).unwrap() {
                    Step::Frame(frame, permit) => {
                        assert!(frame.capacity() == frame.len(), "exactly its size");
                        assert_eq!(permit.bytes(), frame.len());
                        received.push(frame.to_vec());
                    }
                    Step::NeedInput => break,
                    need @ Step::NeedBudget { .. } => panic!("seed {seed}: {need:?}"),
                }
            }
            assert!(input.is_empty());
        }
        assert!(received == frames, "seed {seed}");
        assert!(!reader.is_mid_frame());
        assert_eq!(budget.available(), budget.capacity());
    }
}

#[test]
fn memory_follows_what_arrives() {
    let budget = MemoryBudget::new(1 << 30);
    let charged = |arrived: usize| {
        let mut reader = FrameReader::default();
        let body = vec![0; arrived];
        let input = [&100_000_000_u32.to_be_bytes()[..], &body].concat();
        for piece in input.chunks(65_536) {
            let mut piece = piece;
            while !piece.is_empty() {
                if let Some(mut room) = reader.direct() {
                    let direct = piece.len().min(room.remaining_mut());
                    room.put_slice(&piece[..direct]);
                    piece = &piece[direct..];
                }
                let step = reader.next_frame(&mut piece, usize::MAX, &budget);
                assert!(matches!(step, Ok(Step::NeedInput)));
            }
        }
        budget.capacity() - budget.available()
    };
    assert_eq!(charged(0), 0);
    assert!(charged(1) <= 65_537);
    assert!(charged(65_000) <= 65_000 + (1 << 20));
    assert!(charged(10_000_000) <= 20_000_000);
}

#[tokio::test]
async fn frames_arrive_byte_by_byte() {
    let server = Running::start(NetConfig::default(), echo).await;
    let mut client = server.connect().await;
    for body in [&b"first"[..], b"", b"a second one"] {
        for byte in framed(body) {
            let before = server.counts.borrow().bytes_in;
            client.send_raw(&[byte]).await;
            server
                .until("the byte", |counts| counts.bytes_in == before + 1)
                .await;
        }
        assert_eq!(client.receive().await, body);
    }
    server.finish().await;
}

#[tokio::test]
async fn large_frames_pass_both_ways() {
    let server = Running::start(NetConfig::default(), echo).await;
    let mut body = vec![0; 20_000_000];
    SmallRng::seed_from_u64(1).fill_bytes(&mut body);
    let mut client = server.connect().await;
    client
        .send_raw(&[framed(b"small"), framed(&body), framed(b"small")].concat())
        .await;
    assert_eq!(client.receive().await, b"small");
    assert!(client.receive().await == body);
    assert_eq!(client.receive().await, b"small");
    server.finish().await;
}

#[tokio::test]
async fn a_bad_size_closes_its_own_connection_only() {
    let held = Held::default();
    let server = Running::start(NetConfig::default(), {
        let held = held.clone();
        move |_, frame| match frame[0] {
            0 => held.hold(&frame),
            _ => Reply::Now(response(&frame)),
        }
    })
    .await;
    let mut bystander = server.connect().await;
    bystander.send(&[0]).await;
    for size in [-1, i32::MIN, i32::MAX, 100 * 1024 * 1024 + 1] {
        let mut client = server.connect().await;
        let mut input = framed(b"good").to_vec();
        input.put_i32(size);
        input.extend_from_slice(&[7; 100_000]);
        client.send_raw(&input).await;
        assert_eq!(
            client.rest().await,
            framed(b"good"),
            "what came before is answered"
        );
    }
    held.answer(true);
    assert_eq!(bystander.receive().await, [0]);
    let counts = server
        .until("the closes", |counts| counts.closed.len() == 4)
        .await;
    assert_eq!(counts.closed, [CloseReason::FrameSize; 4]);
    server.finish().await;
}

#[tokio::test]
async fn malformed_frames_and_torn_ones_have_their_reasons() {
    let server = Running::start(NetConfig::default(), |_, _| {
        Reply::Close(Close::malformed("not a request"))
    })
    .await;
    let mut client = server.connect().await;
    client.send(b"?").await;
    assert_eq!(client.rest().await, b"");
    drop(client);
    server
        .until("the close", |counts| {
            counts.closed == [CloseReason::Malformed]
        })
        .await;
    let mut client = server.connect().await;
    client.send_raw(&framed(b"torn")[..6]).await;
    drop(client);
    server
        .until("the close", |counts| {
            counts.closed.last() == Some(&CloseReason::Truncated)
        })
        .await;
    server.finish().await;
}

#[tokio::test]
async fn frames_are_smaller_before_authentication() {
    let config = NetConfig {
        frame_size_max_unauthenticated: 100,
        ..NetConfig::default()
    };
    let handler = |connection: &mut ConnectionContext, frame: BytesMut| {
        if &frame[..] == b"secret" {
            connection.set_authenticated();
        }
        Reply::Now(response(&[u8::from(connection.is_authenticated())]))
    };
    let budget = MemoryBudget::new(1 << 20);
    let server = Running::start_with(config, budget, true, handler).await;
    let mut stranger = server.connect().await;
    stranger.send(&[0; 100]).await;
    assert_eq!(stranger.receive().await, [0]);
    stranger.send(&[0; 101]).await;
    assert_eq!(stranger.rest().await, b"");
    let mut friend = server.connect().await;
    friend
        .send_raw(&[framed(b"secret"), framed(&[0; 101])].concat())
        .await;
    assert_eq!(friend.receive().await, [1]);
    assert_eq!(friend.receive().await, [1]);
    server.finish().await;
}
