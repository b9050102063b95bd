//! The kernels that `KASSAY_KERNELS` chooses, for tests that are made for each.

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use anyhow::Result;
use kassay::case::Setting;
use kassay::cli::chosen::{self as choice, Obtained};
use kassay::cli::session::Session;
use kassay::interrupt;
use kassay::kernel::Catalog;
use kassay::vm::accelerator::Wish;
use kassay::vm::slot;
use libtest_mimic::{Arguments, Trial};

use crate::needs;

/// What the tests of one kernel share: the kernel is obtained by the first.
pub struct Chosen {
    pub setting: Setting,
    pub name: String,
    catalog: Catalog,
    kernel: OnceLock<Obtained>,
}

impl Chosen {
    /// The kernel, or why it could not be had.
    pub fn kernel(&self) -> &Obtained {
        self.kernel.get_or_init(|| {
            choice::obtain(&self.setting.cache, &self.catalog, &self.name)
                .unwrap_or_else(|error| Err(format!("{error:#}")))
        })
    }
}

/// Runs the tests that are made for each chosen kernel, side by side.
pub fn main(trials: impl Fn(&Arc<Chosen>) -> Result<Vec<Trial>>) -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments
        .test_threads
        .get_or_insert_with(slot::default_jobs);
    let run = || {
        interrupt::install()?;
        let session = Session::open()?;
        let mut all = Vec::new();
        for kernel in chosen(&session)? {
            all.extend(trials(&Arc::new(kernel))?);
        }
        let conclusion = libtest_mimic::run(&arguments, all);
        needs::tell();
        anyhow::Ok(conclusion.exit_code())
    };
    run().unwrap_or_else(|error| {
        eprintln!("kassay: {error:#}");
        ExitCode::FAILURE
    })
}

fn chosen(session: &Session) -> Result<Vec<Chosen>> {
    let setting = session.store.setting(Wish::Auto)?;
    let names = match choice::kernels(session, &[]) {
        // Tests that are left out have names, too.
        Err(_) if needs::lack().is_some() => vec!["default".to_owned()],
        names => names?,
    };
    let on = |name| {
        Ok(Chosen {
            setting: setting.clone(),
            catalog: Catalog::load(&session.store.cache)?,
            name,
            kernel: OnceLock::new(),
        })
    };
    names.into_iter().map(on).collect()
}
