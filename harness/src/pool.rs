//! Work side by side, results in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread;

use anyhow::Result;

/// Works through `items`, at most `jobs` at once, and hands each result to
/// `done` in the order of the items, as soon as all before it are there. An item is not
/// asked for before somebody is free to work on it.
///
/// # Errors
/// The first of `work` or of `done`, after which nothing new is begun.
pub fn each<I, R: Send>(
    items: I,
    jobs: usize,
    work: impl Fn(I::Item) -> Result<R> + Sync,
    mut done: impl FnMut(R) -> Result<()>,
) -> Result<()>
where
    I: IntoIterator<IntoIter: Send>,
{
    let items = items.into_iter();
    let most = items.size_hint().1.unwrap_or(usize::MAX).max(1);
    let items = Mutex::new(items.enumerate());
    let is_over = AtomicBool::new(false);
    let stop = || is_over.store(true, Ordering::Relaxed);
    let next = || match is_over.load(Ordering::Relaxed) {
        true => None,
        false => items.lock().unwrap_or_else(PoisonError::into_inner).next(),
    };
    let (sender, results) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, most) {
            let (sender, next, work, stop) = (sender.clone(), &next, &work, &stop);
            scope.spawn(move || {
                while let Some((place, item)) = next() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

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

    #[test]
    fn what_never_ends_ends_by_an_error() {
        let done = |item: u32| match item {
            9 => anyhow::bail!("enough"),
            _ => Ok(()),
        };
        let error = each(0.., 2, Ok, done).unwrap_err();
        assert_eq!(error.to_string(), "enough");
    }
}
