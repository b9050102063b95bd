//! Work side by side, results in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use anyhow::Result;

/// Works through `items`, at most `jobs` at once, and hands each result to
/// `done` in the order of the items, as soon as all before it are there.
///
/// # Errors
/// The first of `work` or of `done`, after which nothing new is begun.
pub fn each<T: Sync, R: Send>(
    items: &[T],
    jobs: usize,
    work: impl Fn(&T) -> Result<R> + Sync,
    mut done: impl FnMut(R) -> Result<()>,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let stop = || next.store(items.len(), Ordering::Relaxed);
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, items.len().max(1)) {
            let (sender, next, work, stop) = (sender.clone(), &next, &work, &stop);
            scope.spawn(move || {
                while let Some((place, item)) = take(next, items) {
                    let result = work(item).inspect_err(|_| stop());
                    if sender.send((place, result)).is_err() {
                        break;
                    }
                }
            });
        }
        drop(sender);
        let mut early = BTreeMap::new();
        let mut due = 0;
        for (place, result) in results {
            early.insert(place, result?);
            while let Some(result) = early.remove(&due) {
                done(result).inspect_err(|_| stop())?;
                due += 1;
            }
        }
        Ok(())
    })
}

fn take<'a, T>(next: &AtomicUsize, items: &'a [T]) -> Option<(usize, &'a T)> {
    let place = next.fetch_add(1, Ordering::Relaxed);
    Some((place, items.get(place)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order() {
        let (through, waits) = mpsc::channel();
        let waits = std::sync::Mutex::new(waits);
        // Item 0 waits for item 1 to be through.
        let work = |item: &usize| {
            match item {
                0 => waits.lock().unwrap().recv()?,
                _ => through.send(())?,
            }
            Ok(*item)
        };
        let mut seen = Vec::new();
        let done = |item| {
            seen.push(item);
            Ok(())
        };
        each(&[0, 1], 2, work, done).unwrap();
        assert_eq!(seen, [0, 1]);
    }

    #[test]
    fn an_error_begins_nothing_new() {
        let begun = AtomicUsize::new(0);
        let work = |_: &usize| {
            begun.fetch_add(1, Ordering::Relaxed);
            anyhow::bail!("no")
        };
        let done = |_: ()| Ok(());
        assert!(each(&[0; 100], 1, work, done).is_err());
        assert_eq!(begun.load(Ordering::Relaxed), 1);
    }
}
