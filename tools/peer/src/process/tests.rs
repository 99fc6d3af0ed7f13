use std::{io::BufRead, io::BufReader, os::unix::process::ExitStatusExt};

use super::*;

fn sleeper(dir: &Path, script: &str) -> Daemon {
    let mut command = Command::new("sh");
    command.args(["-c", script]);
    Daemon::spawn("sleeper", &mut command, dir, "sleeper").unwrap()
}

#[test]
fn terminate_ends_with_sigterm_and_kill9_with_sigkill() {
    let dir = tempfile::tempdir().unwrap();
    let mut polite = sleeper(dir.path(), "exec sleep 100");
    assert_eq!(
        polite.terminate(Duration::from_secs(10)).unwrap().signal(),
        Some(15)
    );
    let mut rude = sleeper(dir.path(), "exec sleep 100");
    rude.kill9();
    assert_eq!(rude.ended().unwrap().signal(), Some(9));
}

#[test]
fn a_broker_that_ends_before_it_is_ready_is_reported_with_its_log() {
    let dir = tempfile::tempdir().unwrap();
    let mut daemon = sleeper(dir.path(), "echo the reason >&2; exit 3");
    let error = daemon
        .wait_ready(Duration::from_secs(10), || false)
        .unwrap_err();
    assert!(matches!(&error, PeerError::Exited { .. }), "{error}");
    assert!(error.to_string().contains("the reason"), "{error}");
}

#[test]
fn the_watchdog_kills_a_child_whose_parent_died_without_a_word() {
    let mut orphan = Command::new("sh")
        .args(["-c", "echo started; exec sleep 100"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(orphan.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "started");
    let mut watchdog = watch_over(&orphan).unwrap();
    drop(watchdog.stdin.take());
    watchdog.wait().unwrap();
    assert_eq!(orphan.wait().unwrap().signal(), Some(9));
}

#[test]
fn a_missing_program_is_named() {
    let error = run_to_end("nothing", &mut Command::new("holdfast-no-such-program")).unwrap_err();
    assert!(
        matches!(error, PeerError::Missing { program } if program == "holdfast-no-such-program")
    );
}
