//! A PDB of 50 MB and more: what it costs to open, to ask for the first name, to ask again, and how much memory. The PDB
//! is that of a program generated here and built with clang and lld-link; without them the bench says so and ends.
//!
//! `cargo bench -p bluescope-symbols --bench pdb [units]`; 15 units are 55 MB, and take clang some minutes.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use bluescope_symbols::names::Pdb;

/// Functions of each unit.
const FUNCTIONS: usize = 1_500;

/// Addresses asked for.
const QUESTIONS: u32 = 20_000;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|argument| argument != "--bench").collect();
    match arguments.as_slice() {
        [mode, path] if mode == "measure" => return measure(Path::new(path)),
        [mode, path] if mode == "other" => return measure_other(Path::new(path)),
        _ => (),
    }
    let units = arguments.first().map_or(Ok(15), |units| units.parse())?;
    let folder = tempfile::tempdir()?;
    let Some(pdb) = build(folder.path(), units)? else {
        println!("skipped: clang and lld-link are not installed");
        return Ok(());
    };
    for mode in ["measure", "other"] {
        // Another process, so that its peak of memory is that of reading alone.
        let status = Command::new(std::env::current_exe()?).arg(mode).arg(&pdb).status()?;
        if !status.success() {
            bail!("{mode}: {status}");
        }
    }
    Ok(())
}

fn measure(path: &Path) -> Result<()> {
    let before = peak_memory()?;
    let started = Instant::now();
    let pdb = Pdb::open(File::open(path)?, "generated.pdb")?;
    let open = started.elapsed();
    let opened = peak_memory()?;
    // Code begins at 0x1000 and functions are some 100 bytes each.
    let addresses: Vec<u32> = (0..QUESTIONS).map(|number| 0x1000 + number * 97).collect();
    let first = time(|| drop(pdb.places(addresses[QUESTIONS as usize / 2])));
    let mut cold: Vec<Duration> =
        addresses.iter().map(|address| time(|| drop(pdb.places(*address)))).collect();
    let named = addresses.iter().filter(|address| !pdb.places(**address).is_empty()).count();
    let inlined = addresses.iter().filter(|address| pdb.places(**address).len() > 1).count();
    let warm_addresses = &addresses[..256];
    warm_addresses.iter().for_each(|address| drop(pdb.places(*address)));
    let mut warm: Vec<Duration> =
        warm_addresses.iter().map(|address| time(|| drop(pdb.places(*address)))).collect();
    println!("file                 {:>9.1} MB", fs::metadata(path)?.len() as f64 / 1e6);
    println!("open                 {open:>12.1?}");
    println!("first address        {first:>12.1?}");
    println!(
        "new address, median  {:>12.1?}  ({named} of {QUESTIONS} named, {inlined} inlined)",
        median(&mut cold)
    );
    println!("new address, worst   {:>12.1?}", cold[cold.len() - 1]);
    println!("known address        {:>12.1?}  (median)", median(&mut warm));
    println!("peak memory          {:>9.1} MB  ({:.1} before, {:.1} opened)", peak_memory()?, before, opened);
    println!("held, by its account {:>9.1} MB", pdb.held() as f64 / 1e6);
    Ok(())
}

/// The same with `pdb-addr2line`.
fn measure_other(path: &Path) -> Result<()> {
    let started = Instant::now();
    let pdb = pdb_addr2line::pdb::PDB::open(File::open(path)?)?;
    let data = pdb_addr2line::ContextPdbData::try_from_pdb(pdb)?;
    let context = data.make_context()?;
    let open = started.elapsed();
    let mut times: Vec<Duration> =
        (0..QUESTIONS).map(|number| time(|| drop(context.find_frames(0x1000 + number * 97)))).collect();
    let first = times[0];
    let new = median(&mut times);
    println!(
        "pdb-addr2line: open {open:.1?}, first address {first:.1?}, new address {new:.1?} (median), {:.1} MB",
        peak_memory()?
    );
    Ok(())
}

fn time(call: impl FnOnce()) -> Duration {
    let started = Instant::now();
    call();
    started.elapsed()
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

/// `VmHWM`, in MB.
fn peak_memory() -> Result<f64> {
    let status = fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no VmHWM")?;
    Ok(line.trim_end_matches(" kB").trim().parse::<f64>()? / 1e3)
}

/// `None` where a tool is missing.
fn build(folder: &Path, units: usize) -> Result<Option<PathBuf>> {
    let mut objects = Vec::new();
    for unit in 0..units {
        let source = folder.join(format!("unit{unit}.cpp"));
        fs::write(&source, unit_source(unit, units))?;
        let object = source.with_extension("obj");
        let Some(()) = run(Command::new("clang")
            .args(["--target=x86_64-pc-windows-msvc", "-g", "-gcodeview", "-O1", "-ffreestanding", "-c"])
            .arg(&source)
            .arg("-o")
            .arg(&object))?
        else {
            return Ok(None);
        };
        objects.push(object);
    }
    let pdb = folder.join("generated.pdb");
    let linked = run(Command::new("lld-link")
        .args(["/nodefaultlib", "/entry:start", "/subsystem:console", "/debug", "/opt:noref,noicf"])
        .arg(format!("/out:{}", folder.join("generated.exe").display()))
        .arg(format!("/pdb:{}", pdb.display()))
        .args(objects))?;
    Ok(linked.map(|()| pdb))
}

fn run(command: &mut Command) -> Result<Option<()>> {
    let status = match command.status() {
        Ok(status) => status,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if status.success() { Ok(Some(())) } else { bail!("{:?}: {status}", command.get_program()) }
}

/// Types, templates, and functions that are inlined into each other three deep.
fn unit_source(unit: usize, units: usize) -> String {
    let mut text = String::from("extern \"C\" volatile int sink;\n");
    if unit == 0 {
        text += &format!("volatile int sink;\nextern \"C\" int start() {{ return sink + {units}; }}\n");
    }
    text += &format!("namespace unit{unit} {{\n");
    for function in 0..FUNCTIONS {
        text += &function_source(function);
    }
    text + "}\n"
}

fn function_source(number: usize) -> String {
    let size = number % 13 + 2;
    format!(
        "template <class T> struct Holder{number} {{
  T first; T second[{size}]; Holder{number} *next;
  inline T sum(int n) const {{
    T all = first;
    for (int i = 0; i < n; i++)
      all += second[i % {size}] * i;
    return all;
  }}
  inline T twice(int n) const {{
    sink = n;
    return sum(n) + next->sum(n + 1);
  }}
}};
int work{number}(Holder{number}<int> const &one, Holder{number}<long long> const &two, int n) {{
  sink = n + {number};
  int found = one.twice(n);
  sink = found;
  found += (int)two.twice(n);
  return found;
}}
"
    )
}
