//! Every target over its corpus and over mutations of it, the same ones each time.
//!
//! `HOLDFAST_FUZZ_MUTATIONS=100000 HOLDFAST_FUZZ_SEED=7 cargo test -p tests-fuzz` tries more, and
//! others. An input that fails is written to the temporary directory, with the line that runs it
//! again.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tests_fuzz::{Random, Target, corpus, mutate};

fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().expect("a number"))
}

fn check(name: &str) {
    let target = Target::named(name).expect("a target of that name");
    let corpus = corpus(target);
    for (from, input) in &corpus {
        run(target, input, from);
    }
    let inputs: Vec<Vec<u8>> = corpus.into_iter().map(|(_, input)| input).collect();
    let seed = number("HOLDFAST_FUZZ_SEED").unwrap_or(1);
    let mutations = number("HOLDFAST_FUZZ_MUTATIONS");
    let mut random = Random::new(seed);
    for at in 0..mutations.unwrap_or(target.mutations as u64) {
        let input = mutate(&mut random, &inputs, target.length_max);
        run(target, &input, &format!("mutation {at} of seed {seed}"));
    }
}

fn run(target: &Target, input: &[u8], from: &str) {
    let Err(panic) = catch_unwind(AssertUnwindSafe(|| target.run(input))) else {
        return;
    };
    let path = std::env::temp_dir().join(format!("holdfast-fuzz-{}", target.name));
    std::fs::write(&path, input).expect("there is space");
    eprintln!(
        "{from}: again with\ncargo run -p tests-fuzz -- run {} {}",
        target.name,
        path.display()
    );
    resume_unwind(panic);
}

macro_rules! targets {
    ($($target:ident)*) => {
        $(#[test]
        fn $target() {
            check(stringify!($target));
        })*

        #[test]
        fn none_is_left_out() {
            let names: Vec<&str> = tests_fuzz::TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(names, [$(stringify!($target)),*]);
        }
    };
}
targets!(requests responses batch compression journal formats segments recovery);
