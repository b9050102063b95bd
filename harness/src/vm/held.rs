//! What the machines that run now hold of the host's memory.

use std::fs;

use crate::cache::Cache;

/// The memory that all machines of a cache have of their own, in KiB (`RssAnon` of
/// proc_pid_status(5)): what they share with a saved state and with each other is not in it.
pub fn own_kib(cache: &Cache) -> u64 {
    let runs = fs::read_dir(cache.dir("runs")).into_iter().flatten();
    let of = |run: fs::DirEntry| {
        let pid = fs::read_to_string(run.path().join("pid")).ok()?;
        let status = fs::read_to_string(format!("/proc/{}/status", pid.trim())).ok()?;
        kib(&status, "RssAnon")
    };
    runs.flatten().filter_map(of).sum()
}

/// A number of KiB in the text of a process's `status`.
pub(super) fn kib(status: &str, name: &str) -> Option<u64> {
    let mut lines = status.lines().filter_map(|line| line.split_once(':'));
    let (_, value) = lines.find(|(known, _)| *known == name)?;
    value.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_a_status_is_found_by_its_name() {
        let status = "Name:\tqemu\nVmHWM:\t   90000 kB\nRssAnon:\t   55376 kB\n";
        assert_eq!(kib(status, "RssAnon"), Some(55376));
        assert_eq!(kib(status, "Rss"), None);
    }
}
