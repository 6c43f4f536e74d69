//! The three steps over real files: which fragment wins, and what each mistake is answered with.

use super::*;
use std::fs;

const MINIMAL: &str = "product = \"router\"\nhardware = \"board-2\"\nboot.path = \"boot\"\n\
                       [slots]\na = \"/dev/a\"\nb = \"images/b.img\"\nrunning = \"a\"\n";

fn load_files(files: &[(&str, &str)]) -> (tempfile::TempDir, Result<Settings, String>) {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("conf.d")).unwrap();
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    let loaded = load(Some(folder.path()))
        .map_err(|error| error.to_string().replace(&format!("{}/", folder.path().display()), ""));
    (folder, loaded)
}

#[test]
fn defaults_fill_what_is_not_set() {
    let (folder, settings) = load_files(&[("config.toml", MINIMAL)]);
    let settings = settings.unwrap();
    assert_eq!(settings.product.as_str(), "router");
    assert_eq!(settings.slots, [PathBuf::from("/dev/a"), folder.path().join("images/b.img")]);
    assert_eq!(settings.boot_path, folder.path().join("boot"));
    assert_eq!(settings.state_dir, PathBuf::from("/var/lib/stella-agent"));
    assert_eq!((settings.boot_tries, settings.fallback, settings.poll_action), (3, Fallback::Never, PollAction::Check));
    assert!(settings.channel.is_none() && settings.health_commands.is_empty());
}

/// Later files win key by key; files in `conf.d` go by name; other files there are not read.
#[test]
fn later_fragments_win() {
    let (folder, settings) = load_files(&[
        ("config.toml", MINIMAL),
        ("conf.d/20-b.toml", "product = \"second\"\n[boot]\ntries = 5\n"),
        ("conf.d/10-a.toml", "product = \"first\"\nsource = \"channel\"\nchannel = \"stable\"\n"),
        ("conf.d/README", "product = 1"),
    ]);
    let settings = settings.unwrap();
    assert_eq!((settings.product.as_str(), settings.boot_tries), ("second", 5));
    assert_eq!(settings.channel.unwrap().as_str(), "stable");
    assert_eq!(settings.source, Some(Place::Path(folder.path().join("conf.d/channel"))));
}

use crate::source::Place;

/// Every message names the file, the line and the key.
#[test]
fn mistakes_are_named() {
    let check = |extra: &str, expected: &str| {
        let (_folder, settings) = load_files(&[("config.toml", MINIMAL), ("conf.d/x.toml", extra)]);
        assert_eq!(settings.unwrap_err(), expected);
    };
    check("prodct = \"a\"", "conf.d/x.toml, line 1: the key 'prodct' is not known");
    check("\nproduct = 1", "conf.d/x.toml, line 2: the key 'product' takes a text in quotes");
    check(
        "product = \"a b\"",
        "conf.d/x.toml, line 1: the key 'product' takes 1 to 64 characters of A-Z a-z 0-9 . _ + -, not starting with . or -",
    );
    check("[boot]\ntries = 0", "conf.d/x.toml, line 2: the key 'boot.tries' takes a number from 1 to 10");
    check("spool_bytes = -1", "conf.d/x.toml, line 1: the key 'spool_bytes' takes a whole number, 0 or more");
    check("fallback = \"ask\"", "conf.d/x.toml, line 1: the key 'fallback' takes one of: never, full");
    check("boot.kind = \"grub\"", "conf.d/x.toml, line 1: the key 'boot.kind' takes one of: file");
    check(
        "health.commands = \"true\"",
        "conf.d/x.toml, line 1: the key 'health.commands' takes a list of texts in brackets",
    );
    check("source = \"/srv\"", "the key 'channel' is missing in every configuration file");
    check("slots.running = \"file\"", "the key 'slots.running_file' is missing in every configuration file");
    check("slots.b = \"/dev/a\"", "conf.d/x.toml, line 1: the key 'slots.b' names the same slot as 'slots.a'");
    check("a = 1\n= 2", "conf.d/x.toml, line 2: a key is made of letters, digits, _ and -, without quotes");
    let (_folder, settings) = load_files(&[]);
    assert_eq!(settings.unwrap_err(), "the key 'product' is missing in every configuration file");
}

/// Defaults of the table are of the kind that it says, and each is accepted.
#[test]
fn the_table_is_consistent() {
    for key in inputs::KEYS {
        let number = key.default.parse::<u64>().is_ok();
        assert_eq!(number, key.kind == inputs::Kind::Number, "{}", key.name);
    }
}
