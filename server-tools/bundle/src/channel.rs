//! Channel indexes: the body that is signed, from the bundles in a folder. `docs/formats/channel.md`.

use crate::file::{BundleFile, BundleReadError};
use delta_format::channel::{CHANNEL_FORMAT, ChannelEntry, ChannelHead, ImageDigest, decode};
use delta_format::container::{Kind, PREFIX_BYTES, Prefix};
use delta_format::header::ImageId;
use delta_format::limits::CHANNEL_ENTRIES_MAX;
use delta_format::text::FileName;
use delta_format::{FormatError, Name, Sha256, wire};
use sha2::Digest;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// Why a channel index cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChannelError {
    /// A bundle cannot be read.
    #[error("{file}: {source}")]
    Bundle {
        /// Its file name.
        file: String,
        /// Why.
        source: BundleReadError,
    },
    /// The index would break its format.
    #[error("channel index: {0}")]
    Format(#[from] FormatError),
    /// The present index cannot be read, so its number is not known.
    #[error("the present channel index cannot be read: {0}")]
    Present(FormatError),
}

/// A bundle on its way into an index.
#[derive(Debug)]
pub struct PublishedBundle {
    entry: ChannelEntry,
}

impl PublishedBundle {
    /// Reads and hashes the bundle at `path`.
    ///
    /// # Errors
    /// [`ChannelError`] names the file.
    pub fn read(path: &Path) -> Result<Self, ChannelError> {
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let named = |source: BundleReadError| ChannelError::Bundle { file: file.clone(), source };
        let bundle = BundleFile::open(path).map_err(named)?;
        let digest = |id: &ImageId| ImageDigest { length: id.length, blake3: id.blake3 };
        let entry = ChannelEntry {
            file: file.parse::<FileName>().map_err(|error| named(error.into()))?,
            product: bundle.header.product.clone(),
            hardware: bundle.header.hardware.clone(),
            version: bundle.header.version,
            base: digest(&bundle.header.base),
            target: digest(&bundle.header.target),
            bundle_sha256: sha256_of(path).map_err(|error| named(error.into()))?,
            bundle_bytes: bundle.layout.file_bytes,
            fetch_bytes: bundle.layout.base_map_at,
        };
        Ok(Self { entry })
    }

    /// The entry.
    pub fn entry(&self) -> &ChannelEntry {
        &self.entry
    }
}

/// The body of an index over `bundles`, in a fixed order: product, version, base length (full images last), file.
///
/// # Errors
/// [`ChannelError::Format`] when there are too many.
pub fn index_body(channel: &Name, number: u64, bundles: &[PublishedBundle]) -> Result<Vec<u8>, ChannelError> {
    let mut entries: Vec<&ChannelEntry> = bundles.iter().map(PublishedBundle::entry).collect();
    entries.sort_by(|a, b| {
        let key = |entry: &ChannelEntry| (entry.product.clone(), entry.version, entry.base.length == 0);
        key(a).cmp(&key(b)).then_with(|| a.file.cmp(&b.file))
    });
    let count = u32::try_from(entries.len()).ok().filter(|&count| count <= CHANNEL_ENTRIES_MAX);
    let entries_count = count.ok_or(FormatError::LimitExceeded("channel entries"))?;
    let head = ChannelHead { format: CHANNEL_FORMAT, channel: channel.clone(), number, entries: entries_count };
    let mut buffer = [0; 2048];
    let mut body = wire::encode(&head, &mut buffer, "channel head")?.to_vec();
    for entry in entries {
        body.extend_from_slice(wire::encode(entry, &mut buffer, "channel entry")?);
    }
    // What devices will do with it.
    decode(&body)?.1.try_for_each(|entry| entry.map(drop))?;
    Ok(body)
}

/// The number for the next publication: one more than the index file `present` has, or 1.
///
/// # Errors
/// [`ChannelError::Present`] when the file is no channel index: it is not overwritten blindly.
pub fn next_number(present: Option<&[u8]>) -> Result<u64, ChannelError> {
    let Some(file) = present else { return Ok(1) };
    let prefix = Prefix::decode(file, Kind::Channel).map_err(ChannelError::Present)?;
    let body = file.get(PREFIX_BYTES..PREFIX_BYTES + prefix.body_bytes);
    let (head, _) =
        decode(body.ok_or(ChannelError::Present(FormatError::Truncated))?).map_err(ChannelError::Present)?;
    Ok(head.number + 1)
}

fn sha256_of(path: &Path) -> io::Result<Sha256> {
    let mut file = File::open(path)?;
    let (mut hasher, mut buffer) = (sha2::Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(Sha256::new(hasher.finalize().into())),
            read => hasher.update(&buffer[..read]),
        }
    }
}
