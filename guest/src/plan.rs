//! The course of a plan: insert, load, attach, trigger, capture, take back.

use std::collections::BTreeSet;
use std::fs::File;
use std::time::{Duration, Instant};

use anyhow::Result;
use kassay_guest::{During, Fact, Open, PROTOCOL, Plan, Show, Step};

use crate::bpf::{self, Attached, Failing, Holdings};
use crate::capture::{KernelLog, Trace};
use crate::facts::Facts;
use crate::host_root::HostRoot;
use crate::kallsyms::Kallsyms;
use crate::kmemleak::Kmemleak;
use crate::net::Lazy;
use crate::picture::Picture;
use crate::step::Around;
use crate::step::run::command::Commands;
use crate::watch::Watch;
use crate::{capability, gcov, live, module, process, share, show, step, system};

/// What can be opened before there is a plan, and else is opened for it.
pub struct Ready {
    /// Where facts go, beside the share.
    pub port: File,
    /// The list of symbols, read up to the modules' names.
    pub kallsyms: Option<Kallsyms>,
    /// The trace buffer, empty.
    pub trace: Option<Trace>,
    /// What the kernel has. It is taken before the gate, so that a saved state has it.
    pub picture: Option<Picture>,
}

/// Runs the plan of the share, reports over the port and returns the exit
/// status, 0 when the closing record was written. Nothing but that record says so to the harness.
pub fn run(ready: Ready) -> i32 {
    let Ready {
        port,
        kallsyms,
        trace,
        picture,
    } = ready;
    let mut facts = Facts::new(port);
    let done = follow(&mut facts, kallsyms, trace, picture);
    if let Err(error) = &done {
        // One way out may still work, even behind the closing record.
        let _ = facts.report(failed(error));
    }
    match done {
        Ok(()) => 0,
        Err(error) => {
            system::log(&format!("kassay-guest: {error:#}"));
            1
        }
    }
}

fn follow(
    facts: &mut Facts,
    kallsyms: Option<Kallsyms>,
    trace: Option<Trace>,
    picture: Option<Picture>,
) -> Result<()> {
    if let Err(error) = course(facts, kallsyms, trace, picture) {
        facts.report(failed(&error))?;
    }
    facts.close()
}

fn failed(error: &anyhow::Error) -> Fact {
    let error = format!("{error:#}");
    Fact::Failed { error }
}

fn course(
    facts: &mut Facts,
    kallsyms: Option<Kallsyms>,
    trace: Option<Trace>,
    picture: Option<Picture>,
) -> Result<()> {
    // Without it nobody could tell what then fails from a guest of another kind.
    facts.report(Fact::Start {
        protocol: PROTOCOL,
        release: system::release(),
        pids: process::own().to_vec(),
    })?;
    let plan = share::plan()?;
    set_up(&plan)?;
    // These go in before anything is looked at, and stay: their messages, caches and files are not
    // the scenario's, and what they hold keeps some of them from being removed.
    plan.kernel_modules
        .iter()
        .try_for_each(|name| module::insert_own(name))?;
    let host_root = plan.host_root.then(HostRoot::mount).transpose()?;
    let mut log = KernelLog::open()?;
    // As long as it is open, no program of a user can choose a tracer.
    let is_traced = plan.live.as_ref().is_none_or(|live| live.trace);
    let is_free = plan.steps.iter().any(is_free);
    let mut trace = match trace.filter(|_| is_traced && !is_free) {
        None if is_free && plan.live.is_none() => Some(Trace::open_own()?),
        None if is_traced => Some(Trace::open()?),
        trace => trace,
    };
    if let (None, Some(trace)) = (&plan.live, &mut trace) {
        trace.begin(&plan.mark)?;
    }
    let taint = system::taint()?;
    let mut failing = plan.failing.map(Failing::begin).transpose()?;
    // What the host's root or the kernel's own modules bring was not there at the gate, nor what
    // fails allocations.
    let is_as_at_gate = !plan.host_root && plan.kernel_modules.is_empty() && failing.is_none();
    let picture = picture.filter(|_| is_as_at_gate);
    let picture = is_looked_at(&plan).then(|| picture.unwrap_or_else(Picture::now));
    let is_watching = is_judged(&plan) && !plan.watch.is_empty();
    let kallsyms = match kallsyms {
        None if is_watching => Some(Kallsyms::open()?),
        kallsyms => kallsyms,
    };
    let own = kallsyms.as_ref().map(|list| list.code.clone());
    let own = own.unwrap_or_default();
    let mut watch = is_watching.then(|| Watch::begin(&plan.watch, own));
    let before = Holdings::now();
    let kmemleak = Kmemleak::open();
    let began = kmemleak.as_ref().map_or(0, Kmemleak::jiffies);

    let seen = watch.as_mut().and_then(Option::as_mut);
    let inserted = insert(
        &plan,
        kallsyms,
        kmemleak.as_ref(),
        seen,
        failing.as_mut(),
        facts,
    )?;
    let mut gone = BTreeSet::new();
    goes_on(failing.as_mut(), During::Steps)?;
    let seen = watch.as_mut().and_then(Option::as_mut);
    let steps = steps(
        &plan,
        host_root.as_ref(),
        trace.as_ref(),
        seen,
        &mut gone,
        facts,
    );
    // The programs are gone here: what they printed is complete.
    let traced = trace.as_mut().map(Trace::take).transpose()?;
    let mut traced = traced.unwrap_or_default();
    if let Some(Some(watch)) = &mut watch {
        traced.unseen = watch.printed()?.saturating_sub(traced.printed());
    }
    facts.report(traced.into())?;
    goes_on(failing.as_mut(), During::Remove)?;
    let has_stayed = take_back(
        inserted,
        &gone,
        &before,
        taint,
        picture.as_ref(),
        watch,
        facts,
    )?;
    if !has_stayed {
        std::thread::sleep(Duration::from_millis(plan.linger_ms));
    }
    if let Some(failing) = failing {
        facts.report(failing.told()?)?;
    }
    if plan.covers {
        let files = gcov::counts()?;
        facts.report(Fact::Coverage { files })?;
    }
    let ended = Instant::now();
    let (records, lost) = log.take(&plan.mark)?;
    facts.report(Fact::Log { records, lost })?;
    facts.report(Fact::Leaks {
        objects: kmemleak
            .as_ref()
            .map(|kmemleak| kmemleak.find(ended))
            .transpose()?,
        since: began,
    })?;
    steps
}

/// What is alike for all plans.
pub fn prepare() {
    system::stop_on_stalls();
    process::heed_signals();
}

/// Makes the kernel as the plan wants it.
fn set_up(plan: &Plan) -> Result<()> {
    system::set_clock(plan.clock_ns)?;
    system::add_entropy(&plan.entropy)?;
    for (name, value) in &plan.sysctl {
        system::write(&format!("/proc/sys/{}", name.replace('.', "/")), value)?;
    }
    Ok(())
}

/// Whether a step may change whatever the kernel has files for: switch tracing off, leave a probe.
fn is_free(step: &Step) -> bool {
    let writes = matches!(step, Step::Open(Open { write: Some(_), .. }));
    step.is_command() || writes
}

/// Whether a plan may leave anything but BPF objects. Where it may not, nobody looks: under TCG,
/// the second picture is a tenth of a restored run.
fn is_looked_at(plan: &Plan) -> bool {
    is_judged(plan) && (plan.may_stay || plan.steps.iter().any(is_free))
}

/// Whether it counts what a plan does. A program that runs for somebody on the host may do as it
/// likes.
fn is_judged(plan: &Plan) -> bool {
    let live = plan.live.as_ref();
    live.is_none_or(|live| live.program.is_none())
}

/// Removes the modules, the last one first, but for those that steps have removed, and reports what
/// stays behind of what was not there before. Returns whether anything but BPF objects does.
fn take_back(
    modules: Vec<&String>,
    gone: &BTreeSet<String>,
    before: &Holdings,
    taint_before: u64,
    picture: Option<&Picture>,
    watch: Option<Option<Watch>>,
    facts: &mut Facts,
) -> Result<bool> {
    let left = bpf::wait_until_only(before);
    let pins = left.pins()?;
    let kprobes = picture.map(Picture::kprobes).unwrap_or_default();
    let is_wanted = watch.is_some();
    let mut watch = watch.flatten();
    let remove = || {
        modules.iter().rev().map(|name| match gone.contains(*name) {
            true => Fact::Removed {
                module: (*name).clone(),
                error: None,
            },
            false => module::remove(name),
        })
    };
    let (mut removed, mut stayed, is_all) = match &mut watch {
        Some(watch) => watch.follow(&modules, || remove().collect())?,
        None => (remove().collect::<Vec<_>>(), Vec::new(), !is_wanted),
    };
    if stayed.is_empty() {
        drop(watch.take());
        stayed = picture.map_or_else(Vec::new, |picture| picture.stayed(&kprobes));
    }
    let has_stayed = !stayed.is_empty();
    removed.push(Fact::Left {
        pins,
        programs: left.programs,
        maps: left.maps,
        links: left.links,
        stayed,
        is_blind: !is_all,
        taint_before,
        taint: system::taint()?,
    });
    facts.report_all(removed)?;
    Ok(has_stayed)
}

/// Inserts the modules and returns those that are in.
fn insert<'a>(
    plan: &'a Plan,
    kallsyms: Option<Kallsyms>,
    kmemleak: Option<&Kmemleak>,
    mut watch: Option<&mut Watch>,
    mut failing: Option<&mut Failing>,
    facts: &mut Facts,
) -> Result<Vec<&'a String>> {
    let modules = &plan.modules;
    let mut insert = |name: &String| {
        let params = plan.params.get(name).map_or("", String::as_str);
        let since = kmemleak.map(Kmemleak::jiffies);
        goes_on(failing.as_deref_mut(), During::Insert(name.clone()))?;
        let done = module::insert(name, params);
        let refused = failing.as_deref().filter(|_| done.0.is_some());
        let refused = refused.map(|failing| failing.code(since.unwrap_or(0)));
        let unregistered = watch.as_mut().map(|watch| watch.unregistered());
        let unregistered = unregistered.transpose()?.flatten();
        Ok((since, done, unregistered, refused.transpose()?))
    };
    let results = modules.iter().map(&mut insert);
    let results: Vec<_> = results.collect::<Result<_>>()?;
    let mut names = kallsyms.map_or_else(Kallsyms::open, Ok)?.names(modules)?;
    let mut inserted = Vec::new();
    for (module, (since, (error, btf), unregistered, refused)) in modules.iter().zip(results) {
        if error.is_none() {
            inserted.push(module);
        }
        let symbols = names.remove(module).unwrap_or_default();
        let is_looked_for = since.is_some() || !plan.watch.is_empty();
        let code = || refused.unwrap_or_else(|| module::code(module, since.unwrap_or(0)));
        let code = is_looked_for.then(code);
        facts.report(Fact::Inserted {
            module: module.clone(),
            error,
            btf,
            symbols,
            unregistered,
            code,
        })?;
    }
    Ok(inserted)
}

/// What the modules ask for from now on is asked for during this.
fn goes_on(failing: Option<&mut Failing>, during: During) -> Result<()> {
    failing.map_or(Ok(()), |failing| failing.goes_on(during))
}

/// Attaches a program that was loaded by itself, and lets it go. What its place is on is made for it
/// alone, since another may want it otherwise.
fn try_attach(
    held: Attached,
    plan: &Plan,
    host_root: Option<&HostRoot>,
    facts: &mut Facts,
) -> Result<()> {
    let mut net = Lazy::new(&plan.steps);
    drop(held.attach(plan, &[], &mut net, host_root, facts)?);
    net.remove()
}

/// Loads and attaches the plan's objects, goes through its steps, has the host attend to what is
/// for it, and lets go of the objects again.
fn steps(
    plan: &Plan,
    host_root: Option<&HostRoot>,
    trace: Option<&Trace>,
    mut watch: Option<&mut Watch>,
    removed: &mut BTreeSet<String>,
    facts: &mut Facts,
) -> Result<()> {
    let mut net = Lazy::new(&plan.steps);
    let mut attached: Vec<Attached> = Vec::new();
    for name in &plan.objects {
        let without = &plan.without;
        if plan.each {
            // All of a large object, each with maps of its own, may be more than there is room for.
            let keeps = !plan.steps.is_empty() || plan.show != Show::default();
            let take = |held: Attached, facts: &mut Facts| match plan.attaches {
                true => try_attach(held, plan, host_root, facts),
                false => {
                    attached.extend(keeps.then_some(held));
                    Ok(())
                }
            };
            capability::without(without, || bpf::load_each(name, plan, facts, take))??;
        } else if let Some(object) = capability::without(without, || match plan.sifts {
            true => bpf::sift(name, plan, facts),
            false => bpf::load(name, plan, &attached, facts),
        })?? {
            let held = Attached::new(name, object, true);
            let held = held.attach(plan, &attached, &mut net, host_root, facts)?;
            attached.push(held);
        }
    }
    let mut commands = Commands::new(host_root);
    for (place, step) in plan.steps.iter().enumerate() {
        let mut around = Around {
            place,
            commands: &mut commands,
            net: &mut net,
            attached: &mut attached,
            removed,
            watch: watch.as_deref_mut(),
            facts,
        };
        let outcome = step::run(step, &mut around).map_err(|error| format!("{error:#}"));
        facts.report(Fact::Stepped {
            step: place,
            outcome,
        })?;
    }
    net.close();
    if let Some(live) = plan.live.as_ref().filter(|_| !facts.refused)
        && let Some(status) = live::run(live, host_root, trace)?
    {
        facts.report(Fact::Exited { status })?;
    }
    show::report(plan, &attached, facts)?;
    commands.end(facts)?;
    facts.report(bpf::standing(&attached, plan, net.made())?)?;
    drop(attached);
    net.remove()
}
