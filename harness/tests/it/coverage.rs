//! `kassay run --coverage` seen from outside. The distribution's kernel cannot count, so that what is
//! counted is tested on a kernel that can, where one is in the cache.

use crate::checkout::Checkout;

tests! {
    plain:
        a_limit_wants_something_to_be_counted;
    qemu:
        a_kernel_that_cannot_count_says_which_can;
}

fn a_kernel_that_cannot_count_says_which_can() {
    let ended = Checkout::new().kassay(&["run", "--coverage", "--kernel", "distro", "kfunc_sum"]);
    ended
        .with(2)
        .says("built without CONFIG_GCOV_KERNEL, which a kernel such as `6.12+gcov` has");
}

fn a_limit_wants_something_to_be_counted() {
    let ended = Checkout::new().kassay(&["run", "--fail-under", "90"]);
    ended.with(2).says("--coverage");
}
