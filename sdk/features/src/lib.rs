//! What all plugins of the role features have in common, whatever stores the features: which columns may be one ([`columns`]),
//! whether a view can be ([`registration`]), how rows say whose they are ([`keys`]), what the columns of an answer are called ([`names`]), rows that
//! are pushed ([`push`]), and pieces of SQL that find a view's rows ([`sql`]).

pub mod columns;
pub mod keys;
pub mod names;
pub mod push;
pub mod registration;
pub mod sql;
