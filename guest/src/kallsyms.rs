//! `/proc/kallsyms`, of which a plan wants to know the modules' names, and where the kernel's own
//! code is.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::ops::Range;

use anyhow::{Context, Result};

const PATH: &str = "/proc/kallsyms";

/// How far ahead of the modules' names a file is left. The kernel writes whole
/// lines, at most a page of them at once.
const MARGIN: u64 = 16 * 1024;

/// How much is read at once: the kernel hands out no more.
const BLOCK: usize = 4096;

/// The list, open.
pub struct Kallsyms {
    file: File,
    /// Where the kernel's own code is; empty where the list does not say.
    pub code: Range<u64>,
}

impl Kallsyms {
    /// Opens the list and reads it up to where the kernel's own code ends, in front of the first
    /// module's names.
    pub fn open() -> Result<Kallsyms> {
        let mut file = open()?;
        let mut ends = Ends::default();
        let mut page = [0; BLOCK];
        let mut rest = Vec::new();
        while !ends.are_known() {
            let length = file.read(&mut page);
            let read = &page[..length.with_context(|| format!("read `{PATH}`"))?];
            if read.is_empty() {
                file = open()?;
                break;
            }
            rest.extend_from_slice(read);
            let whole = rest.iter().rposition(|byte| *byte == b'\n');
            let next = rest.split_off(whole.map_or(0, |end| end + 1));
            ends.look(&rest);
            rest = next;
        }
        let code = ends.code();
        Ok(Kallsyms { file, code })
    }

    /// Opens the list and reads it almost up to the first module's names, which
    /// stand behind all of the kernel's own (kernel/kallsyms.c, `s_start`): the
    /// kernel takes long to write those, and they stay the same.
    pub fn open_ahead() -> Result<Kallsyms> {
        let mut own = 0;
        let mut ends = Ends::default();
        let mut lines = BufReader::new(open()?);
        let mut line = String::new();
        while lines
            .read_line(&mut line)
            .with_context(|| format!("read `{PATH}`"))?
            > 0
            && !line.ends_with("]\n")
        {
            own += line.len() as u64;
            ends.look(line.as_bytes());
            line.clear();
        }
        let mut file = open()?;
        let mut page = [0; BLOCK];
        let mut read = 0;
        while read + MARGIN < own {
            match file
                .read(&mut page)
                .with_context(|| format!("read `{PATH}`"))?
            {
                0 => break,
                length => read += length as u64,
            }
        }
        let code = ends.code();
        Ok(Kallsyms { file, code })
    }

    /// The names of these modules.
    pub fn names(self, modules: &[String]) -> Result<BTreeMap<String, Vec<String>>> {
        names_in(self.file, modules)
    }
}

fn open() -> Result<File> {
    File::open(PATH).with_context(|| format!("open `{PATH}`"))
}

/// The two symbols between which the kernel's own code is, on all processors
/// (include/asm-generic/sections.h).
#[derive(Default)]
struct Ends {
    start: Option<u64>,
    end: Option<u64>,
}

impl Ends {
    fn are_known(&self) -> bool {
        self.start.is_some() && self.end.is_some()
    }

    /// Looks for them in whole lines.
    fn look(&mut self, lines: &[u8]) {
        for line in lines.split(|byte| *byte == b'\n') {
            let end = match line {
                _ if line.ends_with(b" _stext") => &mut self.start,
                _ if line.ends_with(b" _etext") => &mut self.end,
                _ => continue,
            };
            let address = line.split(|byte| *byte == b' ').next().unwrap_or_default();
            let address = std::str::from_utf8(address).unwrap_or_default();
            *end = end.or(u64::from_str_radix(address, 16).ok());
        }
    }

    fn code(&self) -> Range<u64> {
        self.start.unwrap_or(0)..self.end.unwrap_or(0)
    }
}

/// The names of these modules in a list, each line being `ADDRESS TYPE NAME\t[MODULE]`. The kernel's
/// own, which are nearly all, have no bracket, and are not looked at one by one.
fn names_in(mut list: impl Read, modules: &[String]) -> Result<BTreeMap<String, Vec<String>>> {
    let mut names: BTreeMap<String, Vec<String>> = modules
        .iter()
        .map(|module| (module.clone(), Vec::new()))
        .collect();
    let mut block = vec![0; BLOCK];
    let mut lines = Vec::new();
    loop {
        let length = list.read(&mut block);
        let read = &block[..length.with_context(|| format!("read `{PATH}`"))?];
        if read.is_empty() {
            add(&mut names, &String::from_utf8_lossy(&lines));
            return Ok(names);
        }
        if lines.is_empty() && read.ends_with(b"\n") && !read.contains(&b'[') {
            continue;
        }
        lines.extend_from_slice(read);
        let whole = lines.iter().rposition(|byte| *byte == b'\n');
        let rest = lines.split_off(whole.map_or(0, |end| end + 1));
        add(&mut names, &String::from_utf8_lossy(&lines));
        lines = rest;
    }
}

/// Adds the names of modules in some lines.
fn add(names: &mut BTreeMap<String, Vec<String>>, lines: &str) {
    for line in lines.lines() {
        let symbol = line.strip_suffix(']');
        let symbol = symbol.and_then(|line| line.rsplit_once("\t["));
        let Some((symbol, module)) = symbol else {
            continue;
        };
        if let (Some(names), Some(name)) = (names.get_mut(module), symbol.split(' ').nth(2)) {
            names.push(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_modules_are_found_wherever_a_block_ends() {
        let own = "ffffffff81000000 T do_unlinkat\n".repeat(BLOCK / 16);
        let theirs = "0 t a\t[m]\n0 t b\t[other]\n0 t c\t[m]\n";
        let list = format!("{own}{theirs}{own}{theirs}");
        let names = names_in(list.as_bytes(), &["m".to_owned(), "n".to_owned()]).unwrap();
        assert_eq!(
            (names["m"].join(" "), names["n"].len()),
            ("a c a c".to_owned(), 0)
        );
    }

    #[test]
    fn the_kernels_own_code_is_between_two_symbols() {
        let mut ends = Ends::default();
        ends.look(b"0 A _stextile\nffff800080010000 T _stext\nffff800080010000 T bcr\n");
        assert!(!ends.are_known());
        ends.look(b"ffff800081270000 t last\nffff800081270000 T _etext\n");
        assert_eq!(ends.code(), 0xffff_8000_8001_0000..0xffff_8000_8127_0000);
        assert!(Ends::default().code().is_empty());
    }

    #[test]
    fn a_line_is_whole_with_the_block_that_ends_it() {
        for (begin, end) in [("0 t a\t[m", "]\n1 T own\n"), ("0 t a", "\t[m]\n")] {
            let list = begin.as_bytes().chain(end.as_bytes());
            let names = names_in(list, &["m".to_owned()]).unwrap();
            assert_eq!(names["m"], ["a"]);
        }
    }
}
