use std::{
    thread,
    time::{Duration, Instant},
};

use client::ClientError;

/// A broker may be ready before each of its parts is, Apache Kafka in particular.
const PATIENCE: Duration = Duration::from_secs(20);
/// There is nothing to wait on: that is what a retriable code means.
const ASK_INTERVAL: Duration = Duration::from_millis(10);

/// Asks until the answer is there, or one that will not change.
pub(crate) fn until_answered<T>(
    mut ask: impl FnMut() -> Result<T, ClientError>,
) -> Result<T, ClientError> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask() {
            Err(error) if error.is_retriable() && Instant::now() < deadline => {
                thread::sleep(ASK_INTERVAL);
            }
            answer => return answer,
        }
    }
}
