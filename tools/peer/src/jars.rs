//! Apache Kafka's jars, fetched once per user and shared by every checkout and process.

use std::{
    env, fs,
    fs::File,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{PeerError, process};

/// The version of Apache Kafka that everything here is compared with.
pub const KAFKA_VERSION: &str = "4.3.1";

const POM: &str = include_str!("../pom.xml");

/// Where jars and port claims are kept: `$HOLDFAST_PEER_HOME`, else `holdfast-peer` in the user's
/// cache directory.
pub(crate) fn home() -> Result<PathBuf, PeerError> {
    let of = |name: &str| {
        env::var_os(name)
            .filter(|value| !value.is_empty())
            .map(PathBuf::from)
    };
    let home = of("HOLDFAST_PEER_HOME")
        .or_else(|| of("XDG_CACHE_HOME").map(|cache| cache.join("holdfast-peer")))
        .or_else(|| of("HOME").map(|home| home.join(".cache").join("holdfast-peer")))
        .unwrap_or_else(|| env::temp_dir().join("holdfast-peer"));
    fs::create_dir_all(&home).map_err(PeerError::at("create", &home))?;
    Ok(home)
}

/// The directory of Kafka's jars; fetched from Maven Central the first time, which needs `mvn`.
///
/// Processes that ask at the same time wait for the one that fetches. A fetch that was interrupted
/// leaves nothing behind that would be taken for a complete one.
pub fn ensure_jars() -> Result<PathBuf, PeerError> {
    let home = home()?;
    let ready = home.join(format!("kafka-{KAFKA_VERSION}"));
    if is_complete(&ready) {
        return Ok(ready.join("libs"));
    }
    let lock = home.join("lock");
    let lock_file = File::create(&lock).map_err(PeerError::at("create", &lock))?;
    lock_file.lock().map_err(PeerError::at("lock", &lock))?;
    if !is_complete(&ready) {
        fetch(&home.join(format!("kafka-{KAFKA_VERSION}.partial")), &ready)?;
    }
    Ok(ready.join("libs"))
}

/// The pom lies beside the jars, so that a changed list of dependencies is fetched anew.
fn is_complete(ready: &Path) -> bool {
    fs::read_to_string(ready.join("pom.xml")).is_ok_and(|pom| pom == POM)
}

fn fetch(partial: &Path, ready: &Path) -> Result<(), PeerError> {
    for stale in [partial, ready] {
        if stale.exists() {
            fs::remove_dir_all(stale).map_err(PeerError::at("remove", stale))?;
        }
    }
    fs::create_dir_all(partial).map_err(PeerError::at("create", partial))?;
    let pom = partial.join("pom.xml");
    fs::write(&pom, POM).map_err(PeerError::at("write", &pom))?;
    let mut maven = Command::new("mvn");
    maven
        .args(["--quiet", "--batch-mode", "--file"])
        .arg(&pom)
        .arg("dependency:copy-dependencies")
        .arg("-DincludeScope=runtime")
        .arg(format!(
            "-DoutputDirectory={}",
            partial.join("libs").display()
        ));
    process::run_to_end("mvn", &mut maven)?;
    fs::rename(partial, ready).map_err(PeerError::at("rename", partial))
}
