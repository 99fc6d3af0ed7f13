//! What one sends with a report of a bug, in one archive.
//!
//! | file, below `holdfast-debug/` | what |
//! |---|---|
//! | `about.json` | The version of this program, the time, and what it was told. |
//! | `doctor.txt`, `doctor.json` | What [`doctor`] has found. |
//! | `cluster-status.txt`, `cluster-status.json` | How the cluster is. |
//! | `partitions.json` | All partitions: who leads them, who has them, who is in sync. |
//! | `topics.json` | Topics, and the settings that they have of their own. |
//! | `groups.json` | Groups: members, committed offsets, lag. |
//! | `brokers/N/api-versions.json` | The APIs of broker N. |
//! | `brokers/N/settings.json` | What is set of broker N, and is not as it is by default. |
//! | `admin/HOST-PORT/PAGE.txt` | `metrics`, `livez`, `readyz` and `safe-to-stop` of an admin port; the last three begin with the status. |
//!
//! Records are not read. Values of sensitive settings are left out. What could not be gathered is a file all the same, with `.error.txt` behind its name, that says why.

mod archive;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use client::{ClientError, ConfigResource, Connection};
use protocol::ApiKey;
use serde::Serialize;

use crate::{
    CtlError, Seeds, admin,
    clock::ms_since_epoch,
    cluster::{self, BrokerFacts, Facts},
    doctor::{self, Diagnosis, Snapshot},
    seeds::CLIENT_ID,
    topics,
};

use archive::Archive;
pub use archive::BundledFile;

/// A broker that takes longer for an answer is not waited for.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// So many partitions that are not as they should be are listed in the status.
const PARTITIONS_MAX: usize = 1_000;
/// The settings of more topics are not asked for.
const TOPICS_MAX: usize = 2_000;
/// No page of metrics is larger.
const METRICS_BYTES_MAX: u64 = 64 << 20;
/// No other page is.
const PAGE_BYTES_MAX: u64 = 64 << 10;
/// The pages of an admin port beside that of its metrics.
const PAGES: [&str; 3] = ["livez", "readyz", "safe-to-stop"];

/// An archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Bundle {
    /// Where it is.
    pub file: PathBuf,
    /// What is in it, in order.
    pub files: Vec<BundledFile>,
}

impl Bundle {
    /// Whether nothing is missing.
    pub fn is_whole(&self) -> bool {
        self.files.iter().all(|it| it.error.is_none())
    }
}

/// Gathers what there is, and writes it to `path`, where nothing may be yet. What cannot be gathered is in the archive as an error; an error from here means that there is no archive.
pub fn bundle(
    seeds: &Seeds,
    admins: &[String],
    path: &Path,
    now: SystemTime,
) -> Result<Bundle, CtlError> {
    let mut archive = Archive::create(path, now)?;
    let gathered = gather(&mut archive, seeds, admins, now);
    let files = gathered.and_then(|()| archive.finish());
    if files.is_err() {
        // A part of an archive is of no use, and would be in the way of the next attempt.
        let _ = std::fs::remove_file(path);
    }
    Ok(Bundle {
        file: path.to_owned(),
        files: files?,
    })
}

#[derive(Serialize)]
struct About<'a> {
    program: &'static str,
    version: &'static str,
    /// RFC 3339.
    time: String,
    time_ms: i64,
    system: &'static str,
    architecture: &'static str,
    bootstrap_servers: &'a [String],
    admins: &'a [String],
}

fn gather(
    archive: &mut Archive,
    seeds: &Seeds,
    admins: &[String],
    now: SystemTime,
) -> Result<(), CtlError> {
    let about = About {
        program: CLIENT_ID,
        version: env!("CARGO_PKG_VERSION"),
        time: humantime::format_rfc3339_seconds(now).to_string(),
        time_ms: ms_since_epoch(now),
        system: std::env::consts::OS,
        architecture: std::env::consts::ARCH,
        bootstrap_servers: seeds.addresses(),
        admins,
    };
    archive.add("about.json", json(&about))?;
    let snapshot = doctor::look(seeds, admins);
    let diagnosis = Diagnosis::of(&snapshot);
    let text = doctor::report::diagnosis(&diagnosis);
    archive.add("doctor.txt", Ok(text.into_bytes()))?;
    archive.add("doctor.json", json(&diagnosis))?;
    of_cluster(archive, seeds, &snapshot)?;
    for admin in admins {
        of_admin(archive, admin)?;
    }
    Ok(())
}

fn of_cluster(archive: &mut Archive, seeds: &Seeds, snapshot: &Snapshot) -> Result<(), CtlError> {
    let Some(facts) = &snapshot.facts else {
        let mut errors = snapshot.seeds.iter().filter_map(|it| it.error.as_deref());
        let refused = snapshot.unanswered.first().map(|it| it.why.as_str());
        let why = errors.next_back().or(refused);
        let why = why.unwrap_or("nobody can be asked");
        return archive.add(
            "cluster-status.json",
            Err(CtlError::Refused(why.to_owned())),
        );
    };
    let status = cluster::status(facts, PARTITIONS_MAX);
    let text = cluster::report::status(&status, true);
    archive.add("cluster-status.txt", Ok(text.into_bytes()))?;
    archive.add("cluster-status.json", json(&status))?;
    archive.add("partitions.json", json(&facts.partitions))?;
    archive.add(
        "topics.json",
        of_topics(seeds, facts).and_then(|it| json(&it)),
    )?;
    let groups = snapshot.groups.as_ref().map(|it| json(&it.groups));
    let nobody = || Err(CtlError::Refused("nobody tells of groups".to_owned()));
    archive.add("groups.json", groups.unwrap_or_else(nobody))?;
    for broker in &facts.brokers {
        let id = broker.id;
        let connected = Connection::connect(&broker.address, CLIENT_ID, SILENCE_MAX);
        let mut connection = match connected {
            Ok(connection) => connection,
            Err(error) => {
                archive.add(
                    &format!("brokers/{id}/api-versions.json"),
                    Err(error.into()),
                )?;
                continue;
            }
        };
        let versions = json(&of_versions(&connection));
        archive.add(&format!("brokers/{id}/api-versions.json"), versions)?;
        let settings = of_settings(&mut connection, broker).and_then(|it| json(&it));
        archive.add(&format!("brokers/{id}/settings.json"), settings)?;
    }
    Ok(())
}

#[derive(Serialize)]
struct TopicForm<'a> {
    name: &'a str,
    /// Its own.
    config: BTreeMap<String, String>,
}

#[derive(Serialize)]
struct TopicForms<'a> {
    topics: Vec<TopicForm<'a>>,
    /// How many more there are.
    left_out: usize,
}

fn of_topics<'a>(seeds: &Seeds, facts: &'a Facts) -> Result<TopicForms<'a>, CtlError> {
    let mut names: Vec<&str> = facts
        .partitions
        .iter()
        .map(|it| it.name.topic.as_str())
        .collect();
    names.dedup();
    let left_out = names.len().saturating_sub(TOPICS_MAX);
    names.truncate(TOPICS_MAX);
    let mut connection = seeds.connect(SILENCE_MAX)?;
    let mut topics = Vec::new();
    for name in names {
        match topics::own_config(&mut connection, name) {
            Ok(config) => topics.push(TopicForm { name, config }),
            // It was deleted meanwhile.
            Err(ClientError::Refused { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(TopicForms { topics, left_out })
}

#[derive(Serialize)]
struct ApiForm {
    key: i16,
    /// `None`: not known here.
    name: Option<String>,
    min: i16,
    max: i16,
}

fn of_versions(connection: &Connection) -> Vec<ApiForm> {
    let versions = connection.versions().iter();
    let apis = versions.map(|(key, range)| ApiForm {
        key: *key,
        name: ApiKey::try_from(*key).ok().map(|api| format!("{api:?}")),
        min: range.min,
        max: range.max,
    });
    apis.collect()
}

/// What is not as it is by default. Brokers do not tell values that are sensitive.
fn of_settings(
    connection: &mut Connection,
    broker: &BrokerFacts,
) -> Result<BTreeMap<String, Option<String>>, CtlError> {
    let all = connection.describe_configs(&ConfigResource::Broker(broker.id))?;
    let set = all.into_iter().filter(|it| !it.is_default);
    Ok(set.map(|it| (it.name, it.value)).collect())
}

fn of_admin(archive: &mut Archive, admin: &str) -> Result<(), CtlError> {
    let directory = format!("admin/{}", plain(admin));
    let metrics = admin::get(admin, "/metrics", METRICS_BYTES_MAX);
    let metrics = metrics.and_then(|page| match page.status {
        200 => Ok(page.body.into_bytes()),
        code => Err(CtlError::Refused(format!("{code}: {}", page.body))),
    });
    archive.add(&format!("{directory}/metrics.txt"), metrics)?;
    for name in PAGES {
        let page = admin::get(admin, &format!("/{name}"), PAGE_BYTES_MAX);
        let page = page.map(|page| format!("{}\n{}", page.status, page.body).into_bytes());
        archive.add(&format!("{directory}/{name}.txt"), page)?;
    }
    Ok(())
}

/// A name that every system has for a directory.
fn plain(address: &str) -> String {
    let plain = |it: char| match it.is_ascii_alphanumeric() || it == '.' {
        true => it,
        false => '-',
    };
    address
        .trim_matches(['[', ']'])
        .chars()
        .map(plain)
        .collect()
}

fn json<T: Serialize>(value: &T) -> Result<Vec<u8>, CtlError> {
    let json = serde_json::to_vec_pretty(value);
    json.map_err(|error| CtlError::Refused(error.to_string()))
}

#[cfg(test)]
mod tests;
