//! Tests of the journal: its bytes, what recovery decides, and the writer.

mod bytes;
mod damage;
mod tails;
mod verdicts;
mod writer;
