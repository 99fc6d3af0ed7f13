//! The targets.

pub(crate) mod batch;
mod bodies;
pub(crate) mod compression;
mod disk;
pub(crate) mod formats;
mod headers;
pub(crate) mod journal;
mod life;
pub(crate) mod recovery;
pub(crate) mod requests;
pub(crate) mod responses;
pub(crate) mod segments;
mod served;
