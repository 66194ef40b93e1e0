//! `FAILURE_BUCKET_ID` in WinDbg's grammar (Windows 8 and later) and its `FAILURE_ID_HASH`. Pure text; a bucket id that is
//! right carries Microsoft's own hash, so people can search for it.
//!
//! What cannot be known without symbols or images is left out, never invented: the function is `unknown_function`, the
//! `VRF` marker is never set.

use std::fmt::Write as _;

use dump::Role;
use md5::{Digest, Md5};

use crate::blame::{Culprit, Decision};
use crate::facts::{Access, Exception, KernelFacts, Site};
use crate::tables::fast_fail_name;

/// `FAILURE_ID_HASH`: the MD5 of the lower-cased bucket id with its prefix in UTF-16LE, written as a GUID in
/// little-endian field order.
pub(crate) fn hash(prefix: &str, bucket: &str) -> String {
    let mut md5 = Md5::new();
    for unit in prefix.encode_utf16().chain(bucket.to_lowercase().encode_utf16()) {
        md5.update(unit.to_le_bytes());
    }
    let uuid = uuid::Uuid::from_bytes_le(md5.finalize().into());
    uuid.braced().to_string()
}

/// Name of a module as the debugger has it: the image name without its extension, the kernel as `nt`, and whatever
/// cannot stand in a symbol expression as `_`.
pub(crate) fn module_name(image: &str, kernel: bool) -> String {
    if kernel {
        return "nt".to_owned();
    }
    let stem = image.rsplit_once('.').map_or(image, |(stem, _)| stem);
    stem.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect()
}

/// `STATUS_ACCESS_VIOLATION`.
const ACCESS_VIOLATION: u32 = 0xC000_0005;
/// Addresses below are a null pointer with an offset.
const NULL_PAGE: u64 = 0x1_0000;

/// `AV_`, `AV_R_(null)_`, `AV_W_INVALID_`.
fn access_violation(code: u32, exception: Option<Exception>) -> String {
    let Some((access, accessed)) = exception.and_then(|it| Some((it.access?, it.accessed?))) else {
        return "AV_".to_owned();
    };
    let letter = match access {
        Access::Read => 'R',
        Access::Write => 'W',
        Access::Execute if accessed < NULL_PAGE => return "AV_CODE_AV_NULL_IP_".to_owned(),
        Access::Execute => return "AV_CODE_AV_BAD_IP_".to_owned(),
    };
    match code {
        // Seen without any marker, whatever the address: AV_NETIO!... read 8.
        0xA | 0xD1 => "AV_".to_owned(),
        0x50 => format!("AV_{letter}_INVALID_"),
        _ if accessed < NULL_PAGE => format!("AV_{letter}_(null)_"),
        _ => "AV_".to_owned(),
    }
}

/// The part before the module.
fn head(facts: &KernelFacts<'_>) -> String {
    let code = facts.code;
    let [p1, ..] = facts.parameters;
    let status = facts.exception.map(|exception| exception.code);
    match code {
        0xA | 0x50 | 0xD1 => access_violation(code, facts.exception),
        0x3B | 0x7E | 0x8E if status == Some(ACCESS_VIOLATION) => access_violation(code, facts.exception),
        0x1E | 0x3B | 0x7E | 0x8E => format!("0x{code:X}_{:x}_", status.unwrap_or_default()),
        0x4A => format!("RAISED_IRQL_FAULT_{}_", facts.process.unwrap_or("unknown")),
        0x133 => format!("0x133_{}_", if p1 == 0 { "DPC" } else { "ISR" }),
        0x139 => match fast_fail_name(p1) {
            Some(name) => format!("0x139_{p1:x}_{name}_"),
            None => format!("0x139_{p1:x}_"),
        },
        0xC4 | 0xC9 => format!("0x{code:x}_{p1:x}_VRF_"),
        0xEF | 0xF4 => {
            format!("0x{code:X}_{}_BUGCHECK_CRITICAL_PROCESS_", facts.process.unwrap_or("unknown"))
        }
        0x116 | 0x117 | 0x141 => format!("0x{code:X}_IMAGE_"),
        _ if facts.roles.first() == Some(&Role::Subcode) => format!("0x{code:X}_{p1:x}_"),
        _ => format!("0x{code:X}_"),
    }
}

/// The part after the head, for a culprit that is an image.
fn tail(facts: &KernelFacts<'_>, image: &str, module: &str, function: Option<String>) -> String {
    match facts.code {
        0x116 | 0x117 | 0x141 => image.to_owned(),
        0x9F => match facts.bus {
            Some(bus) => format!("{module}_IMAGE_{}", facts.name(bus)),
            None => format!("{module}_IMAGE_{image}"),
        },
        _ => format!("{module}!{}", function.as_deref().unwrap_or("unknown_function")),
    }
}

/// The bucket id of a kernel crash; `function` tells the name of the one at a place, where symbols do.
pub(crate) fn kernel(
    facts: &KernelFacts<'_>,
    decision: &Decision,
    function: &dyn Fn(Site) -> Option<String>,
) -> String {
    let mut bucket = if facts.live { "LKD_".to_owned() } else { String::new() };
    if facts.code == 0x124 {
        let vendor = facts.processor_vendor.unwrap_or("hardware");
        let source = facts.parameters.first().copied().unwrap_or_default();
        // Writing to a string cannot fail.
        let _infallible = write!(bucket, "0x124_{source:x}_{vendor}__UNKNOWN_IMAGE_{vendor}.sys");
        return bucket;
    }
    bucket.push_str(&head(facts));
    let named = |name: &str| tail(facts, name, &module_name(name, false), None);
    bucket.push_str(&match &decision.culprit {
        Culprit::Image(site) => {
            let kernel = facts.images.get(site.image).is_some_and(|image| image.kernel);
            tail(facts, facts.name(*site), &module_name(facts.name(*site), kernel), function(*site))
        }
        Culprit::Unloaded(index, _) => named(facts.unloaded.get(*index).copied().unwrap_or("unknown")),
        Culprit::Name(name) => named(name),
        Culprit::Hardware => "IMAGE_hardware".to_owned(),
        Culprit::Process(_) | Culprit::Manual => "nt!unknown_function".to_owned(),
        Culprit::Nobody => "Unknown_Image".to_owned(),
    });
    bucket
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_windows() {
        let check = |prefix, bucket, expected: &str| assert_eq!(hash(prefix, bucket), expected, "{bucket}");
        check("km:", "AV_myfault!unknown_function", "{9745090a-9bce-ccba-c096-ca6e9ca04c64}");
        check("km:", "LKD_0x117_IMAGE_igdkmd64.sys", "{df5cc292-6e03-34f8-7849-e22c43f13df4}");
        check("km:", "0x133_DPC_gwdrv!unknown_function", "{229a5753-87e5-3d87-e2b9-50836a10c652}");
        check(
            "um:",
            "NULL_POINTER_WRITE_c0000005_accessv.exe!main",
            "{1c59fc7c-49ca-7215-0582-702a810098c4}",
        );
    }

    #[test]
    fn every_public_pair_hashes_right() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../shared/reference/bucket_hash_pairs.json");
        let Ok(text) = std::fs::read_to_string(path) else {
            println!("skipped: ../shared is not there");
            return;
        };
        let pairs: Vec<std::collections::BTreeMap<String, String>> = serde_json::from_str(&text).unwrap();
        assert_eq!(pairs.len(), 30);
        for pair in pairs {
            assert_eq!(
                hash(&pair["prefix"], &pair["bucket"]),
                format!("{{{}}}", pair["hash"]),
                "{}",
                pair["bucket"]
            );
        }
    }

    #[test]
    fn module_names() {
        let check = |image, kernel, expected| assert_eq!(module_name(image, kernel), expected);
        check("csagent.sys", false, "csagent");
        check("ntoskrnl.exe", true, "nt");
        check("my-driver.v2.sys", false, "my_driver_v2");
        check("noextension", false, "noextension");
    }
}
