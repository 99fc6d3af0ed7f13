//! Lines over an axis, as SVG that stands in a page by itself.

use plotters::prelude::*;

/// In pixels of the page; a browser makes it smaller where there is no room.
const SIZE: (u32, u32) = (760, 340);
/// Far enough apart for those who see colours differently (Okabe and Ito).
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
/// As many nines as a plot of percentiles shows at most.
const NINES_MAX: f64 = 6.0;

/// How far apart values are drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scale {
    /// As they are.
    Linear,
    /// As their logarithms. What is not positive is left out.
    Log,
    /// Shares of all, as far from the next nine as from the one before: 90 %, 99 %, 99.9 %.
    Nines,
}

/// An axis.
#[derive(Clone, Copy, Debug)]
pub struct Axis<'a> {
    /// What it counts, with its unit.
    pub label: &'a str,
    /// How.
    pub scale: Scale,
}

/// A line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// What the legend calls it.
    pub name: String,
    /// In order.
    pub points: Vec<(f64, f64)>,
}

/// A plot.
#[derive(Clone, Debug)]
pub struct Plot<'a> {
    /// What it shows.
    pub title: &'a str,
    /// From left to right.
    pub x: Axis<'a>,
    /// Upwards.
    pub y: Axis<'a>,
    /// What is drawn.
    pub lines: Vec<Line>,
    /// From where to where something is shaded.
    pub shaded: Vec<(f64, f64)>,
}

impl Scale {
    fn place(self, value: f64) -> Option<f64> {
        let placed = match self {
            Scale::Linear => value,
            Scale::Log if value > 0.0 => value.log10(),
            Scale::Log => return None,
            Scale::Nines => (-(1.0 - value).log10()).min(NINES_MAX),
        };
        placed.is_finite().then_some(placed)
    }

    /// How many labels there are at most: where decades are drawn, one for each.
    fn labels(self, (least, greatest): (f64, f64)) -> usize {
        match self {
            Scale::Log if greatest - least > 1.0 => (greatest - least) as usize + 1,
            _ => 10,
        }
    }

    fn label(self, placed: f64) -> String {
        match self {
            Scale::Linear => short(placed),
            Scale::Log => short(10_f64.powf(placed)),
            Scale::Nines => {
                let percent = 100.0 * (1.0 - 10_f64.powf(-placed));
                // As many digits as there are nines.
                format!(
                    "{percent:.*}%",
                    (placed - 2.0).clamp(0.0, 4.0).ceil() as usize
                )
            }
        }
    }
}

/// Three digits and a unit of thousands.
fn short(value: f64) -> String {
    let (scaled, unit) = match value.abs() {
        size if size >= 1e9 => (value / 1e9, "G"),
        size if size >= 1e6 => (value / 1e6, "M"),
        size if size >= 1e3 => (value / 1e3, "k"),
        _ => (value, ""),
    };
    let digits = match scaled.abs() {
        0.0 => 0,
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        size if size >= 1.0 => 2,
        _ => 3,
    };
    let text = format!("{scaled:.digits$}");
    let text = match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.'),
        false => &text,
    };
    format!("{text}{unit}")
}

impl Plot<'_> {
    /// An `<svg>` element; `None` when there is nothing to draw.
    pub fn svg(&self) -> Option<String> {
        let lines: Vec<(&str, Vec<(f64, f64)>)> = self
            .lines
            .iter()
            .map(|line| (line.name.as_str(), self.placed(&line.points)))
            .filter(|(_, points)| !points.is_empty())
            .collect();
        let all = || lines.iter().flat_map(|(_, points)| points);
        let x = span(all().map(|point| point.0), self.x.scale)?;
        let y = span(all().map(|point| point.1), self.y.scale)?;
        let mut svg = String::new();
        // Nothing can fail that is written to a string; what could is drawn without.
        let drawn = self.draw(&mut svg, &lines, x, y);
        drawn.ok().map(|()| svg)
    }

    fn placed(&self, points: &[(f64, f64)]) -> Vec<(f64, f64)> {
        let placed = points
            .iter()
            .filter_map(|(x, y)| self.x.scale.place(*x).zip(self.y.scale.place(*y)));
        placed.collect()
    }

    fn draw(
        &self,
        svg: &mut String,
        lines: &[(&str, Vec<(f64, f64)>)],
        x: (f64, f64),
        y: (f64, f64),
    ) -> Result<(), Box<dyn std::error::Error>> {
        let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(self.title, ("sans-serif", 16))
            .margin(10)
            // For the end of the last label.
            .margin_right(40)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d(x.0..x.1, y.0..y.1)?;
        let (x_scale, y_scale) = (self.x.scale, self.y.scale);
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .x_desc(self.x.label)
            .y_desc(self.y.label)
            .x_label_formatter(&|placed| x_scale.label(*placed))
            .y_label_formatter(&|placed| y_scale.label(*placed))
            .y_labels(self.y.scale.labels(y))
            .draw()?;
        let shaded = self.shaded.iter().filter_map(|(from, to)| {
            let (from, to) = (x_scale.place(*from)?, x_scale.place(*to)?);
            let corners = [(from.max(x.0), y.0), (to.min(x.1), y.1)];
            Some(Rectangle::new(corners, BLACK.mix(0.08).filled()))
        });
        chart.draw_series(shaded)?;
        for ((name, points), colour) in lines.iter().zip(COLOURS.iter().cycle()) {
            let stroke = colour.stroke_width(2);
            if let [point] = points.as_slice() {
                chart.draw_series([Circle::new(*point, 4, colour.filled())])?;
            }
            chart
                .draw_series(LineSeries::new(points.iter().copied(), stroke))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], stroke));
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(RGBColor(200, 200, 200))
            .draw()?;
        root.present()?;
        Ok(())
    }
}

/// From the least to the greatest, with some room; from zero on where values are drawn as they are.
fn span(values: impl Iterator<Item = f64> + Clone, scale: Scale) -> Option<(f64, f64)> {
    let least = values.clone().min_by(f64::total_cmp)?;
    let greatest = values.max_by(f64::total_cmp)?;
    Some(match scale {
        Scale::Linear => (
            least.min(0.0),
            if greatest > 0.0 { greatest * 1.1 } else { 1.0 },
        ),
        Scale::Log => (least.floor(), (greatest + 0.05).ceil()),
        Scale::Nines => (0.0, greatest.max(1.0)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_labelled_as_people_write_them() {
        assert_eq!(Scale::Linear.label(0.0), "0");
        assert_eq!(Scale::Linear.label(1_500.0), "1.5k");
        assert_eq!(Scale::Linear.label(2_000_000.0), "2M");
        assert_eq!(Scale::Log.label(-1.0), "0.1");
        assert_eq!(Scale::Log.label(2.0), "100");
        let nines = [0.0, 1.0, 2.0, 3.0, 4.0].map(|placed| Scale::Nines.label(placed));
        assert_eq!(nines, ["0%", "90%", "99%", "99.9%", "99.99%"]);
    }

    #[test]
    fn a_plot_has_its_lines_and_says_what_they_are() {
        let line = |name: &str, height: f64| Line {
            name: name.to_owned(),
            points: vec![(0.0, height), (0.99, 2.0 * height), (1.0, 3.0 * height)],
        };
        let plot = Plot {
            title: "latency",
            x: Axis {
                label: "percentile",
                scale: Scale::Nines,
            },
            y: Axis {
                label: "ms",
                scale: Scale::Log,
            },
            lines: vec![line("one", 1.0), line("other <", 10.0)],
            shaded: Vec::new(),
        };
        let svg = plot.svg().unwrap();
        let shaded = Plot {
            shaded: vec![(0.5, 0.9)],
            ..plot.clone()
        };
        let rectangles = |svg: &str| svg.matches("<rect").count();
        let with = shaded.svg().unwrap();
        assert_eq!(rectangles(&with), rectangles(&svg) + 1);
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        assert_eq!(svg.matches("<polyline").count(), 2 + 2 + axes(&svg));
        for text in ["latency", "percentile", "one", "other &lt;", "99%"] {
            assert!(svg.contains(text), "{text}");
        }
        let empty = Plot {
            lines: Vec::new(),
            ..plot
        };
        assert_eq!(empty.svg(), None);
    }

    /// Lines with a thin stroke are axes and the lines of the mesh.
    fn axes(svg: &str) -> usize {
        let lines = svg.matches("<polyline").count();
        lines - svg.matches("stroke-width=\"2\"").count()
    }

    #[test]
    fn what_cannot_be_drawn_is_left_out() {
        let plot = Plot {
            title: "t",
            x: Axis {
                label: "s",
                scale: Scale::Linear,
            },
            y: Axis {
                label: "ms",
                scale: Scale::Log,
            },
            lines: vec![Line {
                name: "it".to_owned(),
                points: vec![(0.0, 0.0), (1.0, f64::NAN), (2.0, 5.0)],
            }],
            shaded: Vec::new(),
        };
        assert!(plot.svg().is_some());
    }
}
