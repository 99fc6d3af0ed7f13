//! The rules of topic names, as `org.apache.kafka.common.internals.Topic` has them.

/// Longest name: a directory `NAME-PARTITION` with a suffix must fit a file name of 255 bytes.
pub const NAME_BYTES_MAX: usize = 249;

/// The topic Kafka keeps its metadata in. Nobody may create it.
pub const CLUSTER_METADATA: &str = "__cluster_metadata";

/// Consumer offsets and groups.
pub const CONSUMER_OFFSETS: &str = "__consumer_offsets";

/// Transactions.
pub const TRANSACTION_STATE: &str = "__transaction_state";

/// Share groups.
pub const SHARE_GROUP_STATE: &str = "__share_group_state";

/// Whether clients are told that a topic is internal.
pub fn is_internal(name: &str) -> bool {
    matches!(
        name,
        CONSUMER_OFFSETS | TRANSACTION_STATE | SHARE_GROUP_STATE
    )
}

/// Why a name is no topic name, in Kafka's words; `Ok` for a good one.
pub fn validate(name: &str) -> Result<(), String> {
    let reason = match name {
        "" => "the empty string is not allowed".to_owned(),
        "." | ".." => format!("'{name}' is not allowed"),
        // Kafka counts UTF-16 units; beyond ASCII the name is refused in any case.
        _ if name.encode_utf16().count() > NAME_BYTES_MAX => format!(
            "the length of '{}' is longer than the max allowed length {NAME_BYTES_MAX}",
            shortened(name)
        ),
        _ if !name.bytes().all(is_legal) => format!(
            "'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'"
        ),
        _ => return Ok(()),
    };
    Err(format!("Topic name is invalid: {reason}"))
}

/// The name as metrics know it: `a.b` and `a_b` are one (Kafka's `Topic.unifyCollisionChars`).
pub fn unified(name: &str) -> String {
    name.replace('.', "_")
}

const fn is_legal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-')
}

/// A refused name may be 32 KiB long; the answer, and the log, need its start only.
fn shortened(name: &str) -> String {
    const SHOWN_CHARS_MAX: usize = 1000;
    name.chars().take(SHOWN_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests;
