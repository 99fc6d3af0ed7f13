//! Real clients, unmodified, against Holdfast and against Apache Kafka: what they produced must come
//! back, key, value, headers, timestamp and offset.

mod driven;
mod go;
mod java;
mod kcat;
mod librdkafka;
mod node;
mod own_broker;
mod python;

use std::process::ExitCode;

fn main() -> ExitCode {
    let native = [kcat::CASES, librdkafka::CASES, java::CASES].concat();
    let cases = [native, go::all(), python::all(), node::all()].concat();
    tests_clients::main(&cases)
}
