//! What is done with inputs without libFuzzer.

use std::path::Path;
use std::process::ExitCode;
use std::{env, fs};

use tests_fuzz::{TARGETS, Target};

const USAGE: &str = "\
tests-fuzz list                   the targets
tests-fuzz run TARGET FILE...     takes each file as an input
tests-fuzz seeds TARGET DIR       writes the inputs that are made to DIR/TARGET";

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        ["list"] => {
            for target in TARGETS {
                println!("{}", target.name);
            }
        }
        ["run", name, ref files @ ..] => {
            let Some(target) = Target::named(name) else {
                return usage();
            };
            for file in files {
                println!("{file}");
                target.run(&fs::read(file).expect("a file that can be read"));
            }
        }
        ["seeds", name, dir] => {
            let Some(target) = Target::named(name) else {
                return usage();
            };
            let dir = Path::new(dir).join(target.name);
            fs::create_dir_all(&dir).expect("a directory can be made");
            for (at, seed) in (target.seeds)().into_iter().enumerate() {
                fs::write(dir.join(format!("seed-{at}")), seed).expect("there is space");
            }
        }
        _ => return usage(),
    }
    ExitCode::SUCCESS
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::FAILURE
}
