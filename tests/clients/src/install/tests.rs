use std::{fs, panic::catch_unwind};

use super::installed;

#[test]
fn a_directory_is_made_once_for_each_recipe() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("installed");
    installed(&dir, "1", || fs::write(dir.join("first"), "").unwrap());
    installed(&dir, "1", || panic!("it is there"));
    assert!(dir.join("first").exists());
    installed(&dir, "2", || fs::write(dir.join("second"), "").unwrap());
    assert!(!dir.join("first").exists());
    assert!(dir.join("second").exists());
}

#[test]
fn one_that_was_interrupted_is_made_again() {
    let parent = tempfile::tempdir().unwrap();
    let dir = parent.path().join("installed");
    let interrupted = catch_unwind(|| {
        installed(&dir, "1", || {
            fs::write(dir.join("half"), "").unwrap();
            panic!("interrupted");
        });
    });
    assert!(interrupted.is_err());
    let mut filled = false;
    installed(&dir, "1", || filled = true);
    assert!(filled);
    assert!(!dir.join("half").exists());
}
