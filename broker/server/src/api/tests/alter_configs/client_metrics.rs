//! The settings of client metrics.

use super::{APPEND, Asked, CLIENT_METRICS, SET, Told, alter, described, ok, refused, value};
use crate::testing::TestBroker;

#[tokio::test]
async fn client_metrics_have_settings() {
    let mut broker = TestBroker::start(&[]).await;
    let interval = |to: &str| {
        format!(
            "Invalid value {to} for interval.ms, interval must be between 100 and 3600000 (1 hour)"
        )
    };
    let metrics = "org.apache.kafka.,x";
    let cases: [(Asked<'_>, Told); 11] = [
        (
            (CLIENT_METRICS, "", &[]),
            refused(42, "Subscription name can't be empty"),
        ),
        (
            (CLIENT_METRICS, "m", &[("nope", SET, Some("1"))]),
            refused(42, "Unknown client metrics configuration: nope"),
        ),
        (
            (CLIENT_METRICS, "m", &[("interval.ms", SET, Some("x"))]),
            refused(
                40,
                "Invalid value x for configuration interval.ms: Not a number of type INT",
            ),
        ),
        (
            (CLIENT_METRICS, "m", &[("interval.ms", SET, Some("99"))]),
            refused(42, &interval("99")),
        ),
        (
            (
                CLIENT_METRICS,
                "m",
                &[("interval.ms", SET, Some("3600001"))],
            ),
            refused(42, &interval("3600001")),
        ),
        (
            (
                CLIENT_METRICS,
                "m",
                &[("match", SET, Some("client_id=a,foo=b"))],
            ),
            refused(40, "Illegal client matching pattern: foo=b"),
        ),
        (
            (
                CLIENT_METRICS,
                "m",
                &[("match", SET, Some("client_id=a=b"))],
            ),
            refused(40, "Illegal client matching pattern: client_id=a=b"),
        ),
        (
            (CLIENT_METRICS, "m", &[("match", SET, Some("client_id="))]),
            refused(40, "Illegal client matching pattern: client_id="),
        ),
        (
            (CLIENT_METRICS, "m", &[("match", SET, Some(","))]),
            refused(40, "Configuration 'match' values must not be empty."),
        ),
        (
            (CLIENT_METRICS, "m", &[("metrics", APPEND, Some("z"))]),
            refused(
                40,
                "Can't APPEND to key metrics because its type is not LIST.",
            ),
        ),
        (
            (
                CLIENT_METRICS,
                "m",
                &[
                    ("interval.ms", SET, Some("100")),
                    (
                        "match",
                        SET,
                        Some(" client_id = a ,client_software_name=.*"),
                    ),
                    ("metrics", SET, Some(metrics)),
                ],
            ),
            ok(),
        ),
    ];
    for (asked, expected) in cases {
        assert_eq!(alter(&mut broker, asked).await, expected, "{asked:?}");
    }
    assert_eq!(
        described(&mut broker, CLIENT_METRICS, "m", "metrics").await,
        value(metrics, 7)
    );
    assert_eq!(
        described(&mut broker, CLIENT_METRICS, "m", "interval.ms").await,
        value("100", 7)
    );
}
