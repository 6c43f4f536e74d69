//! The member of a Debian package that holds its files (deb(5): an `ar` archive with `data.tar` packed somehow).

use std::ops::Range;

pub(super) const MAGIC: &[u8] = b"!<arch>\n";
const HEADER_BYTES: usize = 60;
/// Members that are looked at: packages have three, signed ones four.
const MEMBERS_MAX: usize = 64;

/// Where the member `data.tar*` is.
pub(super) fn data(bytes: &[u8]) -> Result<Range<usize>, &'static str> {
    let mut at = MAGIC.len();
    for _ in 0..MEMBERS_MAX {
        let header = bytes.get(at..at + HEADER_BYTES).ok_or("no member data.tar: not a Debian package")?;
        let field = |range: Range<usize>| std::str::from_utf8(&header[range]).map(str::trim_end).unwrap_or_default();
        let length: usize = field(48..58).parse().map_err(|_| "a member of the package has no length")?;
        let start = at + HEADER_BYTES;
        let end = start.checked_add(length).filter(|end| *end <= bytes.len()).ok_or("the package is cut off")?;
        if field(0..16).starts_with("data.tar") {
            return Ok(start..end);
        }
        at = end + length % 2;
    }
    Err("no member data.tar: not a Debian package")
}
