//! `bluescope explain`: dumps to reports on this machine. A dump that cannot be read never hides the next one.

mod file;

use std::mem::ManuallyDrop;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use analyzer::deep::with_symbols;
use analyzer::render::{self, Style};
use analyzer::{Analysis, Limits, Owners};
use anyhow::Context as _;
use symbols::{Library, SymbolSet};
use tokio::runtime::Runtime;

use self::file::Opened;
use crate::cli::ExplainArgs;
use crate::config::load;
use crate::library;
use crate::terminal;

/// Explains every file; fails where one of them could not be read.
pub(crate) fn run(arguments: &ExplainArgs) -> anyhow::Result<ExitCode> {
    let files = terminal::files(&arguments.files)?;
    let style = Style { colour: !arguments.json && terminal::colours(arguments.color) };
    let owners = match &arguments.config {
        Some(file) => load(Some(file), std::env::vars())?.owners()?,
        None => Owners::default(),
    };
    let symbols = Symbols::open(&arguments.symbols)?;
    let mut failed = 0usize;
    for (index, file) in files.iter().enumerate() {
        match explain(file, symbols.as_ref(), &owners) {
            Ok(analysis) if arguments.facts => terminal::print(&facts(file, &analysis)?),
            Ok(analysis) if arguments.json => {
                let mut document = serde_json::to_value(&analysis)?;
                if let Some(object) = document.as_object_mut() {
                    object.insert("file".to_owned(), file.display().to_string().into());
                }
                terminal::print(&document.to_string());
            }
            Ok(analysis) => {
                let space = if index == 0 { "" } else { "\n" };
                // A file's name may hold escape sequences too.
                let title = file.display().to_string().replace(char::is_control, "?");
                terminal::print(&format!("{space}{title}\n{}", render::text(&analysis, style)));
            }
            Err(error) => {
                failed = failed.saturating_add(1);
                terminal::error(&error);
            }
        }
    }
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What was judged, with the crash it is of before it: what `bluescope blame` echoes.
fn facts(file: &Path, analysis: &Analysis) -> anyhow::Result<String> {
    let mut line = serde_json::Map::new();
    let name = file.file_name().unwrap_or_default().to_string_lossy().replace(char::is_control, "?");
    line.insert("id".to_owned(), name.into());
    line.insert("crash_id".to_owned(), analysis.crash_id.clone().into());
    line.extend(serde_json::from_str::<serde_json::Map<String, serde_json::Value>>(&analysis.facts)?);
    Ok(serde_json::Value::from(line).to_string())
}

/// Where `--symbols` says to look.
struct Symbols {
    library: Library,
    /// Ends with the process: dropping it would wait for a folder that hangs, or a download that nobody waits for any more.
    runtime: ManuallyDrop<Runtime>,
}

impl Symbols {
    /// Nothing where no source was given: then nobody is asked, and a stack is what its words say.
    fn open(sources: &[String]) -> anyhow::Result<Option<Self>> {
        if sources.is_empty() {
            return Ok(None);
        }
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let library = runtime.block_on(async { library::of_command(sources) })?;
        Ok(Some(Self { library, runtime: ManuallyDrop::new(runtime) }))
    }

    /// Analyses again and again until every file was asked for, with a line on the terminal while it waits.
    fn rounds<E>(&self, analyse: impl Fn(&SymbolSet) -> Result<Analysis, E>) -> Result<Analysis, E> {
        let waiting = terminal::spinner("fetching symbols");
        let scope = "";
        let analysis =
            self.runtime.block_on(with_symbols(&self.library, scope, None, |set: Arc<SymbolSet>| {
                let analysis = analyse(&set);
                async { analysis }
            }));
        waiting.finish_and_clear();
        analysis
    }
}

fn explain(path: &Path, symbols: Option<&Symbols>, owners: &Owners) -> anyhow::Result<Analysis> {
    let limits = Limits::with_details();
    let no_dump = || format!("{} is no dump that can be read", path.display());
    let opened = file::open(path, limits.dump_bytes)?;
    let analyse = |set: &SymbolSet| match &opened {
        Opened::File(source) => {
            analyzer::analyze_source(source, Some(set), owners, &limits).with_context(no_dump)
        }
        Opened::Bytes(bytes) => analyzer::analyze(bytes, Some(set), owners, &limits).with_context(no_dump),
    };
    match symbols {
        Some(symbols) => symbols.rounds(analyse),
        // Dumps with all memory hold the images themselves: then even without any file the stack is exact.
        None => analyse(&SymbolSet::default()),
    }
}
