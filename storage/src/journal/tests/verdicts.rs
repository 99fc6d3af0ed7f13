//! The decision table, row by row, as plain facts.

use crate::journal::verdict::{Facts, Found, Verdict, judge};

const FACTS: Facts = Facts {
    expected: 7,
    found: Found::Nothing,
    successor_first: None,
    durable_mark: 0,
    clean_through: None,
};

#[test]
fn row_1_the_next_file_takes_over() {
    for found in [Found::Nothing, Found::Damaged, Found::Whole] {
        let facts = Facts {
            found,
            successor_first: Some(7),
            durable_mark: 9,
            ..FACTS
        };
        assert_eq!(judge(&facts), Verdict::NextFile, "{facts:?}");
    }
}

#[test]
fn row_2_a_whole_commit_is_replayed() {
    for clean_through in [None, Some(6)] {
        let facts = Facts {
            found: Found::Whole,
            clean_through,
            ..FACTS
        };
        assert_eq!(judge(&facts), Verdict::Replay, "{facts:?}");
    }
}

#[test]
fn row_3_a_clean_stop_ended_here() {
    let facts = Facts {
        clean_through: Some(6),
        ..FACTS
    };
    assert_eq!(judge(&facts), Verdict::CleanEnd);
    let earlier = Facts {
        clean_through: Some(5),
        ..FACTS
    };
    assert_eq!(judge(&earlier), Verdict::Cut);
    let not_last = Facts {
        successor_first: Some(9),
        ..facts
    };
    assert_eq!(judge(&not_last), Verdict::Refuse);
}

#[test]
fn row_4_what_nobody_knew_durable_is_cut() {
    for found in [Found::Nothing, Found::Damaged] {
        let facts = Facts {
            found,
            durable_mark: 6,
            ..FACTS
        };
        assert_eq!(judge(&facts), Verdict::Cut, "{facts:?}");
    }
}

#[test]
fn row_5_damage_with_a_table_loses_only_what_is_damaged() {
    let by_mark = Facts {
        found: Found::Damaged,
        durable_mark: 7,
        ..FACTS
    };
    let by_successor = Facts {
        found: Found::Damaged,
        successor_first: Some(8),
        ..FACTS
    };
    assert_eq!(judge(&by_mark), Verdict::ReplayIntact);
    assert_eq!(judge(&by_successor), Verdict::ReplayIntact);
}

#[test]
fn row_6_damage_without_a_table_is_refused() {
    let by_mark = Facts {
        durable_mark: 7,
        ..FACTS
    };
    let by_successor = Facts {
        successor_first: Some(8),
        ..FACTS
    };
    assert_eq!(judge(&by_mark), Verdict::Refuse);
    assert_eq!(judge(&by_successor), Verdict::Refuse);
}
