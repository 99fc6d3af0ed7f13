mod cluster;
mod describe;
mod dynamic;
mod endpoints;
mod printing;
mod references;
mod sources;
mod tables;
mod topics;
mod values;

use std::io::Write;

use tempfile::NamedTempFile;

use super::*;

/// Loads these; the file's path is replaced by `node.yaml` in errors.
fn load(
    yaml: &str,
    environment: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Config, String> {
    let mut file = NamedTempFile::new().expect("a temporary file");
    file.write_all(yaml.as_bytes()).expect("a temporary file");
    let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let sources = Sources {
        file: Some(file.path().to_owned()),
        environment: environment.iter().map(pair).collect(),
        flags: flags
            .iter()
            .map(|(name, value)| FlagSetting {
                name: (*name).to_owned(),
                value: (*value).to_owned(),
                flag: format!("--set {name}"),
            })
            .collect(),
    };
    let path = file.path().display().to_string();
    Config::load(&sources).map_err(|error| error.to_string().replace(&path, "node.yaml"))
}

fn load_flags(flags: &[(&str, &str)]) -> Result<Config, String> {
    load("", &[], flags)
}

fn error_of(yaml: &str) -> String {
    load(yaml, &[], &[]).expect_err("a mistake")
}
