//! The analyzer's report as the crash page reads it. Every field may be missing: reports outlive versions.

use serde::Deserialize;

/// The whole report.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Report {
    pub(crate) dump_type: String,
    pub(crate) dump_bytes: u64,
    pub(crate) crash_time: Option<String>,
    pub(crate) uptime_s: Option<f64>,
    pub(crate) bugcheck: Option<BugCheck>,
    pub(crate) exception: Option<Exception>,
    pub(crate) code: Option<Code>,
    pub(crate) verdict: Verdict,
    pub(crate) stack: Vec<Frame>,
    pub(crate) registers: Vec<(String, String)>,
    pub(crate) machine: Machine,
    pub(crate) process: Option<String>,
    pub(crate) modules: Vec<Module>,
    pub(crate) unloaded: Vec<Unloaded>,
    pub(crate) problems: Vec<String>,
    pub(crate) kernel: Option<Kernel>,
}

/// Machine code around the fault: two hexadecimal digits a byte.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Code {
    pub(crate) address: String,
    pub(crate) fault: String,
    pub(crate) bytes: String,
}

/// What a kernel dump says beyond the crash, as far as a page shows it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Kernel {
    pub(crate) secondary_data: Vec<Blob>,
}

/// Something that a driver put into the dump.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Blob {
    pub(crate) guid: String,
    pub(crate) name: Option<String>,
    pub(crate) size: u64,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct BugCheck {
    pub(crate) code: u32,
    pub(crate) raw_code: u32,
    pub(crate) name: String,
    pub(crate) parameters: Vec<Parameter>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Parameter {
    pub(crate) value: String,
    pub(crate) meaning: String,
    pub(crate) resolved: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Exception {
    pub(crate) code: u32,
    pub(crate) name: String,
    pub(crate) address: String,
    pub(crate) access: Option<String>,
    pub(crate) accessed: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Verdict {
    pub(crate) culprit: String,
    pub(crate) name: String,
    pub(crate) timestamp: Option<u32>,
    pub(crate) size: Option<u32>,
    pub(crate) offset: Option<u64>,
    pub(crate) confidence: String,
    pub(crate) rule: String,
    pub(crate) evidence: Vec<String>,
    pub(crate) bucket: String,
    pub(crate) bucket_hash: String,
    pub(crate) hardware_sign: Option<String>,
    pub(crate) runners_up: Vec<RunnerUp>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct RunnerUp {
    pub(crate) image_name: String,
    pub(crate) rule: String,
    pub(crate) why: String,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Frame {
    pub(crate) address: String,
    pub(crate) module: String,
    pub(crate) offset: u64,
    pub(crate) trust: String,
    pub(crate) sp: Option<String>,
    pub(crate) args: Vec<String>,
    pub(crate) function: Option<String>,
    pub(crate) function_offset: Option<u64>,
    pub(crate) file: Option<String>,
    pub(crate) line: Option<u32>,
    pub(crate) inlined: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Machine {
    pub(crate) os: String,
    pub(crate) build: u32,
    pub(crate) ubr: Option<u32>,
    pub(crate) arch: String,
    pub(crate) processors: u32,
    pub(crate) cpu: Option<String>,
    pub(crate) vendor: Option<String>,
    pub(crate) model: Option<String>,
    pub(crate) bios: Option<String>,
    pub(crate) product: Option<String>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) base: String,
    pub(crate) size: u32,
    pub(crate) timestamp: u32,
    pub(crate) version: Option<String>,
    pub(crate) vendor: String,
    pub(crate) inbox: bool,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Unloaded {
    pub(crate) name: String,
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) time: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_of_any_version_are_read() {
        let empty: Report = serde_json::from_str("{}").unwrap();
        assert!(empty.bugcheck.is_none() && empty.stack.is_empty());
        let newer =
            r#"{"verdict":{"name":"csagent.sys","offset":922861,"invented_later":1},"machine":{},"x":[1]}"#;
        let newer: Report = serde_json::from_str(newer).unwrap();
        assert_eq!((newer.verdict.name.as_str(), newer.verdict.offset), ("csagent.sys", Some(922_861)));
    }
}
