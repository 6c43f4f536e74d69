//! What an artifact is, told by its first bytes; names and suffixes are not looked at.

use delta_format::header::ArtifactType;

/// The type of an artifact. Anything that is not recognised is a blob, and is handled just as well.
pub fn artifact_type(bytes: &[u8]) -> ArtifactType {
    let at = |offset: usize, magic: &[u8]| bytes.get(offset..).is_some_and(|rest| rest.starts_with(magic));
    let checks: [(ArtifactType, bool); 11] = [
        // The PE header's place stands at 0x3c; kernels with an EFI stub are PE files too, so kernels come first.
        (ArtifactType::Kernel, at(0x202, b"HdrS") || at(0x38, b"ARM\x64") || at(0x24, b"\x18\x28\x6f\x01")),
        (ArtifactType::Elf, at(0, b"\x7fELF")),
        (ArtifactType::Pe, at(0, b"MZ") && pe_header(bytes).is_some_and(|offset| at(offset, b"PE\0\0"))),
        (ArtifactType::Deb, at(0, b"!<arch>\ndebian-binary")),
        (ArtifactType::Rpm, at(0, b"\xed\xab\xee\xdb")),
        (ArtifactType::Squashfs, at(0, b"hsqs")),
        (ArtifactType::Erofs, at(1024, b"\xe2\xe1\xf5\xe0")),
        (ArtifactType::Ext4, at(1024 + 56, b"\x53\xef")),
        (ArtifactType::Jar, at(0, b"PK\x03\x04") && at(30, b"META-INF/")),
        (ArtifactType::Zip, at(0, b"PK\x03\x04") || at(0, b"PK\x05\x06")),
        (ArtifactType::OciImage, at(257, b"ustar") && (at(0, b"oci-layout\0") || at(0, b"blobs/\0"))),
    ];
    checks.iter().find(|(_, holds)| *holds).map_or(ArtifactType::Blob, |(kind, _)| *kind)
}

fn pe_header(bytes: &[u8]) -> Option<usize> {
    let field: [u8; 4] = bytes.get(0x3c..0x40)?.try_into().ok()?;
    usize::try_from(u32::from_le_bytes(field)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(offset: usize, magic: &[u8], expected: ArtifactType) {
        let mut bytes = vec![0; offset + magic.len() + 64];
        bytes[offset..offset + magic.len()].copy_from_slice(magic);
        assert_eq!(artifact_type(&bytes), expected, "{magic:x?} at {offset}");
        assert_eq!(artifact_type(&bytes[..offset]), ArtifactType::Blob, "cut before the magic");
    }

    /// Each type is known by its magic, and a file that ends before it is a blob.
    #[test]
    fn magics() {
        check(0, b"\x7fELF\x02\x01", ArtifactType::Elf);
        check(0, b"!<arch>\ndebian-binary   ", ArtifactType::Deb);
        check(0, b"\xed\xab\xee\xdb\x03", ArtifactType::Rpm);
        check(0, b"hsqs", ArtifactType::Squashfs);
        check(1024, b"\xe2\xe1\xf5\xe0", ArtifactType::Erofs);
        check(1080, b"\x53\xef", ArtifactType::Ext4);
        check(0, b"PK\x03\x04rest", ArtifactType::Zip);
        check(0x202, b"HdrS", ArtifactType::Kernel);
        check(0, b"", ArtifactType::Blob);
    }

    /// A PE file is one whose header is where its first page says.
    #[test]
    fn pe() {
        let mut bytes = vec![0; 0x100];
        bytes[..2].copy_from_slice(b"MZ");
        bytes[0x3c] = 0x80;
        assert_eq!(artifact_type(&bytes), ArtifactType::Blob);
        bytes[0x80..0x84].copy_from_slice(b"PE\0\0");
        assert_eq!(artifact_type(&bytes), ArtifactType::Pe);
    }
}
