//! A disk with little space left: what is refused, and what is not.

use protocol::ErrorCode;

use crate::support::http::Scrape;
use crate::support::{Node, NodeConfig, batch};

const MORE_THAN_THERE_IS: &str = "9000000000000000";

#[test]
fn below_the_watermark_producers_are_refused_and_all_else_goes_on() {
    let mut node = Node::start(NodeConfig::new());
    let mut client = node.client();
    let (kept, deleted) = (
        client.create_topic("kept", 1, &[]),
        client.create_topic("deleted", 1, &[]),
    );
    client.append(&kept, 0, batch(&["before"]));
    client.append(&deleted, 0, batch(&["before"]));
    let refusing = |node: &Node| Scrape::of(node.admin()).sum("holdfast_disk_refusing");
    assert_eq!(refusing(&node), 0.0);
    node.stop();

    let mark = node.log_mark();
    node.set("disk.free.bytes.min", MORE_THAN_THERE_IS);
    node.restart();
    let mut client = node.client();
    for _ in 0..3 {
        assert_eq!(
            client.refused(&kept, 0, batch(&["refused"])),
            ErrorCode::KafkaStorageError
        );
    }
    assert!(ErrorCode::KafkaStorageError.is_retriable());
    assert_eq!(client.read_all(&kept, 0), [b"before"]);
    client.delete_topic(&deleted);
    client.create_topic("another", 1, &[]);
    assert_eq!(refusing(&node), 1.0);
    let scrape = Scrape::of(node.admin());
    let free = scrape.sum("holdfast_disk_bytes_free");
    assert!(free < scrape.sum("holdfast_disk_bytes_free_min"));
    let said = node.log_since(mark);
    assert_eq!(said.matches("little space is left").count(), 1, "{said}");
    node.stop();

    node.set("disk.free.bytes.min", "0");
    node.restart();
    let mut client = node.client();
    client.append(&kept, 0, batch(&["after"]));
    assert_eq!(client.read_all(&kept, 0), [&b"before"[..], b"after"]);
    assert_eq!(refusing(&node), 0.0);
}
