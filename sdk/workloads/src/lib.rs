//! What plugins that run containers on Kubernetes share.
//!
//! | module | what it does |
//! | --- | --- |
//! | [`cluster`] | the capability `kubernetes` with JSON values, behind a trait that tests answer from recordings |
//! | [`names`] | names and labels that Kubernetes takes |
//! | [`options`] | where and with what a platform team lets pods run |
//! | [`job`] | work that ends: made once, watched, and gone with all that belongs to it |
//! | [`pods`] | what holds a pod up, or ended it, in the pod's own words |
//! | [`logs`] | a pod's log into the task's log, each line once; last words for errors |
//! | [`parcel`] | bytes for a pod that reaches no object storage |
//! | [`storage`] | object storage that pods reach |
//!
//! All of it works on JSON, as the capability does: types for every field of a Kubernetes version would refuse what the next
//! one adds.

#![deny(missing_docs)]

pub mod cluster;
pub mod job;
pub mod logs;
pub mod names;
pub mod options;
pub mod parcel;
pub mod pods;
pub mod storage;
