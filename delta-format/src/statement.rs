//! What the envelope really signs: the canonical in-toto statement of a body. `docs/formats/statement.md`.
//!
//! In: a header, a rollback attestation or a channel index. Out: one JSON text, byte for byte the same on the host
//! that signs and on the device that verifies, in RFC 8785 form (sorted keys, no spaces). The device renders; it never
//! parses JSON. The envelope around it is DSSE v1; the log entry is that envelope in canonical JSON.

use crate::header::{BundleHeader, ImageId};
use crate::limits::STATEMENT_BYTES_MAX;
use crate::rollback::{Release, RollbackAttestation};
use crate::{FormatError, Name, Sha256, Signature};
use core::fmt::{self, Write};

/// The DSSE payload type of every statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";
/// in-toto Statement v1.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// Predicate type of a bundle.
pub const DELTA_PREDICATE: &str = "https://stella.ops/predicates/delta/v1";
/// Predicate type of a rollback attestation.
pub const ROLLBACK_PREDICATE: &str = "https://stella.ops/predicates/rollback/v1";
/// Predicate type of a channel index.
pub const CHANNEL_PREDICATE: &str = "https://stella.ops/predicates/channel-index/v1";

/// A rendered statement.
pub type StatementBytes = heapless::Vec<u8, STATEMENT_BYTES_MAX>;

/// The statement of a bundle.
///
/// # Errors
/// [`FormatError::LimitExceeded`] when it is longer than [`STATEMENT_BYTES_MAX`].
pub fn of_bundle(header: &BundleHeader) -> Result<StatementBytes, FormatError> {
    statement(DELTA_PREDICATE, &header.product, &header.target, |predicate| {
        predicate.text("artifactType", header.artifact_type.name());
        predicate.object("base", |base| image(base, &header.base));
        predicate.number("baseBlockLog2", header.base_block_log2.into());
        if let Some(expires) = header.expires {
            predicate.number("expires", expires);
        }
        predicate.number("format", header.format.into());
        predicate.texts("hardware", header.hardware.iter().map(Name::as_str));
        predicate.object("limits", |limits| {
            limits.number("memoryBytes", header.limits.memory_bytes.into());
            limits.number("opsMax", header.limits.ops_max.into());
            limits.number("scratchBytes", header.limits.scratch_bytes);
            limits.number("segmentLog2", header.limits.segment_log2.into());
            limits.number("tableLog2", header.limits.table_log2.into());
            limits.number("windowLog2", header.limits.window_log2.into());
        });
        predicate.object("manifest", |manifest| {
            manifest.object("digest", |digest| digest.text("sha256", header.manifest.sha256));
            manifest.number("length", header.manifest.length);
            manifest.object("stored", |stored| {
                stored.object("digest", |digest| digest.text("sha256", header.manifest.stored_sha256));
                stored.number("length", header.manifest.stored_length);
            });
        });
        predicate.object("payload", |payload| {
            payload.text("coding", header.payload.coding.name());
            payload.object("digest", |digest| digest.text("blake3", header.payload.root));
            payload.number("length", header.payload.length);
        });
        predicate.text("product", &header.product);
        predicate.object("target", |target| image(target, &header.target));
        predicate.text("version", header.version);
    })
}

/// The statement of a rollback attestation. Its subject is the image to go back to.
///
/// # Errors
/// As [`of_bundle`].
pub fn of_rollback(attestation: &RollbackAttestation) -> Result<StatementBytes, FormatError> {
    let release = |object: &mut Object<'_>, release: &Release| {
        object.object("image", |id| image(id, &release.image));
        object.text("version", release.version);
    };
    statement(ROLLBACK_PREDICATE, &attestation.product, &attestation.to.image, |predicate| {
        if let Some(expires) = attestation.expires {
            predicate.number("expires", expires);
        }
        predicate.text("floor", attestation.floor);
        predicate.number("format", attestation.format.into());
        predicate.object("from", |from| release(from, &attestation.from));
        predicate.text("product", &attestation.product);
        predicate.text("reason", attestation.reason.as_str());
        predicate.object("to", |to| release(to, &attestation.to));
        predicate.text("who", attestation.who.as_str());
    })
}

/// The statement of a channel index: it names the body by its digest, because the entries are too long to repeat.
///
/// # Errors
/// As [`of_bundle`].
pub fn of_channel(channel: &Name, number: u64, body_sha256: Sha256) -> Result<StatementBytes, FormatError> {
    render(
        CHANNEL_PREDICATE,
        channel,
        |digest| digest.text("sha256", body_sha256),
        |predicate| {
            predicate.text("channel", channel);
            predicate.number("number", number);
        },
    )
}

fn image(object: &mut Object<'_>, id: &ImageId) {
    object.object("digest", |digest| digests(digest, id));
    object.number("length", id.length);
}

fn digests(object: &mut Object<'_>, id: &ImageId) {
    object.text("blake3", id.blake3);
    object.text("sha256", id.sha256);
}

fn statement(
    predicate_type: &str,
    subject: &Name,
    image: &ImageId,
    predicate: impl FnOnce(&mut Object<'_>),
) -> Result<StatementBytes, FormatError> {
    render(predicate_type, subject, |digest| digests(digest, image), predicate)
}

fn render(
    predicate_type: &str,
    subject: &Name,
    digest: impl FnOnce(&mut Object<'_>),
    predicate: impl FnOnce(&mut Object<'_>),
) -> Result<StatementBytes, FormatError> {
    let mut json = Json { bytes: StatementBytes::new(), overflow: false };
    Object::write(&mut json, |root| {
        root.text("_type", STATEMENT_TYPE);
        root.object("predicate", predicate);
        root.text("predicateType", predicate_type);
        root.key("subject");
        root.json.push(b"[");
        Object::write(root.json, |object| {
            object.object("digest", digest);
            object.text("name", subject);
        });
        root.json.push(b"]");
    });
    if json.overflow { Err(FormatError::LimitExceeded("statement")) } else { Ok(json.bytes) }
}

/// The DSSE pre-authentication encoding of a statement, handed to `sink` in pieces (DSSE v1, protocol.md).
pub fn pre_authentication_encoding(statement: &[u8], mut sink: impl FnMut(&[u8])) {
    let mut head = heapless::String::<64>::new();
    write!(head, "DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), statement.len()).expect("64 bytes hold the head");
    sink(head.as_bytes());
    sink(statement);
}

/// The log entry of an envelope, handed to `sink` in pieces: the DSSE envelope as canonical JSON.
///
/// `signatures` are the full key ids and signatures, in the order of the capsule.
pub fn log_entry<'a>(
    statement: &[u8],
    signatures: impl Iterator<Item = (&'a Sha256, &'a Signature)>,
    mut sink: impl FnMut(&[u8]),
) {
    sink(b"{\"payload\":\"");
    base64(statement, &mut sink);
    sink(b"\",\"payloadType\":\"");
    sink(PAYLOAD_TYPE.as_bytes());
    sink(b"\",\"signatures\":[");
    for (index, (key_id, signature)) in signatures.enumerate() {
        let mut head = heapless::String::<96>::new();
        let comma = if index == 0 { "" } else { "," };
        write!(head, "{comma}{{\"keyid\":\"{key_id}\",\"sig\":\"").expect("96 bytes hold a key id");
        sink(head.as_bytes());
        base64(signature.as_bytes(), &mut sink);
        sink(b"\"}");
    }
    sink(b"]}");
}

/// RFC 4648 section 4 base64 with padding, handed to `sink` four characters at a time.
pub fn base64(bytes: &[u8], mut sink: impl FnMut(&[u8])) {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for chunk in bytes.chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        let mut quad = [18, 12, 6, 0].map(|shift| ALPHABET[(bits >> shift) as usize & 63]);
        quad[chunk.len() + 1..].fill(b'=');
        sink(&quad);
    }
}

/// The text under construction; remembers that it overflowed instead of failing at each step.
struct Json {
    bytes: StatementBytes,
    overflow: bool,
}

impl Json {
    fn push(&mut self, bytes: &[u8]) {
        self.overflow |= self.bytes.extend_from_slice(bytes).is_err();
    }

    /// A string in RFC 8785 section 3.2.2.2 form.
    fn string(&mut self, text: impl fmt::Display) {
        struct Escape<'a>(&'a mut Json);
        impl Write for Escape<'_> {
            fn write_str(&mut self, text: &str) -> fmt::Result {
                for byte in text.bytes() {
                    match byte {
                        b'"' => self.0.push(b"\\\""),
                        b'\\' => self.0.push(b"\\\\"),
                        _ => self.0.push(&[byte]),
                    }
                }
                Ok(())
            }
        }
        self.push(b"\"");
        write!(Escape(self), "{text}").expect("escaping never fails");
        self.push(b"\"");
    }
}

/// A JSON object whose keys must come in order; a wrong order is a bug in this file and stops every test.
struct Object<'a> {
    json: &'a mut Json,
    last: Option<&'static str>,
}

impl Object<'_> {
    fn write(json: &mut Json, fill: impl FnOnce(&mut Object<'_>)) {
        json.push(b"{");
        fill(&mut Object { json, last: None });
        json.push(b"}");
    }

    fn key(&mut self, key: &'static str) {
        assert!(self.last.is_none_or(|last| last < key), "keys are written in order");
        if self.last.replace(key).is_some() {
            self.json.push(b",");
        }
        self.json.string(key);
        self.json.push(b":");
    }

    fn text(&mut self, key: &'static str, value: impl fmt::Display) {
        self.key(key);
        self.json.string(value);
    }

    fn texts<'t>(&mut self, key: &'static str, values: impl Iterator<Item = &'t str>) {
        self.key(key);
        self.json.push(b"[");
        for (index, value) in values.enumerate() {
            if index > 0 {
                self.json.push(b",");
            }
            self.json.string(value);
        }
        self.json.push(b"]");
    }

    fn number(&mut self, key: &'static str, value: u64) {
        self.key(key);
        let mut digits = heapless::String::<20>::new();
        write!(digits, "{value}").expect("20 digits hold a u64");
        self.json.push(digits.as_bytes());
    }

    fn object(&mut self, key: &'static str, fill: impl FnOnce(&mut Object<'_>)) {
        self.key(key);
        Object::write(self.json, fill);
    }
}
