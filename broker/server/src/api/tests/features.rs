//! UpdateFeatures. Expected is what Apache Kafka 4.3.1 answers, unless a comment says why not.

use broker_controller::decide::GROUP_VERSION;
use protocol::ErrorCode;
use protocol::messages::update_features_request::FeatureUpdateKey;
use protocol::messages::{UpdateFeaturesRequest, UpdateFeaturesResponse};

use super::super::topics::text;
use crate::testing::TestBroker;

const UP: i8 = 1;
const SAFE: i8 = 2;
const UNSAFE: i8 = 3;

/// A feature, its level, and which way it goes.
type Update<'a> = (&'a str, i16, i8);

/// What is answered: the code and message of the whole, and of each feature.
type Told = (
    ErrorCode,
    Option<String>,
    Vec<(String, i16, Option<String>)>,
);

async fn update(
    broker: &mut TestBroker,
    version: i16,
    updates: &[Update<'_>],
    validate_only: bool,
) -> Told {
    let key = |(name, level, upgrade_type): &Update<'_>| {
        let key = FeatureUpdateKey::default()
            .with_feature(text(*name))
            .with_max_version_level(*level);
        match version {
            0 => key.with_allow_downgrade(*upgrade_type != UP),
            _ => key.with_upgrade_type(*upgrade_type),
        }
    };
    let request = UpdateFeaturesRequest::default()
        .with_timeout_ms(10_000)
        .with_validate_only(validate_only)
        .with_feature_updates(updates.iter().map(key).collect());
    let response: UpdateFeaturesResponse = broker.ask(version, &request).await;
    let results = response.results.into_iter();
    let results = results.map(|it| {
        let message = it.error_message.map(|it| it.to_string());
        (it.feature.to_string(), it.error_code, message)
    });
    (
        ErrorCode::from_code(response.error_code).expect("a code of Kafka's"),
        response.error_message.map(|it| it.to_string()),
        results.collect(),
    )
}

fn level(broker: &TestBroker) -> i16 {
    broker.broker.metadata.image().feature_level(GROUP_VERSION)
}

fn well(name: &str) -> (String, i16, Option<String>) {
    (name.to_owned(), 0, Some("NONE".to_owned()))
}

#[tokio::test]
async fn features_are_listed_in_old_versions_where_all_is_well() {
    let mut broker = TestBroker::start(&[]).await;
    for version in 0..=1 {
        let told = update(&mut broker, version, &[(GROUP_VERSION, 1, UP)], false).await;
        assert_eq!(told, (ErrorCode::None, None, vec![well(GROUP_VERSION)]));
    }
    let told = update(&mut broker, 2, &[(GROUP_VERSION, 1, UP)], false).await;
    assert_eq!(told, (ErrorCode::None, None, Vec::new()));
    let told = update(&mut broker, 1, &[], false).await;
    assert_eq!(told, (ErrorCode::None, None, Vec::new()));
}

#[tokio::test]
async fn a_level_goes_down_and_up_again() {
    let mut broker = TestBroker::start(&[]).await;
    let down = [(GROUP_VERSION, 0, SAFE)];
    let (code, ..) = update(&mut broker, 2, &down, true).await;
    assert_eq!((code, level(&broker)), (ErrorCode::None, 1));
    let (code, ..) = update(&mut broker, 2, &down, false).await;
    assert_eq!((code, level(&broker)), (ErrorCode::None, 0));
    let (code, message, _) = update(&mut broker, 2, &[(GROUP_VERSION, 1, UNSAFE)], false).await;
    assert_eq!(
        (code, message.as_deref()),
        (
            ErrorCode::InvalidUpdateVersion,
            Some(
                "The update failed for all features since the following feature had an error: \
                 Invalid update version 1 for feature group.version. Can't downgrade to a newer \
                 version."
            )
        )
    );
    let (code, ..) = update(&mut broker, 2, &[(GROUP_VERSION, 1, UP)], false).await;
    assert_eq!((code, level(&broker)), (ErrorCode::None, 1));
}

#[tokio::test]
async fn one_feature_that_cannot_be_keeps_all_as_they_are() {
    let mut broker = TestBroker::start(&[]).await;
    let refused: &[(i16, &[Update<'_>], &str)] = &[
        (
            1,
            &[(GROUP_VERSION, 0, SAFE), ("nonsense", 1, UP)],
            "Local controller 1 does not support this feature.",
        ),
        (2, &[("nonsense", 0, SAFE)], "Feature nonsense not found."),
        // What older clients may say of a downgrade counts for nothing with Kafka either.
        (
            0,
            &[(GROUP_VERSION, 0, SAFE)],
            "upgrade type to either safe or unsafe downgrade.",
        ),
        (
            1,
            &[(GROUP_VERSION, 0, UP)],
            "upgrade type to either safe or unsafe downgrade.",
        ),
        (
            1,
            &[(GROUP_VERSION, 1, 0)],
            "The controller does not support the given upgrade type.",
        ),
        (
            1,
            &[(GROUP_VERSION, 2, UP)],
            "Local controller 1 only supports versions 0-1",
        ),
        (
            1,
            &[(GROUP_VERSION, -1, SAFE)],
            "A feature version cannot be less than 0.",
        ),
    ];
    for (version, updates, reason) in refused {
        let (code, message, results) = update(&mut broker, *version, updates, false).await;
        let message = message.expect("a reason");
        assert_eq!(code, ErrorCode::InvalidUpdateVersion, "{message}");
        assert!(message.ends_with(reason), "{message}");
        assert!(results.is_empty() && level(&broker) == 1);
    }
}

#[tokio::test]
async fn requests_are_bounded() {
    let mut broker = TestBroker::start(&[]).await;
    let many = vec![(GROUP_VERSION, 1, UP); 101];
    let long = "x".repeat(257);
    for updates in [&many[..], &[(long.as_str(), 1, UP)]] {
        let (code, ..) = update(&mut broker, 2, updates, false).await;
        assert_eq!(code, ErrorCode::InvalidRequest);
    }
    // The last of a feature's levels counts.
    let twice = [(GROUP_VERSION, 1, UP), (GROUP_VERSION, 0, SAFE)];
    let (code, _, results) = update(&mut broker, 1, &twice, false).await;
    assert_eq!((code, level(&broker)), (ErrorCode::None, 0));
    assert_eq!(results.len(), 2);
}
