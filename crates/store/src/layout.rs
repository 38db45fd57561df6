//! Which object has which path, both ways. Names that the store does not give are not its objects.

use object_store::path::Path;
use phalanx_claim::Digest;

pub(crate) const ARTIFACTS: &str = "artifacts";
pub(crate) const KEYS: &str = "keys";
pub(crate) const ROOTS: &str = "roots";
pub(crate) const HOLDS: &str = "holds";
pub(crate) const SPOOL: &str = "spool";
pub(crate) const LOCK: &str = "lock";
pub(crate) const COLLECTED: &str = "collected";

/// `artifacts/<2 hex>/<digest>`
pub(crate) fn artifact(digest: &Digest) -> Path {
    sharded(ARTIFACTS, digest)
}

/// `keys/<2 hex>/<task key>`
pub(crate) fn key(key: &Digest) -> Path {
    sharded(KEYS, key)
}

/// `roots/<name>/<digest>`
pub(crate) fn pin(name: &str, digest: &Digest) -> Path {
    Path::from_iter([ROOTS, name, &digest.to_string()])
}

fn sharded(kind: &str, digest: &Digest) -> Path {
    let hex = digest.to_string();
    let shard = hex.get(..2).unwrap_or_default();
    Path::from_iter([kind, shard, &hex])
}

/// The digest that names an artifact or a key, if it is in the place where [`artifact`] or [`key`] put it.
pub(crate) fn sharded_name(kind: &str, path: &Path) -> Option<Digest> {
    let digest = digest(path.filename()?)?;
    (sharded(kind, &digest) == *path).then_some(digest)
}

/// The root's name and the digest, if the path is one that [`pin`] makes.
pub(crate) fn pinned(path: &Path) -> Option<(String, Digest)> {
    let mut parts = path.parts();
    let (_, name, file, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else { return None };
    let digest = digest(file.as_ref())?;
    (pin(name.as_ref(), &digest) == *path).then(|| (name.as_ref().to_owned(), digest))
}

/// A digest in lower case: one digest, one name.
pub(crate) fn digest(name: &str) -> Option<Digest> {
    name.parse().ok().filter(|digest: &Digest| digest.to_string() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_its_own_place_names_an_artifact() {
        let digest = Digest::of(b"");
        assert_eq!(artifact(&digest).as_ref(), format!("artifacts/af/{digest}"));
        assert_eq!(sharded_name(ARTIFACTS, &artifact(&digest)), Some(digest));
        assert_eq!(sharded_name(KEYS, &artifact(&digest)), None);
        assert_eq!(sharded_name(ARTIFACTS, &Path::from(format!("artifacts/00/{digest}"))), None);
        let upper = digest.to_string().to_uppercase();
        assert_eq!(sharded_name(ARTIFACTS, &Path::from(format!("artifacts/AF/{upper}"))), None);
    }

    #[test]
    fn a_pin_names_its_root_and_its_digest() {
        let digest = Digest::of(b"");
        assert_eq!(pinned(&pin("job-1", &digest)), Some(("job-1".to_owned(), digest)));
        assert_eq!(pinned(&Path::from("roots/job-1/x")), None);
        assert_eq!(pinned(&Path::from(format!("roots/a/b/{digest}"))), None);
    }
}
