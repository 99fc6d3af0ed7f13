//! `holdfast`: one broker.

fn main() {}
