//! Frames with their source lines, as far as the build trees know them.

pub mod leak;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;

use crate::compile::module::Module;
use crate::kernel::Kernel;
use crate::kernel_report::frame;
use crate::tool::Tool;

/// A function and an offset, as binutils' addr2line takes them, and the module
/// that it is in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Frame {
    module: Option<String>,
    place: String,
}

/// The sections of a module that have code. Its file is not linked, so that each
/// begins at address 0.
const SECTIONS: [&str; 3] = [".text", ".init.text", ".exit.text"];

/// A report with the source line of each frame behind it, and those of what was
/// inlined there, innermost first. Frames of a file without debug information
/// stay as they are.
///
/// # Errors
/// Only an interruption by the user.
pub fn add_lines(report: &str, kernel: &Kernel, modules: &[Module]) -> Result<String> {
    let mut frames: BTreeMap<Option<String>, Vec<Frame>> = BTreeMap::new();
    for frame in report.lines().filter_map(frame_of) {
        frames.entry(frame.module.clone()).or_default().push(frame);
    }
    let mut places = BTreeMap::new();
    for (module, frames) in frames {
        match module {
            None => places.extend(look_up(&kernel.build.join("vmlinux"), None, &frames)?),
            Some(name) => {
                for module in modules.iter().filter(|module| module.name == name) {
                    for section in SECTIONS {
                        places.extend(look_up(&module.file, Some(section), &frames)?);
                    }
                }
            }
        }
    }
    let root = kernel.source_name();
    let lines = report.lines().map(|line| {
        let place = frame_of(line).and_then(|frame| places.get(&frame));
        let short = |place: &String| shorten(place, &root, modules);
        place.map_or(line.to_owned(), |place| {
            format!("{line} ({})", short(place))
        })
    });
    Ok(lines.map(|line| line + "\n").collect())
}

/// What is at an address of a kernel that lies where it was linked: its function, where its build
/// tree has a System.map. That of a module or a BPF program is a number.
pub fn at(kernel: &Kernel, address: u64) -> String {
    if address >> 63 == 0 {
        return format!("{address:#x}, in a program");
    }
    let map = std::fs::read_to_string(kernel.build.join("System.map")).unwrap_or_default();
    function(&map, address).unwrap_or_else(|| format!("{address:#x}"))
}

/// The function at an address, unless that is beyond all symbols of System.map (`ADDRESS KIND
/// NAME` on a line, as nm(1) has it).
fn function(map: &str, address: u64) -> Option<String> {
    let symbols = map.lines().filter_map(|line| {
        let (start, rest) = line.split_once(' ')?;
        let (kind, name) = rest.split_once(' ')?;
        Some((u64::from_str_radix(start, 16).ok()?, kind, name))
    });
    let (below, above): (Vec<_>, Vec<_>) = symbols.partition(|(start, ..)| *start <= address);
    let code = below
        .into_iter()
        .filter(|(_, kind, _)| matches!(*kind, "t" | "T" | "w" | "W"));
    let (start, _, name) = code.max_by_key(|(start, ..)| *start)?;
    (!above.is_empty()).then(|| format!("{name}+{:#x}", address - start))
}

/// The frame of a line. A return address is that of the next instruction, which
/// may be another line's.
fn frame_of(line: &str) -> Option<Frame> {
    let of_arm64 = line.strip_prefix("pc : ");
    let is_exact = line.contains("RIP: ") || of_arm64.is_some();
    let line = of_arm64.unwrap_or(line);
    let line = line.trim_start().trim_start_matches("? ");
    let line = line
        .strip_prefix("RIP: ")
        .map_or(Some(line), |rest| Some(rest.split_once(':')?.1))?;
    let mut words = line.split(' ');
    let word = words.next()?;
    let name = frame::place(word)?;
    let offset = word[name.len()..].strip_prefix("+0x")?.split('/').next()?;
    let offset = u64::from_str_radix(offset, 16).ok()?;
    let offset = if is_exact {
        offset
    } else {
        offset.saturating_sub(1)
    };
    let module = words
        .next()
        .and_then(|word| word.strip_prefix('[')?.strip_suffix(']'));
    Some(Frame {
        module: module.map(str::to_owned),
        place: format!("{name}+{offset:#x}"),
    })
}

/// The source lines of those frames that are of a file, and of a section of it.
/// What addr2line cannot do is no reason to fail: the report is as good without.
fn look_up(file: &Path, section: Option<&str>, frames: &[Frame]) -> Result<Vec<(Frame, String)>> {
    let mut tool = Tool::new("addr2line")
        .args(["-a", "-f", "-i", "-e"])
        .arg(file);
    if let Some(section) = section {
        tool = tool.args(["-j", section]);
    }
    let output = tool.args(frames.iter().map(|frame| &frame.place)).output();
    crate::interrupt::check()?;
    let answers = output.unwrap_or_default();
    let answers = answers.split("0x").skip(1).map(answer);
    let known = frames.iter().zip(answers).filter_map(|(frame, answer)| {
        let (function, lines) = answer?;
        // A name of elsewhere is taken for address 0 of this section.
        let name = frame::bare(frame.place.split('+').next()?);
        (name == function).then(|| (frame.clone(), lines))
    });
    Ok(known.collect())
}

/// The function at an address and the lines there: behind the address come
/// pairs of a function and a line, innermost first.
fn answer(text: &str) -> Option<(&str, String)> {
    let lines: Vec<&str> = text.lines().skip(1).collect();
    let pairs: Vec<(&str, &str)> = lines
        .chunks_exact(2)
        .map(|pair| (pair[0], pair[1]))
        .collect();
    let (function, _) = pairs.last()?;
    // Behind the line may stand a discriminator.
    let places = pairs
        .iter()
        .map(|(_, line)| line.split(' ').next().unwrap_or_default());
    let mut places: Vec<&str> = places.collect();
    places.dedup();
    let is_known = places
        .iter()
        .all(|place| !place.starts_with('?') && !place.ends_with('?'));
    is_known.then(|| (*function, places.join(", ")))
}

/// Paths from the kernel's source, its build's folder or the module's directory on.
fn shorten(places: &str, root: &Path, modules: &[Module]) -> String {
    let root = format!("{}/", root.display());
    let short = places.split(", ").map(|place| {
        let own = modules.iter().find_map(|module| {
            let (_, rest) = place.rsplit_once(&format!("/{}/", module.name))?;
            Some(format!("{}/{rest}", module.name))
        });
        // What kbuild generates lies in the folder that the kernel was built in.
        let made = || Some(place.split_once("/build/./")?.1);
        let of_kernel = || place.strip_prefix(&root).or_else(made).unwrap_or(place);
        own.unwrap_or_else(|| of_kernel().to_owned())
    });
    short.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(line: &str) -> Option<String> {
        frame_of(line).map(|frame| frame.place)
    }

    #[test]
    fn a_call_is_before_its_return_address() {
        assert_eq!(place("RIP: 0010:f+0x9/0x10 [m]").as_deref(), Some("f+0x9"));
        assert_eq!(place("pc : f+0x9/0x10 [m]").as_deref(), Some("f+0x9"));
        assert_eq!(place(" f+0x10/0x20 [m]").as_deref(), Some("f+0xf"));
        assert_eq!(place(" ? f+0x0/0x20").as_deref(), Some("f+0x0"));
        assert_eq!(place(" </TASK>"), None);
        assert_eq!(place("RIP: 0033:0x7f406f96d8c1"), None);
    }

    #[test]
    fn an_address_is_of_the_function_before_it() {
        let map = "0000000000000000 D __per_cpu_start\nffffffff81000000 T _text\n\
                   ffffffff81000100 t f\nffffffff81000180 D data\nffffffff82000000 B _end\n";
        let at = |address| function(map, address);
        assert_eq!(at(0xffff_ffff_8100_0190).as_deref(), Some("f+0x90"));
        assert_eq!(at(0xffff_ffff_8100_0004).as_deref(), Some("_text+0x4"));
        assert_eq!(at(0xffff_ffff_a020_1009), None);
        assert_eq!(at(0x1000), None);
        assert_eq!(
            function("ffffffffffffffff B There is none here", 1 << 63),
            None
        );
    }

    #[test]
    fn a_frame_knows_its_module() {
        let frame = frame_of(" f+0x1/0x2 [m]").unwrap();
        assert_eq!(frame.module.as_deref(), Some("m"));
        assert_eq!(frame_of(" f+0x1/0x2").unwrap().module, None);
    }

    #[test]
    fn an_answer_has_inlined_lines_first() {
        let text = "00000000000009\ninner\n/a/x.c:3\nouter\n/a/y.c:7 (discriminator 2)\n";
        let lines = "/a/x.c:3, /a/y.c:7".to_owned();
        assert_eq!(answer(text), Some(("outer", lines)));
        assert_eq!(answer("00000000000000\n??\n??:0\n"), None);
    }
}
