//! Writes the published pages: `cargo run --example convex-pages -- DIRECTORY`.
#![allow(clippy::disallowed_methods, reason = "it writes pages")]

mod pages;

use std::path::PathBuf;

fn main() -> std::io::Result<()> {
    let directory = std::env::args_os().nth(1).map_or("target/site".into(), PathBuf::from);
    for (name, text) in pages::all() {
        let path = directory.join(name);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}
