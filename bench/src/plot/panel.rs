//! One chart: lines over logarithmic axes, with a grid of decades and a name at the end of each line.

use plotters::chart::ChartContext;
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Area, Drawn, INK, PALE_INK};

/// A line.
pub struct Line<'p> {
    /// Where it ends.
    pub name: &'p str,
    /// Its colour and that of its name.
    pub color: RGBColor,
    /// Drawn thicker, on top.
    pub is_ours: bool,
    /// Size and nanoseconds.
    pub points: Vec<(f64, f64)>,
}

/// A chart.
pub struct Panel<'p> {
    /// Above it.
    pub title: &'p str,
    /// What is counted along the horizontal axis.
    pub across: &'p str,
    /// Ours first.
    pub lines: Vec<Line<'p>>,
}

const GRID: RGBColor = RGBColor(226, 226, 230);
/// Room around the lines: above, below, left, and right for the names.
const ABOVE: u32 = 34;
const BELOW: u32 = 46;
const LEFT: u32 = 64;
const RIGHT: u32 = 150;
/// Names are at least so far apart.
const NAME_HEIGHT: i32 = 17;

type Chart<'c, 'a> = ChartContext<'c, SVGBackend<'a>, Cartesian2d<RangedCoordf64, RangedCoordf64>>;

impl Panel<'_> {
    /// Draws it. Coordinates are logarithms to base ten.
    pub fn draw(&self, area: &Area<'_>) -> Drawn {
        let logs: Vec<_> = self.lines.iter().flat_map(Line::logs).collect();
        if logs.is_empty() {
            return Ok(());
        }
        let bounds = |of: fn(&(f64, f64)) -> f64| {
            logs.iter().map(of).fold((f64::MAX, f64::MIN), |(low, high), one| (low.min(one), high.max(one)))
        };
        let ((left, right), (bottom, top)) = (bounds(|point| point.0), bounds(|point| point.1));
        let (bottom, top) = (bottom.floor(), top.ceil().max(bottom.floor() + 1.0));
        let title = ("sans-serif", 15).into_font().style(FontStyle::Bold).color(&INK);
        area.draw(&Text::new(self.title, (LEFT as i32, 6), title))?;
        let mut chart = ChartBuilder::on(area)
            .margin_top(ABOVE)
            .margin_bottom(BELOW)
            .margin_left(LEFT)
            .margin_right(RIGHT)
            .build_cartesian_2d(left - 0.12..right + 0.12, bottom..top)?;
        self.grid(area, &mut chart, (left.round() as i32, right.round() as i32), (bottom as i32, top as i32))?;
        for line in self.lines.iter().rev() {
            let width = if line.is_ours { 3 } else { 2 };
            let style = line.color.stroke_width(width);
            chart.draw_series([PathElement::new(line.logs().collect::<Vec<_>>(), style)])?;
            chart.draw_series(line.logs().map(|point| Circle::new(point, width + 1, line.color.filled())))?;
        }
        self.names(area, &chart)
    }

    /// Lines at powers of ten, with what they stand for.
    fn grid(&self, area: &Area<'_>, chart: &mut Chart<'_, '_>, across: (i32, i32), up: (i32, i32)) -> Drawn {
        let (x, y) = (chart.x_range(), chart.y_range());
        let words = ("sans-serif", 12).into_font().color(&PALE_INK);
        let place = |chart: &Chart<'_, '_>, at: (f64, f64)| {
            let ((x, y), (left, top)) = (chart.backend_coord(&at), area.get_base_pixel());
            (x - left, y - top)
        };
        for power in up.0..=up.1 {
            let level = f64::from(power);
            chart.draw_series([PathElement::new(vec![(x.start, level), (x.end, level)], GRID.stroke_width(1))])?;
            let (left, y) = place(chart, (x.start, level));
            let style = words.pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(duration(power), (left - 8, y), style))?;
        }
        for power in across.0..=across.1 {
            let (x, bottom) = place(chart, (f64::from(power), y.start));
            let style = words.pos(Pos::new(HPos::Center, VPos::Top));
            area.draw(&Text::new(count(power), (x, bottom + 8), style))?;
        }
        let ((left, bottom), (right, _)) = (place(chart, (x.start, y.start)), place(chart, (x.end, y.start)));
        let style = words.pos(Pos::new(HPos::Center, VPos::Top));
        area.draw(&Text::new(self.across, ((left + right) / 2, bottom + 27), style))
    }

    /// Each line's name beside its end, none over another.
    fn names(&self, area: &Area<'_>, chart: &Chart<'_, '_>) -> Drawn {
        let (left, top) = area.get_base_pixel();
        let ends = self.lines.iter().filter_map(|line| Some((line, chart.backend_coord(&line.logs().last()?))));
        let mut ends: Vec<_> = ends.map(|(line, (x, y))| (line, x - left, y - top)).collect();
        ends.sort_by_key(|(_, _, y)| std::cmp::Reverse(*y));
        let mut below = i32::MAX;
        for (line, x, y) in ends {
            let y = y.min(below.saturating_sub(NAME_HEIGHT));
            below = y;
            let weight = if line.is_ours { FontStyle::Bold } else { FontStyle::Normal };
            let style = ("sans-serif", 13).into_font().style(weight).color(&line.color);
            let style = style.pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(line.name, (x + 10, y), style))?;
        }
        Ok(())
    }
}

impl Line<'_> {
    fn logs(&self) -> impl Iterator<Item = (f64, f64)> + '_ {
        self.points.iter().map(|(x, y)| (x.log10(), y.log10()))
    }
}

/// So many nanoseconds, a power of ten.
fn duration(power: i32) -> String {
    let unit = ["ns", "µs", "ms", "s"][(power / 3).clamp(0, 3) as usize];
    format!("{} {unit}", 10_i64.pow((power - 3 * (power / 3).clamp(0, 3)).max(0) as u32))
}

/// A power of ten, with commas.
fn count(power: i32) -> String {
    let digits = 10_i64.pow(power.max(0) as u32).to_string();
    let groups: Vec<_> = digits.as_bytes().rchunks(3).rev().map(String::from_utf8_lossy).collect();
    groups.join(",")
}
