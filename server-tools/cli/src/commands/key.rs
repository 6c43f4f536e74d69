//! `stella key`: a secret key and its public half, side by side.

use crate::cli::{KeyCommand, KeyKind};
use crate::failure::Failure;
use crate::output::Output;
use crate::signing::VKEY;
use delta_attest::{SecretKey, fs, keys};
use delta_verify::note::{NoteKey, NoteKeyKind};
use serde_json::json;

pub(crate) fn run(command: KeyCommand, output: &Output) -> Result<(), Failure> {
    let KeyCommand::Generate { kind, name, file } = command;
    let key = SecretKey::generate()?;
    let named = || name.ok_or_else(|| Failure::usage("this kind of key needs --name"));
    let note_key = |key: NoteKey| (file.with_extension(VKEY), format!("{key}\n"));
    let (public_file, public) = match kind {
        KeyKind::Signer => (file.with_extension("pub"), keys::public_to_pem(&key.public())),
        KeyKind::Log => note_key(NoteKey::new(named()?, NoteKeyKind::Log, key.public())),
        KeyKind::Witness => note_key(NoteKey::new(named()?, NoteKeyKind::Witness, key.public())),
    };
    if public_file == file {
        return Err(Failure::usage("the secret key cannot have the extension of its public half; name it NAME.key"));
    }
    key.save(&file)?;
    fs::write_atomic(&public_file, public.as_bytes())?;
    let object =
        json!({"secret": file, "public": public_file, "key_id": key.id().to_string(), "text": public.trim_end()});
    let text = format!(
        "wrote {} (secret: keep it offline) and {} (public)\nkey id {}",
        file.display(),
        public_file.display(),
        key.id()
    );
    output.result(&object, &text);
    Ok(())
}
