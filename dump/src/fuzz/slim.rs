//! What is promised of slim dumps.

use crate::header::{DumpType, Header};
use crate::identity::identify;
use crate::kernel_dump::KernelDump;
use crate::slim::{SlimError, slim as make_slim};

/// A slim dump is a dump of the same crash, not larger, with the same header and lists, and as slim as can be.
///
/// # Panics
/// Where that does not hold.
pub fn slim(bytes: &[u8]) {
    let slim = match make_slim(bytes) {
        Ok(slim) => slim,
        Err(SlimError::Parse(error)) => {
            assert_eq!(KernelDump::parse(bytes).err(), Some(error));
            return;
        }
        Err(SlimError::NotSmall(dump_type)) => {
            let found = KernelDump::parse(bytes).map(|dump| dump.header().dump_type);
            assert!(dump_type != DumpType::Triage && found == Ok(dump_type));
            return;
        }
    };
    assert!(slim.len() <= bytes.len(), "larger: {} of {} bytes", slim.len(), bytes.len());
    assert!(make_slim(&slim).is_ok_and(|again| again == slim), "not as slim as can be");
    let (len, slim_len) = (Ok(bytes.len()), Ok(slim.len()));
    let id = |bytes, len: Result<usize, ()>| {
        let len = len.ok().and_then(|len| u64::try_from(len).ok()).unwrap_or(u64::MAX);
        identify(bytes, &[0; 32], len).ok()
    };
    assert_eq!(id(bytes, len), id(&slim, slim_len), "another crash");
    let (Ok(before), Ok(after)) = (KernelDump::parse(bytes), KernelDump::parse(&slim)) else {
        assert_eq!(KernelDump::parse(bytes).err(), KernelDump::parse(&slim).err());
        return;
    };
    let header = |dump: &KernelDump<'_>| Header { required_dump_space: None, ..dump.header().clone() };
    assert_eq!(header(&before), header(&after));
    assert_eq!(before.context(), after.context());
    if before.problems().is_empty() {
        sound(&before, &after);
    }
}

/// Nothing but memory and secondary data is less.
fn sound(before: &KernelDump<'_>, after: &KernelDump<'_>) {
    assert_eq!(after.problems(), []);
    assert_eq!(before.drivers(), after.drivers());
    assert_eq!(before.unloaded(), after.unloaded());
    let guids = |dump: &KernelDump<'_>| dump.blobs().iter().map(|blob| blob.guid).collect::<Vec<_>>();
    assert_eq!(guids(before), guids(after));
}
