//! `phalanx keys`: the proving keys of this machine, made once and cached.

use serde::Serialize;

use crate::{
    engine::{Keys, Prover},
    error::Result,
    paths,
    printer::Printer,
    size,
};

/// Options.
#[derive(clap::Args, Debug)]
pub struct Args {
    /// Make the keys that are missing, so that the first proof need not
    #[arg(long, conflicts_with = "clear")]
    warm: bool,

    /// Remove all cached keys; the next proof makes them again
    #[arg(long)]
    clear: bool,
}

/// What `--json` prints.
#[derive(Serialize)]
struct Listed {
    directory: String,
    verifying_key: String,
    /// With `--clear`.
    removed_bytes: Option<u64>,
    keys: Vec<Key>,
}

#[derive(Serialize)]
struct Key {
    name: &'static str,
    purpose: &'static str,
    /// `null` when it is not there.
    bytes: Option<u64>,
    digest: Option<String>,
}

/// Runs the command.
pub fn run(args: &Args, printer: &Printer) -> Result<()> {
    let prover = Prover::open(&paths::keys_directory()?)?;
    let removed_bytes = if args.clear { Some(prover.clear_keys()?) } else { None };
    if args.warm {
        printer.talk().line("making proving keys; this takes half a minute once");
        prover.warm_keys()?;
    }
    let keys = prover.keys();
    if printer.is_json() {
        return printer.object(&listed(&keys, removed_bytes));
    }
    if let Some(bytes) = removed_bytes {
        printer.talk().line(&format!("removed   {}", size::show(bytes)));
    }
    lines(&keys).into_iter().try_for_each(|line| printer.line(line))
}

fn listed(keys: &Keys, removed_bytes: Option<u64>) -> Listed {
    let key = |file: &crate::engine::KeyFile| Key {
        name: file.name,
        purpose: file.purpose,
        bytes: file.present.map(|(bytes, _)| bytes),
        digest: file.present.and_then(|(_, digest)| digest).map(|digest| digest.to_string()),
    };
    Listed {
        directory: keys.directory.display().to_string(),
        verifying_key: keys.verifying_key.to_string(),
        removed_bytes,
        keys: keys.files.iter().map(key).collect(),
    }
}

fn lines(keys: &Keys) -> Vec<String> {
    let mut lines =
        vec![format!("directory      {}", keys.directory.display()), format!("verifying key  {}", keys.verifying_key)];
    for file in &keys.files {
        let state = match file.present {
            None => "not there; made when first needed".to_owned(),
            Some((bytes, None)) => format!("{:>8}  damaged; made again when first needed", size::show(bytes)),
            Some((bytes, Some(digest))) => format!("{:>8}  {digest}", size::show(bytes)),
        };
        lines.push(format!("{:<14} {state}  ({})", file.name, file.purpose));
    }
    lines
}
