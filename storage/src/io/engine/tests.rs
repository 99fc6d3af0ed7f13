use super::*;

const ERRORS: [(Errno, bool); 7] = [
    (Errno::NOSYS, true),
    (Errno::PERM, true),
    (Errno::ACCESS, true),
    (Errno::INVAL, true),
    (Errno::NOMEM, true),
    (Errno::MFILE, false),
    (Errno::IO, false),
];

#[test]
fn auto_falls_back_on_what_a_container_or_an_old_kernel_answers() {
    for (errno, falls_back) in ERRORS {
        match choose(EngineChoice::Auto, || Err(errno.into())) {
            Ok((kind, reason)) => {
                assert!(falls_back, "{errno:?}");
                assert_eq!(kind, QueueKind::Threads);
                let reason = reason.expect("a reason");
                assert!(reason.contains("os error"), "{reason}");
            }
            Err(error) => {
                assert!(!falls_back, "{errno:?}");
                assert!(error.to_string().contains("io_uring"), "{error}");
            }
        }
    }
}

#[test]
fn the_ring_by_name_never_falls_back() {
    for (errno, _) in ERRORS {
        let error = choose(EngineChoice::Uring, || Err(errno.into())).expect_err("refused");
        assert_eq!(Errno::from_io_error(&error.source), Some(errno));
    }
}

#[test]
fn threads_by_name_do_not_probe() {
    let (kind, reason) = choose(EngineChoice::Threads, || panic!("probed")).expect("chosen");
    assert_eq!((kind, reason), (QueueKind::Threads, None));
}

#[test]
fn a_probe_that_works_gives_the_ring() {
    let (kind, reason) = choose(EngineChoice::Auto, || Ok(())).expect("chosen");
    assert_eq!((kind, reason), (QueueKind::Uring, None));
}
