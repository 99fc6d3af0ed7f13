//! What a start does with each data directory: facts in, decision out.
//!
//! | # | facts | decision | why |
//! |--:|---|---|---|
//! | 1 | the metadata's is formatted, or nothing is | open it | An empty one beside empty ones is a new broker. |
//! | 2 | the metadata's is empty, another is formatted or cannot be read | refuse to start | The metadata is elsewhere, or lost: without it, whose the partitions are is not known. |
//! | 3 | the metadata's cannot be read | refuse to start, before anything else is looked at | The same. |
//! | 4 | another is formatted | open it; offline if that fails | Its partitions are offline, the others are served. |
//! | 5 | another cannot be read | offline | Its partitions stay assigned to it, and are made nowhere else: there they would be empty. |
//! | 6 | another is empty, and a directory with partitions is missing | offline | It may be the place where that one has not been mounted. Formatted, it would hide it, and be taken for a new disk. |
//! | 7 | another is empty, and none is missing | format it | A new disk. |
//!
//! A directory is missing when partitions are assigned to its id and no directory has that id, nor may have it: one that cannot be read may.

/// What `meta.properties` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// It is there.
    Formatted,
    /// It is not, and so there is nothing, or nothing of ours.
    Empty,
    /// It cannot be read, or makes no sense.
    Unreadable,
}

/// What is known of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whether it is that of the metadata.
    pub is_metadata: bool,
    /// What it says of itself.
    pub found: Found,
    /// Whether another one is formatted, or cannot be read.
    pub another_may_be_formatted: bool,
    /// Whether one with partitions is missing. Only looked at when it is empty, and not that of the metadata.
    pub one_is_missing: bool,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Rows 1 and 4.
    Open,
    /// Rows 1 and 7.
    Format,
    /// Row 5.
    Unreadable,
    /// Row 6.
    NotMounted,
    /// Row 2.
    MetadataIsMissing,
}

/// The table.
pub fn judge(facts: &Facts) -> Verdict {
    match (facts.is_metadata, facts.found) {
        (_, Found::Formatted) => Verdict::Open,
        (true, Found::Empty) if facts.another_may_be_formatted => Verdict::MetadataIsMissing,
        (true, Found::Empty) => Verdict::Format,
        (_, Found::Unreadable) => Verdict::Unreadable,
        (false, Found::Empty) if facts.one_is_missing => Verdict::NotMounted,
        (false, Found::Empty) => Verdict::Format,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table() {
        use Found::{Empty, Formatted, Unreadable};
        for (is_metadata, found, another_may_be_formatted, one_is_missing, expected) in [
            (true, Formatted, false, false, Verdict::Open),
            (true, Formatted, true, true, Verdict::Open),
            (true, Empty, false, false, Verdict::Format),
            (true, Empty, true, false, Verdict::MetadataIsMissing),
            (false, Formatted, true, false, Verdict::Open),
            (false, Formatted, true, true, Verdict::Open),
            (false, Unreadable, true, true, Verdict::Unreadable),
            (false, Unreadable, true, false, Verdict::Unreadable),
            (false, Empty, true, true, Verdict::NotMounted),
            (false, Empty, true, false, Verdict::Format),
            (false, Empty, false, false, Verdict::Format),
        ] {
            let facts = Facts {
                is_metadata,
                found,
                another_may_be_formatted,
                one_is_missing,
            };
            assert_eq!(judge(&facts), expected, "{facts:?}");
        }
    }
}
