//! Each anomaly, put into a history that is otherwise in order, is found by its name.

use super::*;
use crate::verify::history::{Batch, Begin, Consumer, FORMAT, Poll, Run, Seen};

const FINALS: [Consumer; 2] = [Consumer::FinalSmall, Consumer::FinalLarge];

fn batch(first: u64, count: u32) -> Batch {
    Batch {
        writer: 0,
        first,
        count,
    }
}

fn run(offset: i64, first: u64, count: u32) -> Seen {
    Seen::Run(Run {
        offset,
        batch: batch(first, count),
    })
}

fn send(first: u64, count: u32) -> Event {
    Event::Send {
        at_us: first,
        partition: 0,
        producer: 1,
        batch: batch(first, count),
    }
}

fn ack(first: u64, count: u32, offset: Option<i64>) -> Event {
    Event::Ack {
        at_us: first,
        partition: 0,
        batch: batch(first, count),
        offset,
    }
}

fn seek(consumer: Consumer, offset: i64) -> Event {
    Event::Seek {
        at_us: 0,
        consumer,
        partition: 0,
        offset,
    }
}

fn end(high_watermark: Option<i64>) -> Event {
    Event::End {
        at_us: 0,
        partition: 0,
        high_watermark,
    }
}

fn answer(consumer: Consumer, at_us: u64, high_watermark: i64, records: Vec<Seen>) -> Poll {
    Poll {
        asked_us: at_us - 1,
        at_us,
        consumer,
        partition: 0,
        from: 0,
        leader: 1,
        leader_epoch: Some(1),
        high_watermark: Some(high_watermark),
        records,
    }
}

fn poll(consumer: Consumer, records: Vec<Seen>) -> Event {
    Event::Poll(answer(consumer, 10, 7, records))
}

/// Sent: 0-2, 3, 4-5, 6; all but 4-5 acknowledged.
fn written() -> Vec<Event> {
    vec![
        send(0, 3),
        ack(0, 3, Some(0)),
        send(3, 1),
        ack(3, 1, Some(3)),
        send(4, 2),
        send(6, 1),
        ack(6, 1, Some(6)),
    ]
}

fn log() -> Vec<Seen> {
    vec![run(0, 0, 3), run(3, 3, 1), run(4, 4, 2), run(6, 6, 1)]
}

/// In the end these records are there, and both look.
fn whole(mut events: Vec<Event>, log: &[Seen]) -> Vec<Event> {
    events.push(end(Some(log.last().map_or(0, Seen::end))));
    for consumer in FINALS {
        events.extend([seek(consumer, 0), poll(consumer, log.to_vec())]);
    }
    events
}

fn history(events: Vec<Event>) -> History {
    let begin = Begin {
        format: FORMAT,
        partitions: 1,
        starts: vec![0],
        ..Begin::default()
    };
    History { begin, events }
}

#[track_caller]
fn assert_found(events: Vec<Event>, names: &[&str]) -> Vec<Anomaly> {
    let anomalies = check(&history(events));
    let found: Vec<&str> = anomalies.iter().map(Anomaly::name).collect();
    assert_eq!(found, names, "{anomalies:#?}");
    anomalies
}

#[test]
fn a_history_in_order_has_no_anomaly() {
    let mut events = written();
    events.extend([
        seek(Consumer::Tail, 0),
        poll(Consumer::Tail, log()[..2].to_vec()),
        poll(Consumer::Tail, vec![]),
        poll(Consumer::Tail, log()[2..].to_vec()),
        seek(Consumer::Random, 4),
        poll(Consumer::Random, vec![run(4, 4, 2)]),
        seek(Consumer::Random, 1),
        poll(Consumer::Random, vec![run(1, 1, 2), run(3, 3, 1)]),
    ]);
    assert_found(whole(events, &log()), &[]);
    assert_found(vec![], &[]);
}

#[test]
fn what_nobody_acknowledged_may_be_there_or_not() {
    let mut events = written();
    events.push(Event::Unknown {
        at_us: 9,
        partition: 0,
        batch: batch(4, 2),
        error: "timed out".to_owned(),
        is_out_of_order: false,
    });
    assert_found(whole(events, &log()), &[]);
    let mut events = written();
    events.pop();
    events.push(ack(6, 1, Some(4)));
    assert_found(
        whole(events, &[run(0, 0, 3), run(3, 3, 1), run(4, 6, 1)]),
        &[],
    );
}

#[test]
fn an_acknowledged_record_that_the_end_does_not_have_is_lost() {
    // 3 at offset 3 is gone, and the reads pass it.
    let log = [run(0, 0, 3), run(4, 4, 2), run(6, 6, 1)];
    let found = assert_found(
        whole(written(), &log),
        &["lost-write", "poll-skip", "poll-skip"],
    );
    let lost = Anomaly::LostWrite {
        partition: 0,
        batch: batch(3, 1),
        offset: Some(3),
        missing: 1,
        consumer: Consumer::FinalSmall,
    };
    assert_eq!(found[0], lost);
}

#[test]
fn it_is_lost_though_only_one_reader_misses_it() {
    let mut events = whole(written(), &log());
    events.push(seek(Consumer::FinalLarge, 0));
    let Some(Event::Poll(last)) = events.iter_mut().rev().nth(1) else {
        panic!("the last poll");
    };
    last.records.remove(1);
    assert_found(events, &["lost-write", "poll-skip"]);
}

#[test]
fn without_an_offset_in_the_acknowledgement_it_has_to_be_anywhere() {
    let acknowledged = || {
        let mut events = written();
        events.push(ack(4, 2, None));
        events
    };
    assert_found(whole(acknowledged(), &log()), &[]);
    let mut events = acknowledged();
    events[6] = ack(6, 1, Some(4));
    let without = [run(0, 0, 3), run(3, 3, 1), run(4, 6, 1)];
    assert_found(whole(events, &without), &["lost-write"]);
}

#[test]
fn an_acknowledged_record_beyond_the_end_is_unseen() {
    let found = assert_found(whole(written(), &log()[..3]), &["unseen"]);
    let unseen = Anomaly::Unseen {
        partition: 0,
        batch: batch(6, 1),
        offset: Some(6),
        missing: 1,
    };
    assert_eq!(found, [unseen]);
    // Nobody says where the end is, and nothing can be read.
    let mut events = written();
    events.push(end(None));
    assert_found(events, &["unseen"; 3]);
}

#[test]
fn a_history_that_was_cut_short_has_nothing_unseen_and_the_tailing_reader_decides() {
    assert_found(written(), &[]);
    let mut events = written();
    events.extend([
        seek(Consumer::Tail, 0),
        poll(Consumer::Tail, vec![run(0, 0, 3), run(4, 4, 2)]),
    ]);
    assert_found(events, &["lost-write", "poll-skip"]);
}

#[test]
fn one_offset_with_two_values_is_inconsistent() {
    // Between two reads.
    let mut events = written();
    events.extend([
        seek(Consumer::Tail, 4),
        poll(Consumer::Tail, vec![run(4, 5, 1)]),
    ]);
    let both = ["inconsistent-offsets", "duplicate"];
    assert_found(whole(events, &log()), &both);
    // Between an acknowledgement and what is read.
    let mut events = written();
    events[3] = ack(3, 1, Some(5));
    assert_found(whole(events, &log()), &["inconsistent-offsets"]);
    // With something that was never sent.
    let mut events = written();
    let foreign = Seen::Foreign {
        offset: 4,
        foreign: "no value".to_owned(),
    };
    events.extend([seek(Consumer::Tail, 4), poll(Consumer::Tail, vec![foreign])]);
    assert_found(whole(events, &log()), &["inconsistent-offsets", "foreign"]);
}

#[test]
fn one_value_at_two_offsets_is_a_duplicate() {
    let mut log = log();
    log.push(run(7, 6, 1));
    let found = assert_found(whole(written(), &log), &["duplicate"]);
    let text = found[0].to_string();
    assert!(text.contains("offset 6 and again at 7"), "{text}");
    // Of what was not acknowledged too.
    log.push(run(8, 4, 2));
    assert_found(whole(written(), &log), &["duplicate"; 3]);
}

#[test]
fn an_offset_before_the_one_that_was_next_is_nonmonotonic() {
    let read = |records: Vec<Seen>| {
        let mut events = written();
        events.extend([
            seek(Consumer::Tail, 0),
            poll(Consumer::Tail, log()[..2].to_vec()),
            poll(Consumer::Tail, records),
        ]);
        whole(events, &log())
    };
    assert_found(read(vec![run(3, 3, 1)]), &["nonmonotonic-poll"]);
    // Within an answer.
    let within = vec![run(4, 4, 2), run(5, 5, 1)];
    assert_found(read(within), &["nonmonotonic-poll"]);
}

#[test]
fn offsets_that_are_left_out_are_skipped_if_there_is_something() {
    let mut events = written();
    events.extend([
        seek(Consumer::Tail, 0),
        poll(Consumer::Tail, vec![run(0, 0, 3)]),
        poll(Consumer::Tail, vec![run(4, 4, 2)]),
    ]);
    let found = assert_found(whole(events, &log()), &["poll-skip"]);
    let skip = Anomaly::PollSkip {
        partition: 0,
        consumer: Consumer::Tail,
        first: 3,
        count: 1,
        found: 4,
    };
    assert_eq!(found, [skip]);
    // Nothing is known to be at 7.
    let mut log = log();
    log.push(run(8, 7, 1));
    let mut events = written();
    events.push(send(7, 1));
    assert_found(whole(events, &log), &[]);
}

#[test]
fn a_later_value_before_an_earlier_one_is_nonmonotonic() {
    let events = || {
        let mut events = written();
        events.truncate(4);
        events.extend([send(4, 2), send(6, 1)]);
        events
    };
    let log = [run(0, 0, 3), run(3, 3, 1), run(4, 6, 1), run(5, 4, 2)];
    assert_found(whole(events(), &log), &["int-nonmonotonic-send"; 2]);
    // Of another producer, which knows nothing of the first: no order was promised.
    let mut events = events();
    let Event::Send { producer, .. } = &mut events[5] else {
        panic!("the last batch that is sent");
    };
    *producer = 2;
    assert_found(whole(events, &log), &[]);
}

#[test]
fn writers_may_interleave() {
    let mut events = written();
    let other = Batch {
        writer: 1,
        first: 0,
        count: 1,
    };
    events.push(Event::Send {
        at_us: 1,
        partition: 0,
        producer: 1,
        batch: other,
    });
    let mut log = log();
    log.push(Seen::Run(Run {
        offset: 7,
        batch: other,
    }));
    assert_found(whole(events, &log), &[]);
}

#[test]
fn what_was_read_stays_readable() {
    let mut events = written();
    events.extend([seek(Consumer::Tail, 0), poll(Consumer::Tail, log())]);
    let found = assert_found(
        whole(events, &log()[..3]),
        &["unseen", "high-watermark-back"],
    );
    let back = Anomaly::HighWatermarkBack {
        partition: 0,
        before: 7,
        now: 6,
        how: "when everything is well again, against what was read",
    };
    assert_eq!(found[1], back);
}

#[test]
fn an_offset_that_was_read_is_there() {
    let mut events = written();
    events.push(Event::OutOfRange {
        at_us: 3,
        consumer: Consumer::Random,
        partition: 0,
        offset: 2,
        leader: 1,
    });
    assert_found(whole(events, &log()), &["high-watermark-back"]);
}

#[test]
fn one_leadership_never_takes_its_high_watermark_back_but_the_next_may() {
    let told = |at_us, high_watermark| answer(Consumer::Tail, at_us, high_watermark, vec![]);
    let with = |polls: [Poll; 2]| {
        let mut events = written();
        events.extend(polls.map(Event::Poll));
        whole(events, &log())
    };
    let back = [told(2, 6), told(4, 5)];
    assert_found(with(back.clone()), &["high-watermark-back"]);
    let mut later = back.clone();
    later[1].leader_epoch = Some(2);
    assert_found(with(later), &[]);
    // Asked for before the other answer came: they may have overtaken each other.
    let mut at_once = back;
    at_once[1].asked_us = 1;
    assert_found(with(at_once), &[]);
}

#[test]
fn what_was_never_sent_there_is_foreign() {
    let foreign = Seen::Foreign {
        offset: 7,
        foreign: "a value that is not of this run".to_owned(),
    };
    for last in [run(7, 7, 1), foreign] {
        let mut log = log();
        log.push(last);
        assert_found(whole(written(), &log), &["foreign"]);
    }
    // Sent, and to another partition.
    let mut events = written();
    events.push(Event::Send {
        at_us: 1,
        partition: 1,
        producer: 1,
        batch: batch(7, 1),
    });
    let mut log = log();
    log.push(run(7, 7, 1));
    assert_found(whole(events, &log), &["foreign"]);
}

#[test]
fn replicas_with_other_bytes_differ() {
    let replica = |replica: &str, end, digest: &str| Event::Replica {
        partition: 0,
        replica: replica.to_owned(),
        start: 0,
        end,
        digest: digest.to_owned(),
    };
    let mut events = whole(written(), &log());
    events.extend([replica("a", 7, "1"), replica("b", 7, "1")]);
    assert_found(events.clone(), &[]);
    // Of another length: nobody can say.
    events.push(replica("c", 6, "3"));
    assert_found(events.clone(), &[]);
    events.push(replica("c", 7, "2"));
    let found = assert_found(events, &["replicas-differ"]);
    let text = found[0].to_string();
    assert!(text.contains("a and c"), "{text}");
}

#[test]
fn a_producer_that_waits_is_never_out_of_order() {
    let mut events = written();
    events.push(Event::Unknown {
        at_us: 9,
        partition: 0,
        batch: batch(4, 2),
        error: "OUT_OF_ORDER_SEQUENCE_NUMBER".to_owned(),
        is_out_of_order: true,
    });
    assert_found(whole(events, &log()), &["out-of-order-sequence"]);
}

#[test]
fn a_verdict_counts_all_and_names_some() {
    let mut events = written();
    events.extend((10..30).map(|first| ack(first, 1, Some(i64::try_from(first).unwrap_or(0)))));
    let verdict = Verdict::of(&history(whole(events, &log())));
    assert_eq!(verdict.counts.acknowledged, 25);
    assert_eq!(verdict.counts.sent, 7);
    assert_eq!(verdict.counts.read["final-small"], 7);
    assert_eq!(verdict.counts.retried_batches, 0);
    assert!(!verdict.is_clean());
    let [group] = verdict.anomalies.as_slice() else {
        panic!("one kind: {verdict:#?}");
    };
    assert_eq!((group.name, group.count), ("unseen", 20));
    assert_eq!(group.examples.len(), EXAMPLES_MAX);
}

#[test]
fn waits_are_from_the_first_sending_on() {
    let send = |at_us, first| Event::Send {
        at_us,
        partition: 0,
        producer: 1,
        batch: batch(first, 1),
    };
    let ack = |at_us, first| Event::Ack {
        at_us,
        partition: 0,
        batch: batch(first, 1),
        offset: None,
    };
    let again = |error: &str| Event::Retry {
        at_us: 90,
        partition: 0,
        batch: batch(1, 1),
        error: error.to_owned(),
    };
    let events = vec![
        send(10, 0),
        ack(30, 0),
        send(40, 1),
        again("NOT_LEADER_OR_FOLLOWER"),
        again("NOT_LEADER_OR_FOLLOWER"),
        again("silent"),
        ack(140, 1),
        // Nothing says when this one was sent.
        ack(900, 2),
        send(1_000, 3),
    ];
    let counts = Counts::of(&history(events));
    assert_eq!(
        (counts.longest_wait_us, counts.longest_wait_at_us),
        (100, 40)
    );
    let reasons: Vec<(&str, u64)> = counts
        .retried_for
        .iter()
        .map(|(it, n)| (it.as_str(), *n))
        .collect();
    assert_eq!(reasons, [("NOT_LEADER_OR_FOLLOWER", 2), ("silent", 1)]);
}
