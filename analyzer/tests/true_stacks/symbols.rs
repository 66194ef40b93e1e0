//! The images and PDBs of the cases, loaded once for each machine and level.

use std::collections::BTreeMap;
use std::fs::File;
use std::sync::Arc;

use symbols::names::Pdb;
use symbols::{Answer, Image, ImageId, Missing, Names, SymbolSet, Want};

use super::cases::{Loaded, folder, number};

#[derive(Default)]
pub(crate) struct Symbols {
    sets: BTreeMap<String, SymbolSet>,
}

impl Symbols {
    pub(crate) fn of(&mut self, key: &str, modules: &[Loaded]) -> &SymbolSet {
        self.sets.entry(key.to_owned()).or_insert_with(|| {
            let mut set = SymbolSet::default();
            for module in modules {
                load(&mut set, module);
            }
            set
        })
    }
}

fn load(set: &mut SymbolSet, module: &Loaded) {
    let store = folder().join("symbols");
    let bytes = std::fs::read(store.join(&module.image)).unwrap();
    let image = Image::parse(bytes.into()).unwrap();
    assert_eq!((image.timestamp(), image.size()), (module.timestamp, module.size), "{}", module.name);
    let id = image.pdb().unwrap().clone();
    assert_eq!(module.pdb, format!("{}/{}/{}", id.name(), id.key(), id.name()));
    let pdb = Pdb::open(File::open(store.join(&module.pdb)).unwrap(), id.name()).unwrap();
    assert_eq!(pdb.id(), &id);
    set.insert(want(module), Answer::Image(Arc::new(image)));
    set.insert(Want::Names(id), Answer::Names(Names::Pdb(Arc::new(pdb))));
}

fn want(module: &Loaded) -> Want {
    Want::Image(ImageId::new(&module.name, module.timestamp, module.size).unwrap())
}

/// The same set, asked in vain for one image.
pub(crate) fn without(set: &SymbolSet, modules: &[Loaded], name: &str) -> SymbolSet {
    let mut set = set.clone();
    let module = modules.iter().find(|module| module.name == name).unwrap();
    set.insert(want(module), Answer::Missing(Missing::NotFound));
    set
}

/// The PDB of a module.
pub(crate) fn pdb(set: &SymbolSet, module: &Loaded) -> Arc<Pdb> {
    let Some(Answer::Image(image)) = set.get(&want(module)) else { panic!("{}", module.name) };
    match set.get(&Want::Names(image.pdb().unwrap().clone())) {
        Some(Answer::Names(Names::Pdb(pdb))) => Arc::clone(pdb),
        _ => panic!("{}", module.name),
    }
}

/// A module's image as it lies in memory, page by page.
pub(crate) fn pages(module: &Loaded) -> Vec<(u64, Vec<u8>)> {
    let file = std::fs::read(folder().join("symbols").join(&module.image)).unwrap();
    let image = Image::parse(file.clone().into()).unwrap();
    let page = |rva: u32| {
        let mut page = match rva {
            0 => file.clone(),
            _ => image.at(rva).unwrap_or_default().to_vec(),
        };
        page.resize(0x1000, 0);
        (number(&module.base) + u64::from(rva), page)
    };
    (0..module.size).step_by(0x1000).map(page).collect()
}
