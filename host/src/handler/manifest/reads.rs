//! What a handler may read: what it declared *and* was granted.

use super::{Manifest, Read};

impl Manifest {
    /// The kinds that are declared and granted somewhere, each with the namespaces in which it is both; empty: all.
    pub fn readable(&self) -> Vec<Read> {
        let of = |read: &Read| Some(Read { namespaces: granted_namespaces(read, &self.grants.read)?, ..read.clone() });
        self.reads.iter().filter_map(of).collect()
    }
}

/// The namespaces in which `read` is both declared and granted (empty: all), or none if it is granted nowhere.
fn granted_namespaces(read: &Read, grants: &[Read]) -> Option<Vec<String>> {
    let mut namespaces = Vec::new();
    for grant in grants.iter().filter(|grant| grant.api_version == read.api_version && grant.kind == read.kind) {
        match (read.namespaces.is_empty(), grant.namespaces.is_empty()) {
            (true, true) => return Some(Vec::new()),
            (true, false) => namespaces.extend(grant.namespaces.iter().cloned()),
            (false, true) => return Some(read.namespaces.clone()),
            (false, false) => {
                namespaces.extend(grant.namespaces.iter().filter(|one| read.namespaces.contains(one)).cloned());
            }
        }
    }
    namespaces.sort();
    namespaces.dedup();
    if namespaces.is_empty() { None } else { Some(namespaces) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(namespaces: &[&str]) -> Read {
        Read {
            api_version: "v1".into(),
            kind: "Pod".into(),
            namespaces: namespaces.iter().map(|&name| name.into()).collect(),
        }
    }

    #[test]
    fn what_may_be_read_is_what_is_declared_and_granted() {
        assert_eq!(granted_namespaces(&read(&[]), &[]), None);
        assert_eq!(granted_namespaces(&read(&[]), &[read(&[])]), Some(vec![]));
        assert_eq!(granted_namespaces(&read(&["a", "b"]), &[read(&["b", "c"])]), Some(vec!["b".to_owned()]));
        assert_eq!(granted_namespaces(&read(&["a"]), &[read(&["b"])]), None);
        assert_eq!(granted_namespaces(&read(&["a"]), &[read(&[])]), Some(vec!["a".to_owned()]));
        assert_eq!(
            granted_namespaces(&read(&[]), &[read(&["b"]), read(&["a"])]),
            Some(vec!["a".to_owned(), "b".to_owned()])
        );
    }
}
