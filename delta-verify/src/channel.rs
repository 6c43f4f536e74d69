//! Verifies a channel index: signed, not logged, and every entry readable before the first one is used.

use crate::envelope::{self, UnknownKeys};
use crate::evidence::{Evidence, Verified};
use crate::refusal::Refusal;
use crate::trust::{Role, TrustRoot};
use crate::{file, sha256_of_parts};
use delta_format::channel::{self, ChannelEntry, ChannelHead};
use delta_format::container::Kind;
use delta_format::{FormatError, statement};

/// A channel index whose entries all decode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel<'a> {
    head: ChannelHead,
    body: &'a [u8],
}

impl<'a> Channel<'a> {
    /// Name, number and how many entries.
    pub fn head(&self) -> &ChannelHead {
        &self.head
    }

    /// The entries, in their order.
    pub fn entries(&self) -> impl Iterator<Item = ChannelEntry> + use<'a> {
        // Every entry was decoded before a value of this type was made, so none is dropped here.
        channel::decode(self.body).into_iter().flat_map(|(_, entries)| entries).flatten()
    }
}

/// Verifies a whole `index.stella-channel` file.
///
/// # Errors
/// The first check that failed.
pub fn verify_channel<'a>(file: &'a [u8], trust: &TrustRoot) -> Result<Verified<Channel<'a>>, Refusal> {
    let (body, capsule, rest) = file::open(file, Kind::Channel)?;
    if !rest.is_empty() {
        return Err(Refusal::Malformed(FormatError::TrailingBytes));
    }
    if capsule.log.is_some() {
        return Err(Refusal::Malformed(FormatError::BadField("log")));
    }
    let (head, entries) = channel::decode(body).map_err(Refusal::of_format)?;
    for entry in entries {
        entry.map_err(Refusal::of_format)?;
    }
    let body_sha256 = sha256_of_parts(&[body]);
    let statement = statement::of_channel(&head.channel, head.number, body_sha256).map_err(Refusal::Malformed)?;
    let evidence = Evidence {
        signers: envelope::verify(&statement, &capsule.signatures, trust, Role::Signer, UnknownKeys::Skip)?,
        statement: sha256_of_parts(&[&statement]),
        log: None,
    };
    Ok(Verified::new(Channel { head, body }, evidence))
}
