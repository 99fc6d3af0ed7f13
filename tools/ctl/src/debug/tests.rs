use std::io::Read;

use flate2::read::GzDecoder;

use super::*;

/// The files of an archive, by name, and what is in them.
fn unpacked(path: &Path) -> BTreeMap<String, String> {
    let file = std::fs::File::open(path).expect("an archive");
    let mut archive = tar::Archive::new(GzDecoder::new(file));
    let entries = archive.entries().expect("entries").map(|entry| {
        let mut entry = entry.expect("an entry");
        let name = entry.path().expect("a name").display().to_string();
        let mut text = String::new();
        entry.read_to_string(&mut text).expect("a text");
        (name, text)
    });
    entries.collect()
}

#[test]
fn what_cannot_be_gathered_is_said_and_the_rest_is_kept() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let path = directory.path().join("bundle.tar.gz");
    let mut archive = Archive::create(&path, SystemTime::UNIX_EPOCH).expect("an archive");
    archive.add("one.txt", Ok(b"1\n".to_vec())).expect("added");
    let refused = CtlError::Refused("not today".to_owned());
    archive.add("two/three.json", Err(refused)).expect("added");
    let files = archive.finish().expect("an archive");
    let errors: Vec<Option<&str>> = files.iter().map(|it| it.error.as_deref()).collect();
    assert_eq!(errors, [None, Some("not today")]);
    let expected = [
        ("holdfast-debug/one.txt", "1\n"),
        ("holdfast-debug/two/three.json.error.txt", "not today\n"),
    ];
    let expected = expected.map(|(name, text)| (name.to_owned(), text.to_owned()));
    assert_eq!(unpacked(&path), BTreeMap::from(expected));
}

#[test]
fn a_file_that_is_there_is_kept() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let path = directory.path().join("kept");
    std::fs::write(&path, "mine").expect("written");
    let seeds = Seeds::parse("127.0.0.1:1").expect("an address");
    let refused = bundle(&seeds, &[], &path, SystemTime::UNIX_EPOCH).expect_err("it is there");
    assert!(
        refused.to_string().contains("is there already"),
        "{refused}"
    );
    assert_eq!(std::fs::read_to_string(&path).expect("it is"), "mine");
}

/// Whoever cannot reach a cluster has all the more to report.
#[test]
fn without_a_cluster_there_is_a_bundle_too() {
    let directory = tempfile::TempDir::new().expect("a directory");
    let path = directory.path().join("bundle.tar.gz");
    let seeds = Seeds::parse("127.0.0.1:1").expect("an address");
    let admins = ["127.0.0.1:1".to_owned()];
    let bundle = bundle(&seeds, &admins, &path, SystemTime::UNIX_EPOCH).expect("a bundle");
    assert!(!bundle.is_whole());
    let files = unpacked(&path);
    assert!(files["holdfast-debug/about.json"].contains("1970-01-01T00:00:00Z"));
    assert!(files["holdfast-debug/doctor.txt"].contains("error    bootstrap: "));
    assert!(files.contains_key("holdfast-debug/cluster-status.json.error.txt"));
    let metrics = "holdfast-debug/admin/127.0.0.1-1/metrics.txt.error.txt";
    assert!(files.contains_key(metrics), "{:?}", files.keys());
}

#[test]
fn names_are_plain() {
    assert_eq!(plain("[::1]:9644"), "--1--9644");
    assert_eq!(plain("a.example:9644"), "a.example-9644");
}
