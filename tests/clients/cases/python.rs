//! The clients in Python, driven through the programs in `python/`.

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tests_clients::{Case, Client, Content, install, installed, run};

use crate::driven::{Driver, cases};

const REQUIREMENTS: &str = include_str!("../python/requirements.txt");

pub(crate) fn all() -> Vec<Case> {
    [
        cases::<Aiokafka>(),
        cases::<ConfluentKafka>(),
        cases::<KafkaPython>(),
    ]
    .concat()
}

struct Aiokafka;

impl Driver for Aiokafka {
    const CLIENT: Client = Client::Aiokafka;
    const GROUPS: bool = true;

    fn program() -> Command {
        program("drive_aiokafka.py")
    }

    /// It wants a key or a value.
    fn sends(content: &Content) -> bool {
        content.key.is_some() || content.value.is_some()
    }
}

struct ConfluentKafka;

impl Driver for ConfluentKafka {
    const CLIENT: Client = Client::ConfluentKafka;

    fn program() -> Command {
        program("drive_confluent_kafka.py")
    }
}

struct KafkaPython;

impl Driver for KafkaPython {
    const CLIENT: Client = Client::KafkaPython;

    fn program() -> Command {
        program("drive_kafka_python.py")
    }

    /// It wants a key or a value, and a value for every header.
    fn sends(content: &Content) -> bool {
        let headers_have_values = content.headers.iter().all(|(_, value)| value.is_some());
        (content.key.is_some() || content.value.is_some()) && headers_have_values
    }
}

/// A program, to be run by a Python that has the clients.
fn program(name: &str) -> Command {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    let mut python = Command::new(PYTHON.get_or_init(environment));
    // Without compiled files, which would be put beside the sources.
    python.arg("-B");
    python.arg(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("python")
            .join(name),
    );
    python
}

/// An environment with the clients, made again when they or the machine's Python change.
fn environment() -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients-python");
    let mut about = Command::new("python3");
    about.args(["-c", "import sys; print(sys.version, sys.base_prefix)"]);
    let recipe = run(&about) + REQUIREMENTS;
    installed(&dir, &recipe, || {
        let mut venv = Command::new("python3");
        install(venv.args(["-m", "venv"]).arg(&dir));
        let mut pip = Command::new(dir.join("bin/python"));
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ]);
        // Wheels only: what is built on the way is not what was pinned.
        pip.args([
            "--require-hashes",
            "--only-binary",
            ":all:",
            "--requirement",
        ]);
        let requirements = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/requirements.txt");
        install(pip.arg(requirements));
    });
    dir.join("bin/python")
}
