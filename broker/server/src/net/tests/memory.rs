//! The budget: what it stops, and that it never stops for good.

use parking_lot::Mutex;

use super::*;

type Permits = Arc<Mutex<Vec<MemoryPermit>>>;

/// A handler that keeps each request's memory after it has answered, as a produce may.
fn keeping(
    permits: &Permits,
) -> impl Fn(&mut ConnectionContext, BytesMut) -> Reply + Send + Sync + 'static + use<> {
    let permits = permits.clone();
    move |connection, frame| {
        permits.lock().push(connection.take_permit().unwrap());
        assert!(connection.take_permit().is_none());
        Reply::Now(response(&frame[..1]))
    }
}

async fn until_exhausted(budget: &MemoryBudget) {
    patiently("somebody to wait for memory", async {
        while budget.available() > 0 {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn an_exhausted_budget_stops_reading_until_memory_is_back() {
    let permits = Permits::default();
    let budget = MemoryBudget::new(1000);
    let server = Running::start_with(
        NetConfig::default(),
        budget.clone(),
        false,
        keeping(&permits),
    )
    .await;
    let mut first = server.connect().await;
    first.send(&[1; 600]).await;
    assert_eq!(first.receive().await, [1]);
    assert_eq!(
        budget.available(),
        400,
        "the answer is written, the memory kept"
    );

    let mut second = server.connect().await;
    second.send(&[2; 600]).await;
    until_exhausted(&budget).await;
    // Behind the second in the queue, although its 100 bytes were there.
    let mut third = server.connect().await;
    third.send(&[3; 100]).await;
    assert_eq!(server.counts.borrow().started, 1);

    permits.lock().clear();
    assert_eq!(second.receive().await, [2]);
    assert_eq!(third.receive().await, [3]);
    permits.lock().clear();
    server.finish().await;
}

#[tokio::test]
async fn a_small_request_passes_those_that_wait() {
    let permits = Permits::default();
    let budget = MemoryBudget::new(1000);
    let server = Running::start_with(
        NetConfig::default(),
        budget.clone(),
        false,
        keeping(&permits),
    )
    .await;
    let mut clients = Vec::new();
    for size in [600, 600, 600] {
        let mut client = server.connect().await;
        client.send(&vec![1; size]).await;
        clients.push(client);
    }
    assert_eq!(clients[0].receive().await, [1]);
    until_exhausted(&budget).await;
    // The reserve is 62 bytes.
    let mut small = server.connect().await;
    for _ in 0..2 {
        small.send(&[2; 31]).await;
        assert_eq!(small.receive().await, [2]);
    }
    small.send(&[2; 31]).await;
    let mut late = server.connect().await;
    late.send(&[3; 10]).await;
    assert_eq!(server.counts.borrow().started, 3);
    // What is returned to the reserve serves who waits for it.
    let returned = permits.lock().remove(1);
    assert_eq!(returned.bytes(), 31);
    drop(returned);
    assert_eq!(small.receive().await, [2]);
    let returned = permits.lock().remove(1);
    drop(returned);
    assert_eq!(late.receive().await, [3]);
    permits.lock().clear();
    for client in &mut clients[1..] {
        assert_eq!(client.receive().await, [1]);
        permits.lock().clear();
    }
    server.finish().await;
}

/// One that does not read its answer, and one that does not send the rest of its request: they have time, until others
/// wait for what they hold.
#[tokio::test]
async fn who_holds_memory_and_does_not_move_is_closed_when_others_wait() {
    const ANSWER: usize = 30 << 20;
    let budget = MemoryBudget::new(1 << 20);
    let config = NetConfig {
        memory_shortage_timeout: Duration::from_millis(50),
        ..NetConfig::default()
    };
    let answer = framed(&vec![9; ANSWER]);
    let server = Running::start_with(config, budget.clone(), false, move |_, frame| {
        match frame[0] {
            0 => Reply::Now(answer.clone().into()),
            _ => Reply::Now(response(&frame[..1])),
        }
    })
    .await;
    let mut reader = server.connect().await;
    reader.send(&[0; 200_000]).await;
    let mut sender = server.connect().await;
    sender.send_raw(&framed(&[1; 600_000])[..300_000]).await;
    let mut idle = server.connect().await;
    idle.send(&[2]).await;
    assert_eq!(idle.receive().await, [2]);
    server
        .until("what they hold", |counts| counts.bytes_in > 500_000)
        .await;
    assert!(server.counts.borrow().closed.is_empty());

    let mut waiting = server.connect().await;
    waiting.send(&vec![3; 400_000]).await;
    assert_eq!(waiting.receive().await, [3]);
    let counts = server
        .until("the closes", |counts| counts.closed.len() == 2)
        .await;
    assert!(counts.closed.contains(&CloseReason::SlowReader));
    assert!(counts.closed.contains(&CloseReason::SlowSender));
    idle.send(&[2]).await;
    assert_eq!(idle.receive().await, [2], "who holds nothing stays");
    drop((reader, sender));
    server.finish().await;
}

#[tokio::test]
async fn frames_that_never_end_and_wait_for_memory_are_given_up() {
    const FRAME: usize = 3 << 20;
    let budget = MemoryBudget::new(4 << 20);
    let config = NetConfig {
        memory_shortage_timeout: Duration::from_millis(50),
        ..NetConfig::default()
    };
    let server = Running::start_with(config, budget.clone(), false, |_, frame| {
        Reply::Now(response(&frame[..1]))
    })
    .await;
    let mut senders = Vec::new();
    for _ in 0..20 {
        let mut sender = server.connect().await;
        // As much as it is let, and no more: each would hold up the next for the patience of a slow sender.
        let frame = framed(&vec![1; FRAME]);
        let sending = sender.send_raw(&frame[..FRAME / 2]);
        _ = tokio::time::timeout(Duration::from_millis(20), sending).await;
        senders.push(sender);
    }
    let mut waiting = server.connect().await;
    waiting.send(&vec![3; 1 << 20]).await;
    assert_eq!(waiting.receive().await, [3]);
    let counts = server.counts.borrow().clone();
    assert!(counts.closed.contains(&CloseReason::MemoryShortage));
    drop(senders);
    server.finish().await;
}

#[tokio::test]
async fn a_frame_over_the_whole_budget_passes_one_at_a_time() {
    let permits = Permits::default();
    let budget = MemoryBudget::new(1000);
    let server = Running::start_with(
        NetConfig::default(),
        budget.clone(),
        false,
        keeping(&permits),
    )
    .await;
    let mut clients = Vec::new();
    for _ in 0..4 {
        let mut client = server.connect().await;
        client.send(&[5; 200_000]).await;
        clients.push(client);
    }
    for dispatched in 1..=4 {
        server
            .until("the next large frame", |counts| {
                counts.started == dispatched
            })
            .await;
        let taken = std::mem::take(&mut *permits.lock());
        assert_eq!(taken.len(), 1);
        assert!(taken[0].is_overdrawn());
        assert_eq!(server.counts.borrow().started, dispatched);
        drop(taken);
    }
    for client in &mut clients {
        assert_eq!(client.receive().await, [5]);
    }
    server.finish().await;
}

#[tokio::test]
async fn large_frames_that_together_exceed_the_budget_do_not_deadlock() {
    const SIZE: usize = 3 << 20;
    let budget = MemoryBudget::new(4 << 20);
    let server = Running::start_with(NetConfig::default(), budget, false, |_, frame| {
        assert!(frame.iter().all(|byte| *byte == frame[0]));
        Reply::Now(response(&frame[..1]))
    })
    .await;
    let mut clients = tokio::task::JoinSet::new();
    for id in 0..8_u8 {
        let mut client = server.connect().await;
        clients.spawn(async move {
            let frame = framed(&vec![id; SIZE]);
            // In steps, so that all of them are under way at the same time.
            for piece in frame.chunks(SIZE / 10) {
                client.send_raw(piece).await;
                tokio::task::yield_now().await;
            }
            assert_eq!(client.receive().await, [id]);
        });
    }
    while let Some(done) = clients.join_next().await {
        done.unwrap();
    }
    server.finish().await;
}

#[tokio::test]
async fn claims_cost_nothing_and_do_not_hold_others_up() {
    const CLAIMS: u64 = 200;
    let budget = MemoryBudget::new(1 << 20);
    let server = Running::start_with(NetConfig::default(), budget.clone(), false, echo).await;
    let mut claimants = Vec::new();
    for _ in 0..CLAIMS {
        let mut client = server.connect().await;
        client.send_raw(&100_000_000_u32.to_be_bytes()).await;
        claimants.push(client);
    }
    server
        .until("the claims", |counts| counts.bytes_in == CLAIMS * 4)
        .await;
    assert_eq!(budget.available(), budget.capacity());
    let mut client = server.connect().await;
    client.send(&[1; 500_000]).await;
    assert_eq!(client.receive().await.len(), 500_000);
    server.finish().await;
}

#[tokio::test]
async fn an_answer_holds_its_memory_until_it_is_written() {
    let budget = MemoryBudget::new(1000);
    let held = Held::default();
    let server = Running::start_with(NetConfig::default(), budget.clone(), false, {
        let held = held.clone();
        move |_, frame| held.hold(&frame)
    })
    .await;
    let mut client = server.connect().await;
    client.send(&[1; 100]).await;
    server
        .until("the request", |counts| counts.started == 1)
        .await;
    assert_eq!(budget.available(), 900);
    let permit = budget.try_acquire(300).unwrap();
    let (_, sender) = held.take(true);
    sender.send(response(b"done").holding(permit)).unwrap();
    assert_eq!(client.receive().await, b"done");
    server
        .until("the release", |counts| counts.finished == 1)
        .await;
    assert_eq!(budget.available(), 1000);
    server.finish().await;
}

#[tokio::test]
async fn permits_split_merge_and_return() {
    let budget = MemoryBudget::new(100);
    let mut permit = budget.acquire(60).await;
    assert!(budget.try_acquire(41).is_none());
    let mut part = permit.split(20);
    assert_eq!((permit.bytes(), part.bytes()), (40, 20));
    drop(permit);
    assert_eq!(budget.available(), 80);
    part.merge(budget.try_acquire(80).unwrap());
    assert_eq!((part.bytes(), budget.available()), (100, 0));
    let beyond = budget.acquire(101).await;
    assert!(beyond.is_overdrawn());
    part.merge(beyond);
    assert!(part.is_overdrawn());
    drop(part);
    assert_eq!(budget.available(), 100);
    // What a large read does not need goes back; where there is less, it gets less.
    let mut all = budget.acquire_up_to(100, 4).await;
    all.keep(70);
    assert_eq!((all.bytes(), budget.available()), (70, 30));
    let less = budget.acquire_up_to(100, 4).await;
    assert_eq!((less.bytes(), budget.available()), (25, 5));
    let least = budget.acquire_up_to(100, 5).await;
    assert_eq!((least.bytes(), budget.available()), (5, 0));
    drop((all, less, least));
    assert_eq!(budget.available(), 100);
    assert!(
        budget.acquire(101).await.is_overdrawn(),
        "the overdraft is back too"
    );
}
