//! What is wanted of a figure.

/// With what a figure is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Against {
    /// The same of Apache Kafka.
    Apache,
    /// The same of Holdfast under another load.
    Own(&'static str),
    /// The same of what is loaded beside the brokers and does no more than it has to.
    Beside(&'static str),
    /// What `fio` writes right after each round.
    Fio,
    /// It stands for itself.
    Nothing,
}

/// What is wanted of a figure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Wanted {
    /// The load's name; empty for what is measured once, without one.
    pub load: &'static str,
    /// The figure's.
    pub figure: &'static str,
    pub(super) comparison: Comparison,
    /// What does as well.
    pub(super) or: Option<Comparison>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Comparison {
    pub(super) against: Against,
    pub(super) bound: Bound,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

/// Less is better.
pub(super) fn at_most(
    bound: f64,
    load: &'static str,
    figure: &'static str,
    against: Against,
) -> Wanted {
    wanted(Bound::AtMost(bound), load, figure, against)
}

/// More is better.
pub(super) fn at_least(
    bound: f64,
    load: &'static str,
    figure: &'static str,
    against: Against,
) -> Wanted {
    wanted(Bound::AtLeast(bound), load, figure, against)
}

fn wanted(bound: Bound, load: &'static str, figure: &'static str, against: Against) -> Wanted {
    Wanted {
        load,
        figure,
        comparison: Comparison { against, bound },
        or: None,
    }
}

impl Wanted {
    /// So much of something else does as well.
    pub(super) fn or_at_most(self, bound: f64, against: Against) -> Wanted {
        let bound = Bound::AtMost(bound);
        Wanted {
            or: Some(Comparison { against, bound }),
            ..self
        }
    }

    /// The same, where more is better.
    pub(super) fn or_at_least(self, bound: f64, against: Against) -> Wanted {
        let bound = Bound::AtLeast(bound);
        Wanted {
            or: Some(Comparison { against, bound }),
            ..self
        }
    }
}
