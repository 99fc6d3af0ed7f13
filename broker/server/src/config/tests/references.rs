//! Values that stand elsewhere.

use std::fs;

use super::*;

const ENVIRONMENT: [(&str, &str); 3] = [("ZONE", "a"), ("HOST", "h"), ("EMPTY", "")];

fn rack(value: &str) -> Result<Option<String>, String> {
    let yaml = format!("broker.rack: \"{value}\"\n");
    load(&yaml, &ENVIRONMENT, &[]).map(|config| config.broker.rack)
}

#[test]
fn variables_stand_where_they_are_named() {
    for (value, expected) in [
        ("${env:ZONE}", Some("a")),
        ("x${env:ZONE}-${env:HOST}y", Some("xa-hy")),
        ("${env:ZONE}${", Some("a${")),
        ("${ZONE}", Some("${ZONE}")),
        ("$ZONE", Some("$ZONE")),
        // Nothing is left of it: the default.
        ("${env:EMPTY}", None),
        ("x${env:EMPTY}", Some("x")),
    ] {
        assert_eq!(rack(value), Ok(expected.map(str::to_owned)), "{value}");
    }
    let listed = "advertised.listeners: PLAINTEXT://${env:HOST}:9\nlisteners: PLAINTEXT://:9\n";
    let config = load(listed, &ENVIRONMENT, &[]).expect("valid");
    let advertised = &config.broker.network.advertised_listeners;
    assert_eq!(advertised[0].to_string(), "PLAINTEXT://h:9");
}

#[test]
fn what_is_read_is_not_looked_into_again() {
    let environment = [("A", "${env:B}"), ("B", "b")];
    let config = load("broker.rack: ${env:A}\n", &environment, &[]).expect("valid");
    assert_eq!(config.broker.rack.as_deref(), Some("${env:B}"));
}

#[test]
fn files_are_read_from_their_directory() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().display().to_string();
    fs::write(directory.path().join("zone"), "eu-1\n").expect("written");
    let named = |name: &str| rack(&format!("${{directory:{path}:{name}}}"));
    assert_eq!(named("zone"), Ok(Some("eu-1".to_owned())));
    let missing = named("other").expect_err("there is none");
    assert!(missing.contains("No such file"), "{missing}");
    fs::write(directory.path().join("large"), vec![b'x'; 65_537]).expect("written");
    let large = named("large").expect_err("no value is that long");
    assert!(large.contains("larger than 65536 bytes"), "{large}");
    let outside = named("../zone").expect_err("it is not in that directory");
    assert!(
        outside.contains("expected ${directory:PATH:NAME}"),
        "{outside}"
    );
}

#[test]
fn what_cannot_be_found_is_said_with_its_line() {
    let refused = rack("${env:NOWHERE}").expect_err("no such variable");
    assert!(
        refused.contains(":1: broker.rack: ${env:NOWHERE}: the environment has no NOWHERE"),
        "{refused}"
    );
    let refused = rack("${vault:x}").expect_err("no such provider");
    assert!(refused.contains("there are env and directory"), "{refused}");
}
