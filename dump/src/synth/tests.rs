//! Tests of the writer that need no parser.
