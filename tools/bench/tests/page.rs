//! The page of a run in a real browser: it is laid out, its plots are there, and nothing of them is cut off.
//!
//! It needs Chromium; where there is none, the test says so, and fails if `CI` is set.

use std::process::Command;
use std::time::Duration;

use bench::environment::Environment;
use bench::latency::Latency;
use bench::recorder::Interval;
use bench::report::html::page;
use bench::round::{Flow, Round};
use bench::saved::{Saved, Series, TargetRounds};
use bench::workload::Workload;

/// What a browser is asked: of each plot its size, and how many of its texts and lines reach beyond it.
const QUESTION: &str = r#"<script>
const answers = [...document.querySelectorAll("svg")].map(svg => {
    const frame = svg.getBoundingClientRect();
    const beyond = [...svg.querySelectorAll("text, polyline")].filter(it => {
        const own = it.getBoundingClientRect();
        return own.left < frame.left - 1 || own.right > frame.right + 1
            || own.top < frame.top - 1 || own.bottom > frame.bottom + 1;
    });
    const words = beyond.map(it => it.textContent || it.tagName).join(" ");
    return `${Math.round(frame.width)}x${Math.round(frame.height)}:${words}`;
});
document.body.replaceChildren(document.createTextNode("answers " + answers.join("|") + " end"));
</script>"#;

fn round(fastest_ms: u64, records: u64) -> Round {
    let mut latency = Latency::default();
    for number in 0..100_000 {
        latency.record(Duration::from_micros(
            fastest_ms * 1_000 + number * number / 50_000,
        ));
    }
    let timeline = (1..=60_u32).map(|second| Interval {
        at_seconds: f64::from(second),
        seconds: 1.0,
        records: records + u64::from(second % 7) * records / 50,
        bytes: records * 1_024,
        p50_ms: fastest_ms as f64,
        p99_ms: fastest_ms as f64 * f64::from(1 + second % 5),
        max_ms: fastest_ms as f64 * f64::from(2 + second % 9) * 10.0,
    });
    Round {
        produce: Flow::new(
            records * 60,
            records * 60 * 1_024,
            60.0,
            Some(latency.clone()),
        ),
        end_to_end: Some(latency),
        timeline: timeline.collect(),
        ..Round::default()
    }
}

fn saved() -> Saved {
    let mut saved = Saved::begin(Environment::default());
    for (name, records) in [("rate=1k", 1_000), ("rate=1M", 1_000_000)] {
        let target = |name: &str, fastest_ms| TargetRounds {
            name: name.to_owned(),
            rounds: vec![round(fastest_ms, records)],
        };
        saved.series.push(Series {
            workload: Workload {
                name: name.to_owned(),
                ..Workload::default()
            },
            targets: vec![target("holdfast", 1), target("apache", 300)],
        });
    }
    saved
}

/// Chromium, under either of its names.
fn browser() -> Option<&'static str> {
    let is_there = |name: &&str| {
        let version = Command::new(name).arg("--version").output();
        version.is_ok_and(|output| output.status.success())
    };
    ["chromium", "chromium-browser"].into_iter().find(is_there)
}

#[test]
fn a_browser_lays_the_page_out() {
    let Some(browser) = browser() else {
        assert!(std::env::var_os("CI").is_none(), "there is no Chromium");
        eprintln!("there is no Chromium: the page is not looked at");
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("run.html");
    let asked = page(&saved()).replace("</body>", &format!("{QUESTION}</body>"));
    std::fs::write(&file, asked).unwrap();
    let output = Command::new(browser)
        .args([
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--dump-dom",
            "--window-size=1200,1000",
        ])
        .args(["--no-first-run", "--disable-background-networking"])
        .args([
            "--disable-component-update",
            "--disable-sync",
            "--disable-quic",
        ])
        .arg(format!(
            "--user-data-dir={}",
            directory.path().join("user").display()
        ))
        .arg(format!("file://{}", file.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout);
    let answers = dom
        .split("answers ")
        .nth(1)
        .and_then(|it| it.split(" end").next());
    let answers = answers.unwrap_or_else(|| panic!("{dom}\n{output:?}"));
    let answers: Vec<&str> = answers.split('|').collect();
    // One of all workloads together, and five of each.
    assert_eq!(answers.len(), 1 + 2 * 5, "{answers:?}");
    for answer in answers {
        let (size, beyond) = answer.split_once(':').unwrap();
        assert_eq!(size, "760x340");
        assert_eq!(beyond, "", "reaches beyond its plot");
    }
}
