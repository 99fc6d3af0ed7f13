//! Golden traces: commands, and the records and answers they lead to.
//!
//! Each file in `testdata/*.txt` begins with an empty metadata log. A line `> command` is a command; what is indented
//! below it is written by the test: first the records, then the answers. `UPDATE_TRACES=1 cargo test -p
//! broker-controller --test traces` writes the files anew; read the difference before you commit it.
//!
//! Topic ids, incarnations and directories are small numbers here, drawn in order or given.

mod common;

use std::fmt::{Debug, Write as _};

use broker_controller::decide::*;
use broker_controller::{
    ApiError, ClusterId, ConfigResource, DirectoryId, MetadataRecord, ResourceType,
};
use protocol::model::{BrokerEpoch, BrokerId, LeaderEpoch, PartitionEpoch, PartitionIndex, Uuid};

use common::{Cluster, cluster_id, register, topic_id};

macro_rules! traces {
    ($($test:ident $file:literal)*) => {
        $(#[test] fn $test() { replay($file); })*
    };
}

traces! {
    single_node "single_node.txt"
    create_topics "create_topics.txt"
    delete_topics "delete_topics.txt"
    create_partitions "create_partitions.txt"
    configs "configs.txt"
    brokers "brokers.txt"
    features "features.txt"
    isr "isr.txt"
    reassignments "reassignments.txt"
    elections "elections.txt"
    unregister "unregister.txt"
    space "space.txt"
}

fn replay(file: &str) {
    let path = format!("{}/testdata/{file}", env!("CARGO_MANIFEST_DIR"));
    let expected = std::fs::read_to_string(&path).unwrap();
    let mut run = Run {
        cluster: Cluster::empty(),
        drawn: 0,
        out: String::new(),
    };
    for line in expected.lines().filter(|line| !line.starts_with("  ")) {
        writeln!(run.out, "{line}").unwrap();
        if let Some(command) = line.strip_prefix("> ") {
            run.command(command);
            assert_eq!(run.cluster.image.check_invariants(), Ok(()), "after {line}");
        }
    }
    #[expect(clippy::disallowed_methods, reason = "how the files are written anew")]
    let update = std::env::var("UPDATE_TRACES").is_ok();
    if update {
        std::fs::write(&path, &run.out).unwrap();
    } else if run.out != expected {
        let lines = run.out.lines().zip(expected.lines()).enumerate();
        let (at, (is, should)) = lines
            .into_iter()
            .find(|(_, (is, should))| is != should)
            .unwrap_or_default();
        panic!(
            "{file}:{}: is\n{is}\nand should be\n{should}\n\n{}",
            at + 1,
            run.out
        );
    }
}

struct Run {
    cluster: Cluster,
    drawn: u128,
    out: String,
}

/// `word key=value key=value`, the keys in any order.
struct Args<'a>(Vec<&'a str>);

impl<'a> Args<'a> {
    fn new(text: &'a str) -> Self {
        Args(text.split_whitespace().collect())
    }

    /// The word at a place; `''` is the empty one, and `~` a space.
    fn word(&self, at: usize) -> String {
        let word = self
            .0
            .get(at)
            .unwrap_or_else(|| panic!("word {at} is missing in {:?}", self.0));
        let word = word.trim_matches('\'').replace('~', " ");
        if let Some(count) = word.strip_prefix("x*") {
            "x".repeat(count.parse().unwrap())
        } else {
            word
        }
    }

    fn get(&self, key: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find_map(|arg| arg.strip_prefix(key)?.strip_prefix('='))
    }

    fn has(&self, flag: &str) -> bool {
        self.0.contains(&flag)
    }

    fn number<T: std::str::FromStr<Err: Debug>>(&self, key: &str) -> Option<T> {
        self.get(key).map(|value| value.parse().unwrap())
    }
}

fn numbers<T: std::str::FromStr<Err: Debug>>(text: &str) -> Vec<T> {
    text.split(',')
        .filter(|it| !it.is_empty())
        .map(|it| it.parse().unwrap())
        .collect()
}

fn broker_ids(text: &str) -> Vec<BrokerId> {
    numbers(text).into_iter().map(BrokerId::new).collect()
}

impl Run {
    fn in_sync(&self, topic: &str, partition: i32, members: &[BrokerId]) -> AlterPartition {
        let image = &self.cluster.image;
        let epoch = |id: &BrokerId| (*id, image.broker(*id).expect("it is there").broker_epoch);
        let topic = image.topic_named(topic).expect("it is there");
        let partition = PartitionIndex::new(partition);
        let state = topic.partition(partition).expect("it is there");
        let (broker_id, broker_epoch) = epoch(&state.leader.expect("somebody leads"));
        AlterPartition {
            broker_id,
            broker_epoch,
            proposals: vec![IsrProposal {
                topic_id: topic.topic_id(),
                partition,
                leader_epoch: state.leader_epoch,
                partition_epoch: state.partition_epoch,
                isr: members.iter().map(epoch).collect(),
            }],
        }
    }

    fn command(&mut self, text: &str) {
        let (command, rest) = text.split_once(' ').unwrap_or((text, ""));
        let args = Args::new(rest);
        let parts = || rest.split(" / ").map(Args::new);
        let validate_only = args.has("validate-only");
        match command {
            "limits" => {
                let config = &mut self.cluster.config;
                config.default_num_partitions = args.number("partitions").unwrap_or(1);
                config.default_replication_factor = args.number("factor").unwrap_or(1);
                config.request_partitions_max = args.number("request").unwrap_or(10_000);
                config.cluster_partitions_max = args.number("cluster").unwrap_or(200_000);
            }
            "bootstrap" => {
                let id = args
                    .number("cluster")
                    .map(|id| ClusterId::new(Uuid::from_u128(id)));
                let command = BootstrapCluster {
                    cluster_id: id.unwrap_or(cluster_id()),
                };
                self.answer(&command, result);
            }
            "register" => {
                let command = register_from(&args);
                self.answer(&command, |epoch| {
                    result(&epoch.clone().map(|it| format!("epoch {it}")))
                });
            }
            "fence" | "unfence" => {
                let broker_id = BrokerId::new(args.word(0).parse().unwrap());
                let broker_epoch = BrokerEpoch::new(args.number("epoch").unwrap());
                if command == "fence" {
                    self.answer(
                        &FenceBroker {
                            broker_id,
                            broker_epoch,
                        },
                        result,
                    );
                } else {
                    self.answer(
                        &UnfenceBroker {
                            broker_id,
                            broker_epoch,
                        },
                        result,
                    );
                }
            }
            // `BROKER epoch= short=DIRECTORY,...`
            "space" => {
                let directory = |id: u128| DirectoryId::new(Uuid::from_u128(id));
                let short = args.get("short").map_or(Vec::new(), numbers);
                let command = ReportSpace {
                    broker_id: BrokerId::new(args.word(0).parse().unwrap()),
                    broker_epoch: BrokerEpoch::new(args.number("epoch").unwrap()),
                    short_of_space: short.into_iter().map(directory).collect(),
                };
                self.answer(&command, result);
            }
            "unregister" => {
                let voters = args.get("voters").map(broker_ids);
                let command = UnregisterBroker {
                    broker_id: args.word(0).parse().unwrap(),
                    voters: voters.unwrap_or_default(),
                };
                self.answer(&command, result);
            }
            "create-topics" => {
                let topics = parts().map(|args| self.new_topic(&args)).collect();
                self.answer(&CreateTopics { topics, validate_only }, |answers| {
                    let answer = |it: &CreateTopicResult| {
                        let created = it.result.clone().map(|it| {
                            let CreatedTopic { topic_id, num_partitions, replication_factor } = it;
                            format!("{topic_id} partitions={num_partitions} factor={replication_factor}")
                        });
                        format!("{}: {}", it.name, result(&created))
                    };
                    answers.iter().map(answer).collect::<Vec<_>>().join("\n")
                });
            }
            "delete-topics" => {
                let topic = |args: Args<'_>| match args.number("id") {
                    Some(id) => TopicRef::Id(topic_id(id)),
                    None => TopicRef::Name(args.word(0)),
                };
                let topics = parts().map(topic).collect();
                self.answer(&DeleteTopics { topics }, |answers| {
                    let answer = |it: &DeleteTopicResult| {
                        let id = it.topic_id.map_or("none".into(), |id| id.to_string());
                        let name = it.name.as_deref().unwrap_or("none");
                        format!("{name} ({id}): {}", result(&it.result))
                    };
                    answers.iter().map(answer).collect::<Vec<_>>().join("\n")
                });
            }
            "create-partitions" => {
                let topics = parts().map(|args| NewPartitions {
                    name: args.word(0),
                    count: args.number("count").unwrap(),
                    assignments: args
                        .get("assign")
                        .map(|it| it.split(';').map(broker_ids).collect()),
                });
                let command = CreatePartitions {
                    topics: topics.collect(),
                    validate_only,
                };
                self.answer(&command, |answers| {
                    let answer = |it: &CreatePartitionsResult| {
                        format!("{}: {}", it.name, result(&it.result))
                    };
                    answers.iter().map(answer).collect::<Vec<_>>().join("\n")
                });
            }
            // `LEADER epoch=BROKER / TOPIC PARTITION leader-epoch= partition-epoch= isr=ID:EPOCH,...`
            "alter-partition" => {
                let (leader, proposals) = rest.split_once(" / ").expect("a proposal");
                let leader = Args::new(leader);
                let proposals = proposals.split(" / ").map(Args::new);
                let command = AlterPartition {
                    broker_id: BrokerId::new(leader.word(0).parse().unwrap()),
                    broker_epoch: BrokerEpoch::new(leader.number("epoch").unwrap()),
                    proposals: proposals.map(|args| proposal(&args)).collect(),
                };
                self.answer(&command, |answers| match answers {
                    Ok(answers) => {
                        let answer = |it: &AlterPartitionResult| match it.result {
                            Ok(epoch) => format!("ok partition_epoch={epoch}"),
                            Err(code) => code.name().to_owned(),
                        };
                        answers.iter().map(answer).collect::<Vec<_>>().join("\n")
                    }
                    Err(error) => error.to_string(),
                });
            }
            "reassign" => {
                let command = AlterPartitionReassignments {
                    allow_replication_factor_change: !args.has("same-factor"),
                    partitions: parts().map(|args| new_replicas(&args)).collect(),
                };
                self.answer(&command, |answers| match answers {
                    Ok(answers) => answers.iter().map(result).collect::<Vec<_>>().join("\n"),
                    Err(error) => error.to_string(),
                });
            }
            // What the leader would propose now.
            "in-sync" => {
                let (topic, partition) = place(&args.word(0)).unwrap();
                let members = broker_ids(args.get("isr").unwrap());
                let command = self.in_sync(&topic, partition, &members);
                self.answer(&command, |answers| match answers {
                    Ok(answers) => match answers[0].result {
                        Ok(epoch) => format!("ok partition_epoch={epoch}"),
                        Err(code) => code.name().to_owned(),
                    },
                    Err(error) => error.to_string(),
                });
            }
            "replicate-internal" => {
                let command = ReplicateInternalTopics {
                    replication_factor: args.number("factor").unwrap(),
                };
                self.answer(&command, |count| format!("{count} partitions"));
            }
            "elect" => {
                let command = ElectLeaders {
                    election: match args.word(0).as_str() {
                        "preferred" => ElectionType::Preferred,
                        _ => ElectionType::Unclean,
                    },
                    partitions: (!args.has("all"))
                        .then(|| args.0[1..].iter().filter_map(|it| place(it)).collect()),
                    elections_max: args.number("max").unwrap_or(usize::MAX),
                };
                self.answer(&command, |answers| {
                    let answer = |it: &ElectLeadersResult| {
                        format!("{}-{}: {}", it.topic, it.partition, result(&it.result))
                    };
                    match answers {
                        Ok(answers) => answers.iter().map(answer).collect::<Vec<_>>().join("\n"),
                        Err(error) => error.to_string(),
                    }
                });
            }
            "alter-configs" => {
                let resources = parts().map(|args| alterations(&args)).collect();
                let command = IncrementalAlterConfigs {
                    resources,
                    validate_only,
                };
                self.answer(&command, |answers| altered(answers));
            }
            "replace-configs" => {
                let resources = parts().map(|args| ReplacedConfigs {
                    resource: resource(&args),
                    configs: alterations(&args)
                        .alterations
                        .into_iter()
                        .map(|it| (it.key, it.value))
                        .collect(),
                });
                let command = AlterConfigs {
                    resources: resources.collect(),
                    validate_only,
                };
                self.answer(&command, |answers| altered(answers));
            }
            "producer-ids" => {
                let command = AllocateProducerIds {
                    broker_id: BrokerId::new(args.word(0).parse().unwrap()),
                    broker_epoch: BrokerEpoch::new(args.number("epoch").unwrap()),
                };
                self.answer(&command, |block| {
                    result(
                        &block
                            .clone()
                            .map(|it| format!("{} to {}", it.first, it.end)),
                    )
                });
            }
            "update-features" => {
                let update = |args: Args<'_>| FeatureUpdate {
                    name: args.word(0),
                    level: args.number("level").unwrap(),
                    upgrade_type: match args.get("type") {
                        None => Some(UpgradeType::Upgrade),
                        Some("safe") => Some(UpgradeType::SafeDowngrade),
                        Some("unsafe") => Some(UpgradeType::UnsafeDowngrade),
                        Some(_) => None,
                    },
                };
                let command = UpdateFeatures {
                    controller_id: BrokerId::new(1),
                    updates: parts().map(update).collect(),
                    validate_only,
                };
                self.answer(&command, result);
            }
            unknown => panic!("no command {unknown}"),
        }
    }

    fn new_topic(&mut self, args: &Args<'_>) -> NewTopic {
        self.drawn += 1;
        let assignment = |text: &str| {
            let (partition, to) = text.split_once(':').unwrap();
            ReplicaAssignment {
                partition: partition.parse().unwrap(),
                brokers: broker_ids(to),
            }
        };
        let assignments = args.get("assign").into_iter().flat_map(|it| it.split(';'));
        let configs = args.get("configs").into_iter().flat_map(|it| it.split(','));
        NewTopic {
            name: args.word(0),
            topic_id: topic_id(args.number("id").unwrap_or(self.drawn)),
            num_partitions: args.number("partitions"),
            replication_factor: args.number("factor"),
            assignments: assignments.map(assignment).collect(),
            configs: configs
                .map(|it| match it.split_once(':') {
                    Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                    None => (it.to_owned(), None),
                })
                .collect(),
        }
    }

    /// Runs a command and writes its records and its answer.
    fn answer<C: broker_controller::Command>(
        &mut self,
        command: &C,
        render: impl Fn(&C::Response) -> String,
    ) {
        let (response, records) = self.cluster.run(command);
        let line = |record: &MetadataRecord| format!("  + {record}\n");
        self.out.extend(records.iter().map(line));
        let rendered = render(&response);
        self.out
            .extend(rendered.lines().map(|line| format!("  = {line}\n")));
    }
}

fn proposal(args: &Args<'_>) -> IsrProposal {
    let member = |text: &str| {
        let (id, epoch) = text.split_once(':').unwrap();
        let (id, epoch) = (id.parse().unwrap(), epoch.parse().unwrap());
        (BrokerId::new(id), BrokerEpoch::new(epoch))
    };
    IsrProposal {
        topic_id: topic_id(args.word(0).parse().unwrap()),
        partition: PartitionIndex::new(args.word(1).parse().unwrap()),
        leader_epoch: LeaderEpoch::new(args.number("leader-epoch").unwrap()),
        partition_epoch: PartitionEpoch::new(args.number("partition-epoch").unwrap()),
        isr: args.get("isr").unwrap().split(',').map(member).collect(),
    }
}

/// `topic:partition`.
fn place(text: &str) -> Option<(String, i32)> {
    let (topic, partition) = text.split_once(':')?;
    Some((topic.to_owned(), partition.parse().unwrap()))
}

/// `topic:partition to=1,2`, or `topic:partition cancel`.
fn new_replicas(args: &Args<'_>) -> NewReplicas {
    let (topic, partition) = place(&args.word(0)).unwrap();
    NewReplicas {
        topic,
        partition,
        brokers: (!args.has("cancel")).then(|| broker_ids(args.get("to").unwrap())),
    }
}

fn register_from(args: &Args<'_>) -> RegisterBroker {
    let id: i32 = args.word(0).parse().unwrap();
    let directories = args
        .get("directories")
        .map_or(vec![1000 + id as u128], numbers);
    let mut command = register(id, args.number("incarnation").unwrap_or(1), &directories);
    command.fenced = args.has("fenced");
    command.rack = args.get("rack").map(str::to_owned);
    if let Some(cluster) = args.number("cluster") {
        command.cluster_id = ClusterId::new(Uuid::from_u128(cluster));
    }
    if args.has("no-features") {
        command.features.clear();
    }
    if args.has("no-groups") {
        command.features.retain(|it| it.name == METADATA_VERSION);
    }
    command
}

fn resource(args: &Args<'_>) -> ConfigResource {
    let resource_type = match args.word(0).as_str() {
        "topic" => ResourceType::Topic,
        "broker" => ResourceType::Broker,
        "group" => ResourceType::Group,
        "client-metrics" => ResourceType::ClientMetrics,
        unknown => panic!("no resource type {unknown}"),
    };
    ConfigResource {
        resource_type,
        name: args.word(1),
    }
}

/// `set:key:value`, `delete:key`, `append:key:value`, `subtract:key:value`.
fn alterations(args: &Args<'_>) -> ResourceAlterations {
    let alteration = |text: &&str| {
        let (op, rest) = text.split_once(':')?;
        let op = match op {
            "set" => ConfigOp::Set,
            "delete" => ConfigOp::Delete,
            "append" => ConfigOp::Append,
            "subtract" => ConfigOp::Subtract,
            unknown => panic!("no operation {unknown}"),
        };
        let (key, value) = match rest.split_once(':') {
            Some((key, value)) => (key, Some(value.to_owned())),
            None => (rest, None),
        };
        let value = value.map(|it| match it.strip_prefix("x*") {
            Some(count) => "x".repeat(count.parse().unwrap()),
            None => it,
        });
        Some(ConfigAlteration {
            key: key.to_owned(),
            op,
            value,
        })
    };
    ResourceAlterations {
        resource: resource(args),
        alterations: args.0.iter().filter_map(alteration).collect(),
    }
}

fn altered(answers: &[AlterConfigsResult]) -> String {
    let answer = |it: &AlterConfigsResult| {
        format!(
            "{:?} {:?}: {}",
            it.resource.resource_type,
            it.resource.name,
            result(&it.result)
        )
    };
    answers.iter().map(answer).collect::<Vec<_>>().join("\n")
}

fn result<T: Answer>(result: &Result<T, ApiError>) -> String {
    match result {
        Ok(answer) => answer.text(),
        Err(error) => error.to_string(),
    }
}

trait Answer {
    fn text(&self) -> String;
}

impl Answer for () {
    fn text(&self) -> String {
        "ok".into()
    }
}

impl Answer for String {
    fn text(&self) -> String {
        format!("ok {self}")
    }
}
