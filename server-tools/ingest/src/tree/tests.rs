//! Trees of every kind hold the same files, and hostile ones cost little.

use super::*;
use std::fs;

/// A header of a tar, and the content behind it.
fn member(path: &str, kind: u8, content: &[u8]) -> Vec<u8> {
    let mut header = [0u8; 512];
    header[..path.len()].copy_from_slice(path.as_bytes());
    header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
    header[156] = kind;
    header[257..265].copy_from_slice(b"ustar\x0000");
    header[148..156].fill(b' ');
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let padding = content.len().next_multiple_of(512) - content.len();
    [&header[..], content, &vec![0; padding]].concat()
}

fn archive(members: &[(&str, u8, &[u8])]) -> Vec<u8> {
    let all = members.iter().flat_map(|(path, kind, content)| member(path, *kind, content));
    all.chain([0; 1024]).collect()
}

fn open(folder: &Path, name: &str, bytes: &[u8]) -> Result<Tree, TreeError> {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(&path, bytes).expect("written");
    Tree::open(&path)
}

fn listed(tree: &Tree) -> Vec<(String, Vec<u8>)> {
    tree.paths().map(|path| (path.to_owned(), tree.read(path).expect("readable").to_vec())).collect()
}

/// What a tree holds is the same in a directory and in a tar; links lead nowhere, and paths that leave are none.
#[test]
fn directories_and_archives() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("usr/bin")).expect("folders");
    fs::write(root.join("usr/bin/a"), b"one").expect("written");
    fs::write(root.join("b"), b"two").expect("written");
    fs::write(folder.path().join("secret"), b"outside").expect("written");
    std::os::unix::fs::symlink("../secret", root.join("link")).expect("a link");
    std::os::unix::fs::symlink("/etc", root.join("usr/etc")).expect("a link");
    fs::hard_link(root.join("b"), root.join("c")).expect("a second name");
    let expected = vec![("b".to_owned(), b"two".to_vec()), ("usr/bin/a".to_owned(), b"one".to_vec())];
    assert_eq!(listed(&Tree::open(&root).expect("a directory")), expected);
    let long = format!("{}\0", "d/".repeat(70) + "long");
    let tar = archive(&[
        ("./usr/bin/a", b'0', b"one"),
        ("b", 0, b"two"),
        ("link", b'2', b""),
        ("../out", b'0', b"outside"),
        ("././@LongLink", b'L', long.as_bytes()),
        ("cut", b'0', b"by its long name"),
        ("pax", b'x', b"12 path=e/f\n"),
        ("short", b'0', b"three"),
    ]);
    let tree = open(folder.path(), "a.tar", &tar).expect("a tar");
    assert_eq!(tree.kind(), Kind::Archive);
    let mut all = expected;
    all.push((long.trim_end_matches('\0').to_owned(), b"by its long name".to_vec()));
    all.push(("e/f".to_owned(), b"three".to_vec()));
    all.sort();
    assert_eq!(listed(&tree), all);
    assert!(tree.read("../out").is_err());
}

/// A file that was replaced since it was seen is refused, link or not.
#[test]
fn replaced_files_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let tree = open(folder.path(), "root/a", b"x").map(|_| Tree::open(&folder.path().join("root")).expect("a tree"));
    let tree = tree.expect("a tree");
    let path = folder.path().join("root/a");
    fs::rename(&path, folder.path().join("old")).expect("renamed");
    std::os::unix::fs::symlink("/etc/passwd", &path).expect("a link");
    assert!(tree.read("a").expect_err("a link").to_string().contains("root/a"));
}

/// A cut or changed tar is an error that names it; no bytes are a panic.
#[test]
fn damaged_archives() {
    let folder = tempfile::tempdir().expect("a folder");
    let tar = archive(&[("a", b'0', &[1; 700]), ("b", b'0', &[2; 700])]);
    for (name, bytes) in [("cut.tar", &tar[..900]), ("changed.tar", &[&tar[..1536], &[7; 512], &tar[2048..]].concat())]
    {
        assert!(open(folder.path(), name, bytes).expect_err("damaged").to_string().contains(name));
    }
    let mut state = 1u64;
    for _ in 0..2_000 {
        let mut broken = tar.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let at = (state >> 33) as usize % broken.len();
            broken[at] = (state >> 20) as u8;
        }
        let _ = (tar::members(&broken), ar::data(&broken));
    }
}

/// Layers lie one over the other; whiteouts take away what is below, and a blob that is not what its name says is refused.
#[test]
fn container_images() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("image");
    let blob = |bytes: &[u8]| {
        use sha2::Digest;
        let hex: String = sha2::Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        let _ = open(&root, &format!("blobs/sha256/{hex}"), bytes);
        hex
    };
    let below =
        archive(&[("a/x", b'0', b"x"), ("a/y", b'0', b"y"), ("b", b'0', b"b"), ("c", b'0', b"c"), ("d/e", b'0', b"e")]);
    let above = archive(&[("a/.wh..wh..opq", b'0', b""), ("a/z", b'0', b"z"), (".wh.b", b'0', b""), ("d", b'2', b"")]);
    let [below, above] = [below, above].map(|layer| blob(&layer));
    let layers = format!(r#"{{"layers":[{{"digest":"sha256:{below}"}},{{"digest":"sha256:{above}"}}]}}"#);
    let manifest = blob(layers.as_bytes());
    let index = format!(r#"{{"manifests":[{{"digest":"sha256:{manifest}"}}]}}"#);
    fs::write(root.join("index.json"), index).expect("written");
    fs::write(root.join("oci-layout"), "{}").expect("written");
    let tree = Tree::open(&root).expect("an image");
    let files = vec![("a/z".to_owned(), b"z".to_vec()), ("c".to_owned(), b"c".to_vec())];
    assert_eq!((tree.kind(), listed(&tree)), (Kind::ContainerImage, files));
    fs::write(root.join("blobs/sha256").join(&above), b"other").expect("written");
    assert!(Tree::open(&root).expect_err("a wrong blob").to_string().contains(&above));
}

/// Executables in any other file are found, named by their place.
#[test]
fn images() {
    let folder = tempfile::tempdir().expect("a folder");
    let program = fs::read("/bin/true").expect("a program");
    let image = [&[7; 4096][..], &program, &[9; 100]].concat();
    let tree = open(folder.path(), "root.img", &image).expect("an image");
    assert_eq!((tree.kind(), listed(&tree)), (Kind::Image, vec![("@0000001000".to_owned(), program)]));
}
