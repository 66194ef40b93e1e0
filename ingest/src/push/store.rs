//! What arrived, filed: identified on a blocking thread, made durable in the store, and then noted in the database, so
//! that whatever lacked it is analysed again.

use std::sync::Arc;

use serde::Serialize;
use storage::questions::AuditRow;
use storage::rows::SymbolFileRow;
use storage::symbols::SymbolKey;
use symbols::identify::UnpackLimits;
use uuid::Uuid;

use super::Inner;
use super::look::{Content, Looked, look};
use super::metrics::Kind;
use super::spool::Spooled;
use crate::refusal::{Refusal, short, storage_failed};
use crate::upload::now_ms;

/// Members of an archive that are looked at.
const MOST_FILES: usize = 1_000;
/// Reasons in a refusal, and files of no use in an answer: of an archive of sources people want to see the kind of fault,
/// not all of it.
const MOST_REASONS: usize = 100;

/// Files that a line of the audit log names.
const MOST_NAMED: usize = 10;

/// The answer to an upload.
#[derive(Debug, Default, Serialize)]
pub(super) struct Pushed {
    files: Vec<Filed>,
    refused: Vec<Refused>,
}

/// A file that is stored.
#[derive(Debug, Serialize)]
struct Filed {
    id: String,
    kind: &'static str,
    name: String,
    bytes: u64,
}

/// A file of no use.
#[derive(Debug, Serialize)]
struct Refused {
    name: String,
    reason: String,
}

/// Files all that is of use. A failure leaves files that are stored and not noted: harmless, and pushing again notes them.
pub(super) async fn file(
    intake: Arc<Inner>,
    tenant: String,
    peer: String,
    spooled: Vec<Spooled>,
) -> Result<Pushed, Refusal> {
    let mut pushed = Pushed::default();
    for file in spooled {
        let _looking = intake.looking.acquire().await.map_err(|_closed| Refusal::Unavailable)?;
        file_one(&intake, &tenant, file, &mut pushed).await?;
    }
    if pushed.files.is_empty() {
        return Err(Refusal::NoSymbols(pushed.reasons()));
    }
    let arrived_at = now_ms();
    let row = |file: &Filed| SymbolFileRow {
        tenant: tenant.clone(),
        id: file.id.clone(),
        kind: file.kind.to_owned(),
        file_name: file.name.clone(),
        bytes: file.bytes,
        arrived_at,
    };
    let rows: Vec<SymbolFileRow> = pushed.files.iter().map(row).collect();
    intake.database.insert_symbol_files(&rows).await.map_err(|error| {
        tracing::error!(cause = ?error, "the arrival of symbol files was not noted");
        Refusal::Unavailable
    })?;
    intake.database.put_audit(&audit(&tenant, peer, arrived_at, &pushed.files)).await.map_err(|error| {
        tracing::error!(cause = ?error, "a push of symbol files is missing in the audit log");
        Refusal::Unavailable
    })?;
    for file in &pushed.files {
        tracing::info!(tenant, id = file.id, kind = file.kind, bytes = file.bytes, "symbol file stored");
        intake.metrics.files.get_or_create(&Kind { kind: file.kind }).inc();
    }
    pushed.refused.truncate(MOST_REASONS);
    Ok(pushed)
}

/// The line of the audit log. A token stands for a tenant, not for a person.
fn audit(tenant: &str, peer: String, at_ms: i64, files: &[Filed]) -> AuditRow {
    let ids: Vec<&str> = files.iter().take(MOST_NAMED).map(|file| file.id.as_str()).collect();
    let more = files.len().saturating_sub(ids.len());
    let rest = if more == 0 { String::new() } else { format!(" and {more} more") };
    AuditRow {
        audit_id: Uuid::new_v4(),
        at_ms,
        who: "a token".to_owned(),
        role: String::new(),
        peer,
        action: "symbol_push".to_owned(),
        subject: tenant.to_owned(),
        detail: format!("{}{rest}", ids.join(", ")),
    }
}

async fn file_one(
    intake: &Inner,
    tenant: &str,
    spooled: Spooled,
    pushed: &mut Pushed,
) -> Result<(), Refusal> {
    let Spooled { name, path } = spooled;
    let limits = UnpackLimits {
        file_bytes: intake.config.max_bytes,
        total_bytes: intake.config.max_bytes,
        files: MOST_FILES,
    };
    let looked = tokio::task::spawn_blocking(move || Ok((look(&name, &path, &limits)?, path)));
    let (Looked { files, refused }, path) =
        looked.await.map_err(std::io::Error::other).flatten().map_err(|error: std::io::Error| {
            tracing::error!(cause = ?error, "a symbol file could not be looked into");
            Refusal::Unavailable
        })?;
    pushed.refused.extend(
        refused.into_iter().map(|(name, reason)| Refused { name: short(&name), reason: short(&reason) }),
    );
    let mut upload = Some(path);
    for (id, content) in files {
        let Some(key) = SymbolKey::new(id.name(), &id.key(), &id.file_name()) else {
            let reason = "no name that it could be stored under".to_owned();
            pushed.refused.push(Refused { name: short(id.name()), reason });
            continue;
        };
        let bytes = match content {
            Content::Upload(bytes) => {
                // It is on the disk already; there is one of it.
                let Some(path) = upload.take() else { continue };
                intake.store.put_file(tenant, &key, path).await.map_err(storage_failed)?;
                bytes
            }
            Content::Member(member) => {
                let bytes = u64::try_from(member.len()).unwrap_or(u64::MAX);
                intake.store.put(tenant, &key, member).await.map_err(storage_failed)?;
                bytes
            }
        };
        pushed.files.push(Filed { id: key.id(), kind: id.kind(), name: id.file_name(), bytes });
    }
    Ok(())
}

impl Pushed {
    /// The first few reasons, as one sentence.
    fn reasons(&self) -> String {
        let shown: Vec<String> = self
            .refused
            .iter()
            .take(3)
            .map(|file| match file.name.as_str() {
                "" => file.reason.clone(),
                name => format!("{name}: {}", file.reason),
            })
            .collect();
        let more = self.refused.len().saturating_sub(shown.len());
        let rest = if more == 0 { String::new() } else { format!("; and {more} more") };
        format!("{}{rest}", shown.join("; "))
    }
}
