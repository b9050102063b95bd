//! What misbehaves on purpose, one test each: `KERNEL::NAME` is `zoo/NAME.toml`,
//! or a case of `zoo/host.rs`.
//!
//! A case is run as if it expected nothing. It must then come, by itself, to
//! exactly the verdict and title that its file expects, and be no pass; judged
//! once more with the expectation it must have no fault. At the end stands one
//! table of what was seen, the same on every run.

#[path = "it/checkout.rs"]
#[allow(dead_code, reason = "`it` uses all of it")]
mod checkout;
mod chosen;
#[path = "zoo/host.rs"]
mod host;
mod needs;
#[path = "it/repository.rs"]
mod repository;

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use chosen::Chosen;
use kassay::arch::Arch;
use kassay::case::{self, Case, Setting, TIMEOUT};
use kassay::compile::{self, module::Module};
use kassay::kernel::Kernel;
use kassay::normalise::visible;
use kassay::outcome::Judged;
use kassay::progress;
use kassay::run::{self, Ran};
use kassay::scenario::{self, Scenario};
use kassay::tool::Tool;
use kassay::verdict::{self, Verdict};
use kassay::vm::Run;
use libtest_mimic::{Completion, Trial};
use repository::{project, repository};

/// How much longer than its scenario's timeout a case may take: long enough for a busy host, and far from
/// for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was seen: kernel, case, verdict and title.
static TABLE: Mutex<Vec<[String; 4]>> = Mutex::new(Vec::new());

fn main() -> ExitCode {
    let code = chosen::main(trials);
    show_table();
    code
}

fn trials(on: &Arc<Chosen>) -> Result<Vec<Trial>> {
    let trial = |scenario: Scenario| {
        let on = on.clone();
        let title = format!("{}::{}", on.name, scenario.name);
        needs::qemu(title, move || {
            test(&on, scenario).map_err(|error| visible(&format!("{error:#}")).into())
        })
    };
    let cases = scenario::read_all(&repository().join("harness/tests/zoo"), &project())?;
    let guest = cases.into_iter().map(trial);
    Ok(guest.chain(host::trials(on)).collect())
}

fn test(on: &Chosen, scenario: Scenario) -> Result<Completion> {
    let kernel = on.kernel().as_ref().map_err(|why| anyhow!("{why}"))?;
    if let Some(why) = case::lacks(&on.setting.cache, kernel, &scenario)? {
        return Ok(Completion::ignored_with(why));
    }
    let expected = scenario.expect.as_ref().map(verdict::expected);
    let expected = expected.context("the case expects no verdict")?;
    let (bare, judged) = run_twice_judged(&on.setting, kernel, &scenario)?;
    let verdict = bare.verdict.to_string();
    let allowed = scenario.timeout.unwrap_or(TIMEOUT) + PATIENCE;
    let row = [&on.name, &scenario.name, &verdict, &bare.title];
    note(row.map(String::as_str), bare.duration, allowed);
    let (due, titles) = expected;
    ensure!(
        bare.verdict == due && titles.has(&bare.title),
        "{}: {}, and not {due}: {titles}\n{}",
        bare.verdict,
        bare.title,
        bare.reason
    );
    judged.map_err(|fault| anyhow!("{}: {}\n{}", fault.verdict, fault.title, fault.reason))?;
    ensure!(
        bare.duration <= allowed,
        "it took {:?} of {allowed:?}",
        bare.duration
    );
    Ok(Completion::Completed)
}

/// One run, and what it comes to without the scenario's expectation and with it.
fn run_twice_judged(
    setting: &Setting,
    kernel: &Kernel,
    scenario: &Scenario,
) -> Result<(Judged, Result<(), verdict::Fault>)> {
    let bare = Scenario {
        expect: None,
        ..scenario.clone()
    };
    let mut artifacts = compile::build(&setting.cache, kernel, &bare)?;
    let directory = tempfile::tempdir()?;
    for module in &mut artifacts.modules {
        doctor(module, kernel.arch, directory.path())?;
    }
    let case = Case::of(kernel, &bare, &artifacts);
    let judge = |ran: &Ran| {
        ensure!(!is_alive(&ran.run), "QEMU still runs");
        run::conclude(setting, &case, ran)
    };
    let is_pass = |judged: &Judged| judged.verdict == Verdict::Pass;
    let (ran, judged) = run::decide(setting, &case, judge, is_pass)?;
    let known = Case::of(kernel, scenario, &artifacts).known()?;
    Ok((judged, verdict::judge(&known, &ran.facts).0))
}

/// Whether a run's QEMU is still there.
fn is_alive(run: &Run) -> bool {
    let pid = fs::read_to_string(run.path().join("pid")).unwrap_or_default();
    let command = fs::read(format!("/proc/{}/cmdline", pid.trim())).unwrap_or_default();
    String::from_utf8_lossy(&command).contains(&run.path().display().to_string())
}

/// Has a module be what no build of kassay's makes of it, where that is the case.
fn doctor(module: &mut Module, arch: Arch, directory: &Path) -> Result<()> {
    if !matches!(module.name.as_str(), "no_btf" | "other_btf") {
        return Ok(());
    }
    let file = directory.join("doctored.ko");
    let tool = |program: &str| Tool::new(program).cwd(directory);
    // What `.BTF.base` has of the kernel's would be taken for the base instead.
    let objcopy = arch.tool("objcopy");
    let strip = tool(&objcopy).args(["--remove-section=.BTF", "--remove-section=.BTF.base"]);
    strip.arg(&module.file).arg(&file).output()?;
    if module.name == "other_btf" {
        fs::write(directory.join("base.c"), "int other;\n")?;
        tool(&arch.tool("gcc"))
            .args(["-g", "-c", "base.c"])
            .output()?;
        let base = tool("pahole").arg("--btf_encode_detached=base.btf");
        base.arg("base.o").output()?;
        let split = tool("pahole").args(["-J", "--btf_base=base.btf"]);
        // It calls LLVM's objcopy unless it is told of another.
        split.arg(&file).env("LLVM_OBJCOPY", objcopy).output()?;
    }
    module.file = file;
    Ok(())
}

/// Takes a row into the table, and tells how long the machine took, which is another time
/// on every run.
fn note(row: [&str; 4], took: Duration, allowed: Duration) {
    let (took, allowed) = (took.as_secs_f64(), allowed.as_secs());
    progress::note(format!(
        "{}::{} took {took:.1} s of {allowed} s",
        row[0], row[1]
    ));
    TABLE.lock().unwrap().push(row.map(str::to_owned));
}

fn show_table() {
    let mut rows = TABLE.lock().unwrap();
    rows.sort();
    let width = |cell: usize| rows.iter().map(|row| row[cell].len()).max().unwrap_or(0);
    let [kernel, case, verdict] = [0, 1, 2].map(width);
    for [a, b, c, title] in rows.iter() {
        println!("{a:kernel$}  {b:case$}  {c:verdict$}  {title}");
    }
}
