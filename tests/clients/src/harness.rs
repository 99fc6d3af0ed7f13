//! Cases times backends, as trials that cargo runs like any other test.

use std::{
    any::Any,
    env,
    panic::{AssertUnwindSafe, catch_unwind},
    process::{Command, ExitCode},
    sync::{Arc, OnceLock},
};

use libtest_mimic::{Arguments, Failed, Trial};

use crate::{Backend, Target, brokers::Brokers, command::on_path};

/// Enough to keep two cores busy while clients wait for one another, few enough for their timeouts.
const TEST_THREADS: usize = 3;

/// A client, unmodified, as its users get it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Debian's kcat, on an old librdkafka.
    Kcat,
    /// The newest librdkafka that the `rdkafka` crate builds, in this process.
    Librdkafka,
    /// franz-go, in a program of ours.
    FranzGo,
    /// IBM's sarama, in a program of ours.
    Sarama,
    /// segmentio's kafka-go, in a program of ours.
    KafkaGo,
    /// aiokafka, in a program of ours.
    Aiokafka,
    /// confluent-kafka for Python, in a program of ours.
    ConfluentKafka,
    /// kafka-python, in a program of ours.
    KafkaPython,
    /// kafkajs, in a program of ours.
    Kafkajs,
    /// The Java client, in Kafka's own tools.
    Java,
}

impl Client {
    /// The first part of its cases' names.
    pub fn name(self) -> &'static str {
        match self {
            Client::Kcat => "kcat",
            Client::Librdkafka => "librdkafka",
            Client::FranzGo => "franz_go",
            Client::Sarama => "sarama",
            Client::KafkaGo => "kafka_go",
            Client::Aiokafka => "aiokafka",
            Client::ConfluentKafka => "confluent_kafka",
            Client::KafkaPython => "kafka_python",
            Client::Kafkajs => "kafkajs",
            Client::Java => "java",
        }
    }

    fn needs(self) -> &'static [Need] {
        match self {
            Client::Kcat => &[Need::Program("kcat")],
            Client::Librdkafka => &[],
            Client::FranzGo | Client::Sarama | Client::KafkaGo => &[Need::Program("go")],
            Client::Aiokafka | Client::ConfluentKafka | Client::KafkaPython => {
                &[Need::Program("python3"), Need::PythonVenv]
            }
            Client::Kafkajs => &[Need::Program("node"), Need::Program("npm")],
            Client::Java => &[Need::Program("java"), Need::Program("mvn")],
        }
    }
}

/// What has to be on the machine before a client can be run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Need {
    /// A program on the path.
    Program(&'static str),
    /// The part of Python that makes environments, which Debian packages on its own.
    PythonVenv,
}

impl Need {
    fn name(self) -> &'static str {
        match self {
            Need::Program(program) => program,
            Need::PythonVenv => "python3-venv",
        }
    }

    fn is_there(self) -> bool {
        static VENV: OnceLock<bool> = OnceLock::new();
        match self {
            Need::Program(program) => on_path(program),
            Need::PythonVenv => *VENV.get_or_init(|| {
                let imports = Command::new("python3")
                    .args(["-c", "import ensurepip, venv"])
                    .output();
                imports.is_ok_and(|output| output.status.success())
            }),
        }
    }
}

/// One thing a client does, and what must come of it.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    /// Who does it.
    pub client: Client,
    /// The middle part of its name.
    pub name: &'static str,
    /// Panics if what comes of it is wrong.
    pub run: fn(&Target),
    /// Whether it also runs against [`Backend::HoldfastSingle`].
    pub smoke: bool,
}

/// Runs the cases that the command line asks for, each against every backend.
///
/// Under `CI=true` a missing client is a failure; elsewhere its cases are listed as ignored, with
/// what is missing.
pub fn main(cases: &[Case]) -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads.get_or_insert(TEST_THREADS);
    let strict = env::var("CI").as_deref() == Ok("true");
    let brokers = Arc::new(Brokers::default());
    let mut trials = Vec::new();
    for case in cases {
        for backend in [Backend::Apache, Backend::Holdfast, Backend::HoldfastSingle] {
            if backend != Backend::HoldfastSingle || case.smoke {
                trials.push(trial(*case, backend, &brokers, strict));
            }
        }
    }
    let conclusion = libtest_mimic::run(&args, trials);
    drop(brokers);
    conclusion.exit_code()
}

fn trial(case: Case, backend: Backend, brokers: &Arc<Brokers>, strict: bool) -> Trial {
    let name = format!("{}::{}::{}", case.client.name(), case.name, backend.name());
    let Some(missing) = missing(case.client, backend) else {
        let brokers = Arc::clone(brokers);
        return Trial::test(name, move || run(case, backend, &brokers));
    };
    let kind = format!("{missing} is missing");
    if strict {
        let message = format!("{kind}, and CI=true promises that it is there");
        return Trial::test(name, move || Err(Failed::from(message)));
    }
    Trial::test(name, || Ok(()))
        .with_kind(kind)
        .with_ignored_flag(true)
}

/// The first thing that the client, or the broker it is to be run against, lacks.
fn missing(client: Client, backend: Backend) -> Option<&'static str> {
    let broker = match backend {
        Backend::Apache => Client::Java.needs(),
        Backend::Holdfast | Backend::HoldfastSingle => &[],
    };
    client
        .needs()
        .iter()
        .chain(broker)
        .find(|need| !need.is_there())
        .map(|need| need.name())
}

fn run(case: Case, backend: Backend, brokers: &Brokers) -> Result<(), Failed> {
    let target = brokers.target(backend)?;
    catch_unwind(AssertUnwindSafe(|| (case.run)(&target))).map_err(|panic| {
        let log = brokers.log_tail(backend);
        Failed::from(format!(
            "{}\n\nwhat the brokers logged ends with\n{log}",
            message_of(&*panic)
        ))
    })
}

fn message_of(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&'static str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("it panicked")
}
