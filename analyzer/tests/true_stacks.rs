//! Drivers that real compilers built, crashed in an emulator that noted every call: each frame of each dump must be what
//! it noted, found without a guess. `scripts/drivers` makes them; nothing of them is kept here.
#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "a test may")]

#[path = "true_stacks/cases.rs"]
mod cases;
#[path = "true_stacks/compare.rs"]
mod compare;
#[path = "true_stacks/dumps.rs"]
mod dumps;
#[path = "true_stacks/symbols.rs"]
mod files;

use bluescope_analyzer::{Analysis, Limits, Owners, analyze};
use dump::synth::{LargeDump, SmallDump, SynthDumpType, user_minidump};
use symbols::{Answer, Missing, Names, SymbolSet, Want};

use cases::{Case, Cases, Step, Tour, Truth};
use compare::{Table, compare};
use files::Symbols;

fn deep(dump: &SmallDump, set: &SymbolSet) -> Analysis {
    analyze(&dump.to_bytes(), Some(set), &Owners::default(), &Limits::default()).unwrap()
}

/// A case as each kind of bug check that Windows would make of it, and the frames of each.
fn dumps_of<'c>(cases: &'c Cases, case: &'c Case) -> Vec<(&'static str, SmallDump, &'c [Truth])> {
    let modules = &cases.modules[&case.set()];
    let mut all = vec![("as it was", dumps::as_it_was(case, modules), &case.frames[..])];
    if let Some(fault) = &case.fault {
        let frames = &case.frames[fault.frame..];
        all.push(("context in the header", dumps::context_in_header(case, fault, modules), frames));
        all.push(("context record", dumps::context_record(case, fault, modules), frames));
    }
    all
}

#[test]
fn every_frame_of_every_crash_is_the_true_one() {
    let Some(cases) = Cases::read("cases.json") else { return };
    let mut symbols = Symbols::default();
    let (mut table, mut faults) = (Table::default(), Vec::new());
    for case in &cases.cases {
        let set = symbols.of(&case.set(), &cases.modules[&case.set()]);
        for (form, dump, truth) in dumps_of(&cases, case) {
            let analysis = deep(&dump, set);
            let wrong = compare(&analysis.stack, truth);
            table.add(case, &analysis.stack, wrong.is_none());
            faults.extend(wrong.map(|wrong| format!("{}, {form}\n{wrong}", case.name)));
        }
    }
    println!("{table}");
    assert!(cases.cases.len() > 800, "only {} cases", cases.cases.len());
    let shown: Vec<_> = faults.iter().take(12).map(String::as_str).collect();
    assert!(faults.is_empty(), "{} of them are wrong:\n{}", faults.len(), shown.join("\n"));
}

#[test]
fn every_instruction_of_calm_code_has_the_true_stack() {
    let Some(cases) = Cases::read("steps.json") else { return };
    let mut symbols = Symbols::default();
    let mut faults = Vec::new();
    for tour in &cases.tours {
        let modules = &cases.modules[&tour.set()];
        let set = symbols.of(&tour.set(), modules);
        let wrong: Vec<_> =
            tour.steps.iter().filter_map(|step| check_step(tour, step, modules, set)).collect();
        println!("{:24} {:5} instructions, {:4} wrong", tour.name, tour.steps.len(), wrong.len());
        faults.extend(wrong);
    }
    let shown: Vec<_> = faults.iter().take(12).map(String::as_str).collect();
    assert!(faults.is_empty(), "{} of them are wrong:\n{}", faults.len(), shown.join("\n"));
}

fn check_step(tour: &Tour, step: &Step, modules: &[cases::Loaded], set: &SymbolSet) -> Option<String> {
    let analysis = deep(&dumps::step(tour, step, modules), set);
    compare(&analysis.stack, &step.frames).map(|wrong| format!("{}\n{wrong}", tour.name))
}

#[test]
fn without_symbols_there_is_an_analysis_all_the_same() {
    let Some(cases) = Cases::read("cases.json") else { return };
    let empty = SymbolSet::default();
    for case in &cases.cases {
        for (form, dump, truth) in dumps_of(&cases, case) {
            let bytes = dump.to_bytes();
            let fast = analyze(&bytes, None, &Owners::default(), &Limits::default()).unwrap();
            assert!(fast.wants.is_empty(), "{}, {form}: {:?}", case.name, fast.wants);
            let walked = analyze(&bytes, Some(&empty), &Owners::default(), &Limits::default()).unwrap();
            let names = walked.stack.iter().filter(|frame| frame.function.is_some()).count();
            assert_eq!(names, 0, "{}, {form}: names out of nothing", case.name);
            let guessed = walked.stack.iter().skip(1).filter(|frame| frame.trust == "unwind-info").count();
            assert_eq!(guessed, 0, "{}, {form}: unwind information out of nothing", case.name);
            let in_module = truth.iter().any(|frame| frame.module.is_some());
            assert_eq!(in_module, !walked.wants.is_empty(), "{}, {form}: it asks for nothing", case.name);
        }
    }
}

/// The walk is exact down to the first frame of the kernel, guesses there, says so, and asks for the image.
#[test]
fn without_the_kernels_image_a_walk_guesses_and_says_so() {
    const KERNEL: &str = "ntoskrnl.exe";
    let Some(cases) = Cases::read("cases.json") else { return };
    let mut symbols = Symbols::default();
    for case in cases.cases.iter().filter(|case| case.fault.is_some()) {
        let modules = &cases.modules[&case.set()];
        let set = files::without(symbols.of(&case.set(), modules), modules, KERNEL);
        let fault = case.fault.as_ref().unwrap();
        let truth = &case.frames[fault.frame..];
        let stack = deep(&dumps::context_in_header(case, fault, modules), &set).stack;
        let known = truth.iter().position(|frame| frame.module.as_deref() == Some(KERNEL)).unwrap();
        // The frame that the kernel is first seen in is still found by the unwind information of what it called.
        let plain: Vec<_> = stack.iter().filter(|frame| !frame.inlined).collect();
        assert!(plain.len() > known, "{}: {} frames, {known} are known", case.name, plain.len());
        for (frame, truth) in plain.iter().zip(&truth[..=known]) {
            assert_eq!((&frame.address, frame.sp.as_ref()), (&truth.pc, Some(&truth.sp)), "{}", case.name);
        }
        for pair in plain.windows(2).filter(|pair| pair[0].module == KERNEL) {
            assert_ne!(pair[1].trust, "unwind-info", "{}: {:?}", case.name, pair[1]);
        }
    }
}

/// x64 crashes as those of a process, with PDBs and without images: what the PDB says of frames must lead to the caller.
#[test]
fn pdbs_alone_lead_down_the_stack_of_a_process() {
    let Some(cases) = Cases::read("cases.json") else { return };
    let mut symbols = Symbols::default();
    let (mut right, mut wrong) = (0, Vec::new());
    for case in cases.cases.iter().filter(|case| case.machine == "x64" && !case.name.contains("Interrupt")) {
        let Some(fault) = &case.fault else { continue };
        let modules = &cases.modules[&case.set()];
        let set = symbols.of(&case.set(), modules);
        let Some(process) = dumps::of_a_process(case, fault, modules) else { continue };
        let analysis = named_by_pdbs(&user_minidump(&process), set, modules);
        let found: Vec<(&str, Option<&str>)> = analysis
            .stack
            .iter()
            .filter(|frame| !frame.inlined)
            .map(|frame| (&*frame.address, frame.function.as_deref()))
            .collect();
        let truth: Vec<(&str, Option<&str>)> =
            case.frames[fault.frame..].iter().map(|frame| (&*frame.pc, frame.function.as_deref())).collect();
        if found == truth {
            right += 1
        } else {
            wrong.push(format!("{}\n  {found:?}\n  {truth:?}", case.name))
        }
    }
    println!("{right} right, {} wrong: {}", wrong.len(), wrong.join("\n"));
    // Without unwind information there is no way through dynamic and realigned frames, or through assembly.
    assert!(right * 10 > (right + wrong.len()) * 9, "{} of {} wrong", wrong.len(), right + wrong.len());
}

fn named_by_pdbs(bytes: &[u8], files: &SymbolSet, modules: &[cases::Loaded]) -> Analysis {
    let mut set = SymbolSet::default();
    loop {
        let analysis = analyze(bytes, Some(&set), &Owners::default(), &Limits::default()).unwrap();
        if analysis.wants.is_empty() {
            return analysis;
        }
        for want in &analysis.wants {
            let module =
                |name: &str| modules.iter().find(|module| module.pdb.starts_with(&format!("{name}/")));
            let answer = match want {
                Want::Names(id) => {
                    module(id.name()).map(|it| Answer::Names(Names::Pdb(files::pdb(files, it))))
                }
                Want::Image(_) => None,
            };
            set.insert(want.clone(), answer.unwrap_or(Answer::Missing(Missing::NotFound)));
        }
    }
}

/// A dump of kernel memory holds the images themselves: exact stacks without any symbol file.
#[test]
fn images_in_the_dump_are_enough_for_an_exact_stack() {
    let Some(cases) = Cases::read("cases.json") else { return };
    for name in ["x64/O2/CaseCallback/dispatch", "arm64/O1/CaseCallback/exception"] {
        let case = cases.cases.iter().find(|case| case.name == name).unwrap();
        let modules = &cases.modules[&case.set()];
        let mut dump = dumps::as_it_was(case, modules);
        dump.blocks.extend(modules.iter().flat_map(files::pages));
        let large = LargeDump::of(SynthDumpType::BitmapKernel, dump);
        let analysis =
            analyze(&large.to_bytes(), Some(&SymbolSet::default()), &Owners::default(), &Limits::default())
                .unwrap();
        let found: Vec<&str> = analysis.stack.iter().map(|frame| &*frame.address).collect();
        let truth: Vec<&str> = case.frames.iter().map(|frame| &*frame.pc).collect();
        assert_eq!(found, truth, "{name}");
        assert!(analysis.symbols.iter().all(|file| file.image == "in the dump"), "{:?}", analysis.symbols);
        assert!(analysis.symbols.iter().all(|file| file.names_id.is_some()), "the image names its PDB");
    }
}
