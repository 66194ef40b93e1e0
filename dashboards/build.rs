//! Brings the scripts that the lock file of `web/` pins into the build, so that the executable serves them itself.
//! Installs them with npm where that has not been done.

use std::path::Path;
use std::process::Command;

/// File of a package, and its name here.
const FILES: [(&str, &str); 3] = [
    ("htmx.org/dist/htmx.min.js", "htmx.js"),
    ("uplot/dist/uPlot.iife.min.js", "uplot.js"),
    ("uplot/dist/uPlot.min.css", "uplot.css"),
];

fn main() -> Result<(), String> {
    let root = std::env::var("CARGO_MANIFEST_DIR").map_err(|error| error.to_string())?;
    let out = std::env::var("OUT_DIR").map_err(|error| error.to_string())?;
    let web = Path::new(&root).join("web");
    println!("cargo:rerun-if-changed=web/package-lock.json");
    println!("cargo:rerun-if-changed=build.rs");
    let modules = web.join("node_modules");
    // What npm has installed stands in this file; the lock is newer where another version is wanted.
    if is_older(&modules.join(".package-lock.json"), &web.join("package-lock.json")) {
        let installed = Command::new("npm")
            .args(["ci", "--silent", "--no-audit", "--no-fund", "--ignore-scripts"])
            .current_dir(&web)
            .status()
            .map_err(|error| format!("npm is needed for the pages' scripts ({error}): run scripts/setup"))?;
        if !installed.success() {
            return Err("npm could not install the pages' scripts: run `npm ci` in dashboards/web".to_owned());
        }
    }
    for (file, name) in FILES {
        let from = modules.join(file);
        std::fs::copy(&from, Path::new(&out).join(name))
            .map_err(|error| format!("{}: {error}: run `npm ci` in dashboards/web", from.display()))?;
    }
    Ok(())
}

fn is_older(installed: &Path, lock: &Path) -> bool {
    let time = |path: &Path| std::fs::metadata(path).and_then(|found| found.modified());
    match (time(installed), time(lock)) {
        (Ok(installed), Ok(lock)) => installed < lock,
        _ => true,
    }
}
