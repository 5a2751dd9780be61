//! Bytes for a pod that reaches no object storage: as ConfigMaps, each a part, in one folder of the pod.
//!
//! A ConfigMap holds 1 MiB at most, and the files of a mounted one are symbolic links: whoever uses them joins the parts
//! (`cat FOLDER/*`) and has a plain file.

use asgard_sdk::{Error, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

/// Of one part. Encoded it must stay below the 1.5 MiB that etcd takes in a request, with room for metadata.
const PART: usize = 900 << 10;

/// All parts are held by etcd, whose whole database may have 2 GiB by default. More belongs into object storage.
const LARGEST: usize = 32 << 20;

/// Bytes on their way into a pod.
#[derive(Debug)]
pub struct Parcel<'a> {
    name: &'a str,
    parts: Vec<&'a [u8]>,
}

impl<'a> Parcel<'a> {
    /// `name` is that of the work it is for; `what` is said when it is too large.
    ///
    /// # Errors
    /// `unsupported` for more bytes than ConfigMaps should carry.
    pub fn new(name: &'a str, data: &'a [u8], what: &str) -> Result<Self> {
        if data.len() > LARGEST {
            return Err(Error::Unsupported(format!(
                "{what} has {} MiB, and what goes through the cluster's own store may have {} MiB: keep the environment's \
                 objects in an object storage that pods reach",
                data.len() >> 20,
                LARGEST >> 20
            )));
        }
        Ok(Self { name, parts: data.chunks(PART).collect() })
    }

    /// One ConfigMap for each part.
    #[must_use]
    pub fn manifests(&self, namespace: &str, labels: &Value) -> Vec<Value> {
        let manifest = |(index, part): (usize, &&[u8])| {
            json!({
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": { "name": self.part_name(index), "namespace": namespace, "labels": labels },
                "binaryData": { file_name(index): STANDARD.encode(part) },
            })
        };
        self.parts.iter().enumerate().map(manifest).collect()
    }

    /// The volume whose files, in order of their names, are the parts.
    #[must_use]
    pub fn volume(&self, volume: &str) -> Value {
        let sources: Vec<Value> =
            (0..self.parts.len()).map(|index| json!({ "configMap": { "name": self.part_name(index) } })).collect();
        json!({ "name": volume, "projected": { "sources": sources } })
    }

    fn part_name(&self, index: usize) -> String {
        format!("{}-{index}", self.name)
    }
}

fn file_name(index: usize) -> String {
    format!("part-{index:04}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_in_order_of_their_names_are_the_bytes() {
        let data: Vec<u8> = (0..PART * 2 + 5).map(|n| (n % 251) as u8).collect();
        let parcel = Parcel::new("build-1", &data, "it").unwrap();
        let manifests = parcel.manifests("ns", &json!({}));
        let mut files: Vec<(String, Vec<u8>)> = manifests
            .iter()
            .flat_map(|manifest| manifest["binaryData"].as_object().unwrap())
            .map(|(name, value)| (name.clone(), STANDARD.decode(value.as_str().unwrap()).unwrap()))
            .collect();
        files.sort();
        assert_eq!(files.into_iter().flat_map(|(_, part)| part).collect::<Vec<u8>>(), data);
        let names: Vec<&Value> = manifests.iter().map(|manifest| &manifest["metadata"]["name"]).collect();
        let mounted = parcel.volume("context");
        let mounted: Vec<&Value> = (0..3).map(|n| &mounted["projected"]["sources"][n]["configMap"]["name"]).collect();
        assert_eq!(names, mounted);
    }

    #[test]
    fn what_is_too_large_is_refused_with_what_to_do() {
        let data = vec![0; LARGEST + 1];
        let refused = Parcel::new("x", &data, "the build context");
        assert!(matches!(&refused, Err(Error::Unsupported(why)) if why.contains("object storage")), "{refused:?}");
    }
}
