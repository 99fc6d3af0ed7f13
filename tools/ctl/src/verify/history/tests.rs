use super::*;

fn begin() -> Begin {
    Begin {
        format: FORMAT,
        run: RunId(7).to_string(),
        topic: "t".to_owned(),
        partitions: 2,
        starts: vec![0, 5],
        began_ms: 1,
    }
}

fn events() -> Vec<Event> {
    let batch = Batch {
        writer: 1,
        first: 9,
        count: 3,
    };
    let (at_us, partition, error) = (4, 1, "NOT_LEADER".to_owned());
    vec![
        Event::Send {
            at_us,
            partition,
            producer: 1000,
            batch,
        },
        Event::Retry {
            at_us,
            partition,
            batch,
            error: error.clone(),
        },
        Event::Ack {
            at_us,
            partition,
            batch,
            offset: Some(5),
        },
        Event::Unknown {
            at_us,
            partition,
            batch,
            error,
            is_out_of_order: false,
        },
        Event::Seek {
            at_us,
            consumer: Consumer::Random,
            partition,
            offset: 5,
        },
        Event::Poll(Poll {
            asked_us: 3,
            at_us,
            consumer: Consumer::FinalSmall,
            partition,
            from: 5,
            leader: 2,
            leader_epoch: Some(3),
            high_watermark: Some(9),
            records: vec![
                Seen::Run(Run { offset: 5, batch }),
                Seen::Foreign {
                    offset: 8,
                    foreign: "no value".to_owned(),
                },
            ],
        }),
        Event::OutOfRange {
            at_us,
            consumer: Consumer::Tail,
            partition,
            offset: 9,
            leader: 1,
        },
        Event::End {
            at_us,
            partition,
            high_watermark: None,
        },
        Event::Replica {
            partition,
            replica: "a".to_owned(),
            start: 0,
            end: 9,
            digest: "00ff".to_owned(),
        },
    ]
}

fn saved(events: &[Event]) -> String {
    let mut text = serde_json::to_string(&begin()).expect("JSON") + "\n";
    for event in events {
        text += &serde_json::to_string(event).expect("JSON");
        text += "\n";
    }
    text
}

#[test]
fn what_is_saved_is_read_as_it_was() {
    let text = saved(&events());
    let history = read(text.as_bytes()).expect("a history");
    assert_eq!(history.begin, begin());
    assert_eq!(history.events, events());
    let poll = text.lines().nth(6).expect("the poll");
    assert!(poll.contains(r#""event":"poll""#), "{poll}");
    assert!(poll.contains(r#""consumer":"final-small""#), "{poll}");
    assert!(poll.contains(r#""records":[[5,1,9,3],{"#), "{poll}");
}

#[test]
fn a_line_that_was_cut_off_is_left_out() {
    let text = saved(&events());
    let history = read(&text.as_bytes()[..text.len() - 5]).expect("a history");
    assert_eq!(history.events, events()[..events().len() - 1]);
}

#[test]
fn what_cannot_be_is_refused_with_its_line() {
    let line = |line: &str| saved(&[]) + line + "\n";
    let refused = [
        "{}".to_owned(),
        "no JSON".to_owned(),
        r#"{"event":"end","at_us":1,"partition":2,"high_watermark":3}"#.to_owned(),
        r#"{"event":"end","at_us":1,"partition":0,"high_watermark":-3}"#.to_owned(),
        r#"{"event":"ack","at_us":1,"partition":0,"writer":0,"first":1,"count":0,"offset":1}"#
            .to_owned(),
        format!(
            r#"{{"event":"ack","at_us":1,"partition":0,"writer":0,"first":1,"count":1,"offset":{}}}"#,
            i64::MAX
        ),
        r#"{"event":"ack","at_us":1,"partition":0,"writer":0,"first":1,"count":4000000000,"offset":1}"#
            .to_owned(),
        r#"{"event":"ack","at_us":1,"partition":0,"writer":0,"first":18446744073709551615,"count":1,"offset":1}"#
            .to_owned(),
    ];
    for text in refused {
        let error = read(line(&text).as_bytes()).expect_err(&text);
        assert!(error.to_string().starts_with("line 2: "), "{error}");
    }
}

#[test]
fn other_files_are_no_history() {
    assert!(matches!(read(&b""[..]), Err(HistoryError::Empty)));
    let other = saved(&[]).replace("\"format\":1", "\"format\":2");
    let refused = read(other.as_bytes());
    assert!(matches!(refused, Err(HistoryError::Format { found: 2 })));
    let starts = saved(&[]).replace("[0,5]", "[0]");
    assert!(read(starts.as_bytes()).is_err());
}

#[test]
fn values_are_known_by_every_byte() {
    let (run, value) = (
        RunId(0xabcd),
        Value {
            writer: 3,
            number: NUMBER_MAX,
        },
    );
    let bytes = value.encode(run);
    assert_eq!(bytes.len(), VALUE_BYTES);
    assert_eq!(Value::decode(run, Some(&bytes)), Ok(value));
    let foreign = Err(ForeignValue::NotOurs);
    assert_eq!(Value::decode(RunId(1), Some(&bytes)), foreign);
    assert_eq!(Value::decode(run, Some(&bytes[..50])), foreign);
    assert_eq!(Value::decode(run, None), Err(ForeignValue::Missing));
    let greater = Value {
        number: NUMBER_MAX + 1,
        ..value
    };
    assert_eq!(Value::decode(run, Some(&greater.encode(run))), foreign);
    let mut damaged = bytes.clone();
    damaged[99] ^= 1;
    let damaged = Value::decode(run, Some(&damaged));
    assert_eq!(damaged, Err(ForeignValue::Damaged(value)));
}
