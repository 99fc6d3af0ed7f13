//! One workload after the other. What was measured is kept, whatever ends it.

use crate::BenchError;
use crate::interrupt::Interrupt;
use crate::saved::{Series, TargetRounds};
use crate::workload::Workload;

/// What came of some workloads.
#[derive(Debug, Default)]
pub struct Sequence {
    /// Those that were measured, in order; the last may be partial.
    pub series: Vec<Series>,
    /// Why the others were not.
    pub error: Option<BenchError>,
}

impl Sequence {
    /// Has each workload measured, until one is ended before its time. `measure` puts its rounds into the targets that it is given, so that
    /// those before an error are kept.
    pub fn run(
        workloads: &[Workload],
        targets: &[String],
        interrupt: &Interrupt,
        mut measure: impl FnMut(&Workload, &mut [TargetRounds]) -> Result<(), BenchError>,
    ) -> Sequence {
        let mut sequence = Sequence::default();
        for workload in workloads {
            if interrupt.is_raised() {
                sequence.error = Some(BenchError::Interrupted);
                break;
            }
            let mut targets: Vec<TargetRounds> =
                targets.iter().map(|name| nothing_yet(name)).collect();
            let measured = measure(workload, &mut targets);
            let rounds = || targets.iter().flat_map(|target| &target.rounds);
            let is_over = measured.is_err() || rounds().any(|round| round.ended_by.is_some());
            if rounds().next().is_some() {
                // Not everybody has to be loaded with everything.
                targets.retain(|target| !target.rounds.is_empty());
                let workload = workload.clone();
                sequence.series.push(Series { workload, targets });
            }
            sequence.error = measured.err();
            if is_over {
                break;
            }
        }
        sequence
    }

    /// What ended a run that had begun.
    pub fn ended_by(series: &[Series]) -> Option<&str> {
        let targets = series.iter().flat_map(|series| &series.targets);
        let mut rounds = targets.flat_map(|target| &target.rounds);
        rounds.find_map(|round| round.ended_by.as_deref())
    }

    /// What the process ends with.
    pub fn into_result(self) -> Result<(), BenchError> {
        match (self.error, Sequence::ended_by(&self.series)) {
            (Some(error), _) => Err(error),
            (None, None) => Ok(()),
            (None, Some(cause)) if cause == BenchError::Interrupted.to_string() => {
                Err(BenchError::Interrupted)
            }
            (None, Some(cause)) => Err(BenchError::Partial(cause.to_owned())),
        }
    }
}

fn nothing_yet(name: &str) -> TargetRounds {
    TargetRounds {
        name: name.to_owned(),
        rounds: Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::round::Round;

    fn workloads(count: usize) -> Vec<Workload> {
        let named = |number: usize| Workload {
            name: number.to_string(),
            ..Workload::default()
        };
        (0..count).map(named).collect()
    }

    fn run(
        interrupt: &Interrupt,
        measure: impl FnMut(&Workload, &mut [TargetRounds]) -> Result<(), BenchError>,
    ) -> (Vec<String>, Result<(), BenchError>) {
        let targets = ["one".to_owned(), "other".to_owned()];
        let sequence = Sequence::run(&workloads(4), &targets, interrupt, measure);
        let names = sequence.series.iter();
        let names = names.map(|series| series.workload.name.clone()).collect();
        (names, sequence.into_result())
    }

    #[test]
    fn each_workload_is_measured_against_each_target() {
        let (names, result) = run(&Interrupt::default(), |_, targets| {
            assert_eq!(targets.len(), 2);
            targets
                .iter_mut()
                .for_each(|it| it.rounds.push(Round::default()));
            Ok(())
        });
        assert_eq!(names, ["0", "1", "2", "3"]);
        result.unwrap();
    }

    #[test]
    fn an_interrupt_keeps_what_there_is() {
        let interrupt = Interrupt::default();
        let (names, result) = run(&interrupt, |workload, targets| {
            let is_second = workload.name == "1";
            targets[0].rounds.push(Round {
                ended_by: is_second.then(|| BenchError::Interrupted.to_string()),
                ..Round::default()
            });
            Ok(())
        });
        assert_eq!(names, ["0", "1"]);
        assert!(matches!(result, Err(BenchError::Interrupted)));
        // Between two of them.
        let (names, result) = run(&interrupt, |_, targets| {
            targets[0].rounds.push(Round::default());
            interrupt.raise();
            Ok(())
        });
        assert_eq!(names, ["0"]);
        assert!(matches!(result, Err(BenchError::Interrupted)));
    }

    #[test]
    fn an_error_keeps_the_rounds_before_it() {
        let (names, result) = run(&Interrupt::default(), |workload, targets| {
            if workload.name == "2" {
                return Err(BenchError::HungUp);
            }
            targets[1].rounds.push(Round::default());
            match workload.name.as_str() {
                "1" => Err(BenchError::HungUp),
                _ => Ok(()),
            }
        });
        assert_eq!(names, ["0", "1"]);
        assert!(matches!(result, Err(BenchError::HungUp)));
        let (names, result) = run(&Interrupt::default(), |_, _| Err(BenchError::HungUp));
        assert!(names.is_empty() && result.is_err());
    }

    #[test]
    fn a_run_that_failed_says_why() {
        let (names, result) = run(&Interrupt::default(), |_, targets| {
            targets[0].rounds.push(Round {
                ended_by: Some("refused".to_owned()),
                ..Round::default()
            });
            Ok(())
        });
        assert_eq!(names, ["0"]);
        assert!(result.unwrap_err().to_string().contains("refused"));
    }
}
