use protocol::batch::{BatchBuilder, NewRecord, records};

use super::*;

fn printed(template: &str, record: &NewRecord<'_>) -> String {
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
    let template = Template::parse(template).expect("a template");
    let mut out = Vec::new();
    template.print(&shown, &mut out).expect("memory");
    String::from_utf8(out).expect("UTF-8")
}

#[test]
fn everything_about_a_record() {
    let headers = [("a", Some(&b"1"[..])), ("b", None)];
    let record = NewRecord {
        timestamp: 1_700_000_000_000,
        key: Some(b"key"),
        value: Some(b"value"),
        headers: &headers,
    };
    assert_eq!(
        printed(r"%t-%p %o %d %k(%K)=%v(%V) [%h] 100%%\t\\\n", &record),
        "orders-3 0 1700000000000 key(3)=value(5) [a=1,b=] 100%\t\\\n"
    );
}

#[test]
fn what_is_not_there_is_nothing() {
    let record = NewRecord::default();
    assert_eq!(printed("%k|%v|%K|%V|%h", &record), "||-1|-1|");
}

#[test]
fn what_means_nothing_is_said() {
    for (text, error) in [
        (
            "%x",
            "%x means nothing; there are %t %p %o %d %k %v %K %V %h and %%",
        ),
        (r"\q", r"\q means nothing; there are \n \t \0 and \\"),
        ("%v%", "it ends with a %"),
        ("\\", "it ends with a \\"),
    ] {
        let refused = Template::parse(text).expect_err("it means nothing");
        assert_eq!(refused.to_string(), error);
    }
}
