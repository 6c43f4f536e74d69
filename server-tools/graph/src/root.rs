//! Paths below the root of an image, on a machine with another root.

use std::path::{Path, PathBuf};

/// Where a path leads when its symbolic links are followed as if the root were `/`; nothing outside of it.
pub(crate) fn inside(root: &Path, path: &Path) -> Option<PathBuf> {
    /// Links in a row, as Linux allows.
    const LINKS_MAX: usize = 40;
    let mut rest: Vec<_> = path.strip_prefix(root).ok()?.components().map(|part| part.as_os_str().to_owned()).collect();
    rest.reverse();
    let (mut at, mut links) = (PathBuf::new(), 0);
    while let Some(part) = rest.pop() {
        match part.to_str() {
            Some("/") => at = PathBuf::new(),
            Some(".") => {}
            Some("..") => drop(at.pop()),
            _ => match std::fs::read_link(root.join(&at).join(&part)) {
                Ok(link) => {
                    links += 1;
                    if links > LINKS_MAX {
                        return None;
                    }
                    rest.extend(link.components().rev().map(|part| part.as_os_str().to_owned()));
                }
                Err(_) => at.push(part),
            },
        }
    }
    Some(root.join(at)).filter(|path| path.exists())
}
