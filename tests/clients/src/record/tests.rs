use std::panic::catch_unwind;

use super::*;
use crate::{bulk, edge_cases, in_turn};

fn differ(expected: &[Record], got: &[Record]) -> bool {
    catch_unwind(|| assert_same(expected, got)).is_err()
}

#[test]
fn the_order_of_partitions_does_not_matter_but_every_field_does() {
    let records = in_turn(&edge_cases(), [0, 5, 7]);
    let mut other = records.clone();
    other.reverse();
    assert!(!differ(&records, &other));
    let changes: [fn(&mut Record); 7] = [
        |record| record.partition += 1,
        |record| record.offset += 100,
        |record| record.timestamp += 1,
        |record| record.key = None,
        |record| record.value = Some(vec![]),
        |record| record.headers.push(("same".to_owned(), None)),
        |record| record.headers = vec![("name".to_owned(), Some(vec![]))],
    ];
    for change in changes {
        let mut other = records.clone();
        change(&mut other[0]);
        assert!(differ(&records, &other));
    }
}

#[test]
fn missing_and_surplus_records_are_told() {
    let records = in_turn(&bulk(10), [0; 3]);
    assert!(differ(&records, &records[..9]));
    assert!(differ(&records[1..], &records));
    assert!(differ(&records, &[]));
}

#[test]
fn ends_are_exclusive() {
    assert_eq!(ends(&in_turn(&bulk(7), [0, 10, 0])), [3, 12, 2]);
    assert_eq!(ends(&[]), [0; 3]);
}
