//! What recovery decides at each place where a commit should stand: facts in, decision out.
//!
//! `s` is the sequence expected at this place; `D` is the greatest `durable_through` of any commit header with this file's salt, before or
//! after this place; a *successor* is the next file in order of generations.
//!
//! | # | facts | decision | why |
//! |--:|---|---|---|
//! | 1 | `s` is the successor's first sequence | go on there | Everything in this file from here on is dead (a newer run cut it) or was never written. |
//! | 2 | the commit is whole | replay it | Its header follows the one before it, its table and every payload have their checksums. |
//! | 3 | last file, a clean stop recorded `s - 1` as the last commit | the end | The journal was sealed and closed; nothing was in flight. |
//! | 4 | last file, `s > D` | cut here | NobodyWaits could know this commit durable, so nothing in it was acknowledged: a torn or missing write of a crash, and so is what lies beyond. |
//! | 5 | below the durable mark, a table is readable (at either end) | replay what is intact, report the rest | The commit was acknowledged and is damaged; the table says which logs lost what. |
//! | 6 | below the durable mark, no table is readable | refuse to start | Acknowledged records of unknown logs are gone: never passed over in silence. |
//!
//! A commit lies below the durable mark when `s ≤ D`, or when a successor exists whose first sequence is greater: a
//! file is opened only after everything before it is durable.

/// What was found at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A commit of the expected sequence that follows the one before it, all checksums right.
    Whole,
    /// A commit of the expected sequence whose table can be read at one end or the other, but not all of which is right.
    Damaged,
    /// No such commit.
    Nothing,
}

/// What is known at a place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// The expected sequence, `s`.
    pub expected: u64,
    /// What stands there.
    pub found: Found,
    /// The successor's first sequence.
    pub successor_first: Option<u64>,
    /// `D`. Only looked at when the commit is not whole and there is no successor.
    pub durable_mark: u64,
    /// The last sequence of a clean stop.
    pub clean_through: Option<u64>,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Row 1.
    NextFile,
    /// Row 2.
    Replay,
    /// Row 3.
    CleanEnd,
    /// Row 4.
    Cut,
    /// Row 5.
    ReplayIntact,
    /// Row 6.
    Refuse,
}

/// The table, row by row.
pub fn judge(facts: &Facts) -> Verdict {
    let is_last = facts.successor_first.is_none();
    if facts.successor_first == Some(facts.expected) {
        return Verdict::NextFile;
    }
    if facts.found == Found::Whole {
        return Verdict::Replay;
    }
    if is_last
        && facts
            .clean_through
            .is_some_and(|last| last + 1 == facts.expected)
    {
        return Verdict::CleanEnd;
    }
    if is_last && facts.expected > facts.durable_mark {
        return Verdict::Cut;
    }
    match facts.found {
        Found::Damaged => Verdict::ReplayIntact,
        Found::Whole | Found::Nothing => Verdict::Refuse,
    }
}
