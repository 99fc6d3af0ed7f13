use super::*;

const ID: BrokerId = BrokerId::new(1);

fn life(number: i64) -> BrokerEpoch {
    BrokerEpoch::new(number)
}

#[test]
fn a_session_lasts_as_long_as_heartbeats_come() {
    let sessions = Sessions::default();
    let since = Instant::now();
    let just = SESSION + Duration::from_millis(1);
    assert!(!sessions.is_over(ID, life(0), since, since));
    assert!(!sessions.is_over(ID, life(0), since, since + SESSION));
    assert!(sessions.is_over(ID, life(0), since, since + just));
    sessions.on_heartbeat((ID, life(0)), (7, 7), since + SESSION);
    assert!(!sessions.is_over(ID, life(0), since, since + SESSION * 2));
    assert!(sessions.is_over(ID, life(0), since, since + SESSION + just));
    // Another controller cannot know.
    let later = since + SESSION * 10;
    assert!(!sessions.is_over(ID, life(0), later, later + SESSION));
}

#[test]
fn another_life_begins_its_own_session() {
    let sessions = Sessions::default();
    let since = Instant::now();
    sessions.on_heartbeat((ID, life(0)), (7, 7), since);
    let registered = since + SESSION * 100;
    assert!(!sessions.is_over(ID, life(1), since, registered));
    assert!(!sessions.is_over(ID, life(1), since, registered + SESSION));
    assert!(sessions.is_over(ID, life(1), since, registered + SESSION * 2));
}

#[test]
fn who_was_heard_and_how_far_it_was_is_known_for_a_while() {
    let sessions = Sessions::default();
    let begin = Instant::now();
    assert!(!sessions.is_over(ID, life(0), begin, begin));
    assert_eq!(sessions.heard(begin), [], "nothing was said yet");
    sessions.on_heartbeat((ID, life(0)), (5, 7), begin);
    let heard = |log_end, silent_ms, behind_ms| HeardBroker {
        broker_id: ID,
        log_end,
        silent_ms,
        behind_ms,
    };
    let after = |millis| begin + Duration::from_millis(millis);
    assert_eq!(sessions.heard(after(20)), [heard(6, 20, None)]);
    sessions.on_heartbeat((ID, life(0)), (7, 7), after(200));
    sessions.on_heartbeat((ID, life(0)), (7, 9), after(400));
    assert_eq!(sessions.heard(after(450)), [heard(8, 50, Some(250))]);
    assert_eq!(sessions.heard(after(400) + HEARD_FOR), []);
}
