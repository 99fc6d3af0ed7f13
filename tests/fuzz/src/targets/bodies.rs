//! Bodies of every API and version: what is decoded can be encoded, and is then the same.

use std::fmt::Debug;

use bytes::{Bytes, BytesMut};
use protocol::ApiKey;
use protocol::messages;
use protocol::wire::{MessageBody, WireError, decode_body, decode_request_body};

use crate::input::Input;

macro_rules! list {
    ($(($api:ident, $request:ident, $response:ident, $min:literal, $max:literal),)*) => {
        const APIS: &[(ApiKey, i16, i16)] = &[$((ApiKey::$api, $min, $max),)*];
    };
}
protocol::for_each_api!(list);

/// An API and one of its versions, by a byte each.
pub(super) fn api_and_version(input: &mut Input<'_>) -> (ApiKey, i16) {
    let (api, min, max) = APIS[input.below(APIS.len())];
    let count = usize::try_from(max - min + 1).expect("there are versions");
    let version = min + i16::try_from(input.below(count)).expect("a version");
    (api, version)
}

/// The bytes that [`api_and_version`] takes for the same.
pub(super) fn selector(api: ApiKey, version: i16) -> [u8; 2] {
    let at = APIS.iter().position(|(known, ..)| *known == api);
    let at = at.expect("an API that is known");
    let version = version - APIS[at].1;
    [at, usize::try_from(version).expect("a known version")]
        .map(|number| u8::try_from(number).expect("there are fewer"))
}

/// Takes the body of a request as a broker does, which passes over bytes behind it.
pub(super) fn check_request(api: ApiKey, version: i16, bytes: &Bytes) {
    macro_rules! dispatch {
        ($(($api:ident, $request:ident, $response:ident, $min:literal, $max:literal),)*) => {
            match api {
                $(ApiKey::$api => {
                    check_body::<messages::$request>(version, |version| {
                        decode_request_body(bytes.clone(), version)
                    });
                })*
            }
        };
    }
    protocol::for_each_api!(dispatch);
}

/// Takes the body of a response as a client does.
pub(super) fn check_response(api: ApiKey, version: i16, bytes: &Bytes) {
    macro_rules! dispatch {
        ($(($api:ident, $request:ident, $response:ident, $min:literal, $max:literal),)*) => {
            match api {
                $(ApiKey::$api => {
                    check_body::<messages::$response>(version, |version| {
                        decode_body(bytes.clone(), version)
                    });
                })*
            }
        };
    }
    protocol::for_each_api!(dispatch);
}

fn check_body<T: MessageBody + Clone + Debug + PartialEq>(
    version: i16,
    decode: impl Fn(i16) -> Result<T, WireError>,
) {
    let Ok(body) = decode(version) else { return };
    let mut encoded = BytesMut::new();
    // A body may hold what cannot be written, such as a string that is too long.
    if body.encode_body(&mut encoded, version).is_err() {
        return;
    }
    let size = body.body_size(version).expect("it was just written");
    if size != encoded.len() {
        // The codec writes the number of tagged fields that it does not know, and leaves out those
        // whose tag has all 32 bits. Nobody but this writes such a body: answers are made anew.
        let text = format!("{body:?}");
        let has_great_tag = text.contains("unknown_tagged_fields: {-");
        assert!(has_great_tag, "the size is computed wrong: {text}");
        return;
    }
    let encoded = encoded.freeze();
    let again: T = match decode_body(encoded.clone(), version) {
        Ok(again) => again,
        Err(error) => panic!("what was written cannot be read: {error}: {body:?}"),
    };
    // A number that is not equal to itself makes a body unequal to its copy.
    if body == body.clone() {
        assert_eq!(body, again, "another body was read than written");
    }
    let mut twice = BytesMut::new();
    let written = again.encode_body(&mut twice, version);
    assert!(written.is_ok(), "what was written is not written again");
    assert_eq!(encoded, twice, "the same body is written in two ways");
}
