//! The scripts under `conformance/`, which are run by hand with suites that are not in this
//! repository: that they still do what those need.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use tempfile::TempDir;

fn script(name: &str) -> Command {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    Command::new(directory.join(name))
}

fn output(command: &mut Command) -> (bool, String) {
    let Output { status, stdout, .. } = command.output().expect("a script starts");
    let stdout = String::from_utf8(stdout).expect("scripts print UTF-8");
    (status.success(), stdout.trim_end().to_owned())
}

fn file(dir: &TempDir, name: &str, lines: &[&str]) -> PathBuf {
    let path = dir.path().join(name);
    fs::write(&path, lines.join("\n")).expect("a temporary directory can be written");
    path
}

fn check(baseline: &[&str], passed: &[&str], not_yet: &[&str]) -> (bool, String) {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let mut check = script("check");
    check.arg("a-suite");
    check.arg(file(&dir, "baseline", baseline));
    check.arg(file(&dir, "passed", passed));
    check.arg(file(&dir, "not-yet", not_yet));
    output(&mut check)
}

#[test]
fn a_test_passes_or_stands_in_the_list() {
    let listed = "a-suite\tTestB with spaces\tgroups";
    let others = "another\tTestA\tgroups";
    let (fine, said) = check(
        &["TestA", "TestB with spaces"],
        &["TestA", "TestThatFailsOnKafka"],
        &["# why", listed, others],
    );
    assert!(fine, "{said}");

    let (fine, said) = check(&["TestA", "TestB with spaces"], &[], &[listed]);
    assert!(!fine);
    assert!(said.contains("FAILS\ta-suite\tTestA"), "{said}");
}

#[test]
fn a_test_that_depends_on_time_may_do_either() {
    let listed = "a-suite\tTestA\tsometimes: groups";
    for passed in [&["TestA"][..], &[]] {
        let (fine, said) = check(&["TestA"], passed, &[listed]);
        assert!(fine, "{said}");
    }
}

#[test]
fn parts_of_a_test_may_do_either() {
    let listed = "a-suite\tTestA/*\tone broker";
    let (fine, said) = check(&["TestA/x", "TestA/y"], &["TestA/x"], &[listed]);
    assert!(fine, "{said}");
    assert!(!check(&["TestA", "TestAB/x"], &["TestA"], &[listed]).0);
}

#[test]
fn a_line_of_the_list_that_is_not_true_is_reported() {
    let listed = "a-suite\tTestA\tgroups";
    let (fine, said) = check(&["TestA"], &["TestA"], &[listed]);
    assert!(!fine);
    assert!(said.contains("PASSES NOW\ta-suite\tTestA"), "{said}");

    let (fine, said) = check(&["TestB"], &["TestB"], &[listed]);
    assert!(!fine);
    assert!(
        said.contains("NOT IN THE BASELINE\ta-suite\tTestA"),
        "{said}"
    );

    for bad in ["a-suite\tTestA", "a-suite\tTestA\t", "a-suite TestA groups"] {
        assert!(!check(&["TestA"], &[], &[bad]).0, "{bad:?}");
    }
}

#[test]
fn nothing_to_compare_is_no_success() {
    assert!(!check(&[], &["TestA"], &[]).0);
}

#[test]
fn every_line_of_the_list_can_be_read() {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let [baseline, passed] = ["baseline", "passed"].map(|name| file(&dir, name, &["TestA"]));
    let list = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/not-yet.txt");
    let mut check = script("check");
    let (fine, said) = output(check.arg("no-suite").args([&baseline, &passed, &list]));
    assert!(fine, "{said}");
}

/// The launcher with a directory of its own; on drop nothing is left running.
struct Launcher(TempDir);

impl Launcher {
    fn run(&self, args: &[&str]) -> (bool, String) {
        let mut launch = script("launch-holdfast");
        launch.env("HOLDFAST_BIN", peer::holdfast_binary().expect("the broker"));
        launch.env("LAUNCH_DIR", self.0.path().join("launch"));
        output(launch.args(args))
    }
}

impl Drop for Launcher {
    fn drop(&mut self) {
        self.run(&["stop"]);
    }
}

/// The protocol of the suites that want a fresh broker for each test.
#[test]
fn the_launcher_starts_kills_restarts_and_stops() {
    let launcher = Launcher(tempfile::tempdir().expect("a temporary directory"));
    let properties = |lines: &[&str]| {
        let path = file(&launcher.0, "properties", lines);
        path.to_str().expect("a path of ASCII").to_owned()
    };
    // A setting of Kafka's, one that the launcher decides, and one that nobody has.
    let fine = properties(&[
        "num.partitions=2",
        "listeners=PLAINTEXT://127.0.0.1:1",
        "no.such.setting=1",
    ]);
    let (started, said) = launcher.run(&["start", "1", &fine]);
    assert!(started, "{said}");
    let address = said.lines().last().expect("an address").to_owned();
    let listens = || TcpStream::connect(&address).is_ok();
    assert!(listens());
    assert!(launcher.run(&["kill", "0"]).0);
    assert!(!listens());
    assert!(launcher.run(&["restart", "0"]).0);
    assert!(listens());
    // A start ends what was there.
    let (started, said) = launcher.run(&["start", "3", &fine]);
    assert!(started && !listens(), "{said}");
    let addresses: Vec<&str> = said.lines().last().expect("addresses").split(',').collect();
    let listening = || {
        addresses
            .iter()
            .map(|address| TcpStream::connect(address).is_ok())
    };
    assert!(listening().eq([true; 3]), "{said}");
    assert!(launcher.run(&["kill", "2"]).0);
    assert!(listening().eq([true, true, false]));
    assert!(launcher.run(&["restart", "2"]).0);
    assert!(listening().eq([true; 3]));
    assert!(launcher.run(&["stop"]).0);
    assert!(!launcher.0.path().join("launch").exists());

    // What Holdfast refuses, it refuses here too.
    let refused = properties(&["num.partitions=none"]);
    assert!(!launcher.run(&["start", "1", &refused]).0);
}
