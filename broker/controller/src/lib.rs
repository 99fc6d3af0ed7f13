//! The controller: a pure state machine over cluster metadata.
