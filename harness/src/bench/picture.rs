//! The growth as a picture: time per scenario over their number.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::{GROWTH, JOBS, Row};

/// Draws the growth rows as SVG.
///
/// # Errors
/// The rows are not all there.
pub fn growth(rows: &[Row], kernel: &str) -> Result<String> {
    let mut svg = String::new();
    draw(&mut svg, rows, kernel).map_err(|error| anyhow!("draw the growth: {error}"))?;
    Ok(svg)
}

type Error = Box<dyn std::error::Error>;

fn draw(svg: &mut String, rows: &[Row], kernel: &str) -> Result<(), Error> {
    let ratio = |scenarios: usize, jobs: usize| {
        let name = format!("growth_{scenarios}_jobs_{jobs}");
        rows.iter()
            .find(|row| row.name == name)
            .map(|row| row.ratio)
            .ok_or(format!("no row `{name}`"))
    };
    let area = SVGBackend::with_string(svg, (640, 400)).into_drawing_area();
    area.fill(&WHITE)?;
    let most = rows
        .iter()
        .filter(|row| row.name.starts_with("growth"))
        .map(|row| row.ratio);
    let top = most.fold(0.0, f64::max) * 1.2;
    let last = GROWTH[GROWTH.len() - 1] as f64;
    let mut chart = ChartBuilder::on(&area)
        .caption(format!("Time per scenario on {kernel}"), ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(40)
        .y_label_area_size(55)
        .build_cartesian_2d(0.0..last, 0.0..top)?;
    chart
        .configure_mesh()
        .x_desc("scenarios in one run")
        .y_desc("bare boots")
        .light_line_style(TRANSPARENT)
        .draw()?;
    for (place, jobs) in JOBS.into_iter().enumerate() {
        let points = GROWTH
            .into_iter()
            .map(|scenarios| Ok((scenarios as f64, ratio(scenarios, jobs)?)))
            .collect::<Result<Vec<(f64, f64)>, String>>()?;
        let colour = Palette99::pick(place).stroke_width(2);
        chart
            .draw_series(LineSeries::new(points, colour).point_size(3))?
            .label(format!("{jobs} at once"))
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
    fn a_picture_has_a_line_for_each_number_of_jobs() {
        let names = JOBS
            .iter()
            .flat_map(|jobs| GROWTH.map(|n| format!("growth_{n}_jobs_{jobs}")));
        let row = |name| Row {
            name,
            scenarios: 1,
            ratio: 0.4,
            ms: vec![1.0],
        };
        let svg = growth(&names.map(row).collect::<Vec<_>>(), "6.11").unwrap();
        assert!(
            svg.contains("1 at once") && svg.contains("2 at once"),
            "{svg}"
        );
        assert!(growth(&[], "6.11").is_err());
    }
}
