//! `kassay init`: makes a project of a folder that has modules.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::Args;

use super::error::{Error, Result};
use super::session::Session;
use super::{chosen, print};
use crate::cache::Cache;
use crate::compile::module;
use crate::excerpt::bounded;
use crate::interrupt;
use crate::kernel::Kernel;
use crate::kfuncs::{self, Kfunc};
use crate::project::Project;
use crate::scenario::{self, Part};
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
    let project = Project::of(&folder).map_err(Error::slip)?;
    let folders = modules(&folder, &project)?;
    let session = Session::open()?;
    let own = || project.kernels.first().cloned();
    let name = args.kernel.clone().or_else(own);
    let name = name.unwrap_or_else(|| template::kernel().to_owned());
    let kernel = chosen::kernel(&session, Some(&name))?;
    let mut files = template::common();
    files.extend(made(&session.store.cache, &kernel, &project, &folders)?);
    let there = template::put(&folder, &files)?;
    for (path, _) in &files {
        let did = if there.contains(path) { "kept" } else { "made" };
        print(&format!("{did} {}", path.display()))?;
    }
    print("next: kassay run shows what the kernel says, kassay run --accept keeps it as reviewed")?;
    Ok(())
}

/// The files that are made for modules. Those that cannot be built are left out, unless all are.
fn made(
    cache: &Cache,
    kernel: &Kernel,
    project: &Project,
    folders: &[PathBuf],
) -> Result<Vec<File>> {
    let (mut files, mut failed) = (Vec::new(), Vec::new());
    for module in folders {
        match of_module(cache, kernel, project, module) {
            Ok(its) => files.extend(its),
            Err(error) => failed.push(error),
        }
        interrupt::check()?;
    }
    if failed.len() == folders.len() {
        return Err(failed.remove(0).into());
    }
    for error in failed {
        let why = bounded(&format!("{error:#}"));
        progress::note(format!("left out a module: {why}"));
    }
    Ok(files)
}

/// The folders of modules: this one, else those in it and in the project's folder of modules.
fn modules(folder: &Path, project: &Project) -> Result<Vec<PathBuf>> {
    let mut unread = None;
    let mut is_wanted = |folder: &PathBuf| {
        has_modules(folder).unwrap_or_else(|error| {
            unread.get_or_insert(error);
            false
        })
    };
    let mut found = vec![folder.to_owned()];
    found.retain(&mut is_wanted);
    if found.is_empty() {
        found = [inside(folder)?, inside(&project.modules)?].concat();
        found.sort();
        found.dedup();
        found.retain(&mut is_wanted);
    }
    match unread {
        // What others have put beside the modules need not be readable.
        Some(error) if found.is_empty() => Err(Error::slip(error)),
        None if found.is_empty() => Err(Error::Slip(format!(
            "find a module in `{}`: no Kbuild or Makefile there, or one folder below, has `obj-m`; \
             `kassay new NAME` makes a project with a module",
            folder.display()
        ))),
        _ => check_names(found),
    }
}

/// What is in a folder, if it is there.
fn inside(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Err(error) if plain::is_absent(&error) => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("list `{}`", folder.display())),
        Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).collect()),
    }
}

/// Sees that each folder's scenario has a name of its own.
fn check_names(folders: Vec<PathBuf>) -> Result<Vec<PathBuf>> {
    let mut names = BTreeMap::new();
    for folder in &folders {
        if let Some(other) = names.insert(folder.file_name(), folder) {
            return Err(Error::Slip(format!(
                "make a scenario for each module: `{}` and `{}` have the same name",
                other.display(),
                folder.display()
            )));
        }
    }
    Ok(folders)
}

/// Whether a folder's Kbuild or Makefile makes modules.
fn has_modules(folder: &Path) -> anyhow::Result<bool> {
    let is_goal = |line: &str| {
        ["obj-m", "obj-$("]
            .iter()
            .any(|goal| line.starts_with(goal))
    };
    for path in ["Kbuild", "Makefile"].map(|name| folder.join(name)) {
        let text = match plain::text(&path, plain::TEXT) {
            Err(error) if plain::is_absent(&error) => continue,
            text => text.with_context(|| format!("read `{}`", path.display()))?,
        };
        if text.lines().any(|line| is_goal(line.trim_start())) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// A scenario that inserts a module, and a program that declares its kfuncs.
fn of_module(
    cache: &Cache,
    kernel: &Kernel,
    project: &Project,
    folder: &Path,
) -> anyhow::Result<Vec<File>> {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let by_name = folder.parent() == Some(&project.modules) && name.chars().all(is_plain);
    let asked = match by_name {
        true => name.to_string(),
        false => folder.join("").to_string_lossy().into_owned(),
    };
    let part = scenario::module(&asked, project)?;
    let kfuncs = kfuncs_of(cache, kernel, &part)?;
    let (count, on, release) = (kfuncs.len(), &kernel.name, &kernel.release);
    print(&format!("found {name}: {count} kfuncs on {on} ({release})"))?;
    let name = name.replace(|letter| !is_plain(letter), "_");
    Ok(files_of(
        project,
        &name,
        by_name.then_some(asked),
        &part,
        &kfuncs,
    ))
}

/// The files for a module, which has its name in the project, or is found by its path.
fn files_of(
    project: &Project,
    name: &str,
    asked: Option<String>,
    part: &Part,
    kfuncs: &[Kfunc],
) -> Vec<File> {
    let inside = |path: &Path| path.strip_prefix(&project.root).unwrap_or(path).to_owned();
    let scenario = inside(&project.scenarios.join(format!("{name}.toml")));
    let asked = asked.unwrap_or_else(|| {
        let way = upwards(&scenario).join(inside(&part.path));
        way.to_string_lossy().into_owned()
    });
    let program = inside(&project.programs.join(format!("{name}.bpf.c")));
    let mut files = vec![(scenario, text(name, &asked, &program, kfuncs))];
    if !kfuncs.is_empty() {
        files.push((program, declared(kfuncs)));
    }
    files
}

/// Whether a letter may be in the names of a program and a scenario, too.
fn is_plain(letter: char) -> bool {
    letter.is_ascii_alphanumeric() || "_-".contains(letter)
}

/// The kfuncs of a module, which is built.
fn kfuncs_of(cache: &Cache, kernel: &Kernel, part: &Part) -> anyhow::Result<Vec<Kfunc>> {
    let built = module::build(cache, kernel, std::slice::from_ref(part))?.concat();
    if built.is_empty() {
        bail!("build `{}`: it makes no module", part.path.display());
    }
    let files = built.iter().map(|module| module.file.as_path());
    Ok(kfuncs::of_modules(kernel, files)?.kfuncs)
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
