//! `kassay kernel options`: what kernels are built with that users of BPF trip over.

use clap::Args;
use serde_json::json;

use super::chosen;
use super::error::Result;
use super::print;
use super::session::Session;
use crate::kernel::Kernel;
use crate::report::Format;

/// The options that are told of where none is named, without `CONFIG_`.
const USUAL: [&str; 16] = [
    // What kassay itself needs, as a module at least.
    "9P_FS",
    "NET_9P_VIRTIO",
    "DEBUG_INFO_BTF_MODULES",
    // Hooks and kinds of programs.
    "BPF_LSM",
    "FPROBE",
    "FUNCTION_ERROR_INJECTION",
    "BPF_KPROBE_OVERRIDE",
    "SCHED_CLASS_EXT",
    "HID_BPF",
    "NETKIT",
    "IPV6_SEG6_BPF",
    "BPF_LIRC_MODE2",
    // What a module meets.
    "MODVERSIONS",
    "MODULE_SIG_FORCE",
    "MODULE_ALLOW_BTF_MISMATCH",
    "PREEMPT_RT",
];

/// The list of security modules that are on from the start, and the one that BPF programs are.
const LSM: (&str, &str) = ("LSM", "bpf");

/// The arguments of `kassay kernel options`.
#[derive(Debug, Args)]
pub struct OptionsArgs {
    /// Names of the catalog, or paths of kernel trees
    #[arg(value_name = "SPEC", required = true)]
    specs: Vec<String>,
    /// Options to tell of, with or without `CONFIG_` [default: what users of BPF trip over]
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    option: Vec<String>,
    /// How the table is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints a table of options and kernels, which are obtained.
///
/// # Errors
/// A kernel cannot be had, or its config not be read.
pub fn run(session: &Session, args: &OptionsArgs) -> Result<()> {
    let kernel = |spec: &String| chosen::kernel(session, Some(spec));
    let kernels = args.specs.iter().map(kernel).collect::<Result<Vec<_>>>()?;
    let rows = rows(&kernels, &args.option)?;
    match args.format {
        Format::Json => objects(&kernels, &rows),
        Format::Pretty => table(&kernels, &rows),
    }?;
    Ok(())
}

/// An option, and what it is in each kernel.
type Row = (String, Vec<String>);

fn rows(kernels: &[Kernel], asked: &[String]) -> anyhow::Result<Vec<Row>> {
    let asked = asked.iter().map(|name| name.trim_start_matches("CONFIG_"));
    let mut names: Vec<&str> = asked.collect();
    let is_usual = names.is_empty();
    if is_usual {
        names.extend(USUAL);
    }
    let value = |kernel: &Kernel, name: &str| {
        let value = kernel.config_value(name)?;
        anyhow::Ok(value.unwrap_or_else(|| "no".to_owned()))
    };
    let row = |name: &str| {
        let values = kernels.iter().map(|kernel| value(kernel, name));
        anyhow::Ok((name.to_owned(), values.collect::<Result<Vec<_>, _>>()?))
    };
    let mut rows = names.into_iter().map(row).collect::<Result<Vec<_>, _>>()?;
    if is_usual {
        let (name, values) = row(LSM.0)?;
        let has = |value: &String| match value.trim_matches('"').split(',').any(|it| it == LSM.1) {
            true => "yes".to_owned(),
            false => "no".to_owned(),
        };
        let values = values.iter().map(has).collect::<Vec<_>>();
        rows.push((format!("{name} has `{}`", LSM.1), values));
    }
    Ok(rows)
}

fn objects(kernels: &[Kernel], rows: &[Row]) -> anyhow::Result<()> {
    for (option, values) in rows {
        for (kernel, value) in kernels.iter().zip(values) {
            let (name, release) = (&kernel.name, &kernel.release);
            let object = json!({
                "kernel": name, "release": release, "option": option, "value": value
            });
            print(&object.to_string())?;
        }
    }
    Ok(())
}

/// A table in Markdown, as the book has it.
fn table(kernels: &[Kernel], rows: &[Row]) -> anyhow::Result<()> {
    let names = kernels.iter().map(|kernel| kernel.name.as_str());
    let releases = kernels.iter().map(|kernel| kernel.release.as_str());
    line("CONFIG_…", names)?;
    line("---", kernels.iter().map(|_| "---"))?;
    line("release", releases)?;
    rows.iter()
        .try_for_each(|(option, values)| line(option, values.iter().map(String::as_str)))
}

fn line<'a>(first: &str, cells: impl Iterator<Item = &'a str>) -> anyhow::Result<()> {
    let cells: String = cells.map(|cell| format!(" {cell} |")).collect();
    print(&format!("| {first} |{cells}"))
}
