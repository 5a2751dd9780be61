//! Feature views over Iceberg tables: point-in-time joins and online reads.
