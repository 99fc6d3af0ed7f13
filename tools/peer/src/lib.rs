//! Starts Apache Kafka and Holdfast for tests and benches.
