//! What an update changed in the executables of trees: the same answer for a directory, a package, an archive.

use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;
use tests_cli::World;

fn run(program: &str, arguments: &[&str], folder: &Path) {
    let status = Command::new(program).args(arguments).current_dir(folder).status();
    assert!(status.unwrap_or_else(|error| panic!("{program}: {error}")).success(), "{program} {arguments:?}");
}

/// Compiles a shared object of which one function is another one with `EXTRA`.
fn library(world: &World, file: &str, extra: bool) {
    let source = "static int s(int a){return a*3+1;}\n\
                  int one(int a){int r=a;for(int i=0;i<a;i++)r+=s(i)^a;return r;}\n\
                  int two(int a, char *p){int r=a;for(int i=0;i<a;i++){if(p[i]>3)r+=s(i)^a;else r-=p[i+1]*7;}\n\
                  #ifdef EXTRA\nif(r==9)p[2]=1;\n#endif\n\
                  switch(a&7){case 1:r+=5;break;case 3:r*=7;break;case 6:p[1]=2;}return r;}\n";
    world.write("lib.c", source);
    fs::create_dir_all(world.path(file).parent().expect("a folder")).expect("a folder");
    let mut line = vec!["-shared", "-fPIC", "-O1", "-fno-inline", "-Wl,-soname,libwork.so.1", "-o", file, "lib.c"];
    line.extend(extra.then_some("-DEXTRA"));
    run("gcc", &line, world.folder());
}

/// Two versions of a small system: a library under another file name, a program that stays, one that is new.
fn trees(world: &World) {
    library(world, "old/usr/lib/libwork.so.1.0", false);
    library(world, "new/usr/lib/libwork.so.1.1", true);
    for side in ["old", "new"] {
        fs::create_dir_all(world.path(&format!("{side}/bin"))).expect("a folder");
        fs::copy("/bin/true", world.path(&format!("{side}/bin/stays"))).expect("a program");
        world.write(&format!("{side}/etc/text"), "no executable");
        std::os::unix::fs::symlink("/bin/sh", world.path(&format!("{side}/bin/outside"))).expect("a link");
    }
    fs::copy("/bin/false", world.path("new/bin/comes")).expect("a program");
}

fn diff(world: &World, base: &str, target: &str) -> Value {
    let mut found = world.do_stella(&["--json", "functions", "diff", base, target]).json();
    let kind = found["base"]["kind"].clone();
    for side in ["base", "target"] {
        assert_eq!(found[side]["kind"], kind);
        assert_eq!(found[side].as_object_mut().expect("an object").len(), 4);
        found.as_object_mut().expect("an object").remove(side);
    }
    found
}

/// A directory, a tar, a tar.gz and a Debian package with the same files give the same answer, link by link and pair by
/// pair: the library is found under its new name by its soname, links lead nowhere, a file that did not change is
/// not looked into.
#[test]
fn trees_of_every_kind_give_the_same_answer() {
    let world = World::new();
    trees(&world);
    let found = diff(&world, "old", "new");
    assert_eq!(found["executables"], json!({"same": 1, "changed": 1, "added": 1, "removed": 0}));
    assert_eq!(found["executables_added"][0]["path"], "bin/comes");
    let pair = &found["pairs"][0];
    assert_eq!((&pair["paired_by"], &pair["base_path"]), (&json!("soname"), &json!("usr/lib/libwork.so.1.0")));
    assert_eq!((&pair["functions_changed"]["modified"], &pair["machine"]), (&json!(1), &json!("x86-64")));
    assert_eq!(found["functions_changed"], pair["functions_changed"]);
    assert_eq!((&found["top"][0]["name"], &found["top"][0]["class"]), (&json!("two"), &json!("modified")));
    assert_eq!(found["top"][0]["executable"], "usr/lib/libwork.so.1.1");
    for side in ["old", "new"] {
        run("tar", &["-cf", &format!("{side}.tar"), "-C", side, "."], world.folder());
        run("tar", &["-czf", &format!("{side}.tar.gz"), "-C", side, "."], world.folder());
        let control =
            "Package: work\nVersion: 1\nArchitecture: amd64\nMaintainer: none <none@example.com>\nDescription: x\n";
        run("cp", &["-a", side, &format!("{side}.pack")], world.folder());
        world.write(&format!("{side}.pack/DEBIAN/control"), control);
        for (packing, file) in [("xz", "xz.deb"), ("gzip", "gz.deb"), ("zstd", "zst.deb")] {
            let (packing, file) = (format!("-Z{packing}"), format!("{side}.{file}"));
            run("dpkg-deb", &["--root-owner-group", &packing, "-b", &format!("{side}.pack"), &file], world.folder());
        }
    }
    for ending in [".tar", ".tar.gz", ".xz.deb", ".gz.deb", ".zst.deb"] {
        assert_eq!(diff(&world, &format!("old{ending}"), &format!("new{ending}")), found, "{ending}");
    }
    // Of --top functions, the others are counted.
    let short = world.do_stella(&["--json", "functions", "diff", "--top", "0", "old.tar", "new"]).json();
    assert_eq!((&short["top"], short["left_out"].as_u64() >= Some(1)), (&json!([]), true));
    let listed = world.do_stella(&["--json", "functions", "list", "new"]).json();
    let paths: Vec<&Value> = listed["list"].as_array().expect("a list").iter().map(|one| &one["path"]).collect();
    assert_eq!(paths, ["bin/comes", "bin/stays", "usr/lib/libwork.so.1.1"]);
}

/// In an image that leaves files whole they are found too; nothing tells their paths.
#[test]
fn executables_in_images_are_found() {
    let world = World::new();
    trees(&world);
    for (side, library) in [("old", "old/usr/lib/libwork.so.1.0"), ("new", "new/usr/lib/libwork.so.1.1")] {
        let mut image = vec![0; 4_096];
        for file in [library, &format!("{side}/bin/stays")] {
            image.extend(world.read(file));
            image.resize(image.len().next_multiple_of(4_096), 0);
        }
        world.write(&format!("{side}.img"), image);
    }
    let found = diff(&world, "old.img", "new.img");
    let pairs = found["pairs"].as_array().expect("pairs");
    assert_eq!((pairs.len(), &pairs[0]["paired_by"]), (1, &json!("soname")));
    assert_eq!(pairs[0]["functions_changed"]["modified"], 1);
    assert_eq!(found["executables"], json!({"same": 1, "changed": 1, "added": 0, "removed": 0}));
}

/// Damaged, empty and foreign files are told by name.
#[test]
fn refusals_name_the_file() {
    let world = World::new();
    trees(&world);
    run("tar", &["-czf", "whole.tgz", "-C", "old", "."], world.folder());
    let whole = world.read("whole.tgz");
    world.write("cut.tgz", &whole[..whole.len() / 2]);
    world.write("text/only", "words");
    world.write("note", "words");
    for (base, named) in [("cut.tgz", "cut.tgz"), ("text", "text"), ("note", "note"), ("none", "none")] {
        for line in [vec!["functions", "list", base], vec!["functions", "diff", base, "new"]] {
            let _ = world.stella(&line).expect(1).says(named);
        }
    }
}
