//! `kassay open`: the page of the last run, in a browser.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail};
use clap::Args;

use super::error::{Error, Result};
use super::print;
use crate::plain;
use crate::progress;
use crate::project::Project;
use crate::report::html;
use crate::report::place::PAGE;
use crate::tool::find;

/// The page that leads to a case: of an address, `xdg-open` drops what comes after `#`.
const LEAD: &str = "open.html";

/// The arguments of `kassay open`.
#[derive(Args)]
pub struct OpenArgs {
    /// Go to the case of this name, or else to the first whose KERNEL::SCENARIO contains it;
    /// failures come first
    case: Option<String>,
    /// Only print where the page is
    #[arg(long)]
    print: bool,
}

/// Prints where the page of the last run is, and shows it by a program of `BROWSER`, or else by
/// xdg-open, where there is a display.
///
/// # Errors
/// A slip where no run has left a page, or that has no such case; the page cannot be read, or not
/// be shown.
pub fn run(args: &OpenArgs) -> Result<()> {
    Project::or_here().map_err(Error::slip)?;
    let folder = std::path::absolute(html::folder()).context("find the working directory")?;
    let page = folder.join(PAGE);
    let text = match plain::text(&page, plain::MADE) {
        Err(error) if plain::is_absent(&error) => {
            let page = page.display();
            let why = format!("there is no page of a run, `{page}`: run `kassay run` first");
            return Err(Error::Slip(why));
        }
        text => text.with_context(|| format!("read `{}`", page.display()))?,
    };
    let case = args.case.as_deref().map(|case| found(&text, case));
    let case = case.transpose()?;
    let anchor = case.as_ref().map(|case| format!("#{case}"));
    let anchor = anchor.unwrap_or_default();
    print(&format!("{}{anchor}", page.display()))?;
    if args.print {
        return Ok(());
    }
    let Some(browser) = browser()? else {
        progress::note(
            "there is no display, or no xdg-open, to show it; BROWSER may name a program",
        );
        return Ok(());
    };
    match case {
        None => show(&browser, &page)?,
        Some(_) => show(&browser, &lead(&folder, &anchor)?)?,
    }
    Ok(())
}

/// What the page calls a case.
fn found(page: &str, case: &str) -> Result<String> {
    let slip = || {
        let why = "has no such case; `kassay open` shows those that it has";
        Error::Slip(format!("find `{case}`: the page of the last run {why}"))
    };
    html::find(page, case).ok_or_else(slip)
}

/// Writes the page that leads to a case beside the page that has it.
fn lead(folder: &Path, anchor: &str) -> anyhow::Result<PathBuf> {
    let file = folder.join(LEAD);
    let text = format!(
        "<!DOCTYPE html>\n<meta charset=\"utf-8\">\n<title>kassay</title>\n\
         <meta http-equiv=\"refresh\" content=\"0; url={PAGE}{anchor}\">\n\
         <a href=\"{PAGE}{anchor}\">the case</a>\n"
    );
    fs::write(&file, text).with_context(|| format!("write `{}`", file.display()))?;
    Ok(file)
}

/// The words of a command that shows a page: the first of `BROWSER`'s, with colons between them,
/// that is there, or else xdg-open where there is a display.
///
/// # Errors
/// No program of `BROWSER` is there.
fn browser() -> anyhow::Result<Option<Vec<String>>> {
    let set = |name: &str| env::var_os(name).filter(|value: &OsString| !value.is_empty());
    let Some(browsers) = set("BROWSER") else {
        let is_shown = set("DISPLAY").or_else(|| set("WAYLAND_DISPLAY")).is_some();
        let opener = find("xdg-open").filter(|_| is_shown);
        return Ok(opener.map(|opener| vec![opener.to_string_lossy().into_owned()]));
    };
    let browsers = browsers.to_string_lossy().into_owned();
    for browser in browsers.split(':') {
        let words = shlex::split(browser).unwrap_or_default();
        if words.first().is_some_and(|program| find(program).is_some()) {
            return Ok(Some(words));
        }
    }
    bail!("show the page: BROWSER is `{browsers}`, and no such program is here")
}

/// Runs a browser to its end. `%s` in its command, or else the end of it, is the page.
fn show(browser: &[String], page: &Path) -> anyhow::Result<()> {
    let page = page.to_string_lossy();
    let mut words: Vec<String> = browser
        .iter()
        .map(|word| word.replace("%s", &page))
        .collect();
    if words == browser {
        words.push(page.into_owned());
    }
    let (program, arguments) = words.split_first().context("name a browser")?;
    let told = || format!("show the page by `{}`", words.join(" "));
    let status = Command::new(program).args(arguments).status();
    let status = status.with_context(told)?;
    if !status.success() {
        bail!("{}: {status}", told());
    }
    Ok(())
}
