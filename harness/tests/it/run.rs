//! `kassay run` seen from outside: what goes wrong, what is then said, and that nothing stays.
//!
//! Each test breaks a checkout of its own. Kernels and the guest program come from the
//! cache that the environment names, for their sources are not touched.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use kassay::cache::Cache;
use kassay::kernel::{self, Catalog};
use kassay::tool;
use kassay::vm::accelerator::Probe;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::checkout::{Checkout, Ended, LOOP};

tests! {
    plain:
        an_error_of_a_scenario_is_no_longer_than_a_person_reads,
        a_slip_in_a_scenario_shows_what_was_meant,
        what_no_kernel_can_meet_is_wrong_usage,
        what_does_not_exist_is_wrong_usage,
        what_is_there_and_cannot_be_read_is_no_slip,
        scenarios_of_one_name_are_not_run_together,
        kvm_that_does_not_work_is_never_replaced,
        stderr_need_not_be_read;
    qemu:
        a_changed_result_is_a_mismatch_that_shows_both,
        nothing_passes_strictly_without_detectors,
        what_stops_every_case_is_built_and_told_once,
        a_first_transcript_is_shown_accepted_and_then_passes,
        what_is_damaged_in_the_cache_is_made_again,
        a_pass_is_kept_if_asked,
        flags_of_the_environment_are_passed_neither_to_make_nor_to_clang,
        a_module_is_built_anew_by_another_compiler,
        a_seed_is_told_and_can_be_given,
        a_decision_that_is_not_the_decoders_is_a_mismatch_that_shows_the_packet,
        a_storm_that_is_too_short_is_no_pass,
        json_has_the_keys_of_the_contract_one_object_a_line,
        a_module_that_does_not_compile_shows_the_compilers_line,
        a_program_of_pypi_that_is_not_as_wanted_is_a_reason_to_skip,
        headers_without_vmlinux_are_named_with_what_mends_them,
        a_program_that_does_not_compile_shows_the_compilers_line,
        a_program_that_the_verifier_rejects_shows_its_log,
        members_without_a_name_are_members,
        an_attach_target_that_is_missing_is_named,
        of_several_programs_with_a_function_the_scenario_says_where_it_is_replaced,
        of_several_maps_of_sockets_the_scenario_says_which_has_a_program,
        an_iterator_over_a_map_says_which_one,
        a_hook_that_a_program_cannot_have_is_named,
        a_map_that_takes_no_such_program_is_named,
        of_two_programs_for_one_place_of_a_route_the_second_is_refused,
        a_project_is_found_from_the_folders_in_it_alone,
        what_nobody_sees_the_end_of_is_said,
        a_module_that_refuses_to_load_is_a_mismatch,
        a_setting_that_the_kernel_has_not_is_named,
        nothing_that_cannot_be_meant_is_accepted,
        what_libbpf_said_of_one_program_is_not_told_of_the_next,
        a_license_of_its_own_and_a_module_for_tests_are_no_leak,
        a_panic_is_named_and_never_accepted,
        a_warning_is_named_by_its_function,
        an_expected_warning_is_a_pass_and_a_line_of_the_transcript,
        what_never_ends_does_not_follow_from_an_expected_warning,
        no_line_of_a_module_ends_the_kernel_log,
        an_error_that_begins_like_a_note_of_the_kernels_is_shown,
        what_is_no_plain_file_is_wrong_usage_and_never_waited_for,
        an_expected_panic_is_a_pass_that_says_so_and_leaves_nothing_to_accept,
        programs_are_loaded_without_a_capability_and_the_rest_is_done_with_it,
        a_stuck_machine_ends_at_the_deadline_and_is_gone,
        ctrl_c_leaves_no_machine_and_no_directory,
        what_a_killed_kassay_leaves_is_removed_by_the_next_and_what_lives_stays,
        an_empty_choice_of_kernels_is_none,
        a_missing_program_is_named_with_how_to_get_it,
        a_qemu_that_does_not_start_shows_what_it_said;
}

/// The processes whose command line has this in it.
fn processes_with(part: &str) -> Vec<String> {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let commands = processes.filter_map(|process| fs::read(process.path().join("cmdline")).ok());
    commands
        .map(|command| String::from_utf8_lossy(&command).into_owned())
        .filter(|command| command.contains(part))
        .collect()
}

fn a_changed_result_is_a_mismatch_that_shows_both() {
    let checkout = Checkout::new();
    checkout.edit("bpf/kfunc_sum.bpf.c", "1, 2, 3, 4", "1, 2, 3, 5");
    let ended = checkout.run(&["kfunc_sum"]);
    ended.with(1).says("mismatch  distro::kfunc_sum");
    let line = "  unlink[pid]: BPF triggered do_unlinkat from PID [pid]. Result:";
    ended
        .says(&format!("-{line} 10"))
        .says(&format!("+{line} 11"));
    for name in [
        "facts.jsonl",
        "plan.json",
        "command",
        "transcript",
        "reason",
    ] {
        assert_ne!(checkout.artifact("kfunc_sum", name), "", "{name}");
    }
    assert!(
        checkout
            .artifact("kfunc_sum", "console")
            .contains("kassay-guest")
    );
}

fn nothing_passes_strictly_without_detectors() {
    let checkout = Checkout::new();
    let lacks = "no KASAN, no lockdep, no kmemleak";
    checkout
        .run(&["kfunc_sum"])
        .with(0)
        .says("1 of 1 passed; distro: KASAN no, lockdep no, kmemleak no");
    checkout
        .run(&["--strict", "kfunc_sum", "loop"])
        .with(125)
        .says(&format!("judge with `--strict`\n    distro has {lacks}"))
        .says("stopped 2 cases");
}

fn what_stops_every_case_is_built_and_told_once() {
    let checkout = Checkout::with_cache();
    fs::remove_dir_all(checkout.path("cache/guest")).unwrap();
    checkout.hide("cargo");
    checkout.program("cargo", "echo 'error: out of work' >&2; exit 101");
    let ended = checkout.run(&["kfunc_sum", "kfunc_strstr", "loop"]);
    ended
        .with(125)
        .says("stopped 3 cases: build the guest program");
    assert_eq!(ended.stdout.matches("out of work").count(), 1, "{ended:?}");
}

fn a_first_transcript_is_shown_accepted_and_then_passes() {
    let checkout = Checkout::new();
    fs::remove_file(checkout.path("harness/tests/snapshots/kfunc_strstr.snap")).unwrap();
    let ended = checkout.run(&["kfunc_strstr"]);
    ended.with(1).says("there is no snapshot").says("--accept");
    ended.says("at index 7").says("kernel log");
    let ended = checkout.run(&["kfunc_strstr", "--accept", "--format", "json"]);
    ended.with(0).says("accepted `");
    assert_eq!(ended.objects()[0]["restored"], false);
    let ended = checkout.run(&["kfunc_strstr", "--format", "json"]);
    let object = &ended.with(0).objects()[0];
    assert_eq!(
        (&object["verdict"], &object["artifacts"]),
        (&"pass".into(), &Value::Null)
    );
}

fn what_is_damaged_in_the_cache_is_made_again() {
    let checkout = Checkout::with_cache();
    for kind in ["modules", "bpf", "initramfs"] {
        fs::remove_dir_all(checkout.path("cache").join(kind)).unwrap();
    }
    checkout.run(&["kfunc_sum"]).with(0);
    for (kind, file) in [
        ("modules", "kfunc_sum.ko"),
        ("bpf", "kfunc_sum.bpf.o"),
        ("initramfs", "initramfs.cpio"),
    ] {
        let entry = fs::read_dir(checkout.path("cache").join(kind))
            .unwrap()
            .next();
        let file = entry.unwrap().unwrap().path().join(file);
        let mut data = fs::read(&file).unwrap();
        let middle = data.len() / 2;
        data[middle] ^= 1;
        fs::write(&file, data).unwrap();
        let ended = checkout.run(&["kfunc_sum"]);
        ended
            .with(0)
            .says("is damaged in the cache, and is made again");
    }
}

fn a_pass_is_kept_if_asked() {
    let checkout = Checkout::new();
    let ended = checkout.run(&["kfunc_strstr", "--keep"]);
    ended.with(0).says("everything of this run: ");
    assert_ne!(checkout.artifact("kfunc_strstr", "facts.jsonl"), "");
}

/// A checkout whose module panics if it is compiled with the macro WHAT, and was never built.
fn whatever() -> Checkout {
    let checkout = Checkout::broken("#ifdef WHAT\n\tpanic(\"it is there\");\n#endif");
    let own = checkout.path("modules").display().to_string();
    checkout.write(
        "modules/broken/Kbuild",
        &format!("# {own}\nobj-m := broken.o\n"),
    );
    checkout
}

fn flags_of_the_environment_are_passed_neither_to_make_nor_to_clang() {
    let checkout = whatever();
    checkout.scenario(
        "broken",
        "modules = ['broken']\nbpf = ['kfunc_strstr']\nallow = ['no_steps', 'no_kfuncs']",
    );
    checkout.write("own/linux/bpf.h", "#error of CPATH");
    let mut command = checkout.command(&["run", "--kernel", "distro", "broken"]);
    command
        .env("KCFLAGS", "-DWHAT")
        .env("CPATH", checkout.path("own"));
    let ended = Ended::of(command.output().unwrap());
    ended.with(1).says("there is no snapshot");
}

fn a_module_is_built_anew_by_another_compiler() {
    let checkout = whatever();
    checkout
        .run(&["broken"])
        .with(1)
        .says("there is no snapshot");
    let cache = Cache::open().unwrap();
    let kernel = kernel::obtain(&cache, &Catalog::load(&cache).unwrap(), "distro").unwrap();
    let config = fs::read_to_string(kernel.config).unwrap();
    let (_, said) = config.split_once("CONFIG_CC_VERSION_TEXT=\"").unwrap();
    let name = said.split(' ').next().unwrap();
    let gcc = tool::find(name).unwrap();
    checkout.hide(name);
    checkout.program(name, &format!("exec {} -DWHAT \"$@\"", gcc.display()));
    checkout.run(&["broken"]).with(1).says("panic: it is there");
}

fn a_seed_is_told_and_can_be_given() {
    let checkout = Checkout::drizzle();
    let storm = "kfunc_dropme_storm";
    let ended = checkout.run(&[storm, "--seed", "7"]);
    ended.with(0).says(", seed 7)");
    let objects = checkout.run(&[storm, "--format", "json"]).objects();
    let reason = objects[0]["reason"].as_str().unwrap();
    assert!(
        reason.starts_with("seed ") && reason != "seed 7",
        "{reason}"
    );
    checkout.run(&[storm, "--seed", "-1"]).with(2);
    checkout.run(&[storm, "--seed", "7", "--changed"]).with(2);
}

fn a_decision_that_is_not_the_decoders_is_a_mismatch_that_shows_the_packet() {
    let checkout = Checkout::drizzle();
    let header = "modules/kfunc_dropme/foo_decode.h";
    checkout.edit(header, "*drop = value;", "*drop = (u32)value;");
    let ended = checkout.run(&["kfunc_dropme_storm", "--seed", "7"]);
    let title = "the module and prost disagree on a packet";
    ended.with(1).says(title).says("of seed 7: ");
    ended.says("the module accepted it, prost says drop");
}

fn a_storm_that_is_too_short_is_no_pass() {
    let checkout = Checkout::drizzle();
    let file = "harness/tests/scenarios/kfunc_dropme_storm.toml";
    checkout.edit(file, "5000", "5");
    let ended = checkout.run(&["kfunc_dropme_storm"]);
    ended.with(1).says("the storm lacks a kind of packet");
}

fn json_has_the_keys_of_the_contract_one_object_a_line() {
    let checkout = Checkout::new();
    checkout.scenario("future", "requires = { kernel = '>=99.0' }");
    checkout.scenario("future_too", "requires = { config = ['NO_SUCH_OPTION'] }");
    let ended = checkout.run(&["future", "--format", "json"]);
    let keys = "kernel release accel scenario file verdict title reason seeds expected duration_ms \
                restored peak_kib unbuilt artifacts unstable transcript";
    let keys: BTreeSet<&str> = keys.split(' ').collect();
    for (object, scenario) in ended
        .with(125)
        .objects()
        .iter()
        .zip(["future", "future_too"])
    {
        let found: BTreeSet<&str> = object
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(found, keys);
        assert_eq!(
            (&object["scenario"], &object["verdict"]),
            (&scenario.into(), &"skipped".into())
        );
    }
}

fn a_module_that_does_not_compile_shows_the_compilers_line() {
    let checkout = Checkout::broken("return nothing;");
    let ended = checkout.run(&["broken"]);
    ended.with(125).says("infra     distro::broken");
    ended.says("broken.c:6:16: error: ").says("undeclared");
    ended.says(": build module broken for distro\n");
}

fn a_program_of_pypi_that_is_not_as_wanted_is_a_reason_to_skip() {
    let checkout = Checkout::new();
    checkout.scenario("generated", "requires = { pip = ['pbtools==0.32.1'] }");
    checkout.hide("pbtools");
    let ended = checkout.run(&["generated"]);
    ended.with(125).says("skipped   distro::generated");
    ended.says("is not on the host's PATH: `pip install pbtools==0.32.1`");
    checkout.program("pbtools", "echo 0.47.0");
    let ended = checkout.run(&["generated"]);
    ended.with(125).says("of the host is another version");
    checkout.program("pbtools", "echo 0.32.1");
    checkout
        .run(&["generated"])
        .with(1)
        .says("the scenario has no steps");
}

fn headers_without_vmlinux_are_named_with_what_mends_them() {
    let (checkout, vmlinux, was) = Checkout::without_vmlinux();
    // A build that is done again says the same.
    for _ in 0..2 {
        let ended = checkout.run(&["kfunc_sum"]);
        ended
            .with(125)
            .says("kbuild says `Skipping BTF generation for ")
            .says("kfunc_sum.ko due to unavailability of vmlinux`");
        ended.says(&format!(
            "Put the kernel's vmlinux at `{}`",
            vmlinux.display()
        ));
    }
    // The same bytes as /sys/kernel/btf/vmlinux of that kernel.
    let dump = format!(".BTF={}", vmlinux.display());
    let mut objcopy = Command::new("objcopy");
    objcopy
        .args(["--dump-section", &dump])
        .arg(&was)
        .arg("/dev/null");
    assert!(objcopy.status().unwrap().success());
    checkout.run(&["kfunc_sum"]).with(0);
}

fn a_program_that_does_not_compile_shows_the_compilers_line() {
    let checkout = Checkout::new();
    checkout.edit("bpf/kfunc_sum.bpf.c", "1, 2, 3, 4", "1, 2, 3");
    let ended = checkout.run(&["kfunc_sum"]);
    ended.with(125).says("infra     distro::kfunc_sum");
    ended.says("too few arguments to function call");
}

fn a_program_that_the_verifier_rejects_shows_its_log() {
    let checkout = Checkout::new();
    let beyond = "*(volatile __u64 *)(ctx + 4096)";
    checkout.edit(
        "bpf/kfunc_sum.bpf.c",
        "bpf_kfunc_call_test(1, 2, 3, 4)",
        beyond,
    );
    let ended = checkout.run(&["kfunc_sum"]);
    ended.with(1).says("mismatch  distro::kfunc_sum");
    let why = "invalid bpf_context access off=4096";
    ended.says(&format!("kfunc_sum: refused: {why}"));
    assert!(checkout.artifact("kfunc_sum", "verifier").contains(why));
}

fn members_without_a_name_are_members() {
    let checkout = Checkout::new();
    let program = "struct inner { int a, b; };\n\
                   struct outer { long first; struct inner; int last; };\n\
                   _Static_assert(sizeof(struct outer) == 24, \"inner is in it\");\n\
                   SEC(\"kprobe/";
    checkout.edit("bpf/kfunc_sum.bpf.c", "SEC(\"kprobe/", program);
    checkout.run(&["kfunc_sum"]).with(0);
}

fn an_attach_target_that_is_missing_is_named() {
    let checkout = Checkout::new();
    let program = "bpf/kfunc_sum.bpf.c";
    checkout.edit(program, "SEC(\"kprobe/", "SEC(\"fentry/no_such_");
    let ended = checkout.run(&["kfunc_sum"]);
    ended.with(1).says("program kfunc_sum was refused");
    let why = "failed to find kernel BTF type ID of 'no_such_";
    ended.says(&format!("kfunc_sum: refused: {why}"));
}

fn of_several_programs_with_a_function_the_scenario_says_where_it_is_replaced() {
    let checkout = Checkout::new();
    checkout.edit(
        "bpf/hook_freplace.bpf.c",
        "TC_ACT_UNSPEC",
        "verdict(skb) - 1",
    );
    let ended = checkout.run(&["hook_freplace"]);
    ended
        .with(1)
        .says("several programs before it have a function `verdict`: `classify`, `look_on`");
    let keys = "requires = { kernel";
    let target = "attach = { hook_freplace = { target = 'classify' } }";
    let scenario = "harness/tests/scenarios/hook_freplace.toml";
    checkout.edit(scenario, keys, &format!("{target}\n{keys}"));
    let ended = checkout.run(&["hook_freplace"]);
    ended.says("hook_freplace: attached to freplace/verdict, in classify");
}

fn of_several_maps_of_sockets_the_scenario_says_which_has_a_program() {
    let checkout = Checkout::new();
    let another = "struct {\n\t__uint(type, BPF_MAP_TYPE_SOCKMAP);\n\t__uint(max_entries, 1);\n\
                   \t__type(key, __u32);\n\t__type(value, __u64);\n} others SEC(\".maps\");\n";
    let int = "int put;";
    checkout.edit("bpf/hook_sk_msg.bpf.c", int, &format!("{another}\n{int}"));
    let ended = checkout.run(&["hook_sk_msg"]);
    ended.with(1).says("more than one SOCKMAP or SOCKHASH, `");
    let scenario = "harness/tests/scenarios/hook_sk_msg.toml";
    let keys = "requires = { kernel";
    let of = "attach = { hook_sk_msg = { map = 'sockets' } }";
    checkout.edit(scenario, keys, &format!("{of}\n{keys}"));
    let ended = checkout.run(&["hook_sk_msg"]);
    ended.says("hook_sk_msg: attached to sk_msg, of sockets");
}

fn an_iterator_over_a_map_says_which_one() {
    let checkout = Checkout::new();
    let scenario = "harness/tests/scenarios/example_iter.toml";
    checkout.edit(scenario, "\"usage_by_comm\"", "\"usage_by_com\"");
    let ended = checkout.run(&["example_iter"]);
    ended.with(125).says("did you mean `usage_by_comm`?");
    checkout.edit(scenario, "attach = ", "# attach = ");
    let ended = checkout.run(&["example_iter"]);
    ended.with(125).says("`dump_usage` iterates over a map");
}

fn a_hook_that_a_program_cannot_have_is_named() {
    for (from, to, code, why) in [
        (
            "tcx/egress",
            "xdp",
            1,
            "`xdp`: it is a section of another type",
        ),
        (
            "local_out",
            "local_round",
            2,
            "`local_round`, which is none of netfilter",
        ),
        ("tcx/egress", "tcx/egres", 2, "did you mean `tcx/egress`?"),
        (
            "before:elsewhere",
            "before:nobody",
            125,
            "there is no program `nobody`",
        ),
        (
            "priority = 7",
            "period = 70000",
            125,
            "`tc` does not have; it has",
        ),
    ] {
        let checkout = Checkout::new();
        checkout.edit("harness/tests/scenarios/attach.toml", from, to);
        checkout.run(&["attach"]).with(code).says(why);
    }
}

fn a_map_that_takes_no_such_program_is_named() {
    let checkout = Checkout::new();
    let scenario = "harness/tests/scenarios/attach_map.toml";
    checkout.edit(scenario, "cpumap\"", "cpumap\", map = \"devices\"");
    let ended = checkout.run(&["attach_map"]);
    ended
        .with(1)
        .says("on_cpu was not attached to xdp/cpumap")
        .says("`devices` is a Devmap: it belongs into a CPUMAP");
}

fn of_two_programs_for_one_place_of_a_route_the_second_is_refused() {
    let checkout = Checkout::new();
    checkout.edit("bpf/hook_lwt.bpf.c", "lwt_xmit", "lwt_out");
    let ended = checkout.run(&["hook_lwt"]);
    ended
        .with(1)
        .says("sent was not attached to lwt_out")
        .says("the route has the program `leaving` there, and room for one");
    checkout.edit("bpf/hook_seg6local.bpf.c", "\"tc\"", "\"lwt_seg6local\"");
    let scenario = "harness/tests/scenarios/hook_seg6local.toml";
    checkout.edit(scenario, "attach = ", "# attach = ");
    let ended = checkout.run(&["hook_seg6local"]);
    ended
        .with(1)
        .says("next was not attached to lwt_seg6local")
        .says("has the program `hook_seg6local`, and room for one");
}

fn a_project_is_found_from_the_folders_in_it_alone() {
    let checkout = Checkout::new();
    let run_in = |folder: &Path| {
        let mut command = checkout.command(&["run", "--kernel", "distro", "kfunc_sum"]);
        Ended::of(command.current_dir(folder).output().unwrap())
    };
    run_in(&checkout.path("harness/tests"))
        .with(0)
        .says("pass ");
    let outside = tempfile::tempdir().unwrap();
    run_in(outside.path())
        .with(2)
        .says("a `kassay.toml`; `--scenario`");
    checkout.write("kassay.toml", "kernel = ['distro']");
    run_in(&checkout.path(""))
        .with(2)
        .says("did you mean `kernels`?");
}

fn what_nobody_sees_the_end_of_is_said() {
    let provoke = "void dev_add_pack(void *type);\n\tif (!jiffies)\n\t\tdev_add_pack(NULL);";
    let said = "nothing tells whether what its modules began by `dev_add_pack` has ended";
    Checkout::broken(provoke).run(&["broken"]).says(said);
}

fn a_module_that_refuses_to_load_is_a_mismatch() {
    let ended = Checkout::broken("return -EINVAL;").run(&["broken"]);
    ended.with(1).says("mismatch  distro::broken");
    ended.says("broken: refused: Invalid argument");
}

fn a_setting_that_the_kernel_has_not_is_named() {
    let checkout = Checkout::new();
    checkout.scenario("setting", "sysctl = { 'kernel.nosuch' = 1 }");
    let ended = checkout.run(&["setting"]);
    ended.with(125).says("infra     distro::setting");
    ended.says(": the plan could not be followed\n");
    ended.says("write `1` to `/proc/sys/kernel/nosuch`: No such file or directory");
}

fn nothing_that_cannot_be_meant_is_accepted() {
    let checkout = Checkout::new();
    let steps = "[[step]]\nrun = { program = 'hook_kprobe' }";
    checkout.scenario("slip", &format!("bpf = ['hook_kprobe']\n{steps}"));
    let ended = checkout.run(&["slip", "--accept"]);
    ended
        .with(1)
        .says("step 1 failed")
        .says("`allow = [\"failed_step\"]`");
    assert!(!checkout.path("harness/tests/snapshots/slip.snap").exists());
    checkout.scenario("slip", &format!("may_not_run = ['nobod']\n{steps}"));
    let ended = checkout.run(&["slip"]);
    ended
        .with(125)
        .says("there is no program `nobod`, which `may_not_run` names");
    checkout.scenario(
        "slip",
        &format!("attach = {{ hook_kprob = 'none' }}\n{steps}"),
    );
    checkout
        .run(&["slip"])
        .with(125)
        .says("there is no program `hook_kprob`, which `attach` names");
    checkout.write("bpf/again.bpf.c", "#include \"hook_kprobe.bpf.c\"\n");
    for (object, step, why) in [
        (
            "hook_kprobe', 'again",
            "run = { program = 'hook_kprobe' }",
            "there are two programs `hook_kprobe`, which `step` names",
        ),
        (
            "user_ring_buffer",
            "submit = { map = 'number', samples = 1 }",
            "no BPF program has a map of that name; did you mean `numbers`?",
        ),
        (
            "hook_kprobe",
            "detach = { structure = 'ops' }",
            "there is no structure `ops`, which `step` names",
        ),
    ] {
        checkout.scenario("slip", &format!("bpf = ['{object}']\n[[step]]\n{step}"));
        checkout.run(&["slip"]).with(125).says(why);
    }
    let shown = "bpf = ['user_ring_buffer']\nshow = { maps = ['numbers'] }";
    checkout.scenario("slip", &format!("{shown}\n[[step]]\nunlink = {{}}"));
    let ended = checkout.run(&["slip"]);
    ended.with(125).says("there are no entries to show");
}

fn what_libbpf_said_of_one_program_is_not_told_of_the_next() {
    let checkout = Checkout::new();
    let program = |name: &str, text: &str| {
        let head = "#include \"kassay.bpf.h\"\nchar LICENSE[] SEC(\"license\") = \"GPL\";\n";
        checkout.write(&format!("bpf/{name}.bpf.c"), &format!("{head}{text}\n"));
    };
    program(
        "one",
        "SEC(\"kprobe/no_such\") int one(void *ctx) { return 0; }",
    );
    let kfunc = "extern int bpf_no_such(void) __ksym;\nSEC(\"tp/syscalls/sys_enter_unlinkat\")";
    program(
        "two",
        &format!("{kfunc} int two(void *ctx) {{ return bpf_no_such(); }}"),
    );
    checkout.scenario("both", "bpf = ['one', 'two']\n[[step]]\nunlink = {}");
    let ended = checkout.run(&["both"]);
    ended
        .with(1)
        .says("one was not attached to kprobe/no_such")
        .says("one: the BTF of this kernel and its modules has no function `no_such`; the nearest")
        .says("two: the BTF of this kernel and its modules has no kfunc `bpf_no_such`; the nearest")
        .says("of two libbpf and the verifier say at last:");
    let transcript = checkout.artifact("both", "transcript");
    assert!(
        transcript.contains("one: not attached to kprobe/no_such: failed to create kprobe"),
        "{transcript}"
    );
    assert!(
        transcript.contains("two: refused: extern (func ksym) 'bpf_no_such'"),
        "{transcript}"
    );
}

fn a_license_of_its_own_and_a_module_for_tests_are_no_leak() {
    let checkout = Checkout::broken("return 0;");
    let own = "LICENSE(\"Proprietary\");\nMODULE_INFO(test, \"Y\"";
    checkout.edit("modules/broken/broken.c", "LICENSE(\"GPL\"", own);
    checkout.run(&["broken", "--accept"]).with(0);
}

fn a_panic_is_named_and_never_accepted() {
    let checkout = Checkout::broken("panic(\"on purpose\");");
    let ended = checkout.run(&["broken", "--accept"]);
    ended
        .with(1)
        .says("panic     distro::broken")
        .says(": panic: on purpose\n");
    assert!(
        !checkout
            .path("harness/tests/snapshots/broken.snap")
            .exists()
    );
}

fn a_warning_is_named_by_its_function() {
    let ended = Checkout::broken("WARN_ON(1);").run(&["broken"]);
    ended
        .with(1)
        .says("report    distro::broken")
        .says(": WARNING in provoke\n")
        .says("broken.c:6")
        .says("[broken] (broken/broken.c:");
}

fn an_expected_warning_is_a_pass_and_a_line_of_the_transcript() {
    let checkout = Checkout::broken("WARN_ON(1);");
    let expect = "expect = { report = 'WARNING in provoke' }";
    checkout.scenario("broken", &format!("modules = ['broken']\n{expect}"));
    checkout.run(&["broken", "--accept"]).with(0).says("pass ");
    let snapshot = checkout.path("harness/tests/snapshots/broken.snap");
    let snapshot = fs::read_to_string(snapshot).unwrap();
    assert!(
        snapshot.ends_with("kernel log\n  WARNING in provoke\n"),
        "{snapshot}"
    );
    checkout.edit("modules/broken/broken.c", "WARN_ON(1);", "");
    let ended = checkout.run(&["broken"]);
    ended.with(1).says("mismatch  distro::broken");
    ended.says("expected only report: WARNING in provoke, but there is no fault");
}

fn what_never_ends_does_not_follow_from_an_expected_warning() {
    for forever in [LOOP, "for (;;)\n\t\tschedule_timeout_uninterruptible(HZ);"] {
        let provoke = format!("WARN_ON(1);\n\t{forever}");
        let checkout = Checkout::broken(&provoke);
        let expect = "timeout = 10\nexpect = { report = 'WARNING in provoke' }";
        checkout.scenario("broken", &format!("modules = ['broken']\n{expect}"));
        let ended = checkout.run(&["broken"]);
        ended.with(1).says("mismatch  distro::broken");
        ended.says("expected only report: WARNING in provoke, but there is hang: deadline passed");
    }
}

fn no_line_of_a_module_ends_the_kernel_log() {
    let said = "kassay-guest: the plan is done";
    let checkout = Checkout::broken(&format!(
        "pr_info(\"{said}\\n\");\n\tpr_err(\"it is broken\\n\");"
    ));
    let ended = checkout.run(&["broken"]);
    ended
        .with(1)
        .says(&format!("  {said}\n"))
        .says("  it is broken\n");
}

fn an_error_that_begins_like_a_note_of_the_kernels_is_shown() {
    let checkout = Checkout::broken(
        "pr_err(\"random: it is broken\\n\");\n\tpr_info(\"tsc: as is this\\n\");",
    );
    let ended = checkout.run(&["broken"]);
    ended
        .with(1)
        .says("  random: it is broken\n")
        .says("  tsc: as is this\n");
}

fn what_is_no_plain_file_is_wrong_usage_and_never_waited_for() {
    let checkout = Checkout::new();
    let path = |name: &str| checkout.path("harness/tests").join(name);
    let mkfifo =
        |path: &Path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    mkfifo(&path("scenarios/pipe.toml"));
    let pipe = path("scenarios/pipe.toml").display().to_string();
    let ended = checkout.run(&["--scenario", &pipe]);
    ended.with(2).says("it is no plain file");
    fs::remove_file(&pipe).unwrap();
    symlink("/dev/zero", path("scenarios/endless.toml")).unwrap();
    checkout
        .run(&["kfunc_sum"])
        .with(2)
        .says("it is no plain file");
    fs::remove_file(path("scenarios/endless.toml")).unwrap();
    for place in ["kfunc_sum.snap", "kfunc_sum@distro.snap"] {
        let snapshot = path("snapshots").join(place);
        let _ = fs::remove_file(&snapshot);
        mkfifo(&snapshot);
        let ended = checkout.run(&["kfunc_sum"]);
        ended.with(2).says(place).says("it is no plain file");
        fs::remove_file(&snapshot).unwrap();
        symlink("/dev/zero", &snapshot).unwrap();
        checkout
            .run(&["kfunc_sum"])
            .with(2)
            .says("it is no plain file");
        fs::remove_file(&snapshot).unwrap();
    }
    let catalog = checkout.path("catalog.toml");
    mkfifo(&catalog);
    let mut command = checkout.command(&["list"]);
    let ended = Ended::of(command.env("KASSAY_CATALOG", &catalog).output().unwrap());
    ended.says("it is no plain file");
    assert_ne!(ended.code, Some(0));
}

fn an_error_of_a_scenario_is_no_longer_than_a_person_reads() {
    let checkout = Checkout::new();
    checkout.scenario("long", &format!("{} = 1", "a".repeat(400_000)));
    let ended = checkout.run(&["long"]);
    ended.with(2).says("parse scenario");
    assert!(ended.stderr.len() < 10_000, "{}", ended.stderr.len());
}

fn an_expected_panic_is_a_pass_that_says_so_and_leaves_nothing_to_accept() {
    let checkout = Checkout::broken("panic(\"on purpose\");");
    let expect = "expect = { panic = 'panic: on purpose' }";
    checkout.scenario("broken", &format!("modules = ['broken']\n{expect}"));
    let ended = checkout.run(&["broken", "--accept"]);
    ended.with(0).says("as expected, panic: on purpose");
    let snapshot = checkout.path("harness/tests/snapshots/broken.snap");
    assert!(!snapshot.exists());
    let ended = checkout.run(&["broken", "--changed"]);
    ended.with(0).says("1 unchanged since they passed");
    checkout.edit("modules/broken/broken.c", "on purpose", "by accident");
    let ended = checkout.run(&["broken", "--changed"]);
    ended.with(1).says("but there is panic: panic: by accident");
}

fn programs_are_loaded_without_a_capability_and_the_rest_is_done_with_it() {
    let checkout = Checkout::new();
    let without = "without = ['CAP_SYS_BOOT', 'CAP_SYS_MODULE']\n\n[[step]]";
    let file = "harness/tests/scenarios/kfunc_sum.toml";
    checkout.edit(file, "[[step]]", without);
    checkout.run(&["kfunc_sum"]).with(0);
    checkout.edit(file, "SYS_BOOT", "PERFMON', 'CAP_SYS_ADMIN");
    let ended = checkout.run(&["kfunc_sum"]);
    ended.with(1).says("program kfunc_sum was refused");
}

fn a_stuck_machine_ends_at_the_deadline_and_is_gone() {
    let checkout = Checkout::broken(LOOP);
    // What the user says stands above the scenario.
    checkout.scenario("broken", "modules = ['broken']\ntimeout = 3000");
    let ended = checkout.run(&["broken", "--timeout", "3"]);
    ended
        .with(1)
        .says("hang      distro::broken")
        .says("deadline passed\n")
        .says("at the deadline CPU 0 was at 0xffffffff");
    let command = checkout.artifact("broken", "command");
    let share = command
        .split("path=")
        .find(|part| part.contains("/share"))
        .unwrap();
    let directory = share.split("/share").next().unwrap();
    assert!(!Path::new(directory).exists(), "{directory} is still there");
    assert_eq!(processes_with(directory), [""; 0]);
}

fn ctrl_c_leaves_no_machine_and_no_directory() {
    let (mut kassay, machine) = Checkout::broken(LOOP).start("broken");
    // timeout(1) sends two signals at once, which are one request. They come at once whenever this
    // test gets to run, for kassay stands still meanwhile; two of one kind would be one.
    for signal in [Signal::STOP, Signal::INT, Signal::TERM, Signal::CONT] {
        kill_process(Pid::from_child(&kassay), signal).unwrap();
    }
    assert_eq!(kassay.wait().unwrap().code(), Some(130));
    machine.ends();
    assert!(!machine.directory.exists());
}

fn what_a_killed_kassay_leaves_is_removed_by_the_next_and_what_lives_stays() {
    let checkout = Checkout::broken(LOOP);
    let (mut killed, dead) = checkout.start("broken");
    // A kernel's watchdog does not bark at who sleeps.
    let sleeps = "for (;;)\n\t\tschedule_timeout_interruptible(HZ);";
    let (mut running, alive) = Checkout::broken(sleeps).start("broken");
    let sockets = dead.sockets();
    killed.kill().unwrap();
    killed.wait().unwrap();
    dead.ends();
    checkout.run(&["kfunc_sum", "--jobs", "3"]).with(0);
    assert!(!dead.directory.exists() && !sockets.iter().any(|socket| socket.exists()));
    assert!(alive.directory.exists() && alive.sockets().iter().all(|socket| socket.exists()));
    kill_process(Pid::from_child(&running), Signal::INT).unwrap();
    running.wait().unwrap();
}

fn a_slip_in_a_scenario_shows_what_was_meant() {
    let checkout = Checkout::new();
    let slips = [
        ("module = ['kfunc_sum']", "modules"),
        ("modules = ['kfunc_sun']", "kfunc_sum"),
        ("bpf = ['kfunc_strtsr']", "kfunc_strstr"),
        ("[[step]]\nunlnk = { times = 2 }", "unlink"),
        ("[[step]]\nunlink = { time = 2 }", "times"),
        ("requires = { kernels = '>=6.10' }", "kernel"),
        ("without = ['CAP_SYS_BOT']", "CAP_SYS_BOOT"),
    ];
    for (text, meant) in slips {
        checkout.write("slip.toml", &format!("about = 'x'\n{text}\n"));
        let ended = checkout.run(&["--scenario", "slip.toml"]);
        ended
            .with(2)
            .says("scenario `slip.toml`")
            .says(&format!("did you mean `{meant}`?"));
    }
}

fn what_no_kernel_can_meet_is_wrong_usage() {
    let checkout = Checkout::new();
    for (requires, why) in [
        ("config = ['CONFIG_BPF']", "without `CONFIG_`: `BPF`"),
        (
            "kernel = '>=6.10,<6.0'",
            "no version is within `>=6.10,<6.0`",
        ),
    ] {
        let text = format!("about = 'x'\nrequires = {{ {requires} }}\n");
        checkout.write("slip.toml", &text);
        let ended = checkout.run(&["--scenario", "slip.toml"]);
        ended.with(2).says(why);
    }
}

fn an_empty_choice_of_kernels_is_none() {
    let checkout = Checkout::new();
    let default = "default = [\"6.11\", \"distro\"]";
    checkout.edit(
        "kernel-config/kernels.toml",
        default,
        "default = ['distro']",
    );
    for (chosen, said) in [
        ("", "kernel distro: "),
        ("distor", "did you mean `distro`?"),
    ] {
        for args in [["run", "::kfunc_sum"], ["kfuncs", "kfunc_sum"]] {
            let mut command = checkout.command(&args);
            command.env("KASSAY_KERNELS", chosen);
            Ended::of(command.output().unwrap()).says(said);
        }
    }
}

fn what_does_not_exist_is_wrong_usage() {
    let checkout = Checkout::new();
    checkout
        .run_on("distor", &[])
        .with(2)
        .says("did you mean `distro`?");
    checkout
        .run_on("./no/tree", &[])
        .with(2)
        .says("`./no/tree`");
    checkout
        .run(&["no_such_case"])
        .with(2)
        .says("no case matches `no_such_case`");
    let ended = checkout.run(&["--scenario", "none.toml"]);
    ended.with(2).says("read scenario `none.toml`");
    let ended = checkout.kassay(&["kernel", "remove", "distor"]);
    ended.with(2).says("did you mean `distro`?");
}

fn what_is_there_and_cannot_be_read_is_no_slip() {
    let checkout = Checkout::new();
    for file in [
        "harness/tests/snapshots/kfunc_sum.snap",
        "harness/tests/scenarios/kfunc_sum.toml",
        "kassay.toml",
    ] {
        // Not even root reads where no memory is.
        fs::remove_file(checkout.path(file)).unwrap();
        symlink("/proc/self/mem", checkout.path(file)).unwrap();
        let ended = checkout.run(&["kfunc_sum"]);
        ended.with(125).says(file).says("Input/output error");
    }
}

fn scenarios_of_one_name_are_not_run_together() {
    let checkout = Checkout::new();
    checkout.write("one/same.toml", "about = 'x'\n");
    checkout.write("other/same.toml", "about = 'x'\n");
    let ended = checkout.run(&["--scenario", "one", "--scenario", "other"]);
    ended.with(2).says("two scenarios are called `same`");
}

fn kvm_that_does_not_work_is_never_replaced() {
    // Where KVM works, there is nothing to refuse.
    if Probe::here().verdict().is_err() {
        let ended = Checkout::new().run(&["kfunc_sum", "--accel", "kvm"]);
        ended
            .with(125)
            .says("use KVM: ")
            .says("`--accel tcg` runs without it");
        assert_eq!(ended.stdout, "");
    }
}

fn a_missing_program_is_named_with_how_to_get_it() {
    for program in ["qemu-system-x86_64", "clang", "make"] {
        // A module that is in no cache needs make.
        let checkout = Checkout::broken("return nothing;");
        let scenario = if program == "make" {
            "broken"
        } else {
            "kfunc_sum"
        };
        checkout.hide(program);
        let ended = checkout.run(&[scenario]);
        ended
            .with(125)
            .says("infra ")
            .says(program)
            .says("`kassay setup`");
    }
}

fn a_qemu_that_does_not_start_shows_what_it_said() {
    let checkout = Checkout::new();
    checkout.hide("qemu-system-x86_64");
    let qemu = checkout.path("bin/qemu-system-x86_64");
    fs::write(&qemu, "#!/bin/sh\necho no machine today >&2\nexit 1\n").unwrap();
    fs::set_permissions(&qemu, fs::Permissions::from_mode(0o755)).unwrap();
    let ended = checkout.run(&["kfunc_sum"]);
    ended
        .with(125)
        .says("QEMU did not start")
        .says("no machine today");
}

fn stderr_need_not_be_read() {
    let checkout = Checkout::new();
    let full = fs::OpenOptions::new().write(true).open("/dev/full");
    let mut kassay = checkout.command(&["run", "--kernel", "none"]);
    let ended = kassay.stderr(full.unwrap()).status().unwrap();
    assert_eq!(ended.code(), Some(2));
}
