//! `/proc/kallsyms`, of which a plan wants to know the modules' names alone.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use anyhow::{Context, Result};

const PATH: &str = "/proc/kallsyms";

/// How far ahead of the modules' names a file is left. The kernel writes whole
/// lines, at most a page of them at once.
const MARGIN: u64 = 16 * 1024;

/// The list, open.
pub struct Kallsyms {
    file: File,
}

impl Kallsyms {
    /// Opens the list.
    pub fn open() -> Result<Kallsyms> {
        let file = File::open(PATH).with_context(|| format!("open `{PATH}`"))?;
        Ok(Kallsyms { file })
    }

    /// Opens the list and reads it almost up to the first module's names, which
    /// stand behind all of the kernel's own (kernel/kallsyms.c, `s_start`): the
    /// kernel takes long to write those, and they stay the same.
    pub fn open_ahead() -> Result<Kallsyms> {
        let mut own = 0;
        let mut lines = BufReader::new(Kallsyms::open()?.file);
        let mut line = String::new();
        while lines
            .read_line(&mut line)
            .with_context(|| format!("read `{PATH}`"))?
            > 0
            && !line.ends_with("]\n")
        {
            own += line.len() as u64;
            line.clear();
        }
        let mut list = Kallsyms::open()?;
        let mut page = [0; 4096];
        let mut read = 0;
        while read + MARGIN < own {
            match list
                .file
                .read(&mut page)
                .with_context(|| format!("read `{PATH}`"))?
            {
                0 => break,
                length => read += length as u64,
            }
        }
        Ok(list)
    }

    /// The names of these modules, each line being `ADDRESS TYPE NAME\t[MODULE]`.
    pub fn names(self, modules: &[String]) -> Result<BTreeMap<String, Vec<String>>> {
        let mut names: BTreeMap<String, Vec<String>> = modules
            .iter()
            .map(|module| (module.clone(), Vec::new()))
            .collect();
        for line in BufReader::new(self.file).lines() {
            let line = line.with_context(|| format!("read `{PATH}`"))?;
            let Some((symbol, module)) = line
                .strip_suffix(']')
                .and_then(|line| line.rsplit_once("\t["))
            else {
                continue;
            };
            if let (Some(names), Some(name)) = (names.get_mut(module), symbol.split(' ').nth(2)) {
                names.push(name.to_owned());
            }
        }
        Ok(names)
    }
}
