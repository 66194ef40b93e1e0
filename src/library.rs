//! The library of symbol files as the configuration, or the command line, describes it. Owns the mapping, never a default
//! of its own that goes out to the network.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use prometheus_client::registry::Registry;
use symbols::PrivateStore;
use symbols::fetch::{Library, LibraryConfig, Place, SourceConfig, SourceFault};

use crate::config::{Config, Source};

/// A source as the library wants it.
pub(crate) fn source(source: &Source) -> Result<SourceConfig, SourceFault> {
    match source {
        Source::Place(place) => SourceConfig::parse(place),
        Source::Settings(settings) => {
            let mut parsed = SourceConfig::parse(&settings.url)?;
            parsed.token.clone_from(&settings.token);
            parsed.allow_private = settings.allow_private;
            parsed.options =
                settings.options.iter().map(|(key, value)| (key.clone(), value.clone())).collect();
            Ok(parsed)
        }
    }
}

/// The library of a service.
pub(crate) fn library(
    config: &Config,
    private: Arc<dyn PrivateStore>,
    registry: &mut Registry,
) -> anyhow::Result<Library> {
    let symbols = &config.symbols;
    let sources: Result<Vec<SourceConfig>, SourceFault> = symbols.sources.iter().map(source).collect();
    let mut sources = sources.context("symbols.sources")?;
    if symbols.offline {
        sources.retain(|source| matches!(source.place, Place::Folder(_)));
    }
    let library = LibraryConfig {
        cache_bytes: symbols.cache.as_u64(),
        memory_bytes: symbols.memory.as_u64(),
        file_bytes: symbols.max_file.as_u64(),
        sources,
        ..LibraryConfig::new(config.symbols_dir())
    };
    Library::open(library, Some(private), registry).context("cannot open the symbol library")
}

/// The library of one command: sources as they were written there, files kept where this user's caches are.
pub(crate) fn of_command(sources: &[String]) -> anyhow::Result<Library> {
    let parsed = sources.iter().map(|text| {
        // Here a relative folder is what people mean by it.
        let path = PathBuf::from(text);
        let text = match path.is_dir() {
            true => path.canonicalize().with_context(|| format!("cannot read {text}"))?.display().to_string(),
            false => text.clone(),
        };
        SourceConfig::parse(&text).map_err(anyhow::Error::from)
    });
    let sources = parsed.collect::<anyhow::Result<Vec<_>>>()?;
    let config = LibraryConfig { sources, ..LibraryConfig::new(cache_dir()) };
    Library::open(config, None, &mut Registry::default()).context("cannot open the symbol cache")
}

/// `$XDG_CACHE_HOME/bluescope/symbols`, as the rules for user folders have it; where nothing is set, the folder for
/// temporary files.
fn cache_dir() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
    let caches = set("XDG_CACHE_HOME").or_else(|| set("HOME").map(|home| home.join(".cache")));
    caches.unwrap_or_else(std::env::temp_dir).join("bluescope").join("symbols")
}
