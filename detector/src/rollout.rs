//! May a rollout go on? Counts of two versions in, `pass`, `hold` or `stop` out, with the reason.
