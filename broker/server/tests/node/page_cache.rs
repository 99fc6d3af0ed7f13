//! Old records leave from the page cache as they lie there, once they need not be verified.

use crate::damage::wait_until;
use crate::support::batches::noise;
use crate::support::http::Scrape;
use crate::support::{Node, NodeConfig, Random, Topic, batch};

const COPIED: &str = "holdfast_fetch_record_bytes_total{from=\"memory\"}";
const SENT: &str = "holdfast_fetch_record_bytes_total{from=\"page_cache\"}";
const UNWRITTEN: &str = "holdfast_log_write_behind_bytes";

/// Reads everything, and says how many bytes were copied and sent for it.
fn read(node: &Node, topic: &Topic) -> (Vec<Vec<u8>>, f64, f64) {
    let before = Scrape::of(node.admin());
    let values = node.client().read_all(topic, 0);
    let after = Scrape::of(node.admin());
    let grown = |sample| after.value(sample) - before.value(sample);
    (values, grown(COPIED), grown(SENT))
}

fn wait_until_written_behind(node: &Node) {
    wait_until("everything is written behind", || {
        Scrape::of(node.admin()).sum(UNWRITTEN) == 0.0
    });
}

#[test]
fn records_are_sent_from_the_page_cache_once_they_were_written_or_verified() {
    let config = NodeConfig::new()
        .set("log.write.behind.ms", "10")
        .set("log.segment.bytes", "1048576");
    let mut node = Node::start(config);
    let mut client = node.client();
    let topic = client.create_topic("t", 1, &[]);
    let mut random = Random::new(7);
    let mut expected = Vec::new();
    for n in 0..200 {
        let values = noise(&mut random, &format!("batch-{n}"), 4, 9000);
        client.append(&topic, 0, batch(&values));
        expected.extend(values);
    }
    let bytes = expected.iter().map(Vec::len).sum::<usize>() as f64;
    wait_until_written_behind(&node);

    let (values, copied, sent) = read(&node, &topic);
    assert!(values == expected);
    assert!(
        sent > bytes * 0.9 && copied < bytes * 0.2,
        "{sent} {copied}"
    );

    node.kill9();
    node.restart();
    wait_until_written_behind(&node);
    let (values, copied, _) = read(&node, &topic);
    assert!(values == expected);
    assert!(copied > bytes * 0.5, "who wrote it has died: {copied}");
    let (values, copied, sent) = read(&node, &topic);
    assert!(values == expected);
    assert!(
        sent > bytes * 0.9 && copied < bytes * 0.2,
        "{sent} {copied}"
    );
    assert!(node.stop().success());
}
