//! Clients that are programs of their own.

use std::{
    env,
    io::Write,
    process::{Command, Output, Stdio},
    thread,
};

/// Longer than any case takes on a slow machine; a client that hangs must not hang the suite.
const LIMIT_SECONDS: u32 = 120;

/// Whether `program` can be started by name.
pub fn on_path(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|dir| dir.join(program).is_file())
}

/// Runs a client that takes no input; see [`run_with_input`].
#[track_caller]
pub fn run(command: &Command) -> String {
    run_with_input(command, b"")
}

/// Runs a client to its end and returns what it printed; panics with all it said if it failed or
/// took too long.
#[track_caller]
pub fn run_with_input(command: &Command, input: &[u8]) -> String {
    run_within(LIMIT_SECONDS, command, input)
}

/// Runs a client that must fail, and returns all it said; panics if it does not, or took too long.
#[track_caller]
pub fn run_to_failure(command: &Command) -> String {
    let output = output_of(LIMIT_SECONDS, command, b"");
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    // A signal, such as `timeout` sends, leaves no code.
    let failed = output.status.code().is_some_and(|code| code != 0);
    assert!(failed, "{command:?} ended with {}\n{said}", output.status);
    said
}

/// As [`run_with_input`], for what may take longer or must take less.
#[track_caller]
pub(crate) fn run_within(seconds: u32, command: &Command, input: &[u8]) -> String {
    let output = output_of(seconds, command, input);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{command:?} ended with {}\n--- stdout\n{stdout}\n--- stderr\n{}",
        output.status,
        String::from_utf8_lossy(&output.stderr),
    );
    String::from_utf8(output.stdout).expect("clients print UTF-8")
}

#[track_caller]
fn output_of(seconds: u32, command: &Command, input: &[u8]) -> Output {
    let mut limited = Command::new("timeout");
    limited.arg("--signal=KILL").arg(seconds.to_string());
    limited.arg(command.get_program()).args(command.get_args());
    if let Some(dir) = command.get_current_dir() {
        limited.current_dir(dir);
    }
    let envs = command
        .get_envs()
        .filter_map(|(name, value)| Some((name, value?)));
    limited
        .envs(envs)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = limited.spawn().expect("`timeout` of coreutils starts");
    let mut stdin = child.stdin.take().expect("stdin is piped");
    let input = input.to_vec();
    // From a thread, since a client may print more than a pipe holds before it has read it all. One
    // that ends without reading is judged by its status.
    let writer = thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child
        .wait_with_output()
        .expect("the client's output can be read");
    writer.join().expect("the writer does not panic");
    output
}
