//! `stella publish`: bundles, log and a signed index in one folder.
//!
//! Order of writing: bundles, log tiles, and the index last, each by rename; a reader that comes in between sees the old
//! index with files that are all there.

use crate::cli::Publish;
use crate::failure::Failure;
use crate::output::{Output, bytes};
use crate::signing::load_keys;
use delta_attest::fs::write_atomic;
use delta_attest::{SecretKey, SignedStatement, file};
use delta_bundle::{PublishedBundle, index_body, next_number};
use delta_format::channel::{INDEX_FILE, LOG_FOLDER};
use serde_json::json;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// The suffix of bundles.
const BUNDLE_SUFFIX: &str = "stella";

pub(crate) fn run(options: &Publish, output: &Output) -> Result<(), Failure> {
    let keys = load_keys(&options.keys)?;
    let folder = &options.folder;
    fs::create_dir_all(folder).map_err(|error| Failure::io(folder, &error))?;
    let index = folder.join(INDEX_FILE);
    let present = match fs::read(&index) {
        Ok(bytes) => Some(bytes),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(Failure::io(&index, &error)),
    };
    let number = next_number(present.as_deref())?;

    for bundle in &options.bundles {
        // A bundle that devices would refuse to read is found here, before anything is published.
        PublishedBundle::read(bundle)?;
    }
    for bundle in &options.bundles {
        let name = bundle.file_name().ok_or_else(|| Failure::usage(format!("{}: no file name", bundle.display())))?;
        copy(bundle, &folder.join(name))?;
    }
    if let Some(log) = &options.log {
        copy_log(log, &folder.join(LOG_FOLDER))?;
    }
    let bundles = bundles_in(folder)?.iter().map(|path| PublishedBundle::read(path)).collect::<Result<Vec<_>, _>>()?;
    let body = index_body(&options.channel, number, &bundles)?;
    let signed = SignedStatement::of_channel(&body, &keys.iter().collect::<Vec<&SecretKey>>())?;
    write_atomic(&index, &file::channel_file(&body, &signed)?)?;

    let entries: Vec<_> = (bundles.iter().map(PublishedBundle::entry))
        .map(|entry| {
            json!({
                "file": entry.file.as_str(),
                "product": entry.product.as_str(),
                "version": entry.version.to_string(),
                "full_image": entry.base.length == 0,
                "bundle_bytes": entry.bundle_bytes,
                "fetch_bytes": entry.fetch_bytes,
                "bundle_sha256": entry.bundle_sha256.to_string(),
            })
        })
        .collect();
    let object = json!({"folder": folder, "channel": options.channel.as_str(), "number": number, "bundles": entries});
    let mut text = format!("published {} number {number} in {}", options.channel, folder.display());
    for entry in bundles.iter().map(PublishedBundle::entry) {
        let kind = if entry.base.length == 0 { "full image" } else { "delta" };
        text.push_str(&format!(
            "\n  {} {} {kind}: {}, a device fetches {}",
            entry.product,
            entry.version,
            entry.file,
            bytes(entry.fetch_bytes)
        ));
    }
    output.result(&object, &text);
    Ok(())
}

fn bundles_in(folder: &Path) -> Result<Vec<PathBuf>, Failure> {
    let at_folder = |error| Failure::io(folder, &error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(at_folder)? {
        let path = entry.map_err(at_folder)?.path();
        if path.extension().is_some_and(|extension| extension == BUNDLE_SUFFIX) {
            paths.push(path);
        }
    }
    paths.sort();
    Ok(paths)
}

/// Copies what devices read of a log: tiles first, the checkpoint last. Full tiles never change and are copied once.
fn copy_log(log: &Path, to: &Path) -> Result<(), Failure> {
    let tiles = log.join("tile");
    if tiles.exists() {
        copy_tree(&tiles, &to.join("tile"))?;
    }
    copy(&log.join("checkpoint"), &to.join("checkpoint"))
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), Failure> {
    let at = |error| Failure::io(from, &error);
    for entry in fs::read_dir(from).map_err(at)? {
        let entry = entry.map_err(at)?;
        let (source, copied) = (entry.path(), to.join(entry.file_name()));
        if entry.file_type().map_err(at)?.is_dir() {
            copy_tree(&source, &copied)?;
        } else if !copied.exists() {
            copy(&source, &copied)?;
        }
    }
    Ok(())
}

/// Copies a file into place by rename, streaming. Copying a file onto itself is left alone.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let at = |error| Failure::io(to, &error);
    if let (Ok(from), Ok(to)) = (from.canonicalize(), to.canonicalize())
        && from == to
    {
        return Ok(());
    }
    let folder = to.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(folder).map_err(at)?;
    let mut source = fs::File::open(from).map_err(|error| Failure::io(from, &error))?;
    let mut out = tempfile::NamedTempFile::new_in(folder).map_err(at)?;
    io::copy(&mut source, out.as_file_mut()).map_err(at)?;
    let readable = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    out.as_file().set_permissions(readable).map_err(at)?;
    out.as_file().sync_all().map_err(at)?;
    out.persist(to).map_err(|error| at(error.error))?;
    Ok(())
}
