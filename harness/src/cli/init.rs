//! `kassay init`: makes a project of a folder that has modules.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;

use super::{chosen, print, usage};
use crate::cache::Cache;
use crate::compile::module;
use crate::excerpt::bounded;
use crate::interrupt;
use crate::inventory::{clear_up, limit};
use crate::kernel::Kernel;
use crate::kfuncs::{self, Kfunc};
use crate::project::Project;
use crate::scenario;
use crate::template::{self, File};
use crate::{plain, progress};

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
    let catalog = super::chosen::catalog(&cache)?;
    let project = Project::of(&folder)?;
    let own = || project.kernels.first().cloned();
    let name = args.kernel.clone().or_else(own);
    let name = name.unwrap_or_else(|| template::kernel().to_owned());
    let kernel = chosen::kernel(&cache, &catalog, Some(&name))?;
    let mut files = template::common();
    let mut failed = Vec::new();
    for module in &folders {
        match of_module(&cache, &kernel, &project, module) {
            Ok(its) => files.extend(its),
            Err(error) => failed.push(error),
        }
        interrupt::check()?;
    }
    if failed.len() == folders.len() {
        return Err(failed.remove(0));
    }
    for error in failed {
        progress::note(format!(
            "left out a module: {}",
            bounded(&format!("{error:#}"))
        ));
    }
    let there = template::put(&folder, &files)?;
    for (path, _) in &files {
        let did = if there.contains(path) { "kept" } else { "made" };
        print(&format!("{did} {}", path.display()))?;
    }
    clear_up(&cache, limit);
    print("next: kassay run shows what the kernel says, kassay run --accept keeps it as reviewed")
}

/// The folders of modules: this one, else those in it and in the project's folder of modules.
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
        false => {
            let of_project = Project::of(folder)?.modules;
            let mut all = [inside(folder), inside(&of_project)].concat();
            all.sort();
            all.dedup();
            all
        }
    };
    if found.is_empty() {
        let error = anyhow!(
            "find a module in `{}`: no Kbuild or Makefile there, or one folder below, has `obj-m`; \
             `kassay new NAME` makes a project with a module",
            folder.display()
        );
        return Err(usage(error));
    }
    let mut names = BTreeMap::new();
    for folder in &found {
        if let Some(other) = names.insert(folder.file_name(), folder) {
            return Err(usage(anyhow!(
                "make a scenario for each module: `{}` and `{}` have the same name",
                other.display(),
                folder.display()
            )));
        }
    }
    Ok(found)
}

/// Whether a folder's Kbuild or Makefile makes modules.
fn has_modules(folder: &Path) -> bool {
    let text = |name: &str| plain::text(&folder.join(name), plain::TEXT).unwrap_or_default();
    let is_goal = |line: &str| {
        ["obj-m", "obj-$("]
            .iter()
            .any(|goal| line.starts_with(goal))
    };
    let has = |name: &&str| text(name).lines().any(|line| is_goal(line.trim_start()));
    ["Kbuild", "Makefile"].iter().any(has)
}

/// A scenario that inserts a module, and a program that declares its kfuncs.
fn of_module(
    cache: &Cache,
    kernel: &Kernel,
    project: &Project,
    folder: &Path,
) -> Result<Vec<File>> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    // It is to be a program's and a scenario's name, too.
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-".contains(letter);
    let by_name = folder.parent() == Some(&project.modules) && name.chars().all(plain);
    let asked = match by_name {
        true => name.to_string(),
        false => folder.join("").to_string_lossy().into_owned(),
    };
    let part = scenario::module(&asked, project)?;
    let built = module::build(cache, kernel, std::slice::from_ref(&part))?.concat();
    if built.is_empty() {
        bail!("build `{}`: it makes no module", folder.display());
    }
    let files = built.iter().map(|module| module.file.as_path());
    let kfuncs = kfuncs::of_modules(kernel, files)?.kfuncs;
    let (count, on, release) = (kfuncs.len(), &kernel.name, &kernel.release);
    print(&format!("found {name}: {count} kfuncs on {on} ({release})"))?;
    let name = name.replace(|letter| !plain(letter), "_");
    let inside = |path: &Path| path.strip_prefix(&project.root).unwrap_or(path).to_owned();
    let scenario = inside(&project.scenarios.join(format!("{name}.toml")));
    let asked = match by_name {
        true => asked,
        false => upwards(&scenario)
            .join(inside(&part.path))
            .to_string_lossy()
            .into_owned(),
    };
    let program = inside(&project.programs.join(format!("{name}.bpf.c")));
    let mut files = vec![(scenario, text(&name, &asked, &program, &kfuncs))];
    if !kfuncs.is_empty() {
        files.push((program, declared(&kfuncs)));
    }
    Ok(files)
}

/// The way from the folder of a file in a project to the project's, with a `/` at its end.
fn upwards(file: &Path) -> PathBuf {
    let folders = file.parent().into_iter().flat_map(Path::components);
    folders.map(|_| "..").collect::<PathBuf>().join("")
}

/// The text of the scenario.
fn text(name: &str, asked: &str, program: &Path, kfuncs: &[Kfunc]) -> String {
    let (asked, program) = (toml::Value::from(asked), program.display());
    let (hint, allowed) = match kfuncs.is_empty() {
        true => (String::new(), ", \"no_kfuncs\""),
        false => {
            let hint = format!(
                "# {program} declares its kfuncs: call them there, then take these lines instead \
                 of `allow`.\n# bpf = [\"{name}\"]\n# [[step]]\n# unlink = {{ times = 1 }}\n"
            );
            (hint, "")
        }
    };
    format!(
        "about = \"{name} is inserted, shows its kfuncs and is removed\"\n\
         modules = [{asked}]\n{hint}allow = [\"no_programs\", \"no_steps\"{allowed}]\n"
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
