//! A container image in an OCI image layout (image-spec 1.1): its layers, one over the other.
//!
//! In: the files of the layout, from a directory or a tar. Out: the tree that a container would see. Blobs are compared
//! with the digests that name them. Signatures and attestations in the layout are not looked at.

use super::{DOCUMENT_BYTES_MAX, Kind, LAYERS_MAX, Place, Tree, TreeError, UNPACKED_BYTES_MAX, name, tar, unpacked};
use serde_json::Value;
use sha2::Digest;
use std::collections::BTreeMap;

pub(super) const LAYOUT: &str = "oci-layout";
pub(super) const INDEX: &str = "index.json";
/// Names that take away a file of a lower layer, and everything of a folder.
const WHITEOUT: &str = ".wh.";
const OPAQUE: &str = ".wh..wh..opq";
/// Indexes in indexes.
const INDEXES_MAX: usize = 4;

/// The tree of the one image in a layout.
pub(super) fn image(layout: &Tree) -> Result<Tree, TreeError> {
    let mut document = json(layout, INDEX, &layout.read(INDEX)?)?;
    for _ in 0..INDEXES_MAX {
        let Some(manifests) = document["manifests"].as_array() else { break };
        let is_image = |one: &&Value| one["platform"]["os"] != "unknown";
        let images: Vec<&Value> = manifests.iter().filter(is_image).collect();
        let [image] = images[..] else {
            let words = format!("{} images in one layout; copy the one that you mean into its own", images.len());
            return Err(TreeError::format(layout.inside(INDEX), words));
        };
        let path = blob(layout, image)?;
        document = json(layout, &path, &verified(layout, &path)?)?;
    }
    let missing = || TreeError::format(layout.inside(INDEX), "leads to no image manifest with layers");
    let layers = document["layers"].as_array().ok_or_else(missing)?;
    if layers.len() > LAYERS_MAX {
        return Err(TreeError::format(layout.inside(INDEX), format!("more than {LAYERS_MAX} layers")));
    }
    let (mut files, mut stores, mut room) = (BTreeMap::new(), Vec::new(), UNPACKED_BYTES_MAX);
    for layer in layers {
        let path = blob(layout, layer)?;
        let packed = verified(layout, &path)?;
        let store = unpacked::copied(&packed, &mut room).map_err(|e| TreeError::new(layout.inside(&path), e))?;
        let members = tar::members(store.bytes()).map_err(|words| TreeError::format(layout.inside(&path), words))?;
        put(&mut files, members, stores.len());
        stores.push(store);
    }
    Ok(Tree { root: layout.root.clone(), kind: Kind::ContainerImage, files, stores })
}

/// Puts a layer over the files below it.
fn put(files: &mut BTreeMap<String, Place>, members: Vec<tar::Member>, store: usize) {
    let below = |files: &mut BTreeMap<String, Place>, folder: &str| {
        let start = if folder.is_empty() { String::new() } else { format!("{folder}/") };
        let gone: Vec<String> = files
            .range(start.clone()..)
            .map_while(|(path, _)| path.starts_with(&start).then(|| path.clone()))
            .collect();
        gone.iter().for_each(|path| drop(files.remove(path)));
    };
    let folder = |path: &str| path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.to_owned());
    // Whiteouts are about lower layers only, wherever they stand in this one.
    for member in &members {
        if name(&member.path) == OPAQUE {
            below(files, &folder(&member.path));
        } else if let Some(gone) = name(&member.path).strip_prefix(WHITEOUT) {
            let path = [folder(&member.path), gone.to_owned()].join("/");
            files.remove(path.trim_start_matches('/'));
            below(files, path.trim_start_matches('/'));
        }
    }
    for member in members.into_iter().filter(|member| !name(&member.path).starts_with(WHITEOUT)) {
        files.remove(&member.path);
        if !member.is_folder {
            below(files, &member.path);
        }
        if let Some(content) = member.content {
            files.insert(member.path, Place::Stored(store, content));
        }
    }
}

fn json(layout: &Tree, path: &str, bytes: &[u8]) -> Result<Value, TreeError> {
    if bytes.len() > DOCUMENT_BYTES_MAX {
        return Err(TreeError::format(layout.inside(path), format!("longer than {DOCUMENT_BYTES_MAX} bytes")));
    }
    serde_json::from_slice(bytes).map_err(|error| TreeError::format(layout.inside(path), error.to_string()))
}

/// The path of the blob that a descriptor names.
fn blob(layout: &Tree, descriptor: &Value) -> Result<String, TreeError> {
    let digest = descriptor["digest"].as_str().unwrap_or_default();
    let hex = digest.strip_prefix("sha256:").filter(|hex| hex.len() == 64);
    match hex.filter(|hex| hex.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        Some(hex) => Ok(format!("blobs/sha256/{hex}")),
        None => Err(TreeError::format(layout.inside(INDEX), format!("'{digest}' is no SHA-256 of a blob"))),
    }
}

/// The bytes of a blob, which are what its name says.
fn verified<'t>(layout: &'t Tree, path: &str) -> Result<super::Content<'t>, TreeError> {
    let content = layout.read(path)?;
    let digest: String = sha2::Sha256::digest(&*content).iter().map(|byte| format!("{byte:02x}")).collect();
    if digest != name(path).to_ascii_lowercase() {
        return Err(TreeError::format(layout.inside(path), format!("damaged: its SHA-256 is {digest}; pull it again")));
    }
    Ok(content)
}
