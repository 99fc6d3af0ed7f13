//! Real clients, unmodified, against Holdfast and against Apache Kafka: what they produced must come
//! back, key, value, headers, timestamp and offset.

mod franz_go;
mod java;
mod kcat;
mod librdkafka;

use std::process::ExitCode;

fn main() -> ExitCode {
    let cases = [kcat::CASES, librdkafka::CASES, franz_go::CASES, java::CASES].concat();
    tests_clients::main(&cases)
}
