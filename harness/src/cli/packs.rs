//! `kassay kernel pack`, `unpack`, `push` and `pull`: kernels that travel.

use std::path::PathBuf;

use clap::Args;
use indicatif::BinaryBytes;
use oci_spec::distribution::Reference;

use super::chosen::slip;
use super::error::{Error, Result};
use super::print;
use super::session::Session;
use crate::kernel::pack::{self, News, Pack, Place};
use crate::kernel::registry;

/// The arguments of `kassay kernel pack`.
#[derive(Debug, Args)]
pub struct PackArgs {
    /// The kernel's name in the catalog, such as `6.12+kasan`; it is built unless it is cached
    name: String,
    /// Where the file goes [default: NAME.tar.zst, with `_` for each `/`]
    file: Option<PathBuf>,
    /// With its saved states, for machines with the same QEMU, CPU and version of kassay
    #[arg(long)]
    states: bool,
}

/// The arguments of `kassay kernel unpack`.
#[derive(Debug, Args)]
pub struct UnpackArgs {
    /// The file that `kassay kernel pack` has written
    file: PathBuf,
}

/// The arguments of `kassay kernel push`.
#[derive(Debug, Args)]
pub struct PushArgs {
    /// The kernel's name in the catalog, such as `6.12+kasan`; it is built unless it is cached
    name: String,
    /// Where it goes, as `HOST/NAME:TAG`; who may write there is whom docker or podman is logged in as
    reference: String,
    /// With its saved states, for machines with the same QEMU, CPU and version of kassay
    #[arg(long)]
    states: bool,
}

/// The arguments of `kassay kernel pull`.
#[derive(Debug, Args)]
pub struct PullArgs {
    /// What `kassay kernel push` has printed, `HOST/NAME:TAG@sha256:DIGITS`; without the digest it
    /// is what the tag stands for now
    reference: String,
}

/// Packs a kernel; prints where it is.
///
/// # Errors
/// A slip where the file cannot be written, or there is no such kernel; those of [`pack::pack`].
pub fn pack(session: &Session, args: &PackArgs) -> Result<()> {
    let (cache, catalog) = (&session.store.cache, &session.catalog);
    let name = &args.name;
    pack::check(catalog, name).map_err(Error::slip)?;
    let usual = || PathBuf::from(format!("{}.tar.zst", name.replace('/', "_")));
    let file = args.file.clone().unwrap_or_else(usual);
    let place = Place::of(&file).map_err(|error| Error::Slip(format!("{error:#}")))?;
    let packed = pack::pack(cache, catalog, name, args.states, place);
    let packed = packed.map_err(|error| slip(catalog, name, error))?;
    let (release, file, size) = (packed.release, file.display(), BinaryBytes(packed.bytes));
    let digest = packed.sha256;
    Ok(print(&format!(
        "{name}: {release} is packed in `{file}`, {size}, sha256:{digest}"
    ))?)
}

/// Unpacks a kernel; prints what it is.
///
/// # Errors
/// A slip where the file is not there, or no pack; those of [`Pack::unpack`].
pub fn unpack(session: &Session, args: &UnpackArgs) -> Result<()> {
    let pack = Pack::open(&args.file).map_err(Error::slip)?;
    let (name, release) = (pack.header.name.clone(), pack.header.release.clone());
    let news = pack.unpack(&session.store.cache, &session.catalog)?;
    Ok(print(&format!("{name}: {release} is {}", there(news)))?)
}

fn there(news: News) -> String {
    let states = match news.states {
        0 => String::new(),
        1 => ", 1 saved state is new".to_owned(),
        states => format!(", {states} saved states are new"),
    };
    match news.is_new {
        true => format!("unpacked{states}"),
        false => format!("there already{states}"),
    }
}

/// Pushes a kernel; prints by what name it can be pulled.
///
/// # Errors
/// A slip where there is no such kernel, or the reference is none; those of [`pack::push`].
pub fn push(session: &Session, args: &PushArgs) -> Result<()> {
    let (name, to) = (&args.name, reference(&args.reference)?);
    pack::check(&session.catalog, name).map_err(Error::slip)?;
    if to.digest().is_some() {
        return Err(Error::Slip(format!(
            "push `{name}` to `{to}`: its digest is not known before it is packed; name a tag alone"
        )));
    }
    let digest = pack::push(
        &session.store.cache,
        &session.catalog,
        name,
        args.states,
        &to,
    )?;
    Ok(print(&format!("{name}: {to}@{digest}"))?)
}

/// Pulls a kernel; prints what it is.
///
/// # Errors
/// A slip where the reference is none; those of [`pack::pull`].
pub fn pull(session: &Session, args: &PullArgs) -> Result<()> {
    let from = reference(&args.reference)?;
    let (header, digest, news) = pack::pull(&session.store.cache, &session.catalog, &from)?;
    let (name, release) = (header.name, header.release);
    let is = there(news);
    Ok(print(&format!("{name}: {release} is {is}, {digest}"))?)
}

fn reference(text: &str) -> Result<Reference> {
    registry::reference(text).map_err(Error::slip)
}
