//! `kassay verify`, budgets, `kassay matrix` and `kassay header` seen from outside: numbers, what
//! differs, what is too much, what a kernel takes, and what a module offers.

use std::fs;

use crate::checkout::{Checkout, Ended};

tests! {
    plain:
        what_verify_cannot_do_is_wrong_usage;
    qemu:
        numbers_are_written_and_compared,
        a_program_that_is_refused_now_is_worse,
        a_size_has_the_functions_that_the_program_calls,
        a_module_that_does_not_go_in_is_told,
        a_header_has_the_types_and_kfuncs_of_its_module,
        a_budget_that_is_exceeded_shows_both_numbers,
        a_budget_tells_programs_of_one_name_apart_and_is_tightened,
        a_matrix_has_a_cell_for_each_module_and_program,
        a_matrix_attaches_each_structure_by_itself,
        an_iterator_over_a_map_keeps_no_other_program_of_its_object_from_a_matrix,
        a_matrix_names_what_is_nearest_to_a_target,
        no_other_build_of_a_kernel_is_made_for_a_scenario;
}

/// A checkout with an object of two programs, the second of which ends in this.
fn counted(end: &str) -> Checkout {
    let checkout = Checkout::new();
    checkout.write(
        "count.bpf.c",
        &format!(
            "#include \"kassay.bpf.h\"\n\
             SEC(\"syscall\") int one(void *ctx) {{ return 1; }}\n\
             SEC(\"syscall\") int two(void *ctx) {{ {end} }}\n\
             char LICENSE[] SEC(\"license\") = \"GPL\";\n"
        ),
    );
    checkout
}

fn verify(checkout: &Checkout, args: &[&str]) -> Ended {
    checkout.kassay(&[&["verify", "--kernel", "distro"], args].concat())
}

fn numbers_are_written_and_compared() {
    let checkout = counted("return 2;");
    let ended = verify(&checkout, &["count.bpf.c", "--format", "csv"]);
    let csv = ended.with(0).stdout.clone();
    assert!(csv.contains("count.bpf.o,one,success,"), "{csv}");
    checkout.write("before.csv", &csv);
    let against = ["count.bpf.c", "--against", "before.csv"];
    verify(&checkout, &against).with(0).says("0 differ");
    checkout.write("before.csv", &csv.replace("count.bpf.o", "other.bpf.o"));
    let ended = verify(&checkout, &against);
    ended.with(125).says("4 programs, of which 4 differ");
    ended.says("the first is other.bpf.o: one before and count.bpf.o: one now");
    checkout.write("before.csv", &csv);
    let more = "return bpf_get_prandom_u32() + 2;";
    checkout.edit("count.bpf.c", "return 2;", more);
    verify(&checkout, &against)
        .with(1)
        .says("two      success  2 -> ");
    let enough = ["--threshold", "200"];
    verify(&checkout, &[&against[..], &enough].concat()).with(0);
}

fn a_program_that_is_refused_now_is_worse() {
    let checkout = counted("return 2;");
    let ended = verify(&checkout, &["count.bpf.c", "--format", "csv"]);
    checkout.write("before.csv", &ended.with(0).stdout.clone());
    checkout.edit("count.bpf.c", "return 2;", "return *(int *)2;");
    verify(&checkout, &["count.bpf.c"]).with(0).says("failure");
    let ended = verify(&checkout, &["count.bpf.c", "--against", "before.csv"]);
    ended.with(1).says("success -> failure");
}

fn a_size_has_the_functions_that_the_program_calls() {
    let checkout = counted("return helper(ctx) + 1;");
    let helper =
        "static __noinline int helper(void *ctx) { return ctx != 0; }\nSEC(\"syscall\") int one";
    checkout.edit("count.bpf.c", "SEC(\"syscall\") int one", helper);
    let ended = verify(&checkout, &["count.bpf.c", "--format", "json"]);
    let size = |program: &str| {
        let rows = ended.objects();
        let row = rows.iter().find(|row| row["prog_name"] == program);
        row.unwrap()["prog_size"].as_u64().unwrap()
    };
    // A call, an addition and an exit are its own.
    assert!(size("two") > 3, "{ended:?}");
    assert_eq!(size("one"), 2);
}

fn a_module_that_does_not_go_in_is_told() {
    let checkout = Checkout::broken("return -EBUSY;");
    let ended = verify(&checkout, &["bpf/core.bpf.c", "--module", "broken"]);
    ended
        .with(125)
        .says("core.bpf.c: without module broken, which was refused: Device or resource busy");
}

fn a_header_has_the_types_and_kfuncs_of_its_module() {
    let checkout = Checkout::new();
    let header = |module| checkout.kassay(&["header", module, "--kernel", "distro"]);
    let ended = header("kfunc_iter");
    ended
        .with(0)
        .says("struct bpf_iter_squares {\n\tu64 __opaque[2];\n};");
    ended.says("extern int bpf_iter_squares_new(struct bpf_iter_squares *it, u32 end) __ksym;");
    assert!(!ended.stdout.contains("struct task_struct {"), "{ended:?}");
    header("kfunc_itre")
        .with(2)
        .says("did you mean `kfunc_iter`?");
}

fn a_budget_that_is_exceeded_shows_both_numbers() {
    let checkout = Checkout::new();
    let snapshot = "harness/tests/snapshots/budget.snap";
    let reviewed = fs::read_to_string(checkout.path(snapshot)).unwrap();
    let (_, number) = reviewed.split_once("core: insns ").unwrap();
    let (number, _) = number.split_once('\n').unwrap();
    checkout.edit(snapshot, &format!("insns {number}"), "insns 10");
    let ended = checkout.run(&["budget"]);
    ended
        .with(1)
        .says("-  core: insns 10")
        .says("+  core: insns ")
        .says("50% more than 10");
    let scenario = "harness/tests/scenarios/budget.toml";
    checkout.edit(scenario, "states = 500", "states = 0");
    let ended = checkout.run(&["budget"]);
    ended.with(1).says("program core is over its budget");
    ended.says("and the budget is 0");
}

fn a_budget_tells_programs_of_one_name_apart_and_is_tightened() {
    let checkout = Checkout::new();
    let program = |object: &str, body: &str| {
        let text = format!(
            "#include \"kassay.bpf.h\"\n\
             SEC(\"kprobe/vfs_unlink\") int same(void *ctx) {{ {body} return 0; }}\n\
             char LICENSE[] SEC(\"license\") = \"GPL\";\n"
        );
        checkout.write(&format!("bpf/{object}.bpf.c"), &text);
    };
    program("large", "bpf_printk(\"large\");");
    program("small", "");
    let scenario = "bpf = ['large', 'small']\nbudget = { insns = '+50%' }\n[[step]]\nunlink = {}";
    checkout.scenario("two", scenario);
    checkout.run(&["two", "--accept"]).with(0);
    checkout.run(&["two"]).with(0);
    program("large", "");
    checkout.run(&["two", "--accept"]).with(0);
    let accepted = fs::read_to_string(checkout.path("harness/tests/snapshots/two.snap")).unwrap();
    let tightened = "  large/same: insns 2\n  small/same: insns 2\n";
    assert!(accepted.contains(tightened), "{accepted}");
}

fn what_verify_cannot_do_is_wrong_usage() {
    let checkout = Checkout::new();
    checkout.write("a/count.bpf.c", "");
    checkout.write("b/count.bpf.c", "");
    let wrong: [(&[&str], &str); 9] = [
        (
            &["no-such-scenario"],
            "nothing to try in `no-such-scenario`",
        ),
        (&["none.bpf.c"], "none.bpf.c"),
        (&["core", "--flag=-DX"], "are for an object"),
        (&["core", "--against", "x", "--threshold=-1"], "at least 0"),
        (&["core", "--against", "kassay.toml"], "is not what"),
        (
            &["core", "--against", "none.csv"],
            "there is no file `none.csv`",
        ),
        (
            &["a/count.bpf.c", "b/count.bpf.c"],
            "are both called `count`",
        ),
        (&["a/count.bpf.c", "no-such"], "no scenario has `no-such`"),
        (
            &["./modules/kfunc_sum", "--flag=-DX"],
            "is not compiled by clang",
        ),
    ];
    for (args, why) in wrong {
        let ended = verify(&checkout, args);
        assert!(ended.with(2).stderr.contains(why), "{ended:?}");
    }
    let ended = checkout.kassay(&["verify", "--kernel", "a,b", "--format", "csv", "core"]);
    assert!(
        ended.with(2).stderr.contains("CSV is of one kernel"),
        "{ended:?}"
    );
}

fn a_matrix_has_a_cell_for_each_module_and_program() {
    let checkout = counted("return *(int *)2;");
    let what = ["./modules/kfunc_sum", "count.bpf.c", "hook_tcx"];
    let matrix = |args: &[&str]| {
        let command = ["matrix", "--kernel", "distro"];
        checkout.kassay(&[&command[..], &what, args].concat())
    };
    let ended = matrix(&["--module", "kfunc_sum"]);
    ended.with(1).says("module kfunc_sum").says("1 kfunc");
    assert_eq!(ended.stdout.matches("\nmodule kfunc_sum").count(), 1);
    ended.says("count.bpf.o one").says("loaded");
    ended.says("count.bpf.o two, on distro: ").says("refused");
    ended
        .says("hook_tcx: hook_tcx.bpf.o arriving")
        .says("attached");
    ended.says("no kernel takes all");
    checkout.edit("count.bpf.c", "return *(int *)2;", "return 2;");
    let ended = matrix(&["--format", "markdown"]);
    ended.with(0).says("| module kfunc_sum | 1 kfunc |");
    ended.says("the oldest that takes all: distro");
}

fn a_matrix_attaches_each_structure_by_itself() {
    let checkout = Checkout::new();
    let object = "bpf/struct_ops_tcp.bpf.c";
    let lacks_cong_avoid = "SEC(\".struct_ops\")\n\
        struct tcp_congestion_ops half = { .ssthresh = (void *)halve, .name = \"half\" };\n\
        char LICENSE[]";
    checkout.edit(object, "char LICENSE[]", lacks_cong_avoid);
    let ended = checkout.kassay(&["matrix", "--kernel", "distro", object]);
    ended.with(1).says("structure congestion  attached");
    ended.says("structure half        refused");
    ended.says("structure half, on distro: attach the structure `half`: Invalid argument");
}

fn an_iterator_over_a_map_keeps_no_other_program_of_its_object_from_a_matrix() {
    let checkout = counted("return 2;");
    let program = "SEC(\"syscall\") int one";
    let iterator = "SEC(\"iter/bpf_map_elem\") int over(void *ctx) { return 0; }\n";
    checkout.edit("count.bpf.c", program, &format!("{iterator}{program}"));
    let ended = checkout.kassay(&["matrix", "--kernel", "distro", "count.bpf.c"]);
    ended.with(0).says("count.bpf.o one");
    ended.says("count.bpf.o over, on distro: it iterates over a map, and only `attach`");
}

fn no_other_build_of_a_kernel_is_made_for_a_scenario() {
    let checkout = Checkout::new();
    let other =
        "modules = ['kfunc_refs']\nbuilt_with = ['lirc']\nbpf = ['kf_acquire']\neach = true";
    checkout.scenario("other", other);
    for (command, code) in [("matrix", 0), ("verify", 125)] {
        let ended = checkout.kassay(&[command, "--kernel", "distro", "other"]);
        ended.with(code).says("needs another build of this kernel");
    }
}

fn a_matrix_names_what_is_nearest_to_a_target() {
    let checkout = Checkout::new();
    checkout.write(
        "bpf/far.bpf.c",
        "#include \"kassay.bpf.h\"\n\
         SEC(\"tp/syscalls/sys_enter_unlinka\") int event(void *ctx) { return 0; }\n\
         SEC(\"kprobe/vfs_unlinks\") int function(void *ctx) { return 0; }\n\
         char LICENSE[] SEC(\"license\") = \"GPL\";\n",
    );
    checkout.write(
        "bpf/near.bpf.c",
        "#include \"kassay.bpf.h\"\n\
         SEC(\"syscall\") int event(void *ctx) { return *(int *)2; }\n\
         char LICENSE[] SEC(\"license\") = \"GPL\";\n",
    );
    checkout.scenario("both", "bpf = ['far', 'near']");
    let ended = checkout.kassay(&["matrix", "--kernel", "distro", "both"]);
    ended.with(1).says("the nearest are `sys_enter_unlinkat`");
    // The program of that name in the other object is refused for another reason.
    assert_eq!(ended.stdout.matches("sys_enter_unlinkat`").count(), 1);
    ended.says("no function `vfs_unlinks`; the nearest are `vfs_unlink`");
}
