//! A bundle on disk, opened for reading: its head, its parts by range, its manifest.

use crate::blake3_parts;
use crate::manifest::DeltaManifest;
use delta_apply::{GroupIndex, IoError};
use delta_format::FormatError;
use delta_format::capsule::Capsule;
use delta_format::container::{BundleLayout, Kind, PREFIX_BYTES, Prefix};
use delta_format::header::BundleHeader;
use delta_format::limits::GROUP_BYTES;
use sha2::Digest;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// A bundle whose head is well-formed. Whether it is to be trusted is `delta-verify`'s to say.
#[derive(Debug)]
pub struct BundleFile {
    file: File,
    /// Prefix, header and capsule, as `delta-verify` takes them.
    pub head: Vec<u8>,
    /// The header.
    pub header: BundleHeader,
    /// The capsule.
    pub capsule: Capsule,
    /// Where the parts stand.
    pub layout: BundleLayout,
}

/// Why a bundle cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BundleReadError {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The file is no well-formed bundle.
    #[error("{0}")]
    Format(#[from] FormatError),
    /// A part after the head is damaged; it is named.
    #[error("the bundle is damaged: {0}")]
    Damaged(String),
}

impl BundleFile {
    /// Opens a bundle and decodes its head.
    ///
    /// # Errors
    /// [`BundleReadError`].
    pub fn open(path: &Path) -> Result<Self, BundleReadError> {
        let file = File::open(path)?;
        let file_bytes = file.metadata()?.len();
        let mut prefix_bytes = [0; PREFIX_BYTES];
        let available = PREFIX_BYTES.min(usize::try_from(file_bytes).unwrap_or(PREFIX_BYTES));
        file.read_exact_at(&mut prefix_bytes[..available], 0)?;
        let prefix = Prefix::decode(&prefix_bytes[..available], Kind::Bundle)?;
        if (prefix.head_bytes() as u64) > file_bytes {
            return Err(FormatError::Truncated.into());
        }
        let mut head = vec![0; prefix.head_bytes()];
        file.read_exact_at(&mut head, 0)?;
        let (body, capsule) = prefix.split(&head, blake3_parts)?;
        let (header, capsule) = (BundleHeader::decode(body)?, Capsule::decode(capsule)?);
        let layout = BundleLayout::new(&prefix, &header);
        if file_bytes != layout.file_bytes {
            let error =
                if file_bytes < layout.file_bytes { FormatError::Truncated } else { FormatError::TrailingBytes };
            return Err(error.into());
        }
        Ok(Self { file, head, header, capsule, layout })
    }

    /// The group index, proven against the header's payload root.
    ///
    /// # Errors
    /// [`BundleReadError`].
    pub fn index(&self) -> Result<GroupIndex, BundleReadError> {
        let bytes = self.part(self.layout.index_at, self.layout.payload_at)?;
        GroupIndex::verify(self.header.payload, bytes).map_err(|error| BundleReadError::Damaged(error.to_string()))
    }

    /// The base map; it proves itself where it is used.
    ///
    /// # Errors
    /// [`BundleReadError::Io`].
    pub fn base_map(&self) -> Result<Vec<u8>, BundleReadError> {
        self.part(self.layout.base_map_at, self.layout.manifest_at)
    }

    /// The manifest's canonical JSON, proven against the header.
    ///
    /// # Errors
    /// [`BundleReadError`].
    pub fn manifest_json(&self) -> Result<Vec<u8>, BundleReadError> {
        let id = &self.header.manifest;
        let damaged = || BundleReadError::Damaged("the manifest does not match its signed digest".to_owned());
        let stored = self.part(self.layout.manifest_at, self.layout.file_bytes)?;
        if sha2::Sha256::digest(&stored)[..] != id.stored_sha256.as_bytes()[..] {
            return Err(damaged());
        }
        let capacity = usize::try_from(id.length).map_err(|_| damaged())?;
        let json = zstd::bulk::decompress(&stored, capacity).map_err(|_| damaged())?;
        let matches = json.len() == capacity && sha2::Sha256::digest(&json)[..] == id.sha256.as_bytes()[..];
        if matches { Ok(json) } else { Err(damaged()) }
    }

    /// The manifest.
    ///
    /// # Errors
    /// [`BundleReadError`].
    pub fn manifest(&self) -> Result<DeltaManifest, BundleReadError> {
        let json = self.manifest_json()?;
        serde_json::from_slice(&json).map_err(|error| BundleReadError::Damaged(format!("manifest: {error}")))
    }

    /// Reads every part and compares it with what the header says.
    ///
    /// # Errors
    /// [`BundleReadError::Damaged`] names the first part that is wrong.
    pub fn check_parts(&mut self) -> Result<(), BundleReadError> {
        let index = self.index()?;
        let mut group = vec![0; GROUP_BYTES as usize];
        for number in 0..self.header.payload.groups() {
            let bytes = &mut group[..index.group_bytes(number)];
            delta_apply::Payload::read_group(self, number, bytes)
                .map_err(|error| io::Error::from_raw_os_error(error.0))?;
            if !index.matches(number, bytes) {
                return Err(BundleReadError::Damaged(format!("payload group {number} does not match the signed root")));
            }
        }
        if !delta_apply::base_map_is_proven(&self.header, &self.base_map()?) {
            return Err(BundleReadError::Damaged("the base map does not match the signed base digest".to_owned()));
        }
        self.manifest_json().map(drop)
    }

    fn part(&self, start: u64, end: u64) -> Result<Vec<u8>, BundleReadError> {
        let mut bytes = vec![0; usize::try_from(end - start).map_err(|_| FormatError::LimitExceeded("bundle part"))?];
        self.file.read_exact_at(&mut bytes, start)?;
        Ok(bytes)
    }
}

impl delta_apply::Payload for BundleFile {
    type Error = IoError;

    fn read_group(&mut self, group: u64, out: &mut [u8]) -> Result<(), IoError> {
        Ok(self.file.read_exact_at(out, self.layout.payload_at + group * GROUP_BYTES)?)
    }
}
