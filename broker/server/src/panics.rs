//! What a panic does: it stops the process, unless it comes from decoding what a client sent.
//!
//! A panic elsewhere means that an invariant does not hold. Rather stop than acknowledge what may be lost: the restart
//! recovers within a second.

#[cfg(panic = "abort")]
compile_error!("a panic of a decoder is to be caught: build with panic = \"unwind\"");

use std::cell::Cell;
use std::panic::AssertUnwindSafe;

thread_local! {
    static CONTAINED: Cell<bool> = const { Cell::new(false) };
}

/// Makes panics fatal. Once, at the start of the process.
pub fn install() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        if !CONTAINED.get() {
            std::process::abort();
        }
    }));
}

/// Runs a decoder over hostile bytes. `None` when it panicked; it must not touch anything that outlives it.
pub fn contained<T>(decode: impl FnOnce() -> T) -> Option<T> {
    let before = CONTAINED.replace(true);
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(decode));
    CONTAINED.set(before);
    outcome.ok()
}
