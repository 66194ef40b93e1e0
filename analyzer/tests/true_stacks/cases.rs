//! What the emulator noted, as it lies in `target/true-stacks`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

/// One of the two files.
#[derive(Deserialize)]
pub(crate) struct Cases {
    /// By machine and level.
    pub(crate) modules: BTreeMap<String, Vec<Loaded>>,
    #[serde(default)]
    pub(crate) cases: Vec<Case>,
    #[serde(default)]
    pub(crate) tours: Vec<Tour>,
}

/// A loaded driver, and its files in the symbol store.
#[derive(Deserialize)]
pub(crate) struct Loaded {
    pub(crate) name: String,
    pub(crate) base: String,
    pub(crate) size: u32,
    pub(crate) timestamp: u32,
    pub(crate) image: String,
    pub(crate) pdb: String,
}

#[derive(Deserialize)]
pub(crate) struct Case {
    /// `x64/O2/CaseReadNull/dispatch`
    pub(crate) name: String,
    pub(crate) machine: String,
    pub(crate) level: String,
    pub(crate) bugcheck: u32,
    pub(crate) parameters: [String; 4],
    pub(crate) registers: BTreeMap<String, String>,
    pub(crate) memory: Vec<Region>,
    pub(crate) frames: Vec<Truth>,
    pub(crate) fault: Option<Fault>,
}

/// The last trap: what it interrupted.
#[derive(Deserialize)]
pub(crate) struct Fault {
    pub(crate) frame: usize,
    pub(crate) registers: BTreeMap<String, String>,
}

#[derive(Deserialize)]
pub(crate) struct Region {
    pub(crate) address: String,
    pub(crate) bytes: String,
}

/// A frame as the emulator noted it.
#[derive(Deserialize)]
pub(crate) struct Truth {
    pub(crate) pc: String,
    pub(crate) sp: String,
    pub(crate) module: Option<String>,
    /// Not there where no code is.
    pub(crate) function: Option<String>,
    /// What the compiler put into it and led on, innermost first. Not there for a tour, which stops anywhere.
    pub(crate) inlined: Option<Vec<String>>,
}

/// A run without a fault.
#[derive(Deserialize)]
pub(crate) struct Tour {
    pub(crate) name: String,
    pub(crate) machine: String,
    pub(crate) level: String,
    pub(crate) registers: Vec<String>,
    pub(crate) steps: Vec<Step>,
}

#[derive(Deserialize)]
pub(crate) struct Step {
    pub(crate) registers: Vec<String>,
    pub(crate) memory: Vec<Region>,
    pub(crate) frames: Vec<Truth>,
}

impl Cases {
    /// `None`, and a line that says so, where they have not been made; a failure where a test run must not skip.
    pub(crate) fn read(name: &str) -> Option<Self> {
        let path = folder().join(name);
        match std::fs::read(&path) {
            Ok(bytes) => Some(serde_json::from_slice(&bytes).unwrap()),
            Err(error) if std::env::var_os("CI").is_some() => panic!("{}: {error}", path.display()),
            Err(_) => {
                println!("skipped: target/true-stacks is not there, run scripts/drivers");
                None
            }
        }
    }
}

impl Case {
    pub(crate) fn set(&self) -> String {
        format!("{}/{}", self.machine, self.level)
    }
}

impl Tour {
    pub(crate) fn set(&self) -> String {
        format!("{}/{}", self.machine, self.level)
    }

    pub(crate) fn registers(&self, step: &Step) -> BTreeMap<String, String> {
        self.registers.iter().cloned().zip(step.registers.iter().cloned()).collect()
    }
}

impl Region {
    pub(crate) fn read(&self) -> (u64, Vec<u8>) {
        let digit = |digit: u8| char::from(digit).to_digit(16).unwrap() as u8;
        let bytes = self.bytes.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1]));
        (number(&self.address), bytes.collect())
    }
}

/// `0x...`
pub(crate) fn number(text: &str) -> u64 {
    u64::from_str_radix(text.trim_start_matches("0x"), 16).unwrap()
}

pub(crate) fn folder() -> PathBuf {
    // Of whichever crate's tests this is a part.
    let above =
        Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().map(|folder| folder.join("target/true-stacks"));
    let mut here = above.take(2);
    here.find(|folder| folder.is_dir()).unwrap_or_else(|| PathBuf::from("target/true-stacks"))
}
