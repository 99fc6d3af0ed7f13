//! What the tests of this crate share.

pub mod crash;
pub mod model;
