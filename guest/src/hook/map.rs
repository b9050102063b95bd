//! Maps that hold programs: of sockets, of CPUs and of devices.

use std::os::fd::{AsFd, AsRawFd};

use anyhow::{Context, Result, bail};
use kassay_guest::Attach;
use libbpf_rs::{Link, Map, MapCore, MapFlags, MapHandle, MapType, Object, ProgramMut, libbpf_sys};

use rustix::net::{AddressFamily, SocketType, socket};

use crate::net::{Lazy, SENDER};

/// The packets that wait for a CPU of a CPUMAP at most.
const QUEUE: u32 = 192;

/// `ETHTOOL_STXCSUM` and `ETHTOOL_SGRO`, commands of a `struct ethtool_value`
/// (include/uapi/linux/ethtool.h).
const SET_TX_CHECKSUM: u32 = 0x17;
const SET_GRO: u32 = 0x2c;

const SOCKETS: [MapType; 2] = [MapType::Sockmap, MapType::Sockhash];
const DEVICES: [MapType; 2] = [MapType::Devmap, MapType::DevmapHash];

/// A program in a map.
pub struct Entry {
    map: MapHandle,
    /// The attach type of a program of a map of sockets; the others are in place 0.
    of_sockets: Option<u32>,
}

impl Entry {
    /// The program that is there, by its id; 0 if there is none.
    pub fn program(&self) -> Result<u32> {
        match self.of_sockets {
            Some(attach_type) => query(&self.map, attach_type),
            None => {
                let value = self.map.lookup(&0u32.to_ne_bytes(), MapFlags::ANY)?;
                let id = value
                    .as_ref()
                    .and_then(|value| value.get(4..8)?.try_into().ok());
                Ok(id.map_or(0, u32::from_ne_bytes))
            }
        }
    }

    /// What the kernel calls the map: the first 15 bytes of its name.
    pub fn name(&self) -> String {
        self.map.name().to_string_lossy().into_owned()
    }

    /// Where that is, in words.
    pub fn place(&self) -> String {
        let name = self.name();
        match self.of_sockets {
            Some(_) => format!("map {name}"),
            None => format!("entry 0 of {name}"),
        }
    }
}

/// The program of an attach type that a map of sockets has.
fn query(map: &MapHandle, attach_type: u32) -> Result<u32> {
    let (mut id, mut count) = (0, 1);
    // SAFETY: there is room for one id, as `count` says.
    let status = unsafe {
        libbpf_sys::bpf_prog_query(
            map.as_fd().as_raw_fd(),
            attach_type,
            0,
            std::ptr::null_mut(),
            &raw mut id,
            &raw mut count,
        )
    };
    match status {
        0 => Ok(id),
        error => Err(std::io::Error::from_raw_os_error(-error)).context("ask for the program"),
    }
}

/// Attaches an iterator to the map whose elements it gets.
pub fn iterate(program: &ProgramMut<'_>, how: &Attach, object: &Object) -> Result<Link> {
    let map = chosen(object, how, &[], "map")?;
    let link = program.attach_iter(map.as_fd());
    link.with_context(|| format!("iterate over `{}`", name(&map)))
}

/// Attaches a program to the object's map of sockets.
pub fn attach(program: &ProgramMut<'_>, how: &Attach, object: &Object) -> Result<Entry> {
    let map = chosen(object, how, &SOCKETS, "SOCKMAP or SOCKHASH")?;
    program
        .attach_sockmap(map.as_fd().as_raw_fd())
        .context("attach to the map of sockets")?;
    Ok(Entry {
        map: MapHandle::try_from(&map)?,
        of_sockets: Some(program.attach_type() as u32),
    })
}

/// Puts a program into place 0 of the object's map of CPUs or of devices.
pub fn enter(
    program: &ProgramMut<'_>,
    section: &str,
    how: &Attach,
    object: &Object,
    net: &mut Lazy,
) -> Result<Entry> {
    let net = net.get()?;
    net.at_sender(|| prepare(SENDER.name))?;
    let (map, first) = match section.ends_with("cpumap") {
        true => (chosen(object, how, &[MapType::Cpumap], "CPUMAP")?, QUEUE),
        false => (chosen(object, how, &DEVICES, "DEVMAP")?, net.receiver),
    };
    if map.value_size() != 8 {
        bail!(
            "values of `{}` have no room for a program: they are 8 bytes",
            name(&map)
        );
    }
    let descriptor = program.as_fd().as_raw_fd();
    let value = [first.to_ne_bytes(), descriptor.to_ne_bytes()].concat();
    map.update(&0u32.to_ne_bytes(), &value, MapFlags::ANY)
        .with_context(|| format!("put it into `{}`", name(&map)))?;
    Ok(Entry {
        map: MapHandle::try_from(&map)?,
        of_sockets: None,
    })
}

/// Makes an interface ready for frames that XDP redirects. It merges packets (GRO): to one end of
/// a veth pair frames are redirected only if the other end does, or has an XDP program
/// (drivers/net/veth.c, 5.13 to 7.2). It computes checksums, since a redirected frame does not say
/// that this is left to the device.
fn prepare(interface: &str) -> Result<()> {
    set(interface, SET_TX_CHECKSUM, 0)?;
    set(interface, SET_GRO, 1)
}

/// Switches a feature of an interface on or off.
fn set(interface: &str, feature: u32, on: u32) -> Result<()> {
    let socket = socket(AddressFamily::INET, SocketType::DGRAM, None).context("open a socket")?;
    let mut wish = [feature, on];
    // SAFETY: a request of zeros is one without a name.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(interface.bytes()) {
        *to = from as libc::c_char;
    }
    request.ifr_ifru.ifru_data = (&raw mut wish).cast();
    // SAFETY: the request is whole, and what it points to lives until it is done.
    let done = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCETHTOOL as _, &raw mut request) };
    match done {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()).with_context(|| format!("set up `{interface}`")),
    }
}

/// The map that the scenario says, or else the only one of these types.
fn chosen<'a>(object: &'a Object, how: &Attach, types: &[MapType], kind: &str) -> Result<Map<'a>> {
    let mut maps = object.maps();
    if let Some(wanted) = &how.map {
        let map = maps.find(|map| map.name() == wanted.as_str());
        let map = map.with_context(|| format!("the object has no map `{wanted}`"))?;
        if !types.is_empty() && !types.contains(&map.map_type()) {
            bail!(
                "`{wanted}` is a {:?}: it belongs into a {kind}",
                map.map_type()
            );
        }
        return Ok(map);
    }
    let mut maps: Vec<_> = maps.filter(|map| types.contains(&map.map_type())).collect();
    match maps.len() {
        1 => maps.pop().context("no map"),
        0 => bail!("the object has no {kind}, which it belongs into"),
        _ => {
            let names: Vec<_> = maps.iter().map(name).collect();
            bail!(
                "the object has more than one {kind}, `{}`: the scenario says which by `map` of \
                 `attach`",
                names.join("`, `")
            )
        }
    }
}

fn name(map: &Map<'_>) -> String {
    map.name().to_string_lossy().into_owned()
}
