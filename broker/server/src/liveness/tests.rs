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
    sessions.on_heartbeat(ID, life(0), since + SESSION);
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
    sessions.on_heartbeat(ID, life(0), since);
    let registered = since + SESSION * 100;
    assert!(!sessions.is_over(ID, life(1), since, registered));
    assert!(!sessions.is_over(ID, life(1), since, registered + SESSION));
    assert!(sessions.is_over(ID, life(1), since, registered + SESSION * 2));
}
