//! What a bundle promises: the signed facts, before any of the payload is read. `docs/formats/bundle.md`.
//!
//! The header is not signed as these bytes: it is rendered to an in-toto statement by [`crate::statement`], and that
//! is what the envelope signs. Every field appears there, so every field is signed.

use crate::limits::*;
use crate::{Blake3, FormatError, Name, Sha256, Version, wire};
use serde::{Deserialize, Serialize};

/// The format that this program writes and reads.
pub const HEADER_FORMAT: u16 = 1;

/// The signed facts of one bundle.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BundleHeader {
    /// [`HEADER_FORMAT`].
    pub format: u16,
    /// The product line; a device accepts its own only.
    pub product: Name,
    /// Hardware that may run the target, sorted, at least one.
    pub hardware: heapless::Vec<Name, HARDWARE_NAMES_MAX>,
    /// The version of the target.
    pub version: Version,
    /// What the target is, by content; a hint for people, never a rule for the device.
    pub artifact_type: ArtifactType,
    /// What must be in the active slot. Length 0: the bundle is a full image.
    pub base: ImageId,
    /// What will be in the inactive slot.
    pub target: ImageId,
    /// The instructions that make the target out of the base.
    pub payload: PayloadId,
    /// The reviewer's manifest at the end of the bundle; devices skip it.
    pub manifest: ManifestId,
    /// What applying asks of a device.
    pub limits: DeviceLimits,
    /// Log2 of the bytes of one block of the base map; see [`Self::base_map_bytes`].
    pub base_block_log2: u8,
    /// Unix seconds after which the bundle must not be installed any more, judged against proven time only.
    pub expires: Option<u64>,
}

/// The identity of an image: its length and two digests of all its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageId {
    /// Bytes.
    pub length: u64,
    /// The BLAKE3 root hash; what a device checks.
    pub blake3: Blake3,
    /// The SHA-256; what other tools know the image by.
    pub sha256: Sha256,
}

impl ImageId {
    /// The empty image, the base of every full image. The digests are those of the empty string.
    pub const EMPTY: Self = Self {
        length: 0,
        blake3: Blake3::new([
            0xaf, 0x13, 0x49, 0xb9, 0xf5, 0xf9, 0xa1, 0xa6, 0xa0, 0x40, 0x4d, 0xea, 0x36, 0xdc, 0xc9, 0x49, 0x9b, 0xcb,
            0x25, 0xc9, 0xad, 0xc1, 0x12, 0xb7, 0xcc, 0x9a, 0x93, 0xca, 0xe4, 0x1f, 0x32, 0x62,
        ]),
        sha256: Sha256::new([
            0xe3, 0xb0, 0xc4, 0x42, 0x98, 0xfc, 0x1c, 0x14, 0x9a, 0xfb, 0xf4, 0xc8, 0x99, 0x6f, 0xb9, 0x24, 0x27, 0xae,
            0x41, 0xe4, 0x64, 0x9b, 0x93, 0x4c, 0xa4, 0x95, 0x99, 0x1b, 0x78, 0x52, 0xb8, 0x55,
        ]),
    };

    /// Whether this is the empty image.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }
}

/// The payload: how long, which bytes, which coding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadId {
    /// Bytes.
    pub length: u64,
    /// The BLAKE3 hash of all payload bytes; the root over the group index.
    pub root: Blake3,
    /// How segments are coded; see [`Coding`].
    pub coding: Coding,
}

impl PayloadId {
    /// Number of 64 KiB groups, the last one possibly shorter.
    pub fn groups(&self) -> u64 {
        self.length.div_ceil(GROUP_BYTES)
    }

    /// Bytes of the group index. One group needs none: its hash is the root itself.
    pub fn index_bytes(&self) -> u64 {
        if self.groups() > 1 { self.groups() * 32 } else { 0 }
    }
}

/// The coding of segments. New codings get new numbers; a device refuses numbers it does not know.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[repr(u8)]
pub enum Coding {
    /// Records of unchanged segments, Zstandard frames and adaptive streams.
    CopyAdd = 0,
}

impl Coding {
    /// The name in statements and manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CopyAdd => "copy-add/1",
        }
    }
}

/// The reviewer's manifest as it stands in the bundle.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestId {
    /// Bytes of the canonical JSON.
    pub length: u64,
    /// SHA-256 of the canonical JSON.
    pub sha256: Sha256,
    /// Bytes in the bundle (one Zstandard frame).
    pub stored_length: u64,
    /// SHA-256 of the bytes in the bundle.
    pub stored_sha256: Sha256,
}

/// What applying asks of a device; refused before the first write when the device allows less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceLimits {
    /// Bytes of memory that the decoder allocates at most.
    pub memory_bytes: u32,
    /// Log2 of the bytes of one target segment.
    pub segment_log2: u8,
    /// Operations of one frame or section at most.
    pub ops_max: u32,
    /// Log2 of the window of frames; 0: there are none.
    pub window_log2: u8,
    /// Log2 of the table of adaptive streams; 0: there are none.
    pub table_log2: u8,
    /// Bytes of storage for what is unpacked of the base.
    pub scratch_bytes: u64,
}

impl DeviceLimits {
    /// Bytes of one target segment (the last one may be shorter).
    pub fn segment_bytes(&self) -> u64 {
        1 << self.segment_log2
    }
}

/// What an artifact is, by its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[non_exhaustive]
pub enum ArtifactType {
    /// Anything else.
    Blob,
    /// An ELF executable or library.
    Elf,
    /// A PE executable or library.
    Pe,
    /// A zip archive.
    Zip,
    /// A Java archive.
    Jar,
    /// A Debian package.
    Deb,
    /// An RPM package.
    Rpm,
    /// A layer of an OCI image.
    OciLayer,
    /// An OCI image layout.
    OciImage,
    /// A squashfs file system.
    Squashfs,
    /// An erofs file system.
    Erofs,
    /// An ext2, ext3 or ext4 file system.
    Ext4,
    /// A kernel image.
    Kernel,
}

impl ArtifactType {
    /// The name in statements, manifests and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Blob => "blob",
            Self::Elf => "elf",
            Self::Pe => "pe",
            Self::Zip => "zip",
            Self::Jar => "jar",
            Self::Deb => "deb",
            Self::Rpm => "rpm",
            Self::OciLayer => "oci-layer",
            Self::OciImage => "oci-image",
            Self::Squashfs => "squashfs",
            Self::Erofs => "erofs",
            Self::Ext4 => "ext4",
            Self::Kernel => "kernel",
        }
    }
}

impl BundleHeader {
    /// Decodes and checks a header; a value of this type that came from here obeys every limit.
    ///
    /// # Errors
    /// Names the field that is beyond its limit or not allowed.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        if bytes.len() > HEADER_BYTES_MAX {
            return Err(FormatError::LimitExceeded("header"));
        }
        if bytes.first() != Some(&(HEADER_FORMAT as u8)) {
            return Err(FormatError::UnknownVersion);
        }
        let header: Self = wire::decode(bytes, "header")?;
        header.check()?;
        Ok(header)
    }

    /// Encodes the header to the front of `out`.
    ///
    /// # Errors
    /// The same as [`Self::decode`]: a header that no device accepts cannot be written.
    pub fn encode<'a>(&self, out: &'a mut [u8; HEADER_BYTES_MAX]) -> Result<&'a [u8], FormatError> {
        self.check()?;
        wire::encode(self, out, "header")
    }

    /// Bytes of the base map: one BLAKE3 chaining value for each block of the base, so that a mismatch can be named by
    /// its place. It is read only then, and proves itself against the signed root of the base. A base of one block
    /// needs none.
    pub fn base_map_bytes(&self) -> u64 {
        let blocks = self.base.length.div_ceil(1 << self.base_block_log2);
        if blocks > 1 { blocks * 32 } else { 0 }
    }

    /// Number of target segments.
    pub fn segments(&self) -> u64 {
        self.target.length.div_ceil(self.limits.segment_bytes())
    }

    fn check(&self) -> Result<(), FormatError> {
        let at_most = |field, value: u64, max: u64| match value <= max {
            true => Ok(()),
            false => Err(FormatError::LimitExceeded(field)),
        };
        let allowed = |field, holds: bool| {
            if holds { Ok(()) } else { Err(FormatError::BadField(field)) }
        };
        allowed("format", self.format == HEADER_FORMAT)?;
        allowed("hardware", !self.hardware.is_empty() && self.hardware.is_sorted_by(|a, b| a < b))?;
        for image in [&self.base, &self.target] {
            at_most("image length", image.length, IMAGE_BYTES_MAX)?;
            allowed("empty image", !image.is_empty() || *image == ImageId::EMPTY)?;
        }
        at_most("payload groups", self.payload.groups(), GROUPS_MAX)?;
        at_most("manifest length", self.manifest.stored_length, MANIFEST_BYTES_MAX)?;
        at_most("manifest length", self.manifest.length, IMAGE_BYTES_MAX)?;
        let segment_log2 = SEGMENT_LOG2_MIN..=SEGMENT_LOG2_MAX;
        allowed("segment size", segment_log2.contains(&self.limits.segment_log2))?;
        allowed("base block size", (BASE_BLOCK_LOG2_MIN..=BASE_BLOCK_LOG2_MAX).contains(&self.base_block_log2))?;
        at_most("base map", self.base_map_bytes(), BASE_MAP_BYTES_MAX)?;
        at_most("operations", self.limits.ops_max.into(), OPS_MAX.into())?;
        let (window, table) = (self.limits.window_log2, self.limits.table_log2);
        allowed("window", window == 0 || (WINDOW_LOG2_MIN..=WINDOW_LOG2_MAX).contains(&window))?;
        allowed("table", table == 0 || (TABLE_LOG2_MIN..=TABLE_LOG2_MAX).contains(&table))?;
        at_most("scratch", self.limits.scratch_bytes, IMAGE_BYTES_MAX)?;
        at_most("expires", self.expires.unwrap_or(0), IMAGE_BYTES_MAX)
    }
}
