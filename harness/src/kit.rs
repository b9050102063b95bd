//! What a case leaves that neither passes nor is skipped, and with `--keep` one that passes: one
//! folder with all that is needed to understand it, and to run the very same again (`kassay repro`).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use kassay_guest::{Fact, Plan};
use serde::{Deserialize, Serialize};

use crate::cache;
use crate::case::{Case, Setting, folder, share};
use crate::compile::module::Module;
use crate::facts::Facts;
use crate::kernel::Kernel;
use crate::outcome::Judged;
use crate::project::Defaults;
use crate::scenario::Scenario;
use crate::snapshot::Snapshot;
use crate::{plain, vm};

/// What there is to run again. A folder without it is of a case that nothing was built for.
const CASE: &str = "case.json";

/// What the guest reads.
const SHARE: &str = "share";

/// The guest program, packed.
const INITRAMFS: &str = "initramfs.cpio";

/// The number of this form.
const FORM: u32 = 2;

/// What a case was run on and came to, beside the files of its folder.
#[derive(Serialize, Deserialize)]
struct Saved {
    form: u32,
    verdict: String,
    title: String,
    kernel: Kernel,
    /// SHA-256 of the kernel's image.
    image: String,
    /// Where the guest program was.
    initramfs: PathBuf,
    accelerator: String,
    /// None where a debugger had held the machine up.
    timeout_s: Option<u64>,
    /// What its project may have said for the scenario.
    #[serde(default)]
    defaults: Defaults,
    restored: bool,
    /// The scenario's file, in the folder.
    scenario: String,
}

/// A folder that is being filled.
pub struct Kit<'a> {
    folder: &'a Path,
}

/// Keeps the reason why nothing could be built for a case, and returns the folder.
///
/// # Errors
/// The folder cannot be written.
pub fn keep_reason(kernel: &str, scenario: &Scenario, reason: &str) -> Result<PathBuf> {
    let folder = folder(kernel, &scenario.name);
    let kit = Kit::new(&folder)?;
    kit.text("reason", reason)?;
    kit.copy(&scenario.path, &file_name(&scenario.path))?;
    Ok(folder)
}

impl<'a> Kit<'a> {
    /// Makes the folder anew.
    ///
    /// # Errors
    /// It cannot be removed or made.
    pub fn new(folder: &'a Path) -> Result<Kit<'a>> {
        let made = match fs::remove_dir_all(folder) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => fs::create_dir_all(folder),
        };
        made.with_context(|| format!("make the folder `{}`", folder.display()))?;
        Ok(Kit { folder })
    }

    /// Keeps a text, unless it is empty.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn text(&self, name: &str, text: &str) -> Result<()> {
        if text.is_empty() {
            return Ok(());
        }
        let path = self.folder.join(name);
        fs::write(&path, text).with_context(|| format!("keep `{}`", path.display()))
    }

    /// Keeps a copy: what it is of may change, and so may what lies here.
    fn copy(&self, from: &Path, name: &str) -> Result<()> {
        let to = self.folder.join(name);
        fs::copy(from, &to)
            .with_context(|| format!("keep `{}` as `{}`", from.display(), to.display()))
            .map(drop)
    }

    /// Keeps what the case is made of.
    ///
    /// # Errors
    /// A part of it cannot be read or copied.
    pub fn case(&self, setting: &Setting, case: &Case, judged: &Judged) -> Result<()> {
        let scenario = file_name(&case.scenario.path);
        self.copy(&case.scenario.path, &scenario)?;
        self.copy(case.initramfs, INITRAMFS)?;
        let snapshot = Snapshot::of(case.scenario, case.kernel);
        if snapshot.path().exists() {
            let to = self.folder.join("snapshots");
            fs::create_dir_all(&to).with_context(|| format!("make `{}`", to.display()))?;
            self.copy(
                &snapshot.path(),
                &format!("snapshots/{}.snap", snapshot.name),
            )?;
        }
        let share = self.folder.join(SHARE);
        fs::create_dir_all(&share).with_context(|| format!("make `{}`", share.display()))?;
        (case.fill)(&share)?;
        let saved = Saved {
            form: FORM,
            verdict: judged.verdict.to_string(),
            title: judged.title.clone(),
            kernel: case.kernel.clone(),
            image: cache::digest(&case.kernel.image)?,
            initramfs: case.initramfs.to_owned(),
            accelerator: setting.accelerator_of(&case.kernel.name).to_string(),
            timeout_s: setting
                .timeout
                .filter(|_| !setting.gdb)
                .map(|timeout| timeout.as_secs()),
            defaults: case.scenario.defaults(),
            restored: judged.restored,
            scenario,
        };
        self.text(
            CASE,
            &format!("{}\n", serde_json::to_string_pretty(&saved)?),
        )
    }

    /// Keeps what the machine left.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn evidence(&self, facts: &Facts) -> Result<()> {
        let evidence = &facts.evidence;
        self.text("console", evidence.console.as_deref().unwrap_or_default())?;
        self.text("stderr", &evidence.stderr)?;
        // NUL between arguments is for programs; a person gets a line each.
        self.text("command", &evidence.command.replace('\0', "\n"))?;
        self.text("facts.jsonl", evidence.file.as_deref().unwrap_or_default())?;
        for fact in &facts.told {
            match fact {
                Fact::Trace { lines, .. } => self.text("trace", &(lines.join("\n") + "\n"))?,
                Fact::Log { records, .. } => {
                    let lines = records.iter().map(|record| {
                        let (seconds, us) =
                            (record.time_us / 1_000_000, record.time_us % 1_000_000);
                        format!("<{}>[{seconds:>5}.{us:06}] {}\n", record.level, record.text)
                    });
                    self.text("kernel-log", &lines.collect::<String>())?;
                }
                _ => {}
            }
        }
        match &evidence.dump {
            Some(dump) => vm::map_dump(dump, &self.folder.join("dump")),
            None => Ok(()),
        }
    }
}

fn file_name(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

/// What a failure left, read back.
pub struct Kept {
    folder: PathBuf,
    saved: Saved,
    scenario: Scenario,
    modules: Vec<Module>,
    initramfs: PathBuf,
}

/// Why a folder cannot be run again.
#[derive(Debug)]
pub enum Unfit {
    /// It is none that a failure left.
    NoKit(String),
    /// It is one, but something is missing.
    Broken(anyhow::Error),
}

impl From<anyhow::Error> for Unfit {
    fn from(error: anyhow::Error) -> Unfit {
        Unfit::Broken(error)
    }
}

impl Kept {
    /// Reads a folder, and sees that the kernel is still the same.
    ///
    /// # Errors
    /// It is no kit, a part of it is missing, or the kernel is gone.
    pub fn read(folder: &Path) -> Result<Kept, Unfit> {
        let shown = folder.display();
        let path = folder.join(CASE);
        let look = || format!("look for `{}`", path.display());
        if plain::metadata(&path).with_context(look)?.is_none() {
            if folder.join("reason").is_file() {
                let why = anyhow::anyhow!(
                    "run `{shown}` again: nothing was built, as `{shown}/reason` says; `kassay run` \
                     builds it anew"
                );
                return Err(Unfit::Broken(why));
            }
            return Err(Unfit::NoKit(format!(
                "there is no `{}`: name a folder that a failed run has left, such as \
                 `target/kassay/KERNEL/SCENARIO`",
                path.display()
            )));
        }
        Ok(read(folder, &path).with_context(|| format!("run `{shown}` again"))?)
    }

    /// The kernel.
    pub fn kernel(&self) -> &Kernel {
        &self.saved.kernel
    }

    /// What executed the guest's instructions.
    pub fn accelerator(&self) -> &str {
        &self.saved.accelerator
    }

    /// How long the machine could take, in seconds, where that was limited.
    pub fn timeout(&self) -> Option<u64> {
        self.saved.timeout_s
    }

    /// Whether the machine went on from a saved state.
    pub fn restored(&self) -> bool {
        self.saved.restored
    }

    /// The verdict and its title.
    pub fn verdict(&self) -> (&str, &str) {
        (&self.saved.verdict, &self.saved.title)
    }

    /// The case, to be run again. What it leaves goes to `again` in the folder.
    pub fn case(&self) -> Case<'_> {
        Case {
            kernel: &self.saved.kernel,
            scenario: &self.scenario,
            modules: &self.modules,
            initramfs: &self.initramfs,
            fill: Box::new(|share| refill(&self.folder.join(SHARE), share)),
            place: Box::new(|_, _| Some(self.folder.join("again"))),
            streams: None,
            is_idle: false,
            is_again: false,
        }
    }
}

fn read(folder: &Path, path: &Path) -> Result<Kept> {
    let saved = Saved::read(path)?;
    let kept = there(folder.join(INITRAMFS))?;
    let plan = there(folder.join(SHARE).join("plan.json"))?;
    let file = there(folder.join(file_name(saved.scenario.as_ref())))?;
    let mut scenario = Scenario::read_alone(&file, &saved.defaults)?;
    // The file may leave to chance what the plan has, such as a seed.
    let plan = plan_of(&plan)?;
    for (asked, step) in scenario.steps.iter_mut().zip(&plan.steps) {
        asked.step = step.clone();
    }
    scenario.fail_allocation = plan.failing;
    let modules = modules(&folder.join(SHARE), &plan)?;
    check_kernel(&saved)?;
    // One from the cache has its saved state there too, and is the same as long as it is there.
    let initramfs = match saved.initramfs.exists() {
        true => saved.initramfs.clone(),
        false => kept,
    };
    Ok(Kept {
        initramfs,
        folder: folder.to_owned(),
        saved,
        scenario,
        modules,
    })
}

impl Saved {
    fn read(path: &Path) -> Result<Saved> {
        let shown = path.display();
        let text = plain::text(path, plain::TEXT).with_context(|| format!("read `{shown}`"))?;
        let parse = || format!("parse `{shown}`");
        let form: serde_json::Value = serde_json::from_str(&text).with_context(parse)?;
        if form["form"] != FORM {
            bail!("`{shown}` is of another version of kassay");
        }
        serde_json::from_str(&text).with_context(parse)
    }
}

fn plan_of(path: &Path) -> Result<Plan> {
    plain::read(path, plain::MADE)
        .map_err(anyhow::Error::from)
        .and_then(|text| Ok(serde_json::from_slice(&text)?))
        .with_context(|| format!("read the plan `{}`", path.display()))
}

/// The path of a part, which is there.
fn there(path: PathBuf) -> Result<PathBuf> {
    match path.exists() {
        true => Ok(path),
        false => bail!("`{}` is missing", path.display()),
    }
}

/// The modules of a plan, which are there as its objects are.
fn modules(share: &Path, plan: &Plan) -> Result<Vec<Module>> {
    for object in &plan.objects {
        there(share.join(format!("bpf/{object}.bpf.o")))?;
    }
    let module = |name: &String| {
        let file = share.join(format!("modules/{name}.ko"));
        Module::at(name, there(file)?)
    };
    plan.modules.iter().map(module).collect()
}

/// That the kernel is there, and the one that it was.
fn check_kernel(saved: &Saved) -> Result<()> {
    let (kernel, image) = (&saved.kernel, saved.kernel.image.display());
    if !kernel.image.exists() {
        bail!(
            "the kernel {} is gone: there is no `{image}`; `kassay run --kernel {}` gets it, and runs \
             the case as it is now",
            kernel.name,
            kernel.name
        );
    }
    if cache::digest(&kernel.image)? != saved.image {
        bail!(
            "the kernel {} is not the same any more: `{image}` has changed",
            kernel.name
        );
    }
    Ok(())
}

/// Lays out again what a guest read, with a plan whose clock, randomness and mark are fresh.
fn refill(from: &Path, share: &Path) -> Result<()> {
    copy(from, share).with_context(|| format!("copy `{}` into the share", from.display()))?;
    let path = share.join("plan.json");
    let read = || -> Result<()> {
        let mut plan: serde_json::Value =
            serde_json::from_slice(&plain::read(&path, plain::MADE)?)?;
        let fresh = share::fresh()?;
        plan["clock_ns"] = fresh.clock_ns.into();
        plan["entropy"] = fresh.entropy.into();
        plan["mark"] = fresh.mark.into();
        Ok(fs::write(&path, serde_json::to_vec(&plan)?)?)
    };
    read().with_context(|| format!("freshen the plan `{}`", path.display()))
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let to = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &to)?;
        } else {
            plain::open(&entry.path())?;
            fs::copy(entry.path(), to)?;
        }
    }
    Ok(())
}
