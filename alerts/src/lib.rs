//! Series to verdict to incident to notification
