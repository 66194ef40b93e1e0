//! How a message looks in Kafka: key = machine, value = compressed dump, one JSON header. Pure.

use bytes::Bytes;
use rdkafka::message::{BorrowedMessage, Header, Headers as _, Message as _, OwnedHeaders};
use serde::{Deserialize, Serialize};

use crate::message::{Content, Malformed, Message, Meta};
use crate::queue::{DeadLetter, Delivery, Position};

/// The header that carries a message's [`Meta`].
const META_HEADER: &str = "bluescope-meta";
/// The header that says why a message is a dead letter.
const DEAD_LETTER_HEADER: &str = "bluescope-dead-letter";

/// Why and whence a dead letter came.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DeadLetterNote {
    pub(super) partition: i32,
    pub(super) offset: i64,
    pub(super) reason: String,
    pub(super) at_ms: i64,
}

pub(super) fn meta_header(meta: &[u8]) -> OwnedHeaders {
    OwnedHeaders::new_with_capacity(2).insert(Header { key: META_HEADER, value: Some(meta) })
}

pub(super) fn dead_letter_headers(meta: Option<&[u8]>, note: &[u8]) -> OwnedHeaders {
    let headers = meta.map_or_else(OwnedHeaders::new, meta_header);
    headers.insert(Header { key: DEAD_LETTER_HEADER, value: Some(note) })
}

pub(super) fn delivery(message: &BorrowedMessage<'_>) -> Delivery {
    Delivery {
        position: Position { partition: message.partition(), offset: message.offset() },
        message: read(message),
    }
}

pub(super) fn read(message: &BorrowedMessage<'_>) -> Result<Message, Malformed> {
    let header = header(message, META_HEADER).ok_or_else(|| Malformed {
        reason: format!("no header {META_HEADER}: somebody else wrote into the topic"),
    })?;
    let meta = Meta::from_json(header)?;
    let value = message.payload().map(Bytes::copy_from_slice).unwrap_or_default();
    if matches!(meta.content, Content::Inline) && value.is_empty() {
        return Err(Malformed {
            reason: "the header promises a dump in the message, which is empty".to_owned(),
        });
    }
    Ok(Message { meta, value })
}

/// What a record of the dead-letter topic says; none where somebody else wrote it.
pub(super) fn dead_letter(message: &BorrowedMessage<'_>) -> Option<DeadLetter> {
    let note: DeadLetterNote = serde_json::from_slice(header(message, DEAD_LETTER_HEADER)?).ok()?;
    Some(DeadLetter {
        position: Position { partition: note.partition, offset: note.offset },
        meta: header(message, META_HEADER).and_then(|bytes| Meta::from_json(bytes).ok()),
        reason: note.reason,
        at_ms: note.at_ms,
    })
}

fn header<'a>(message: &'a BorrowedMessage<'_>, key: &str) -> Option<&'a [u8]> {
    message.headers()?.iter().find(|header| header.key == key)?.value
}
