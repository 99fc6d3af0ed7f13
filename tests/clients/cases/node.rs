//! The clients in JavaScript, driven through the programs in `node/`.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use tests_clients::{Case, Client, Content, install, installed, run};

use crate::driven::{Driver, cases};

pub(crate) fn all() -> Vec<Case> {
    cases::<Kafkajs>()
}

struct Kafkajs;

impl Driver for Kafkajs {
    const CLIENT: Client = Client::Kafkajs;
    const GROUPS: bool = true;
    const CODECS: &'static [&'static str] = &["none", "gzip", "snappy"];

    fn program() -> Command {
        program("drive_kafkajs.js")
    }

    /// It takes headers as an object, which keeps no order between a name's values and other names,
    /// and wants a value for each.
    fn sends(content: &Content) -> bool {
        let mut names: Vec<&String> = content.headers.iter().map(|(name, _)| name).collect();
        names.dedup();
        let distinct: BTreeSet<&String> = names.iter().copied().collect();
        let have_values = content.headers.iter().all(|(_, value)| value.is_some());
        have_values && names.len() == distinct.len()
    }
}

/// A program, to be run where the clients are installed.
fn program(name: &str) -> Command {
    static MODULES: OnceLock<PathBuf> = OnceLock::new();
    let mut node = Command::new("node");
    node.env("NODE_PATH", MODULES.get_or_init(modules));
    node.arg(
        Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("node")
            .join(name),
    );
    node
}

/// A directory with the clients, made again when they or the machine's Node change.
fn modules() -> PathBuf {
    const PACKAGES: [(&str, &str); 2] = [
        ("package.json", include_str!("../node/package.json")),
        (
            "package-lock.json",
            include_str!("../node/package-lock.json"),
        ),
    ];
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("clients-node");
    let version = run(Command::new("node").arg("--version"));
    let recipe = version + PACKAGES[0].1 + PACKAGES[1].1;
    installed(&dir, &recipe, || {
        for (name, text) in PACKAGES {
            fs::write(dir.join(name), text).expect("the target directory can be written");
        }
        let mut npm = Command::new("npm");
        npm.current_dir(&dir);
        install(npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]));
    });
    dir.join("node_modules")
}
