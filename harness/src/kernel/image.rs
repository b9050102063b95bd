//! A kernel's BTF as it lies in the image that is booted, for kernels whose headers come without.

use std::fs;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use liblzma::read::XzDecoder;
use lz4_flex::frame::FrameDecoder;
use object::{Object, ObjectSection};
use zstd::stream::read::Decoder;

/// How much of a kernel is decompressed at most, in bytes.
const MOST: u64 = 1 << 30;

/// The BTF in a bzImage of x86: what /sys/kernel/btf/vmlinux is in the kernel.
///
/// # Errors
/// The file is no bzImage, or compressed by what is not read here, or without BTF.
pub fn btf(image: &Path) -> Result<Vec<u8>> {
    let read = || format!("read the BTF in `{}`", image.display());
    let image = fs::read(image).with_context(read)?;
    let vmlinux = vmlinux(&image).with_context(read)?;
    let file = object::File::parse(&*vmlinux).with_context(read)?;
    let section = file
        .section_by_name(".BTF")
        .context("it has none: was it built with CONFIG_DEBUG_INFO_BTF?")
        .with_context(read)?;
    Ok(section.data().with_context(read)?.to_vec())
}

/// The ELF file in a bzImage (Documentation/arch/x86/boot.rst, protocol 2.08 and later).
fn vmlinux(image: &[u8]) -> Result<Vec<u8>> {
    let number = |at: usize| -> Option<usize> {
        let bytes = image.get(at..at + 4)?.try_into().ok()?;
        usize::try_from(u32::from_le_bytes(bytes)).ok()
    };
    if image.get(0x202..0x206) != Some(b"HdrS") {
        bail!("it is no bzImage");
    }
    let sectors = match image[0x1f1] {
        0 => 4,
        sectors => usize::from(sectors),
    };
    let payload = || {
        let start = (sectors + 1) * 512 + number(0x248)?;
        image.get(start..start.checked_add(number(0x24c)?)?)
    };
    let payload = payload().context("its header leads out of it")?;
    // One stream and no more: the length of what was compressed stands after it.
    let mut vmlinux = Vec::new();
    match payload {
        [0xfd, b'7', b'z', ..] => XzDecoder::new(payload).take(MOST).read_to_end(&mut vmlinux),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Decoder::with_buffer(payload)?
            .single_frame()
            .take(MOST)
            .read_to_end(&mut vmlinux),
        [0x1f, 0x8b, ..] => GzDecoder::new(payload).take(MOST).read_to_end(&mut vmlinux),
        [0x02, 0x21, 0x4c, 0x18, ..] => {
            // A length would be one of a block to follow.
            let blocks = &payload[..payload.len() - 4];
            FrameDecoder::new(blocks)
                .take(MOST)
                .read_to_end(&mut vmlinux)
        }
        [0x7f, b'E', b'L', b'F', ..] => return Ok(payload.to_vec()),
        _ => bail!("it is compressed by none of gzip, lz4, xz and Zstandard"),
    }
    .context("decompress it")?;
    Ok(vmlinux)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    /// A bzImage of one sector of set-up code with this payload, and a length after it.
    fn image(payload: &[u8]) -> Vec<u8> {
        let mut image = vec![0; 1024];
        image[0x1f1] = 1;
        image[0x202..0x206].copy_from_slice(b"HdrS");
        let length = u32::try_from(payload.len() + 4).unwrap();
        image[0x24c..0x250].copy_from_slice(&length.to_le_bytes());
        [&image, payload, &[9; 4][..]].concat()
    }

    #[test]
    fn the_kernel_in_an_image_ends_before_its_length() {
        let mut xz = liblzma::write::XzEncoder::new(Vec::new(), 0);
        xz.write_all(b"a kernel").unwrap();
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gz.write_all(b"a kernel").unwrap();
        // The legacy form of lz4, with a block of eight literals.
        let lz4 = b"\x02\x21\x4c\x18\x09\0\0\0\x80a kernel".to_vec();
        for payload in [xz.finish().unwrap(), gz.finish().unwrap(), lz4] {
            assert_eq!(vmlinux(&image(&payload)).unwrap(), b"a kernel");
        }
    }

    #[test]
    fn what_is_no_image_is_told() {
        let error = |image: &[u8]| vmlinux(image).unwrap_err().to_string();
        assert_eq!(error(b"MZ"), "it is no bzImage");
        let mut cut = image(b"");
        cut[0x248] = 99;
        assert_eq!(error(&cut), "its header leads out of it");
        assert!(error(&image(b"LZMA or another")).contains("none of gzip, lz4, xz"));
    }
}
