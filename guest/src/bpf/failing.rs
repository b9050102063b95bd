//! The allocations that the plan's modules cause, of which one may be made to fail: see
//! `failing.bpf.c`, which the share has.

use std::ffi::CStr;

use anyhow::{Context, Result, bail};
use kassay_guest::{Allocation, Code, During, FAILING, Fact, SHARE};
use libbpf_rs::{Link, Map, MapCore, MapFlags, Object, ObjectBuilder};

use super::load::heard;

/// How many bytes `struct allocation` has before the stack, and a frame of the stack.
const HEAD: usize = 20;
const FRAME: usize = 72;

/// The map of where modules' code is, and how many places it has: two for each of `MODULES`.
const CODE: &str = ".data.code";
const PLACES: usize = 16;

/// The places of `controls`.
const NTH: u32 = 0;
const DURING: u32 = 1;
const COUNT: u32 = 2;

/// Sees the allocations, and fails one.
pub struct Failing {
    object: Object,
    _links: Vec<Link>,
    /// What has gone on, and goes on now.
    during: Vec<During>,
}

impl Failing {
    /// Begins to count, from 1, and fails the one with that number.
    pub fn begin(nth: u32) -> Result<Failing> {
        let load = || {
            let mut builder = ObjectBuilder::default();
            let object = builder.open_file(format!("{SHARE}/{FAILING}"))?.load()?;
            let links = object.progs_mut().map(|program| program.attach());
            let links = links.collect::<libbpf_rs::Result<_>>()?;
            Ok::<_, libbpf_rs::Error>((object, links))
        };
        let (loaded, said) = heard(load);
        let (object, links) =
            loaded.with_context(|| format!("load `{FAILING}`, which fails allocations: {said}"))?;
        let failing = Failing {
            _links: links,
            object,
            during: Vec::new(),
        };
        failing.set(NTH, nth)?;
        Ok(failing)
    }

    /// What goes on from now on.
    pub fn goes_on(&mut self, during: During) -> Result<()> {
        self.set(DURING, self.during.len() as u32)?;
        self.during.push(during);
        Ok(())
    }

    fn set(&self, place: u32, value: u32) -> Result<()> {
        let (place, value) = (place.to_ne_bytes(), value.to_ne_bytes());
        self.map("controls")?
            .update(&place, &value, MapFlags::ANY)
            .context("say which allocation fails, and what goes on")
    }

    /// Where the code of the last module was that came as far as its init, by its first sections: of
    /// one that is refused then, the kernel has no list any more.
    pub fn code(&self, since: u64) -> Result<Code> {
        let (used, numbers) = self.places()?;
        // Each range is two numbers, and each module two ranges.
        let starts = used.checked_sub(2).map(|last| [2 * last, 2 + 2 * last]);
        let starts = starts.into_iter().flatten().zip([".text", ".init.text"]);
        let section = |(at, name): (usize, &str)| Some((name.to_owned(), *numbers.get(at)?));
        let sections = starts.filter_map(section).collect();
        Ok(Code { since, sections })
    }

    /// How many places of code there were, and those that are known, two numbers each.
    fn places(&self) -> Result<(usize, Vec<u64>)> {
        let value = self
            .map(CODE)?
            .lookup(&0_u32.to_ne_bytes(), MapFlags::ANY)?;
        let value = value.unwrap_or_default();
        let (numbers, _) = value.as_chunks::<8>();
        let mut numbers = numbers.iter().copied().map(u64::from_ne_bytes);
        let used = numbers.next().unwrap_or(0) as usize;
        Ok((used, numbers.collect()))
    }

    /// What was counted, nothing of which goes on any more.
    pub fn told(&self) -> Result<Fact> {
        if self.places()?.0 > PLACES {
            let most = PLACES / 2;
            bail!(
                "count allocations: more than {most} modules were inserted, and it knows no more"
            );
        }
        let count = self.count()?;
        let map = self.map("allocations")?;
        let allocation = |place: u32| {
            let value = map.lookup(&place.to_ne_bytes(), MapFlags::ANY)?;
            Ok(value.and_then(|value| self.allocation(&value)))
        };
        let there = (0..count.min(map.max_entries())).map(allocation);
        let there = there.collect::<Result<Vec<_>>>()?;
        Ok(Fact::Allocations {
            told: there.into_iter().flatten().collect(),
            count,
        })
    }

    fn allocation(&self, value: &[u8]) -> Option<Allocation> {
        let number = |at: usize| Some(u32::from_ne_bytes(value.get(at..at + 4)?.try_into().ok()?));
        let size = u64::from_ne_bytes(value.get(..8)?.try_into().ok()?);
        let depth = number(16)? as usize;
        let frames = value.get(HEAD..)?.chunks_exact(FRAME).take(depth);
        let text = |frame| CStr::from_bytes_until_nul(frame).unwrap_or_default();
        let frames = frames.map(|frame| text(frame).to_string_lossy().into_owned());
        // Down to the function in whose place it is, the frames are those of the program itself.
        let stack = frames.skip_while(|frame| !frame.starts_with("should_fail"));
        Some(Allocation {
            during: self.during.get(number(8)? as usize)?.clone(),
            size,
            is_pages: number(12)? != 0,
            stack: stack.skip(1).collect(),
        })
    }

    fn count(&self) -> Result<u32> {
        let value = self
            .map("controls")?
            .lookup(&COUNT.to_ne_bytes(), MapFlags::ANY)?;
        let count = value.and_then(|value| value.try_into().ok());
        let count = count.context("count allocations: the map has another shape")?;
        Ok(u32::from_ne_bytes(count))
    }

    fn map(&self, name: &str) -> Result<Map<'_>> {
        let mut maps = self.object.maps();
        maps.find(|map| map.name() == name)
            .with_context(|| format!("find the map `{name}` of `{FAILING}`"))
    }
}
