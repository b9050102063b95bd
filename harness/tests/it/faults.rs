//! `kassay faults` seen from outside, as far as the distribution's kernel goes; `planted` has what
//! it finds.

use crate::checkout::Checkout;

tests! {
    plain:
        what_faults_cannot_do_is_wrong_usage;
    qemu:
        a_kernel_that_is_not_built_for_it_says_which_is;
}

fn what_faults_cannot_do_is_wrong_usage() {
    let checkout = Checkout::new();
    let ended = checkout.kassay(&["faults", "--kernel", "distro", "nothing_like_it"]);
    ended.with(2).says("no case matches `nothing_like_it`");
    checkout.write("zero.toml", "about = 'x'\nfail_allocation = 0\n");
    let ended = checkout.kassay(&["run", "--scenario", "zero.toml"]);
    ended
        .with(2)
        .says("`fail_allocation` is the number of an allocation, at least 1");
}

fn a_kernel_that_is_not_built_for_it_says_which_is() {
    let checkout = Checkout::new();
    let ended = checkout.kassay(&["faults", "--kernel", "distro", "kfunc_sum"]);
    ended
        .with(125)
        .says("skipped distro::kfunc_sum: needs CONFIG_FUNCTION_ERROR_INJECTION");
    ended.says("a kernel such as `6.12+fault` has");
    checkout.edit(
        "harness/tests/scenarios/kfunc_sum.toml",
        "modules",
        "fail_allocation = 1\nmodules",
    );
    let ended = checkout.kassay(&["run", "--kernel", "distro", "::kfunc_sum"]);
    ended
        .with(125)
        .says("skipped   distro::kfunc_sum: needs CONFIG_FUNCTION_ERROR_INJECTION");
}
