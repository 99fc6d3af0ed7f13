//! The bodies of responses, as clients decode them.
//!
//! API, version, body.

use bytes::Bytes;
use protocol::ApiKey;
use tests_golden::{Kind, apis, is_supported};

use super::bodies;
use crate::input::Input;

pub(crate) fn check(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let (api, version) = bodies::api_and_version(&mut input);
    bodies::check_response(api, version, &Bytes::copy_from_slice(input.rest()));
}

pub(crate) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for api in apis() {
        for payload in &api.payloads {
            if payload.kind != Kind::Response || !is_supported(api.key, payload.version) {
                continue;
            }
            let key = ApiKey::try_from(api.key).expect("a supported API has a key");
            let mut seed = bodies::selector(key, payload.version).to_vec();
            seed.extend_from_slice(&payload.bytes);
            seeds.push(seed);
        }
    }
    seeds
}
