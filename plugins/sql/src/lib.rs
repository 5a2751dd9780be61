//! Silver and gold on the host's embedded engine.
