//! Makes a bundle: scan, code, describe, decode and compare; then, with a capsule, write it in one piece.

use crate::blake3_parts;
use crate::manifest::DeltaManifest;
use crate::pages;
use crate::payload::{self, EncodeError, Payload};
use crate::profile::Profile;
use delta_apply::os::slot::SlotFile;
use delta_apply::{Applied, Applier, ApplyError, GroupIndex, IoError, ReadAt, Target, subtree_value};
use delta_format::capsule::Capsule;
use delta_format::container::{BundleLayout, Kind, Prefix, encode_prefix};
use delta_format::header::{BundleHeader, HEADER_FORMAT, ManifestId};
use delta_format::limits::*;
use delta_format::ops::Watermark;
use delta_format::statement::{self, StatementBytes};
use delta_format::{FormatError, Name, Sha256, Version};
use delta_ingest::Artifact;
use delta_scanner::{Control, Options, Stats};
use rayon::prelude::*;
use sha2::Digest;
use std::fs::File;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use tempfile::NamedTempFile;

/// What the maker says about a target.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The product line.
    pub product: Name,
    /// Hardware that may run the target; any order.
    pub hardware: Vec<Name>,
    /// The version of the target.
    pub version: Version,
    /// Unix seconds after which the bundle must not be installed.
    pub expires: Option<u64>,
    /// Log2 of the bytes of one segment; [`crate::SEGMENT_LOG2_DEFAULT`] unless resuming needs a finer grain.
    pub segment_log2: u8,
    /// For how much memory of a device it is made.
    pub profile: Profile,
}

/// The stages of making a bundle, in order; each counts in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Stage {
    /// Hashing base and target.
    Digest,
    /// Comparing them.
    Scan(delta_scanner::Stage),
    /// Coding the payload.
    Encode,
    /// Decoding it again and comparing with the target.
    Check,
}

/// Called from any thread with a stage, what is done of it, and all of it.
pub type Progress<'a> = &'a (dyn Fn(Stage, u64, u64) + Sync);

/// Why no bundle was made. Nothing is left behind.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CreateError {
    /// The description of the bundle is not one that devices accept.
    #[error("this bundle would be refused by every device: {0}")]
    Format(#[from] FormatError),
    /// A file could not be written.
    #[error("{path}: {source}")]
    Io {
        /// Which file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The payload does not decode to the target: a bug here, or failing memory. Nothing was written.
    #[error("the finished delta does not give the target back ({0}); please report this as a bug")]
    NotReproduced(String),
    /// The index of the payload's groups leaves too little of the profile's memory.
    #[error("applying this takes {memory_bytes} bytes of memory, more than the profile {profile} allows")]
    TooLarge {
        /// The profile.
        profile: Profile,
        /// What it takes.
        memory_bytes: u32,
    },
    /// The caller's cancel flag was set.
    #[error("cancelled; nothing was written")]
    Cancelled,
}

/// A bundle that lacks only its proof.
#[derive(Debug)]
pub struct Draft {
    /// The facts to sign.
    pub header: BundleHeader,
    /// The reviewer's manifest, canonical JSON.
    pub manifest_json: Vec<u8>,
    /// What the exact operations amount to.
    pub stats: Stats,
    payload: NamedTempFile,
    index: Vec<u8>,
    base_map: Vec<u8>,
    manifest_stored: Vec<u8>,
}

/// Compares `base` and `target` and codes the delta. `scratch` is a folder with room for the payload.
///
/// # Errors
/// [`CreateError`]; nothing is left in `scratch`.
pub fn draft(
    base: &Artifact,
    target: &Artifact,
    facts: &Facts,
    scratch: &Path,
    progress: Progress<'_>,
    cancel: &AtomicBool,
) -> Result<Draft, CreateError> {
    pages::bounded([base, target], || draft_unbounded(base, target, facts, scratch, progress, cancel))
}

fn draft_unbounded(
    base: &Artifact,
    target: &Artifact,
    facts: &Facts,
    scratch: &Path,
    progress: Progress<'_>,
    cancel: &AtomicBool,
) -> Result<Draft, CreateError> {
    let in_scratch = |source| CreateError::Io { path: scratch.to_owned(), source };
    let (base_bytes, target_bytes) = (base.bytes(), target.bytes());
    let both = (base_bytes.len() + target_bytes.len()) as u64;
    let hashed = Counter::new(Stage::Digest, both, progress);
    let (base_id, target_id) = (base.digest(|n| hashed.add(n)), target.digest(|n| hashed.add(n)));

    let scan_progress = |stage, done, total| progress(Stage::Scan(stage), done, total);
    let options = Options::new(facts.segment_log2, payload::OPS_MAX);
    let options = options.ok_or(FormatError::BadField("segment size"))?;
    let control = Control::new(&scan_progress, cancel);
    let scan = delta_scanner::scan(base_bytes, target_bytes, control).map_err(|_| CreateError::Cancelled)?;

    let mut file = NamedTempFile::new_in(scratch).map_err(in_scratch)?;
    let encoded = Counter::new(Stage::Encode, target_bytes.len() as u64, progress);
    let writer = BufWriter::with_capacity(1 << 20, file.as_file_mut());
    let Payload { id, index, limits, spent, ops, functions } =
        payload::encode(base_bytes, target_bytes, &scan.equal, (options, facts.profile), writer, control, &|n| {
            encoded.add(n)
        })
        .map_err(|error| match error {
            EncodeError::Cancelled => CreateError::Cancelled,
            EncodeError::Io(error) => in_scratch(error),
        })?;
    if limits.memory_bytes > facts.profile.memory_bytes() {
        return Err(CreateError::TooLarge { profile: facts.profile, memory_bytes: limits.memory_bytes });
    }

    let base_block_log2 = base_block_log2(base_id.length);
    let mut hardware = facts.hardware.clone();
    hardware.sort();
    hardware.dedup();
    let mut header = BundleHeader {
        format: HEADER_FORMAT,
        product: facts.product.clone(),
        hardware: heapless::Vec::from_slice(&hardware).map_err(|_| FormatError::LimitExceeded("hardware"))?,
        version: facts.version,
        artifact_type: target.artifact_type(),
        base: base_id,
        target: target_id,
        payload: id,
        manifest: ManifestId { length: 0, sha256: sha256(&[]), stored_length: 0, stored_sha256: sha256(&[]) },
        limits,
        base_block_log2,
        expires: facts.expires,
    };
    let manifest =
        DeltaManifest::new(&header, &scan, (&ops, &spent, functions), target_bytes, statement::DELTA_PREDICATE);
    let manifest_json = manifest.to_canonical_json();
    let manifest_stored = zstd::bulk::compress(&manifest_json, MANIFEST_LEVEL).map_err(in_scratch)?;
    header.manifest = ManifestId {
        length: manifest_json.len() as u64,
        sha256: sha256(&manifest_json),
        stored_length: manifest_stored.len() as u64,
        stored_sha256: sha256(&manifest_stored),
    };
    // A header that cannot be encoded is found before the long check.
    header.encode(&mut [0; HEADER_BYTES_MAX])?;
    let base_map = base_map(base_bytes, base_block_log2);
    assert_eq!(base_map.len() as u64, header.base_map_bytes(), "the header says how long the base map is");

    let stats = Stats::of(&ops);
    let draft = Draft { header, manifest_json, stats, payload: file, index, base_map, manifest_stored };
    draft.check(base_bytes, target_bytes, Counter::new(Stage::Check, target_bytes.len() as u64, progress), cancel)?;
    Ok(draft)
}

/// Zstandard level of the stored manifest: of the binary tree family, as for segments, and quick enough for the tens of
/// megabytes that the operations of an image take.
const MANIFEST_LEVEL: i32 = 13;

impl Draft {
    /// What the envelope signs.
    ///
    /// # Errors
    /// [`FormatError`] when the statement is too long.
    pub fn statement(&self) -> Result<StatementBytes, FormatError> {
        statement::of_bundle(&self.header)
    }

    /// Writes the bundle to `path`: to a temporary file beside it first, then by rename.
    ///
    /// # Errors
    /// [`CreateError`]; `path` is untouched then.
    pub fn write(self, capsule: &Capsule, path: &Path) -> Result<BundleLayout, CreateError> {
        let at_path = |source| CreateError::Io { path: path.to_owned(), source };
        let (mut header, mut proof) = ([0; HEADER_BYTES_MAX], vec![0; CAPSULE_BYTES_MAX]);
        let header = self.header.encode(&mut header)?;
        let proof = capsule.encode(&mut proof)?;
        let prefix = encode_prefix(Kind::Bundle, header, proof, blake3_parts)?;
        let layout = BundleLayout::new(&Prefix::decode(&prefix, Kind::Bundle)?, &self.header);

        let folder = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let mut out = NamedTempFile::new_in(folder).map_err(at_path)?;
        let mut payload = self.payload.into_file();
        let write = |out: &mut File| -> io::Result<()> {
            payload.seek(SeekFrom::Start(0))?;
            for part in [&prefix[..], header, proof, &self.index] {
                out.write_all(part)?;
            }
            io::copy(&mut payload.take(self.header.payload.length), out)?;
            out.write_all(&self.base_map)?;
            out.write_all(&self.manifest_stored)?;
            out.sync_all()
        };
        write(out.as_file_mut()).map_err(at_path)?;
        let written = out.as_file().metadata().map_err(at_path)?.len();
        assert_eq!(written, layout.file_bytes, "the layout says how long the file is");
        publish_permissions(out.as_file()).map_err(at_path)?;
        out.persist(path).map_err(|error| at_path(error.error))?;
        Ok(layout)
    }

    /// Applies the payload with the device's own engine and compares every byte.
    fn check(
        &self,
        mut base: &[u8],
        target: &[u8],
        counter: Counter<'_>,
        cancel: &AtomicBool,
    ) -> Result<(), CreateError> {
        let not_reproduced = |error: ApplyError<IoError>| match error {
            ApplyError::Cancelled => CreateError::Cancelled,
            error => CreateError::NotReproduced(error.to_string()),
        };
        let index = GroupIndex::verify(self.header.payload, self.index.clone())
            .map_err(|error| CreateError::NotReproduced(error.to_string()))?;
        let mut applier = Applier::new(&self.header, index).map_err(not_reproduced)?;
        let scratch = tempfile::tempfile().map_err(|error| CreateError::NotReproduced(error.to_string()))?;
        let mut scratch = SlotFile::new(scratch, self.header.limits.scratch_bytes)
            .map_err(|error| CreateError::NotReproduced(error.to_string()))?;
        let mut compare = Compare { expected: target, compared: 0 };
        let mut payload = PayloadFile(self.payload.as_file());
        let mut observer = |bytes| {
            counter.add(bytes);
            let stop = cancel.load(std::sync::atomic::Ordering::Relaxed);
            if stop { Err(delta_apply::Cancelled) } else { Ok(()) }
        };
        let applied = applier.apply(
            Watermark::default(),
            &mut payload,
            &mut base,
            &mut compare,
            &mut scratch,
            u64::MAX,
            &mut observer,
        );
        match applied.map_err(not_reproduced)? {
            Applied::Complete if compare.compared == target.len() as u64 => Ok(()),
            _ => Err(CreateError::NotReproduced("some bytes were not made".to_owned())),
        }
    }
}

/// A published file is for everybody to read; temporary files are made for their owner alone.
pub(crate) fn publish_permissions(file: &File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

/// The grain of the base map: the smallest that keeps the map within its limit.
fn base_block_log2(base_bytes: u64) -> u8 {
    let fits = |log2: &u8| base_bytes.div_ceil(1 << log2) * 32 <= BASE_MAP_BYTES_MAX;
    (BASE_BLOCK_LOG2_MIN..BASE_BLOCK_LOG2_MAX).find(fits).unwrap_or(BASE_BLOCK_LOG2_MAX)
}

fn base_map(base: &[u8], block_log2: u8) -> Vec<u8> {
    let block_bytes = 1usize << block_log2;
    if base.len() <= block_bytes {
        return Vec::new();
    }
    let value = |(block, bytes)| *subtree_value((block as u64) << block_log2, bytes).as_bytes();
    base.par_chunks(block_bytes).enumerate().map(value).collect::<Vec<_>>().concat()
}

fn sha256(bytes: &[u8]) -> Sha256 {
    Sha256::new(sha2::Sha256::digest(bytes).into())
}

/// Sums progress over threads.
struct Counter<'a> {
    stage: Stage,
    total: u64,
    done: std::sync::atomic::AtomicU64,
    progress: Progress<'a>,
}

impl<'a> Counter<'a> {
    fn new(stage: Stage, total: u64, progress: Progress<'a>) -> Self {
        Self { stage, total, done: 0.into(), progress }
    }

    fn add(&self, bytes: u64) {
        let done = self.done.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed) + bytes;
        (self.progress)(self.stage, done, self.total);
    }
}

/// A payload in a file of its own.
struct PayloadFile<'a>(&'a File);

impl delta_apply::Payload for PayloadFile<'_> {
    type Error = IoError;

    fn read_group(&mut self, group: u64, out: &mut [u8]) -> Result<(), IoError> {
        Ok(self.0.read_exact_at(out, group * GROUP_BYTES)?)
    }
}

/// A target that holds nothing yet and accepts the expected bytes only, in order.
struct Compare<'a> {
    expected: &'a [u8],
    compared: u64,
}

impl ReadAt for Compare<'_> {
    /// Gives bytes that are wrong everywhere, so that the engine writes every block.
    fn read_at(&mut self, offset: u64, out: &mut [u8]) -> Result<(), IoError> {
        let range = offset as usize..offset as usize + out.len();
        let expected = self.expected.get(range).ok_or(IoError::EIO)?;
        out.iter_mut().zip(expected).for_each(|(out, expected)| *out = !expected);
        Ok(())
    }
}

impl Target for Compare<'_> {
    fn write_at(&mut self, offset: u64, bytes: &[u8]) -> Result<(), IoError> {
        let range = offset as usize..offset as usize + bytes.len();
        if offset != self.compared || self.expected.get(range) != Some(bytes) {
            return Err(IoError::EIO);
        }
        self.compared += bytes.len() as u64;
        Ok(())
    }

    fn sync(&mut self) -> Result<(), IoError> {
        Ok(())
    }
}
