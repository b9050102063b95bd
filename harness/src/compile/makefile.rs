//! What a Makefile of modules says of itself, as far as its text tells.

use std::path::Path;

/// Commands of `$(shell …)` whose answer is the same, or of no matter to what is built.
const KNOWN: [&str; 4] = ["uname -r", "uname -m", "pwd", "nproc"];

/// Where the kernel, devices and programs are: what a Makefile names there is no source.
const PLACES: [&str; 7] = [
    "/lib/modules",
    "/usr/src/",
    "/dev/",
    "/bin/",
    "/usr/bin/",
    "/sbin/",
    "/usr/sbin/",
];

/// What reads more than a text can tell.
const ASKS: [&str; 6] = [
    "$(shell ", "${shell ", "$(file ", "${file ", "$(HOME)", "${HOME}",
];

/// Whether kbuild reads this file, or a Makefile that it reads may.
pub fn is_one(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // Beside a Kbuild file the Makefile is the user's alone.
    let is_alone = || !path.with_file_name("Kbuild").is_file();
    name.starts_with("Kbuild") || name.ends_with(".mk") || (name == "Makefile" && is_alone())
}

/// Whether what a Makefile has kbuild do depends on more than its own folder, or may: it runs
/// commands, or names files by absolute paths. What compilers read is not meant. A recipe is taken
/// to read what its rule names, as make takes it.
pub fn asks(text: &str) -> bool {
    let mut text = text.replace("\\\n", " ");
    for (open, close) in [("$(", ")"), ("${", "}")] {
        for command in KNOWN {
            text = text.replace(&format!("{open}shell {command}{close}"), "");
        }
    }
    let mut is_file = false;
    kbuilds(&text).any(|line| match line.strip_prefix('\t') {
        Some(recipe) => is_file && line_asks(recipe),
        None => {
            is_file = makes_file(line);
            line_asks(line) || line.contains("!=")
        }
    })
}

/// The lines that kbuild reads, without comments: not those for a make by hand, which are told by
/// `KERNELRELEASE` (Documentation/kbuild/modules.rst).
fn kbuilds(text: &str) -> impl Iterator<Item = &str> {
    // For each condition whether kbuild passes it, and whether it is of that kind at all.
    let mut conditions: Vec<(bool, bool)> = Vec::new();
    text.lines().filter_map(move |line| {
        let line = line.split('#').next().unwrap_or_default();
        let words = line.trim();
        if words.starts_with("if") {
            let is_set = words.starts_with("ifneq") || words.starts_with("ifdef");
            conditions.push((is_set, words.contains("KERNELRELEASE")));
        } else if words.starts_with("else") {
            if let Some((passes, _)) = conditions.last_mut() {
                *passes = !*passes;
            }
        } else if words.starts_with("endif") {
            conditions.pop();
        }
        let is_read = conditions
            .iter()
            .all(|(passes, is_told)| *passes || !is_told);
        is_read.then_some(line)
    })
}

/// Whether a line begins the rule of a file, not of a word such as `all`.
fn makes_file(line: &str) -> bool {
    let targets = line.split_once(':').map(|(targets, _)| targets);
    targets.is_some_and(|targets| {
        let mut targets = targets.split_whitespace();
        targets.any(|target| !target.starts_with('.') && target.contains(['.', '$', '%', '/']))
    })
}

fn line_asks(line: &str) -> bool {
    let mut words = line.split([' ', '\t', '=', ':', ',', '"', '\'']);
    let mut before = "";
    ASKS.iter().any(|part| line.contains(part))
        || words.any(|word| {
            // What a compiler includes it tells.
            let is_flag = before.ends_with("-include") && !line.trim_start().starts_with(before);
            before = word;
            let is_path = word.starts_with('/') && word.len() > 1;
            is_path && !is_flag && !PLACES.iter().any(|place| word.starts_with(place))
        })
}

/// The first option that a Makefile takes a module by: `CONFIG_X` of `obj-$(CONFIG_X)`.
pub fn option(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once("obj-$(CONFIG_")?;
    let (name, _) = rest.split_once(')')?;
    name.chars()
        .all(|letter| letter.is_ascii_alphanumeric() || letter == '_')
        .then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_makefile_that_has_its_own_folder_alone_asks_nothing() {
        for text in [
            "obj-m := a.o\nccflags-y += -I$(src)/../include -I$(PWD)/inc -I/abs/inc\n",
            "obj-m := a.o\nall:\n\tmake -C /lib/modules/$(shell uname -r)/build M=$(PWD) \\\n modules\n",
            "ifneq ($(KERNELRELEASE),)\nobj-m := a.o\nelse\nKDIR := /home/me/linux\nV := $(shell date)\nendif\n",
            "ifeq ($(KERNELRELEASE),)\nKDIR ?= /opt/linux\nall:\n\t$(MAKE) -C $(KDIR)\nelse\nobj-m := a.o\nendif",
            "install:\n\tcp a.ko /opt/modules && test a != b\n# $(shell cat /etc/x)\n",
            "ccflags-y := -include /abs/x.h\n$(obj)/a.h: $(src)/a.py\n\tpython3 $< > $@\n",
        ] {
            assert!(!asks(text), "{text}");
        }
    }

    #[test]
    fn a_makefile_that_reads_elsewhere_asks() {
        for text in [
            "ccflags-y += -DV=$(shell cat /etc/version)\n",
            "V != cat version\n",
            "V := $(file < version)\n",
            "-include /abs/flags.mk\n",
            "include $(HOME)/flags.mk\n",
            "DIR := /abs/dir\nccflags-y += -I$(DIR)\n",
            "$(obj)/a.h: /abs/a.txt\n\tcp $< $@\n",
            "$(obj)/a.h:\n\tcp /abs/a.txt $@\n",
            "ifneq ($(KERNELRELEASE),)\nV := ${shell date}\nelse\nendif\n",
        ] {
            assert!(asks(text), "{text}");
        }
    }

    #[test]
    fn the_option_of_a_module_is_found() {
        assert_eq!(option("obj-$(CONFIG_ACME) += a.o"), Some("ACME"));
        assert_eq!(option("obj-m += a.o"), None);
    }
}
