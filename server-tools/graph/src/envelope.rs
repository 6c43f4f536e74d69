//! DSSE envelopes in canonical JSON, as `delta-attest` writes them and as they stand in the log.
//!
//! Signatures are verified by the function of `delta-verify` that devices use, with keys of the trust root and its
//! threshold of signers.

use crate::error::Refused;
use delta_format::capsule::EnvelopeSignature;
use delta_format::statement::{self, PAYLOAD_TYPE};
use delta_format::{Sha256, Signature};
use delta_verify::envelope::{self, UnknownKeys};
use delta_verify::{Role, TrustRoot, base64};
use serde::Deserialize;

/// Bytes of an envelope: a statement of 4 KiB in base64, and 8 signatures.
pub const ENVELOPE_BYTES_MAX: usize = 8_192;

/// An envelope that was read and not yet verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Envelope {
    statement: Vec<u8>,
    signatures: Vec<(Sha256, Signature)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<'a> {
    payload: &'a str,
    #[serde(rename = "payloadType")]
    payload_type: &'a str,
    #[serde(borrow)]
    signatures: Vec<WireSignature<'a>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSignature<'a> {
    keyid: &'a str,
    sig: &'a str,
}

impl Envelope {
    /// Reads the canonical JSON of an envelope.
    ///
    /// # Errors
    /// [`Refused`].
    pub fn read(json: &[u8]) -> Result<Self, Refused> {
        if json.len() > ENVELOPE_BYTES_MAX {
            return Err(Refused::Limit("ENVELOPE_BYTES_MAX"));
        }
        let wire: Wire<'_> = serde_json::from_slice(json).map_err(|error| Refused::Syntax(error.to_string()))?;
        if wire.payload_type != PAYLOAD_TYPE {
            return Err(Refused::Field("payloadType"));
        }
        let mut statement = vec![0; wire.payload.len()];
        let length = base64::decode_into(wire.payload.as_bytes(), &mut statement).ok_or(Refused::Field("payload"))?;
        statement.truncate(length);
        let signature = |wire: WireSignature<'_>| {
            let id = wire.keyid.parse().map_err(|_| Refused::Field("keyid"))?;
            let signature = base64::decode::<64>(wire.sig.as_bytes()).ok_or(Refused::Field("sig"))?;
            Ok((id, Signature::new(signature)))
        };
        let signatures = wire.signatures.into_iter().map(signature).collect::<Result<_, Refused>>()?;
        let envelope = Self { statement, signatures };
        if envelope.to_json() != json {
            return Err(Refused::NotCanonical);
        }
        Ok(envelope)
    }

    /// The canonical JSON.
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Vec::new();
        let signatures = self.signatures.iter().map(|(id, signature)| (id, signature));
        statement::log_entry(&self.statement, signatures, |part| json.extend_from_slice(part));
        json
    }

    /// The statement, whether or not anybody signed it.
    pub fn statement(&self) -> &[u8] {
        &self.statement
    }

    /// Verifies that enough signers of the trust root signed. The ids of those who did.
    ///
    /// # Errors
    /// [`Refused::Signature`]: a signature of a known key that does not hold, or too few of them.
    pub fn verify(&self, trust: &TrustRoot) -> Result<Vec<Sha256>, Refused> {
        // Keys are looked up by a part of their ids; an envelope has the whole.
        let is_other = |id: &Sha256| trust.signer(envelope::key_hint(id)).is_some_and(|signer| signer.id() != *id);
        let known = self.signatures.iter().filter(|(id, _)| !is_other(id));
        let wire =
            known.map(|(id, signature)| EnvelopeSignature { key: envelope::key_hint(id), signature: *signature });
        let signatures: Vec<EnvelopeSignature> = wire.collect();
        let signers = envelope::verify(&self.statement, &signatures, trust, Role::Signer, UnknownKeys::Skip);
        let refused = |refusal| Refused::Signature(format!("{refusal} (trust root '{}')", trust.name()));
        Ok(signers.map_err(refused)?.to_vec())
    }
}
