//! Which paths of a store may hold a file, in the order in which they are tried. Pure.

use super::config::Layout;
use crate::id::FileId;

/// A path below the root of a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Attempt {
    pub(crate) parts: Vec<String>,
    pub(crate) kind: Kind,
}

/// What stands there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The file, packed or not.
    File,
    /// A text that says where the file is.
    Pointer,
    /// A file that only has the right name: another build's is nothing wrong there.
    Flat,
}

/// Name of the file that says that a store has two tiers.
pub(crate) const TWO_TIERS: &str = "index2.txt";

/// What to try. `folder`: also what makes sense in folders only.
pub(crate) fn attempts(id: &FileId, layouts: &[Layout], two_tier: bool, folder: bool) -> Vec<Attempt> {
    let has = |layout| layouts.contains(&layout);
    let (name, key, file) = (id.name().to_owned(), id.key(), id.file_name());
    let mut all = Vec::new();
    let keyed = |file: &str, kind| {
        let tier = two_tier.then(|| name.chars().take(2).collect::<String>());
        let parts = tier.into_iter().chain([name.clone(), key.clone(), file.to_owned()]).collect();
        Attempt { parts, kind }
    };
    let sym = matches!(id, FileId::Sym(_));
    let plain = if sym { has(Layout::Breakpad) } else { has(Layout::Microsoft) || has(Layout::TwoTier) };
    if plain {
        all.push(keyed(&file, Kind::File));
    }
    if has(Layout::Compressed)
        && let Some(packed) = packed_name(&file)
    {
        all.push(keyed(&packed, Kind::File));
    }
    // A path in such a file is only followed inside of the same folder: nothing to ask a server for.
    if folder && has(Layout::Microsoft) && !sym {
        all.push(keyed("file.ptr", Kind::Pointer));
    }
    if has(Layout::Ssqp) && !folder {
        let parts = [&name, &key, &file].map(|part| part.to_ascii_lowercase()).to_vec();
        let lower = Attempt { parts, kind: Kind::File };
        if !all.contains(&lower) {
            all.push(lower);
        }
    }
    if folder && has(Layout::Flat) {
        all.push(Attempt { parts: vec![file], kind: Kind::Flat });
    }
    all
}

/// `crash.pdb` to `crash.pd_`.
fn packed_name(file: &str) -> Option<String> {
    let mut chars = file.chars();
    chars.next_back()?;
    Some(format!("{}_", chars.as_str()))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::id::{ImageId, PdbId};

    const EVERY: [Layout; 6] = [
        Layout::Microsoft,
        Layout::TwoTier,
        Layout::Compressed,
        Layout::Ssqp,
        Layout::Breakpad,
        Layout::Flat,
    ];

    fn check(id: &FileId, layouts: &[Layout], two_tier: bool, folder: bool, expected: &[&str]) {
        let paths: Vec<String> = attempts(id, layouts, two_tier, folder)
            .into_iter()
            .map(|attempt| attempt.parts.join("/"))
            .collect();
        assert_eq!(paths, expected);
    }

    #[test]
    fn paths_are_those_of_the_stores() {
        let image = FileId::Image(ImageId::new("WdFilter.sys", 0x5AB3_8077, 0x9000).unwrap());
        let guid = Uuid::parse_str("3249d99d-0c40-4931-8610-f4e4fb0b6936").unwrap();
        let pdb = PdbId::new("crash.pdb", guid, 1).unwrap();
        let key = "crash.pdb/3249D99D0C4049318610F4E4FB0B69361";
        check(
            &image,
            &EVERY,
            false,
            true,
            &[
                "WdFilter.sys/5AB380779000/WdFilter.sys",
                "WdFilter.sys/5AB380779000/WdFilter.sy_",
                "WdFilter.sys/5AB380779000/file.ptr",
                "WdFilter.sys",
            ],
        );
        check(
            &FileId::Pdb(pdb.clone()),
            &EVERY,
            true,
            false,
            &[
                &format!("cr/{key}/crash.pdb"),
                &format!("cr/{key}/crash.pd_"),
                "crash.pdb/3249d99d0c4049318610f4e4fb0b69361/crash.pdb",
            ],
        );
        check(
            &FileId::Sym(pdb.clone()),
            &EVERY,
            false,
            false,
            &[
                &format!("{key}/crash.sym"),
                &format!("{key}/crash.sy_"),
                "crash.pdb/3249d99d0c4049318610f4e4fb0b69361/crash.sym",
            ],
        );
        check(&FileId::Sym(pdb), &[Layout::Microsoft], false, false, &[]);
        let lower = FileId::Image(ImageId::new("a.exe", 0x1234_5678, 0x9000).unwrap());
        check(&lower, &[Layout::Microsoft, Layout::Ssqp], false, false, &["a.exe/123456789000/a.exe"]);
    }
}
