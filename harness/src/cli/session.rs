//! What a command works with, and what is done with it when the command is over.

use super::error::{Error, Result};
use crate::cache::Cache;
use crate::case::Setting;
use crate::kernel::Catalog;
use crate::project::Project;
use crate::vm::accelerator::{self, Probe, Wish};
use crate::{interrupt, inventory};

/// The cache, which is cleared up when a command that makes something is over.
pub struct Store {
    /// Where everything that is built is kept.
    pub cache: Cache,
    /// Up to how many bytes it is cleared up, if it is.
    limit: Option<u64>,
}

/// How many bytes of the cache may be kept that are soon made again.
///
/// # Errors
/// A slip where the user's limit is no size.
pub fn limit() -> Result<u64> {
    inventory::limit().map_err(Error::slip)
}

impl Store {
    /// For a command that builds or runs something.
    ///
    /// # Errors
    /// As [`limit`]; the cache cannot be written; an interrupt.
    pub fn open() -> Result<Store> {
        let limit = limit()?;
        let mut store = Store::as_it_is()?;
        store.limit = Some(limit);
        Ok(store)
    }

    /// For a command that leaves the cache as it is, but for what it is told to do with it.
    ///
    /// # Errors
    /// The cache cannot be written; an interrupt.
    pub fn as_it_is() -> Result<Store> {
        Ok(Store {
            cache: Cache::open()?,
            limit: None,
        })
    }

    /// How cases are run on what the user wishes.
    ///
    /// # Errors
    /// KVM is wished for and does not work.
    pub fn setting(&self, wish: Wish) -> Result<Setting> {
        let (accelerator, _) = accelerator::choose(wish, Probe::here)?;
        Ok(Setting {
            insists: wish == Wish::Kvm,
            ..Setting::new(self.cache.clone(), accelerator)
        })
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(limit) = self.limit
            && !interrupt::requested()
        {
            inventory::clear_up(&self.cache, limit);
        }
    }
}

/// What a command works with that needs kernels.
pub struct Session {
    /// The cache.
    pub store: Store,
    /// The project that the working directory is in, else one that says nothing.
    pub project: Project,
    /// The kernels that have a name, those of the project too.
    pub catalog: Catalog,
}

impl Session {
    /// For a command that builds or runs something.
    ///
    /// # Errors
    /// Those of [`Store::open`]; a slip where the project's file says nothing that makes sense; a
    /// catalog that cannot be read.
    pub fn open() -> Result<Session> {
        Session::with(Store::open()?)
    }

    /// For a command that leaves the cache as it is.
    ///
    /// # Errors
    /// As [`Session::open`].
    pub fn as_it_is() -> Result<Session> {
        Session::with(Store::as_it_is()?)
    }

    fn with(store: Store) -> Result<Session> {
        let project = Project::or_here().map_err(Error::slip)?;
        let catalog = Catalog::load(&store.cache)?;
        Ok(Session {
            store,
            project,
            catalog,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cache_is_cleared_up_after_a_command_that_makes_something() {
        let directory = tempfile::tempdir().unwrap();
        for (limit, left) in [(None, 1), (Some(0), 0)] {
            let cache = Cache::at(directory.path()).unwrap();
            cache.get_or_make("bpf", "a", "a", |_| Ok(())).unwrap();
            std::fs::write(cache.dir("bpf").join("a/file"), [1; 4096]).unwrap();
            drop(Store { cache, limit });
            let cache = Cache::at(directory.path()).unwrap();
            assert_eq!(cache.keys("bpf").len(), left);
            cache.remove("bpf", "a").unwrap();
        }
    }
}
