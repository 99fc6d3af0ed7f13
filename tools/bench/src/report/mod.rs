//! What is shown of results.
//!
//! - [`table`]: for a terminal.
//! - [`points`]: of many workloads, a line each.
//! - [`diff`]: of two saved runs.
//! - [`verdicts`]: what was wanted, and what came of it.
//! - [`html`]: a page with plots ([`plot`]).

pub mod diff;
pub mod html;
pub mod plot;
pub mod points;
pub mod table;
pub mod verdicts;
