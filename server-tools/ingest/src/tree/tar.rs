//! Members of a tar archive: ustar with the extensions of GNU (long names, large numbers) and of POSIX.1-2001 (pax paths
//! and sizes).
//!
//! In: the bytes. Out: what each member does to the tree, in order. Hard links and sparse files are not files here: the
//! first have their bytes under another name, the second need a map that nothing which ships executables writes.

use super::{FILES_MAX, PATH_BYTES_MAX, spelled};
use std::ops::Range;

const BLOCK: usize = 512;
/// Bytes of an extended header; real ones have a few hundred.
const EXTENDED_BYTES_MAX: usize = 1 << 20;

/// A member.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) path: String,
    /// The bytes of a regular file; nothing for whatever else stands there then.
    pub(super) content: Option<Range<usize>>,
    pub(super) is_folder: bool,
}

/// Whether the first header is one.
pub(super) fn is_tar(bytes: &[u8]) -> bool {
    bytes.first_chunk::<BLOCK>().is_some_and(|header| header[257..262] == *b"ustar" && checksum_holds(header))
}

fn checksum_holds(header: &[u8; BLOCK]) -> bool {
    let sum: u64 = header.iter().map(|byte| u64::from(*byte)).sum();
    let field: u64 = header[148..156].iter().map(|byte| u64::from(*byte)).sum();
    number(&header[148..156]) == Some(sum - field + 8 * u64::from(b' '))
}

/// Octal digits, or a number of GNU: bit 7 of the first byte, then big endian.
fn number(field: &[u8]) -> Option<u64> {
    let (first, rest) = field.split_first()?;
    if first & 0x80 != 0 {
        let start = u64::from(first & 0x7f);
        return rest.iter().try_fold(start, |value, byte| Some(value.checked_mul(256)? | u64::from(*byte)));
    }
    let text = std::str::from_utf8(field).ok()?.trim_matches(['\0', ' ']);
    if text.is_empty() { Some(0) } else { u64::from_str_radix(text, 8).ok() }
}

fn until_zero(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}

/// What extended headers say of the member behind them.
#[derive(Default)]
struct Extended {
    path: Option<Vec<u8>>,
    bytes: Option<u64>,
}

/// All members, in order.
pub(super) fn members(bytes: &[u8]) -> Result<Vec<Member>, String> {
    let (mut members, mut at, mut extended) = (Vec::new(), 0usize, Extended::default());
    while let Some(header) = bytes.get(at..).and_then(|rest| rest.first_chunk::<BLOCK>()) {
        if header.iter().all(|byte| *byte == 0) {
            return Ok(members);
        }
        if !checksum_holds(header) {
            return Err(format!("the tar is damaged at byte {at}"));
        }
        let kind = header[156];
        let has_size = !matches!(kind, b'1'..=b'6');
        let stated = number(&header[124..136]).filter(|_| has_size).unwrap_or(0);
        let size = if matches!(kind, b'x' | b'g' | b'L' | b'K') { stated } else { extended.bytes.unwrap_or(stated) };
        let start = at + BLOCK;
        let end = usize::try_from(size).ok().and_then(|size| start.checked_add(size));
        let end = end.filter(|end| *end <= bytes.len()).ok_or_else(|| format!("the tar is cut off at byte {at}"))?;
        // The padding of the last member may be missing.
        at = end.next_multiple_of(BLOCK);
        match kind {
            b'x' => pax(limited(&bytes[start..end])?, &mut extended),
            b'L' => extended.path = Some(until_zero(limited(&bytes[start..end])?).to_vec()),
            b'g' | b'K' => {}
            _ => {
                let Extended { path, .. } = std::mem::take(&mut extended);
                let Some(path) = spelled(&path.unwrap_or_else(|| path_of(header))) else { continue };
                let content = matches!(kind, b'0' | 0 | b'7').then_some(start..end).filter(|range| !range.is_empty());
                members.push(Member { path, content, is_folder: kind == b'5' });
                if members.len() > FILES_MAX {
                    return Err(format!("more than {FILES_MAX} members"));
                }
            }
        }
    }
    Ok(members)
}

fn limited(bytes: &[u8]) -> Result<&[u8], String> {
    if bytes.len() > EXTENDED_BYTES_MAX { Err("an extended header is too long".into()) } else { Ok(bytes) }
}

fn path_of(header: &[u8; BLOCK]) -> Vec<u8> {
    let (name, prefix) = (until_zero(&header[..100]), until_zero(&header[345..500]));
    // The field is another one in archives of GNU, which have a blank behind the magic.
    if prefix.is_empty() || header[262] != 0 { name.to_vec() } else { [prefix, b"/", name].concat() }
}

/// Records `LENGTH KEY=VALUE\n`.
fn pax(mut records: &[u8], extended: &mut Extended) {
    while let Some(space) = records.iter().position(|byte| *byte == b' ') {
        let length = std::str::from_utf8(&records[..space]).ok().and_then(|text| text.parse::<usize>().ok());
        let Some(record) = length.and_then(|length| records.get(space + 1..length)) else { return };
        records = &records[space + 1 + record.len()..];
        let record = record.strip_suffix(b"\n").unwrap_or(record);
        if let Some(path) = record.strip_prefix(b"path=") {
            extended.path = (path.len() <= PATH_BYTES_MAX).then(|| path.to_vec());
        } else if let Some(size) = record.strip_prefix(b"size=") {
            extended.bytes = std::str::from_utf8(size).ok().and_then(|text| text.parse().ok());
        }
    }
}
