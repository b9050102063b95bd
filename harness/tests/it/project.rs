//! Projects outside of this repository, as their users see them.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::checkout::{Ended, copy, edit, write};
use crate::repository::repository;

tests! {
    plain:
        a_folder_without_modules_is_told_so,
        there_is_a_manual_and_a_script_for_shells;
    qemu:
        a_new_project_passes_wherever_in_it_one_is,
        a_changed_argument_in_a_new_project_is_a_mismatch_that_leaves_a_folder_there,
        a_modules_folder_becomes_a_project,
        what_a_failure_leaves_is_no_source_of_a_module_beside_it,
        init_writes_where_the_project_says_and_leaves_out_what_does_not_build,
        a_projects_folder_comes_before_one_that_is_called_as_usual,
        a_project_says_where_its_parts_lie_and_how_they_run;
}

/// A folder that belongs to no project.
struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    /// One with the project that `kassay new` makes.
    fn with_new() -> Folder {
        let folder = Folder::new();
        let ended = folder.kassay("", &["new", "demo"]);
        ended.with(0).says("next: cd demo && kassay run");
        folder
    }

    fn path(&self, path: &str) -> PathBuf {
        self.0.path().join(path)
    }

    fn edit(&self, path: &str, from: &str, to: &str) {
        edit(self.0.path(), path, from, to);
    }

    /// Runs kassay in a folder of it.
    fn kassay(&self, place: &str, args: &[&str]) -> Ended {
        let mut command = Command::new(env!("CARGO_BIN_EXE_kassay"));
        command.args(args).current_dir(self.path(place));
        for name in [
            "KASSAY_CATALOG",
            "KASSAY_KERNELS",
            "KASSAY_TARGET",
            "CARGO_TARGET_DIR",
        ] {
            command.env_remove(name);
        }
        command.env("KASSAY_NO_HISTORY", "1");
        Ended::of(command.output().unwrap())
    }
}

fn a_new_project_passes_wherever_in_it_one_is() {
    let folder = Folder::with_new();
    for place in ["demo", "demo/modules/demo"] {
        let ended = folder.kassay(place, &["run", "--kernel", "distro"]);
        ended.with(0).says("pass      distro::demo");
    }
    let ended = folder.kassay("", &["run", "--kernel", "distro"]);
    ended.with(2).says("has a `kassay.toml`");
    let ended = folder.kassay("", &["new", "demo"]);
    ended.with(2).says("it is there already");
}

fn a_changed_argument_in_a_new_project_is_a_mismatch_that_leaves_a_folder_there() {
    let folder = Folder::with_new();
    folder.edit("demo/bpf/demo.bpf.c", "demo(12, 18)", "demo(12, 16)");
    let ended = folder.kassay("demo", &["run", "--kernel", "distro"]);
    ended
        .with(1)
        .says("+  unlink[pid]: The gcd of 12 and 18 is 4");
    assert!(
        folder
            .path("demo/target/kassay/distro/demo/reason")
            .is_file()
    );
}

fn a_modules_folder_becomes_a_project() {
    let folder = Folder::new();
    copy(
        &repository().join("modules/kfunc_refs"),
        &folder.path("refs"),
    );
    write(&folder.path("refs"), ".gitignore", "mine\n");
    let ended = folder.kassay("refs", &["init", "--kernel", "distro"]);
    ended
        .with(0)
        .says("found refs: 5 kfuncs")
        .says("kept .gitignore");
    let run =
        |more: &[&str]| folder.kassay("refs", &[&["run", "--kernel", "distro"], more].concat());
    run(&[])
        .with(1)
        .says("there is no snapshot")
        .says("kfunc bpf_put_task");
    run(&["--accept"]).with(0);
    run(&[]).with(0);
    // The program that declares them is one that loads.
    let allow = "allow = [\"no_programs\", \"no_steps\"]";
    let program = "bpf = [\"refs\"]\n[[step]]\nunlink = { times = 1 }";
    folder.edit("refs/scenarios/refs.toml", allow, program);
    run(&[])
        .with(1)
        .says("on_unlink: attached")
        .says("unlink[pid]: unlinked");
    let ended = folder.kassay("", &["init", "--kernel", "distro"]);
    ended.with(0).says("found refs");
}

fn what_a_failure_leaves_is_no_source_of_a_module_beside_it() {
    let folder = Folder::new();
    copy(&repository().join("modules/kfunc_sum"), &folder.path("sum"));
    let kassay = |what: &str| folder.kassay("sum", &[what, "--kernel", "distro"]);
    kassay("init").with(0);
    kassay("run").with(1).says("there is no snapshot");
    let ended = kassay("run");
    assert!(!ended.with(1).stderr.contains("build module"), "{ended:?}");
}

fn init_writes_where_the_project_says_and_leaves_out_what_does_not_build() {
    let folder = Folder::new();
    let whole = folder.path("p");
    let module = whole.join("drivers/a.sum");
    copy(&repository().join("modules/kfunc_sum"), &module);
    let goals = "CONFIG_A ?= m\nobj-$(CONFIG_A) += kfunc_sum.o\nccflags-y += -I$(src)/../include\n";
    write(&module, "Kbuild", goals);
    write(&whole, "drivers/broken/Kbuild", "obj-m := none.o\n");
    write(&whole, "drivers/other/Makefile", "# not obj-m\n");
    let text = "modules = 'drivers'\nscenarios = 'tests/cases'\nprograms = 'drivers'\n";
    write(&whole, "kassay.toml", text);
    let ended = folder.kassay("p", &["init", "--kernel", "distro"]);
    ended
        .with(0)
        .says("made tests/cases/a_sum.toml")
        .says("left out a module: build module broken");
    let ended = folder.kassay("p", &["run", "--kernel", "distro"]);
    ended.with(1).says("kfunc bpf_kfunc_call_test");
    // Its folder of modules may be the project's own, which is looked at once.
    write(&folder.path("q"), "kassay.toml", "modules = '.'\n");
    for name in ["a", "b"] {
        write(&folder.path("q").join(name), "Kbuild", "obj-m := none.o\n");
    }
    let ended = folder.kassay("q", &["init", "--kernel", "distro"]);
    ended.with(125).says("build module a");
}

fn a_projects_folder_comes_before_one_that_is_called_as_usual() {
    let folder = Folder::with_new();
    copy(&folder.path("demo/modules"), &folder.path("demo/mine"));
    folder.edit("demo/mine/demo/demo.c", "gcd(a, b)", "99");
    write(&folder.path("demo"), "kassay.toml", "modules = 'mine'\n");
    let ended = folder.kassay("demo", &["run", "--kernel", "distro"]);
    ended.with(1).says("12 and 18 is 99");
    let flags = "modules = 'mine'\n[defaults]\nflags = ['-o', 'x']\n";
    write(&folder.path("demo"), "kassay.toml", flags);
    let ended = folder.kassay("demo", &["run", "--kernel", "distro"]);
    ended.with(125).says("leave `-o` out of its flags");
    write(&folder.path("demo"), "kassay.toml", "modules = 'nowhere'\n");
    let ended = folder.kassay("demo", &["run"]);
    ended.with(2).says("which is no folder");
}

fn a_folder_without_modules_is_told_so() {
    let folder = Folder::new();
    let ended = folder.kassay("", &["init"]);
    ended.with(2).says("or one folder below, has `obj-m`");
    folder
        .kassay("", &["new", "My-mod"])
        .with(2)
        .says("small letters");
    folder
        .kassay("", &["new", ".."])
        .with(2)
        .says("kassay init");
    let ended = folder.kassay("", &["new", "demo/"]);
    ended.with(0).says("made demo/kassay.toml");
    let text = fs::read_to_string(folder.path("demo/kassay.toml")).unwrap();
    assert!(text.contains("KASSAY_KERNELS"), "{text}");
}

fn a_project_says_where_its_parts_lie_and_how_they_run() {
    let folder = Folder::with_new();
    for (from, to) in [
        ("modules", "kernel"),
        ("bpf", "progs"),
        ("snapshots", "seen"),
    ] {
        fs::rename(folder.path("demo").join(from), folder.path("demo").join(to)).unwrap();
    }
    let text = "modules = 'kernel'\nprograms = 'progs'\nsnapshots = 'seen'\nkernels = ['mine']\n\
                [defaults]\nmemory = 320\nflags = ['-DA=1']\n\
                [prebuilt.mine]\npackages = ['linux-image-amd64']\n";
    fs::write(folder.path("demo/kassay.toml"), text).unwrap();
    folder.edit("demo/progs/demo.bpf.c", "(12, 18)", "(12, 17 + A)");
    let ended = folder.kassay("demo", &["run", "--kernel", "distro", "--keep"]);
    ended.with(0);
    let command = folder.path("demo/target/kassay/distro/demo/command");
    assert!(fs::read_to_string(command).unwrap().contains("320"));
    folder.kassay("demo", &["list"]).with(0).says("  mine ");
    folder.edit("demo/kassay.toml", "memory = 320", "memory = 3");
    let ended = folder.kassay("demo", &["list"]);
    ended.with(2).says("take `[defaults]` of the project");
    folder.edit("demo/kassay.toml", "memory = 3", "memory = 320");
    folder.edit("demo/kassay.toml", "packages", "package");
    let ended = folder.kassay("demo", &["run"]);
    ended
        .with(125)
        .says("read the kernels of the project's `kassay.toml`");
}

fn there_is_a_manual_and_a_script_for_shells() {
    let folder = Folder::new();
    folder.kassay("", &["man", "pages"]).with(0);
    let page = fs::read_to_string(folder.path("pages/kassay-run.1")).unwrap();
    assert!(page.contains("\\-\\-kernel"), "{page}");
    let ended = folder.kassay("", &["completions", "bash"]);
    ended.with(0).says("--restart");
}
