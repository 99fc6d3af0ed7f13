//! What consumers say of themselves in JoinGroup (`ConsumerProtocolSubscription`): the little that a broker looks at.

use crate::wire::WireError;
use crate::wire::primitive::Cursor;

/// The topics a consumer is subscribed to. Newer versions only add to the end.
pub fn subscribed_topics(metadata: &[u8]) -> Result<Vec<&str>, WireError> {
    let mut cursor = Cursor::new(metadata);
    if cursor.i16()? < 0 {
        return Err(WireError::Malformed("a negative version"));
    }
    let count = cursor.array_length(false, 2)?;
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        topics.push(cursor.string(false)?);
    }
    Ok(topics)
}

#[cfg(test)]
mod tests {
    use super::subscribed_topics;

    #[test]
    fn topics_are_read_and_what_follows_is_not() {
        let two = b"\0\x03\0\0\0\x02\0\x01a\0\x02bb\xff\xff\xff\xff";
        assert_eq!(subscribed_topics(two).expect("well-formed"), ["a", "bb"]);
        for end in 0..13 {
            assert!(subscribed_topics(&two[..end]).is_err(), "{end}");
        }
        assert!(subscribed_topics(b"\xff\xff\0\0\0\0").is_err());
        assert!(subscribed_topics(b"\0\0\x7f\xff\xff\xff").is_err());
    }
}
