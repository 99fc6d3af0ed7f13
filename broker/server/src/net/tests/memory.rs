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
    // Behind the second in the queue, although its 10 bytes were there.
    let mut third = server.connect().await;
    third.send(&[3; 10]).await;
    assert_eq!(server.counts.borrow().started, 1);

    permits.lock().clear();
    assert_eq!(second.receive().await, [2]);
    assert_eq!(third.receive().await, [3]);
    permits.lock().clear();
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
    assert!(
        budget.acquire(101).await.is_overdrawn(),
        "the overdraft is back too"
    );
}
