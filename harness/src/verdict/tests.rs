use kassay_guest::{
    Arrived, Blame, By, Command, Drive, Driven, Line, Outcome, PROTOCOL, Packet, Ran, Record, Run,
    Standing, State, Stayed, Thing, Udp, Unharmed, Unlink, Unlinked, Why, done, trace_marks,
};

use super::leftover::EXPECTED_TAINT;
use super::plan::part;
use super::*;
use crate::btf;
use crate::excerpt::{LINES, bounded};
use crate::scenario::{Allow, Part};
use crate::step::Asked;
use crate::vm::{Evidence, Shutdown};

const RELEASE: &str = "6.11.0";
const MARK: &str = "0123456789abcdef";

fn scenario() -> Scenario {
    let names = ["drop", "accept"].map(str::to_owned).to_vec();
    let packets = vec![Packet::default(); names.len()];
    let udp = Asked {
        names,
        ..Udp {
            packets,
            by: By::Frame,
        }
        .into()
    };
    let part = |name: &str| Part {
        name: name.to_owned(),
        path: name.into(),
        ..Part::default()
    };
    Scenario {
        modules: vec![part("m")],
        bpf: vec![part("b")],
        steps: vec![Unlink { times: 1 }.into(), udp],
        ..Scenario::new("case")
    }
}

fn udp(sent: u64, seen: u64, dropped: u64, delivered: &[usize], sentinel: bool) -> Fact {
    Fact::Stepped {
        step: 1,
        outcome: Ok(Outcome::Udp(Arrived {
            pid: 71,
            sent,
            seen,
            dropped,
            delivered: delivered.to_vec(),
            sentinel,
        })),
    }
}

fn left(programs: &[&str], maps: &[&str], links: usize, taint: u64) -> Fact {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    Fact::Left {
        programs: names(programs),
        maps: names(maps),
        links,
        pins: Vec::new(),
        stayed: Vec::new(),
        is_blind: false,
        taint_before: 0,
        taint,
    }
}

fn log(text: &str, lost: u64) -> Fact {
    let text = text.to_owned();
    Fact::Log {
        records: vec![Record {
            level: 6,
            time_us: 0,
            text,
        }],
        lost,
    }
}

fn traced(lines: &[String], lost: u64, read: u64) -> Fact {
    let line =
        |text: &String| format!("kassay-plan-70 [000] .....  1.5: tracing_mark_write: {text}");
    Fact::Trace {
        lines: lines.iter().map(line).collect(),
        lost,
        read,
        unseen: 0,
    }
}

fn leaks(objects: Option<&str>) -> Fact {
    Fact::Leaks {
        objects: objects.map(str::to_owned),
        since: 5000,
    }
}

fn inserted(btf: Result<Vec<u8>, String>, symbols: &[&str]) -> Fact {
    Fact::Inserted {
        module: "m".to_owned(),
        error: None,
        btf,
        symbols: symbols.iter().map(|name| (*name).to_owned()).collect(),
        unregistered: None,
        code: None,
    }
}

/// What the kernel says of the program at the end.
fn standing(place: Option<Result<&str, &str>>, runs: Option<u64>) -> Fact {
    let owned = |place: Result<&str, &str>| place.map(str::to_owned).map_err(str::to_owned);
    Fact::Standing {
        programs: vec![Standing {
            object: "b".to_owned(),
            program: "p".to_owned(),
            place: place.map(owned),
            choice: String::new(),
            runs,
        }],
    }
}

/// The facts of a run in which all is well, without the closing record.
fn facts() -> Vec<Fact> {
    vec![
        Fact::Start {
            protocol: PROTOCOL,
            release: RELEASE.to_owned(),
            pids: Vec::new(),
        },
        inserted(Ok(btf::sample()), &["f"]),
        Fact::Loaded {
            object: "b".to_owned(),
            program: None,
            error: None,
            log: String::new(),
            costs: Vec::new(),
        },
        Fact::Attached {
            object: "b".to_owned(),
            program: "p".to_owned(),
            section: "tc/ingress".to_owned(),
            end: Some(kassay_guest::section::End::Receiver),
            error: None,
            log: String::new(),
        },
        Fact::Stepped {
            step: 0,
            outcome: Ok(Outcome::Unlink(Unlinked {
                pid: 70,
                unlinked: 1,
            })),
        },
        udp(3, 3, 1, &[1], true),
        standing(Some(Ok("tc ingress")), Some(3)),
        traced(&trace_marks(MARK), 0, 2),
        Fact::Removed {
            module: "m".to_owned(),
            error: None,
        },
        left(&[], &[], 0, EXPECTED_TAINT),
        log("Hello, world!", 0),
        leaks(Some("")),
    ]
}

/// What a machine leaves that reported these facts and a closing record.
fn evidence(mut facts: Vec<Fact>) -> Evidence {
    facts.push(Fact::End {
        facts: facts.len() as u64,
    });
    let lines = facts
        .into_iter()
        .zip(0..)
        .map(|(fact, seq)| Line { seq, fact });
    let port: Vec<String> = lines
        .map(|line| serde_json::to_string(&line).unwrap())
        .collect();
    Evidence {
        answered: true,
        file: Some(port.join("\n") + "\n"),
        port,
        mark: MARK.to_owned(),
        console: Some(format!("{}\n", done(MARK))),
        shutdown: Some(Shutdown {
            guest: false,
            reason: "host-qmp-quit".to_owned(),
        }),
        exit_code: Some(0),
        ..Evidence::default()
    }
}

/// What a machine left in which the module was inserted.
fn read(evidence: &Evidence) -> Facts {
    Facts::read(evidence.clone(), &[module()])
}

fn judged(evidence: &Evidence) -> String {
    judged_by(&scenario(), evidence)
}

/// The judgement of a scenario that expects a verdict.
fn expecting(expect: Expect, evidence: &Evidence) -> String {
    let expect = Some(expect);
    judged_by(
        &Scenario {
            expect,
            ..scenario()
        },
        evidence,
    )
}

fn module() -> Module {
    Module {
        name: "m".to_owned(),
        file: "m.ko".into(),
        params: String::new(),
        kfuncs: vec!["f".to_owned()],
        needs: Vec::new(),
        is_proprietary: false,
        source: std::path::PathBuf::new(),
    }
}

fn judged_by(scenario: &Scenario, evidence: &Evidence) -> String {
    match judge(&case(scenario, &[module()]), &read(evidence)).0 {
        Ok(()) => "no fault".to_owned(),
        Err(fault) => format!("{}: {}", fault.verdict, fault.title),
    }
}

fn case<'a>(scenario: &'a Scenario, modules: &'a [Module]) -> Case<'a> {
    Case {
        scenario,
        modules,
        release: RELEASE,
        base_strings: btf::SAMPLE_BASE.to_vec(),
        flaws: Default::default(),
        is_traced_alone: true,
        has_kmemleak: true,
    }
}

/// The judgement of evidence that was whole before this change.
fn after(change: impl FnOnce(&mut Evidence)) -> String {
    let mut evidence = evidence(facts());
    change(&mut evidence);
    judged(&evidence)
}

/// The judgement when the lines of both ways out were changed alike.
fn after_lines(change: impl FnOnce(&mut Vec<String>)) -> String {
    after(|evidence| {
        change(&mut evidence.port);
        evidence.file = Some(evidence.port.join("\n"));
    })
}

/// The judgement of a run in which this fact stands in place of its like.
fn with(fact: Fact) -> String {
    let mut facts = facts();
    let place = facts
        .iter()
        .position(|other| part(other) == part(&fact))
        .unwrap();
    facts[place] = fact;
    judged(&evidence(facts))
}

#[test]
fn a_command_that_goes_on_has_an_end() {
    let command = |state| Command {
        pids: (70, 72),
        state,
        lines: Vec::new(),
    };
    let stepped = |state| Fact::Stepped {
        step: 0,
        outcome: Ok(Outcome::Run(Ran::Command(command(state)))),
    };
    let mut scenario = scenario();
    let asked = ["x", "r", "/"].map(str::to_owned);
    let [line, ready, directory] = asked;
    scenario.steps[0] = Run::Command {
        line,
        ready: Some(ready),
        directory,
    }
    .into();
    let mut facts = facts();
    let lost = "lost: the facts are not those of the plan";
    facts[4] = stepped(State::Ready);
    assert_eq!(judged_by(&scenario, &evidence(facts.clone())), lost);
    let command = command(State::Ended(0));
    facts.insert(6, Fact::Ended { step: 0, command });
    assert_eq!(judged_by(&scenario, &evidence(facts.clone())), "no fault");
    facts[4] = stepped(State::Ended(0));
    assert_eq!(judged_by(&scenario, &evidence(facts)), lost);
}

#[test]
fn whole_evidence_has_no_fault() {
    assert_eq!(judged(&evidence(facts())), "no fault");
}

#[test]
fn a_scenario_without_steps_or_programs_says_so() {
    let change = |change: fn(&mut Scenario), allow: &[Allow]| {
        let mut scenario = Scenario {
            allow: allow.to_vec(),
            ..scenario()
        };
        change(&mut scenario);
        let facts = facts().into_iter().filter(|fact| match fact {
            Fact::Stepped { .. } => !scenario.steps.is_empty(),
            Fact::Loaded { .. } | Fact::Attached { .. } => !scenario.bpf.is_empty(),
            _ => true,
        });
        judged_by(&scenario, &evidence(facts.collect()))
    };
    let steps = |scenario: &mut Scenario| scenario.steps.clear();
    assert_eq!(change(steps, &[]), "mismatch: the scenario has no steps");
    assert_eq!(change(steps, &[Allow::NoSteps]), "no fault");
    let programs = |scenario: &mut Scenario| {
        scenario.bpf.clear();
        scenario.steps.clear();
        scenario.each = true;
    };
    let none = "mismatch: the scenario has no programs";
    assert_eq!(change(programs, &[]), none);
    assert_eq!(change(programs, &[Allow::NoPrograms]), "no fault");
}

#[test]
fn a_step_that_failed_or_a_program_that_is_not_attached_is_a_mismatch() {
    let failed = Fact::Stepped {
        step: 0,
        outcome: Err("no room".to_owned()),
    };
    assert_eq!(with(failed), "mismatch: step 1 failed");
    let mut facts = facts();
    let Fact::Attached { error, .. } = &mut facts[3] else {
        panic!()
    };
    *error = Some("Invalid argument".to_owned());
    let title = "p was not attached to tc/ingress";
    let expected = expecting(Expect::Mismatch(title.into()), &evidence(facts.clone()));
    assert_eq!(judged(&evidence(facts)), format!("mismatch: {title}"));
    assert_eq!(expected, "no fault");
}

#[test]
fn a_program_runs_and_stays_where_its_section_says() {
    let never = "mismatch: program p never ran";
    assert_eq!(with(standing(Some(Ok("tc ingress")), Some(0))), never);
    assert_eq!(with(standing(Some(Ok("tc ingress")), None)), "no fault");
    let moved = "mismatch: p is not attached to tc/ingress";
    assert_eq!(with(standing(Some(Ok("tc egress")), Some(3))), moved);
    assert_eq!(with(standing(Some(Err("gone")), Some(3))), moved);
    let mut scenario = scenario();
    scenario.may_not_run = vec!["p".to_owned()];
    let mut facts = facts();
    facts[6] = standing(Some(Ok("tc ingress")), Some(0));
    assert_eq!(judged_by(&scenario, &evidence(facts)), "no fault");
}

#[test]
fn what_the_scenario_attaches_nowhere_has_to_run_all_the_same() {
    let mut facts = facts();
    facts[3] = Fact::Unattached {
        object: "b".to_owned(),
        program: "p".to_owned(),
        section: "tc/ingress".to_owned(),
        why: Why::Asked,
    };
    facts[5] = udp(3, 0, 0, &[0, 1], true);
    let judged = |runs| {
        let mut facts = facts.clone();
        facts[6] = standing(None, Some(runs));
        judged_by(&scenario(), &evidence(facts))
    };
    assert_eq!(judged(0), "mismatch: program p never ran");
    assert_eq!(judged(1), "no fault");
}

#[test]
fn what_has_no_hook_is_run_by_a_step_or_only_loaded() {
    let mut facts = facts();
    facts[3] = Fact::Unattached {
        object: "b".to_owned(),
        program: "p".to_owned(),
        section: "netkit/peer".to_owned(),
        why: Why::NoHook,
    };
    facts[5] = udp(3, 0, 0, &[0, 1], true);
    facts[6] = standing(None, Some(0));
    let judged = |scenario: &Scenario| judged_by(scenario, &evidence(facts.clone()));
    let mut scenario = scenario();
    assert_eq!(
        judged(&scenario),
        "mismatch: p was not attached to netkit/peer"
    );
    scenario.may_not_run = vec!["p".to_owned()];
    assert_eq!(judged(&scenario), "no fault");
}

#[test]
fn a_closing_record_comes_once_and_last() {
    assert_eq!(
        after_lines(|lines| drop(lines.pop())),
        "lost: no closing record"
    );
    let follow = "lost: facts follow the closing record";
    let again = r#"{"seq":13,"fact":"end","facts":13}"#;
    assert_eq!(after_lines(|lines| lines.push(again.to_owned())), follow);
    let more = r#"{"seq":13,"fact":"trace","lines":[],"lost":0,"read":0,"unseen":0}"#;
    assert_eq!(after_lines(|lines| lines.push(more.to_owned())), follow);
    let other = r#"{"seq":12,"fact":"end","facts":13}"#;
    let title = "lost: the closing record counts other facts";
    assert_eq!(after_lines(|lines| lines[12] = other.to_owned()), title);
}

#[test]
fn what_is_no_line_is_lost() {
    let garbage = "lost: the guest wrote garbage";
    assert_eq!(
        after_lines(|lines| lines.insert(3, "kassay".to_owned())),
        garbage
    );
    assert_eq!(after_lines(|lines| lines[10].truncate(20)), garbage);
    assert_eq!(
        after_lines(|lines| drop(lines.remove(3))),
        "lost: facts are missing"
    );
    let start = r#"{"seq":0,"fact":"start","protocol":0,"release":"6.11.0"}"#;
    let title = "lost: no opening record of this protocol";
    assert_eq!(after_lines(|lines| lines[0] = start.to_owned()), title);
}

#[test]
fn what_only_the_share_shows_as_garbage_is_garbage() {
    let garbled = |evidence: &mut Evidence| {
        let file = evidence.file.as_mut().unwrap();
        file.insert_str(file.find('\n').unwrap() + 1, "\u{fffd}{\n");
    };
    assert_eq!(after(garbled), "lost: the guest wrote garbage");
}

#[test]
fn both_ways_out_tell_the_same() {
    let differ = "lost: the command port and the share tell different facts";
    assert_eq!(after(|evidence| evidence.file = None), differ);
    let half = |evidence: &mut Evidence| evidence.file.as_mut().unwrap().truncate(100);
    assert_eq!(after(half), differ);
    let other = |evidence: &mut Evidence| {
        evidence.file = evidence
            .file
            .take()
            .map(|file| file.replace("Hello", "Howdy"));
    };
    assert_eq!(after(other), differ);
    assert_eq!(
        after(|evidence| evidence.port.clear()),
        "lost: no closing record"
    );
}

#[test]
fn without_any_one_fact_it_is_lost() {
    for place in 0..facts().len() {
        let mut facts = facts();
        let gone = facts.remove(place);
        let verdict = judged(&evidence(facts));
        // The transcript says which programs there were.
        let attached = matches!(gone, Fact::Attached { .. });
        assert_eq!(
            verdict.starts_with("lost: "),
            !attached,
            "{gone:?}: {verdict}"
        );
    }
}

#[test]
fn with_any_one_fact_twice_it_is_lost() {
    for place in 0..facts().len() {
        let mut facts = facts();
        let twice = facts[place].clone();
        facts.insert(place, twice.clone());
        let verdict = judged(&evidence(facts));
        let attached = matches!(twice, Fact::Attached { .. });
        assert_ne!(verdict == "no fault", !attached, "{twice:?}: {verdict}");
    }
}

#[test]
fn a_refused_object_has_a_title_and_a_program_by_itself_has_none() {
    let refused = |program: Option<&str>| Fact::Loaded {
        object: "b".to_owned(),
        program: program.map(str::to_owned),
        error: Some("Invalid argument".to_owned()),
        log: String::new(),
        costs: Vec::new(),
    };
    let mut facts = facts();
    facts.insert(3, refused(Some("p")));
    let evidence = |facts: &[Fact]| self::evidence(facts.to_vec());
    let refusal = |facts: &[Fact]| read(&evidence(facts)).refusal();
    assert_eq!(judged(&evidence(&facts)), "no fault");
    assert_eq!(refusal(&facts), None);
    facts[2] = refused(None);
    let title = Some("program b was refused".to_owned());
    assert_eq!(refusal(&facts), title);
}

#[test]
fn a_guest_program_ends_by_itself() {
    let end = |code| after(|evidence| evidence.exit_code = code);
    assert_eq!(
        end(Some(137)),
        "lost: the guest program was killed by signal 9"
    );
    assert_eq!(end(Some(1)), "lost: the guest program ended with status 1");
    assert_eq!(end(None), "lost: the guest program did not end");
}

#[test]
fn a_guest_program_that_gives_up_says_why() {
    let error = "write the facts to the share".to_owned();
    let mut facts = facts();
    facts[1] = Fact::Failed { error };
    let mut evidence = evidence(facts);
    evidence.port.truncate(2);
    evidence.exit_code = Some(1);
    let title = "lost: the guest program gave up: write the facts to the share";
    assert_eq!(judged(&evidence), title);
}

#[test]
fn a_guest_that_did_not_end_is_not_looked_for_on_the_console() {
    let killed = |evidence: &mut Evidence| {
        (evidence.exit_code, evidence.console) = (Some(137), Some(String::new()));
    };
    let title = "lost: the guest program was killed by signal 9";
    assert_eq!(after(killed), title);
}

#[test]
fn incomplete_facts_are_not_compared() {
    let expect = Expect::Lost("the facts are not those of the plan".into());
    let scenario = Scenario {
        expect: Some(expect),
        ..scenario()
    };
    let evidence = evidence(facts()[..1].to_vec());
    let case = case(&scenario, &[]);
    assert_eq!(judge(&case, &read(&evidence)), (Ok(()), None));
}

#[test]
fn a_hang_says_how_far_the_plan_had_come() {
    let place = |count: usize| {
        let mut evidence = evidence(facts());
        evidence.port.truncate(count);
        evidence.timed_out = true;
        let fault = judge(&case(&scenario(), &[module()]), &read(&evidence)).0;
        let reason = fault.unwrap_err().reason;
        reason.lines().next().unwrap_or_default().to_owned()
    };
    let start = format!("start {RELEASE}");
    assert_eq!(
        place(0),
        format!("the plan was past nothing, and not past {start}")
    );
    assert_eq!(
        place(1),
        format!("the plan was past {start}, and not past insert m")
    );
    let steps = facts()
        .iter()
        .position(|fact| matches!(fact, Fact::Stepped { .. }));
    let unlink = place(steps.unwrap());
    assert!(unlink.ends_with("and not past step 1 (unlink)"), "{unlink}");
}

#[test]
fn a_machine_ends_when_the_host_says_so() {
    assert_eq!(
        after(|evidence| evidence.timed_out = true),
        "hang: deadline passed"
    );
    let end = |shutdown| after(|evidence| evidence.shutdown = shutdown);
    let by = |guest, reason: &str| {
        end(Some(Shutdown {
            guest,
            reason: reason.to_owned(),
        }))
    };
    assert_eq!(
        by(true, "guest-shutdown"),
        "lost: the machine was shut down: guest-shutdown"
    );
    assert_eq!(
        by(false, "host-signal"),
        "lost: the machine was shut down: host-signal"
    );
    assert_eq!(end(None), "lost: QEMU ended without a word");
    let trouble = Some("no answer".to_owned());
    let title = "lost: the guest stopped answering";
    assert_eq!(after(|evidence| evidence.trouble = trouble), title);
}

#[test]
fn a_console_that_cannot_be_read_is_no_clean_one() {
    let console = |text: Option<&str>| after(|evidence| evidence.console = text.map(str::to_owned));
    assert_eq!(console(None), "infra: QEMU did not start");
    assert_eq!(
        console(Some("")),
        "lost: the console does not show the guest"
    );
    assert_eq!(
        console(Some("[    0.1] Linux version 6.11")),
        "lost: the console does not show the guest"
    );
    let said = |text: &str| console(Some(&format!("{}\n[    1.0] {text}\n", done(MARK))));
    assert_eq!(said("Kernel panic - not syncing: no"), "panic: panic: no");
    assert_eq!(
        said("Out of memory: Killed process 70 (m)"),
        "oom: Out of memory"
    );
    assert_eq!(said("BUG: no"), "report: BUG: no");
}

#[test]
fn a_guest_that_writes_too_much_is_lost_whatever_else_it_is() {
    let flood = |evidence: &mut Evidence| evidence.flood = Some("console");
    let title = "lost: the guest wrote too much: console";
    assert_eq!(after(flood), title);
    let late = |evidence: &mut Evidence| {
        flood(evidence);
        evidence.timed_out = true;
    };
    assert_eq!(after(late), title);
}

#[test]
fn a_kernel_that_does_not_boot_was_not_tested_whatever_is_expected() {
    let unanswered = |change: fn(&mut Evidence)| {
        let mut evidence = Evidence {
            console: Some("Linux".to_owned()),
            shutdown: Some(Shutdown {
                guest: true,
                reason: "guest-reset".to_owned(),
            }),
            ..Evidence::default()
        };
        change(&mut evidence);
        let seen = judged(&evidence);
        let expect = Expect::Panic("panic: no way".into());
        assert_eq!(expecting(expect, &evidence), seen);
        seen
    };
    let no_boot = |why: &str| format!("infra: the kernel does not boot: {why}");
    let panic = unanswered(|evidence| {
        let text = "Kernel panic - not syncing: no way\n---[ end Kernel panic - not syncing: no way ]---\n";
        evidence.console = Some(text.to_owned());
    });
    assert_eq!(panic, no_boot("panic: no way"));
    let late = unanswered(|evidence| evidence.timed_out = true);
    assert_eq!(late, no_boot("deadline passed before the guest answered"));
    let reset = unanswered(|_| ());
    assert_eq!(reset, no_boot("the machine was shut down: guest-reset"));
}

#[test]
fn a_log_in_many_facts_is_one_log() {
    let mut facts = facts();
    let record = |number: u32| log(&format!("BUG: {}", "a".repeat(number as usize)), 0);
    facts.extend((1..3000).map(record));
    let reports = Facts::read(evidence(facts), &[]).reports;
    assert_eq!(reports[0].title, "BUG: a");
    assert!(reports.len() <= 100, "{}", reports.len());
}

#[test]
fn a_reason_has_lines_that_can_be_read() {
    let error = "long ".repeat(1000) + &"\nmore".repeat(1000);
    let reason = bounded(&error);
    assert_eq!(reason.lines().count(), LINES);
    assert!(reason.lines().all(|line| line.chars().count() <= 501));
}

#[test]
fn a_qemu_that_says_why_was_not_started() {
    let title = after(|evidence| {
        *evidence = Evidence {
            console: Some("QEMU".to_owned()),
            stderr: "no such machine".to_owned(),
            ..Evidence::default()
        };
    });
    assert_eq!(title, "infra: QEMU did not start");
}

#[test]
fn a_qemu_of_which_nothing_was_heard_was_not_started() {
    let title = |console: &str| {
        after(|evidence| {
            *evidence = Evidence {
                console: Some(console.to_owned()),
                ..Evidence::default()
            };
        })
    };
    assert_eq!(title(""), "infra: QEMU did not start");
    assert_eq!(title("Linux"), "lost: QEMU ended without a word");
}

#[test]
fn what_was_not_captured_is_lost() {
    assert_eq!(with(traced(&[], 1, 0)), "lost: the trace buffer overflowed");
    assert_eq!(with(log("", 1)), "lost: the kernel log overflowed");
    assert_eq!(
        with(log("BUG: KASAN: use-after-free in f+0x1/0x2", 0)),
        "report: KASAN: use-after-free in f"
    );
    let mut facts = facts();
    facts.push(Fact::Failed {
        error: "no veth".to_owned(),
    });
    assert_eq!(
        judged(&evidence(facts)),
        "infra: the plan could not be followed"
    );
}

#[test]
fn what_was_kept_from_the_trace_is_lost() {
    let [begins, ends] = trace_marks(MARK);
    let seen = |lines: &[&String], read| {
        let lines: Vec<String> = lines.iter().map(|line| (*line).clone()).collect();
        with(traced(&lines, 0, read))
    };
    let cleared = "lost: the trace buffer was cleared, or read by something else";
    assert_eq!(seen(&[&ends], 1), cleared);
    assert_eq!(seen(&[], 0), cleared);
    assert_eq!(seen(&[&begins], 1), "lost: tracing was switched off");
    let read = "lost: the trace buffer was read by something else";
    assert_eq!(seen(&[&begins, &ends], 3), read);
    let of_another_run = trace_marks("0000000000000000");
    assert_eq!(seen(&[&of_another_run[0], &ends], 2), cleared);
    // One event may have two lines.
    assert_eq!(
        seen(&[&begins, &"a".to_owned(), &"b".to_owned(), &ends], 3),
        "no fault"
    );
}

#[test]
fn who_looks_on_may_do_what_they_like_with_the_trace() {
    let (scenario, modules) = (scenario(), [module()]);
    let case = Case {
        is_traced_alone: false,
        ..case(&scenario, &modules)
    };
    let mut facts = facts();
    facts[7] = traced(&[], 0, 9);
    assert_eq!(judge(&case, &read(&evidence(facts))).0, Ok(()));
}

#[test]
fn the_marks_of_the_trace_are_not_in_the_transcript() {
    let scenario = scenario();
    let transcript = judge(&case(&scenario, &[module()]), &read(&evidence(facts())))
        .1
        .unwrap();
    assert!(!transcript.contains("trace\n"), "{transcript}");
}

#[test]
fn a_plan_that_fails_at_once_is_infra_unless_the_kernel_says_why() {
    let error = "write `1` to `/proc/sys/kernel/nosuch`".to_owned();
    let mut early = facts();
    early.truncate(1);
    early.push(Fact::Failed { error });
    let seen = |text: &str| {
        let mut evidence = evidence(early.clone());
        evidence.console = Some(text.to_owned());
        judged(&evidence)
    };
    assert_eq!(seen("booted"), "infra: the plan could not be followed");
    assert_eq!(seen(WARNING), "report: WARNING in f");
    assert_eq!(seen(OOPS), "panic: Oops in f");
}

/// Evidence with these texts more on the console.
fn printing(facts: Vec<Fact>, texts: &[&str]) -> Evidence {
    let mut evidence = evidence(facts);
    let console = evidence.console.get_or_insert_default();
    texts
        .iter()
        .for_each(|text| *console += &format!("{text}\n"));
    evidence
}

const WARNING: &str =
    "WARNING: CPU: 0 PID: 1 at m.c:5 f+0x1/0x2\nRIP: 0010:f+0x1/0x2\n---[ end trace 0 ]---";
const OOPS: &str = "Oops: Oops: 0000 [#1]\nRIP: 0010:f+0x1/0x2";
const LOCKUP: &str = "watchdog: BUG: soft lockup - CPU#0 stuck\nRIP: 0010:f+0x1/0x2\n </TASK>";

#[test]
fn an_expected_verdict_is_a_pass() {
    let expect = Expect::Report("WARNING in f".into());
    assert_eq!(
        expecting(expect.clone(), &printing(facts(), &[WARNING])),
        "no fault"
    );
    // It brings a taint, and may be repeated.
    let mut tainted = facts();
    tainted[9] = left(&[], &[], 0, 1 << 9);
    let twice = printing(tainted, &[WARNING, WARNING]);
    assert_eq!(expecting(expect, &twice), "no fault");
    let expect = Expect::Panic("Oops in f".into());
    let mut stopped = printing(facts(), &[OOPS]);
    (stopped.exit_code, stopped.file) = (None, None);
    assert_eq!(expecting(expect, &stopped), "no fault");
    let expect = Expect::Report("BUG: soft lockup in f".into());
    let mut late = printing(facts(), &[LOCKUP]);
    late.timed_out = true;
    assert_eq!(expecting(expect, &late), "no fault");
}

#[test]
fn a_hang_follows_from_a_stall_alone() {
    let late = |text: &str| {
        let mut evidence = printing(facts(), &[text]);
        (evidence.timed_out, evidence.exit_code) = (true, None);
        evidence
    };
    let expect = Expect::Report("WARNING in f".into());
    let due = "mismatch: expected only report: WARNING in f, but there is hang: deadline passed";
    assert_eq!(expecting(expect, &late(WARNING)), due);
    let expect = Expect::Report("BUG: soft lockup in f".into());
    assert_eq!(expecting(expect, &late(LOCKUP)), "no fault");
}

#[test]
fn each_of_several_expected_titles_is_to_be_there() {
    let seen = |texts: &[&str]| {
        let titles = ["BUG: another", "WARNING in f"].map(str::to_owned).to_vec();
        expecting(Expect::Report(titles.into()), &printing(facts(), texts))
    };
    let due = "mismatch: expected only report: BUG: another and WARNING in f, but there is";
    assert_eq!(seen(&[WARNING, "BUG: another"]), "no fault");
    assert_eq!(seen(&[WARNING]), format!("{due} no report: BUG: another"));
    assert_eq!(seen(&[]), format!("{due} no fault"));
    let three = [WARNING, "BUG: another", "BUG: a third"];
    assert_eq!(seen(&three), format!("{due} report: BUG: a third"));
}

#[test]
fn any_other_verdict_than_the_expected_is_a_mismatch() {
    let seen = |facts: Vec<Fact>, texts: &[&str]| {
        let expect = Expect::Report("WARNING in f".into());
        expecting(expect, &printing(facts, texts))
    };
    let due = "mismatch: expected only report: WARNING in f, but there is";
    assert_eq!(seen(facts(), &[]), format!("{due} no fault"));
    assert_eq!(seen(facts(), &[OOPS]), format!("{due} panic: Oops in f"));
    let two = [WARNING, "BUG: another"];
    assert_eq!(seen(facts(), &two), format!("{due} report: BUG: another"));
    let mut leaking = facts();
    leaking[9] = left(&["p"], &[], 0, 0);
    let leak = format!("{due} leak: 1 BPF program left behind");
    assert_eq!(seen(leaking, &[WARNING]), leak);
    let lost = format!("{due} lost: the facts are not those of the plan");
    assert_eq!(seen(facts()[..9].to_vec(), &[WARNING]), lost);
}

#[test]
fn what_stays_may_be_expected_and_nothing_else_with_it() {
    let error = Some("Resource temporarily unavailable".to_owned());
    let module = "m".to_owned();
    let mut facts = facts();
    facts[8] = Fact::Removed { module, error };
    let expect = || Expect::Leak("module m could not be removed".into());
    assert_eq!(expecting(expect(), &evidence(facts.clone())), "no fault");
    facts[9] = left(&["p"], &[], 0, 0);
    let seen = expecting(expect(), &evidence(facts));
    assert!(
        seen.ends_with("but there is leak: 1 BPF program left behind"),
        "{seen}"
    );
}

/// What a run of which something stayed is judged to be.
fn stayed(stayed: &[(Thing, &str)]) -> Fact {
    let thing = |(what, name): &(Thing, &str)| Stayed {
        what: *what,
        name: (*name).to_owned(),
    };
    let mut fact = left(&[], &[], 0, 0);
    if let Fact::Left { stayed: things, .. } = &mut fact {
        *things = stayed.iter().map(thing).collect();
    }
    fact
}

#[test]
fn what_the_kernel_lists_anew_is_a_leak_with_its_name() {
    let thread = (Thing::KernelThread, "t");
    let two = stayed(&[thread, (Thing::Kprobe, "f")]);
    assert_eq!(with(two), "leak: kernel thread t stayed");
    assert_eq!(
        with(stayed(&[(Thing::Kprobe, "f")])),
        "leak: kprobe on f stayed"
    );
    // What a module that is still in has is its own.
    let error = Some("Resource temporarily unavailable".to_owned());
    let mut facts = facts();
    facts[8] = Fact::Removed {
        module: "m".to_owned(),
        error,
    };
    facts[9] = stayed(&[thread]);
    let seen = judged(&evidence(facts));
    assert_eq!(seen, "leak: module m could not be removed");
}

#[test]
fn what_was_told_to_stay_decides_over_the_panic_that_it_brings() {
    let mut facts = facts();
    facts[9] = stayed(&[(Thing::Timer, "f")]);
    let mut stopped = evidence(facts);
    stopped.console = Some("Kernel panic - not syncing: no\n".to_owned());
    stopped.shutdown = None;
    assert_eq!(judged(&stopped), "leak: timer f stayed");
    let expect = Expect::Leak("timer f stayed".into());
    assert_eq!(expecting(expect, &stopped), "no fault");
    stopped.port.truncate(9);
    assert_eq!(judged(&stopped), "panic: panic: no");
}

#[test]
fn what_holds_a_module_keeps_it_in() {
    let error = Some("Resource temporarily unavailable".to_owned());
    let module = "m".to_owned();
    let mut facts = facts();
    facts[8] = Fact::Removed { module, error };
    facts[9] = left(&["p"], &["a"], 1, 0);
    let link = "1 BPF link left behind";
    let left = evidence(facts);
    assert_eq!(judged(&left), format!("leak: {link}"));
    let expect = Expect::Leak(link.into());
    assert_eq!(expecting(expect, &left), "no fault");
}

#[test]
fn a_module_whose_btf_the_kernel_does_not_take_has_none() {
    const MISSING: &str = "missing module BTF, cannot register kfuncs";
    const INVALID: &str = "failed to validate module [m] BTF: -22";
    let mut facts = facts();
    facts[1] = inserted(Err("No such file or directory".to_owned()), &["f"]);
    let seen = |title: &str, texts: &[&str]| {
        let expect = Expect::Report(title.into());
        expecting(expect, &printing(facts.clone(), texts))
    };
    assert_eq!(seen("BPF: missing module BTF", &[MISSING]), "no fault");
    let both = [INVALID, MISSING];
    assert_eq!(seen("BPF: failed to validate BTF", &both), "no fault");
    let due = "mismatch: expected only report: WARNING in f, but there is";
    assert_eq!(
        seen("WARNING in f", &[WARNING]),
        format!("{due} mismatch: m has no BTF")
    );
}

#[test]
fn another_kernel_is_never_judged() {
    let start = Fact::Start {
        protocol: PROTOCOL,
        release: "6.12.0".to_owned(),
        pids: Vec::new(),
    };
    let mut facts = facts();
    facts[0] = start;
    assert_eq!(
        judged(&evidence(facts)),
        "infra: another kernel was started"
    );
}

#[test]
fn a_module_shows_its_btf_and_its_kfuncs() {
    let absent = Err("No such file or directory".to_owned());
    assert_eq!(with(inserted(absent, &["f"])), "mismatch: m has no BTF");
    let not_offered = "mismatch: m does not offer f";
    assert_eq!(with(inserted(Ok(Vec::new()), &["f"])), not_offered);
    assert_eq!(with(inserted(Ok(btf::sample()), &["g"])), not_offered);
}

#[test]
fn what_stays_behind_is_a_leak() {
    let error = Some("Resource temporarily unavailable".to_owned());
    let stays = Fact::Removed {
        module: "m".to_owned(),
        error,
    };
    assert_eq!(with(stays), "leak: module m could not be removed");
    assert_eq!(
        with(left(&["p"], &[], 0, 0)),
        "leak: 1 BPF program left behind"
    );
    assert_eq!(
        with(left(&[], &["a", "b"], 0, 0)),
        "leak: 2 BPF map left behind"
    );
    assert_eq!(with(left(&[], &[], 1, 0)), "leak: 1 BPF link left behind");
    assert_eq!(
        with(left(&[], &[], 0, 1 << 9)),
        "leak: the kernel is tainted: W (warning)"
    );
}

#[test]
fn a_taint_is_a_leak_unless_a_module_brings_it() {
    let tainted = |bits| with(left(&[], &[], 0, bits));
    let seen = tainted(1 | 1 << 63);
    assert_eq!(
        seen,
        "leak: the kernel is tainted: P (proprietary module), bit 63"
    );
    assert_eq!(tainted(1 << 18), "no fault");
    let proprietary = Module {
        is_proprietary: true,
        source: std::path::PathBuf::new(),
        ..module()
    };
    let check = |bits| {
        let fact = left(&[], &[], 0, bits);
        leftover::check(&fact, std::slice::from_ref(&proprietary), false, false, &[])
    };
    assert_eq!(check(1), Ok(()));
    assert!(check(2).is_err());
}

#[test]
fn the_outcome_of_another_step_is_a_mismatch() {
    let mut facts = facts();
    facts[4] = Fact::Stepped {
        step: 0,
        outcome: Ok(Outcome::Fault(Unharmed)),
    };
    let told = judged(&evidence(facts));
    assert_eq!(told, "mismatch: a step has the outcome of another one");
}

#[test]
fn what_a_driver_finds_at_fault_is_a_mismatch() {
    let mut scenario = scenario();
    scenario.steps[0] = Drive {
        driver: "d".to_owned(),
        args: Vec::new(),
        seed: 7,
    }
    .into();
    let judged = |faults: &[Blame]| {
        let driven = Driven {
            faults: faults.to_vec(),
            ..Driven::default()
        };
        let mut facts = facts();
        facts[4] = Fact::Stepped {
            step: 0,
            outcome: Ok(Outcome::Drive(driven)),
        };
        judged_by(&scenario, &evidence(facts))
    };
    let title = "the module and the oracle disagree".to_owned();
    let reason = vec!["packet 7".to_owned()];
    assert_eq!(judged(&[]), "no fault");
    let told = judged(&[Blame { title, reason }]);
    assert_eq!(told, "mismatch: the module and the oracle disagree");
}

#[test]
fn packets_are_counted_three_ways_that_agree() {
    let lies = [
        udp(2, 3, 1, &[1], true),
        udp(0, 0, 0, &[], true),
        udp(3, 2, 1, &[1], true),
        udp(3, 3, 0, &[1], true),
        udp(3, 3, 2, &[1], true),
        udp(3, 3, 1, &[0, 1], true),
        udp(3, 3, 1, &[1, 1], true),
        udp(3, 3, 1, &[7], true),
        udp(3, 3, 1, &[1], false),
    ];
    for lie in lies {
        assert_eq!(
            with(lie.clone()),
            "mismatch: the packet counts disagree",
            "{lie:?}"
        );
    }
}

/// An object that `f` allocated at this time in `jiffies`.
fn lost(jiffies: u64) -> String {
    format!(
        "unreferenced object 0xff11 (size 8):\n  comm \"unlink\", pid 70, jiffies {jiffies}\n  \
         backtrace (crc 0):\n    f+0x1/0x2 [m]\n"
    )
}

#[test]
fn memory_that_was_lost_since_the_plan_began_is_a_leak() {
    assert_eq!(with(leaks(Some(&lost(5000)))), "leak: memory leak in f");
    assert_eq!(with(leaks(Some(&lost(4999)))), "no fault");
    assert_eq!(with(leaks(None)), "lost: the kernel did not look for leaks");
    let counted = "kmemleak: 1 new suspected memory leaks (see /sys/kernel/debug/kmemleak)\n";
    let after = |objects: &str| {
        let mut facts = facts();
        facts.pop();
        facts.push(leaks(Some(objects)));
        let mut evidence = evidence(facts);
        evidence.console.as_mut().unwrap().push_str(counted);
        judged(&evidence)
    };
    assert_eq!(after(&lost(5000)), "leak: memory leak in f");
    assert_eq!(after(&lost(4999)), "no fault");
}

#[test]
fn memory_that_was_lost_before_the_plan_has_a_title() {
    let mut facts = facts();
    facts.pop();
    facts.push(leaks(Some(&lost(4999))));
    assert_eq!(read(&evidence(facts)).earlier_leaks, ["memory leak in f"]);
}

#[test]
fn what_is_not_attached_is_told_before_the_packets_that_it_did_not_see() {
    let mut facts = facts();
    if let Fact::Attached { error, .. } = &mut facts[3] {
        *error = Some("no".to_owned());
    }
    facts[5] = udp(3, 2, 0, &[1], true);
    assert_eq!(
        judged(&evidence(facts)),
        "mismatch: p was not attached to tc/ingress"
    );
}

#[test]
fn what_xdp_and_cgroups_drop_no_qdisc_counts() {
    let with = |kind: &str, fact: Fact| {
        let place = match kind {
            "xdp" => "xdp of interface 3",
            _ => "cgroup CgroupInetIngress",
        };
        let mut facts = facts();
        if let Fact::Attached { section, .. } = &mut facts[3] {
            *section = kind.to_owned();
        }
        facts[5] = fact;
        facts[6] = standing(Some(Ok(place)), Some(3));
        judged(&evidence(facts))
    };
    let disagree = "mismatch: the packet counts disagree";
    assert_eq!(with("xdp", udp(3, 3, 0, &[1], true)), "no fault");
    assert_eq!(with("xdp", udp(3, 2, 0, &[1], true)), disagree);
    let ingress = "cgroup_skb/ingress";
    assert_eq!(with(ingress, udp(3, 0, 0, &[1], true)), "no fault");
    assert_eq!(with(ingress, udp(3, 0, 2, &[1], true)), disagree);
}

#[test]
fn an_allocation_that_is_to_fail_comes_and_hides_nothing_else() {
    let scenario = Scenario {
        fail_allocation: Some(2),
        ..scenario()
    };
    let judged = |count: Option<u32>, left: Fact| {
        let mut facts = facts();
        let log = facts.len() - 2;
        facts[log - 1] = left;
        let told = Vec::new();
        facts.splice(
            log..log,
            count.map(|count| Fact::Allocations { told, count }),
        );
        judged_by(&scenario, &evidence(facts))
    };
    let nothing = || left(&[], &[], 0, EXPECTED_TAINT);
    let lost = "lost: the facts are not those of the plan";
    assert_eq!(judged(None, nothing()), lost);
    assert_eq!(judged(Some(2), nothing()), "no fault");
    let missed = "mismatch: allocation 2 did not come";
    assert_eq!(judged(Some(1), nothing()), missed);
    let leak = judged(Some(1), left(&["p"], &[], 0, EXPECTED_TAINT));
    assert!(leak.starts_with("leak: "), "{leak}");
}
