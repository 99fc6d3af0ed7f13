//! Whose a directory is, and what is refused: with its path, what to do, and nothing changed.

use std::path::Path;
use std::sync::Arc;

use protocol::model::{BrokerId, Uuid};

use crate::data_dir::{DataDir, Identity, OpenError};
use crate::fixture::{NoObserver, Node, ROOT, append, node, values};
use crate::io::OpenOptions;
use crate::log::LogConfig;

fn open_as(node: &Node, cluster: Option<&str>, id: i32) -> Result<String, OpenError> {
    let identity = Identity {
        cluster_id: cluster.map(Into::into),
        node_id: BrokerId::new(id),
        new_directory_id: Uuid::from_u128(1),
        new_cluster_id: Uuid::from_u128(2),
    };
    let (dir, _) = DataDir::open(
        node.disk.io(),
        Path::new(ROOT),
        &identity,
        node.config.clone(),
        &|_| LogConfig::default(),
        Arc::new(NoObserver),
        0,
    )?;
    Ok(dir.meta().cluster_id.clone())
}

fn refused(node: &Node, cluster: Option<&str>, id: i32, words: &[&str]) {
    let before = node.image();
    let text = open_as(node, cluster, id)
        .expect_err("it is refused")
        .to_string();
    for word in words.iter().chain(&[ROOT, "Nothing was changed"]) {
        assert!(text.contains(word), "{word:?} in {text:?}");
    }
    assert_eq!(node.image(), before);
}

#[test]
fn another_cluster_or_broker_is_refused() {
    let node = node();
    assert_eq!(
        open_as(&node, Some("mine"), 1).expect("a new directory"),
        "mine"
    );
    refused(&node, Some("yours"), 1, &["mine", "yours", "--data-dir"]);
    refused(&node, Some("mine"), 2, &["node 1", "node 2", "--data-dir"]);
    assert_eq!(
        open_as(&node, None, 1).expect("whatever cluster it is"),
        "mine"
    );
}

#[test]
fn a_new_directory_without_a_cluster_founds_one() {
    let node = node();
    let founded = open_as(&node, None, 1).expect("a new directory");
    assert_eq!(founded.len(), 22);
    assert_eq!(open_as(&node, None, 1).expect("the same"), founded);
}

#[test]
fn a_directory_with_other_contents_is_refused() {
    let node = node();
    let io = node.disk.io();
    io.create_dir_all(Path::new(ROOT)).expect("space");
    let create = OpenOptions {
        create: true,
        ..OpenOptions::default()
    };
    drop(
        io.open(&Path::new(ROOT).join("thesis.doc"), create)
            .expect("space"),
    );
    refused(
        &node,
        None,
        1,
        &["thesis.doc", "no Holdfast data directory"],
    );
}

#[test]
fn an_unknown_format_is_refused() {
    let node = node();
    drop(node.start());
    node.disk.kill();
    let path = Path::new(ROOT).join("meta.properties");
    let text = String::from_utf8(node.read(&path)).expect("text");
    for (from, to, word) in [
        ("holdfast.format=3", "holdfast.format=9", "format 9"),
        ("holdfast.format=3", "holdfast.format=x", "not a number"),
        ("directory.id", "directory.ix", "directory.id is missing"),
        ("node.id=1", "node.id=-1", "not a broker id"),
    ] {
        let changed = text.replace(from, to);
        assert_ne!(changed, text);
        node.overwrite(&path, 0, changed.as_bytes());
        refused(&node, None, 1, &[word]);
    }
}

#[test]
fn a_directory_of_the_format_before_is_read_and_is_of_this_one_then() {
    let node = node();
    let mut running = node.start();
    append(&running.create("a"), b"written before");
    running.seal();
    drop(running);
    node.disk.kill();
    let path = Path::new(ROOT).join("meta.properties");
    let text = String::from_utf8(node.read(&path)).expect("text");
    let before = text.replace("holdfast.format=3", "holdfast.format=2");
    assert_ne!(before, text);
    node.overwrite(&path, 0, before.as_bytes());
    assert_eq!(values(&node.start().log("a")), ["written before"]);
    assert_eq!(node.read(&path), text.as_bytes());
}

#[test]
fn an_interrupted_format_starts_over() {
    let reference = node();
    drop(reference.start());
    let steps = reference.disk.mutations();
    for step in 0..steps {
        let node = node();
        node.disk.crash_after(step);
        drop(node.try_start());
        node.disk.restart();
        let running = node.start();
        assert!(running.dir.logs().is_empty());
    }
}

/// Its records may be in the journal alone.
#[test]
fn a_directory_that_lost_its_meta_properties_is_refused() {
    for files in 1..=2 {
        let node = node();
        let mut running = node.start();
        append(&running.create("a"), b"acknowledged");
        running.seal();
        if files == 2 {
            assert!(running.dir.grow_journal().expect("space"));
        }
        drop(running);
        node.disk.crash();
        let path = Path::new(ROOT).join("meta.properties");
        let text = node.read(&path);
        node.disk.io().remove_file(&path).expect("it is there");
        refused(&node, None, 1, &["meta.properties", ".journal"]);
        let create = OpenOptions {
            create: true,
            ..OpenOptions::default()
        };
        drop(node.disk.io().open(&path, create).expect("space"));
        node.overwrite(&path, 0, &text);
        assert_eq!(values(&node.start().log("a")), ["acknowledged"]);
    }
}

#[test]
fn a_second_process_is_refused() {
    let node = node();
    let _running = node.start();
    let text = node.try_start().err().expect("it is locked").to_string();
    assert!(text.contains("in use by another process"), "{text}");
}
