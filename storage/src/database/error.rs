//! What can go wrong with ClickHouse, and whether trying again may help.

use clickhouse::error::Error;

/// ClickHouse said no, or could not be asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatabaseError {
    /// A request failed.
    #[error("ClickHouse failed to {doing}")]
    Request {
        /// What was being done.
        doing: &'static str,
        /// Why it failed.
        #[source]
        source: Error,
    },
    /// A step of the schema could not be applied.
    #[error("schema/{file} failed")]
    Migration {
        /// Which one.
        file: &'static str,
        /// Why.
        #[source]
        source: Error,
    },
    /// This database was made by another text of a step than this build has.
    #[error(
        "schema/{file} was applied with another text: the database and this build do not belong together"
    )]
    MigrationChanged {
        /// Which one.
        file: &'static str,
    },
    /// The embedded engine did not start.
    #[cfg(feature = "embedded")]
    #[error(transparent)]
    Engine(#[from] embedded::EngineError),
    /// An embedded database was asked of a build without the engine.
    #[error("this build has no embedded ClickHouse: give the URL of a server")]
    NotBuiltIn,
    /// It has not answered since this process began.
    #[error("ClickHouse has not answered yet")]
    NotReady,
    /// The caller asked for something that cannot be answered.
    #[error("{0}")]
    Invalid(&'static str),
}

/// ClickHouse's codes for troubles that pass by themselves.
const PASSING: &[u32] = &[
    3, // UNEXPECTED_END_OF_FILE: the connection broke off
    // A full or failing disk: rows wait in the queue until there is room.
    74, 75, 76,
    173, // CANNOT_READ_, CANNOT_WRITE_TO_FILE_DESCRIPTOR, CANNOT_OPEN_FILE, CANNOT_ALLOCATE_MEMORY
    1000, 1001, 1002, // POCO_, STD_, UNKNOWN_EXCEPTION
    159,  // TIMEOUT_EXCEEDED
    164,  // READONLY: a replica that has lost its keeper
    202,  // TOO_MANY_SIMULTANEOUS_QUERIES
    203,  // NO_FREE_CONNECTION
    209,  // SOCKET_TIMEOUT
    210,  // NETWORK_ERROR
    225,  // NO_ZOOKEEPER
    236,  // ABORTED: the server is stopping
    241,  // MEMORY_LIMIT_EXCEEDED
    242,  // TABLE_IS_READ_ONLY
    243,  // NOT_ENOUGH_SPACE: rows wait in the queue until there is some
    252,  // TOO_MANY_PARTS
    285,  // TOO_FEW_LIVE_REPLICAS
    319,  // UNKNOWN_STATUS_OF_INSERT
    394,  // QUERY_WAS_CANCELLED
    425,  // SYSTEM_ERROR
    439,  // CANNOT_SCHEDULE_TASK
    735,  // QUERY_WAS_CANCELLED_BY_CLIENT
    745,  // SERVER_OVERLOADED
    999,  // KEEPER_EXCEPTION
];

impl DatabaseError {
    /// Whether the same request may succeed a little later.
    pub fn retryable(&self) -> bool {
        match self {
            Self::Request { source, .. } | Self::Migration { source, .. } => passes(source),
            Self::NotReady => true,
            _ => false,
        }
    }

    /// Whether another process has the embedded database open: only one can.
    pub fn in_use(&self) -> bool {
        #[cfg(feature = "embedded")]
        let in_use = matches!(self, Self::Engine(embedded::EngineError::InUse { .. }));
        #[cfg(not(feature = "embedded"))]
        let in_use = false;
        in_use
    }

    /// ClickHouse's own code, where it gave one: `62` of `Code: 62. DB::Exception: ...`.
    pub fn code(&self) -> Option<u32> {
        match self {
            Self::Request { source: Error::BadResponse(text), .. }
            | Self::Migration { source: Error::BadResponse(text), .. } => code_in(text),
            _ => None,
        }
    }

    pub(crate) fn while_(doing: &'static str) -> impl Fn(Error) -> Self {
        move |source| Self::Request { doing, source }
    }
}

fn passes(error: &Error) -> bool {
    match error {
        Error::Network(_) | Error::TimedOut => true,
        Error::BadResponse(text) => match code_in(text) {
            Some(code) => PASSING.contains(&code),
            // No code: not ClickHouse itself but something before it.
            None => ["429 ", "502 ", "503 ", "504 "].iter().any(|status| text.starts_with(status)),
        },
        _ => false,
    }
}

fn code_in(text: &str) -> Option<u32> {
    let rest = text.split_once("Code: ")?.1;
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(error: Error, code: Option<u32>, retryable: bool) {
        let error = DatabaseError::while_("test")(error);
        assert_eq!((error.code(), error.retryable()), (code, retryable), "{error:?}");
    }

    #[test]
    fn codes_decide_what_is_tried_again() {
        let text = |text: &str| Error::BadResponse(text.to_owned());
        check(text("Code: 62. DB::Exception: Syntax error"), Some(62), false);
        check(text("Code: 252. DB::Exception: Too many parts (300)"), Some(252), true);
        check(text("Code: 241. DB::Exception: (total) memory limit exceeded"), Some(241), true);
        check(text("503 Service Unavailable"), None, true);
        check(text("401 Unauthorized"), None, false);
        check(Error::TimedOut, None, true);
        check(Error::Network("connection refused".into()), None, true);
        check(Error::SchemaMismatch("x".into()), None, false);
    }
}
