//! Results as one page that opens without a network: figures, plots, and where they come from.

use std::time::{Duration, UNIX_EPOCH};

use super::plot::{Axis, Line, Plot, Scale};
use super::table::{Cells, cells, headline};
use super::verdicts;
use crate::latency::Latency;
use crate::round::Round;
use crate::saved::{Saved, Series, TargetRounds};

const STYLE: &str = "
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1000px; margin: 2em auto; padding: 0 1em; }
h1 { font-size: 1.5em; } h2 { font-size: 1.2em; margin-top: 2.5em; border-bottom: 1px solid #ddd; }
table { border-collapse: collapse; margin: 1em 0; } th, td { padding: .2em .8em; text-align: right; }
th:first-child, td:first-child { text-align: left; } tr:nth-child(even) { background: #f6f6f6; }
code { background: #f2f2f2; padding: .1em .3em; } .warning { color: #a33; } figure { margin: 1em 0; } svg { max-width: 100%; height: auto; }
dl { display: grid; grid-template-columns: max-content auto; gap: .1em 1em; } dd { margin: 0; }
";

/// The end of the year 9999: what a file says of its time may be anything.
const SECONDS_MAX: u64 = 253_402_300_799;

/// The page.
pub fn page(saved: &Saved) -> String {
    let mut page =
        String::from("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    page += "<meta name=\"viewport\" content=\"width=device-width\">\n";
    page += "<title>holdfast-bench</title>\n";
    page += &format!("<style>{STYLE}</style>\n</head>\n<body>\n<h1>holdfast-bench</h1>\n");
    page += &origin(saved);
    if !saved.verdicts.is_empty() {
        page += "<h2>What is wanted, and what came of it</h2>\n";
        page += &table(&verdicts::cells(saved));
        for note in verdicts::notes(saved) {
            page += &format!("<p>{}</p>\n", escaped(&note));
        }
    }
    let knee = knee(&saved.series);
    // Loads of a suite have nothing in common that a line could show.
    let are_one_sweep = saved.series.len() > 1 && saved.verdicts.is_empty();
    if let Some(plot) = knee.svg().filter(|_| are_one_sweep) {
        page += &format!("<h2>All workloads</h2>\n<figure>{plot}</figure>\n");
    }
    for series in &saved.series {
        page += &section(series);
    }
    page += "</body>\n</html>\n";
    page
}

fn origin(saved: &Saved) -> String {
    let environment = &saved.environment;
    let version = match &saved.commit {
        Some(commit) => format!("{} ({commit})", saved.version),
        None => saved.version.clone(),
    };
    let began = UNIX_EPOCH + Duration::from_secs(saved.began_at.min(SECONDS_MAX));
    let began = humantime::format_rfc3339_seconds(began).to_string();
    let rows = [
        (
            "command",
            format!("<code>{}</code>", escaped(&saved.command)),
        ),
        ("machine", escaped(&environment.summary())),
        ("version", escaped(&version)),
        ("begun", began),
    ];
    let rows = rows.map(|(name, value)| format!("<dt>{name}</dt><dd>{value}</dd>\n"));
    format!("<dl>\n{}</dl>\n", rows.concat())
}

fn section(series: &Series) -> String {
    let mut out = format!("<h2>{}</h2>\n", escaped(&series.workload.name));
    for target in &series.targets {
        out += &format!("<p>{}</p>\n", escaped(&headline(target)));
        for cause in target.rounds.iter().filter_map(|it| it.ended_by.as_ref()) {
            out += &format!(
                "<p class=\"warning\">{} is partial: {}</p>\n",
                escaped(&target.name),
                escaped(cause)
            );
        }
    }
    out += &table(&cells(series));
    for plot in plots(&series.targets) {
        if let Some(svg) = plot.svg() {
            out += &format!("<figure>{svg}</figure>\n");
        }
    }
    let workload = serde_json::to_string_pretty(&series.workload).unwrap_or_default();
    out += &format!(
        "<details><summary>workload</summary><pre>{}</pre></details>\n",
        escaped(&workload)
    );
    out
}

fn table(cells: &Cells) -> String {
    let row = |tag: &str, cells: &[String]| {
        let cells = cells
            .iter()
            .map(|it| format!("<{tag}>{}</{tag}>", escaped(it)));
        format!("<tr>{}</tr>\n", cells.collect::<String>())
    };
    let rows: String = cells.rows.iter().map(|cells| row("td", cells)).collect();
    format!("<table>\n{}{rows}</table>\n", row("th", &cells.header))
}

const MILLISECONDS: Axis<'_> = Axis {
    label: "ms",
    scale: Scale::Log,
};
const SECONDS: Axis<'_> = Axis {
    label: "s",
    scale: Scale::Linear,
};

fn plots(targets: &[TargetRounds]) -> Vec<Plot<'static>> {
    let over_time = |title, y, value: fn(&crate::recorder::Interval) -> f64| Plot {
        title,
        x: SECONDS,
        y,
        lines: targets
            .iter()
            .filter_map(|target| {
                // Of several rounds, the last: one after the other they would hide each other.
                let round = target.rounds.last()?;
                let points = round.timeline.iter();
                Some(Line {
                    name: target.name.clone(),
                    points: points.map(|it| (it.at_seconds, value(it))).collect(),
                })
            })
            .collect(),
        shaded: faults(targets),
    };
    let records = Axis {
        label: "records/s",
        scale: Scale::Linear,
    };
    vec![
        percentiles("Produce latency by percentile", targets, |it| {
            it.produce.latency.as_ref()
        }),
        percentiles("End-to-end latency by percentile", targets, |it| {
            it.end_to_end.as_ref()
        }),
        over_time("Records acknowledged", records, |it| {
            it.records as f64 / it.seconds.max(1e-9)
        }),
        over_time("p99 over time", MILLISECONDS, |it| it.p99_ms),
        over_time("Longest over time", MILLISECONDS, |it| it.max_ms),
    ]
}

/// Of all rounds of a target together: histograms add up, percentiles do not.
fn percentiles(
    title: &'static str,
    targets: &[TargetRounds],
    of: fn(&Round) -> Option<&Latency>,
) -> Plot<'static> {
    let lines = targets.iter().map(|target| {
        let mut all = Latency::default();
        for latency in target.rounds.iter().filter_map(of) {
            all.add(latency);
        }
        Line {
            name: target.name.clone(),
            points: all.distribution(),
        }
    });
    Plot {
        title,
        x: Axis {
            label: "requests answered",
            scale: Scale::Nines,
        },
        y: MILLISECONDS,
        lines: lines.collect(),
        shaded: Vec::new(),
    }
}

/// While a broker was gone, in the rounds that are drawn over time.
fn faults(targets: &[TargetRounds]) -> Vec<(f64, f64)> {
    let rounds = targets.iter().filter_map(|target| target.rounds.last());
    let spans = rounds.filter_map(|round| {
        let fault = round.fault.as_ref()?;
        let end = round
            .timeline
            .last()
            .map_or(fault.at_seconds, |it| it.at_seconds);
        Some((fault.at_seconds, fault.over_at_seconds.unwrap_or(end)))
    });
    spans.collect()
}

/// Throughput against latency, a point for each workload: where a line turns upwards is what a target can bear.
fn knee(series: &[Series]) -> Plot<'static> {
    let mut lines: Vec<Line> = Vec::new();
    for target in series.iter().flat_map(|series| &series.targets) {
        let Some(point) = target.rounds.last().and_then(|round| {
            let latency = round.produce.latency.as_ref()?;
            Some((round.produce.records_per_second, latency.at(0.99)))
        }) else {
            continue;
        };
        match lines.iter_mut().find(|line| line.name == target.name) {
            Some(line) => line.points.push(point),
            None => lines.push(Line {
                name: target.name.clone(),
                points: vec![point],
            }),
        }
    }
    for line in &mut lines {
        line.points.sort_by(|one, other| one.0.total_cmp(&other.0));
    }
    Plot {
        title: "Throughput and p99",
        x: Axis {
            label: "records/s",
            scale: Scale::Linear,
        },
        y: MILLISECONDS,
        lines,
        shaded: Vec::new(),
    }
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for it in text.chars() {
        match it {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '"' => out.push_str("&quot;"),
            it => out.push(it),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::environment::Environment;
    use crate::recorder::Interval;
    use crate::round::Flow;
    use crate::workload::Workload;

    fn saved() -> Saved {
        let mut latency = Latency::default();
        for ms in 1..=1_000 {
            latency.record(Duration::from_millis(ms));
        }
        let timeline = (1..=10).map(|second| Interval {
            at_seconds: f64::from(second),
            seconds: 1.0,
            records: 100,
            bytes: 1_000,
            p50_ms: 1.0,
            p99_ms: 2.0,
            max_ms: 3.0,
        });
        let round = Round {
            produce: Flow::new(1_000, 10_000, 10.0, Some(latency)),
            timeline: timeline.collect(),
            ended_by: Some("interrupted".to_owned()),
            ..Round::default()
        };
        let mut saved = Saved::begin(Environment::default());
        saved.series.push(Series {
            workload: Workload {
                name: "<script>".to_owned(),
                ..Workload::default()
            },
            targets: vec![TargetRounds {
                name: "a & b".to_owned(),
                rounds: vec![round],
            }],
        });
        saved
    }

    #[test]
    fn a_page_needs_nothing_from_elsewhere() {
        let page = page(&saved());
        assert!(!page.contains("<script"), "there are no programs in it");
        assert!(page.contains("&lt;script&gt;") && page.contains("a &amp; b"));
        for elsewhere in ["src=", "href=", "@import", "url("] {
            assert!(!page.contains(elsewhere), "{elsewhere}");
        }
        assert!(page.contains("is partial: interrupted"));
        // By percentile, records, p99 and longest; nothing was measured from end to end.
        assert_eq!(page.matches("<svg").count(), 4);
    }

    #[test]
    fn several_workloads_have_a_plot_together() {
        let mut saved = saved();
        saved.series.push(saved.series[0].clone());
        assert_eq!(page(&saved).matches("<svg").count(), 1 + 2 * 4);
        assert_eq!(knee(&saved.series).lines[0].points.len(), 2);
    }
}
