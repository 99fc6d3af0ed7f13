//! Prometheus' text format, version 0.0.4.
//!
//! Written as it is produced: a scrape of a hundred thousand partitions needs the text and no tree
//! of objects beside it, and offsets stay whole numbers.

use std::fmt::{Display, Write};

use super::histogram::Histogram;

/// A page of metrics under construction. Values of one metric have to be written one after another.
#[derive(Debug, Default)]
pub struct Exposition {
    text: String,
}

impl Exposition {
    /// Starts a metric that only grows; its name ends in `_total`.
    pub fn counter(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, help, "counter")
    }

    /// Starts a metric that grows and shrinks.
    pub fn gauge(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, help, "gauge")
    }

    /// Starts a distribution.
    pub fn histogram(&mut self, name: &'static str, help: &str) -> Family<'_> {
        self.family(name, help, "histogram")
    }

    fn family(&mut self, name: &'static str, help: &str, kind: &str) -> Family<'_> {
        self.line(format_args!(
            "# HELP {name} {}",
            help.replace('\\', "\\\\").replace('\n', " ")
        ));
        self.line(format_args!("# TYPE {name} {kind}"));
        Family { out: self, name }
    }

    fn line(&mut self, line: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = writeln!(self.text, "{line}");
    }

    /// The page.
    pub fn into_text(self) -> String {
        self.text
    }
}

/// The values of one metric.
#[derive(Debug)]
pub struct Family<'a> {
    out: &'a mut Exposition,
    name: &'static str,
}

impl Family<'_> {
    /// Adds a value.
    pub fn value(&mut self, labels: &[(&str, &str)], value: impl Display) -> &mut Self {
        let labels = Labels(labels);
        self.out.line(format_args!("{}{labels} {value}", self.name));
        self
    }

    /// Adds a distribution.
    pub fn distribution(&mut self, labels: &[(&str, &str)], histogram: &Histogram) -> &mut Self {
        let snapshot = histogram.snapshot();
        let name = self.name;
        for (bound, cumulative) in &snapshot.cumulative {
            let bound = bound.map_or_else(|| "+Inf".to_owned(), |bound| bound.to_string());
            let with_bound = [labels, &[("le", &bound)]].concat();
            self.out.line(format_args!(
                "{name}_bucket{} {cumulative}",
                Labels(&with_bound)
            ));
        }
        let labels = Labels(labels);
        self.out
            .line(format_args!("{name}_sum{labels} {}", snapshot.sum));
        self.out
            .line(format_args!("{name}_count{labels} {}", snapshot.count));
        self
    }
}

struct Labels<'a>(&'a [(&'a str, &'a str)]);

impl Display for Labels<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut before = '{';
        for (name, value) in self.0 {
            write!(f, "{before}{name}=\"")?;
            for c in value.chars() {
                match c {
                    '\\' => f.write_str("\\\\")?,
                    '"' => f.write_str("\\\"")?,
                    '\n' => f.write_str("\\n")?,
                    c => f.write_char(c)?,
                }
            }
            f.write_char('"')?;
            before = ',';
        }
        if self.0.is_empty() {
            Ok(())
        } else {
            f.write_char('}')
        }
    }
}
