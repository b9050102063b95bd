//! `kassay kfuncs`: the kfuncs of a kernel or of modules.

use clap::Args;
use serde_json::json;

use super::chosen::{kernel, kernels};
use super::error::{Error, Result};
use super::place::{With, path_of};
use super::print;
use super::session::Session;
use crate::btf;
use crate::cache::Cache;
use crate::compile::module::{self, Module};
use crate::flaw;
use crate::kernel::Kernel;
use crate::kfuncs::{self, Kfunc, Listing};
use crate::progress;
use crate::project::Project;
use crate::report::Format;
use crate::report::table::aligned;
use crate::scenario::{self, Part};
use crate::trial::types::{self, Tried};
use crate::vm::accelerator::Wish;

const EXAMPLES: &str = "\
Examples:
  kassay kfuncs --kernel 6.12                 what 6.12 itself has
  kassay kfuncs --kernel 6.12,7.2 kfunc_sum   what a module of modules/ has, built for each
  kassay kfuncs ./core ./user --format json   modules by their folders, the second of which uses
                                              what the first exports
  kassay kfuncs kfunc_sum --types             and the types of programs that may call them

A line has flags, the sets that the source registers, with --types the types of programs, and the
prototype. `-` is none, `?` is what cannot be told.
--types loads small programs that call one kfunc of each set, on the kernel, with the module in it,
and reads what the verifier says; emulated, some seconds for each set. That of STRUCT_OPS
is a callback of tcp_congestion_ops: a set that a filter keeps for another structure is shown without
the type. Programs bound to a device or of a special attachment such as kprobe.session are not tried,
and a filter that refuses single kfuncs of a set is not seen.";

/// The arguments of `kassay kfuncs`.
#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct KfuncsArgs {
    /// A module: a directory with a Kbuild file or a Makefile, or a name in `modules/`; of several,
    /// each is built against those before it [default: the kernel itself]
    #[arg(value_name = "MODULE")]
    modules: Vec<String>,
    #[command(flatten)]
    with: With,
    /// A kernel: a name of the catalog (see `kassay list`), a path, or `all` of the catalog
    /// [default: what KASSAY_KERNELS says]
    #[arg(long, value_name = "SPEC", value_delimiter = ',')]
    kernel: Vec<String>,
    /// Try on the kernel which types of programs may call the kfuncs of each set
    #[arg(long)]
    types: bool,
    /// What executes the guest's instructions, with --types
    #[arg(long, value_enum, default_value_t)]
    accel: Wish,
    /// How the list is written
    #[arg(long, value_enum, default_value_t)]
    format: Format,
}

/// Prints the kfuncs, kernel by kernel.
///
/// # Errors
/// A slip; a kernel that cannot be had, a module that cannot be built, or a kernel that does
/// not tell of its kfuncs.
pub fn run(args: &KfuncsArgs) -> Result<()> {
    let session = Session::open()?;
    let parts = args.parts(&session.project)?;
    for name in kernels(&session, &args.kernel)? {
        let kernel = kernel(&session, Some(&name))?;
        for (parts, listing) in listings(&session.store.cache, &kernel, &parts)? {
            let tried = match args.types {
                true => {
                    let setting = session.store.setting(args.accel)?;
                    Some(types::run(&setting, &kernel, parts, &listing)?)
                }
                false => None,
            };
            show(&kernel, parts.last(), &listing, tried.as_ref(), args.format)?;
        }
    }
    Ok(())
}

impl KfuncsArgs {
    /// The modules that were asked for.
    fn parts(&self, project: &Project) -> Result<Vec<Part>> {
        let with = self.with.paths()?;
        let find = |asked: &String| {
            let mut part = scenario::module(&path_of(asked), project)?;
            part.with.extend(with.clone());
            Ok(part)
        };
        self.modules
            .iter()
            .map(|asked| find(asked).map_err(Error::slip))
            .collect()
    }
}

/// The kfuncs of each directory's modules, built for the kernel, with the directories up to it; or
/// else of the kernel itself.
fn listings<'a>(
    cache: &Cache,
    kernel: &Kernel,
    parts: &'a [Part],
) -> anyhow::Result<Vec<(&'a [Part], Listing)>> {
    if parts.is_empty() {
        return Ok(vec![(parts, kfuncs::of_kernel(kernel)?)]);
    }
    let built = module::build(cache, kernel, parts)?;
    let strings = btf::base_strings(&kernel.btf)?;
    for module in built.iter().flatten() {
        for flaw in flaw::of(kernel, module, &strings)? {
            let title = flaw.title(&module.name);
            progress::note(format!("on {}: {title}: {flaw}", kernel.name));
        }
    }
    let of = |(place, modules): (usize, &Vec<Module>)| {
        let files = modules.iter().map(|module| module.file.as_path());
        Ok((&parts[..=place], kfuncs::of_modules(kernel, files)?))
    };
    built.iter().enumerate().map(of).collect()
}

fn show(
    kernel: &Kernel,
    part: Option<&Part>,
    listing: &Listing,
    tried: Option<&Tried>,
    format: Format,
) -> anyhow::Result<()> {
    for (what, said) in tried.iter().flat_map(|tried| &tried.untold) {
        let on = &kernel.name;
        progress::note(format!("without an answer for {what} on {on}: {said}"));
    }
    let kfuncs = listing.kfuncs.iter();
    if format == Format::Json {
        let distilled = listing.is_distilled;
        let mut objects = kfuncs.map(|kfunc| object(kernel, part, kfunc, tried, distilled));
        return objects.try_for_each(|object| print(&object));
    }
    let whose = part.map_or("vmlinux", |part| &part.name);
    let (on, release, count) = (&kernel.name, &kernel.release, listing.kfuncs.len());
    let base = match listing.is_distilled {
        true => "; its BTF has a base of its own, so other builds of the kernel take it too",
        false => "",
    };
    progress::note(format!(
        "kfuncs of {whose} on {on} ({release}): {count}, by {}{base}",
        listing.source
    ));
    let rows: Vec<_> = kfuncs.map(|kfunc| row(kfunc, tried)).collect();
    aligned(&rows).iter().try_for_each(|line| print(line))
}

fn object(
    kernel: &Kernel,
    part: Option<&Part>,
    kfunc: &Kfunc,
    tried: Option<&Tried>,
    is_distilled: bool,
) -> String {
    json!({
        "kernel": kernel.name,
        "release": kernel.release,
        "module": part.map(|part| &part.name),
        "kfunc": kfunc.name,
        "prototype": kfunc.prototype,
        "flags": kfunc.flags(),
        "sets": kfunc.sets,
        "types": tried.and_then(|tried| tried.types(kfunc)),
        "distilled_base": is_distilled,
    })
    .to_string()
}

/// Flags, sets, the types that were tried, and prototype.
fn row(kfunc: &Kfunc, tried: Option<&Tried>) -> Vec<String> {
    let [flags, sets, c] = kfunc.words();
    let types = tried.map(|tried| match tried.types(kfunc) {
        Some([]) => "-".to_owned(),
        Some(types) => types.join(","),
        None => "?".to_owned(),
    });
    let cells = [Some(flags), Some(sets), types, Some(c)];
    cells.into_iter().flatten().collect()
}
