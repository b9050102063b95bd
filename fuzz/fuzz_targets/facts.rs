//! What comes out of a guest: its facts by both ways, its console, and how it
//! ended. Bytes as they are, or the facts of a good run that are changed here
//! and there at the level of JSON.
#![no_main]

use kassay::compile::module::Module;
use kassay::facts::Facts;
use kassay::scenario::{Expect, Part, Scenario};
use kassay::step::Asked;
use kassay::verdict::{Case, judge};
use kassay::vm::{Evidence, Shutdown};
use kassay_guest::{
    Arrived, By, Drive, Driven, Fact, Line, Outcome, PROTOCOL, Packet, Record, Standing, Udp,
    Unlink, Unlinked, done, trace_marks,
};
use libfuzzer_sys::arbitrary::{self, Arbitrary, Unstructured};
use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};

/// The mark of the run.
const MARK: &str = "0123456789abcdef";

/// What a guest and its machine leave.
#[derive(Arbitrary, Debug)]
struct Input<'a> {
    /// A run is expected to end so; 0 expects nothing.
    expect: u8,
    /// Other lines than those of the good run.
    raw: Option<Vec<&'a str>>,
    changes: Vec<Change<'a>>,
    /// Whether numbers and the closing record are made to fit.
    is_renumbered: bool,
    /// Another content of the share's file.
    file: Option<&'a str>,
    console: &'a str,
    is_done: bool,
    exit_code: Option<i64>,
    timed_out: bool,
    is_flooded: bool,
}

/// A change of one line.
#[derive(Arbitrary, Debug)]
enum Change<'a> {
    Remove(u8),
    Repeat(u8, u8),
    Swap(u8, u8),
    /// The node that is met by walking on by these numbers becomes another one.
    Set(u8, [u8; 4], Node<'a>),
}

#[derive(Arbitrary, Debug)]
enum Node<'a> {
    Null,
    Bool(bool),
    Signed(i64),
    Unsigned(u64),
    Text(&'a str),
    Texts(Vec<&'a str>),
    Bytes(&'a [u8]),
    Numbers(Vec<u16>),
    Error(&'a str),
    Gone,
}

fuzz_target!(|data: &[u8]| {
    let Ok(input) = Input::arbitrary_take_rest(Unstructured::new(data)) else {
        return;
    };
    let scenario = scenario(input.expect);
    let module = Module {
        name: "m".to_owned(),
        file: "m.ko".into(),
        params: String::new(),
        kfuncs: vec!["f".to_owned()],
        needs: Vec::new(),
        is_proprietary: false,
        source: std::path::PathBuf::new(),
    };
    let case = Case {
        scenario: &scenario,
        modules: &[module],
        release: "6.11.0",
        base_strings: b"\0st_value\0".to_vec(),
        flaws: Default::default(),
        is_traced_alone: true,
        has_kmemleak: true,
    };
    let facts = Facts::read(evidence(&input), case.modules);
    let evidence = &facts.evidence;
    let (judged, transcript) = judge(&case, &facts);
    assert_eq!((judged.clone(), transcript.clone()), judge(&case, &facts));
    if let Some(transcript) = &transcript {
        let is_shown = |letter: char| !letter.is_control() || "\n\t".contains(letter);
        assert!(transcript.chars().all(is_shown), "{transcript:?}");
    }
    match judged {
        Err(fault) => {
            assert!(!fault.title.is_empty());
            assert_eq!(fault.title.lines().count(), 1, "{fault:?}");
            assert!(!fault.title.contains(char::is_control), "{fault:?}");
        }
        // Whatever is to be a pass is whole.
        Ok(()) if scenario.expect.is_none() => {
            assert!(transcript.is_some());
            assert!(!evidence.timed_out && evidence.flood.is_none());
            assert_eq!(evidence.exit_code, Some(0));
            assert!(
                evidence
                    .console
                    .as_deref()
                    .is_some_and(|console| console.contains(&done(MARK)))
            );
            let file = evidence.file.as_deref().unwrap_or_default();
            assert!(evidence.port.iter().map(String::as_str).eq(file.lines()));
            assert_eq!(
                evidence
                    .port
                    .iter()
                    .filter(|line| line.contains("\"step\""))
                    .count(),
                3
            );
        }
        Ok(()) => {}
    }
});

fn scenario(expect: u8) -> Scenario {
    let expect = match expect {
        1 => Some(Expect::Mismatch("the packet counts disagree".into())),
        2 => Some(Expect::Report("WARNING in f".into())),
        3 => Some(Expect::Panic("Oops in f".into())),
        4 => Some(Expect::Hang("deadline passed".into())),
        5 => Some(Expect::Oom("Out of memory".into())),
        6 => Some(Expect::Leak("1 BPF link left behind".into())),
        7 => Some(Expect::Lost("no closing record".into())),
        _ => None,
    };
    let packets = vec![Packet::default(); 2];
    let part = |name: &str| Part {
        name: name.to_owned(),
        path: name.into(),
        ..Part::default()
    };
    Scenario {
        modules: vec![part("m")],
        bpf: vec![part("b")],
        expect,
        steps: vec![
            Unlink { times: 1 }.into(),
            Asked {
                step: Udp {
                    packets,
                    by: By::Frame,
                }
                .into(),
                names: vec!["drop".to_owned(), "accept".to_owned()],
                is_random: false,
            },
            Drive {
                driver: "d".to_owned(),
                args: Vec::new(),
                seed: 7,
            }
            .into(),
        ],
        ..Scenario::new("case")
    }
}

/// The lines of a run in which all is well.
fn good() -> Vec<Value> {
    let text = |text: &str| text.to_owned();
    let outcomes = [
        Outcome::Unlink(Unlinked {
            pid: 70,
            unlinked: 1,
        }),
        Outcome::Udp(Arrived {
            pid: 71,
            sent: 3,
            seen: 3,
            dropped: 1,
            delivered: vec![1],
            sentinel: true,
        }),
        Outcome::Drive(driven()),
    ];
    let step = |(step, outcome)| Fact::Stepped {
        step,
        outcome: Ok(outcome),
    };
    let before = [
        Fact::Start {
            protocol: PROTOCOL,
            release: text("6.11.0"),
            pids: Vec::new(),
        },
        Fact::Inserted {
            module: text("m"),
            error: None,
            btf: Ok(btf()),
            symbols: vec![text("f")],
            unregistered: None,
            code: None,
        },
        Fact::Loaded {
            object: text("b"),
            program: None,
            error: None,
            log: String::new(),
            costs: Vec::new(),
        },
        Fact::Attached {
            object: text("b"),
            program: text("p"),
            section: text("tc/ingress"),
            end: Some(kassay_guest::section::End::Receiver),
            error: None,
            log: String::new(),
        },
    ];
    let [begins, ends] = trace_marks(MARK);
    let after = [
        Fact::Standing {
            programs: vec![Standing {
                object: text("b"),
                program: text("p"),
                place: Some(Ok(text("tc ingress"))),
                choice: String::new(),
                runs: Some(102),
            }],
        },
        Fact::Trace {
            lines: vec![
                format!("  kassay-plan-69  [000] .....  1.1: tracing_mark_write: {begins}"),
                text("  unlink-70  [000] ...21  1.2: bpf_trace_printk: PID 70"),
                format!("  kassay-plan-69  [000] .....  1.3: tracing_mark_write: {ends}"),
            ],
            lost: 0,
            read: 3,
            unseen: 0,
        },
        Fact::Removed {
            module: text("m"),
            error: None,
        },
        Fact::Left {
            programs: Vec::new(),
            maps: Vec::new(),
            links: 0,
            pins: Vec::new(),
            stayed: Vec::new(),
            is_blind: false,
            taint_before: 0,
            taint: 1 << 12,
        },
        Fact::Log {
            records: vec![Record {
                level: 6,
                time_us: 0,
                text: text("Hello, world!"),
            }],
            lost: 0,
        },
        Fact::Leaks {
            objects: Some(String::new()),
            since: 1,
        },
        Fact::End { facts: 13 },
    ];
    let steps = outcomes.into_iter().enumerate().map(step);
    let facts = before.into_iter().chain(steps).chain(after);
    let lines = facts.zip(0..).map(|(fact, seq)| Line { seq, fact });
    lines
        .map(|line| serde_json::to_value(line).unwrap())
        .collect()
}

/// What a driver said that found nothing at fault.
fn driven() -> Driven {
    Driven {
        pid: 72,
        told: vec!["100 packets, all agree".to_owned()],
        facts: vec![("sent".to_owned(), "100".to_owned())],
        faults: Vec::new(),
        failed: None,
    }
}

/// Split BTF with one FUNC called `f`, behind ten bytes of strings.
fn btf() -> Vec<u8> {
    let fields = [24u32, 0, 12, 12, 3, 11, 12 << 24, 1];
    let fields = fields.iter().flat_map(|field| field.to_le_bytes());
    let header = [0x9f, 0xeb, 1, 0].into_iter();
    header.chain(fields).chain(*b"\0f\0").collect()
}

fn evidence(input: &Input) -> Evidence {
    let mut lines = good();
    for change in &input.changes {
        apply(&mut lines, change);
    }
    if input.is_renumbered {
        for (seq, line) in lines.iter_mut().enumerate() {
            if let Some(object) = line.as_object_mut() {
                object.insert("seq".to_owned(), json!(seq));
                if object.get("fact") == Some(&json!("end")) {
                    object.insert("facts".to_owned(), json!(seq));
                }
            }
        }
    }
    let port: Vec<String> = match &input.raw {
        Some(raw) => raw.iter().map(|line| (*line).to_owned()).collect(),
        None => lines.iter().map(Value::to_string).collect(),
    };
    let done = if input.is_done {
        String::new()
    } else {
        done(MARK)
    };
    Evidence {
        answered: true,
        file: Some(input.file.map_or_else(|| port.join("\n"), str::to_owned)),
        port,
        console: Some(format!("{}\n{done}\n", input.console)),
        shutdown: Some(Shutdown {
            guest: false,
            reason: "host-qmp-quit".to_owned(),
        }),
        mark: MARK.to_owned(),
        exit_code: Some(input.exit_code.unwrap_or(0)),
        timed_out: input.timed_out,
        flood: input.is_flooded.then_some("console"),
        ..Evidence::default()
    }
}

fn apply(lines: &mut Vec<Value>, change: &Change) {
    if lines.is_empty() || lines.len() > 100 {
        return;
    }
    let count = lines.len();
    let place = |at: &u8| usize::from(*at) % count;
    match change {
        Change::Remove(at) => drop(lines.remove(place(at))),
        Change::Repeat(at, to) => lines.insert(place(to), lines[place(at)].clone()),
        Change::Swap(one, other) => lines.swap(place(one), place(other)),
        Change::Set(at, way, node) => {
            let at = place(at);
            set(&mut lines[at], way, node);
        }
    }
}

fn set(value: &mut Value, way: &[u8], node: &Node) {
    let (step, rest) = match way {
        [step, rest @ ..] => (usize::from(*step), rest),
        [] => return *value = json(node),
    };
    match value {
        Value::Object(object) if !object.is_empty() => {
            let key = object.keys().nth(step % object.len()).cloned().unwrap();
            if matches!(node, Node::Gone) && rest.is_empty() {
                object.remove(&key);
            } else {
                set(&mut object[&key], rest, node);
            }
        }
        Value::Array(array) if !array.is_empty() => {
            let place = step % array.len();
            set(&mut array[place], rest, node);
        }
        _ => *value = json(node),
    }
}

fn json(node: &Node) -> Value {
    match node {
        Node::Null | Node::Gone => Value::Null,
        Node::Bool(bool) => json!(bool),
        Node::Signed(number) => json!(number),
        Node::Unsigned(number) => json!(number),
        Node::Text(text) => json!(text),
        Node::Texts(texts) => json!(texts),
        Node::Bytes(bytes) => json!({ "Ok": bytes }),
        Node::Numbers(numbers) => json!(numbers),
        Node::Error(text) => json!({ "Err": text }),
    }
}
