//! A signed file taken apart and put together again with a right checksum, so that each check behind the checksum can
//! be reached.

use delta_bundle::blake3_parts;
use delta_format::capsule::Capsule;
use delta_format::container::{BundleLayout, Kind, PREFIX_BYTES, Prefix, encode_prefix};
use delta_format::header::BundleHeader;
use delta_format::limits::CAPSULE_BYTES_MAX;
use delta_format::wire;

/// The parts of a bundle, rollback attestation or channel index.
#[derive(Clone, Debug)]
pub struct Parts {
    /// What kind of file.
    pub kind: Kind,
    /// Header, attestation or index.
    pub body: Vec<u8>,
    /// The capsule.
    pub capsule: Vec<u8>,
    /// Group index, payload, base map and stored manifest; empty but for bundles.
    pub rest: [Vec<u8>; 4],
}

/// Place of the payload in [`Parts::rest`].
pub const PAYLOAD: usize = 1;
/// Place of the base map in [`Parts::rest`].
pub const BASE_MAP: usize = 2;
/// Place of the stored manifest in [`Parts::rest`].
pub const MANIFEST: usize = 3;

impl Parts {
    /// Takes a well-formed file apart.
    pub fn of(kind: Kind, file: &[u8]) -> Self {
        let prefix = Prefix::decode(file, kind).expect("a prefix");
        let (body, capsule) = prefix.split(file, blake3_parts).expect("a head");
        let cut = |from: u64, to: u64| file[from as usize..to as usize].to_vec();
        let rest = match kind {
            Kind::Bundle => {
                let at = BundleLayout::new(&prefix, &BundleHeader::decode(body).expect("a header"));
                [
                    cut(at.index_at, at.payload_at),
                    cut(at.payload_at, at.base_map_at),
                    cut(at.base_map_at, at.manifest_at),
                    cut(at.manifest_at, at.file_bytes),
                ]
            }
            _ => Default::default(),
        };
        Self { kind, body: body.to_vec(), capsule: capsule.to_vec(), rest }
    }

    /// The file.
    pub fn seal(&self) -> Vec<u8> {
        let prefix = encode_prefix(self.kind, &self.body, &self.capsule, blake3_parts).expect("within the limits");
        [&prefix[..], &self.body, &self.capsule, &self.rest.concat()].concat()
    }

    /// The same with a changed body, which need not obey the format.
    pub fn with_body(&self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut parts = self.clone();
        change(&mut parts.body);
        parts
    }

    /// The same with changed capsule bytes.
    pub fn with_capsule_bytes(&self, change: impl FnOnce(&mut Vec<u8>)) -> Self {
        let mut parts = self.clone();
        change(&mut parts.capsule);
        parts
    }

    /// The same with a changed header, which need not obey the limits and is not signed again.
    pub fn with_header(&self, change: impl FnOnce(&mut BundleHeader)) -> Self {
        let mut header = BundleHeader::decode(&self.body).expect("a header");
        change(&mut header);
        let mut buffer = [0; 4096];
        let body = wire::encode(&header, &mut buffer, "header").expect("fits");
        Self { body: body.to_vec(), ..self.clone() }
    }

    /// The same with a changed capsule.
    pub fn with_capsule(&self, change: impl FnOnce(&mut Capsule)) -> Self {
        let mut capsule = Capsule::decode(&self.capsule).expect("a capsule");
        change(&mut capsule);
        let mut buffer = [0; CAPSULE_BYTES_MAX];
        Self { capsule: capsule.encode(&mut buffer).expect("fits").to_vec(), ..self.clone() }
    }

    /// Where the first byte after the head stands.
    pub fn head_bytes(&self) -> usize {
        PREFIX_BYTES + self.body.len() + self.capsule.len()
    }
}
