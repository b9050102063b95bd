//! A catalog of kernels. What is accepted names no path.
#![no_main]

use std::path::Path;

use kassay::kernel::{Catalog, Source};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let folder = Path::new("/nowhere");
    let catalog = match Catalog::parse(text, folder) {
        Ok(catalog) => catalog,
        Err(error) => return assert!(!format!("{error:#}").is_empty()),
    };
    assert!(catalog.default.iter().all(|name| catalog.knows(name)));
    for name in catalog.names() {
        assert!(is_plain(name), "{name:?}");
        let (source, fragments) = catalog.get(name).unwrap();
        let own = match source {
            Source::Tarball(tarball) => {
                assert!(tarball.url.starts_with("http"), "{tarball:?}");
                assert!(is_plain(tarball.url.rsplit('/').next().unwrap()));
                tarball.config.len()
            }
            Source::Package(package) => {
                assert!(is_plain(&package.package), "{package:?}");
                package.config.len()
            }
            Source::Prebuilt(prebuilt) => {
                assert!(prebuilt.packages.iter().all(|name| is_plain(name)));
                0
            }
            Source::Remote(_) => 0,
        };
        assert_eq!(fragments.len(), own);
        for path in fragments {
            assert!(is_plain(path.file_name().unwrap().to_str().unwrap()));
            assert!(
                path.parent() == Some(folder) || path.parent().unwrap().ends_with("kernel-config")
            );
        }
    }
});

/// Whether a name is neither a path nor an option of a program.
fn is_plain(name: &str) -> bool {
    let letter = |letter: char| letter.is_ascii_alphanumeric() || "+.-_".contains(letter);
    !name.is_empty() && !name.starts_with(['.', '-']) && name.chars().all(letter)
}
