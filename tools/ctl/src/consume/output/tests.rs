use protocol::batch::{BatchBuilder, NewRecord, records};
use serde_json::{Value, json};

use super::*;

fn printed(form: &str, record: &NewRecord<'_>) -> String {
    let mut builder = BatchBuilder::new();
    builder.push(record);
    let batch = builder.build();
    let record = records(&batch).expect("a batch").next().expect("a record");
    let record = record.expect("whole");
    let shown = Shown {
        topic: "orders",
        partition: 3,
        record: &record,
    };
    let output = Output::parse(form).expect("a form");
    let mut out = Vec::new();
    output.begin(&mut out).expect("memory");
    output.print(&shown, &mut out).expect("memory");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn a_record_is_a_line_of_json() {
    let headers = [("a", Some(&b"1"[..])), ("a", None)];
    let record = NewRecord {
        timestamp: 1_700_000_000_000,
        key: Some(&[0xff, 0]),
        value: Some(b"two\nlines"),
        headers: &headers,
    };
    let text = printed("json", &record);
    assert_eq!(text.lines().count(), 1, "{text}");
    let value: Value = serde_json::from_str(&text).expect("JSON");
    let expected = json!({
        "topic": "orders",
        "partition": 3,
        "offset": 0,
        "timestamp": 1_700_000_000_000_i64,
        "key": {"base64": "/wA="},
        "value": "two\nlines",
        "headers": [{"name": "a", "value": "1"}, {"name": "a", "value": null}],
    });
    assert_eq!(value, expected);
}

#[test]
fn a_record_is_a_document_of_yaml() {
    let record = NewRecord {
        value: Some(b"value"),
        ..NewRecord::default()
    };
    let text = printed("yaml", &record);
    let document = text.strip_prefix("---\n").expect("the begin of a document");
    let value: Value = serde_yaml::from_str(document).expect("YAML");
    assert_eq!(value["value"], "value");
    assert_eq!(value["key"], Value::Null);
}

#[test]
fn a_table_has_a_head_and_a_template_has_none() {
    let record = NewRecord {
        timestamp: 7,
        key: Some(b"k"),
        value: Some(b"v"),
        headers: &[],
    };
    let row = "3\t0\t7\tk\tv\n";
    assert_eq!(printed("table", &record), format!("{HEAD}{row}"));
    assert_eq!(printed(r"%k:%v\n", &record), "k:v\n");
    assert!(Output::parse("%x").is_err());
}
