//! The broker: listeners, APIs, partitions.
