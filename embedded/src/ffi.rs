//! libchdb's C functions, loaded at run time, and the safe types above them. The only file with `unsafe`.
//!
//! What the wrappers rest on, from libchdb's header and from trying it: a connection runs one statement at a time
//! (hence `&mut`), may be used from any thread, and several may be open to one folder; texts and parameters are
//! copied before a call returns; every result, also the one that ends a stream, is ours to destroy.

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::marker::PhantomData;
use std::path::Path;
use std::ptr::{self, NonNull};

use libloading::Library;

type Handle = *mut c_void;
type Text = *const c_char;
type Texts = *const *const c_char;
type Lengths = *const usize;
type QueryFn =
    unsafe extern "C" fn(Handle, Text, usize, Text, usize, Texts, Lengths, Texts, Lengths, usize) -> Handle;

/// `chdb_state` of a call that went well.
const SUCCESS: c_int = 0;

/// The functions of one loaded libchdb. Never unloaded: the engine's threads live as long as the process.
#[derive(Clone, Copy)]
pub(crate) struct Api {
    connect: unsafe extern "C" fn(c_int, *mut *mut c_char) -> *mut Handle,
    close_conn: unsafe extern "C" fn(*mut Handle),
    query: QueryFn,
    stream_query: QueryFn,
    stream_fetch_result: unsafe extern "C" fn(Handle, Handle) -> Handle,
    stream_cancel_query: unsafe extern "C" fn(Handle, Handle),
    stream_insert: QueryFn,
    stream_insert_error: unsafe extern "C" fn(Handle) -> Text,
    stream_append: unsafe extern "C" fn(Handle, *const c_void, usize) -> c_int,
    stream_done: unsafe extern "C" fn(Handle) -> Handle,
    stream_cancel_insert: unsafe extern "C" fn(Handle),
    destroy_insert_stream: unsafe extern "C" fn(Handle),
    destroy_query_result: unsafe extern "C" fn(Handle),
    result_buffer: unsafe extern "C" fn(Handle) -> *mut c_char,
    result_length: unsafe extern "C" fn(Handle) -> usize,
    result_error: unsafe extern "C" fn(Handle) -> Text,
    result_rows_read: unsafe extern "C" fn(Handle) -> u64,
    result_bytes_read: unsafe extern "C" fn(Handle) -> u64,
    result_rows_written: unsafe extern "C" fn(Handle) -> u64,
    result_bytes_written: unsafe extern "C" fn(Handle) -> u64,
}

/// What a statement read and wrote.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Summary {
    pub(crate) read_rows: u64,
    pub(crate) read_bytes: u64,
    pub(crate) written_rows: u64,
    pub(crate) written_bytes: u64,
}

impl Api {
    /// Loads libchdb. The engine installs no signal handlers: those are the executable's own affair.
    pub(crate) fn load(path: &Path) -> Result<Self, libloading::Error> {
        // SAFETY: the library runs its initialisers when it is loaded. The path was chosen by the operator, or is
        // one of the places where only the operator puts a libchdb.
        let library = unsafe { Library::new(path) }?;
        macro_rules! function {
            ($name:literal) => {
                // SAFETY: the type it is stored as is the one in libchdb's header.
                *unsafe { library.get($name) }?
            };
        }
        let set_signal_handlers_enabled: unsafe extern "C" fn(c_int) =
            function!(b"chdb_set_signal_handlers_enabled\0");
        let api = Self {
            connect: function!(b"chdb_connect\0"),
            close_conn: function!(b"chdb_close_conn\0"),
            query: function!(b"chdb_query_with_params_n\0"),
            stream_query: function!(b"chdb_stream_query_with_params_n\0"),
            stream_fetch_result: function!(b"chdb_stream_fetch_result\0"),
            stream_cancel_query: function!(b"chdb_stream_cancel_query\0"),
            stream_insert: function!(b"chdb_stream_insert_with_params_n\0"),
            stream_insert_error: function!(b"chdb_stream_insert_error\0"),
            stream_append: function!(b"chdb_stream_append\0"),
            stream_done: function!(b"chdb_stream_done\0"),
            stream_cancel_insert: function!(b"chdb_stream_cancel_insert\0"),
            destroy_insert_stream: function!(b"chdb_destroy_insert_stream\0"),
            destroy_query_result: function!(b"chdb_destroy_query_result\0"),
            result_buffer: function!(b"chdb_result_buffer\0"),
            result_length: function!(b"chdb_result_length\0"),
            result_error: function!(b"chdb_result_error\0"),
            result_rows_read: function!(b"chdb_result_rows_read\0"),
            result_bytes_read: function!(b"chdb_result_bytes_read\0"),
            result_rows_written: function!(b"chdb_result_rows_written\0"),
            result_bytes_written: function!(b"chdb_result_bytes_written\0"),
        };
        // SAFETY: takes a flag and may be called at any time.
        unsafe { set_signal_handlers_enabled(0) };
        // The functions must outlive every copy of `api`.
        std::mem::forget(library);
        Ok(api)
    }

    /// Opens a connection with `clickhouse local`'s arguments. `None` where the engine refused; it says why only on
    /// the standard error output.
    pub(crate) fn connect(self, arguments: &[CString]) -> Option<Connection> {
        let mut argv: Vec<*mut c_char> = arguments.iter().map(|text| text.as_ptr().cast_mut()).collect();
        let argc = c_int::try_from(argv.len()).ok()?;
        // SAFETY: argc strings that end in NUL and live through the call; libchdb copies and does not write to them.
        let connection = NonNull::new(unsafe { (self.connect)(argc, argv.as_mut_ptr()) })?;
        Some(Connection { api: self, connection })
    }

    /// Takes over a result: null, an error, or data.
    fn result(self, result: Handle) -> Result<Chunk, String> {
        let Some(result) = NonNull::new(result) else {
            return Err("Code: 1002. DB::Exception: libchdb gave no result. (UNKNOWN_EXCEPTION)".to_owned());
        };
        let chunk = Chunk { api: self, result };
        // SAFETY: a result that was not destroyed.
        let error = unsafe { (self.result_error)(result.as_ptr()) };
        // SAFETY: null or a string that lives as long as the result, copied here.
        match unsafe { text(error) } {
            Some(error) => Err(error),
            None => Ok(chunk),
        }
    }
}

/// # Safety
/// Null, or a string that ends in NUL.
unsafe fn text(text: Text) -> Option<String> {
    if text.is_null() {
        return None;
    }
    // SAFETY: promised by the caller.
    Some(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned())
}

/// Query parameters as libchdb wants them: four parallel arrays that borrow from the names and values.
struct Parameters<'a> {
    names: Vec<Text>,
    name_lengths: Vec<usize>,
    values: Vec<Text>,
    value_lengths: Vec<usize>,
    borrowed: PhantomData<&'a str>,
}

impl<'a> Parameters<'a> {
    fn new(parameters: &'a [(String, String)]) -> Self {
        Self {
            names: parameters.iter().map(|(name, _)| name.as_ptr().cast()).collect(),
            name_lengths: parameters.iter().map(|(name, _)| name.len()).collect(),
            values: parameters.iter().map(|(_, value)| value.as_ptr().cast()).collect(),
            value_lengths: parameters.iter().map(|(_, value)| value.len()).collect(),
            borrowed: PhantomData,
        }
    }
}

/// A statement with its format and its parameters.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement<'a> {
    pub(crate) sql: &'a str,
    pub(crate) format: &'a str,
    pub(crate) parameters: &'a [(String, String)],
}

/// One connection to the engine.
pub(crate) struct Connection {
    api: Api,
    connection: NonNull<Handle>,
}

// SAFETY: libchdb ties a connection to no thread; `&mut` keeps its statements apart.
unsafe impl Send for Connection {}

impl Connection {
    fn call(&mut self, function: QueryFn, statement: Statement<'_>) -> Handle {
        let Statement { sql, format, parameters } = statement;
        let bound = Parameters::new(parameters);
        // SAFETY: the connection is open; each pointer has its length beside it, and everything pointed to lives
        // through the call, which copies what it keeps.
        unsafe {
            function(
                *self.connection.as_ptr(),
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                bound.names.as_ptr(),
                bound.name_lengths.as_ptr(),
                bound.values.as_ptr(),
                bound.value_lengths.as_ptr(),
                parameters.len(),
            )
        }
    }

    /// Runs a statement and returns all of its output.
    pub(crate) fn query(&mut self, statement: Statement<'_>) -> Result<Chunk, String> {
        let result = self.call(self.api.query, statement);
        self.api.result(result)
    }

    /// Runs a statement and hands out its output piece by piece.
    pub(crate) fn stream(&mut self, statement: Statement<'_>) -> Result<Stream<'_>, String> {
        let result = self.call(self.api.stream_query, statement);
        let head = self.api.result(result)?;
        Ok(Stream { connection: self, head, ended: false })
    }

    /// Begins an insert; `statement.sql` has no FORMAT clause.
    pub(crate) fn insert(&mut self, statement: Statement<'_>) -> Result<Insert<'_>, String> {
        let stream = self.call(self.api.stream_insert, statement);
        let insert = Insert { connection: self, stream, ended: false };
        match insert.error() {
            Some(error) => Err(error),
            None => Ok(insert),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: open until here, and no stream borrows it any more.
        unsafe { (self.api.close_conn)(self.connection.as_ptr()) };
    }
}

/// A piece of output.
pub(crate) struct Chunk {
    api: Api,
    result: NonNull<c_void>,
}

impl Chunk {
    /// The bytes, in the format asked for.
    pub(crate) fn bytes(&self) -> &[u8] {
        // SAFETY: a result that was not destroyed.
        let (start, length) = unsafe {
            ((self.api.result_buffer)(self.result.as_ptr()), (self.api.result_length)(self.result.as_ptr()))
        };
        if start.is_null() || length == 0 {
            return &[];
        }
        // SAFETY: libchdb's buffer of that length, unchanged until the result is destroyed.
        unsafe { std::slice::from_raw_parts(start.cast_const().cast(), length) }
    }

    /// What was read and written for it.
    pub(crate) fn summary(&self) -> Summary {
        let result = self.result.as_ptr();
        // SAFETY: a result that was not destroyed.
        unsafe {
            Summary {
                read_rows: (self.api.result_rows_read)(result),
                read_bytes: (self.api.result_bytes_read)(result),
                written_rows: (self.api.result_rows_written)(result),
                written_bytes: (self.api.result_bytes_written)(result),
            }
        }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        // SAFETY: ours, and destroyed only here.
        unsafe { (self.api.destroy_query_result)(self.result.as_ptr()) };
    }
}

/// A statement whose output is being read.
pub(crate) struct Stream<'a> {
    connection: &'a mut Connection,
    head: Chunk,
    ended: bool,
}

impl Stream<'_> {
    /// The next piece; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Chunk>, String> {
        if self.ended {
            return Ok(None);
        }
        let api = self.connection.api;
        // SAFETY: the open connection that the stream was begun on, and the stream's own head.
        let result = unsafe {
            (api.stream_fetch_result)(*self.connection.connection.as_ptr(), self.head.result.as_ptr())
        };
        let chunk = api.result(result).inspect_err(|_| self.ended = true)?;
        if chunk.bytes().is_empty() {
            self.ended = true;
            return Ok(None);
        }
        Ok(Some(chunk))
    }
}

impl Drop for Stream<'_> {
    fn drop(&mut self) {
        if !self.ended {
            // SAFETY: as in `next`; the head is destroyed after this.
            unsafe {
                (self.connection.api.stream_cancel_query)(
                    *self.connection.connection.as_ptr(),
                    self.head.result.as_ptr(),
                );
            }
        }
    }
}

/// An insert whose rows are being written. Dropped without `finish` it is cancelled.
pub(crate) struct Insert<'a> {
    connection: &'a mut Connection,
    stream: Handle,
    ended: bool,
}

impl Insert<'_> {
    fn error(&self) -> Option<String> {
        // SAFETY: libchdb never returns a null stream, and this one was not destroyed; the text is copied.
        unsafe { text((self.connection.api.stream_insert_error)(self.stream)) }
    }

    /// Hands over some bytes, which need not end at a row; waits while the engine is busy.
    pub(crate) fn append(&mut self, bytes: &[u8]) -> Result<(), String> {
        // SAFETY: a stream that was not destroyed; the bytes are copied within the call.
        let state =
            unsafe { (self.connection.api.stream_append)(self.stream, bytes.as_ptr().cast(), bytes.len()) };
        if state == SUCCESS {
            return Ok(());
        }
        Err(self.error().unwrap_or_else(|| {
            "Code: 1002. DB::Exception: the insert stopped. (UNKNOWN_EXCEPTION)".to_owned()
        }))
    }

    /// Writes what was handed over.
    pub(crate) fn finish(mut self) -> Result<Summary, String> {
        self.ended = true;
        // SAFETY: a stream that was not destroyed; the result is taken over.
        let result = unsafe { (self.connection.api.stream_done)(self.stream) };
        let summary = self.connection.api.result(result)?.summary();
        match self.error() {
            Some(error) => Err(error),
            None => Ok(summary),
        }
    }
}

impl Drop for Insert<'_> {
    fn drop(&mut self) {
        let api = self.connection.api;
        // SAFETY: cancelled at most once and never after the end, then destroyed, only here.
        unsafe {
            if !self.ended {
                (api.stream_cancel_insert)(self.stream);
            }
            (api.destroy_insert_stream)(self.stream);
        }
        self.stream = ptr::null_mut();
    }
}
