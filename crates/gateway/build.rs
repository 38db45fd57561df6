//! Makes the table of the dashboard's files: `(name, bytes)`, from whatever lies in `dashboard/` beside the crates.

use std::{env, error::Error, fs, path::Path};

/// What a browser loads; everything else in the directory is for those who write it.
const EXTENSIONS: [&str; 5] = ["html", "css", "js", "svg", "json"];

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../dashboard");
    let mut files = Vec::new();
    if root.is_dir() {
        for entry in fs::read_dir(root.canonicalize()?)? {
            let path = entry?.path();
            let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
            if path.is_file() && EXTENSIONS.contains(&extension) {
                files.push(path);
            }
        }
    }
    files.sort();
    // Not the directory, which is watched with all that its test installs.
    for path in &files {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let mut table = String::from("&[\n");
    for path in files {
        let name = path.file_name().and_then(|name| name.to_str()).ok_or("a file's name is not UTF-8")?;
        table += &format!("    ({name:?}, include_bytes!({:?})),\n", path.display().to_string());
    }
    table += "]\n";
    fs::write(Path::new(&env::var("OUT_DIR")?).join("dashboard.rs"), table)?;
    Ok(())
}
