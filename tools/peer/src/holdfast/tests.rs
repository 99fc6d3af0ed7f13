use super::*;

#[test]
fn the_binary_is_found_in_cargos_messages() {
    let messages = r#"
{"reason":"compiler-artifact","target":{"name":"broker"},"executable":null}
{"reason":"compiler-artifact","target":{"name":"holdfast"},"executable":"/t/debug/holdfast"}
{"reason":"build-finished","success":true}"#;
    assert_eq!(
        binary_in(messages),
        Some(PathBuf::from("/t/debug/holdfast"))
    );
    assert_eq!(binary_in("{}\nnot json"), None);
}

/// Stands in for the broker: says what it was started with, then runs until it is stopped.
fn recorder(dir: &Path, end: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt;
    let path = dir.join("recorder");
    fs::write(
        &path,
        format!("#!/bin/sh\necho \"$@\"\necho \"${{FLAVOUR:-}}\"\n{end}\n"),
    )
    .unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn arguments_settings_and_environment_reach_the_broker() {
    let dir = tempfile::tempdir().unwrap();
    let config = HoldfastConfig {
        binary: Some(recorder(dir.path(), "exit 2")),
        args: vec!["--verbose".to_owned()],
        env: vec![("FLAVOUR".to_owned(), "salty".to_owned())],
        ..HoldfastConfig::default()
    };
    let mut broker = Holdfast::launch(config.set("io.engine", "threads")).unwrap();
    let (listen, admin) = (broker.bootstrap(), broker.admin());
    let expected = format!(
        "--data-dir {} --listen {listen} --admin-listen {admin} --set io.engine=threads --verbose\n\
         salty\n",
        broker.data_dir().display()
    );
    let error = broker.wait_ready().unwrap_err();
    assert!(matches!(error, PeerError::Exited { .. }), "{error}");
    assert_eq!(broker.stdout().unwrap(), expected);
    assert_eq!(broker.ended().and_then(|status| status.code()), Some(2));
    // Again with the same arguments: the same directory, the same ports.
    broker.relaunch().unwrap();
    broker.wait_ready().unwrap_err();
    assert_eq!(broker.stdout().unwrap(), expected.repeat(2));
}
