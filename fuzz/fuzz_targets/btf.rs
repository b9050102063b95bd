//! A module's BTF, as a guest sent it: bytes, or types and strings behind a
//! header that is right.
#![no_main]

use kassay::btf;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: (Option<u16>, &[u8], &[u8])| {
    let (types, base, bytes) = input;
    let data = types.map_or(bytes.to_vec(), |types| framed(bytes, types.into()));
    let Ok(names) = btf::functions(&data, base) else {
        return;
    };
    // A type takes twelve bytes, and a name is a kernel's.
    assert!(names.len() <= data.len() / 12);
    // Each byte that is not UTF-8 becomes the three of U+FFFD.
    assert!(names.iter().all(|name| name.len() < 3 * 512));
    assert_eq!(names, btf::functions(&data, base).unwrap());
});

/// BTF of which the first bytes are types and the others strings.
fn framed(bytes: &[u8], types: usize) -> Vec<u8> {
    let types = types.min(bytes.len());
    let strings = bytes.len() - types;
    let fields = [24, 0, types, types, strings];
    let header = [0x9f, 0xeb, 1, 0].into_iter();
    let fields = fields.map(|field| (field as u32).to_le_bytes());
    header
        .chain(fields.into_iter().flatten())
        .chain(bytes.iter().copied())
        .collect()
}
