//! Windows kernel crash dumps: bytes to facts, identity, and a synthetic writer
