//! `cargo xtask CHORE`: everything a contributor types more than once, one command each.
//!
//! In: the chore's name and its own arguments. Out: what the chore prints, and exit code 0, 1 (it failed) or
//! 2 (no such chore, or wrong arguments). A chore calls the same programs that a person would; it holds no logic
//! of the product and uses none of its crates, so that it compiles in seconds.

mod arguments;
mod bench;
mod command;
mod deep;
mod demo;
mod files;
mod images;
mod json;
mod leash;
mod lint;
mod measure;
mod system;
mod test;
mod workspace;

use std::process::ExitCode;

use arguments::Arguments;

/// One line of the table below.
struct Chore {
    name: &'static str,
    arguments: &'static str,
    purpose: &'static str,
    run: fn(Arguments) -> anyhow::Result<()>,
}

/// Every chore there is; `help` is printed from it.
const CHORES: &[Chore] = &[
    Chore {
        name: "demo",
        arguments: "[--offline]",
        purpose: "two images in, a committed update on an A/B device out, and back; with measured figures",
        run: demo::run,
    },
    Chore {
        name: "test",
        arguments: "[-- FILTER...]",
        purpose: "run every test; installs what the tests need where it may",
        run: test::run,
    },
    Chore {
        name: "lint",
        arguments: "",
        purpose: "format, clippy, documentation, tidy and dependency rules, as CI runs them",
        run: lint::run,
    },
    Chore {
        name: "sim",
        arguments: "[--replay LINE] [-- FILTER...]",
        purpose: "the long simulation of power cuts, failing disks and networks; or one case of it again",
        run: deep::sim,
    },
    Chore {
        name: "fuzz",
        arguments: "[--runs N] [-- TARGET...]",
        purpose: "many mutants for each parser of untrusted bytes",
        run: deep::fuzz,
    },
    Chore {
        name: "size",
        arguments: "[-- VARIANT...]",
        purpose: "compare the agent's size, packages and libraries with cross/budget.toml",
        run: deep::size,
    },
    Chore {
        name: "bench",
        arguments: "delta|functions [OPTION...]",
        purpose: "deltas of real update pairs against every peer, or how rightly functions are found; `bench help` has more",
        run: bench::run,
    },
    Chore {
        name: "images",
        arguments: "[--offline] [--rebuild] [--to DIR]",
        purpose: "make the two versions of a root file system image that the demo updates between",
        run: images::run,
    },
];

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let name = words.next().unwrap_or_else(|| "help".into());
    if matches!(name.as_str(), "help" | "-h" | "--help") {
        print!("{}", help());
        return ExitCode::SUCCESS;
    }
    let Some(chore) = CHORES.iter().find(|chore| chore.name == name) else {
        eprint!("cargo xtask: there is no chore '{name}'\n\n{}", help());
        return ExitCode::from(2);
    };
    match (chore.run)(Arguments::new(words)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask {name}: {error:#}");
            match error.is::<arguments::Misused>() {
                true => {
                    eprintln!("usage: cargo xtask {} {}", chore.name, chore.arguments);
                    ExitCode::from(2)
                }
                false => ExitCode::FAILURE,
            }
        }
    }
}

fn help() -> String {
    let mut text = String::from("The chores of this repository. Usage: cargo xtask CHORE [ARGUMENTS]\n\n");
    let width = CHORES.iter().map(|chore| chore.name.len() + chore.arguments.len() + 1).max().unwrap_or(0);
    for chore in CHORES {
        let usage = format!("{} {}", chore.name, chore.arguments);
        text += &format!("  {usage:width$}  {}\n", chore.purpose);
    }
    text
}
