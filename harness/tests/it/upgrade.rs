//! `kassay kfuncs` and `kassay diff` seen from outside: what a kernel offers, and what another
//! one offers instead.

use std::fs;
use std::process::Command;

use kassay::btf;
use kassay::cache::Cache;
use kassay::compile::module::{self, Module};
use kassay::kernel::{self, Catalog, Kernel};
use kassay::kfuncs;
use kassay::scenario;
use object::{Object, ObjectSection};

use crate::checkout::Checkout;
use crate::repository::project;

tests! {
    qemu:
        a_kernel_lists_its_kfuncs_with_flags_and_prototypes,
        a_module_is_built_and_lists_its_own_kfuncs,
        functions_of_modules_are_those_that_bpftool_lists,
        the_kernel_tells_which_programs_may_call_a_kfunc,
        a_stripped_kernel_gives_no_empty_list,
        a_kernel_and_itself_do_not_differ,
        each_module_of_a_directory_is_compared,
        what_differs_is_shown_and_fails,
        what_cannot_be_built_is_not_the_same;
}

fn a_kernel_lists_its_kfuncs_with_flags_and_prototypes() {
    let ended = Checkout::new().kassay(&["kfuncs", "--kernel", "distro", "--format", "json"]);
    let objects = ended.with(0).objects();
    let named = |name: &str| objects.iter().find(|object| object["kfunc"] == name);
    let object = named("bpf_task_from_pid").unwrap();
    let prototype = "struct task_struct *bpf_task_from_pid(s32 pid)";
    assert_eq!(object["prototype"], prototype);
    assert_eq!(
        object["flags"].to_string(),
        r#"["KF_ACQUIRE","KF_RET_NULL"]"#
    );
    assert!(objects.len() > 50, "{}", objects.len());
    // Programs of the type fmod_ret attach to it, and none calls it.
    assert_eq!(named("bpf_modify_return_test"), None);
}

fn a_module_is_built_and_lists_its_own_kfuncs() {
    let checkout = Checkout::new();
    let kfuncs = |module| checkout.kassay(&["kfuncs", "--kernel", "distro", module]);
    let c = "u64 bpf_kfunc_call_test(u32 a, u64 b, u32 c, u64 d)";
    kfuncs("kfunc_sum").with(0).says(c);
    let ended = kfuncs("./modules/kfunc_refs");
    let line = "KF_ACQUIRE,KF_RET_NULL  kfunc_refs_ids  struct task_struct *bpf_find";
    ended.with(0).says(line);
    kfuncs("kfunc_som")
        .with(2)
        .says("did you mean `kfunc_sum`?");
}

/// The functions of a module, as bpftool lists them.
fn listed(kernel: &Kernel, module: &Module) -> Vec<String> {
    let mut bpftool = Command::new("bpftool");
    bpftool.arg("--base-btf").arg(&kernel.btf);
    bpftool.args(["btf", "dump", "file"]).arg(&module.file);
    let dump = bpftool.output().unwrap().stdout;
    let dump = String::from_utf8(dump).unwrap();
    let functions = dump.lines().filter_map(|line| line.split_once("] FUNC '"));
    functions
        .map(|(_, rest)| rest.split('\'').next().unwrap().to_owned())
        .collect()
}

fn functions_of_modules_are_those_that_bpftool_lists() {
    let (cache, catalog) = (
        Cache::open().unwrap(),
        Catalog::load(&Cache::open().unwrap()).unwrap(),
    );
    let kernel = kernel::obtain(&cache, &catalog, "distro").unwrap();
    for name in ["kfunc_member", "kfunc_refs", "kfunc_args", "kfunc_sum"] {
        let part = scenario::module(name, &project()).unwrap();
        let built = module::build(&cache, &kernel, &[part]).unwrap();
        for module in built.iter().flatten() {
            let data = fs::read(&module.file).unwrap();
            let file = object::File::parse(&*data).unwrap();
            let section = |name| Some(file.section_by_name(name)?.data().unwrap());
            // Debian 13's pahole and later ones put what is used of the kernel's into the module.
            let base = tempfile::NamedTempFile::new().unwrap();
            let file = section(".BTF.base").map(|own| fs::write(base.path(), own).unwrap());
            let strings = btf::base_strings(file.map_or(&kernel.btf, |()| base.path())).unwrap();
            let functions = btf::functions(section(".BTF").unwrap(), &strings).unwrap();
            assert_eq!(functions, listed(&kernel, module));
            let is_listed = |kfunc| functions.contains(kfunc);
            assert!(module.kfuncs.iter().all(is_listed), "{functions:?}");
        }
    }
}

fn the_kernel_tells_which_programs_may_call_a_kfunc() {
    let args = ["kfuncs", "--kernel", "distro", "--format", "json"];
    let checkout = Checkout::new();
    let types = |rest: &[&str]| {
        let ended = checkout.kassay(&[&args, rest].concat());
        ended.with(0).objects()[0]["types"].to_string()
    };
    assert_eq!(types(&["kfunc_sum", "--types"]), r#"["KPROBE"]"#);
    let both = r#"["SCHED_CLS","SYSCALL"]"#;
    assert_eq!(types(&["kfunc_sleep", "--types"]), both);
    assert_eq!(types(&["kfunc_sum"]), "null");
    let module = "modules/kfunc_sum/kfunc_sum.c";
    checkout.edit(
        module,
        "KASSAY_PROG_TYPE_KPROBE",
        "BPF_PROG_TYPE_STRUCT_OPS",
    );
    assert_eq!(types(&["kfunc_sum", "--types"]), r#"["STRUCT_OPS"]"#);
}

fn a_stripped_kernel_gives_no_empty_list() {
    let (cache, catalog) = (
        Cache::open().unwrap(),
        Catalog::load(&Cache::open().unwrap()).unwrap(),
    );
    let mut kernel = kernel::obtain(&cache, &catalog, "distro").unwrap();
    let stripped = tempfile::NamedTempFile::new().unwrap();
    let mut strip = Command::new("objcopy");
    strip.arg("--strip-all").arg(&kernel.btf);
    assert!(strip.arg(stripped.path()).status().unwrap().success());
    kernel.btf = stripped.path().to_owned();
    // Kernels of Debian 13 and later tag kfuncs in their BTF as well (pahole 1.28).
    match kfuncs::of_kernel(&kernel) {
        Ok(listing) => assert!(listing.kfuncs.len() > 50, "{listing:?}"),
        Err(error) => assert!(error.to_string().starts_with("list the kfuncs of distro: ")),
    }
}

fn a_kernel_and_itself_do_not_differ() {
    let diff = ["diff", "distro", "distro", "kfunc_sum"];
    let ended = Checkout::new().kassay(&diff);
    ended.with(0);
    assert_eq!(ended.stdout, "2 of 2 are the same\n");
}

fn each_module_of_a_directory_is_compared() {
    let checkout = Checkout::new();
    let include = "ccflags-y += -I$(src)/../include";
    checkout.write(
        "modules/twins/Kbuild",
        &format!("obj-m += one.o other.o\n{include}\n"),
    );
    for name in ["one", "other"] {
        let source = format!(
            "#include \"kassay_kfunc.h\"\n\
             __bpf_kfunc_start_defs();\n\
             __bpf_kfunc int bpf_{name}(void)\n{{\n\treturn 1;\n}}\n\
             __bpf_kfunc_end_defs();\n\
             BTF_KFUNCS_START({name}_ids)\n\
             BTF_ID_FLAGS(func, bpf_{name})\n\
             BTF_KFUNCS_END({name}_ids)\n\
             MODULE_DESCRIPTION(\"One of two\");\n\
             KASSAY_KFUNC_MODULE({name}_ids, BPF_PROG_TYPE_SYSCALL);\n"
        );
        checkout.write(&format!("modules/twins/{name}.c"), &source);
    }
    let inserts =
        |name: &str| format!("{{ path = '../../../modules/twins', insert = ['{name}'] }}");
    let modules = format!("modules = [{}, {}]", inserts("one"), inserts("other"));
    checkout.scenario("twins", &modules);
    let ended = checkout.kassay(&["diff", "distro", "distro", "twins", "--format", "json"]);
    let objects = ended.with(0).objects();
    let names: Vec<_> = objects.iter().map(|object| &object["name"]).collect();
    assert_eq!(names, ["twins", "kfuncs of one", "kfuncs of other"]);
}

fn what_differs_is_shown_and_fails() {
    let checkout = Checkout::new();
    // Two runs never start at the same time.
    let file = "bpf/kfunc_sum.bpf.c";
    checkout.edit(
        file,
        "bpf_kfunc_call_test(1, 2, 3, 4)",
        "bpf_ktime_get_ns()",
    );
    let ended = checkout.kassay(&["diff", "distro", "distro", "kfunc_sum"]);
    ended.with(1).says("differs   kfunc_sum: the transcript");
    ended
        .says("\n    -  unlink[pid]: ")
        .says("\n    +  unlink[pid]: ");
    ended.says("1 of 2 are the same, 1 differ");
}

fn what_cannot_be_built_is_not_the_same() {
    let checkout = Checkout::new();
    checkout.write("bpf/kfunc_sum.bpf.c", "nonsense");
    let diff = ["diff", "distro", "distro", "kfunc_sum", "--format", "json"];
    let ended = checkout.kassay(&diff);
    assert_eq!(ended.with(125).objects()[0]["result"], "unjudged");
    checkout
        .kassay(&["diff", "distro", "distro", "no_such"])
        .with(2);
    checkout.kassay(&["diff", "distro", "no_such"]).with(2);
}
