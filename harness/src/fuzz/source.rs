//! Programs in C.

use std::collections::BTreeSet;
use std::fmt::Write;

use super::argument::{Argument, DATA, Dynptr, Memory, Of, Place};
use super::callee::{Callee, Gives, Part, Role};
use super::declaration::{declaration, flavour, structure};
use super::program::{Call, Making, Program, State};

use crate::btf::SHAPES;

/// How many bytes of memory are set before a call.
const SET: usize = 64;

const MAPS: [(&str, &str); 3] = [
    (
        "&ring",
        "struct {\n\t__uint(type, BPF_MAP_TYPE_RINGBUF);\n\t__uint(max_entries, 4096);\n} ring SEC(\".maps\");\n",
    ),
    (
        "&array",
        "struct {\n\t__uint(type, BPF_MAP_TYPE_ARRAY);\n\t__type(key, __u32);\n\t__type(value, __u64);\n\
         \t__uint(max_entries, 4);\n} array SEC(\".maps\");\n",
    ),
    // Nothing lies behind it: it ends with a page.
    (
        "data +",
        "__u8 data[4096] __attribute__((aligned(4096)));\n",
    ),
];

/// The kernel's own kfuncs for dynptrs. Not every kernel has them.
const DYNPTRS: [(&str, &str); 3] = [
    (
        "bpf_dynptr_adjust(",
        "extern int bpf_dynptr_adjust(const struct bpf_dynptr *dynptr, __u32 start, __u32 end) __ksym __weak;\n",
    ),
    (
        "bpf_dynptr_from_skb(",
        "extern int bpf_dynptr_from_skb(struct __sk_buff *skb, __u64 flags,\n\t\t\t       \
         struct bpf_dynptr *dynptr) __ksym __weak;\n",
    ),
    (
        "bpf_dynptr_from_xdp(",
        "extern int bpf_dynptr_from_xdp(struct xdp_md *xdp, __u64 flags,\n\t\t\t       \
         struct bpf_dynptr *dynptr) __ksym __weak;\n",
    ),
];

/// The name of the program at this place.
pub fn name(place: usize) -> String {
    format!("fuzz_{place}")
}

impl Making<'_> {
    /// A file with these programs.
    pub fn file(&self, programs: &[Program]) -> String {
        let mut code = String::new();
        for (place, program) in programs.iter().enumerate() {
            code.push_str(&self.program(place, program));
        }
        let declared = self.declarations(programs);
        let mut text = "// SPDX-License-Identifier: GPL-2.0-only\n#include <stddef.h>\n\
                        #include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n\n"
            .to_owned();
        if declared.contains("some") {
            text.push_str(SHAPES);
        }
        let _ = writeln!(text, "{declared}");
        for (sign, extern_) in DYNPTRS.iter().filter(|(sign, _)| code.contains(sign)) {
            debug_assert!(extern_.contains(sign));
            text.push_str(extern_);
        }
        for (_, map) in MAPS.iter().filter(|(sign, _)| code.contains(sign)) {
            let _ = writeln!(text, "{map}");
        }
        text + &code + "char LICENSE[] SEC(\"license\") = \"GPL\";\n"
    }

    /// The structures and the kfuncs that programs name.
    fn declarations(&self, programs: &[Program]) -> String {
        let calls = programs.iter().flat_map(|program| &program.calls);
        let mut called: BTreeSet<usize> = calls.map(|call| call.callee).collect();
        let enders: Vec<usize> = called
            .iter()
            .filter_map(|place| self.closes(&self.callees[*place]))
            .collect();
        called.extend(enders);
        let (mut structures, mut functions) = (BTreeSet::new(), String::new());
        for place in called {
            let callee = &self.callees[place];
            let pointers = callee.signature.parameters.iter().map(|it| &it.of);
            for of in pointers.chain([&callee.signature.result]) {
                structures.extend(structure(of));
            }
            functions.push_str(&declaration(callee));
        }
        let structures: String = structures.into_iter().collect();
        match structures.is_empty() {
            true => functions,
            false => structures + "\n" + &functions,
        }
    }

    /// The kfunc that gives back what this one gives, or ends what it begins.
    fn closes(&self, callee: &Callee) -> Option<usize> {
        match callee.part {
            Part::Acquires => self.releases(callee),
            Part::Begins => self.ends(callee),
            _ => None,
        }
    }

    fn program(&self, place: usize, program: &Program) -> String {
        let mut function = Function {
            making: self,
            calls: &program.calls,
            place,
            texts: String::new(),
            variables: String::new(),
            body: String::new(),
        };
        for place in 0..program.calls.len() {
            function.call(place);
        }
        function.close(program.calls.len(), "\t");
        let (section, context) = (self.way.section, self.way.context());
        let Function {
            texts,
            mut variables,
            body,
            ..
        } = function;
        if !variables.is_empty() {
            variables.push('\n');
        }
        format!(
            "{texts}SEC(\"{section}\")\nint {}({context} *ctx)\n{{\n{variables}{body}\treturn {};\n}}\n\n",
            name(place),
            self.way.returns()
        )
    }
}

/// A function that is being written.
struct Function<'a> {
    making: &'a Making<'a>,
    calls: &'a [Call],
    place: usize,
    texts: String,
    variables: String,
    body: String,
}

/// What stands around a call.
#[derive(Default)]
struct Around {
    before: Vec<String>,
    conditions: Vec<String>,
    inside: Vec<String>,
    after: Vec<String>,
}

impl Function<'_> {
    fn callee(&self, place: usize) -> &Callee {
        &self.making.callees[self.calls[place].callee]
    }

    /// Whether the result of a call is used.
    fn is_used(&self, place: usize) -> bool {
        let is_own = |(at, call): (usize, &Call)| at != place && call.uses().any(|of| of == place);
        self.calls.iter().enumerate().any(is_own)
    }

    fn call(&mut self, place: usize) {
        let making = self.making;
        let callee = &making.callees[self.calls[place].callee];
        let mut around = Around::default();
        let mut arguments = Vec::new();
        for number in 0..callee.roles.len() {
            arguments.push(self.argument(place, number, &mut around));
        }
        let called = format!("{}({})", callee.name, arguments.join(", "));
        let held = callee.part == Part::Acquires;
        let result = match &callee.gives {
            Gives::Object(_) if held || self.is_used(place) => {
                let _ = writeln!(self.variables, "\tvoid *o{place} = NULL;");
                format!("o{place} = (void *)")
            }
            Gives::Number if self.is_used(place) && callee.part == Part::Uses => {
                let _ = writeln!(self.variables, "\t__u64 n{place} = 0;");
                format!("n{place} = ")
            }
            _ => String::new(),
        };
        let line = |body: &mut String, indent: &str, line: &str| {
            let _ = writeln!(body, "{indent}{line}");
        };
        for it in &around.before {
            line(&mut self.body, "\t", it);
        }
        let is_guarded = !around.conditions.is_empty();
        let is_block = !around.inside.is_empty();
        let indent = if is_guarded { "\t\t" } else { "\t" };
        if is_guarded {
            let open = if is_block { " {" } else { "" };
            let condition = format!("if ({}){open}", around.conditions.join(" && "));
            line(&mut self.body, "\t", &condition);
        }
        for it in &around.inside {
            line(&mut self.body, indent, it);
        }
        line(&mut self.body, indent, &format!("{result}{called};"));
        if is_guarded && is_block {
            line(&mut self.body, "\t", "}");
        }
        for it in &around.after {
            line(&mut self.body, "\t", it);
        }
        if held {
            let _ = writeln!(self.body, "\tif (!o{place}) {{");
            self.close(place, "\t\t");
            let _ = writeln!(self.body, "\t\treturn {};\n\t}}", self.making.way.returns());
        }
    }

    /// Ends the iterators that are open before this call, and gives back what is held there.
    fn close(&mut self, place: usize, indent: &str) {
        let making = self.making;
        let state = State::behind(&self.calls[..place], making.callees);
        for (of, _) in state.iterators.iter().rev() {
            if let Some(end) = making.ends(self.callee(*of)) {
                let end = &making.callees[end].name;
                let _ = writeln!(self.body, "{indent}{end}(&it{of});");
            }
        }
        for (of, _, is_held) in state.objects.iter().rev() {
            if *is_held && let Some(release) = making.releases(self.callee(*of)) {
                let release = &making.callees[release].name;
                let _ = writeln!(self.body, "{indent}{release}(o{of});");
            }
        }
    }

    /// An argument in C, and what stands around the call for it.
    fn argument(&mut self, place: usize, number: usize, around: &mut Around) -> String {
        let making = self.making;
        let callee = &making.callees[self.calls[place].callee];
        let id = format!("{place}_{number}");
        match &self.calls[place].arguments[number] {
            Argument::Number(value) => match &callee.roles[number] {
                Role::Number(width, _) | Role::Constant(width) | Role::Size(width) => {
                    width.write(*value)
                }
                _ => format!("(void *){value:#x}ULL"),
            },
            Argument::Earlier(of) => format!("n{of}"),
            Argument::Size(bytes) => bytes.to_string(),
            Argument::Memory(memory) => {
                let at = self.memory(memory, &id, around);
                match at.contains(' ') {
                    true => format!("(void *)({at})"),
                    false => format!("(void *){at}"),
                }
            }
            Argument::Text(text) => {
                let name = format!("t{}_{id}", self.place);
                let _ = writeln!(self.texts, "const char {name}[] = \"{}\";", escaped(text));
                format!("(void *){name}")
            }
            Argument::Null => "NULL".to_owned(),
            Argument::Context => "(void *)ctx".to_owned(),
            Argument::Map => "&array".to_owned(),
            Argument::Object(of) => {
                if self.callee(*of).part != Part::Acquires {
                    around.conditions.push(format!("o{of}"));
                }
                format!("o{of}")
            }
            Argument::Task => "(void *)bpf_get_current_task_btf()".to_owned(),
            Argument::Dynptr(dynptr) => self.dynptr(dynptr, &id, around),
            Argument::Iterator(of) => {
                if *of == place {
                    let name = callee.structure().unwrap_or_default();
                    let _ = writeln!(self.variables, "\tstruct {} it{place};", flavour(name));
                }
                format!("&it{of}")
            }
        }
    }

    fn memory(&mut self, memory: &Memory, id: &str, around: &mut Around) -> String {
        let Memory {
            place,
            offset,
            bytes,
            content,
        } = memory;
        let (bytes, all) = (*bytes, offset + bytes);
        let at = match place {
            Place::Stack => {
                let all = all.max(1);
                let _ = writeln!(
                    self.variables,
                    "\t__u8 m{id}[{all}] __attribute__((aligned(8))) = {{}};"
                );
                plus(&format!("m{id}"), *offset)
            }
            Place::Map => format!("data + {}", DATA - bytes),
            Place::Sample => {
                let _ = writeln!(self.variables, "\t__u8 *r{id};");
                let all = all.max(1);
                around
                    .before
                    .push(format!("r{id} = bpf_ringbuf_reserve(&ring, {all}, 0);"));
                around.conditions.push(format!("r{id}"));
                let discard = format!("if (r{id})\n\t\tbpf_ringbuf_discard(r{id}, 0);");
                around.after.push(discard);
                plus(&format!("r{id}"), *offset)
            }
            Place::Packet => {
                let _ = writeln!(self.variables, "\t__u8 *p{id};");
                around
                    .before
                    .push(format!("p{id} = (__u8 *)(long)ctx->data + {offset};"));
                let end = format!("p{id} + {bytes} <= (__u8 *)(long)ctx->data_end");
                around.conditions.push(end);
                return format!("p{id}");
            }
        };
        set(&at, bytes, content, &mut around.inside);
        at
    }

    fn dynptr(&mut self, dynptr: &Dynptr, id: &str, around: &mut Around) -> String {
        let bytes = dynptr.bytes;
        let _ = writeln!(self.variables, "\tstruct bpf_dynptr d{id};");
        around.before.push(match dynptr.of {
            Of::Map => {
                let from = DATA - bytes;
                format!("bpf_dynptr_from_mem(data + {from}, {bytes}, 0, &d{id});")
            }
            // It knows no such flag.
            Of::Nothing => format!("bpf_dynptr_from_mem(data + 0, {bytes}, 1, &d{id});"),
            Of::Sample => format!("bpf_ringbuf_reserve_dynptr(&ring, {bytes}, 0, &d{id});"),
            Of::Packet => {
                let of = if self.making.way.kind == "XDP" {
                    "xdp"
                } else {
                    "skb"
                };
                format!("bpf_dynptr_from_{of}(ctx, 0, &d{id});")
            }
        });
        if let Some((from, to)) = dynptr.trimmed {
            around
                .before
                .push(format!("bpf_dynptr_adjust(&d{id}, {from}, {to});"));
        }
        if dynptr.of == Of::Sample {
            around
                .after
                .push(format!("bpf_ringbuf_discard_dynptr(&d{id}, 0);"));
        }
        format!("(void *)&d{id}")
    }
}

/// What lies so far behind something.
fn plus(what: &str, offset: usize) -> String {
    match offset {
        0 => what.to_owned(),
        _ => format!("{what} + {offset}"),
    }
}

/// Sets the first bytes of memory.
fn set(at: &str, bytes: usize, content: &[u8], lines: &mut Vec<String>) {
    let Some(last) = content.last() else {
        return;
    };
    let content = &content[..content.len().min(bytes)];
    let size = bytes.min(SET);
    if size == 0 {
        return;
    }
    lines.push(format!("__builtin_memset({at}, {last:#x}, {size});"));
    if content.iter().any(|byte| byte != last) {
        let text = escaped(content);
        lines.push(format!(
            "__builtin_memcpy({at}, \"{text}\", {});",
            content.len()
        ));
    }
}

/// Bytes in a literal of C. What is no letter has three digits, which no digit behind it changes.
fn escaped(text: &[u8]) -> String {
    let one = |byte: &u8| match byte {
        b'"' | b'\\' | b'?' => format!("\\{:03o}", byte),
        0x20..0x7f => char::from(*byte).to_string(),
        _ => format!("\\{byte:03o}"),
    };
    text.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_byte_ends_or_changes_a_literal() {
        assert_eq!(escaped(b"a\"\\?\x001"), "a\\042\\134\\077\\0001");
    }

    #[test]
    fn memory_is_set_where_there_is_any() {
        let mut lines = Vec::new();
        set("m", 4, b"ab", &mut lines);
        assert_eq!(
            lines,
            [
                "__builtin_memset(m, 0x62, 4);",
                "__builtin_memcpy(m, \"ab\", 2);"
            ]
        );
        lines.clear();
        set("m", 0, b"ab", &mut lines);
        set("m", 4, b"", &mut lines);
        assert!(lines.is_empty());
    }
}
