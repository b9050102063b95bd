//! Measured values as a picture: lines over a number, or parts of a whole.

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

/// Draws the parts of a whole, each with its name, as SVG: one above the other, the first at the
/// top, as they are listed.
///
/// # Errors
/// The library cannot draw it.
pub fn draw_parts(caption: &str, unit: &str, parts: &[(&str, f64)]) -> Result<String> {
    let mut svg = String::new();
    draw_parts_to(&mut svg, caption, unit, parts)
        .map_err(|error| anyhow!("draw a picture: {error}"))?;
    Ok(svg)
}

type Error = Box<dyn std::error::Error>;

fn draw_parts_to(
    svg: &mut String,
    caption: &str,
    unit: &str,
    parts: &[(&str, f64)],
) -> Result<(), Error> {
    let whole: f64 = parts.iter().map(|(_, part)| part).sum();
    let area = SVGBackend::with_string(svg, (640, 480)).into_drawing_area();
    area.fill(&WHITE)?;
    let mut chart = ChartBuilder::on(&area)
        .caption(caption, ("sans-serif", 18))
        .margin(12)
        .y_label_area_size(55)
        .build_cartesian_2d(0.0..3.0, whole..0.0)?;
    let mut mesh = chart.configure_mesh();
    mesh.y_desc(unit).disable_x_axis().disable_mesh().draw()?;
    let mut top = 0.0;
    for (place, (name, part)) in parts.iter().enumerate() {
        let bar = Rectangle::new(
            [(0.0, top), (1.0, top + part)],
            Palette99::pick(place).filled(),
        );
        top += part;
        chart
            .draw_series([bar])?
            .label(format!("{part:.0} {name}"))
            .legend(move |(x, y)| {
                Rectangle::new(
                    [(x, y - 4), (x + 12, y + 4)],
                    Palette99::pick(place).filled(),
                )
            });
    }
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::UpperRight)
        .draw()?;
    area.present()?;
    Ok(())
}

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
    fn a_picture_names_the_parts_of_a_whole() {
        let svg = draw_parts("Phases", "ms", &[("restore", 61.4), ("load", 140.7)]).unwrap();
        for text in ["Phases", "ms", "61 restore", "141 load"] {
            assert!(svg.contains(text), "{text}: {svg}");
        }
    }

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
