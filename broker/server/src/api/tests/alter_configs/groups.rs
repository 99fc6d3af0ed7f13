//! The settings of groups.

use super::{APPEND, Asked, GROUP, SET, Told, alter, described, ok, refused, replace, value};
use crate::testing::TestBroker;

#[tokio::test]
async fn groups_have_settings_within_the_brokers_limits() {
    let mut broker = TestBroker::start(&[]).await;
    let reset = |to: &str| {
        format!(
            "Invalid value {to} for configuration share.auto.offset.reset: Invalid value `{to}` for configuration share.auto.offset.reset. The value must be either 'earliest', 'latest' or of the format 'by_duration:<PnDTnHnMn.nS>'."
        )
    };
    let session = "consumer.session.timeout.ms must be greater than or equal to group.consumer.min.session.timeout.ms";
    let standby = "streams.num.standby.replicas must be less than or equal to group.streams.max.standby.replicas";
    let cases: [(Asked<'_>, Told); 11] = [
        (
            (GROUP, "", &[]),
            refused(42, "Default group resources are not allowed."),
        ),
        (
            (
                GROUP,
                "g",
                &[
                    ("nope", SET, Some("1")),
                    ("share.session.timeout.ms", SET, Some("x")),
                ],
            ),
            refused(40, "Unknown group config name: nope"),
        ),
        (
            (
                GROUP,
                "g",
                &[("consumer.session.timeout.ms", SET, Some("x"))],
            ),
            refused(
                40,
                "Invalid value x for configuration consumer.session.timeout.ms: Not a number of type INT",
            ),
        ),
        (
            (
                GROUP,
                "g",
                &[("consumer.session.timeout.ms", SET, Some("1"))],
            ),
            refused(40, session),
        ),
        (
            (
                GROUP,
                "g",
                &[("streams.num.standby.replicas", SET, Some("3"))],
            ),
            refused(40, standby),
        ),
        (
            (
                GROUP,
                "g",
                &[("share.session.timeout.ms", APPEND, Some("1"))],
            ),
            refused(
                40,
                "Can't APPEND to key share.session.timeout.ms because its type is not LIST.",
            ),
        ),
        (
            (
                GROUP,
                "g",
                &[("share.auto.offset.reset", SET, Some("LATEST"))],
            ),
            refused(40, &reset("LATEST")),
        ),
        (
            (
                GROUP,
                "g",
                &[("share.auto.offset.reset", SET, Some("by_duration:PT"))],
            ),
            refused(40, &reset("by_duration:PT")),
        ),
        (
            (GROUP, "g", &[("share.isolation.level", SET, Some("x"))]),
            refused(
                40,
                "Invalid value x for configuration share.isolation.level: String must be one of: read_committed, read_uncommitted",
            ),
        ),
        (
            (
                GROUP,
                "g",
                &[(
                    "share.auto.offset.reset",
                    SET,
                    Some("by_duration:P1DT1H1M1.5S"),
                )],
            ),
            ok(),
        ),
        (
            (
                GROUP,
                "g",
                &[("consumer.session.timeout.ms", SET, Some("46000"))],
            ),
            ok(),
        ),
    ];
    for (asked, expected) in cases {
        assert_eq!(alter(&mut broker, asked).await, expected, "{asked:?}");
    }
    let told = described(&mut broker, GROUP, "g", "consumer.session.timeout.ms").await;
    assert_eq!(told, value("46000", 8));
    assert_eq!(replace(&mut broker, 2, GROUP, "g", &[]).await, ok());
    let told = described(&mut broker, GROUP, "g", "share.auto.offset.reset").await;
    assert_eq!(told, value("latest", 5));
}
