use axum::http::StatusCode;

use super::*;

#[test]
fn values_are_decoded() {
    let query = Query::of(Some("filter=a%2Fb+%C3%84&unhealthy=true&from=500&&last")).expect("good");
    assert_eq!(query.text("filter"), "a/b+Ä");
    assert_eq!(query.text("last"), "");
    assert_eq!(query.text("none"), "");
    assert!(query.is_set("unhealthy"));
    assert!(!query.is_set("filter"));
    assert_eq!(query.number("from").expect("a number"), 500);
    assert_eq!(query.number("none").expect("none"), 0);
    assert_eq!(Query::of(None).expect("nothing"), Query::default());
}

#[test]
fn what_is_no_value_is_refused() {
    for text in ["a=%", "a=%4", "a=%zz", "a=%+1", "a=%ff", "%=1"] {
        let refusal = Query::of(Some(text)).expect_err(text);
        assert_eq!(refusal.status, StatusCode::BAD_REQUEST);
    }
    let query = Query::of(Some("from=-1")).expect("text");
    let refusal = query.number("from").expect_err("negative");
    assert_eq!(refusal.error, "from is no number");
}

#[test]
fn a_filter_does_not_look_at_the_case() {
    let filter = |text| Query::of(Some(text)).expect("good").filter();
    assert!(filter("filter=ORD").matches("my-orders"));
    assert!(!filter("filter=orders.").matches("orders"));
    assert!(filter("").matches("anything"));
}
