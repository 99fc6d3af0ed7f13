//! Runs as files: all that was measured, of what, where and by which command.

use std::fs::File;
use std::io::{BufReader, BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::BenchError;
use crate::environment::Environment;
use crate::round::Round;
use crate::suite::verdict::{Single, Unmeasured, Verdict};
use crate::workload::Workload;

/// Files of another format are refused, not misread.
const FORMAT: u32 = 1;

/// A saved run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Saved {
    /// Of the file. Fields may be added to it; what changes its meaning is another format.
    pub format: u32,
    /// The version of this tool.
    pub version: String,
    /// The commit it was built from, where that is known.
    #[serde(default)]
    pub commit: Option<String>,
    /// The command that made it.
    pub command: String,
    /// Seconds since 1970, at the begin.
    pub began_at: u64,
    /// Where.
    pub environment: Environment,
    /// What was measured, one after the other.
    pub series: Vec<Series>,
    /// What was measured once, outside of loads.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub singles: Vec<Single>,
    /// What came of what was wanted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub verdicts: Vec<Verdict>,
    /// What was wanted and could not be measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unmeasured: Vec<Unmeasured>,
}

/// One workload against one or several targets in turn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Series {
    /// What was done.
    pub workload: Workload,
    /// To whom. The first is the one that others are compared with.
    pub targets: Vec<TargetRounds>,
}

/// The rounds of one target.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TargetRounds {
    /// What it is called.
    pub name: String,
    /// Rounds that count, in order.
    pub rounds: Vec<Round>,
}

impl Saved {
    /// A run that begins.
    pub fn begin(environment: Environment) -> Saved {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        Saved {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            commit: option_env!("HOLDFAST_COMMIT").map(str::to_owned),
            command: command(std::env::args()),
            began_at: since.map_or(0, |since| since.as_secs()),
            environment,
            series: Vec::new(),
            singles: Vec::new(),
            verdicts: Vec::new(),
            unmeasured: Vec::new(),
        }
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, path: &Path) -> Result<(), BenchError> {
        let failed = |source| BenchError::File {
            path: path.to_owned(),
            source,
        };
        let directory = path.parent().filter(|it| !it.as_os_str().is_empty());
        let directory = directory.unwrap_or(Path::new("."));
        // Like any other file: the process's mask says who may read it.
        let mode = std::fs::Permissions::from_mode(0o666);
        let file = tempfile::Builder::new()
            .permissions(mode)
            .tempfile_in(directory);
        let file = file.map_err(failed)?;
        let mut out = BufWriter::new(&file);
        serde_json::to_writer_pretty(&mut out, self).map_err(|error| failed(error.into()))?;
        writeln!(out).and_then(|()| out.flush()).map_err(failed)?;
        drop(out);
        file.persist(path).map_err(|error| failed(error.error))?;
        Ok(())
    }

    /// Reads one.
    pub fn read(path: &Path) -> Result<Saved, BenchError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        let failed = |source| BenchError::File {
            path: path.to_owned(),
            source,
        };
        let none = |error: serde_json::Error| BenchError::NoSavedRun {
            path: path.to_owned(),
            reason: error.to_string(),
        };
        let open = || File::open(path).map(BufReader::new).map_err(failed);
        let Format { format } = serde_json::from_reader(open()?).map_err(none)?;
        if format != FORMAT {
            return Err(BenchError::NoSavedRun {
                path: path.to_owned(),
                reason: format!("it has format {format}, and {FORMAT} is what is known here"),
            });
        }
        serde_json::from_reader(open()?).map_err(none)
    }
}

/// As it is typed.
fn command(arguments: impl Iterator<Item = String>) -> String {
    let mut words = Vec::new();
    for (at, argument) in arguments.enumerate() {
        // Where it lies says nothing to others.
        let word = match at {
            0 => Path::new(&argument).file_name().map_or_else(
                || argument.clone(),
                |name| name.to_string_lossy().into_owned(),
            ),
            _ => argument,
        };
        let is_plain = |it: char| it.is_alphanumeric() || "-_./:,=%+@".contains(it);
        words.push(match word.chars().all(is_plain) && !word.is_empty() {
            true => word,
            false => format!("'{}'", word.replace('\'', "'\\''")),
        });
    }
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run.json");
        let mut saved = Saved::begin(Environment::default());
        saved.series.push(Series {
            workload: Workload::default(),
            targets: vec![TargetRounds {
                name: "it".to_owned(),
                rounds: vec![Round::default()],
            }],
        });
        saved.write(&path).unwrap();
        assert_eq!(Saved::read(&path).unwrap(), saved);
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_no_saved_run_is_refused_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("other.json");
        for text in ["", "{}", "[1]", "{\"format\": 99}", "{\"format\": 1}"] {
            std::fs::write(&path, text).unwrap();
            let error = Saved::read(&path).unwrap_err().to_string();
            assert!(error.contains("other.json"), "{error}");
        }
        assert!(Saved::read(&directory.path().join("none")).is_err());
    }

    #[test]
    fn a_command_can_be_typed_again() {
        let words = [
            "/usr/bin/holdfast-bench",
            "run",
            "--set",
            "a=b c",
            "it's",
            "",
        ];
        let command = command(words.iter().map(|it| (*it).to_owned()));
        assert_eq!(command, r"holdfast-bench run --set 'a=b c' 'it'\''s' ''");
    }
}
