use super::*;

const MIB: i64 = 1 << 20;

fn quota(rate: i64) -> Quota {
    let quota = Quota::default();
    quota.set_rate(0, Some(rate));
    quota
}

fn millis(pause: Option<Duration>) -> Option<u128> {
    pause.map(|pause| pause.as_millis())
}

#[test]
fn without_a_rate_there_is_no_limit() {
    let quota = Quota::default();
    quota.take(0, usize::MAX);
    assert_eq!((quota.left(0), quota.pause(0)), (None, None));
    quota.set_rate(0, Some(1));
    quota.set_rate(0, None);
    quota.take(0, 100);
    assert_eq!((quota.left(0), quota.pause(0)), (None, None));
}

#[test]
fn an_idle_quota_saves_a_second_and_no_more() {
    let quota = quota(1_000);
    assert_eq!(quota.left(0), Some(100), "it begins with a piece");
    assert_eq!(quota.left(400), Some(500));
    assert_eq!(quota.left(900), Some(1_000));
    assert_eq!(quota.left(60_000), Some(1_000));
}

#[test]
fn what_is_taken_beyond_is_waited_for() {
    let quota = quota(1_000);
    // A batch is larger than what is left.
    quota.take(0, 1_100);
    assert_eq!(quota.left(0), Some(0));
    assert_eq!(
        millis(quota.pause(0)),
        Some(1_100),
        "1000 owed, and a piece of 100"
    );
    assert_eq!(quota.left(999), Some(0));
    assert_eq!(quota.left(1_001), Some(1));
    assert_eq!(quota.pause(1_001), None);
    assert_eq!(quota.left(1_100), Some(100));
}

#[test]
fn what_is_just_used_up_is_waited_for() {
    let quota = quota(1_000);
    quota.take(0, 100);
    assert_eq!(
        (quota.left(0), millis(quota.pause(0))),
        (Some(0), Some(100))
    );
}

#[test]
fn a_rate_of_nothing_lets_nothing_pass() {
    let quota = quota(0);
    assert_eq!(quota.left(1 << 40), Some(0));
    assert_eq!(quota.pause(1 << 40), Some(Duration::from_millis(u64::MAX)));
}

#[test]
fn another_rate_counts_from_then_on() {
    let quota = quota(1_000);
    quota.take(0, 2_100);
    quota.set_rate(1_000, Some(10_000));
    assert_eq!(millis(quota.pause(1_000)), Some(200), "1000 are owed still");
    quota.set_rate(5_000, Some(100));
    assert_eq!(
        quota.left(5_000),
        Some(100),
        "what was saved at the other rate is cut"
    );
}

#[test]
fn a_clock_that_stands_still_or_goes_back_gives_nothing() {
    let quota = quota(1_000);
    quota.take(1_000, 5_000);
    let pause = quota.pause(1_000);
    assert_eq!(quota.pause(1_000), pause);
    assert_eq!(quota.pause(500), pause);
}

#[test]
fn huge_rates_do_not_overflow() {
    let quota = quota(i64::MAX);
    assert_eq!(quota.pause(i64::MAX), None);
    quota.take(i64::MAX, usize::MAX);
    assert!(quota.left(i64::MAX).is_some());
}

/// Whoever takes as much as it may, in pieces of any size, gets the rate, and no more than what is promised.
#[test]
fn over_time_the_rate_is_kept() {
    for (rate, batch) in [
        (MIB, 1_000),
        (MIB, 100_000),
        (10 * MIB, MIB),
        (1_000, 300_000),
    ] {
        let quota = quota(rate);
        let batch = usize::try_from(batch).expect("it fits");
        let (mut now_ms, mut taken): (i64, u64) = (0, 0);
        let until_ms = 1_000_000;
        while now_ms < until_ms {
            match quota.pause(now_ms) {
                Some(pause) => now_ms += i64::try_from(pause.as_millis()).expect("it ends"),
                None => {
                    let piece = quota.left(now_ms).expect("there is a limit").max(batch);
                    taken += piece as u64;
                    quota.take(now_ms, piece);
                    let promised = rate * (now_ms + 1_000) / 1_000 + batch as i64;
                    assert!(taken <= promised as u64, "{taken} by {now_ms} ms");
                }
            }
        }
        let due = (rate * until_ms / 1_000) as u64;
        assert!(
            taken >= due - due / 50,
            "{taken} of {due}, in batches of {batch}"
        );
    }
}
