//! Measured values as a picture: lines over a number.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

/// A picture of lines.
pub struct Picture {
    /// What stands above it.
    pub caption: String,
    /// What the horizontal axis counts.
    pub x: &'static str,
    /// What the vertical axis counts.
    pub y: &'static str,
    /// The lines, of at least a point each.
    pub lines: Vec<Line>,
}

/// One line of a picture.
pub struct Line {
    /// What it is of.
    pub label: String,
    /// Its points, from left to right.
    pub points: Vec<(f64, f64)>,
}

/// Draws it as SVG.
///
/// # Errors
/// The library cannot draw it.
pub fn draw(picture: &Picture) -> Result<String> {
    let mut svg = String::new();
    draw_to(&mut svg, picture).map_err(|error| anyhow!("draw a picture: {error}"))?;
    Ok(svg)
}

type Error = Box<dyn std::error::Error>;

fn draw_to(svg: &mut String, picture: &Picture) -> Result<(), Error> {
    let points = || picture.lines.iter().flat_map(|line| &line.points);
    let right = points().map(|point| point.0).fold(0.0, f64::max);
    let top = points().map(|point| point.1).fold(0.0, f64::max) * 1.2;
    let area = SVGBackend::with_string(svg, (640, 400)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(&picture.caption, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(55)
        .build_cartesian_2d(0.0..right, 0.0..top)?;
    chart
        .configure_mesh()
        .x_desc(picture.x)
        .y_desc(picture.y)
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (place, line) in picture.lines.iter().enumerate() {
        let colour = Palette99::pick(place).stroke_width(2);
        let points = line.points.iter().copied();
        chart
            .draw_series(LineSeries::new(points, colour).point_size(3))?
            .label(&line.label)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour));
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .border_style(BLACK)
        .background_style(WHITE)
        .draw()?;
    area.present()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_names_its_lines_and_axes() {
        let line = |label: &str| Line {
            label: label.to_owned(),
            points: vec![(1.0, 0.5), (10.0, 0.4)],
        };
        let svg = draw(&Picture {
            caption: "Growth".to_owned(),
            x: "scenarios",
            y: "bare boots",
            lines: vec![line("1 at once"), line("2 at once")],
        });
        let svg = svg.unwrap();
        for text in [
            "Growth",
            "scenarios",
            "bare boots",
            "1 at once",
            "2 at once",
        ] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
    }
}
