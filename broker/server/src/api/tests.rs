use super::*;

/// What clients negotiate is what was checked against Kafka's own bytes.
#[test]
fn every_advertised_version_has_golden_vectors() {
    let covered = tests_golden::covered();
    for (api, versions) in table().handled() {
        for version in versions.iter() {
            let pair = (api as i16, version);
            assert!(
                covered.contains(&pair),
                "{api:?} {version} has no golden vectors"
            );
        }
    }
}

#[test]
fn apis_stand_in_the_order_of_their_keys() {
    assert!(
        APIS.windows(2)
            .all(|pair| (pair[0].key as i16) < pair[1].key as i16)
    );
}
