//! The endpoints that machines, relays and build scripts send to. The crate `ingest` serves them; they are described here, in
//! one place, and `tests/openapi` holds the description against its running routes. Nothing here is ever called.
#![expect(dead_code, reason = "read by the macros that make the document, by nothing else")]

use serde::Deserialize;
use utoipa::{IntoParams, OpenApi, ToSchema};
use uuid::Uuid;

#[derive(OpenApi)]
#[openapi(paths(crashes, heartbeats, inventory, changes, symbols, symbols_missing))]
pub(super) struct Intake;

/// What can be said of a machine in the head of a request.
#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
struct Origin {
    /// Who it is; else the address it comes from.
    #[param(rename = "X-Bluescope-Machine", example = "pc-0042")]
    machine: Option<String>,
    /// Its rollout ring.
    #[param(rename = "X-Bluescope-Ring", example = "broad")]
    ring: Option<String>,
    /// Its site; else the network it comes from.
    #[param(rename = "X-Bluescope-Site", example = "Berlin 3")]
    site: Option<String>,
    /// `gzip` or `zstd`, where the body is compressed.
    #[param(rename = "Content-Encoding")]
    encoding: Option<String>,
}

/// A crash that is durable.
#[derive(Deserialize, ToSchema)]
struct CrashReceipt {
    /// The same for every form and every retry of one crash.
    crash_id: Uuid,
}

/// Upload a crash dump
///
/// The dump as the body, or the form of Crashpad and Breakpad (`upload_file_minidump`, `guid`, `prod`, `ver`; any other field
/// becomes a tag), whose answer is `CrashID=bp-...` unless JSON is asked for. `X-Bluescope-Tag-NAME` are tags too. 200 means
/// durable; sent again, it counts once.
#[utoipa::path(
    post, path = "/v1/crashes", tag = "Intake",
    params(Origin),
    request_body(content((Vec<u8> = "application/octet-stream"), (CrashForm = "multipart/form-data"))),
    responses(
        (status = 200, description = "It is durable.", body = CrashReceipt),
        (status = 408, description = "The body came too slowly.", body = super::Body<'_>),
        (status = 413, description = "It is larger than this server takes, or inflates to more.", body = super::Body<'_>),
        (status = 422, description = "It is no crash dump.", body = super::Body<'_>),
    ),
)]
fn crashes() {}

/// What Crashpad and Breakpad send.
#[derive(Deserialize, ToSchema)]
struct CrashForm {
    /// The dump.
    #[schema(format = Binary)]
    upload_file_minidump: String,
    /// Name of the machine.
    machine: Option<String>,
    /// Who it is, where there is no name.
    guid: Option<String>,
}

/// A machine lives.
#[derive(Deserialize, ToSchema)]
struct BeatTold {
    /// Its name; one that speaks for itself may have said it in the head.
    machine: Option<String>,
    /// When, where a relay kept it; at most a day ago.
    #[schema(format = DateTime)]
    at: Option<String>,
    /// Whether it goes down on purpose.
    farewell: Option<bool>,
}

/// What a relay has collected.
#[derive(Deserialize, ToSchema)]
struct BeatsTold {
    /// At most 10,000.
    machines: Vec<BeatTold>,
}

/// One machine, or what a relay has collected.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
enum HeartbeatBody {
    Several(BeatsTold),
    One(BeatTold),
}

/// What was taken, and what was not.
#[derive(Deserialize, ToSchema)]
struct Receipt {
    /// Entries that are durable.
    taken: usize,
    /// Entries that were wrong, the first hundred; missing where all were taken.
    #[schema(required = false)]
    refused: Option<Vec<EntryRefused>>,
}

/// An entry that is not taken.
#[derive(Deserialize, ToSchema)]
struct EntryRefused {
    /// Which, from 0.
    index: usize,
    /// Why.
    reason: String,
}

/// Say that machines live
///
/// One machine by its headers and an empty body, with `X-Bluescope-Farewell: true` when it goes down on purpose; or what a
/// relay collected. Machines that fall silent together are an incident without any dump.
#[utoipa::path(
    post, path = "/v1/heartbeats", tag = "Intake",
    params(
        Origin,
        ("X-Bluescope-Farewell" = Option<bool>, Header, description = "Whether it goes down on purpose."),
    ),
    request_body(content = Option<HeartbeatBody>, example = json!({ "machines": [{ "machine": "pc-1" }, { "machine": "pc-2", "farewell": true }] })),
    responses(
        (status = 200, description = "It is durable.", body = Receipt),
        (status = 422, description = "Nothing in it could be taken.", body = super::Body<'_>),
    ),
)]
fn heartbeats() {}

/// What a machine is and loads, in full: what it no longer names is gone.
#[derive(Deserialize, ToSchema)]
struct InventoryTold {
    /// Its name; one that speaks for itself may have said it in the head.
    machine: Option<String>,
    /// Its site; one that speaks for itself may have said it in the head, else it is the network it comes from.
    site: Option<String>,
    /// Its rollout ring; one that speaks for itself may have said it in the head.
    ring: Option<String>,
    /// System model.
    model: Option<String>,
    /// Build of Windows.
    os_build: Option<NumberTold>,
    /// At most 2,000; an empty list for none.
    drivers: Vec<DriverTold>,
}

/// A number, or its text: `1720724522`, `"0x66902c2a"`.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
enum NumberTold {
    Number(u32),
    Text(String),
}

/// A driver that a machine loads.
#[derive(Deserialize, ToSchema)]
struct DriverTold {
    /// Base name.
    name: String,
    /// Version of the file.
    version: Option<String>,
    /// PE timestamp.
    timestamp: Option<NumberTold>,
    /// PE size of the image.
    size: Option<NumberTold>,
}

/// Several machines.
#[derive(Deserialize, ToSchema)]
struct InventoriesTold {
    /// At most 1,000.
    machines: Vec<InventoryTold>,
}

/// One machine, or several.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
enum InventoryBody {
    Several(InventoriesTold),
    One(InventoryTold),
}

/// Say what machines are and load
///
/// Thresholds and shares then go by the fleet as it is, and a rollout's gate knows who has which version.
#[utoipa::path(
    post, path = "/v1/inventory", tag = "Intake",
    params(Origin),
    request_body(content = InventoryBody, example = json!({
        "machine": "pc-1", "site": "Berlin 3", "ring": "broad", "model": "Latitude 5420", "os_build": 19045,
        "drivers": [{ "name": "csagent.sys", "version": "7.11", "timestamp": "0x66902c2a", "size": 3_473_408 }]
    })),
    responses(
        (status = 200, description = "It is durable.", body = Receipt),
        (status = 422, description = "Nothing in it could be taken.", body = super::Body<'_>),
    ),
)]
fn inventory() {}

/// Something that was changed on purpose.
#[derive(Deserialize, ToSchema)]
struct ChangeTold {
    /// A driver's base name, or whatever people call it.
    what: String,
    /// Its version.
    version: Option<String>,
    /// PE timestamp of the new image.
    timestamp: Option<NumberTold>,
    /// When it began; else now. At most 30 days ago, and at most a day ahead.
    #[schema(format = DateTime)]
    at: Option<String>,
    /// Which ring; else all.
    ring: Option<String>,
    /// Who makes it.
    vendor: Option<String>,
}

/// One change, or a list of at most 1,000.
#[derive(Deserialize, ToSchema)]
#[serde(untagged)]
enum ChangeBody {
    Several(Vec<ChangeTold>),
    One(ChangeTold),
}

/// Say what was changed on purpose
///
/// A rollout, a content update, a policy: one, or a list of at most 1,000. Incidents name the change that fits.
#[utoipa::path(
    post, path = "/v1/changes", tag = "Intake",
    params(Origin),
    request_body(content = ChangeBody, example = json!({ "what": "csagent.sys", "version": "7.11", "ring": "broad" })),
    responses(
        (status = 200, description = "It is durable.", body = Receipt),
        (status = 422, description = "Nothing in it could be taken.", body = super::Body<'_>),
    ),
)]
fn changes() {}

/// Symbol files that were taken, and what was not.
#[derive(Deserialize, ToSchema)]
struct SymbolReceipt {
    /// Files that are kept.
    files: Vec<FileTaken>,
    /// Files that are not.
    refused: Vec<FileRefused>,
}

/// A file that is kept.
#[derive(Deserialize, ToSchema)]
struct FileTaken {
    /// Canonical id: `crash.pdb/3249d99d0c4049318610f4e4fb0b69361`.
    id: String,
    /// `image`, `pdb`, `sym`.
    kind: String,
    /// Name of the file itself.
    name: String,
    /// Its length, unpacked.
    bytes: u64,
}

/// A file that is not.
#[derive(Deserialize, ToSchema)]
struct FileRefused {
    /// Its name; empty where none was told.
    name: String,
    /// Why.
    reason: String,
}

/// Push symbol files
///
/// An image, a PDB, a `.sym` file, or a zip or cabinet of those: as the body, or several in a form. Told apart by content.
/// Crashes that lacked them are analysed again within seconds.
#[utoipa::path(
    post, path = "/v1/symbols", tag = "Intake",
    params(("name" = Option<String>, Query, description = "Name of the file in the body.", example = "driver.pdb")),
    request_body(content((Vec<u8> = "application/octet-stream"), (SymbolForm = "multipart/form-data"))),
    responses(
        (status = 200, description = "They are kept.", body = SymbolReceipt),
        (status = 413, description = "It is larger than this server takes, or inflates to more.", body = super::Body<'_>),
        (status = 422, description = "Nothing in it is a symbol file.", body = super::Body<'_>),
    ),
)]
fn symbols() {}

/// Any number of files.
#[derive(Deserialize, ToSchema)]
struct SymbolForm {
    /// A file; any other field with a file is taken too.
    #[schema(format = Binary)]
    file: String,
}

/// Files that recent crashes want.
#[derive(Deserialize, ToSchema)]
struct SymbolsWanted {
    /// Most machines first.
    missing: Vec<SymbolWanted>,
    /// `before` of the next page, where there is one.
    next: Option<String>,
}

/// A file that analyses wanted and nobody had.
#[derive(Deserialize, ToSchema)]
struct SymbolWanted {
    /// Canonical id: `crash.pdb/3249d99d0c4049318610f4e4fb0b69361`.
    id: String,
    /// `image` or `pdb`.
    kind: String,
    /// Crashes that it would help.
    crashes: u64,
    /// Distinct machines of these.
    machines: u64,
    /// Distinct fault sites.
    sites: u64,
    /// Drivers and modules that are blamed for them.
    drivers: Vec<String>,
    /// The last of them happened, ms since 1970.
    last_seen_ms: i64,
}

/// Symbol files that are wanted
///
/// For scripts that push: what this tenant's crashes of the last week would be named by. The pages' own list is
/// `/api/v1/symbols/missing`.
#[utoipa::path(
    get, path = "/v1/symbols/missing", tag = "Intake",
    params(
        ("limit" = Option<u32>, Query, description = "Lines of the answer: 100 usually, 1,000 at most.", example = 100),
        ("before" = Option<String>, Query, description = "`next` of the page before."),
        ("after" = Option<String>, Query, description = "An older name of `before`.", deprecated),
    ),
    responses((status = 200, description = "OK", body = SymbolsWanted)),
)]
fn symbols_missing() {}
