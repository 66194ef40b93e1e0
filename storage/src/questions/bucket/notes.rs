//! What people wrote about a bucket. Only ever added to.

use clickhouse::Row;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::database::{Database, DatabaseError};

/// One note.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct NoteRow {
    /// Identity: written twice it is one note.
    #[serde(with = "clickhouse::serde::uuid")]
    pub note_id: Uuid,
    /// Whose crashes it is about; empty in an installation with one tenant.
    pub tenant: String,
    /// Bucket id.
    pub bucket: String,
    /// When, ms since 1970.
    pub at_ms: i64,
    /// Who.
    pub who: String,
    /// What; may be empty where there is a link.
    pub note: String,
    /// Where the issue is known; empty for none.
    pub link: String,
}

/// As it is written: the row of the table.
#[derive(Row, Serialize, Deserialize)]
struct Written {
    #[serde(with = "clickhouse::serde::uuid")]
    note_id: Uuid,
    tenant: String,
    bucket: String,
    at: i64,
    who: String,
    note: String,
    link: String,
}

const SQL: &str = "
SELECT note_id, tenant, bucket, toUnixTimestamp64Milli(at) AS at_ms, who, note, link
FROM bucket_notes FINAL
WHERE bucket_key = sipHash64({bucket:String}) AND bucket = {bucket:String}
    AND ({any_tenant:Bool} OR tenant = {tenant:String})
ORDER BY at DESC, note_id
LIMIT 200";

impl Database {
    /// Writes a note; durable when `Ok`.
    pub async fn put_bucket_note(&self, note: &NoteRow) -> Result<(), DatabaseError> {
        let NoteRow { note_id, tenant, bucket, at_ms: at, who, note, link } = note.clone();
        self.insert("bucket_notes", &[Written { note_id, tenant, bucket, at, who, note, link }]).await
    }

    /// The notes of a bucket of one tenant or of all, the newest 200, newest first.
    pub async fn bucket_notes(
        &self,
        tenant: Option<&str>,
        bucket: &str,
    ) -> Result<Vec<NoteRow>, DatabaseError> {
        self.ask(SQL)
            .param("bucket", bucket)
            .param("any_tenant", tenant.is_none())
            .param("tenant", tenant.unwrap_or_default())
            .fetch_all()
            .await
            .map_err(DatabaseError::while_("read a bucket's notes"))
    }
}
