use std::path::Path;

use clap::CommandFactory;

use super::*;

fn parse(arguments: &[&str]) -> Result<Invocation, clap::Error> {
    parse_from(["holdfast"].iter().chain(arguments), Vec::new())
}

fn run_sources(arguments: &[&str]) -> Sources {
    match parse(arguments).expect("valid arguments") {
        Invocation::Run(sources) => sources,
        other => panic!("expected a run, found {other:?}"),
    }
}

#[test]
fn the_definition_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn without_a_command_the_broker_runs() {
    let sources = run_sources(&[]);
    assert!(sources.file.is_none() && sources.flags.is_empty());
    let sources = run_sources(&["run", "--data-dir", "/d"]);
    assert_eq!(sources.flags[0].name, "log.dirs");
    let sources = run_sources(&["--data-dir", "/d", "--data-dir", "/e,/f"]);
    assert_eq!(sources.flags[0].value, "/d,/e,/f");
    assert_eq!(sources.flags[0].flag, "--data-dir /d --data-dir /e,/f");
}

#[test]
fn flags_are_settings() {
    let sources = run_sources(&[
        "--config",
        "a.yaml",
        "--data-dir",
        "/d",
        "--listen",
        "0.0.0.0:1",
        "--listen",
        "INTERNAL://[::1]:2",
        "--advertise",
        "host:1",
        "--admin-listen",
        "127.0.0.1:3",
        "--set",
        "log.dirs=/e",
        "--set",
        "sasl.jaas.config=a=b",
    ]);
    assert_eq!(sources.file.as_deref(), Some(Path::new("a.yaml")));
    let given: Vec<(&str, &str, &str)> = sources
        .flags
        .iter()
        .map(|flag| (flag.name.as_str(), flag.value.as_str(), flag.flag.as_str()))
        .collect();
    let listen = "--listen 0.0.0.0:1 --listen INTERNAL://[::1]:2";
    assert_eq!(
        given,
        [
            ("log.dirs", "/d", "--data-dir /d"),
            (
                "listeners",
                "PLAINTEXT://0.0.0.0:1,INTERNAL://[::1]:2",
                listen
            ),
            (
                "advertised.listeners",
                "PLAINTEXT://host:1",
                "--advertise host:1"
            ),
            ("admin.listen", "127.0.0.1:3", "--admin-listen 127.0.0.1:3"),
            ("log.dirs", "/e", "--set log.dirs"),
            ("sasl.jaas.config", "a=b", "--set sasl.jaas.config"),
        ]
    );
}

#[test]
fn the_file_may_come_from_the_environment() {
    let environment = vec![("HOLDFAST_CONFIG".to_owned(), "env.yaml".to_owned())];
    let of = |arguments: &[&str]| match parse_from(arguments, environment.clone()) {
        Ok(Invocation::Run(sources)) => sources.file,
        other => panic!("expected a run, found {other:?}"),
    };
    assert_eq!(of(&["holdfast"]), Some(PathBuf::from("env.yaml")));
    assert_eq!(
        of(&["holdfast", "--config", "flag.yaml"]),
        Some(PathBuf::from("flag.yaml"))
    );
}

#[test]
fn config_and_version_print() {
    assert!(matches!(parse(&["version"]), Ok(Invocation::PrintVersion)));
    assert!(matches!(
        parse(&["config", "--reference"]),
        Ok(Invocation::PrintReference)
    ));
    match parse(&["config", "--format", "json", "--data-dir", "/d"]) {
        Ok(Invocation::PrintConfig {
            sources,
            format: PrintFormat::Json,
        }) => {
            assert_eq!(sources.flags.len(), 1);
        }
        other => panic!("{other:?}"),
    }
    assert!(version().starts_with("holdfast 0."));
}

#[test]
fn bad_usage_ends_with_code_2() {
    let bad: &[&[&str]] = &[
        &["--nope"],
        &["nope"],
        &["--set", "novalue"],
        &["--set", "=1"],
        &["--listen", "9092"],
        &["--listen", "host:99999"],
        &["--advertise", "::1:9092"],
        &["config", "--format", "xml"],
    ];
    for arguments in bad {
        let error = parse(arguments).expect_err("bad usage");
        assert_eq!(error.exit_code(), EXIT_BAD_CONFIGURATION, "{arguments:?}");
    }
    let error = parse(&["--listen", "host:99999"])
        .expect_err("bad usage")
        .to_string();
    assert!(
        error.contains("expected a port from 0 to 65535, found \"99999\""),
        "{error}"
    );
}

#[test]
fn help_is_complete() {
    let error = parse(&["--help"]).expect_err("help is shown as an error");
    assert_eq!(error.exit_code(), 0);
    let help = error.to_string();
    for part in [
        "--config",
        "--data-dir",
        "--listen",
        "--advertise",
        "--admin-listen",
        "--set",
        "Examples:",
        "Exit codes:",
        "HOLDFAST_CONFIG",
        "HOLDFAST_LOG_RETENTION_MS",
        "config",
        "version",
    ] {
        assert!(help.contains(part), "{part} is not in\n{help}");
    }
}
