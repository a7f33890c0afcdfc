//! Python for tests against what others wrote: a virtual environment of its own for each list of pins, from PyPI, under `target/`.

#![allow(dead_code, reason = "each test program uses its own part of this")]

use std::path::{Path, PathBuf};
use std::process::Command;

/// The virtual environment of this name, made once and made anew when the pins change. `requirements` is a path in the project.
pub(crate) fn environment(name: &str, requirements: &str) -> PathBuf {
    static MAKING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _one_at_a_time = MAKING.lock();
    let pins = Path::new(env!("CARGO_MANIFEST_DIR")).join(requirements);
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("the target folder").join(name);
    // The programs of an environment name its folder: one that has been moved is made anew, too.
    let wanted =
        format!("{}{}\n", std::fs::read_to_string(&pins).expect("the pins are there"), target.display());
    let stamp = target.join("installed.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return target;
    }
    if target.exists() {
        std::fs::remove_dir_all(&target).expect("an outdated environment can be removed");
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&target));
    run(Command::new(target.join("bin/pip"))
        .args(["install", "--quiet", "--disable-pip-version-check", "--no-deps", "-r"])
        .arg(&pins));
    std::fs::write(&stamp, wanted).expect("the stamp can be written");
    target
}

/// What a program that must succeed prints.
pub(crate) fn run(command: &mut Command) -> Vec<u8> {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output.stdout
}
