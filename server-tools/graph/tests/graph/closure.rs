//! Libraries of an image come out of the image, whatever its links and names say.

use delta_graph::closure::{Closure, Places};
use std::os::unix::fs::symlink;
use std::path::Path;

/// A program of this machine, alone in an image: what it needs is missing, though links of the image lead to folders of
/// this machine that have it; and found where the links lead in the image.
#[test]
fn links_stay_below_the_root() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().canonicalize().expect("a folder");
    let library = "/lib/x86_64-linux-gnu/libc.so.6";
    std::fs::create_dir_all(root.join("usr/bin")).expect("a folder");
    std::fs::copy("/bin/true", root.join("usr/bin/true")).expect("a program of this machine");
    for name in ["lib", "lib64", "usr/lib"] {
        symlink(Path::new("/").join(name), root.join(name)).expect("a link");
    }
    symlink("/lib/x86_64-linux-gnu", root.join("lib32")).expect("a link");
    symlink(library, root.join("usr/bin/libc.so.6")).expect("a link");
    assert!(Path::new(library).exists(), "{library} of this machine");
    let places = Places { root: root.clone(), folders: vec![root.join("usr/bin")] };
    let read = || Closure::read(&[root.join("usr/bin/true")], &places, true).expect("a program");
    assert_eq!(read().missing, ["/lib64/ld-linux-x86-64.so.2", "libc.so.6"]);
    std::fs::remove_file(root.join("lib")).expect("a link");
    symlink("/other/../else", root.join("lib")).expect("a link");
    std::fs::create_dir_all(root.join("else/x86_64-linux-gnu")).expect("a folder");
    std::fs::create_dir(root.join("other")).expect("a folder");
    std::fs::copy(library, root.join("else/x86_64-linux-gnu/libc.so.6")).expect("a library");
    let closure = read();
    // The C library needs the loader too, by its short name.
    assert_eq!(closure.missing, ["/lib64/ld-linux-x86-64.so.2", "ld-linux-x86-64.so.2"]);
    assert!(closure.files.iter().all(|file| file.path.starts_with(&root)), "{:?}", closure.files);
}
