//! The script of the action for GitHub, as its steps call it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::checkout::{Ended, write};
use crate::repository::repository;

tests! {
    plain:
        names_of_caches_and_artifacts_follow_from_what_is_used,
        reports_are_uploaded_from_where_they_are_written,
        kvm_is_opened_to_a_user_by_a_rule_of_udev,
        a_kvm_that_nobody_opens_is_warned_of_and_none_is_no_trouble,
        cases_are_run_as_the_inputs_say_and_the_exit_code_is_theirs;
}

/// A machine of GitHub with a repository to be tested. Its `kassay` and its programs for root write
/// down what they are told.
struct Runner(TempDir);

impl Runner {
    fn new() -> Runner {
        let runner = Runner(tempfile::tempdir().unwrap());
        fs::set_permissions(runner.path(""), fs::Permissions::from_mode(0o777)).unwrap();
        for folder in ["bin", "workspace", "rules"] {
            fs::create_dir(runner.path(folder)).unwrap();
            fs::set_permissions(runner.path(folder), fs::Permissions::from_mode(0o777)).unwrap();
        }
        runner.program("bin/sudo", "exec \"$@\"");
        let path = "temp/kassay/debug/kassay";
        runner.program(
            path,
            "echo \"kassay $*\" >>\"$GITHUB_WORKSPACE/told\"; [ $1 != run ] || exit 1",
        );
        runner
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn program(&self, name: &str, script: &str) {
        write(self.0.path(), name, &format!("#!/bin/sh\n{script}\n"));
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// Runs a step with these inputs, as a user who may write nowhere else.
    fn step(&self, name: &str, inputs: &[(&str, &str)]) -> Ended {
        let script = repository().join(".github/actions/kassay/run");
        // The repository may be in a folder that nobody else can look into.
        let copy = self.path("kassay/.github/actions/kassay/run");
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(script, &copy).unwrap();
        write(self.0.path(), "kassay/kernel-config/a.config", "A");
        let mut command = match rustix::process::geteuid().is_root() {
            true => Command::new("setpriv"),
            false => Command::new("env"),
        };
        if rustix::process::geteuid().is_root() {
            command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
        }
        let path = format!(
            "{}:/usr/sbin:/usr/bin:/sbin:/bin",
            self.path("bin").display()
        );
        command.arg("bash").arg(copy).arg(name).env_clear();
        command.env("PATH", path).env("HOME", "/home/me");
        command.env("GITHUB_WORKSPACE", self.path("workspace"));
        command.env("GITHUB_OUTPUT", self.path("workspace/output"));
        command.env("RUNNER_TEMP", self.path("temp"));
        command.env("KVM_DEVICE", self.path("workspace/kvm"));
        command.env("UDEV_RULES", self.path("rules"));
        let unless_given = ["FILTER", "SHARD", "PLAN", "REPORTS"].map(|name| (name, ""));
        let given = [("KASSAY_KERNELS", "distro"), ("FORMAT", "github")];
        command
            .envs(unless_given)
            .envs(given)
            .envs(inputs.iter().copied());
        Ended::of(command.output().unwrap())
    }

    /// An output of the first step.
    fn output(&self, name: &str, inputs: &[(&str, &str)]) -> String {
        let ended = self.step("describe", inputs);
        let mut lines = ended.with(0).stdout.lines();
        let line = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.unwrap().to_owned()
    }

    /// A device that nobody may open, and an udev that does this when it is to settle.
    fn with_kvm(settle: &str) -> Runner {
        let runner = Runner::new();
        let device = runner.path("workspace/kvm");
        fs::write(&device, "").unwrap();
        fs::set_permissions(&device, fs::Permissions::from_mode(0o444)).unwrap();
        let owner = rustix::process::geteuid().is_root().then_some(65534);
        std::os::unix::fs::chown(&device, owner, None).unwrap();
        let script = format!("[ $1 != trigger ] || {{ {settle}; }}");
        runner.program("bin/udevadm", &script);
        runner
    }
}

fn names_of_caches_and_artifacts_follow_from_what_is_used() {
    let runner = Runner::new();
    let kernels = ("KASSAY_KERNELS", "debian-13/arm64,6.12+kasan");
    let key = || runner.output("kernels-key", &[kernels]);
    let name = runner.output("name", &[kernels, ("SHARD", "2/4")]);
    assert_eq!(name, "debian-13+arm64+6.12+kasan-2-of-4");
    let first = key();
    assert!(first.starts_with(&runner.output("kernels-like", &[kernels])));
    assert_eq!(key(), first);
    write(&runner.path("workspace"), "kassay.lock", "[[kernel]]\n");
    let second = key();
    assert_ne!(second, first);
    let program = runner.output("program-key", &[]);
    write(&runner.path("kassay"), "Cargo.lock", "changed");
    assert_ne!(key(), second);
    assert_ne!(runner.output("program-key", &[]), program);
    assert_eq!(runner.output("cache", &[]), "/home/me/.cache/kassay");
}

fn reports_are_uploaded_from_where_they_are_written() {
    let runner = Runner::new();
    let reports = ("REPORTS", "junit=out/a.xml\n html=/page");
    let ended = runner.step("describe", &[reports]);
    let path = runner.path("workspace/out/a.xml");
    let path = path.canonicalize().unwrap_or(path);
    ended
        .with(0)
        .says(&format!("reports<<.\n{}\n/page\n.\n", path.display()));
    let ended = runner.step("describe", &[("REPORTS", "junit.xml")]);
    ended.with(2).says("reports: `junit.xml`: say FORMAT=PATH");
}

fn kvm_is_opened_to_a_user_by_a_rule_of_udev() {
    let runner = Runner::with_kvm("chmod 666 \"$KVM_DEVICE\"");
    let ended = runner.step("kvm", &[]);
    assert_eq!(ended.with(0).stdout, "");
    let rule = fs::read_to_string(runner.path("rules/99-kassay-kvm.rules")).unwrap();
    let expected = "KERNEL==\"kvm\", GROUP=\"kvm\", MODE=\"0666\", OPTIONS+=\"static_node=kvm\"\n";
    assert_eq!(rule, expected);
}

fn a_kvm_that_nobody_opens_is_warned_of_and_none_is_no_trouble() {
    for settle in ["true", "exit 1"] {
        let ended = Runner::with_kvm(settle).step("kvm", &[]);
        ended.with(0).says("::warning::").says("cannot be opened");
    }
    let runner = Runner::new();
    runner
        .step("kvm", &[])
        .with(0)
        .says("machines are emulated");
    assert!(!runner.path("rules/99-kassay-kvm.rules").exists());
}

fn cases_are_run_as_the_inputs_say_and_the_exit_code_is_theirs() {
    let runner = Runner::new();
    let inputs = [
        ("KASSAY_KERNELS", "distro,debian-13"),
        ("FILTER", "a b"),
        ("SHARD", "1/2"),
        ("REPORTS", "junit=x html=y"),
    ];
    runner.step("scenarios", &inputs).with(1);
    let told = fs::read_to_string(runner.path("workspace/told")).unwrap();
    let expected = "kassay setup\nkassay doctor\nkassay kernel build distro debian-13\n\
                    kassay run --format github --scenario scenarios --shard 1/2 --report junit=x \
                    --report html=y -- a b\n";
    assert_eq!(told, expected);
    let output = fs::read_to_string(runner.path("workspace/output")).unwrap();
    assert_eq!(output, "exit-code=1\n");
}
