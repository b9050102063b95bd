//! `kassay init`: makes a project of a folder that has modules.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use super::{chosen, print, usage};
use crate::cache::Cache;
use crate::compile::module;
use crate::inventory::{clear_up, limit};
use crate::kernel::{Catalog, Kernel};
use crate::kfuncs::{self, Kfunc};
use crate::plain;
use crate::project::Project;
use crate::scenario::{self, Part};
use crate::template::{self, File};

/// The arguments of `kassay init`.
#[derive(Args)]
pub struct InitArgs {
    /// The kernel to build the modules for, which tells their kfuncs: a name of the catalog (see
    /// `kassay list`) or a path
    #[arg(long, value_name = "SPEC")]
    kernel: Option<String>,
}

/// Looks for modules in the working directory and the folders in it, builds them, and writes a
/// scenario for each. What is there is kept.
///
/// # Errors
/// There is no module, one cannot be built, or a file cannot be written.
pub fn run(args: &InitArgs) -> Result<()> {
    let folder = std::env::current_dir().context("find the working directory")?;
    let folders = modules(&folder)?;
    let (cache, limit) = (Cache::open()?, limit()?);
    let catalog = Catalog::load(&cache)?;
    let name = match &args.kernel {
        Some(name) => name.clone(),
        None => chosen::kernels(&cache, &catalog, &[])?.remove(0),
    };
    let kernel = chosen::kernel(&cache, &catalog, Some(&name))?;
    let mut files = template::common();
    for module in &folders {
        files.extend(of_module(&cache, &kernel, &folder, module)?);
    }
    let there = template::put(&folder, &files)?;
    for (path, _) in &files {
        let did = if there.contains(path) { "kept" } else { "made" };
        print(&format!("{did} {}", path.display()))?;
    }
    clear_up(&cache, limit);
    print("next: kassay run shows what the kernel says, kassay run --accept keeps it as reviewed")
}

/// The folders of modules: this one, else those in it and in its `modules/`.
fn modules(folder: &Path) -> Result<Vec<PathBuf>> {
    let inside = |folder: &Path| {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
        folders.retain(|folder| has_modules(folder));
        folders.sort();
        folders
    };
    let found = match has_modules(folder) {
        true => vec![folder.to_owned()],
        false => [inside(folder), inside(&folder.join("modules"))].concat(),
    };
    if found.is_empty() {
        let error = anyhow!(
            "find a module in `{}`: no Kbuild or Makefile there, or one folder below, has `obj-m`; \
             `kassay new NAME` makes a project with a module",
            folder.display()
        );
        return Err(usage(error));
    }
    Ok(found)
}

/// Whether a folder's Kbuild or Makefile makes modules.
fn has_modules(folder: &Path) -> bool {
    let text = |name| plain::text(&folder.join(name), plain::TEXT).unwrap_or_default();
    ["Kbuild", "Makefile"]
        .iter()
        .any(|name| text(name).contains("obj-m"))
}

/// A scenario that inserts a module, and a program that declares its kfuncs.
fn of_module(cache: &Cache, kernel: &Kernel, root: &Path, folder: &Path) -> Result<Vec<File>> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let project = Project::of(root)?;
    let part = scenario::module(&folder.join("").to_string_lossy(), &project)?;
    let built = module::build(cache, kernel, std::slice::from_ref(&part))?.concat();
    if built.is_empty() {
        bail!("build `{}`: it makes no module", folder.display());
    }
    let kfuncs =
        kfuncs::of_modules(kernel, built.iter().map(|module| module.file.as_path()))?.kfuncs;
    let count = kfuncs.len();
    print(&format!(
        "found {name}: {count} kfuncs on {} ({})",
        kernel.name, kernel.release
    ))?;
    let scenario = PathBuf::from(format!("scenarios/{name}.toml"));
    let mut files = vec![(scenario, text(&name, root, &part, &kfuncs))];
    if !kfuncs.is_empty() {
        let program = PathBuf::from(format!("bpf/{name}.bpf.c"));
        files.push((program, declared(&kfuncs)));
    }
    Ok(files)
}

/// The text of the scenario.
fn text(name: &str, root: &Path, part: &Part, kfuncs: &[Kfunc]) -> String {
    let inside = part.path.strip_prefix(root).unwrap_or(&part.path);
    let path = toml::Value::from(format!("../{}", inside.display()));
    let (hint, allowed) = match kfuncs.is_empty() {
        true => (String::new(), ", \"no_kfuncs\""),
        false => {
            let hint = format!(
                "# bpf/{name}.bpf.c declares its kfuncs: call them there, then take these lines \
                 instead of `allow`.\n# bpf = [\"{name}\"]\n# [[step]]\n# unlink = {{ times = 1 }}\n"
            );
            (hint, "")
        }
    };
    format!(
        "about = \"{name} is inserted, shows its kfuncs and is removed\"\n\
         modules = [{path}]\n{hint}allow = [\"no_programs\", \"no_steps\"{allowed}]\n"
    )
}

/// A program that declares kfuncs.
fn declared(kfuncs: &[Kfunc]) -> String {
    let declared = |kfunc: &Kfunc| {
        Some(format!(
            "extern {} __weak __ksym;\n",
            kfunc.prototype.as_ref()?
        ))
    };
    let kfuncs: String = kfuncs.iter().filter_map(declared).collect();
    format!(
        "// SPDX-License-Identifier: GPL-2.0-only\n#include \"vmlinux.h\"\n\
         #include <bpf/bpf_helpers.h>\n\n{kfuncs}\nSEC(\"kprobe/vfs_unlink\")\n\
         int on_unlink(void *ctx)\n{{\n\t/* Call kfuncs here, and print what they return. */\n\
         \tbpf_printk(\"unlinked\");\n\treturn 0;\n}}\n\nchar LICENSE[] SEC(\"license\") = \"GPL\";\n"
    )
}
