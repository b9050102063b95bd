//! What the lines of the watch leave open.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use kassay_guest::{Code, Stayed, Thing};

/// What delayed work has in its timer, until it is queued.
const DELAYED: &str = "delayed_work_timer_fn";

/// More than the size of a delayed work, of which its timer is a part.
const DELAYED_WORK: u64 = 512;

/// What is to be called, by the address of its structure, and its function: `NAME [MODULE]`, or an
/// address.
type Calls = BTreeMap<u64, (Thing, String)>;

/// What was begun and has not ended.
#[derive(Default)]
pub struct Open {
    /// The kernel's own code, in which no module is.
    kernel: Range<u64>,
    /// Timers, work that waits or runs, and notifiers.
    calls: Calls,
    /// The functions of delayed works.
    delayed: BTreeMap<u64, String>,
    /// Workqueues: who made them, and their names; and the name of the next one.
    queues: BTreeMap<u64, (String, String)>,
    name: String,
    /// Where sections of modules begin.
    places: BTreeMap<u64, String>,
    /// Modules that have gone, and what was open then or was begun later.
    freed: BTreeSet<String>,
    stayed: BTreeSet<Stayed>,
    /// Whether a module has gone whose name was not told.
    pub is_blind: bool,
    /// How often programs printed.
    pub printed: u64,
    /// The errno(3) with which kfuncs were not registered, if that was the last that came of it: a
    /// module may try a type first that not all kernels have.
    pub unregistered: Option<i32>,
}

impl Open {
    /// Nothing yet, in a kernel whose own code is there.
    pub fn of(kernel: Range<u64>) -> Open {
        Open {
            kernel,
            ..Open::default()
        }
    }

    /// Where the kernel's own code is.
    pub fn kernel(&self) -> &Range<u64> {
        &self.kernel
    }

    /// Notes where a module is.
    pub fn place(&mut self, module: &str, code: &Code) {
        let sections = code.sections.iter();
        // What is of the start alone has gone after it, and another module may be there.
        let sections = sections.filter(|(name, _)| !name.starts_with(".init"));
        let places = sections.map(|(_, start)| (*start, module.to_owned()));
        self.places.extend(places);
    }

    /// Whether it was told that a module has gone.
    pub fn has_gone(&self, module: &str) -> bool {
        self.freed.contains(module)
    }

    /// Goes on by a line: `NAME-PID [CPU] FLAGS TIME: EVENT: WHAT`.
    pub fn read(&mut self, line: &str) {
        let event = line
            .split_once("] ")
            .and_then(|(_, rest)| rest.split_once(": "))
            .and_then(|(_, rest)| rest.split_once(": "));
        if let Some((event, what)) = event {
            self.take(event, what);
        }
    }

    fn take(&mut self, event: &str, what: &str) {
        match event {
            "timer_start" => self.arm(number(what, "timer="), function(what)),
            "hrtimer_start" => self.arm(number(what, "hrtimer="), function(what)),
            "timer_cancel" | "timer_expire_entry" => self.end(number(what, "timer=")),
            "hrtimer_cancel" | "hrtimer_expire_entry" => self.end(number(what, "hrtimer=")),
            "work_delay" => drop(self.delayed.insert(number(what, "work="), function(what))),
            "work_cancel" => self.end(number(what, "work=")),
            "workqueue_queue_work" => self.work(number(what, "struct="), function(what)),
            "workqueue_execute_start" => self.work(number(what, "struct "), function(what)),
            "workqueue_execute_end" => self.end(number(what, "struct ")),
            "notifier_add" => {
                self.begin(number(what, "block="), (Thing::Notifier, function(what)));
            }
            "notifier_del" => self.end(number(what, "block=")),
            "queue_name" => self.name = queue_name(what),
            "queue_add" => {
                let queue = (caller(what), self.name.clone());
                self.queues.insert(number(what, "queue="), queue);
            }
            "queue_del" => drop(self.queues.remove(&number(what, "queue="))),
            "kfuncs" => {
                let error = word(what, "error=").strip_prefix('-');
                self.unregistered = error.and_then(|error| error.parse().ok());
            }
            "module_gone" => self.free(quoted(what, "name=\"").unwrap_or_default()),
            "module_free" => self.free(what.trim()),
            "bpf_trace_printk" => self.printed += 1,
            _ => {}
        }
    }

    /// A timer is armed, which may be that of a delayed work.
    fn arm(&mut self, timer: u64, function: String) {
        if function != DELAYED {
            return self.begin(timer, (Thing::Timer, function));
        }
        let work = self.delayed.range(..=timer).next_back();
        if let Some((_, function)) = work.filter(|(start, _)| timer - **start < DELAYED_WORK) {
            self.begin(timer, (Thing::DelayedWork, function.clone()));
        }
    }

    /// Work waits or runs. Whether the time of delayed work has come is chance, so it stays that.
    fn work(&mut self, work: u64, function: String) {
        let what = match self.delayed.contains_key(&work) {
            true => Thing::DelayedWork,
            false => Thing::Work,
        };
        self.begin(work, (what, function));
    }

    fn begin(&mut self, place: u64, call: (Thing, String)) {
        match self.owner(&call.1) {
            Some(owner) if self.freed.contains(owner) => drop(self.stayed.insert(thing(call))),
            _ => drop(self.calls.insert(place, call)),
        }
    }

    fn end(&mut self, place: u64) {
        self.calls.remove(&place);
    }

    fn free(&mut self, module: &str) {
        self.is_blind |= module.is_empty();
        // One that is refused goes before anybody could see where it was.
        let is_refused = !self.places.values().any(|placed| placed == module);
        let calls = std::mem::take(&mut self.calls).into_iter();
        let (gone, kept): (Calls, Calls) =
            calls.partition(|(_, (_, function))| match self.owner(function) {
                None => is_refused && self.is_elsewhere(function),
                owner => owner == Some(module),
            });
        self.calls = kept;
        let of_refused = |mut it: Stayed| {
            if address(&it.name).is_some() {
                it.name.push_str(&format!(" [{module}]"));
            }
            it
        };
        let gone = gone.into_values().map(thing);
        self.stayed
            .extend(gone.map(|it| if is_refused { of_refused(it) } else { it }));
        self.freed.insert(module.to_owned());
    }

    /// The module that a place of code is in: the one that begins a section in front of it.
    fn owner<'a>(&'a self, place: &'a str) -> Option<&'a str> {
        if let Some((_, module)) = place.split_once(" [") {
            return module.strip_suffix(']');
        }
        let address = address(place).filter(|address| !self.kernel.contains(address))?;
        let (_, module) = self.places.range(..=address).next_back()?;
        Some(module)
    }

    /// Whether a place of code is in no module that is there, nor in the kernel.
    fn is_elsewhere(&self, place: &str) -> bool {
        address(place).is_some_and(|address| !self.kernel.contains(&address))
    }

    /// What has stayed of the modules that have gone.
    pub fn stayed(&self) -> Vec<Stayed> {
        // A module's start has no name any more when it is told.
        let is_of_module = |(caller, _): &&(String, String)| {
            address(caller).is_some()
                || self.owner(caller).is_some_and(|it| self.freed.contains(it))
        };
        let queues = self.queues.values().filter(is_of_module);
        let queues = queues.map(|(_, name)| Stayed {
            what: Thing::Workqueue,
            name: name.clone(),
        });
        self.stayed.iter().cloned().chain(queues).collect()
    }
}

/// What is to be called, by its function, whose name need not say which module it is of.
fn thing((what, function): (Thing, String)) -> Stayed {
    let name = match function.split_once(" [") {
        Some((name, _)) => name.to_owned(),
        None => function,
    };
    Stayed { what, name }
}

/// What is behind a key, up to the next space.
fn word<'a>(what: &'a str, key: &str) -> &'a str {
    let (_, rest) = what.split_once(key).unwrap_or_default();
    rest.split([' ', ':', ')']).next().unwrap_or_default()
}

fn number(what: &str, key: &str) -> u64 {
    let digits = word(what, key).trim_start_matches("0x");
    u64::from_str_radix(digits, 16).unwrap_or(0)
}

fn address(place: &str) -> Option<u64> {
    u64::from_str_radix(place.strip_prefix("0x")?, 16).ok()
}

/// `function=NAME …`, `function NAME [MODULE]` or `function=ADDRESS`.
fn function(what: &str) -> String {
    let at = what.find("function").unwrap_or(what.len());
    let rest = what[at..].get("function=".len()..).unwrap_or_default();
    let mut words = rest.split(' ');
    let name = words.next().unwrap_or_default();
    match words.next().filter(|word| word.starts_with('[')) {
        Some(module) => format!("{name} {module}"),
        None => name.to_owned(),
    }
}

/// The string after a key, which ends in the quotation mark that opens the string.
fn quoted<'a>(what: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = what.split_once(key)?;
    rest.split('"').next()
}

/// The name of a workqueue, `(PLACE) format="FORMAT" name="NAME"`: where the format is no name,
/// what it begins with.
fn queue_name(what: &str) -> String {
    let format = quoted(what, "format=\"").unwrap_or_default();
    match format {
        "%s" => quoted(what, "name=\"").unwrap_or(format).to_owned(),
        _ => format.split('%').next().unwrap_or_default().to_owned(),
    }
}

/// Who called the function of a return probe: `(CALLER+OFFSET/SIZE [MODULE] <- FUNCTION) …`.
fn caller(what: &str) -> String {
    let (caller, _) = what.split_once(" <- ").unwrap_or_default();
    caller.trim_start_matches('(').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is open of the module `m`, whose code begins at 0xffffffffc0001000.
    fn seen(lines: &[&str]) -> Vec<Stayed> {
        let mut open = Open::default();
        let code = Code {
            since: 0,
            sections: vec![(".text".to_owned(), 0xffff_ffff_c000_1000)],
        };
        open.place("m", &code);
        for line in lines {
            open.read(&format!(
                "  kassay-plan-7  [000] d..1.     3.141592: {line}"
            ));
        }
        open.stayed()
    }

    fn stayed(what: Thing, name: &str) -> Stayed {
        Stayed {
            what,
            name: name.to_owned(),
        }
    }

    const FREE: &str = "module_free: m";

    #[test]
    fn a_timer_that_is_armed_when_its_module_goes_stays() {
        let armed = "timer_start: timer=ffffffffc0002000 function=0xffffffffc0001010 expires=9";
        let named = "hrtimer_start: hrtimer=ffffffffc0002000 function=f [m] expires=9";
        let own = "timer_start: timer=ffffffff82002000 function=process_timeout expires=9";
        let gone = stayed(Thing::Timer, "0xffffffffc0001010");
        assert_eq!(seen(&[armed, own, FREE]), [gone]);
        assert_eq!(seen(&[named, FREE]), [stayed(Thing::Timer, "f")]);
        assert_eq!(seen(&[armed]), []);
        let cancelled = "timer_cancel: timer=ffffffffc0002000";
        assert_eq!(seen(&[armed, cancelled, FREE]), []);
        assert_eq!(seen(&[armed, cancelled, armed, FREE]).len(), 1);
        assert_eq!(seen(&[armed, FREE, cancelled]).len(), 1);
    }

    #[test]
    fn what_a_module_leaves_that_is_refused_is_in_no_module_that_is_there() {
        let armed = "timer_start: timer=ffffffffc0002000 function=0xffffffffc0000010 expires=9";
        let other = "timer_start: timer=ffffffffc0003000 function=0xffffffffc0001010 expires=9";
        let left = [stayed(Thing::Timer, "0xffffffffc0000010 [refused]")];
        assert_eq!(seen(&[armed, other, "module_free: refused"]), left);
        assert_eq!(seen(&[armed, FREE]), []);
    }

    #[test]
    fn a_module_that_goes_is_named_by_a_probe_or_by_the_event() {
        let armed = "timer_start: timer=ffffffffc0002000 function=0xffffffffc0001010 expires=9";
        let gone = "module_gone: (module.module_free) name=\"m\"";
        let left = [stayed(Thing::Timer, "0xffffffffc0001010")];
        assert_eq!(seen(&[armed, gone]), left);
        assert_eq!(seen(&[armed, FREE]), left);
        let mut open = Open::default();
        open.read("  a-7  [000] d..1.  3.1: module_free: m");
        assert!(!open.is_blind && open.has_gone("m"));
        open.read("  a-7  [000] d..1.  3.1: module_free: ");
        assert!(open.is_blind);
    }

    #[test]
    fn a_module_is_watched_wherever_it_is_and_the_kernels_own_code_is_no_modules() {
        // x86, arm64 with addresses of 39 bits, s390x with KASAN.
        for start in [
            0xffff_ffff_c000_1000,
            0xffff_ffc0_0000_1000,
            0x1b_ff60_0000_1000,
        ] {
            let mut open = Open::of(start + 0x8000..start + 0x9000);
            let sections = vec![(".text".to_owned(), start)];
            open.place("m", &Code { since: 0, sections });
            let armed = |at: u64| {
                format!(
                    "  a-7  [0] d..1.  3.1: timer_start: timer={at:x} function={at:#x} expires=9"
                )
            };
            for at in [start + 0x10, start + 0x8010] {
                open.read(&armed(at));
            }
            open.read("  a-7  [0] d..1.  3.1: module_free: m");
            let name = format!("{:#x}", start + 0x10);
            assert_eq!(open.stayed(), [stayed(Thing::Timer, &name)]);
        }
    }

    #[test]
    fn delayed_work_goes_by_its_function() {
        let delay =
            "work_delay: (queue_delayed_work_on+0x4/0x9) work=0x5000 function=0xffffffffc0001010";
        let armed = "timer_start: timer=0000000000005020 function=delayed_work_timer_fn expires=9";
        let left = stayed(Thing::DelayedWork, "0xffffffffc0001010");
        assert_eq!(seen(&[delay, armed, FREE]), [left]);
        let other = armed.replace("5020", "6020");
        assert_eq!(seen(&[delay, &other, FREE]), []);
        let due = "timer_expire_entry: timer=0000000000005020 function=delayed_work_timer_fn now=9";
        let queue = "workqueue_queue_work: work struct=5000 function=f [m] workqueue=events cpu=0";
        let queued = stayed(Thing::DelayedWork, "f");
        assert_eq!(seen(&[delay, armed, due, queue, FREE]), [queued]);
    }

    #[test]
    fn work_that_waits_or_runs_as_its_module_goes_stays() {
        let queue = "workqueue_queue_work: work struct=5000 function=f [m] workqueue=events cpu=0";
        let start = "workqueue_execute_start: work struct 5000: function f [m]";
        let end = "workqueue_execute_end: work struct 5000: function f [m]";
        let cancel = "work_cancel: (cancel_work_sync+0x4/0x9) work=0x5000";
        let left = [stayed(Thing::Work, "f")];
        assert_eq!(seen(&[queue, start, end, FREE]), []);
        assert_eq!(seen(&[queue, cancel, FREE]), []);
        assert_eq!(seen(&[queue, FREE, start, end]), left);
        assert_eq!(seen(&[queue, start, FREE, end]), left);
        assert_eq!(seen(&[FREE, start, end]), left);
    }

    #[test]
    fn an_error_of_registering_is_kept_until_another_try_succeeds() {
        let mut open = Open::default();
        for (error, kept) in [(0, None), (-22, Some(22)), (0, None)] {
            let at = "(0xffffffffc0001010 <- register_btf_kfunc_id_set)";
            open.read(&format!(
                "  a-7  [000] d..1.  3.1: kfuncs: {at} error={error}"
            ));
            assert_eq!(open.unregistered, kept);
        }
    }

    #[test]
    fn a_notifier_goes_by_its_block() {
        let add = "notifier_add: (raw_notifier_chain_register+0x4/0x9) block=0x1 function=0xffffffffc0001010";
        let del = "notifier_del: (raw_notifier_chain_unregister+0x4/0x9) block=0x1";
        let left = stayed(Thing::Notifier, "0xffffffffc0001010");
        assert_eq!(seen(&[add, FREE]), [left]);
        assert_eq!(seen(&[add, del, FREE]), []);
    }

    #[test]
    fn a_workqueue_of_a_module_goes_by_its_name() {
        let name = "queue_name: (alloc_workqueue+0x4/0x9) format=\"%s\" name=\"q\"";
        let add = "queue_add: (0xffffffffc0001010 <- alloc_workqueue) queue=0x5";
        let own = "queue_add: (start+0x1/0x2 <- alloc_workqueue) queue=0x5";
        assert_eq!(seen(&[name, add]), [stayed(Thing::Workqueue, "q")]);
        assert_eq!(seen(&[name, own]), []);
        let del = "queue_del: (destroy_workqueue+0x4/0x9) queue=0x5";
        assert_eq!(seen(&[name, add, del]), []);
        let numbered = "queue_name: (alloc_workqueue+0x4/0x9) format=\"q-%d\" name=(fault)";
        assert_eq!(queue_name(numbered), "q-");
    }
}
