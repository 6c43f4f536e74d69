//! `stella replay`: freezes all that an analysis was made from, and makes it again, bit for bit.
//!
//! A pack is a folder: `pack.json` (canonical JSON) names each part with its length and SHA-256, and `blobs/` holds the
//! parts under their digests. Running it makes the delta again from both images, functions and scores included.

use super::create::stage_name;
use super::score::{self, With};
use crate::failure::Failure;
use crate::output::{Output, bytes};
use crate::progress::{Progress, cancel_flag};
use delta_bundle::{BundleFile, Facts, Profile, Stage, draft};
use delta_format::header::BundleHeader;
use delta_format::limits::HEADER_BYTES_MAX;
use delta_ingest::Artifact;
use delta_score::first_difference;
use serde_json::{Map, Value, json};
use std::io::Read;
use std::path::{Path, PathBuf};

/// The format that this program writes and reads.
const PACK_FORMAT: &str = "stella-replay/1";
/// Bytes of a `pack.json`; it has seven parts at most.
const PACK_BYTES_MAX: u64 = 65_536;
const PACK_FILE: &str = "pack.json";
const BLOBS: &str = "blobs";
/// What a pack may hold.
const PARTS: [&str; 7] = ["base", "bundle", "policy", "score", "target", "trust", "weights"];

/// What goes into a pack, beside the record that is made of it.
#[derive(Debug)]
pub(crate) struct Parts<'a> {
    pub bundle: &'a Path,
    pub base: Option<&'a Path>,
    pub target: &'a Path,
    pub trust: Option<&'a Path>,
    pub policy: Option<&'a Path>,
    pub weights: Option<&'a Path>,
    pub now: Option<u64>,
    pub profile: Profile,
}

/// Scores a bundle, and puts it with all that it was made from into the new folder `pack`.
pub(crate) fn pack(parts: &Parts<'_>, pack: &Path, output: &Output) -> Result<(), Failure> {
    if pack.exists() {
        return Err(Failure::usage(format!("{}: it is there already; name a new folder", pack.display())));
    }
    let with = With { trust: parts.trust, now: parts.now, weights: parts.weights };
    let weights = score::weights(parts.weights)?;
    let record = delta_score::score(&score::of_bundle(parts.bundle, with)?, &weights);
    let parent = pack.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let at = |path: &Path| {
        let path = path.to_owned();
        move |error: std::io::Error| Failure::io(&path, &error)
    };
    let scratch = tempfile::tempdir_in(parent).map_err(at(parent))?;
    let blobs = scratch.path().join(BLOBS);
    std::fs::create_dir(&blobs).map_err(at(&blobs))?;
    let mut named = Map::new();
    let (made_record, made_weights) = (scratch.path().join("score"), scratch.path().join("weights"));
    std::fs::write(&made_record, record.to_canonical_json()).map_err(at(&made_record))?;
    std::fs::write(&made_weights, weights.to_canonical_json()).map_err(at(&made_weights))?;
    let files: [(&str, Option<&Path>); 7] = [
        ("base", parts.base),
        ("bundle", Some(parts.bundle)),
        ("policy", parts.policy),
        ("score", Some(&made_record)),
        ("target", Some(parts.target)),
        ("trust", parts.trust),
        ("weights", Some(&made_weights)),
    ];
    for (name, file) in files {
        let Some(file) = file else { continue };
        let (sha256, length) = digest(file)?;
        let blob = blobs.join(&sha256);
        std::fs::copy(file, &blob).map_err(at(file))?;
        named.insert(name.to_owned(), json!({"length": length, "sha256": sha256}));
    }
    for made in [&made_record, &made_weights] {
        std::fs::remove_file(made).map_err(at(made))?;
    }
    let document = json!({
        "analyzer": {"name": "stella", "version": env!("CARGO_PKG_VERSION")},
        "format": PACK_FORMAT,
        "now": parts.now,
        "parts": named,
        "profile": parts.profile.to_string(),
    });
    let listed = scratch.path().join(PACK_FILE);
    std::fs::write(&listed, document.to_string()).map_err(at(&listed))?;
    // A temporary folder is for its owner alone.
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(scratch.path(), std::fs::Permissions::from_mode(0o755)).map_err(at(pack))?;
    let folder = scratch.keep();
    std::fs::rename(&folder, pack).map_err(at(pack))?;
    let object = json!({"pack": pack, "parts": document["parts"], "delta_risk": record.delta_risk});
    let text = format!(
        "wrote {}: risk {} of 10,000, {}\n`stella replay run {}` makes all of it again",
        pack.display(),
        record.delta_risk,
        record.word,
        pack.display()
    );
    output.result(&object, &text);
    Ok(())
}

/// Checks every part of a pack, makes the delta and its score again, and names the first thing that is another.
pub(crate) fn run(pack: &Path, output: &Output) -> Result<(), Failure> {
    let opened = Pack::open(pack)?;
    let bundle_path = opened.need("bundle")?;
    let bundle = BundleFile::open(&bundle_path).map_err(|error| Failure::bundle(&bundle_path, error))?;
    let stored = bundle.manifest_json().map_err(|error| Failure::bundle(&bundle_path, error))?;
    let (header, manifest) = made_again(&opened, &bundle.header, output)?;
    let other = |what: &str| {
        let by = match opened.version.as_str() {
            env!("CARGO_PKG_VERSION") => String::new(),
            version => format!("; it was packed by version {version} of this program"),
        };
        let message = format!("{}: made again, {what} is another{by}", pack.display());
        Failure::new(Failure::VERIFICATION, "not-reproduced", message)
    };
    if manifest != stored {
        let at = first_difference(&parsed(&stored), &parsed(&manifest));
        return Err(other(&format!("the manifest's {}", at.unwrap_or_else(|| "spelling".to_owned()))));
    }
    let encoded = |header: &BundleHeader| header.encode(&mut [0; HEADER_BYTES_MAX]).map(<[u8]>::to_vec).ok();
    if encoded(&header) != encoded(&bundle.header) {
        return Err(other(if header.payload == bundle.header.payload { "the header" } else { "the payload" }));
    }
    let (trust, weights) = (opened.part("trust"), opened.need("weights")?);
    let with = With { trust: trust.as_deref(), now: opened.now, weights: Some(&weights) };
    let record = delta_score::score(&score::of_bundle(&bundle_path, with)?, &score::weights(Some(&weights))?);
    let score_path = opened.need("score")?;
    let stored = std::fs::read(&score_path).map_err(|error| Failure::io(&score_path, &error))?;
    let again = record.to_canonical_json();
    if again != stored {
        let at = first_difference(&parsed(&stored), &parsed(&again));
        return Err(other(&format!("the score's {}", at.unwrap_or_else(|| "spelling".to_owned()))));
    }
    let target = header.target.length;
    let object = json!({
        "pack": pack, "verdict": "reproduced", "delta_risk": record.delta_risk, "word": record.word,
        "target_sha256": header.target.sha256.to_string(), "payload_root": header.payload.root.to_string(),
    });
    let text = format!(
        "{}: made again, every byte is the same: payload, manifest with functions, score\ntarget   {}, sha256 {}\n\
         risk     {} of 10,000, {}",
        pack.display(),
        bytes(target),
        header.target.sha256,
        record.delta_risk,
        record.word
    );
    output.result(&object, &text);
    Ok(())
}

/// Header and manifest, made from the images alone.
fn made_again(pack: &Pack, header: &BundleHeader, output: &Output) -> Result<(BundleHeader, Vec<u8>), Failure> {
    let open = |path: &Path| Artifact::open(path).map_err(|error| Failure::io(path, &error));
    let (base, target) =
        (pack.part("base").map_or(Ok(Artifact::empty()), |path| open(&path))?, open(&pack.need("target")?)?);
    let facts = Facts {
        product: header.product.clone(),
        hardware: header.hardware.to_vec(),
        version: header.version,
        expires: header.expires,
        segment_log2: header.limits.segment_log2,
        profile: pack.profile,
    };
    let scratch = tempfile::tempdir().map_err(|error| Failure::io(Path::new("a temporary folder"), &error))?;
    let progress = Progress::new(output);
    let report = |stage: Stage, done, total| progress.set(&stage_name(stage), done, total);
    let made = draft(&base, &target, &facts, scratch.path(), &report, &cancel_flag())?;
    Ok((made.header.clone(), made.manifest_json.clone()))
}

/// A pack whose parts are what it says.
struct Pack {
    folder: PathBuf,
    /// Names and digests.
    parts: Vec<(&'static str, String)>,
    now: Option<u64>,
    profile: Profile,
    version: String,
}

impl Pack {
    fn open(folder: &Path) -> Result<Self, Failure> {
        let path = folder.join(PACK_FILE);
        let mut json = Vec::new();
        let file = std::fs::File::open(&path).map_err(|error| Failure::io(&path, &error))?;
        file.take(PACK_BYTES_MAX).read_to_end(&mut json).map_err(|error| Failure::io(&path, &error))?;
        let malformed = |what: &str| {
            let message = format!("{}: {what}; `stella replay pack` writes packs", path.display());
            Failure::new(Failure::VERIFICATION, "malformed", message)
        };
        let document = parsed(&json);
        if document["format"] != PACK_FORMAT || document.to_string().as_bytes() != json {
            return Err(malformed("it is not a canonical stella-replay/1 document"));
        }
        let profile = document["profile"].as_str().and_then(|name| name.parse().ok());
        let mut pack = Self {
            folder: folder.to_owned(),
            parts: Vec::new(),
            now: document["now"].as_u64(),
            profile: profile.ok_or_else(|| malformed("profile: there is none of this name"))?,
            version: document["analyzer"]["version"].as_str().unwrap_or_default().to_owned(),
        };
        for (name, part) in document["parts"].as_object().ok_or_else(|| malformed("parts: it is no object"))? {
            let known = PARTS.into_iter().find(|known| known == name);
            let name = known.ok_or_else(|| malformed(&format!("parts.{name}: there is no such part")))?;
            // A digest and nothing else: it becomes the name of a file.
            let sha256 = part["sha256"].as_str().filter(|text| text.parse::<delta_format::Sha256>().is_ok());
            let sha256 = sha256.ok_or_else(|| malformed(&format!("parts.{name}: it has no sha256")))?.to_owned();
            let blob = folder.join(BLOBS).join(&sha256);
            if digest(&blob)? != (sha256.clone(), part["length"].as_u64().unwrap_or(u64::MAX)) {
                let message = format!("{}: {name} is not what {PACK_FILE} says; fetch the pack again", blob.display());
                return Err(Failure::new(Failure::VERIFICATION, "damaged", message));
            }
            pack.parts.push((name, sha256));
        }
        Ok(pack)
    }

    fn part(&self, name: &str) -> Option<PathBuf> {
        let (_, sha256) = self.parts.iter().find(|(known, _)| *known == name)?;
        Some(self.folder.join(BLOBS).join(sha256))
    }

    fn need(&self, name: &str) -> Result<PathBuf, Failure> {
        self.part(name).ok_or_else(|| {
            let message = format!("{}: parts.{name} is missing; pack it again", self.folder.join(PACK_FILE).display());
            Failure::new(Failure::VERIFICATION, "malformed", message)
        })
    }
}

/// SHA-256 and length of a file.
fn digest(file: &Path) -> Result<(String, u64), Failure> {
    let artifact = Artifact::open(file).map_err(|error| Failure::io(file, &error))?;
    let id = artifact.digest(|_| ());
    Ok((id.sha256.to_string(), id.length))
}

fn parsed(json: &[u8]) -> Value {
    serde_json::from_slice(json).unwrap_or_default()
}
