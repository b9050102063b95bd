//! Kfuncs and structures, as programs declare them.

use super::callee::Callee;
use super::value::Width;
use crate::btf::{Type, listed};

/// The name of a structure in these files. The machine's `linux/bpf.h` may have some of the kernel's,
/// and libbpf looks at no name.
pub fn flavour(name: &str) -> String {
    match name.starts_with("bpf_") && name != "bpf_dynptr" {
        true => format!("{name}___fuzz"),
        false => name.to_owned(),
    }
}

/// The structure that a pointer points to, declared where no header does.
pub fn structure(of: &Type) -> Option<String> {
    let Type::Pointer(to) = of else {
        return None;
    };
    let Type::Struct { name, bytes, .. } = &**to else {
        return None;
    };
    if name.is_empty() || ["bpf_dynptr", "__sk_buff", "xdp_md"].contains(&name.as_str()) {
        return None;
    }
    let name = flavour(name);
    Some(match name.starts_with("bpf_iter_") {
        true => format!("struct {name} {{ __u8 opaque[{bytes}]; }} __attribute__((aligned(8)));\n"),
        false => format!("struct {name} {{ int member; }};\n"),
    })
}

pub fn declaration(callee: &Callee) -> String {
    let signature = &callee.signature;
    let parameters = signature.parameters.iter().zip(&callee.shape.arguments);
    let parameters = parameters.map(|(parameter, shape)| {
        let of = c(&parameter.of, shape);
        match of.ends_with('*') {
            true => format!("{of}{}", parameter.name),
            false => format!("{of} {}", parameter.name),
        }
    });
    let parameters = listed(&parameters.collect::<Vec<_>>());
    let result = c(&signature.result, &callee.shape.result);
    let space = if result.ends_with('*') { "" } else { " " };
    format!(
        "extern {result}{space}{}({parameters}) __ksym;\n",
        callee.name
    )
}

/// A type in C: libbpf compares kinds, and an argument has the width of its type.
fn c(of: &Type, shape: &str) -> String {
    let to = match of {
        Type::Int { bytes, is_signed } if *bytes <= 8 => {
            return Width {
                bytes: *bytes,
                is_signed: *is_signed,
            }
            .c();
        }
        Type::Pointer(to) => &**to,
        _ => return shape.to_owned(),
    };
    match to {
        Type::Void => "void *".to_owned(),
        Type::Struct { name, .. } if !name.is_empty() => format!("struct {} *", flavour(name)),
        Type::Int { .. } => format!("{} *", c(to, "int")),
        _ => shape.to_owned(),
    }
}
