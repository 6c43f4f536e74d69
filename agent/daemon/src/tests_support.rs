//! What several test modules share: settings that live under one scratch folder.

use crate::config::Settings;
use std::path::Path;

/// Settings as a configuration file under `folder` would give them.
pub(crate) fn settings(folder: &Path) -> Settings {
    let text = "product = \"router\"\nhardware = \"board-2\"\nstate_dir = \"state\"\nrun_dir = \"run\"\n\
                trust_dir = \"trust.d\"\n[slots]\na = \"a.img\"\nb = \"b.img\"\nrunning = \"file\"\n\
                running_file = \"running\"\n[boot]\npath = \"boot\"\n";
    let fragment = crate::config::fragments::Fragment {
        path: folder.join("config.toml"),
        entries: crate::config::toml::parse(text).expect("the test's own text"),
    };
    let inputs = crate::config::inputs::Inputs::merge(vec![fragment]).expect("the test's own keys");
    Settings::new(&inputs).expect("the test's own settings")
}
