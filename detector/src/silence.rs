//! Machines that went dark: who, beyond expectation, and what they share.
