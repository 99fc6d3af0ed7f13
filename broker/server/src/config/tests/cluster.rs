//! The other nodes of a cluster.

use super::*;

const PEERS: &str = "1@a:1,2@b:2,3@[::1]:3";

#[test]
fn peers_are_by_node_and_say_where_this_one_listens() {
    let config = load_flags(&[("node.id", "2"), ("peers", PEERS)]).expect("three nodes");
    let cluster = &config.broker.cluster;
    assert_eq!(cluster.peers.len(), 3);
    assert_eq!(cluster.peers[&3], ("::1".to_owned(), 3));
    assert_eq!(cluster.internal_listen, Some(("b".to_owned(), 2)));
    let other = [
        ("node.id", "2"),
        ("peers", PEERS),
        ("internal.listen", "0.0.0.0:9"),
    ];
    let config = load_flags(&other).expect("three nodes");
    let listen = config.broker.cluster.internal_listen.clone();
    assert_eq!(listen, Some(("0.0.0.0".to_owned(), 9)));
    let advertise = config.broker.cluster.internal_advertise;
    assert_eq!(advertise, Some(("b".to_owned(), 2)));
}

#[test]
fn a_node_beyond_the_voters_says_where_it_is_reached() {
    let own = |listen| {
        load_flags(&[
            ("node.id", "4"),
            ("peers", PEERS),
            ("internal.listen", listen),
        ])
    };
    let config = own("d:4").expect("an observer");
    let cluster = &config.broker.cluster;
    assert_eq!(cluster.internal_listen, Some(("d".to_owned(), 4)));
    assert!(!cluster.peers.contains_key(&4));
    for nowhere in ["0.0.0.0:4", "[::]:4"] {
        let refused = own(nowhere).expect_err("nobody reaches that");
        assert!(refused.contains("it needs internal.advertise"), "{refused}");
    }
    let everywhere = [
        ("node.id", "4"),
        ("peers", PEERS),
        ("internal.listen", "0.0.0.0:4"),
        ("internal.advertise", "d:5"),
    ];
    let config = load_flags(&everywhere).expect("an observer");
    let cluster = &config.broker.cluster;
    assert_eq!(cluster.internal_listen, Some(("0.0.0.0".to_owned(), 4)));
    assert_eq!(cluster.internal_advertise, Some(("d".to_owned(), 5)));
}

#[test]
fn with_peers_the_defaults_are_safe() {
    let number = |settings: &[(&str, &str)], name: &str| -> i32 {
        let config = load_flags(settings).expect("a good configuration");
        config.settings.number(name)
    };
    let (factor, min) = ("default.replication.factor", "min.insync.replicas");
    assert_eq!((number(&[], factor), number(&[], min)), (1, 1));
    let three = [("peers", PEERS)];
    assert_eq!((number(&three, factor), number(&three, min)), (3, 2));
    let said = [("peers", PEERS), (min, "1")];
    assert_eq!(number(&said, min), 1);
}

#[test]
fn peers_that_make_no_sense_are_refused() {
    for (peers, what) in [
        ("1", "expected ID@HOST:PORT"),
        ("1@a", "expected ID@HOST:PORT"),
        ("x@a:1", "expected ID@HOST:PORT"),
        ("1@:1", "expected ID@HOST:PORT"),
        ("1@a:0", "expected ID@HOST:PORT"),
        ("1@a:1,1@b:1", "node 1 is there twice"),
        (
            "2@a:1",
            "this node, 1 (node.id), is not among them: it needs internal.listen",
        ),
    ] {
        let refused = load_flags(&[("peers", peers)]).expect_err("a mistake");
        assert!(refused.contains(what), "{peers}: {refused}");
    }
}
