//! Payloads made by Apache Kafka's own serializers, and what of them this project understands.
//!
//! For every API that Kafka 4.3.1 offers to clients, every stable version of it, request and
//! response, there are two payloads in `vectors/`: all defaults, and every field of the version set
//! with arrays of two. `README.md` says how they are made.

use std::fs;
use std::path::Path;

use bytes::{Bytes, BytesMut};
use protocol::ApiKey;
use protocol::wire::versions::supported;
use protocol::wire::{MessageBody, VersionRange, WireError, decode_body};

/// An API of Kafka, with its payloads.
#[derive(Clone, Debug)]
pub struct Api {
    /// Kafka's name of it.
    pub name: String,
    /// Its key.
    pub key: i16,
    /// Its stable versions.
    pub versions: VersionRange,
    /// The versions of request and response header, by version.
    pub header_versions: Vec<(i16, i16, i16)>,
    /// The payloads.
    pub payloads: Vec<Payload>,
}

/// A body as Kafka wrote it.
#[derive(Clone, Debug)]
pub struct Payload {
    /// Of which side.
    pub kind: Kind,
    /// At which version.
    pub version: i16,
    /// `default` or `filled`.
    pub fill: String,
    /// The bytes.
    pub bytes: Bytes,
}

/// The sides of an API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// What the client sends.
    Request,
    /// What the broker answers.
    Response,
}

/// All APIs, by rising key.
///
/// # Panics
/// If the vectors cannot be read: this is for tests.
pub fn apis() -> Vec<Api> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors");
    let mut apis = Vec::new();
    for entry in fs::read_dir(directory).expect("the vectors are committed") {
        let path = entry.expect("the vectors are readable").path();
        let name = path
            .file_stem()
            .expect("a file has a name")
            .to_string_lossy()
            .into_owned();
        if name != HEADERS && name != ERRORS {
            let text = fs::read_to_string(&path).expect("the vectors are readable");
            apis.push(parse_api(name, &text));
        }
    }
    apis.sort_by_key(|api| api.key);
    apis
}

/// The request and response headers, as payloads at the versions of the header.
///
/// # Panics
/// If the vectors cannot be read: this is for tests.
pub fn headers() -> Vec<Payload> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join(HEADERS);
    let text = fs::read_to_string(path.with_extension("txt")).expect("the vectors are committed");
    text.lines()
        .map(|line| parse_payload(&line.split(' ').collect::<Vec<_>>()))
        .collect()
}

/// Kafka's error codes: number, name, whether it is retriable.
///
/// # Panics
/// If the vectors cannot be read: this is for tests.
pub fn errors() -> Vec<(i16, String, bool)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("vectors")
        .join(ERRORS);
    let text = fs::read_to_string(path.with_extension("txt")).expect("the vectors are committed");
    text.lines()
        .map(|line| match line.split(' ').collect::<Vec<_>>()[..] {
            [code, name, retriable] => (number(code), name.to_owned(), retriable == "true"),
            _ => panic!("not an error code: {line}"),
        })
        .collect()
}

const HEADERS: &str = "Headers";
const ERRORS: &str = "Errors";

/// The `(api key, version)` pairs whose payloads decode and encode to the same bytes, as this
/// crate's tests show. Whatever a broker handles has to be among them.
pub fn covered() -> Vec<(i16, i16)> {
    let mut covered = Vec::new();
    for api in apis() {
        for version in api.versions.iter() {
            if is_supported(api.key, version) {
                covered.push((api.key, version));
            }
        }
    }
    covered
}

/// Whether request and response can be decoded and encoded at all.
pub fn is_supported(key: i16, version: i16) -> bool {
    ApiKey::try_from(key).is_ok_and(|api| supported(api).contains(version))
}

/// Decodes a body and encodes it again.
pub fn reencode(kind: Kind, api: ApiKey, version: i16, bytes: Bytes) -> Result<Bytes, WireError> {
    macro_rules! dispatch {
        ($(($api:ident, $request:ident, $response:ident, $min:literal, $max:literal),)*) => {
            match (api, kind) {
                $(
                    (ApiKey::$api, Kind::Request) => {
                        reencode_as::<protocol::messages::$request>(version, bytes)
                    }
                    (ApiKey::$api, Kind::Response) => {
                        reencode_as::<protocol::messages::$response>(version, bytes)
                    }
                )*
            }
        };
    }
    protocol::for_each_api!(dispatch)
}

fn reencode_as<T: MessageBody>(version: i16, bytes: Bytes) -> Result<Bytes, WireError> {
    let body: T = decode_body(bytes, version)?;
    let mut encoded = BytesMut::new();
    body.encode_body(&mut encoded, version)?;
    assert_eq!(
        body.body_size(version)?,
        encoded.len(),
        "the size is computed wrong"
    );
    Ok(encoded.freeze())
}

fn parse_api(name: String, text: &str) -> Api {
    let mut api = Api {
        name,
        key: -1,
        versions: VersionRange::new(0, -1),
        header_versions: Vec::new(),
        payloads: Vec::new(),
    };
    for line in text.lines() {
        match line.split(' ').collect::<Vec<_>>()[..] {
            ["api", key, min, max] => {
                api.key = number(key);
                api.versions = VersionRange::new(number(min), number(max));
            }
            ["header-versions", version, request, response] => {
                api.header_versions
                    .push((number(version), number(request), number(response)));
            }
            ref words => api.payloads.push(parse_payload(words)),
        }
    }
    api
}

fn parse_payload(words: &[&str]) -> Payload {
    let [kind, version, fill, hex] = words else {
        panic!("not a payload: {words:?}");
    };
    Payload {
        kind: match *kind {
            "request" => Kind::Request,
            "response" => Kind::Response,
            other => panic!("neither request nor response: {other}"),
        },
        version: number(version),
        fill: (*fill).to_owned(),
        bytes: bytes_of(hex),
    }
}

fn number(word: &str) -> i16 {
    word.parse().expect("a number")
}

/// A dash stands for no bytes.
fn bytes_of(hex: &str) -> Bytes {
    if hex == "-" {
        return Bytes::new();
    }
    let digits = hex.as_bytes().chunks_exact(2);
    digits
        .map(|pair| {
            let pair = std::str::from_utf8(pair).expect("hexadecimal digits");
            u8::from_str_radix(pair, 16).expect("hexadecimal digits")
        })
        .collect()
}
