//! Which versions of which APIs are understood, handled and advertised.

use std::collections::BTreeMap;
use std::fmt;

use crate::messages::{ApiKey, api_versions_response::ApiVersion};

/// Versions of an API, both ends included, as the protocol counts them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRange {
    /// The oldest.
    pub min: i16,
    /// The newest.
    pub max: i16,
}

impl VersionRange {
    /// The versions from `min` to `max`.
    pub const fn new(min: i16, max: i16) -> VersionRange {
        VersionRange { min, max }
    }

    /// Whether `version` is among them.
    pub const fn contains(self, version: i16) -> bool {
        self.min <= version && version <= self.max
    }

    /// Every one, in order.
    pub fn iter(self) -> impl Iterator<Item = i16> {
        self.min..=self.max
    }
}

impl fmt::Display for VersionRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.min, self.max)
    }
}

macro_rules! define_supported {
    ($(($api:ident, $request:ident, $response:ident, $min:literal, $max:literal),)*) => {
        /// The versions of which request and response can be decoded and encoded. What a broker
        /// handles is at most this.
        pub const fn supported(api: ApiKey) -> VersionRange {
            match api {
                $(ApiKey::$api => VersionRange::new($min, $max),)*
            }
        }
    };
}
crate::for_each_api!(define_supported);

/// Produce is advertised from here, though less than 3 is refused: librdkafka takes a broker
/// without Produce 0 for one that cannot compress (KAFKA-18659).
pub const PRODUCE_VERSION_ADVERTISED_MIN: i16 = 0;

/// What a broker handles, as its handlers have registered.
#[derive(Clone, Debug, Default)]
pub struct ApiVersionTable {
    handled: BTreeMap<i16, (ApiKey, VersionRange)>,
}

/// Whether a request can be handled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Support {
    /// There is a handler for it.
    Handled(ApiKey),
    /// There is a handler for other versions.
    OtherVersions(ApiKey, VersionRange),
    /// There is no handler.
    UnknownApi,
}

impl ApiVersionTable {
    /// A table of nothing.
    pub fn new() -> ApiVersionTable {
        ApiVersionTable::default()
    }

    /// Adds a handler.
    ///
    /// # Panics
    /// If the API has one already, or the versions cannot be decoded: mistakes in the program.
    pub fn register(&mut self, api: ApiKey, versions: VersionRange) {
        let supported = supported(api);
        assert!(
            supported.contains(versions.min) && supported.contains(versions.max),
            "{api:?} {versions} is not within {supported}",
        );
        let earlier = self.handled.insert(api as i16, (api, versions));
        assert!(earlier.is_none(), "{api:?} has two handlers");
    }

    /// Looks up a request's handler.
    pub fn support(&self, api_key: i16, version: i16) -> Support {
        match self.handled.get(&api_key) {
            Some((api, versions)) if versions.contains(version) => Support::Handled(*api),
            Some((api, versions)) => Support::OtherVersions(*api, *versions),
            None => Support::UnknownApi,
        }
    }

    /// Every API that is handled and its versions, by rising key.
    pub fn handled(&self) -> impl Iterator<Item = (ApiKey, VersionRange)> {
        self.handled.values().copied()
    }

    /// What to tell clients, by rising key.
    pub fn advertised(&self) -> impl Iterator<Item = (ApiKey, VersionRange)> {
        self.handled().map(|(api, versions)| match api {
            ApiKey::Produce => (
                api,
                VersionRange::new(PRODUCE_VERSION_ADVERTISED_MIN, versions.max),
            ),
            _ => (api, versions),
        })
    }

    /// The same, as it stands in an ApiVersions response.
    pub fn to_api_versions(&self) -> Vec<ApiVersion> {
        self.advertised()
            .map(|(api, versions)| {
                ApiVersion::default()
                    .with_api_key(api as i16)
                    .with_min_version(versions.min)
                    .with_max_version(versions.max)
            })
            .collect()
    }
}

#[cfg(test)]
mod tests;
