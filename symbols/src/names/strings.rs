//! Text that many parts of a PDB refer to: names of source files, programs for frames. Stays in the file; what was asked
//! for is kept.
#![deny(clippy::indexing_slicing, clippy::as_conversions, clippy::arithmetic_side_effects)]

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::dbi::named_stream;
use super::msf::Msf;
use crate::image::Damaged;
use crate::reader::Reader;

/// Longest text that is read: paths of Windows end at 260 for most tools.
const MAX_TEXT: u32 = 1_024;

/// Texts kept. A stack of a hundred frames names a hundred files.
const KEPT: usize = 1_024;

/// Signature, version, length.
const HEADER_LEN: u32 = 12;

#[derive(Debug)]
pub(super) struct Strings {
    stream: Option<u16>,
    kept: Mutex<HashMap<u32, String>>,
}

impl Strings {
    pub(super) fn find(msf: &Msf<'_>) -> Result<Self, Damaged> {
        Ok(Self { stream: named_stream(msf, b"/names")?, kept: Mutex::default() })
    }

    /// The text at a place, cut at 1 KiB.
    pub(super) fn get(&self, msf: &Msf<'_>, place: u32) -> Result<Option<String>, Damaged> {
        let Some(stream) = self.stream else { return Ok(None) };
        if let Some(text) = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(&place) {
            return Ok(Some(text.clone()));
        }
        let bytes = msf.read(stream, place.saturating_add(HEADER_LEN), MAX_TEXT)?;
        let text = String::from_utf8_lossy(Reader::new(&bytes).name()).into_owned();
        if text.is_empty() {
            return Ok(None);
        }
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT {
            kept.clear();
        }
        kept.insert(place, text.clone());
        Ok(Some(text))
    }
}
