//! Someone else's code, seen from outside: folders elsewhere, of modules with Makefiles of their
//! own, BPF programs and loaders, that scenario files beside them put together.
//!
//! Each test works on copies that lie outside the repository. What their users build, the tests
//! build as those do.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::SystemTime;

use tempfile::TempDir;

use crate::checkout::{self, ALONE, Checkout, Ended, copy};
use crate::repository::repository;

tests! {
    qemu:
        a_module_with_a_makefile_and_a_loader_with_a_main_run_as_they_are,
        modules_that_need_each_other_and_programs_with_flags_are_built_from_all_they_read,
        files_elsewhere_are_named_on_the_command_line,
        headers_of_the_c_library_are_there_and_a_programs_own_come_first,
        a_command_has_the_kernels_trace_and_the_transcript_has_all_of_it,
        a_global_variable_is_one_that_there_is_and_has_a_value_that_it_can_have,
        an_entry_is_one_that_its_map_can_have,
        what_a_scenario_names_of_objects_is_there,
        some_modules_of_a_directory_are_inserted,
        a_scenario_says_how_large_its_guest_is,
        a_module_has_parameters_and_what_the_directories_before_it_export,
        modules_that_need_others_are_listed_behind_them,
        a_set_that_names_what_btf_lacks_does_not_build,
        why_the_kernel_did_not_take_a_module_is_said,
        what_is_wrong_with_sets_is_said_where_they_are_listed,
        a_repository_that_is_laid_out_as_the_action_wants_it_runs_where_it_lies,
        a_module_is_built_anew_by_another_version_of_a_program,
        what_a_module_reads_elsewhere_is_noticed_when_it_changes,
        a_makefile_finds_its_folder_as_plain_kbuild_has_it,
        a_module_that_an_option_turns_on_takes_it_from_the_scenario,
        a_module_of_the_kernel_goes_in_where_it_is_needed_or_named,
        what_does_not_compile_shows_its_first_error_and_how_to_see_it_by_hand,
        a_uprobe_is_of_a_program_of_the_host,
        a_loader_that_does_not_get_ready_is_shown_with_what_it_said,
        what_does_not_end_or_prints_without_end_is_ended,
        what_a_program_leaves_in_the_kernel_is_a_leak,
        a_pinned_map_is_told_with_its_path_and_the_transcript,
        what_a_command_leaves_running_is_heard_or_told_of,
        what_a_scenario_cannot_have_is_said;
}

/// What a loader is made by, of a `vmlinux.h` that has what it needs.
const LOADER: &str = "echo '#include <linux/types.h>' > vmlinux.h
    $CLANG -g -O2 -target bpf -I. -I/usr/include/$(uname -m)-linux-gnu -c hello.bpf.c -o hello.bpf.o
    PATH=$PATH:/usr/sbin bpftool gen skeleton hello.bpf.o name hello_bpf > hello.skel.h
    cc -o loader loader.c -lbpf
    rm vmlinux.h";

/// What an object is made by.
const TWIN: &str =
    "$CLANG -g -O2 -target bpf -I/usr/include/$(uname -m)-linux-gnu -c twin.c -o twin.o";

/// Somebody's folder, and a kassay that works on a checkout of its own.
struct External {
    checkout: Checkout,
    folder: TempDir,
}

impl External {
    /// A copy of one of `tests/external`, in which its user has run a script.
    fn of(name: &str, script: &str) -> External {
        let external = External::empty();
        let from = repository().join("harness/tests/external").join(name);
        copy(&from, &external.path("own"));
        let built = Command::new("sh")
            .args(["-e", "-c", script])
            .current_dir(external.path("own"))
            .env("CLANG", clang())
            .output()
            .unwrap();
        assert!(built.status.success(), "{built:?}");
        external
    }

    /// One with a scenario of this text.
    fn with(scenario: &str) -> External {
        let external = External::empty();
        fs::create_dir(external.path("own")).unwrap();
        external.write(
            "case.toml",
            &format!("about = 'a test of kassay'\n{scenario}\n"),
        );
        external
    }

    fn empty() -> External {
        External {
            checkout: Checkout::new(),
            folder: tempfile::tempdir().unwrap(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        checkout::write(&self.path("own"), name, text);
    }

    fn edit(&self, name: &str, from: &str, to: &str) {
        checkout::edit(&self.path("own"), name, from, to);
    }

    /// Runs all scenarios of the folder.
    fn run(&self) -> Ended {
        let folder = self.path("own");
        self.checkout.run(&["--scenario", folder.to_str().unwrap()])
    }
}

fn clang() -> PathBuf {
    let cache = kassay::cache::Cache::open().unwrap();
    kassay::compile::bpf::clang(&cache).unwrap()
}

fn a_module_with_a_makefile_and_a_loader_with_a_main_run_as_they_are() {
    let hello = External::of("hello", LOADER);
    // Neither another program's TOML nor what the user's own make left is in the way.
    hello.write("Cargo.toml", "[package]\nname = 'hello'\n");
    hello.write("hello.o", "left by make");
    hello.write(".hello.o.cmd", "");
    hello.run().with(0).says("pass      distro::hello");
    hello.edit("hello.c", "return 2 * number", "return 3 * number");
    let ended = hello.run();
    ended
        .with(1)
        .says("-    twice 21 is 42")
        .says("+    twice 21 is 63");
}

fn modules_that_need_each_other_and_programs_with_flags_are_built_from_all_they_read() {
    let pair = External::of("pair", TWIN);
    pair.run().with(0).says("pass      distro::pair");
    pair.edit("common/pair_most.h", "100", "6");
    pair.run().with(1).says("+  run sum: returned 6");
    pair.edit("common/pair_most.h", "6", "100");
    pair.edit("headers/second.h", "4", "5");
    pair.run().with(1).says("+  run sum: returned 8");
}

fn files_elsewhere_are_named_on_the_command_line() {
    let pair = External::of("pair", TWIN);
    let [driver, common] = ["own/driver", "own/common"].map(|path| pair.path(path));
    let [driver, common] = [&driver, &common].map(|path| path.to_str().unwrap());
    let kassay = |args: &[&str]| pair.checkout.kassay(args);
    kassay(&["kfuncs", "--kernel", "distro", driver]).with(125);
    let kfuncs = kassay(&["kfuncs", "--kernel", "distro", driver, "--with", common]);
    kfuncs.with(0).says("bpf_pair");
    let exec = [
        "exec",
        "--kernel",
        "distro",
        "--host-root",
        "--module",
        driver,
    ];
    let ended = kassay(
        &[
            &exec[..],
            &["--with", common, "grep", "pair", "/proc/modules"],
        ]
        .concat(),
    );
    ended.with(0).says("pair_");
}

fn headers_of_the_c_library_are_there_and_a_programs_own_come_first() {
    let own = External::with(
        "bpf = [{ file = './a.bpf.c', flags = ['-Iown'] }]\neach = true\nallow = ['no_steps']",
    );
    own.write("own/kassay.bpf.h", "#define ANSWER 0\n");
    own.write(
        "a.bpf.c",
        "#include <stdint.h>\n#include <errno.h>\n#include <arpa/inet.h>\n\
         #include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n#include \"kassay.bpf.h\"\n\
         SEC(\"syscall\") int a(void *ctx) { return ANSWER; }\n",
    );
    own.run().with(1).says("a: loaded");
}

/// A program that prints for each unlink.
const UNLINKED: &str = "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n\
    SEC(\"kprobe/vfs_unlink\") int a(void *ctx) { bpf_printk(\"unlinked\"); return 0; }\n\
    char LICENSE[] SEC(\"license\") = \"GPL\";\n";

fn a_command_has_the_kernels_trace_and_the_transcript_has_all_of_it() {
    let tracing = "/sys/kernel/tracing";
    let own = External::with(&format!(
        "bpf = ['./a.bpf.c']\nhost_root = true\n[[step]]\nunlink = {{ times = 2 }}\n\
         [[step]]\nrun = 'head -n 1 {tracing}/trace_pipe | sed s/.*bpf_trace/bpf_trace/'\n\
         [[step]]\nrun = 'echo > {tracing}/trace; echo 0 > {tracing}/tracing_on'\n\
         [[step]]\nunlink = {{}}"
    ));
    own.write("a.bpf.c", UNLINKED);
    let ended = own.run();
    ended.with(1).says("    bpf_trace_printk: unlinked");
    assert_eq!(ended.stdout.matches("unlink[pid]: unlinked").count(), 3);
}

fn a_global_variable_is_one_that_there_is_and_has_a_value_that_it_can_have() {
    let with = |globals: &str| {
        let own = External::with(&format!(
            "bpf = ['globals', 'own_writes']\nallow = ['no_steps']\nglobals = {{ {globals} }}"
        ));
        own.run()
    };
    let says = |globals: &str, why: &str| {
        with(globals).with(125).says(why);
    };
    says(
        "limt = 1",
        "no BPF program has a variable of that name; did you mean `limit`?",
    );
    says(
        "limit = 256",
        "256 is out of range: it has 1 bytes, from 0 to 255",
    );
    says("limit = 'much'", "it takes an integer");
    says("who = 'somebody'", "does not fit");
    says("mode = 'MODE_LUD'", "did you mean `MODE_LOUD`?");
    says("LICENSE = 'BSD'", "no BPF program has a variable");
}

fn an_entry_is_one_that_its_map_can_have() {
    let says = |maps: &str, why: &str| {
        let own = External::with(&format!(
            "modules = ['kfunc_sum']\nbpf = ['maps', 'tail_call']\nallow = ['no_steps']\n\
             maps = {{ {maps} }}"
        ));
        own.run().with(125).says(why);
    };
    says("test = []", "did you mean `tests`?");
    says("tests = [[4, {}]]", "the key 4 is beyond its end");
    says("tests = [[0, { nam = 'a' }]]", "did you mean `name`?");
    says("by_bytes = [[[1, 2, 3], true]]", "do not fit an array of 2");
    says("by_bytes = [[[1], true], [[1], false]]", "is there twice");
    says("jumps = [[0, 1]]", "its entries are no data");
}

fn what_a_scenario_names_of_objects_is_there() {
    let says = |keys: &str, code: i32, why: &str| {
        let own = External::with(&format!(
            "modules = ['kfunc_sum']\nbpf = ['maps', 'tail_call']\nallow = ['no_steps']\n{keys}"
        ));
        own.run().with(code).says(why);
    };
    says("show = { maps = ['test'] }", 125, "did you mean `tests`?");
    let each = "each = true\nshow = { maps = ['tests'] }";
    says(each, 2, "each program has maps of its own");
    let step = "[[step]]\ntest_run = { program = 'map' }";
    says(
        step,
        125,
        "no program `map`, which `step` names; did you mean `maps`?",
    );
    let own = External::with("modules = ['kfunc_sum']\nbpf = ['./x.bpf.c']\n[[step]]\nunlink = {}");
    own.write("x.bpf.c", "#include \"kfunc_sums.h\"\n");
    own.run()
        .with(125)
        .says("`kfunc_sums.h` is made for a module `kfunc_sums`");
    own.run().with(125).says("did you mean `kfunc_sum`?");
    own.write("x.bpf.c", "#include \"none/kfunc_sums.h\"\n");
    let ended = own.run();
    ended.with(125).says("'none/kfunc_sums.h' file not found");
    assert!(!ended.stdout.contains("is made for a module"), "{ended:?}");
}

fn some_modules_of_a_directory_are_inserted() {
    let pair = External::of("pair", TWIN);
    let with = "with = [\"./common\"]";
    pair.edit(
        "pair.toml",
        with,
        &format!("{with}, insert = [\"pair-core\"]"),
    );
    let ended = pair.run();
    ended
        .with(1)
        .says("module pair_core registers no kfuncs")
        .says("'bpf_pair_sum': not found in kernel or module BTFs");
    pair.edit("pair.toml", "pair-core", "pair-cor");
    let ended = pair.run();
    ended
        .with(125)
        .says("distro::pair: insert pair_cor\n")
        .says("makes pair_user, pair_core");
}

fn a_scenario_says_how_large_its_guest_is() {
    let large = External::with(
        "host_root = true\ncpus = 2\nmemory = 400\n[[step]]\n\
         run = 'nproc; awk \"/MemTotal/ { print (\\$2 > 300000) }\" /proc/meminfo'",
    );
    large.run().with(1).says("    2\n        1\n");
    large.edit("case.toml", "cpus = 2", "cpus = 0");
    large.run().with(2).says("`cpus` is a number from 1 to 64");
}

fn a_module_has_parameters_and_what_the_directories_before_it_export() {
    let chain = External::of("chain", "");
    chain.run().with(0).says("pass      distro::chain");
    // With the type a symbol's version changes, and the kernel takes no module that has another.
    chain.edit("counter/counter.c", "u64", "u32");
    chain.run().with(0);
    chain.edit("chain.toml", "last=6", "last=7");
    chain.run().with(1).says("+  ticket: number 8");
    let order = "[{ path = \"./counter\", params = \"last=7\" }, \"./ticket\"]";
    chain.edit("chain.toml", order, "[\"./ticket\", \"./counter\"]");
    let says_what_to_do = |missing: &str| {
        let ended = chain.run();
        ended.with(125).says("build module ticket for distro\n");
        ended
            .says("neither the kernel nor a directory named ")
            .says(missing);
        ended.says("name its directory before this one in `modules`");
    };
    says_what_to_do("before has `counter_next`: where another module does");
    let symvers = "KBUILD_EXTRA_SYMBOLS := $(src)/../counter/Module.symvers\n";
    chain.edit("ticket/Makefile", "obj-m", &format!("{symvers}obj-m"));
    says_what_to_do("/../counter/Module.symvers`: where another module does");
}

fn modules_that_need_others_are_listed_behind_them() {
    let chain = External::of("chain", "");
    let path = |name: &str| chain.path("own").join(name).display().to_string();
    let kfuncs = |modules: &[&str]| {
        let paths: Vec<String> = modules.iter().map(|name| path(name)).collect();
        let paths = paths.iter().map(String::as_str);
        let args: Vec<&str> = ["kfuncs", "--kernel", "distro"]
            .into_iter()
            .chain(paths)
            .collect();
        chain.checkout.kassay(&args)
    };
    let ended = kfuncs(&["counter", "ticket"]);
    ended.with(0).says("kfuncs of counter on distro");
    ended.says("kfuncs of ticket on distro");
    kfuncs(&["ticket"])
        .with(125)
        .says("before has `counter_next`");
}

fn a_set_that_names_what_btf_lacks_does_not_build() {
    let from = repository().join("harness/tests/zoo/modules/set_no_type");
    for (file, from_text, to) in [
        ("set_no_type.c", "__bpf_kfunc u64 bpf", "static u64 bpf"),
        (
            "set_no_type.c",
            "(func, bpf_zoo_no_type)",
            "(func, bpf_misspelled)",
        ),
        ("Kbuild", "ccflags-y +=", "ccflags-y += -g0"),
    ] {
        let unresolved = External::with("modules = ['./m']");
        copy(&from, &unresolved.path("own/m"));
        unresolved.edit(&format!("m/{file}"), from_text, to);
        for _ in 0..2 {
            let ended = unresolved.run();
            ended.with(125).says("resolve_btfids finds no `bpf_");
        }
    }
}

fn why_the_kernel_did_not_take_a_module_is_said() {
    let from = repository().join("harness/tests/zoo/modules/set_no_type");
    let refused = External::with(&format!("modules = ['./m']\n{ALONE}"));
    copy(&from, &refused.path("own/m"));
    refused
        .run()
        .with(1)
        .says("a type of programs that may call no");
    let pair = External::of("pair", TWIN);
    let only = |module: &str| {
        let with = "with = [\"./common\"]";
        pair.edit("pair.toml", with, &format!("{with}, insert = [{module}]"));
        pair.run()
    };
    let ended = only("'pair-user', 'pair-core'");
    ended
        .with(1)
        .says("pair_user uses symbols of pair_core, which");
    pair.edit("pair.toml", ", 'pair-core']", "]");
    let ended = pair.run();
    ended
        .with(125)
        .says("pair_user needs pair_core, which is not named");
}

fn what_is_wrong_with_sets_is_said_where_they_are_listed() {
    let root = repository().join("harness/tests/zoo/modules");
    for (module, words) in [
        ("set_without_flag", "does not have BTF_SET8_KFUNCS"),
        ("name_taken", "BTF has a function kernel_init"),
        ("unregistered", "does not call register_btf_kfunc_id_set"),
    ] {
        let module = root.join(module);
        let args = ["kfuncs", "--kernel", "distro", module.to_str().unwrap()];
        Checkout::new().kassay(&args).with(0).says(words);
    }
}

fn a_repository_that_is_laid_out_as_the_action_wants_it_runs_where_it_lies() {
    let laid = External::empty();
    fs::create_dir_all(laid.path("own/modules")).unwrap();
    let from = &laid.checkout;
    copy(
        &from.path("modules/kfunc_sum"),
        &laid.path("own/modules/numbers"),
    );
    let program = fs::read_to_string(from.path("bpf/kfunc_sum.bpf.c")).unwrap();
    laid.write("bpf/ask.bpf.c", &program);
    let text = "about = 'x'\nmodules = ['numbers']\nbpf = ['ask']\n[[step]]\nunlink = {}\n";
    laid.write("scenarios/case.toml", text);
    let folder = laid.path("own/scenarios");
    let args = ["--scenario", folder.to_str().unwrap()];
    laid.checkout
        .run(&[&args[..], &["--accept"]].concat())
        .with(0);
    assert!(laid.path("own/snapshots/case.snap").is_file());
    laid.checkout
        .run(&args)
        .with(0)
        .says("pass      distro::case");
}

fn a_module_is_built_anew_by_another_version_of_a_program() {
    let drawn = External::with(&format!(
        "modules = ['.']\n{ALONE}\nrequires.pip = ['numberer==1']"
    ));
    // No test before has built this.
    let own = drawn.path("own");
    let rule = "obj-m := drawn.o\n$(obj)/drawn.c:\n\tnumberer > $@\n";
    drawn.write("Makefile", &format!("# {}\n{rule}", own.display()));
    drawn.checkout.hide("numberer");
    let run_by = |version: &str| {
        let script = format!("[ \"$1\" = --version ] && echo {version} && exit\ncat <<END\n");
        let source = format!(
            "#include <linux/module.h>\n\
             static int __init drawn_init(void)\n{{\n\tpr_info(\"drew {version}\");\n\treturn 0;\n}}\n\
             module_init(drawn_init);\n\
             static void __exit drawn_exit(void)\n{{\n}}\n\
             module_exit(drawn_exit);\n\
             MODULE_DESCRIPTION(\"A module that a program wrote\");\n\
             MODULE_LICENSE(\"GPL\");\nEND"
        );
        drawn.checkout.program("numberer", &(script + &source));
        drawn.run()
    };
    run_by("1").with(1).says("drew 1");
    run_by("2").with(125).says("needs numberer==1");
    drawn.edit("case.toml", "numberer==1", "numberer==2");
    run_by("2").with(1).says("drew 2");
}

/// A module `m` that prints what an expression of these formats and values comes to.
fn printing(head: &str, format: &str, values: &str) -> String {
    format!(
        "#include <linux/module.h>\n{head}\n\
         static int __init m_init(void)\n{{\n\tpr_info(\"{format}\\n\", {values});\n\
         \treturn 0;\n}}\nmodule_init(m_init);\n\
         static void __exit m_exit(void)\n{{\n}}\nmodule_exit(m_exit);\n\
         MODULE_DESCRIPTION(\"A module that prints\");\nMODULE_LICENSE(\"GPL\");\n"
    )
}

fn what_a_module_reads_elsewhere_is_noticed_when_it_changes() {
    let far = External::with(&format!("modules = ['./m']\n{ALONE}"));
    let write = |name: &str, text: &str| {
        far.write(&format!("../far/{name}"), text);
        // make goes by times, and would take an older file for one that it knows.
        let file = fs::File::open(far.path("far").join(name)).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
    };
    let files = [
        ("a.h", "#define A 1"),
        ("inc/b.h", "#define B 1"),
        ("c", "1"),
        ("d", "1"),
    ];
    files.iter().for_each(|(name, text)| write(name, text));
    let at = far.path("far").display().to_string();
    let blob = format!("asm(\".incbin \\\"{at}/d\\\"\\n.popsection\");");
    let head = format!(
        "#include \"{at}/a.h\"\n#include <b.h>\nextern const char d[];\n\
         asm(\".pushsection .rodata\\nd:\\n\");\n{blob}"
    );
    far.write(
        "m/m.c",
        &printing(&head, "read %d %d %d %c", "A, B, C, d[0]"),
    );
    let flags = format!("ccflags-y += -I{at}/inc -DC=$(shell cat {at}/c)");
    far.write("m/Makefile", &format!("obj-m := m.o\n{flags}\n"));
    let run = |args: &[&str]| {
        let folder = far.path("own").display().to_string();
        far.checkout.run(&[&["--scenario", &folder], args].concat())
    };
    run(&["--accept"]).with(0);
    run(&[]).with(0);
    run(&["--changed"]).with(0).says("unchanged");
    for (number, (name, text)) in files.iter().enumerate() {
        write(name, &text.replace('1', "2"));
        let read: Vec<_> = (0..4)
            .map(|n| if n <= number { "2" } else { "1" })
            .collect();
        let args: &[&str] = if number % 2 == 0 { &[] } else { &["--changed"] };
        run(args)
            .with(1)
            .says(&format!("+  read {}", read.join(" ")));
    }
}

fn a_makefile_finds_its_folder_as_plain_kbuild_has_it() {
    let tree = External::with(&format!("modules = ['./tree']\n{ALONE}"));
    let source = printing("#include <tree.h>", "tree %d", "TREE");
    tree.write("tree/one/m.c", &source);
    tree.write("tree/one/Makefile", "obj-m += m.o\n");
    tree.write("tree/inc/tree.h", "#define TREE 4\n");
    for include in ["$(PWD)/inc", "$(src)/inc", "$(M)/inc"] {
        tree.write(
            "tree/Makefile",
            &format!("obj-m += one/\nsubdir-ccflags-y += -I{include}\n"),
        );
        tree.run().with(1).says("tree 4");
    }
}

fn a_module_that_an_option_turns_on_takes_it_from_the_scenario() {
    let optional = External::with(&format!("modules = [{{ path = './m' }}]\n{ALONE}"));
    optional.write("m/m.c", &printing("", "here %d", "CHOSEN"));
    let makefile = "obj-$(CONFIG_ACME) += m.o\nccflags-y += -DCHOSEN=$(NUMBER)\n";
    optional.write("m/Makefile", makefile);
    let ended = optional.run();
    ended.with(125).says("it makes no module");
    ended.says("takes `make = [\"CONFIG_ACME=m\"]` in the module's table");
    let given = |from: &str, to: &str| {
        optional.edit("case.toml", from, to);
        optional.run()
    };
    given("'./m'", "'./m', make = ['CONFIG_ACME=m', 'NUMBER=3']")
        .with(1)
        .says("here 3");
    given("NUMBER=3", "NUMBER=4").with(1).says("here 4");
    given("NUMBER=4", "NUMBER=$(shell date)")
        .with(2)
        .says("takes plain variables");
    given("NUMBER=$(shell date)", "M=/tmp")
        .with(2)
        .says("M is not for `make` to set");
}

fn a_module_of_the_kernel_goes_in_where_it_is_needed_or_named() {
    let counting = External::with(&format!("modules = ['./m']\n{ALONE}"));
    let source = printing(
        "#include <net/netfilter/nf_conntrack.h>",
        "table %d",
        "nf_conntrack_htable_size > 0",
    );
    counting.write("m/m.c", &source);
    counting.write("m/Makefile", "obj-m := m.o\n");
    counting.run().with(1).says("table 1");
    let named = External::with(
        "requires.config = ['NF_CONNTRACK']\nhost_root = true\nallow = ['no_programs']\n\
         [[step]]\nrun = 'ls -d /sys/module/nf_conntrack/holders'",
    );
    let ended = named.run();
    ended
        .with(1)
        .says("CONFIG_NF_CONNTRACK is a module of this kernel");
    ended.says("No such file");
    let name = |from: &str, to: &str| {
        named.edit("case.toml", from, to);
        named.run()
    };
    let ended = name("host_root", "kernel_modules = ['nf-conntrack']\nhost_root");
    ended
        .with(1)
        .says("\n        /sys/module/nf_conntrack/holders\n");
    let ended = name("nf-conntrack", "nf-contrack");
    ended
        .with(125)
        .says("find the kernel's module `nf_contrack`")
        .says("`nf_conntrack`");
}

fn what_does_not_compile_shows_its_first_error_and_how_to_see_it_by_hand() {
    let broken = External::with("bpf = ['./ks.bpf.c']");
    broken.write(
        "ks.bpf.c",
        "#include \"vmlinux.h\"\n#include <bpf/bpf_helpers.h>\n#include <bpf/bpf_tracing.h>\n\
         SEC(\"ksyscall/unlinkat\") int BPF_KSYSCALL(ks, int fd) { return 0; }\n",
    );
    let ended = broken.run();
    ended.with(125).says("compile BPF program ks\n    run `");
    ended
        .says("ks.bpf.c:4:")
        .says("error: ")
        .says("BPF_KSYSCALL(ks, int fd)");
    broken.edit("case.toml", "bpf = ['./ks.bpf.c']", "modules = ['./m']");
    broken.write("m/Makefile", "obj-m := m.o\n");
    let rest = "int rest(void)\n{\n\tint unused;\n\treturn 0;\n}\n".replace("rest", "r");
    let many: String = (0..30)
        .map(|n| rest.replace("r(", &format!("r{n}(")))
        .collect();
    broken.write(
        "m/m.c",
        &printing(&format!("#include \"wrong.h\"\n{many}"), "%d", "1"),
    );
    broken.write(
        "m/wrong.h",
        "static int wrong(void)\n{\n\treturn nobody;\n}\n",
    );
    let ended = broken.run();
    ended
        .with(125)
        .says("In file included from ")
        .says("wrong.h:3:16: error: ‘nobody’ undeclared");
    let by_hand = format!("by hand: cd {} && make -C ", broken.path("own/m").display());
    ended.says("return nobody;").says(&by_hand);
}

fn a_uprobe_is_of_a_program_of_the_host() {
    let probe = External::with(
        "host_root = true\nbpf = ['./up.bpf.c']\n[[step]]\nrun = '/bin/bash -c true'",
    );
    probe.write(
        "up.bpf.c",
        "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n\
         char LICENSE[] SEC(\"license\") = \"GPL\";\n\
         SEC(\"uprobe//bin/bash:main\") int up(void *ctx) { bpf_printk(\"begins\"); return 0; }\n",
    );
    let ended = probe.run();
    ended.with(1).says("up: attached to uprobe//bin/bash:main");
    ended.says("bash[pid]: begins");
}

fn a_loader_that_does_not_get_ready_is_shown_with_what_it_said() {
    let loader = External::with(
        "host_root = true\nallow = ['failed_step']\n[[step]]\n\
         run = 'echo no permission >&2; exit 4'\nready = 'attached'",
    );
    let ended = loader.run();
    ended
        .with(1)
        .says("exit 4: ended with status 4 before it was ready\n        no permission");
}

fn what_does_not_end_or_prints_without_end_is_ended() {
    let stubborn = External::with(
        "host_root = true\nallow = ['failed_step']\n[[step]]\nrun = 'yes'\n\
         [[step]]\nrun = 'trap \"\" INT; echo up; while :; do sleep 1; done'\nready = 'up'\n\
         [[step]]\nrun = '''sh -c 'printf half; exec sleep infinity' '''\nready = 'half'",
    );
    let ended = stubborn.run();
    ended
        .with(1)
        .says("run yes: printed more than 1048576 bytes");
    ended.says("sleep infinity': ended with status 130\n        half");
    ended.says("done: ended with status 143\n        up");
}

fn what_a_program_leaves_in_the_kernel_is_a_leak() {
    let hello = External::of("hello", LOADER);
    let behind =
        "stdbuf -oL ./loader --wait > /tmp/said & until grep -q waits /tmp/said; do :; done";
    hello.edit("hello.toml", "./loader --wait", behind);
    hello.edit("hello.toml", "ready = \"waits\"\n", "");
    hello
        .run()
        .with(1)
        .says("leak      distro::hello")
        .says("left behind");
}

fn a_pinned_map_is_told_with_its_path_and_the_transcript() {
    let pin = "bpftool map create /sys/fs/bpf/mine type array key 4 value 4 entries 1 name mine";
    let pinning = External::with(&format!("host_root = true\n[[step]]\nrun = '{pin}'"));
    let ended = pinning.run();
    ended.with(1).says("1 BPF map left behind");
    ended.says("pinned: /sys/fs/bpf/mine");
    ended.says(&format!("run {pin}"));
}

fn what_a_command_leaves_running_is_heard_or_told_of() {
    let run = |line: &str| {
        let step = format!("host_root = true\n[[step]]\nrun = \"{line}\"");
        External::with(&step).run()
    };
    let told = "kassay: what this left running goes on";
    let ended = run("(sleep 2; echo l''ate) & echo early");
    ended.with(1).says("early\n").says("late\n");
    assert!(!ended.stdout.contains(told), "{ended:?}");
    run("sleep 1000 & echo early").with(1).says(told);
    let silent = run("sleep 1000 > /dev/null 2>&1 &");
    assert!(!silent.with(1).stdout.contains(told), "{silent:?}");
}

fn what_a_scenario_cannot_have_is_said() {
    let cases = [
        (
            "bpf = ['./x.o']",
            "/x.o`, where a C file",
            "or a BPF object",
        ),
        (
            "bpf = ['./y.bpf.c']",
            "",
            "where a C file (`.c`) or a BPF object",
        ),
        (
            "modules = ['./none']",
            "",
            "where a directory with a Kbuild file or a Makefile should be",
        ),
        ("modules = ['.']", "", "it makes no module"),
        (
            "modules = [{ path = '.', with = ['../gone'] }]",
            "find `",
            "gone`",
        ),
        (
            "bpf = [{ file = './x.o', flag = [] }]",
            "",
            "`{ file = PATH, flags = [FLAG, …] }`",
        ),
        (
            "[[step]]\nrun = 'true'",
            "",
            "this takes `host_root = true`",
        ),
        (
            "host_root = true\n[[step]]\nunlink = {}\nready = 'x'",
            "",
            "of a command that `run` gives",
        ),
        (
            "host_root = true\n[[step]]\nunlink = {}\nrun = 'true'",
            "",
            "a `[[step]]` is one step, and this has both `run` and `unlink`",
        ),
    ];
    for (scenario, before, after) in cases {
        let external = External::with(scenario);
        fs::copy("/bin/true", external.path("own/x.o")).unwrap();
        external.write("Makefile", "all:\n\ttrue\n");
        let ended = external.run();
        assert!([Some(2), Some(125)].contains(&ended.code), "{ended:?}");
        ended.says(before).says(after);
    }
    let external = External::with("");
    fs::remove_file(external.path("own/case.toml")).unwrap();
    external.run().with(2).says("there is no scenario in `");
}
