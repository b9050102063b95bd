//! What a run has reached, and when: for `kassay bench phases`, which asks for it. Nobody else pays
//! for more than a look at whether it was asked for.

use std::borrow::Cow;
use std::sync::Mutex;
use std::time::Instant;

/// Something that was reached, and when.
pub type Milestone = (Cow<'static, str>, Instant);

static REACHED: Mutex<Option<Vec<Milestone>>> = Mutex::new(None);

/// Notes that something was reached, if that is asked for.
pub fn reached(what: &'static str) {
    reached_by(|| Some(Cow::Borrowed(what)));
}

/// The same where it takes a while to say what, if anything.
pub fn reached_by(what: impl FnOnce() -> Option<Cow<'static, str>>) {
    let now = Instant::now();
    let Ok(mut reached) = REACHED.lock() else {
        return;
    };
    if let Some(reached) = reached.as_mut() {
        reached.extend(what().map(|what| (what, now)));
    }
}

/// What is reached while something is done, which is the only thing that is done meanwhile.
pub fn during<T>(work: impl FnOnce() -> T) -> (T, Vec<Milestone>) {
    let set = |to| {
        REACHED
            .lock()
            .map_or(None, |mut reached| std::mem::replace(&mut *reached, to))
    };
    set(Some(Vec::new()));
    let done = work();
    (done, set(None).unwrap_or_default())
}
