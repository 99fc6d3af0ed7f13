//! The broker as a process of its own: what it promises to clients and operators, and what becomes of
//! bad input, bad configuration and bad disks. Each test starts the brokers it needs, on free ports
//! of the loopback interface, in temporary directories.

mod configs;
mod damage;
mod directories;
mod durability;
mod hostile;
mod idempotence;
mod invalid_batches;
mod open_files;
mod operating;
mod page;
mod page_cache;
mod protocol_flow;
mod records;
mod refusals;
mod retention;
mod siege;
mod space;
mod support;
