use std::{
    fmt, thread,
    time::{Duration, Instant},
};

use crate::PeerError;

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(50);

/// Looks at something that no event tells of, again and again, until it is so, for at most `patience`. A look that fails is no answer yet.
pub fn await_that<E: fmt::Debug>(
    what: &'static str,
    patience: Duration,
    mut is_so: impl FnMut() -> Result<bool, E>,
) -> Result<(), PeerError> {
    let deadline = Instant::now() + patience;
    loop {
        let outcome = is_so();
        if matches!(outcome, Ok(true)) {
            return Ok(());
        }
        if Instant::now() > deadline {
            return Err(PeerError::NotSo {
                what,
                waited: patience,
                last: format!("{outcome:?}"),
            });
        }
        thread::sleep(LOOK);
    }
}
