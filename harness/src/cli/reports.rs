//! How `kassay run` tells what it comes to: on stdout, and in reports.

use std::cell::RefCell;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, ValueEnum};

use super::error::{Error, Result};
use super::print;
use super::run::show;
use crate::outcome::Outcome;
use crate::progress;
use crate::report::place::Place;
use crate::report::test_run::{Foot, RunFormat, TestRun};
use crate::report::{Format, github, html, json, pretty};
use crate::shard::Part;

/// How results are told.
#[derive(Args)]
pub struct ReportArgs {
    /// How results are written to stdout
    #[arg(long, value_enum, default_value_t)]
    format: RunFormat,
    /// Write a report as well, in one of the formats of --format, to a file, or of `html` to a
    /// folder; may be given several times
    #[arg(long, value_name = "FORMAT=PATH",
        value_parser = OsStringValueParser::new().try_map(|text| asked(&text)))]
    report: Vec<(RunFormat, PathBuf)>,
}

/// The format and the path of a report.
fn asked(text: &OsString) -> Result<(RunFormat, PathBuf), String> {
    let names: Vec<String> = RunFormat::value_variants()
        .iter()
        .filter_map(|format| Some(format.to_possible_value()?.get_name().to_owned()))
        .collect();
    let names = names.join(", ");
    let bytes = text.as_bytes();
    let Some(at) = bytes.iter().position(|byte| *byte == b'=') else {
        return Err(format!("say FORMAT=PATH, with a format of: {names}"));
    };
    let name = String::from_utf8_lossy(&bytes[..at]);
    let format = RunFormat::from_str(&name, false)
        .map_err(|_| format!("there is no format `{name}`; there are {names}"))?;
    match &bytes[at + 1..] {
        [] => Err(format!("say where to, as in `{name}=PATH`")),
        path => Ok((format, OsString::from_vec(path.to_vec()).into())),
    }
}

impl ReportArgs {
    /// Begins to tell, once it is seen that every report can be written, and in the place of none of
    /// these files.
    ///
    /// # Errors
    /// A slip where one cannot.
    pub fn begin(&self, spared: &[PathBuf]) -> Result<Teller<'_>> {
        let begin = || {
            let place =
                |(format, path): &(RunFormat, PathBuf)| Place::of(path, *format == RunFormat::Html);
            let places = self.report.iter().map(place);
            let places = places.collect::<anyhow::Result<Vec<_>>>()?;
            Place::check_apart(&places)?;
            places.iter().try_for_each(|place| place.spares(spared))?;
            places.iter().try_for_each(Place::prepare)?;
            if self.has(RunFormat::Github) {
                github::check_summary()?;
            }
            Ok(places)
        };
        // Whatever is wrong with a place, the user named it.
        let slip = |error: anyhow::Error| Error::Slip(format!("{error:#}"));
        Ok(Teller {
            args: self,
            places: begin().map_err(slip)?,
            told: pretty::Told::default(),
            ended: RefCell::default(),
        })
    }

    /// The format where each run is told by itself, and no report is made of them all.
    ///
    /// # Errors
    /// A slip where another one was asked for.
    pub fn by_run(&self) -> Result<Format> {
        match self.format {
            RunFormat::Pretty => Ok(Format::Pretty),
            RunFormat::Json => Ok(Format::Json),
            _ => Err(Error::Slip(
                "`--repeat` and `--until-fail` are told in the formats `pretty` and `json`"
                    .to_owned(),
            )),
        }
    }

    fn has(&self, format: RunFormat) -> bool {
        self.format == format || self.report.iter().any(|(other, _)| *other == format)
    }
}

/// Who tells what a run comes to.
pub struct Teller<'a> {
    args: &'a ReportArgs,
    places: Vec<Place>,
    told: pretty::Told,
    ended: RefCell<Vec<Outcome>>,
}

impl Teller<'_> {
    /// Tells of a case that has ended.
    ///
    /// # Errors
    /// stdout cannot be written.
    pub fn case(&self, outcome: &Outcome) -> anyhow::Result<()> {
        self.ended.borrow_mut().push(outcome.clone());
        match self.args.format {
            RunFormat::Pretty => show(&self.told, outcome),
            RunFormat::Json => print(&json::line(outcome)),
            RunFormat::Github => print(&github::case(outcome)),
            _ => Ok(()),
        }
    }

    /// Tells of the whole run, of which so many cases were chosen, and writes the reports. Where it
    /// was stopped, it did not come to its end. `part` is the shard that it was, if it was one.
    ///
    /// # Errors
    /// stdout or a report cannot be written.
    pub fn end(
        self,
        chosen: usize,
        foot: Foot,
        stopped: Option<&str>,
        part: Option<&Part>,
    ) -> anyhow::Result<()> {
        let outcomes = self.ended.take();
        let run = TestRun {
            outcomes: &outcomes,
            chosen,
            stopped: stopped.map(str::to_owned),
            foot,
            part,
        };
        keep(&run);
        // One that cannot be written keeps no other from it.
        let reports = self.args.report.iter().zip(&self.places);
        let mut failed: Vec<anyhow::Error> = reports
            .filter_map(|((format, _), place)| write(&run, *format, place).err())
            .collect();
        if self.args.has(RunFormat::Github) {
            failed.extend(github::summarise(&run).err());
        }
        let format = self.args.format;
        if format != RunFormat::Pretty {
            // Of coverage they say nothing: it has files of its own.
            let files = run.foot.coverage.last();
            files.into_iter().for_each(progress::note);
        }
        let printed = match format {
            RunFormat::Pretty if stopped.is_none() => pretty::conclusion(&run),
            RunFormat::Github => Ok(github::conclusion(&run)),
            RunFormat::Json => Ok(json::last(&run).unwrap_or_default()),
            format if format.is_by_case() => Ok(String::new()),
            format => format.text(&run),
        };
        let printed = printed.and_then(|text| match text.trim_end() {
            "" => Ok(()),
            text => print(text),
        });
        failed.extend(printed.err());
        let last = failed.pop();
        failed
            .iter()
            .for_each(|error| progress::note(format!("{error:#}")));
        last.map_or(Ok(()), Err)
    }
}

/// Leaves the page for `kassay open`. A run is what it is without it.
fn keep(run: &TestRun) {
    let place = Place::of(&html::folder(), true);
    let kept = place.and_then(|place| write(run, RunFormat::Html, &place));
    if let Err(error) = kept {
        progress::note(format!("{error:#}"));
    }
}

fn write(run: &TestRun, format: RunFormat, place: &Place) -> anyhow::Result<()> {
    match format {
        RunFormat::Html => place.write_folder(|folder| html::page_with_files(run, folder)),
        format => place.write(&format.text(run)?),
    }
}
