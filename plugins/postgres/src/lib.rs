//! Reads PostgreSQL inside the sandbox and hands over Arrow rows.
