//! A place in a build that a test waits for, and beyond which the build does not get by itself: how
//! soon the test hears of it shapes nothing.

use std::fs::File;
use std::path::PathBuf;

use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use crate::checkout::wait;

/// A folder with two pipes: one is written by who comes there, and then the other one read.
pub struct Gate {
    folder: TempDir,
    reached: File,
}

impl Gate {
    pub fn new() -> Gate {
        let folder = tempfile::tempdir().unwrap();
        for name in ["reached", "shut"] {
            mknodat(CWD, folder.path().join(name), FileType::Fifo, Mode::RWXU, 0).unwrap();
        }
        // With a writer of its own, it can be opened before anybody comes there.
        let reached = both_ways(folder.path().join("reached")).unwrap();
        Gate { folder, reached }
    }

    /// A file that is beside the pipes.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// What a shell does there.
    pub fn wait(&self) -> String {
        let folder = self.folder.path().display();
        format!("echo >{folder}/reached; cat {folder}/shut")
    }

    /// Waits until somebody is there.
    #[track_caller]
    pub fn reached(&self) {
        assert_eq!(wait(&self.reached), Ok(1), "nobody comes to the gate");
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // Who still reads has a writer now, and sees its end.
        let _ = both_ways(self.path("shut"));
    }
}

fn both_ways(pipe: PathBuf) -> std::io::Result<File> {
    File::options().read(true).write(true).open(pipe)
}
