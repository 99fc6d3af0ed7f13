use super::ErrorCode;

#[test]
fn codes_are_those_of_kafka_without_gaps() {
    let codes: Vec<i16> = ErrorCode::ALL.iter().map(|error| error.code()).collect();
    assert_eq!(codes, (-1..=133).collect::<Vec<i16>>());
}

#[test]
fn every_code_converts_there_and_back() {
    for error in ErrorCode::ALL {
        assert_eq!(ErrorCode::try_from(i16::from(*error)), Ok(*error));
    }
    assert_eq!(ErrorCode::from_code(134), None);
    assert_eq!(ErrorCode::from_code(-2), None);
}

#[test]
fn names_are_the_variants_in_kafkas_spelling() {
    for error in ErrorCode::ALL {
        let mut spelled = String::new();
        for c in format!("{error:?}").chars() {
            if c.is_ascii_uppercase() && !spelled.is_empty() {
                spelled.push('_');
            }
            spelled.push(c.to_ascii_uppercase());
        }
        assert_eq!(error.name(), spelled);
    }
}
