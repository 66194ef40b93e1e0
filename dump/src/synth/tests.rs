//! Tests of the writer without the parser: against the same dump as Windows wrote it, and of what callers rely on.

mod large;
mod real;
mod records;
mod small;

use super::{
    Crash, PATCHED_BYTES, SmallDump, SynthMachine, SynthWriter, Template, UserDump, noise, user_minidump,
};

/// Every machine, both writers, and builds on each side of every change of the format.
fn forms() -> Vec<SmallDump> {
    let machines = [
        (SynthMachine::X64, &[7600, 7601, 9600, 17763, 19041, 22000, 22621, 26100][..]),
        (SynthMachine::Arm64, &[22000, 26100]),
        (SynthMachine::X86, &[7601, 19041]),
    ];
    let mut forms = Vec::new();
    for (machine, builds) in machines {
        let example = SmallDump::example_of(machine);
        for &build in builds {
            for writer in [SynthWriter::Kernel, SynthWriter::DebugEngine] {
                let ubr = (build >= 26100).then_some(2314);
                forms.push(SmallDump { build, ubr, writer, ..example.clone() });
            }
        }
    }
    forms
}

#[test]
fn the_same_description_is_the_same_file() {
    for dump in forms() {
        assert_eq!(dump.to_bytes(), dump.to_bytes());
    }
    assert_eq!(user_minidump(&UserDump::example()), user_minidump(&UserDump::example()));
}

#[test]
fn another_seed_is_another_file_of_the_same_length() {
    let dump = SmallDump::example();
    let other = SmallDump { seed: 2, ..dump.clone() };
    assert_eq!(dump.to_bytes().len(), other.to_bytes().len());
    assert_ne!(dump.to_bytes(), other.to_bytes());
}

#[test]
fn sizes_are_met() {
    for bytes in [180 * 1024, 250_001, 1 << 20] {
        assert_eq!(SmallDump::example().with_size(bytes).to_bytes().len(), bytes);
    }
}

#[test]
fn a_template_changes_what_the_crash_says_and_nothing_else() {
    for dump in forms() {
        let template = Template::new(&dump);
        let crash =
            Crash { system_time: dump.system_time + 17, uptime: 99, parameters: [4, 3, 2, 1], boot_id: 7 };
        let meant = SmallDump {
            system_time: crash.system_time,
            uptime: crash.uptime,
            parameters: crash.parameters,
            boot_id: crash.boot_id,
            ..dump
        };
        let made = template.with(&crash);
        assert_eq!(made, meant.to_bytes());
        assert_eq!(template.head(&crash), made[..PATCHED_BYTES]);
        assert_eq!(template.bytes()[PATCHED_BYTES..], made[PATCHED_BYTES..]);
    }
}

#[test]
fn noise_is_any_length_and_seeded() {
    for len in [0, 1, 4096, 3 << 20] {
        assert_eq!(noise(1, len).len(), len);
    }
    assert_eq!(noise(1, 5000), noise(1, 5000));
    assert_ne!(noise(1, 5000), noise(2, 5000));
}
