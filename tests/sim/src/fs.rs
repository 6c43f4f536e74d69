//! The state directory: files whose names and bytes become durable separately.
//!
//! Stricter than the usual file systems: a synced file is lost when its name was not synced too, and creating and
//! removing names may reach the medium in any order.

use crate::device::Device;
use std::collections::BTreeMap;

/// A flat directory.
#[derive(Clone, Debug, Default)]
pub struct Fs {
    /// All files that were ever created; names point here.
    pub files: Vec<Device>,
    /// The names that programs see.
    pub view: BTreeMap<String, usize>,
    /// The names that a power cut leaves at least.
    pub medium: BTreeMap<String, usize>,
    /// Changed names since the last sync, oldest first.
    pub pending: Vec<(String, Option<usize>)>,
}

impl Fs {
    /// Opens a file.
    pub fn open(&self, name: &str) -> Option<usize> {
        self.view.get(name).copied()
    }

    /// Creates a file, or puts an empty one in place of the old one.
    pub fn create(&mut self, name: &str) -> usize {
        self.files.push(Device::default());
        let file = self.files.len() - 1;
        self.view.insert(name.into(), file);
        self.pending.push((name.into(), Some(file)));
        file
    }

    /// Removes a name.
    pub fn remove(&mut self, name: &str) {
        if self.view.remove(name).is_some() {
            self.pending.push((name.into(), None));
        }
    }

    /// Makes names durable.
    pub fn sync(&mut self) {
        for (name, file) in std::mem::take(&mut self.pending) {
            self.settle(&name, file);
        }
    }

    /// One change of a name reaches the medium.
    pub fn settle(&mut self, name: &str, file: Option<usize>) {
        match file {
            Some(file) => self.medium.insert(name.into(), file),
            None => self.medium.remove(name),
        };
    }

    /// The power comes back.
    pub fn restart(&mut self) {
        self.pending.clear();
        self.view = self.medium.clone();
        self.files.iter_mut().for_each(Device::restart);
    }
}
