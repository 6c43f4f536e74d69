//! The state directory: files whose names and bytes become durable separately.
//!
//! Stricter than the usual file systems: a synced file is lost when its name was not synced too, and creating and
//! removing names may reach the medium in any order.

use crate::device::Device;
use std::collections::BTreeMap;

/// A change of names that is not durable yet; it is durable as a whole or not at all.
#[derive(Clone, Debug)]
pub enum Change {
    /// The name stands for the file.
    Set(String, usize),
    /// The name is gone.
    Remove(String),
    /// The second name stands for the file that had the first.
    Rename(String, String, usize),
}

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
    pub pending: Vec<Change>,
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
        self.pending.push(Change::Set(name.into(), file));
        file
    }

    /// Removes a name.
    pub fn remove(&mut self, name: &str) {
        if self.view.remove(name).is_some() {
            self.pending.push(Change::Remove(name.into()));
        }
    }

    /// Puts a file in the place of another one.
    pub fn rename(&mut self, from: &str, to: &str) {
        let file = self.view.remove(from).expect("the file was created");
        self.view.insert(to.into(), file);
        self.pending.push(Change::Rename(from.into(), to.into(), file));
    }

    /// Makes names durable.
    pub fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            self.settle(&change);
        }
    }

    /// One change of names reaches the medium.
    pub fn settle(&mut self, change: &Change) {
        match change {
            Change::Set(name, file) => {
                self.medium.insert(name.clone(), *file);
            }
            Change::Remove(name) => {
                self.medium.remove(name);
            }
            Change::Rename(from, to, file) => {
                self.medium.remove(from);
                self.medium.insert(to.clone(), *file);
            }
        }
    }

    /// The power comes back.
    pub fn restart(&mut self) {
        self.pending.clear();
        self.view = self.medium.clone();
        self.files.iter_mut().for_each(Device::restart);
    }
}
