use super::*;

fn table() -> ApiVersionTable {
    let mut table = ApiVersionTable::new();
    table.register(ApiKey::Fetch, VersionRange::new(4, 18));
    table.register(ApiKey::Produce, VersionRange::new(3, 13));
    table
}

#[test]
fn produce_is_advertised_from_0_and_handled_from_3() {
    let table = table();
    assert_eq!(table.support(0, 3), Support::Handled(ApiKey::Produce));
    assert_eq!(
        table.support(0, 2),
        Support::OtherVersions(ApiKey::Produce, VersionRange::new(3, 13)),
    );
    assert_eq!(table.support(3, 0), Support::UnknownApi);
    let advertised: Vec<_> = table.advertised().collect();
    assert_eq!(
        advertised,
        [
            (ApiKey::Produce, VersionRange::new(0, 13)),
            (ApiKey::Fetch, VersionRange::new(4, 18)),
        ],
    );
    assert_eq!(table.to_api_versions()[0].min_version, 0);
}

#[test]
#[should_panic(expected = "two handlers")]
fn a_second_handler_is_a_mistake() {
    table().register(ApiKey::Fetch, VersionRange::new(4, 4));
}

#[test]
#[should_panic(expected = "is not within")]
fn versions_that_cannot_be_decoded_are_a_mistake() {
    table().register(ApiKey::WriteTxnMarkers, VersionRange::new(1, 2));
}
