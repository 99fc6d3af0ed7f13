//! Ids that only cluster metadata knows.

use std::fmt;

use protocol::model::{Uuid, base64_uuid, parse_base64_uuid};

/// Declares a transparent id over a UUID, printed as Kafka prints its UUIDs.
macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(transparent)]
        pub struct $name(Uuid);

        impl $name {
            /// Wraps an id drawn by the caller.
            pub const fn new(id: Uuid) -> Self {
                Self(id)
            }

            /// The plain id.
            pub const fn get(self) -> Uuid {
                self.0
            }

            /// Reads the form it is printed in: 22 characters of URL-safe base64.
            pub fn parse(text: &str) -> Option<Self> {
                parse_base64_uuid(text).map(Self)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&base64_uuid(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }
    };
}

uuid_id! {
    /// The cluster, from its first start on. A node with another one's data is refused.
    ClusterId
}
uuid_id! {
    /// One life of a broker's process.
    IncarnationId
}
uuid_id! {
    /// A data directory. An empty or replaced directory gets a new id (KIP-858).
    DirectoryId
}

impl DirectoryId {
    /// Kafka reserves the first hundred ids for meanings such as "unassigned" and "lost"
    /// (`DirectoryId.reserved`, KIP-858).
    pub fn is_reserved(self) -> bool {
        self.0.as_u128() < 100
    }
}
