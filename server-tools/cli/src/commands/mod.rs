//! What each command does, one file for each.

mod apply;
mod create;
mod documents;
mod functions;
mod functions_tree;
mod graph;
mod graph_import;
mod graph_text;
mod inspect;
mod key;
mod log;
mod prove;
mod publish;
mod replay;
mod rollback;
mod score;
mod trust;
mod verify;

pub(crate) use score::With as ScoreWith;

use crate::cli::{Command, DeltaCommand, FunctionsCommand, ReplayCommand, ScoreCommand};
use crate::failure::Failure;
use crate::output::Output;

/// Runs one command and prints its result.
pub(crate) fn run(command: Command, output: &Output) -> Result<(), Failure> {
    match command {
        Command::Key(command) => key::run(command, output),
        Command::Trust(command) => trust::run(command, output),
        Command::Log(command) => log::run(command, output),
        Command::Delta(DeltaCommand::Create(options)) => create::run(&options, output),
        Command::Delta(DeltaCommand::Inspect { manifest, statement, bundle }) => {
            inspect::run(&bundle, manifest, statement, output)
        }
        Command::Delta(DeltaCommand::Verify { trust, file }) => verify::run(&trust, &file, output),
        Command::Delta(DeltaCommand::Apply { trust, unverified: _, base, target, bundle }) => {
            apply::run(trust.as_deref(), base.as_deref(), &target, &bundle, output)
        }
        Command::Delta(DeltaCommand::Prove { log, log_vkey, witnesses, signers, file }) => {
            prove::run(&log, &log_vkey, &witnesses, &signers, &file, output)
        }
        Command::Delta(DeltaCommand::Rollback(options)) => rollback::run(&options, output),
        Command::Functions(FunctionsCommand::Diff { base, target, top }) => {
            functions::diff(&base, &target, top, output)
        }
        Command::Functions(FunctionsCommand::List { file }) => functions::list(&file, output),
        Command::Graph(command) => graph::run(command, output),
        Command::Score(ScoreCommand::Compute { inputs, with, file }) => {
            score::compute(&file, with.as_with(), inputs, output)
        }
        Command::Score(ScoreCommand::Explain { with, file }) => score::explain(&file, with.as_with(), output),
        Command::Score(ScoreCommand::Replay { bundle, with, record }) => {
            score::replay(&record, bundle.as_deref(), with.as_with(), output)
        }
        Command::Replay(ReplayCommand::Pack(options)) => {
            let parts = replay::Parts {
                bundle: &options.bundle,
                base: options.base.as_deref(),
                target: &options.target,
                trust: options.trust.as_deref(),
                policy: options.policy.as_deref(),
                weights: options.weights.as_deref(),
                now: options.now,
                profile: options.profile,
            };
            replay::pack(&parts, &options.pack, output)
        }
        Command::Replay(ReplayCommand::Run { pack }) => replay::run(&pack, output),
        Command::Publish(options) => publish::run(&options, output),
        Command::Completions { shell } => documents::completions(shell, output),
        Command::Man { folder } => documents::man(&folder, output),
    }
}
