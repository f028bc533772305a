//! A line chart as SVG, drawn by hand: so that its colours follow the reader's light or dark
//! scheme, and every line is named where it ends.

use std::fmt::Write as _;

use crate::results::Spread;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 372.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 196.0;
const TOP: f64 = 62.0;
const BOTTOM: f64 = 48.0;
/// Between the names of two lines.
const LEADING: f64 = 16.0;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scale {
    /// From zero.
    Linear,
    Log,
}

pub(crate) struct Line {
    pub(crate) name: String,
    pub(crate) look: Look,
    /// A point an x, where there is one.
    pub(crate) points: Vec<Option<Spread>>,
}

pub(crate) struct Chart {
    /// Its file's name.
    pub(crate) id: &'static str,
    pub(crate) title: String,
    pub(crate) subtitle: String,
    pub(crate) x_axis: String,
    pub(crate) x: Vec<String>,
    /// After so many x there are more threads than cores.
    pub(crate) crowded_after: Option<usize>,
    pub(crate) scale: Scale,
    /// How a figure reads on the axis.
    pub(crate) figure: fn(f64) -> String,
    pub(crate) lines: Vec<Line>,
}

/// How a contestant looks, in every chart.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    /// One of the colours of [`STYLE`].
    pub(crate) colour: &'static str,
    pub(crate) dashed: bool,
    pub(crate) mark: Mark,
}

#[derive(Clone, Copy)]
pub(crate) enum Mark {
    Circle,
    Square,
    Triangle,
    Diamond,
}

/// The colours, light and dark. They differ in lightness too, for readers who do not tell
/// the hues apart.
pub(crate) const STYLE: &str = "\
.chart{--page:#fff;--ink:#1c2430;--soft:#5b6675;--rule:#e2e6eb;\
--us:#0b62c4;--us2:#4fa3e3;--std:#c8410b;--lot:#e39a06;--old:#9b2c7c;\
--green:#0c8a5f;--brown:#8a5a2b;--teal:#128a99;--violet:#6a4fc0;--grey:#76808d;\
font-family:system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif}\
@media(prefers-color-scheme:dark){.chart{--page:#12171e;--ink:#e8ecf1;--soft:#a0abb8;\
--rule:#2a323d;--us:#5aa9ff;--us2:#a5d3ff;--std:#ff8a5c;--lot:#f5c04a;--old:#e48ac9;\
--green:#4fd1a0;--brown:#d0a172;--teal:#5ccbd8;--violet:#b3a1ff;--grey:#8c97a5}}\
.chart text{fill:var(--soft);font-size:12px}\
.chart .title{fill:var(--ink);font-size:16px;font-weight:650}\
.chart .name{font-size:12.5px;font-weight:600}\
.chart .rule{stroke:var(--rule);stroke-width:1}\
.chart .base{stroke:var(--soft);stroke-width:1}\
.chart .line{fill:none;stroke-width:2;stroke-linejoin:round}\
.chart .ours{stroke-width:3.2}\
.chart .spread{stroke-width:1.4;opacity:.55}\
.chart .dashed{stroke-dasharray:5 4}\
.chart .page{fill:var(--page)}";

impl Chart {
    /// As an element of a page that has [`STYLE`].
    pub(crate) fn inline(&self) -> String {
        self.svg("", "")
    }

    /// As a file of its own.
    pub(crate) fn file(&self) -> String {
        let style = format!("<style>{STYLE}</style>");
        self.svg(" xmlns=\"http://www.w3.org/2000/svg\"", &style) + "\n"
    }

    fn svg(&self, attributes: &str, style: &str) -> String {
        let mut svg = format!(
            "<svg{attributes} class=\"chart\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             aria-label=\"{}\">{style}<rect class=\"page\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>",
            escape(&self.title)
        );
        text(&mut svg, "title", "start", (12.0, 24.0), &self.title);
        text(&mut svg, "", "start", (12.0, 43.0), &self.subtitle);
        let axis = self.axis();
        self.draw_axes(&mut svg, &axis);
        // The first line is the one that matters: it is drawn over the others.
        for line in self.lines.iter().rev() {
            self.draw_line(&mut svg, &axis, line);
        }
        self.draw_names(&mut svg, &axis);
        svg + "</svg>"
    }

    fn axis(&self) -> Axis {
        let spreads = || {
            self.lines
                .iter()
                .flat_map(|line| line.points.iter().flatten())
        };
        let highest = spreads()
            .map(|point| point.high.max(point.median))
            .fold(0.0, f64::max);
        let lowest = spreads().map(|point| point.median).fold(f64::MAX, f64::min);
        match self.scale {
            Scale::Linear => Axis::linear(highest),
            Scale::Log => Axis::log(lowest, highest),
        }
    }

    fn x(&self, index: usize) -> f64 {
        let step = (WIDTH - LEFT - RIGHT) / self.x.len() as f64;
        LEFT + step * (index as f64 + 0.5)
    }

    fn draw_axes(&self, svg: &mut String, axis: &Axis) {
        let (right, bottom) = (WIDTH - RIGHT, HEIGHT - BOTTOM);
        for &tick in &axis.ticks {
            let y = axis.y(tick);
            let class = if y > bottom - 0.5 { "base" } else { "rule" };
            let _ = write!(
                svg,
                "<line class=\"{class}\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{y:.1}\" y2=\"{y:.1}\"/>"
            );
            text(svg, "", "end", (LEFT - 7.0, y + 4.0), &(self.figure)(tick));
        }
        for (index, label) in self.x.iter().enumerate() {
            text(svg, "", "middle", (self.x(index), bottom + 18.0), label);
        }
        let middle = (LEFT + right) / 2.0;
        text(svg, "", "middle", (middle, HEIGHT - 10.0), &self.x_axis);
        if let Some(after) = self.crowded_after {
            let x = (self.x(after - 1) + self.x(after)) / 2.0;
            let _ = write!(
                svg,
                "<line class=\"rule dashed\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{TOP}\" y2=\"{bottom}\"/>"
            );
            text(
                svg,
                "",
                "start",
                (x + 5.0, TOP - 3.0),
                "more threads than cores",
            );
        }
    }

    fn draw_line(&self, svg: &mut String, axis: &Axis, line: &Line) {
        let colour = format!("var(--{})", line.look.colour);
        let points = || {
            let points = line.points.iter().enumerate();
            points.filter_map(|(index, point)| Some((index, (*point)?)))
        };
        for (index, point) in points() {
            let (x, low, high) = (self.x(index), axis.y(point.low), axis.y(point.high));
            let _ = write!(
                svg,
                "<line class=\"spread\" x1=\"{x:.1}\" x2=\"{x:.1}\" y1=\"{low:.1}\" y2=\"{high:.1}\" \
                 stroke=\"{colour}\"/>"
            );
        }
        let path: Vec<String> = points()
            .map(|(index, point)| format!("{:.1},{:.1}", self.x(index), axis.y(point.median)))
            .collect();
        let mut class = String::from("line");
        if line.look.colour.starts_with("us") {
            class += " ours";
        }
        if line.look.dashed {
            class += " dashed";
        }
        let path = path.join(" ");
        let _ = write!(
            svg,
            "<polyline class=\"{class}\" stroke=\"{colour}\" points=\"{path}\"/>"
        );
        for (index, point) in points() {
            let (x, y) = (self.x(index), axis.y(point.median));
            let shape = match line.look.mark {
                Mark::Circle => format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"4\""),
                Mark::Square => {
                    polygon(x, y, &[(-3.5, -3.5), (3.5, -3.5), (3.5, 3.5), (-3.5, 3.5)])
                }
                Mark::Triangle => polygon(x, y, &[(0.0, -4.8), (4.6, 3.4), (-4.6, 3.4)]),
                Mark::Diamond => polygon(x, y, &[(0.0, -5.0), (5.0, 0.0), (0.0, 5.0), (-5.0, 0.0)]),
            };
            let figure = |value| (self.figure)(value);
            let title = format!(
                "{}, {}: {} ({} to {})",
                line.name,
                self.x[index],
                figure(point.median),
                figure(point.low),
                figure(point.high)
            );
            let _ = write!(
                svg,
                "{shape} fill=\"{colour}\"><title>{}</title></{}>",
                escape(&title),
                if shape.starts_with("<circle") {
                    "circle"
                } else {
                    "polygon"
                }
            );
        }
    }

    /// Each line's name where it ends, moved up or down where two would meet.
    fn draw_names(&self, svg: &mut String, axis: &Axis) {
        let mut names: Vec<(f64, f64, &Line)> = self
            .lines
            .iter()
            .filter_map(|line| {
                let end = line.points.iter().rev().flatten().next()?;
                let y = axis.y(end.median);
                Some((y, y, line))
            })
            .collect();
        names.sort_by(|a, b| a.0.total_cmp(&b.0));
        for index in 1..names.len() {
            names[index].1 = names[index].1.max(names[index - 1].1 + LEADING);
        }
        // Pushed past the bottom: back up.
        let mut floor = HEIGHT - BOTTOM + 4.0;
        for name in names.iter_mut().rev() {
            name.1 = name.1.min(floor);
            floor = name.1 - LEADING;
        }
        let end = self.x(self.x.len() - 1);
        let from = WIDTH - RIGHT + 4.0;
        for (y, label_y, line) in names {
            let colour = line.look.colour;
            let _ = write!(
                svg,
                "<path d=\"M{:.1} {y:.1} L{from:.1} {label_y:.1}\" stroke=\"var(--{colour})\" \
                 fill=\"none\" opacity=\".45\"/>",
                end + 6.0
            );
            let _ = write!(
                svg,
                "<text class=\"name\" style=\"fill:var(--{colour})\" x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                from + 5.0,
                label_y + 4.0,
                escape(&line.name)
            );
        }
    }
}

struct Axis {
    scale: Scale,
    from: f64,
    to: f64,
    ticks: Vec<f64>,
}

impl Axis {
    fn linear(highest: f64) -> Self {
        let highest = if highest > 0.0 { highest } else { 1.0 };
        let decade = 10_f64.powf((highest / 5.0).log10().floor());
        let fits = |step: &f64| highest / step <= 6.0;
        let steps = [1.0, 2.0, 5.0, 10.0].map(|step| step * decade);
        let step = steps.into_iter().find(fits).unwrap_or(10.0 * decade);
        let count = (highest / step).ceil().max(1.0);
        Self {
            scale: Scale::Linear,
            from: 0.0,
            to: count * step,
            ticks: (0..=count as u32).map(|n| f64::from(n) * step).collect(),
        }
    }

    fn log(lowest: f64, highest: f64) -> Self {
        let from = lowest.max(1e-3).log10().floor() as i32;
        let to = (highest.max(1e-3).log10().ceil() as i32).max(from + 1);
        Self {
            scale: Scale::Log,
            from: f64::from(from),
            to: f64::from(to),
            ticks: (from..=to).map(|power| 10_f64.powi(power)).collect(),
        }
    }

    fn y(&self, value: f64) -> f64 {
        let value = match self.scale {
            Scale::Linear => value,
            Scale::Log => value.max(1e-9).log10(),
        };
        let part = ((value - self.from) / (self.to - self.from)).clamp(0.0, 1.0);
        (HEIGHT - BOTTOM) - part * (HEIGHT - BOTTOM - TOP)
    }
}

fn polygon(x: f64, y: f64, corners: &[(f64, f64)]) -> String {
    let corners: Vec<String> = corners
        .iter()
        .map(|(right, down)| format!("{:.1},{:.1}", x + right, y + down))
        .collect();
    format!("<polygon points=\"{}\"", corners.join(" "))
}

fn text(svg: &mut String, class: &str, anchor: &str, (x, y): (f64, f64), content: &str) {
    let _ = write!(
        svg,
        "<text class=\"{class}\" text-anchor=\"{anchor}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
        escape(content)
    );
}

pub(crate) fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}
