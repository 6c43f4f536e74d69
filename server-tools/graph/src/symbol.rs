//! Identities of functions: `symbol_id` and `symbol_digest`.
//!
//! SHA-256 over file, section, address, name and linkage with zero bytes between them, where the file is its build-id or,
//! without one, the SHA-256 of its bytes, and the address is decimal.

use crate::model::{Binary, Function};
use delta_format::Sha256;
use delta_functions::label::demangled;
use delta_verify::sha256_of_parts;

const URL_ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// The digest of a function's identity.
pub fn digest(binary: &Binary, function: &Function) -> Sha256 {
    let file = file_id(binary);
    let address = function.address.to_string();
    let linkage = if function.is_exported { "export" } else { "local" };
    let parts = [file.as_str(), &function.section, &address, &function.symbol, linkage];
    sha256_of_parts(&[parts.join("\0").as_bytes()])
}

/// `sym:binary:` and the digest in base64url without padding (RFC 4648 section 5).
pub fn id(digest: &Sha256) -> String {
    let mut text = String::from("sym:binary:");
    for chunk in digest.as_bytes().chunks(3) {
        let at = |index: usize| u32::from(chunk.get(index).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        let letters = [18, 12, 6, 0].map(|shift| char::from(URL_ALPHABET[(bits >> shift) as usize & 63]));
        text.extend(letters.iter().take(chunk.len() + 1));
    }
    text
}

/// `gnu-build-id:` and the id, or `sha256:` and the digest of the file.
pub fn file_id(binary: &Binary) -> String {
    match &binary.build_id {
        Some(id) => format!("gnu-build-id:{id}"),
        None => format!("sha256:{}", binary.sha256),
    }
}

/// A name as people read it.
pub fn display(symbol: &str) -> String {
    demangled(symbol.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The empty digest of RFC 4648 style encoders: 32 bytes are 43 letters.
    #[test]
    fn ids_are_base64url() {
        assert_eq!(id(&Sha256::new([0xff; 32])), format!("sym:binary:{}8", "_".repeat(42)));
        assert_eq!(id(&Sha256::new([0; 32])).len(), "sym:binary:".len() + 43);
    }
}
