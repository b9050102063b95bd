//! `kassay kernel`: downloads, builds and removes kernels, and takes them elsewhere.

use anyhow::anyhow;
use clap::{Args, Subcommand};

use super::cache::line;
use super::chosen::slip;
use super::error::{Error, Result};
use super::options::{self, OptionsArgs};
use super::packs::{self, PackArgs, PullArgs, PushArgs, UnpackArgs};
use super::print;
use super::session::Session;
use crate::inventory::{self, Entry};
use crate::kernel;
use crate::state;

/// The arguments of `kassay kernel`.
#[derive(Debug, Args)]
pub struct KernelArgs {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Download and unpack kernels, packages in the version that apt offers now
    Fetch(Specs),
    /// Build kernels that are not cached
    Build(Specs),
    /// Remove kernels from the cache
    Remove(Specs),
    /// Have the names of Debian's suites stand for what the mirror has now, in kassay.lock too
    Update(Names),
    /// Show which options kernels are built with that users of BPF trip over
    Options(OptionsArgs),
    /// Write a kernel into a file, with all that modules for it are built with
    Pack(PackArgs),
    /// Put the kernel of such a file into the cache, unless it is there
    Unpack(UnpackArgs),
    /// Put a kernel into a registry of container images, packed
    Push(PushArgs),
    /// Put the kernel that a registry has into the cache, unless it is there
    Pull(PullArgs),
}

#[derive(Debug, Args)]
struct Names {
    /// Names of the catalog [default: all that kassay.lock has]
    #[arg(value_name = "NAME")]
    names: Vec<String>,
}

#[derive(Debug, Args)]
struct Specs {
    /// Names of the catalog, or paths of kernel trees
    #[arg(value_name = "SPEC", required = true)]
    specs: Vec<String>,
}

/// Runs `kassay kernel`; results go to stdout, a line each.
///
/// # Errors
/// Those of the first kernel that fails.
pub fn run(args: &KernelArgs) -> Result<()> {
    let session = Session::as_it_is()?;
    let (Specs { specs }, work): (_, fn(&Session, &str) -> _) = match &args.action {
        Action::Fetch(specs) => (specs, fetch),
        Action::Build(specs) => (specs, build),
        Action::Remove(specs) => (specs, remove),
        Action::Options(args) => return options::run(&session, args),
        Action::Pack(args) => return packs::pack(&session, args),
        Action::Unpack(args) => return packs::unpack(&session, args),
        Action::Push(args) => return packs::push(&session, args),
        Action::Pull(args) => return packs::pull(&session, args),
        Action::Update(Names { names }) => return update_all(&session, names),
    };
    each(&session, specs, work)
}

/// Does something for each kernel, up to the first that fails.
fn each(
    session: &Session,
    specs: &[String],
    work: fn(&Session, &str) -> anyhow::Result<()>,
) -> Result<()> {
    let slip = |spec: &str, error| slip(&session.catalog, spec, error);
    specs
        .iter()
        .try_for_each(|spec| work(session, spec).map_err(|error| slip(spec, error)))
}

fn update_all(session: &Session, names: &[String]) -> Result<()> {
    let locked = session.catalog.lock.names()?;
    let names = match names {
        [] => &locked,
        names => names,
    };
    if names.is_empty() {
        return Err(Error::slip(anyhow!(
            "update kernels: there is no kassay.lock here that names any; name one"
        )));
    }
    each(session, names, update)
}

fn update(session: &Session, name: &str) -> anyhow::Result<()> {
    let said = kernel::update(&session.store.cache, &session.catalog, name)?;
    print(&format!("{name}: {said}"))
}

fn fetch(session: &Session, spec: &str) -> anyhow::Result<()> {
    kernel::fetch(&session.store.cache, &session.catalog, spec)?;
    print(&format!("{spec}: fetched"))
}

fn build(session: &Session, spec: &str) -> anyhow::Result<()> {
    let kernel = kernel::obtain(&session.store.cache, &session.catalog, spec)?;
    let (release, image) = (kernel.release, kernel.image.display());
    print(&format!("{spec}: {release} is ready, {image}"))
}

/// Removes a kernel, its source unless another needs it, and its saved states; says what went.
fn remove(session: &Session, spec: &str) -> anyhow::Result<()> {
    let cache = &session.store.cache;
    let before = inventory::entries(cache);
    kernel::remove(cache, &session.catalog, spec)?;
    for key in cache.keys(state::KIND) {
        if state::owner(cache, &key).is_some_and(|(kernel, ..)| kernel == spec) {
            cache.remove(state::KIND, &key)?;
        }
    }
    let went = |entry: &&Entry| cache.get(entry.kind, &entry.key).is_none();
    let gone: Vec<&Entry> = before.iter().filter(went).collect();
    let said = if gone.is_empty() {
        "was not cached"
    } else {
        "removed"
    };
    print(&format!("{spec}: {said}"))?;
    gone.into_iter()
        .try_for_each(|entry| print(&format!("  {}", line(entry))))
}
