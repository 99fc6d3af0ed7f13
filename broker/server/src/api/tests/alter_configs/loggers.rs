//! The levels of loggers.

use super::{APPEND, Asked, DELETE, LOGGER, SET, SUBTRACT, Told, alter, ok, refused};
use crate::testing::TestBroker;

#[tokio::test]
async fn loggers_have_levels() {
    let mut broker = TestBroker::start(&[("node.id", "1")]).await;
    let level = |to: &str| {
        format!(
            "Cannot set the log level of root to {to} as it is not a supported log level. Valid log levels are DEBUG, ERROR, FATAL, INFO, TRACE, WARN"
        )
    };
    let cases: [(Asked<'_>, Told); 14] = [
        (
            (LOGGER, "1", &[("root", SET, Some("LOUD"))]),
            refused(40, &level("LOUD")),
        ),
        (
            (LOGGER, "1", &[("root", SET, Some("info"))]),
            refused(40, &level("info")),
        ),
        (
            (LOGGER, "1", &[("no.such", SET, Some("INFO"))]),
            refused(40, "Logger no.such does not exist!"),
        ),
        (
            (LOGGER, "1", &[("no.such", DELETE, None)]),
            refused(40, "Logger no.such does not exist!"),
        ),
        (
            (LOGGER, "1", &[("root", DELETE, None)]),
            refused(
                42,
                "Removing the log level of the root logger is not allowed",
            ),
        ),
        (
            (LOGGER, "1", &[("root", APPEND, Some("INFO"))]),
            refused(
                42,
                "APPEND operation is not allowed for the BROKER_LOGGER resource",
            ),
        ),
        (
            (LOGGER, "1", &[("root", SUBTRACT, Some("INFO"))]),
            refused(
                42,
                "SUBTRACT operation is not allowed for the BROKER_LOGGER resource",
            ),
        ),
        (
            (LOGGER, "1", &[("root", SET, None)]),
            refused(42, "Null value not supported for : root"),
        ),
        (
            (LOGGER, "99", &[]),
            refused(42, "Unexpected node id. Expected 1, but received 99"),
        ),
        (
            (LOGGER, "", &[]),
            refused(42, "Node id must be an integer, but it is: "),
        ),
        (
            (
                LOGGER,
                "1",
                &[("root", SET, Some("DEBUG")), ("x", SET, Some("INFO"))],
            ),
            refused(40, "Logger x does not exist!"),
        ),
        ((LOGGER, "1", &[("root", SET, Some("FATAL"))]), ok()),
        (
            (
                LOGGER,
                "1",
                &[
                    ("broker.net", SET, Some("TRACE")),
                    ("storage", SET, Some("WARN")),
                ],
            ),
            ok(),
        ),
        ((LOGGER, "1", &[("storage", DELETE, None)]), ok()),
    ];
    for (asked, expected) in cases {
        assert_eq!(alter(&mut broker, asked).await, expected, "{asked:?}");
    }
    let levels = broker.broker.loggers.levels();
    assert_eq!(
        (levels["root"], levels["broker.net"], levels["storage"]),
        ("ERROR", "TRACE", "ERROR")
    );
}
